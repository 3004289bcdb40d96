"""What to keep of a table, and why the rest was dropped.

A rule that drops rows is a ``Filter``, and ``sift(table, *filters)`` applies it:

    sift(reviews, length(least=5), no_refusals(), near_duplicates(threshold=0.9))

Other verbs add columns (scores, weights, better labels), by which rows are dropped or weighted.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthkit.curate.filtering import Filter as Filter
    from synthkit.curate.filtering import by_column as by_column
    from synthkit.curate.filtering import each as each
    from synthkit.curate.filtering import each_text as each_text
    from synthkit.curate.filtering import function as function
    from synthkit.curate.filtering import sift as sift

_HOMES: dict[str, str] = dict.fromkeys(
    ("Filter", "by_column", "each", "each_text", "function", "sift"), "filtering"
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
