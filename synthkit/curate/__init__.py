"""What to keep of a table, and why the rest was dropped.

A rule that drops rows is a ``Filter``, and ``sift(table, *filters)`` applies it:

    sift(reviews, length(least=5), no_refusals(), near_duplicates(threshold=0.9))

Other verbs add columns (scores, weights, better labels), by which rows are dropped or weighted.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthkit.curate.annotators import Consensus as Consensus
    from synthkit.curate.annotators import dawid_skene as dawid_skene
    from synthkit.curate.annotators import from_marks as from_marks
    from synthkit.curate.annotators import judgements as judgements
    from synthkit.curate.filtering import Filter as Filter
    from synthkit.curate.filtering import by_column as by_column
    from synthkit.curate.filtering import each as each
    from synthkit.curate.filtering import each_text as each_text
    from synthkit.curate.filtering import function as function
    from synthkit.curate.filtering import sift as sift
    from synthkit.curate.labels import relabel as relabel
    from synthkit.curate.labels import vote as vote

_HOMES: dict[str, str] = (
    dict.fromkeys(("Filter", "by_column", "each", "each_text", "function", "sift"), "filtering")
    | dict.fromkeys(("Consensus", "dawid_skene", "from_marks", "judgements"), "annotators")
    | dict.fromkeys(("relabel", "vote"), "labels")
)
"""Public name -> the module it is in."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'synthkit.curate' has no attribute {name!r}")
    return getattr(importlib.import_module(f"synthkit.curate.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
