"""Findings of a verification: what was derived again, what differs, and what was not checked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from synthkit.core.errors import SynthkitError
from synthkit.core.formatting import count

MOST = 50
"""Differences, and reasons for what was not checked, that are listed."""
SHOWN = 120
"""Characters of a value that are shown."""
_DAMAGE = (SynthkitError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Difference:
    """A value in a bundle that differs from the derived one, and where it is."""

    where: str
    stored: str
    derived: str

    def __str__(self) -> str:
        return f"{self.where}: stored {self.stored}, derived {self.derived}"


@dataclass(frozen=True, slots=True)
class NotChecked:
    """What could not be derived again, how many such values there are, and the reason."""

    what: str
    reason: str
    n: int = 1

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of :func:`synthkit.verify.verify`.

    Parameters
    ----------
    checked : kind of value -> how many were derived again and agree.
    """

    checked: dict[str, int]
    differences: tuple[Difference, ...]
    not_checked: tuple[NotChecked, ...]

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def __str__(self) -> str:
        lines = [f"{kind}: {n} derived again" for kind, n in self.checked.items()]
        unchecked = sum(each.n for each in self.not_checked)
        lines += [f"not checked: {count(unchecked, 'value')}"] if unchecked else []
        lines += _listed("  ", self.not_checked)
        lines += [f"{count(len(self.differences), 'difference')}"] if self.differences else []
        lines += _listed("  ", self.differences)
        return "\n".join([*lines, "differs" if self.differences else "nothing differs"])


@dataclass(slots=True)
class Findings:
    """Findings under way."""

    checked: Counter[str] = field(default_factory=Counter)
    differences: dict[str, Difference] = field(default_factory=dict)
    not_checked: list[NotChecked] = field(default_factory=list)

    def same(self, kind: str, where: str, stored: Any, derived: Any, tolerance: float = 0) -> bool:
        """Count a value that agrees, or note where it differs; returns whether it agrees."""
        if equal(stored, derived, tolerance):
            self.checked[kind] += 1
            return True
        self.differs(where, shown(stored), shown(derived))
        return False

    def differs(self, where: str, stored: str, derived: str) -> None:
        """Note a difference; the first of a place counts."""
        self.differences.setdefault(where, Difference(where, stored, derived))

    def lacks(self, what: str, reason: str, n: int = 1) -> None:
        """Note what was not checked, and why."""
        if n:
            self.not_checked.append(NotChecked(what, reason.rstrip("."), n))

    @contextmanager
    def deriving(self, where: str) -> Iterator[None]:
        """Errors of a block become a difference: what is there cannot be read or derived."""
        try:
            yield
        except _DAMAGE as error:
            self.differs(where, "a value that cannot be read", f"{type(error).__name__}: {error}")

    def result(self) -> Verification:
        """The findings, complete."""
        return Verification(
            dict(self.checked), tuple(self.differences.values()), tuple(self.not_checked)
        )


def equal(stored: Any, derived: Any, tolerance: float = 0) -> bool:
    """Whether two values are equal; numbers within a relative tolerance."""
    if stored is derived:
        return True
    both = isinstance(stored, int | float) and isinstance(derived, int | float)
    if both and not isinstance(stored, bool) and not isinstance(derived, bool):
        return math.isclose(stored, derived, rel_tol=tolerance, abs_tol=tolerance * 1e-3) or (
            stored != stored and derived != derived
        )
    if isinstance(stored, list | tuple) and isinstance(derived, list | tuple):
        return len(stored) == len(derived) and all(
            equal(a, b, tolerance) for a, b in zip(stored, derived, strict=True)
        )
    return type(stored) is type(derived) and bool(stored == derived)


def shown(value: Any) -> str:
    """A value as a finding shows it."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _listed(start: str, findings: tuple[Any, ...]) -> list[str]:
    rest = len(findings) - MOST
    lines = [f"{start}{each}" for each in findings[:MOST]]
    return [*lines, f"{start}and {rest} more"] if rest > 0 else lines
