"""The type of the small text classifier that learns from a recipe's rows, and of its training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol


class TextClassifier(Protocol):
    """A trained classifier of texts, such as ``synthkit.stats.classifier.fit`` returns."""

    @property
    def labels(self) -> Sequence[Any]:
        """Its k labels."""
        ...

    def probabilities(self, texts: Sequence[str]) -> Any:
        """(n, k) probabilities, with columns in the order of ``labels``."""
        ...


Student = Annotated[Callable[[Sequence[str], Sequence[Any]], TextClassifier], "STUDENT"]
"""(texts, labels) -> a classifier trained on them, such as ``functools.partial(fit,
embed=load_embedder("wordllama").embed)``; in a ``%%synth`` line the name of an embedder."""
