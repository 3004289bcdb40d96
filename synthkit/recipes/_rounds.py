"""What recipes that work in rounds share: lineage, samples, duplicates, and a student to learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Protocol, TypeVar

from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Reject, Request, Row, Steps
from synthkit.data import tables
from synthkit.recipes._base import signature
from synthkit.stats.rouge import Pool, tokens

T = TypeVar("T")

WIDTH = 100
"""Most texts that are asked for side by side, so that the first rows come before a round ends."""
SHOWN = 80
"""How many characters of a text a reason quotes."""


class Learned(Protocol):
    """A classifier of texts, as ``synthkit.stats.classifier.fit`` gives it."""

    @property
    def labels(self) -> Sequence[Any]:
        """The labels that it tells apart."""
        ...

    def probabilities(self, texts: Sequence[str]) -> Any:
        """(n, k), the probability of each label, in the order of ``labels``."""
        ...


Student = Annotated[Callable[[Sequence[str], Sequence[Any]], Learned], "STUDENT"]
"""(texts, labels) -> the classifier that has learned them, such as ``functools.partial(fit,
embed=load_embedder("wordllama").embed)``; on a ``%%synth`` line an embedder's name."""


def traced(steps: Steps[T]) -> Steps[tuple[tuple[Request, ...], T]]:
    """What steps return, and the requests that they asked before, repairs too.

    The steps may yield requests alone.

    >>> from synthkit.recipes._base import ask_all, user
    >>> steps = traced(ask_all([user("Hi.")]))
    >>> request = next(steps)[0]
    >>> try:
    ...     steps.send(["Hello."])
    ... except StopIteration as end:
    ...     end.value == ((request,), ["Hello."])
    True
    """
    of: list[Request] = []
    reply: Any = None
    while True:
        try:
            step: Any = steps.send(reply)
        except StopIteration as end:
            return tuple(of), end.value
        of += step
        reply = yield step


class Samples:
    """Numbers the requests of a run, so that a question asked again draws a sample of its own.

    >>> from synthkit.recipes._base import user
    >>> sample = Samples()
    >>> [sample(user(text)).index for text in ["a", "b", "a"]]
    [0, 0, 1]
    """

    def __init__(self) -> None:
        self._seen: Counter[Any] = Counter()

    def __call__(self, request: Request) -> Request:
        """The request, with the next index of its question."""
        asked = signature(request)
        self._seen[asked] += 1
        return replace(request, index=self._seen[asked] - 1)


class Distinct:
    """Texts that are to be unlike each other.

    Parameters
    ----------
    likeness : a text whose ROUGE-L F1 with one of them is above this is too like it; at 1 only
        one of the same words is.
    texts : what is there already.

    Examples
    --------
    >>> distinct = Distinct(0.7, ["Warm bread, cold soup."])
    >>> distinct.complaint("warm bread - cold soup")
    "the same words as 'Warm bread, cold soup.'"
    >>> distinct.complaint("Warm bread and cold soup.")
    "ROUGE-L 0.89 with 'Warm bread, cold soup.'"
    >>> distinct.complaint("Nobody came.")
    ''
    """

    def __init__(self, likeness: float, texts: Iterable[str] = ()) -> None:
        if not 0 < likeness <= 1:
            raise UsageError(f"likeness must be above 0, at most 1; got {likeness}.")
        self._likeness = likeness
        self._pool = Pool() if likeness < 1 else None
        self._texts: list[str] = []
        self._words: dict[str, str] = {}
        for text in texts:
            self.add(text)

    def complaint(self, text: str) -> str:
        """Which of the texts this one is too like, in words; empty if it is like none."""
        same = self._words.get(_words(text))
        if same is not None:
            return f"the same words as {quoted(same)}"
        if self._pool is None:
            return ""
        score, position = self._pool.max_rouge(text, above=self._likeness)
        if position is None:
            return ""
        return f"ROUGE-L {score:.2f} with {quoted(self._texts[position])}"

    def outcome(
        self,
        found: Mapping[str, Any] | Reject,
        *,
        of: tuple[Request, ...],
        cells: Mapping[str, Any],
        parent: str | None = None,
    ) -> Row | Reject:
        """The row of a text that is unlike those here, and is here from then on; or why it is none.

        Parameters
        ----------
        found : the row's own cells, with its ``text``; or why there is none.
        of, cells, parent : the requests it rests on, its other cells, and the row it comes from.
        """
        if not isinstance(found, Reject):
            complaint = self.complaint(found["text"])
            if not complaint:
                self.add(found["text"])
                return Row({**cells, **found}, of, parent)
            found = Reject(found["text"], complaint)
        return replace(found, cells={**cells, **found.cells}, of=of, parent=parent)

    def add(self, text: str) -> None:
        """Take a text in."""
        self._words.setdefault(_words(text), text)
        if self._pool is not None:
            self._pool.add(text)
            self._texts.append(text)


def portions(n: int, rounds: int) -> list[slice]:
    """Where each round's part of ``n`` begins and ends; none is empty, or larger by more than 1.

    >>> [range(5)[part] for part in portions(5, 2)], portions(1, 3)
    ([range(0, 2), range(2, 5)], [slice(0, 1, None)])
    """
    rounds = min(n, rounds)
    return [slice(n * at // rounds, n * (at + 1) // rounds) for at in range(rounds)]


def batches(plan: Sequence[T]) -> Iterator[Sequence[T]]:
    """The parts of what a round asks for that are decided together, of :data:`WIDTH` at most."""
    return (plan[at : at + WIDTH] for at in range(0, len(plan), WIDTH))


def quoted(text: str) -> str:
    """How a text begins, in quotation marks."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def texts(rows: Any, column: str) -> list[str]:
    """The texts of a column.

    Raises
    ------
    TableError
        If there is no such column, no row, or a cell that is no text.
    """
    found = tables.column(rows, column)
    if not found:
        raise TableError(f"expected one row or more with a {column!r}; got none.")
    for i, cell in enumerate(found):
        if not isinstance(cell, str) or not cell.strip():
            raise TableError(
                f"row {i}: expected a text in {column!r}; got {cell!r}. Leave such rows out."
            )
    return found


def _words(text: str) -> str:
    return " ".join(tokens(text)) or text.strip()
