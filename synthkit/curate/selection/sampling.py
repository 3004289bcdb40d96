"""Samples of rows: random by a score, or balanced by the values of a column.

The random number of a row depends only on the seed and its id. So the order of the table does not
matter, and a row that is added or removed changes at most one other row of the sample.
"""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.hashing import canonical
from synthkit.curate.filters.base import Filter, measured_filter
from synthkit.curate.filters.registry import filter_option
from synthkit.data import tables
from synthkit.data.cells import key_text
from synthkit.prompts.quotas import quotas, shares
from synthkit.stats.classifier import Floats


def sample_by_score(
    column: str = "score", *, n: int, temperature: float = 1.0, seed: int = 0
) -> Filter:
    """Keep ``n`` rows, drawn without replacement in proportion to exp(score / temperature).

    The first row is drawn with P(i) = exp(s_i / T) / sum_j exp(s_j / T), each further row in the
    same way from the rest. Equivalently, these are the rows with the n largest s_i / T + g_i, where
    g_i are independent standard Gumbel variables. At temperature 0 they are the n best scores; the
    higher the temperature, the less the score matters.

    Rows without a score are dropped. All other rows are kept if there are ``n`` or fewer.

    Raises
    ------
    UsageError
        If ``n`` or the temperature is out of range; when applied, if a score is not a number.

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
    most = checked_n(n)
    if not 0 <= temperature < float("inf"):
        raise UsageError(f"temperature must be 0 or more; got {temperature}.")

    def measure(table: Any) -> tuple[Floats, Floats]:
        cells = numbers(table, column)
        scores = np.array([np.nan if cell is None else cell for cell in cells], np.float64)
        noise = gumbel(_ids(table), seed)
        return (scores if temperature == 0 else scores / temperature + noise), noise

    name = f"sample {most} by {column} at temperature {temperature:g}, seed {seed}"
    return measured_filter(name, measure, partial(_highest, n=most, missing=f"{column} missing"))


@filter_option("sample", takes="NUMBER", cost=2)
def random_sample(n: Any, *, seed: int = 0) -> Filter:
    """Keep NUMBER rows that are drawn at random.

    All rows are kept if there are ``n`` or fewer.

    Raises
    ------
    UsageError
        If ``n`` is not a whole number of 1 or more.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"id": str(at)} for at in range(100)]
    >>> apply_filters(rows, random_sample(3)).kept["id"].tolist()
    ['15', '72', '76']
    """
    most = checked_n(int(n) if isinstance(n, float) and n.is_integer() else n)

    def measure(table: Any) -> tuple[Floats, Floats]:
        numbers = uniform(_ids(table), seed)
        return numbers, numbers

    return measured_filter(f"sample {most}, seed {seed}", measure, partial(_highest, n=most))


def _highest(
    parts: Sequence[tuple[Floats, Floats]], *, n: int, missing: str = ""
) -> Iterator[list[str]]:
    """The reasons for rows of which those with the ``n`` highest keys are kept.

    Parameters
    ----------
    parts : for each batch the keys, NaN for rows to drop as ``missing``, and what decides where
        keys are equal.
    """
    keys, ties = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.lexsort((ties, keys))[::-1]
    order = order[~np.isnan(keys[order])]
    rank = np.zeros(len(keys), np.intp)
    rank[order] = np.arange(1, len(order) + 1)
    start = 0
    for part, _ in parts:
        ranks = rank[start : start + len(part)].tolist()
        start += len(part)
        yield [
            (f"not selected: rank {at:,} of {len(order):,}" if at > n else "") if at else missing
            for at in ranks
        ]


def balanced(
    by: str | Sequence[str],
    *,
    n: int | None = None,
    targets: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Filter:
    """Keep a sample in which each value of a column has its share of the rows.

    The quota of a value is n times its share, where necessary rounded by the largest remainders as
    in :func:`synthkit.prompts.quotas.quotas`. Quotas are met exactly; the seed
    decides which rows fill them. Rows without a value are dropped.

    Parameters
    ----------
    by : a column, or several, of which each combination that occurs has a share.
    n : the number of rows to keep; if not given, as many as possible with exact shares. If no
        number of rows that fits has exact shares, such as .333 and .667 of 900 rows, they are
        rounded.
    targets : column -> value -> its share, as any numbers of 0 or more. The values of columns that
        are not named have equal shares.

    Raises
    ------
    UsageError
        If ``n`` is below 1; when applied, if a value has fewer rows than its quota, or the targets
        do not match the values.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"id": str(i), "label": "spam" if i < 2 else "ham"} for i in range(7)]
    >>> apply_filters(rows, balanced("label")).kept["label"].tolist()
    ['spam', 'spam', 'ham', 'ham']
    >>> shares = {"label": {"ham": 3, "spam": 1}}
    >>> curation = apply_filters(rows, balanced("label", n=4, targets=shares))
    >>> curation.kept["label"].value_counts().to_dict(), curation.dropped["why"][0]
    ({'ham': 3, 'spam': 1}, 'not selected: spam has its 1')
    """
    names = [by] if isinstance(by, str) else list(by)
    if not names:
        raise UsageError("expected a column to balance; got none.")
    most = None if n is None else checked_n(n)

    def measure(table: Any) -> _Groups:
        rows = list(zip(*(tables.column(table, name) for name in names), strict=True))
        found: dict[tuple[str, ...], int] = {}

        def group(row: tuple[Any, ...]) -> int:
            if None in row:
                return -1 - row.index(None)
            return found.setdefault(tuple(map(_named, row)), len(found))

        groups = list(map(group, rows))
        return list(found), np.array(groups, np.int32), uniform(_ids(table), seed)

    def decide(parts: Sequence[_Groups]) -> Iterator[list[str]]:
        found = sorted({group for part, _, _ in parts for group in part})
        place = {group: at for at, group in enumerate(found)}
        codes = [_recoded(codes, [place[group] for group in part]) for part, codes, _ in parts]
        every, random = np.concatenate(codes), np.concatenate([part[2] for part in parts])
        sizes = np.bincount(every[every >= 0], minlength=len(found)).tolist()
        conditions = [dict(zip(names, group, strict=True)) for group in found]
        group_quotas = _quotas(conditions, sizes, most, targets)
        # rows by group, in each group by their random numbers
        order = np.lexsort((random, every))
        ends = np.cumsum([np.count_nonzero(every < 0), *sizes])
        kept = np.zeros(len(every), bool)
        for start, quota in zip(ends.tolist(), group_quotas, strict=False):
            kept[order[start : start + quota]] = True
        full = [
            f"not selected: {', '.join(group)} has its {quota:,}"
            for group, quota in zip(found, group_quotas, strict=True)
        ]
        missing = [f"{name} missing" for name in names]
        start = 0
        for part in codes:
            keep = kept[start : start + len(part)].tolist()
            start += len(part)
            yield [
                "" if stays else full[code] if code >= 0 else missing[-1 - code]
                for code, stays in zip(part.tolist(), keep, strict=True)
            ]

    count = "all that fit" if most is None else str(most)
    with_shares = f", shares {canonical(targets).decode()}" if targets else ""
    name = f"balance {', '.join(names)}: {count}{with_shares}, seed {seed}"
    return measured_filter(name, measure, decide)


def _named(cell: Any) -> str:
    return key_text(cell) if isinstance(cell, float) else str(cell)


_Groups = tuple[list[tuple[str, ...]], NDArray[np.int32], Floats]
"""Of some rows the groups, the number of each row's group, -1 - c if it lacks a value in column c,
and random numbers."""


def _recoded(codes: NDArray[np.int32], places: Sequence[int]) -> NDArray[np.int32]:
    """The groups by their numbers in all batches."""
    if not places:
        return codes
    return np.where(codes < 0, codes, np.array(places, np.int32)[np.maximum(codes, 0)])


def _quotas(
    conditions: Sequence[Mapping[str, str]],
    sizes: Sequence[int],
    n: int | None,
    targets: Mapping[str, Any] | None,
) -> list[int]:
    """The quota of each group, none above its size: of ``n`` rows, or of as many as possible."""
    if not conditions:
        return []
    of_rows = shares(conditions, targets)
    most = int(
        min(size / share for size, share in zip(sizes, of_rows, strict=True) if share) + 1e-9
    )
    while any(map(operator.gt, quotas(conditions, most, targets), sizes)):
        most -= 1
    result = quotas(conditions, _exact(of_rows, most) if n is None else n, targets)
    for group, quota, size in zip(conditions, result, sizes, strict=True):
        if quota > size:
            raise UsageError(
                f"expected {quota} rows of {', '.join(group.values())}; got {size}. "
                f"With these shares n = {most} fits; or give other targets."
            )
    return result


def _exact(of_rows: Sequence[float], most: int) -> int:
    """The largest number of rows up to ``most`` with exact shares; ``most`` if there is none.

    >>> _exact([0.75, 0.25], 7), _exact([0.333, 0.667], 900)
    (4, 900)
    """
    if not most:
        return most
    fractions = [Fraction(share).limit_denominator(most) for share in of_rows]
    if any(abs(f - share) > 1e-12 for f, share in zip(fractions, of_rows, strict=True)):
        return most
    step = math.lcm(*(fraction.denominator for fraction in fractions))
    return most // step * step or most


def checked_n(n: Any) -> int:
    """A number of rows, as an integer.

    Raises
    ------
    UsageError
        If it is not a whole number of 1 or more.
    """
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
        If a cell is not a number.
    """
    cells = tables.column(table, column)
    for at, cell in enumerate(cells):
        if cell is None:
            continue
        if isinstance(cell, bool | str) or not hasattr(cell, "__float__"):
            raise UsageError(f"row {at}: expected a number in {column!r}; got {cell!r}.")
    return [None if cell is None else float(cell) for cell in cells]


def uniform(ids: Sequence[str], seed: int) -> Floats:
    """(n,) random numbers above 0 and below 1, each of which depends on its id and the seed."""
    digests = [
        hashlib.blake2b(f"{seed}:{id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for id in ids
    ]
    integers = np.frombuffer(b"".join(digests), ">u8").astype(np.uint64) >> np.uint64(11)
    return (integers.astype(np.float64) + 0.5) / 2.0**53


def gumbel(ids: Sequence[str], seed: int) -> Floats:
    """(n,) standard Gumbel variables, each of which depends on its id and the seed."""
    return -np.log(-np.log(uniform(ids, seed)))


def rank_reasons(ranking: Sequence[int], n: int, *, size: int, missing: str) -> list[str]:
    """The reasons for a table of ``size`` rows of which the first ``n`` of a ranking are kept.

    Parameters
    ----------
    ranking : positions of rows; rows that are not in it are dropped as ``missing``.
    """
    reasons = [missing] * size
    for rank, at in enumerate(ranking, start=1):
        reasons[at] = "" if rank <= n else f"not selected: rank {rank:,} of {len(ranking):,}"
    return reasons


def _ids(table: Any) -> list[str]:
    return list(map(str, tables.column(tables.identified(table), "id")))
