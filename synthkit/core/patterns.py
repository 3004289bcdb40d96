"""Regular expressions that a user gives, searched in texts of a model with a time limit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import UsageError

SECONDS = 1.0
"""How long one search may take. Nested repetition can take for ever on an unlucky text."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of Python's :mod:`re`; :func:`pattern` compiles one."""

    source: str
    groups: tuple[str, ...]
    compiled: Any

    def search(self, text: str) -> Any:
        """The first match in a text, as :mod:`re` has it; ``None`` if there is none.

        Raises
        ------
        TimeoutError
            If it takes longer than :data:`SECONDS`; the message is a reason for a reject.
        """
        try:
            return self.compiled.search(text, timeout=SECONDS)
        except TimeoutError:
            raise TimeoutError(
                f"the pattern {self.source!r} was not done with this text after {SECONDS:g} s; "
                "simplify repetitions within repetitions"
            ) from None


def pattern(source: str) -> Pattern:
    """A compiled pattern.

    >>> pattern("(?P<n>[0-9]+)").search("No. 12")["n"]
    '12'

    Raises
    ------
    UsageError
        If it is not a regular expression.
    """
    import regex  # the library that has a time limit; slow to import

    try:
        named: Mapping[str, int] = re.compile(source).groupindex
        return Pattern(source, tuple(named), regex.compile(source))
    except (re.error, regex.error, TypeError, OverflowError, RecursionError) as error:
        raise UsageError(f"the pattern {source!r} is not a regular expression: {error}.") from None
