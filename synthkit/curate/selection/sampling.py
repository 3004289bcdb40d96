"""Sampling: which rows stay, by chance and score, or by the balance that is asked for.

Each row draws its lot from the seed and its id alone. So the order of the table changes nothing,
and a row that comes or goes displaces at most one other.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import canonical
from synthkit.curate.filters.base import Filter
from synthkit.data import tables as tables
from synthkit.prompts.quotas import quotas, shares

Floats = NDArray[np.float64]


def sample_by_score(
    column: str = "score", *, n: int, temperature: float = 1.0, seed: int = 0
) -> Filter:
    """A filter that keeps ``n`` rows, drawn without replacement by exp(score / temperature).

    The first row is drawn with P(i) = exp(s_i / T) / sum_j exp(s_j / T), each further one in the
    same way from those that are left. That is what the n largest of s_i / T + g_i are, with g_i
    independent standard Gumbel variables. At temperature 0 they are the n best scores; the higher
    it is, the less the score matters.

    Rows without a score are dropped. Where there are ``n`` rows or fewer, all stay.

    Raises
    ------
    UsageError
        If ``n`` or the temperature is out of range; when it is applied, if a score is no number.

    References
    ----------
    J. I. Yellott (1977), The relationship between Luce's choice axiom, Thurstone's theory of
    comparative judgment, and the double exponential distribution, J. Math. Psychology 15; W. Kool
    et al. (2019), Stochastic beams and where to find them, arXiv 1903.06059, section 2.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"id": "a", "score": 1}, {"id": "b", "score": 5}, {"id": "c", "score": 3}]
    >>> apply_filters(rows, sample_by_score(n=2, temperature=0)).dropped["why"].tolist()
    ['not selected: rank 3 of 3']
    """
    most = positive(n)
    if not 0 <= temperature < float("inf"):
        raise UsageError(f"temperature must be 0 or more; got {temperature}.")

    def judge(table: Any) -> list[str]:
        scores = numbers(table, column)
        there = [at for at, score in enumerate(scores) if score is not None]
        found = np.array([scores[at] for at in there], np.float64)
        noise = gumbel(_ids(table, there), seed)
        keys = (found,) if temperature == 0 else (found / temperature + noise,)
        order = np.lexsort((noise, *keys))[::-1]
        return ranked([there[at] for at in order], most, len(scores), f"{column} missing")

    return Filter(f"sample {most} by {column} at temperature {temperature:g}, seed {seed}", judge)


def balanced(
    by: str | Sequence[str],
    *,
    n: int | None = None,
    targets: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Filter:
    """A filter that keeps as many rows of each value of a column as its share is.

    The quotas are those of :func:`synthkit.prompts.quotas.quotas`: n times the share, and what rounding
    leaves by the largest remainders. They are met exactly; which rows fill them is drawn by the
    seed. Rows without a value are dropped.

    Parameters
    ----------
    by : a column; or several, of which each combination that occurs has a share.
    n : how many rows stay; if not given, as many as can be without a value below its exact share.
    targets : column -> value -> its share, as any numbers of 0 or more; columns that are not named
        have equal shares.

    Raises
    ------
    UsageError
        If ``n`` is below 1; when it is applied, if a value has fewer rows than its quota, or the
        targets do not fit the values.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"id": str(i), "label": "spam" if i < 2 else "ham"} for i in range(7)]
    >>> apply_filters(rows, balanced("label")).kept["label"].tolist()
    ['spam', 'spam', 'ham', 'ham']
    >>> made = apply_filters(rows, balanced("label", n=4, targets={"label": {"ham": 3, "spam": 1}}))
    >>> made.kept["label"].value_counts().to_dict(), made.dropped["why"][0]
    ({'ham': 3, 'spam': 1}, 'not selected: spam has its 1')
    """
    names = [by] if isinstance(by, str) else list(by)
    if not names:
        raise UsageError("expected a column to balance; got none.")
    most = None if n is None else positive(n)

    def judge(table: Any) -> list[str]:
        rows = list(zip(*(tables.column(table, name) for name in names), strict=True))
        reasons = [_missing(names, row) for row in rows]
        groups: dict[tuple[str, ...], list[int]] = {}
        for at, row in enumerate(rows):
            if not reasons[at]:
                groups.setdefault(tuple(map(str, row)), []).append(at)
        asked = [dict(zip(names, group, strict=True)) for group in sorted(groups)]
        sizes = [len(groups[group]) for group in sorted(groups)]
        wanted = _fitting(asked, sizes, most, targets)
        for group, quota in zip(sorted(groups), wanted, strict=True):
            members = groups[group]
            drawn = np.argsort(lots(_ids(table, members), seed), kind="stable")
            for at in drawn[quota:]:
                reasons[members[at]] = f"not selected: {', '.join(group)} has its {quota:,}"
        return reasons

    asked = "all that fit" if most is None else str(most)
    said = f", shares {canonical(targets).decode()}" if targets else ""
    return Filter(f"balance {', '.join(names)}: {asked}{said}, seed {seed}", judge)


def _missing(names: Sequence[str], row: Sequence[Any]) -> str:
    gone = [name for name, cell in zip(names, row, strict=True) if cell is None]
    return f"{gone[0]} missing" if gone else ""


def _fitting(
    asked: Sequence[Mapping[str, str]],
    sizes: Sequence[int],
    n: int | None,
    targets: Mapping[str, Any] | None,
) -> list[int]:
    """The quota of each group, of ``n`` rows or as many as can be, none above its size."""
    if not asked:
        return []
    parts = shares(asked, targets)
    least = min(size / part for size, part in zip(sizes, parts, strict=True) if part)
    most = int(least + 1e-9)
    while any(map(operator.gt, quotas(asked, most, targets), sizes)):
        most -= 1
    found = quotas(asked, most if n is None else n, targets)
    for group, quota, size in zip(asked, found, sizes, strict=True):
        if quota > size:
            raise UsageError(
                f"expected {quota} rows of {', '.join(group.values())}; got {size}. "
                f"With these shares n = {most} fits; or give other targets."
            )
    return found


def positive(n: Any) -> int:
    """A number of rows, if it is a whole number of 1 or more."""
    try:
        whole = operator.index(n)
    except TypeError:
        whole = 0
    if whole < 1 or isinstance(n, bool):
        raise UsageError(f"n must be a whole number of rows, 1 or more; got {n!r}.")
    return whole


def numbers(table: Any, column: str) -> list[float | None]:
    """The numbers of a column; ``None`` where one is missing.

    Raises
    ------
    UsageError
        If a cell is no number.
    """
    cells = tables.column(table, column)
    for at, cell in enumerate(cells):
        if cell is None:
            continue
        if isinstance(cell, bool | str) or not hasattr(cell, "__float__"):
            raise UsageError(f"row {at}: expected a number in {column!r}; got {cell!r}.")
    return [None if cell is None else float(cell) for cell in cells]


def lots(ids: Sequence[str], seed: int) -> Floats:
    """A number above 0 and below 1 for each id, uniform over ids and seeds."""
    drawn = [
        hashlib.blake2b(f"{seed}:{id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for id in ids
    ]
    whole = np.frombuffer(b"".join(drawn), ">u8").astype(np.uint64) >> np.uint64(11)
    found: Floats = (whole.astype(np.float64) + 0.5) / 2.0**53
    return found


def gumbel(ids: Sequence[str], seed: int) -> Floats:
    """A standard Gumbel variable for each id."""
    found: Floats = -np.log(-np.log(lots(ids, seed)))
    return found


def ranked(order: Sequence[int], n: int, size: int, missing: str) -> list[str]:
    """Why each of ``size`` rows is dropped, if the first ``n`` of the order stay."""
    reasons = [missing] * size
    for rank, at in enumerate(order, start=1):
        reasons[at] = "" if rank <= n else f"not selected: rank {rank:,} of {len(order):,}"
    return reasons


def _ids(table: Any, positions: Sequence[int]) -> list[str]:
    ids = tables.column(tables.identified(table), "id")
    return [str(ids[at]) for at in positions]
