"""Ranges of numbers in the options of filters: read, check and describe them."""

from __future__ import annotations

import re
from typing import Any

from synthkit.core.errors import UsageError

_RANGE = re.compile(r"(\d*)\s*-\s*(\d*)|(>=|<=)\s*(\d+)")


def parse_range(text: Any) -> tuple[float | None, float | None]:
    """The bounds in ``"3-50"``, ``"3-"``, ``"-50"``, ``">=3"`` or ``"<=50"``.

    Raises
    ------
    UsageError
        If the text has none of these forms.
    """
    match = _RANGE.fullmatch(str(text).strip())
    if not match or not any(match.groups()):
        raise UsageError(f"expected a range such as 3-50, 3- or -50; got {text!r}.")
    low, high, sign, bound = match.groups()
    if sign:
        low, high = (bound, "") if sign == ">=" else ("", bound)
    return float(low) if low else None, float(high) if high else None


def describe_range(what: str, least: float | None, most: float | None) -> str:
    """A checked range in words, such as ``>= 2 and <= 5``.

    Raises
    ------
    UsageError
        If there is no bound, a bound is not a number, or ``least`` is above ``most``.
    """
    for bound in (least, most):
        if bound is not None and (isinstance(bound, bool) or not hasattr(bound, "__float__")):
            raise UsageError(f"a bound of {what} must be a number; got {bound!r}.")
    if least is None and most is None:
        raise UsageError(f"a filter by {what} needs least=, most= or both.")
    if least is not None and most is not None and not least <= most:
        raise UsageError(f"expected least <= most in a filter by {what}; got {least} and {most}.")
    words = [f">= {least:.12g}"] if least is not None else []
    return " and ".join(words + ([f"<= {most:.12g}"] if most is not None else []))


def check_share(option: str, value: float) -> None:
    """Check that the value of an option is a share.

    Raises
    ------
    UsageError
        If it is not a number from 0 to 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UsageError(f"{option} must be from 0 to 1; got {value!r}.")
