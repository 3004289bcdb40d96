"""Leaderboards: the answers of several systems in pairs, and the scores of judged pairs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from synthkit.core.errors import UsageError, check_known, check_positive
from synthkit.core.extras import need
from synthkit.core.formatting import count
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.evaluate.raters.battles import SWAPPED, Battle, Ties, order_consistency, win_rate
from synthkit.evaluate.raters.bradley_terry import ratings
from synthkit.evaluate.raters.columns import OUTCOME
from synthkit.evaluate.raters.length_control import length_controlled
from synthkit.evaluate.raters.preferences import battles
from synthkit.evaluate.shared_rows import match

OWN_COLUMNS = ("id", "first", "second", "first_system", "second_system", "first_id", "second_id")
"""Columns of a table of pairs besides the input that both systems answer."""
CHANCE = 0.5
"""Order consistency of a judge that chooses at random, and never a tie."""
CONTROLLED = "length-controlled win rate"


def pairs(
    systems: Mapping[str, Any],
    *,
    on: str | Sequence[str] | None = "prompt",
    column: str = "text",
    n: int | None = None,
    seed: int = 0,
) -> Any:
    """A table of pairs: every two systems' answers to the same input, for judges and people.

    The columns are ``id`` (made from the content of the pair), those of ``on``, the texts ``first``
    and ``second``, the systems ``first_system`` and ``second_system``, and, if all tables have an
    ``id``, ``first_id`` and ``second_id``. Of every two systems each is first in half of their
    pairs; of an odd number, the seed decides which is first once more. Inputs that only one of them
    has make no pair; if both have an input several times, the k-th answers are paired. A missing
    text stays missing; a judge rejects it.

    Parameters
    ----------
    systems : two or more, name -> table of any kind; the pairs are of the kind of the first.
    on : the column, or columns, of the input; ``None`` pairs rows at random, for tables without a
        common input.
    column : of the texts.
    n : most pairs of every two systems; more are sampled at random.
    seed : of the order in a pair, and of the sample.

    Raises
    ------
    UsageError
        If there are fewer than two systems, or two of them have no input in common.
    TableError
        If a column is not there.

    Examples
    --------
    >>> short = [{"prompt": "Bread?", "text": "Rye."}, {"prompt": "Tea?", "text": "Mint."}]
    >>> long = [{"prompt": "Tea?", "text": "Mint, please."}]
    >>> table = pairs({"short": short, "long": long})
    >>> table[["prompt", "first", "second_system"]].to_dict("records")
    [{'prompt': 'Tea?', 'first': 'Mint.', 'second_system': 'long'}]
    """
    if len(systems) < 2:
        raise UsageError(f"expected two systems or more; got {', '.join(systems) or 'none'}.")
    check_positive(n=n)
    inputs = [] if on is None else [on] if isinstance(on, str) else list(on)
    native = {name: tables.native(table) for name, table in systems.items()}
    with_ids = all("id" in tables.columns(table) for table in native.values())
    compared = [column, "id"] if with_ids else [column]
    cells = {name: [tables.column(table, c) for c in compared] for name, table in native.items()}
    rows: list[dict[str, Any]] = []
    for place, (a, b) in enumerate(combinations(native, 2)):
        rng = np.random.default_rng([seed, place])
        matches = _matches(native[a], native[b], inputs, n, rng)
        if not matches:
            by = f"the same {' and '.join(inputs)}" if inputs else "rows"
            raise UsageError(f"expected two or more systems with {by}; {a} and {b} have none.")
        shared = {
            name: tables.column(native[a], name) for name in inputs if name not in OWN_COLUMNS
        }
        rows += _pair_rows({a: cells[a], b: cells[b]}, shared, matches, rng)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return tables.identified(tables.build(columns, like=tables.kind(next(iter(native.values())))))


def _pair_rows(
    systems: Mapping[str, Sequence[Sequence[Any]]],
    shared: Mapping[str, Sequence[Any]],
    matches: Sequence[tuple[int, int]],
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """A row for each pair of matching rows of two systems, which are in random order.

    Parameters
    ----------
    systems : name -> the column of texts, and that of ids if both have one.
    shared : columns of the input, from the first system's table.
    """
    names, columns = list(systems), list(systems.values())
    rows = []
    orders = rng.permutation(len(matches)) % 2
    if len(matches) % 2 and not rng.integers(2):  # 0 is once more than 1
        orders = 1 - orders
    for at, swapped in zip(matches, orders, strict=True):
        row = {name: cells[at[0]] for name, cells in shared.items()}
        sides = (("first", swapped), ("second", 1 - swapped))
        row |= {side: columns[which][0][at[which]] for side, which in sides}
        row |= {f"{side}_system": names[which] for side, which in sides}
        row |= {f"{side}_id": ids[at[which]] for side, which in sides for ids in columns[which][1:]}
        rows.append(row)
    return rows


@dataclass(frozen=True, slots=True, repr=False)
class Leaderboard:
    """The scores of the systems in a judged table of pairs. It prints as a table.

    Parameters
    ----------
    ratings : system -> Bradley-Terry rating, the best first.
    win_rates : system -> its win rate over all its pairs.
    against : (better rated, other) -> the win rate of the first against the second.
    length_controlled : the same for texts of equal length (in characters).
    order : the share of pairs with the same winner in both orders, and how often the first shown
        won, if pairs were judged in both orders.
    left_out : score -> the reason why it is missing.
    """

    ratings: Mapping[str, Score]
    win_rates: Mapping[str, Score]
    against: Mapping[tuple[str, str], Score]
    length_controlled: Mapping[tuple[str, str], Score]
    order: tuple[Score, Score] | None
    left_out: Mapping[str, str]

    @property
    def scores(self) -> dict[str, Score]:
        """Name -> score, for all scores; a name contains the systems that it is of."""
        named = [(score, f"of {system}") for system, score in self.ratings.items()]
        named += [(score, f"of {system}") for system, score in self.win_rates.items()]
        for by_pair in (self.against, self.length_controlled):
            named += [(score, f"of {a} against {b}") for (a, b), score in by_pair.items()]
        every = [replace(score, name=f"{score.name} {of}") for score, of in named]
        return {score.name: score for score in (*every, *(self.order or ()))}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the ratings may say nothing about the systems."""
        found = []
        if self.order is not None and (self.order[0].low or 0) <= CHANCE:
            consistency = self.order[0]
            found.append(
                f"order consistency {consistency} on {count(consistency.n, 'pair')} is not above "
                f"{CHANCE}, that of a judge that chooses at random: the ratings may say nothing "
                "about the systems. Take another judge, or ask people."
            )
        if all(rate.value == 0.5 and _is_constant(rate) for rate in self.win_rates.values()):
            found.append("all battles are ties: the ratings do not order the systems.")
        return tuple(found)

    def __str__(self) -> str:
        return self._shown().plain

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self._shown().html

    def _shown(self) -> StaticOutput:
        rows = [
            {"system": name, "rating": str(rating), "win rate": str(rate), "pairs": rate.n}
            for name, rating in self.ratings.items()
            for rate in [self.win_rates[name]]
        ]
        order = [f"{score.name}: {score}" for score in self.order or ()]
        missing = [f"left out: {name} ({reason})" for name, reason in self.left_out.items()]
        warnings = [f"Warning: {text}" for text in self.warnings]
        note = f"{count(len(rows), 'system')}, 95 % intervals"
        return static_table(rows, note=note, notes=[*warnings, *order, *missing])

    def frame(self) -> Any:
        """A DataFrame with a row for each system, the best first: rating and win rate."""
        pandas = need("pandas", extra="data", why="to show ratings")
        rows = [
            (name, rating.value, rating.low, rating.high, rate.value, rate.low, rate.high, rate.n)
            for name, rating in self.ratings.items()
            for rate in [self.win_rates[name]]
        ]
        columns = "system rating low high win_rate win_low win_high pairs".split()
        return pandas.DataFrame(rows, columns=columns)


def leaderboard(
    table: Any,
    *,
    criterion: str = "",
    ties: Ties = "half",
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Leaderboard:
    """Ratings and win rates of the systems in a judged table of pairs, with intervals.

    The scores are :func:`~.bradley_terry.ratings` and :func:`~.battles.win_rate`, also
    :func:`~.length_control.length_controlled` if the texts are in the table, and
    :func:`~.battles.order_consistency` if there are columns ``forward`` and ``backward``.

    Parameters
    ----------
    table : of pairs with an ``outcome``, from the recipe ``pairwise`` or from people; rows without
        one are ignored.
    criterion : the criterion to use, if the table has several.
    ties : ``"half"`` a win for each, or ``"drop"``.

    Raises
    ------
    UsageError
        If there is no outcome, or there are several criteria and none was chosen.
    TableError
        If a column is not there.

    Examples
    --------
    >>> won = {"first_system": "a", "second_system": "b", "outcome": "first"}
    >>> found = leaderboard([won] * 75 + [won | {"outcome": "second"}] * 25)
    >>> found.frame()[["system", "rating", "win_rate"]].round(1).values.tolist()
    [['a', 1095.4, 0.8], ['b', 904.6, 0.2]]
    """
    judged = _judged(tables.native(table), criterion)
    fought = battles(judged)
    rated = ratings(fought, ties=ties, resamples=resamples, level=level, seed=seed)
    by_pair = {
        pair: rows
        for pair in combinations(rated, 2)
        if (rows := [at for at, battle in enumerate(fought) if _is_between(battle, pair, ties)])
    }
    options: dict[str, Any] = {"resamples": resamples, "level": level, "seed": seed}
    controlled, left_out = _length_controlled(judged, fought, by_pair, options)
    order = _order(judged, level)
    if order is None:
        left_out["order consistency"] = "needs verdicts in both orders, forward and backward"
    return Leaderboard(
        ratings=rated,
        win_rates={name: win_rate(fought, name, ties=ties, level=level) for name in rated},
        against={
            pair: win_rate([fought[at] for at in rows], pair[0], level=level)
            for pair, rows in by_pair.items()
        },
        length_controlled=controlled,
        order=order,
        left_out=left_out,
    )


def _is_constant(rate: Score) -> bool:
    return rate.parts is not None and float(np.ptp(np.asarray(rate.parts))) == 0


def _is_between(battle: Battle, pair: tuple[str, str], ties: Ties) -> bool:
    """Whether a battle is of these two systems and counts."""
    counts = ties == "half" or battle.outcome != "tie"
    return counts and {battle.first, battle.second} == set(pair)


def _length_controlled(
    judged: Any,
    fought: Sequence[Battle],
    by_pair: Mapping[tuple[str, str], Sequence[int]],
    options: Mapping[str, Any],
) -> tuple[dict[tuple[str, str], Score], dict[str, str]]:
    """The length-controlled win rates, and the reasons why some are missing."""
    if not {"first", "second"} <= set(tables.columns(judged)):
        return {}, {CONTROLLED: "needs the texts, in the columns first and second"}
    lengths = [
        [0 if text is None else len(str(text)) for text in tables.column(judged, side)]
        for side in ("first", "second")
    ]
    scores, left_out = {}, {}
    for (a, b), rows in by_pair.items():
        swapped = [fought[at].first != a for at in rows]
        outcomes = [fought[at].outcome for at in rows]
        try:
            scores[a, b] = length_controlled(
                [
                    SWAPPED[outcome] if swap else outcome
                    for outcome, swap in zip(outcomes, swapped, strict=True)
                ],
                [lengths[swap][at] for at, swap in zip(rows, swapped, strict=True)],
                [lengths[not swap][at] for at, swap in zip(rows, swapped, strict=True)],
                **options,
            )
        except UsageError as error:
            left_out[f"{CONTROLLED} of {a} against {b}"] = str(error)
    return scores, left_out


def _order(judged: Any, level: float) -> tuple[Score, Score] | None:
    """Order consistency and how often the first shown won, if pairs were judged in both orders."""
    if not {"forward", "backward"} <= set(tables.columns(judged)):
        return None
    orders = zip(*(tables.column(judged, name) for name in ("forward", "backward")), strict=True)
    # by place: the first system of a pair is shown second in the backward order
    places = [
        (forward, SWAPPED.get(backward, backward))
        for forward, backward in orders
        if forward and backward
    ]
    return order_consistency(places, level=level) if places else None


def _judged(table: Any, criterion: str) -> Any:
    """The rows of one criterion that have an outcome."""
    has_criteria = "criterion" in tables.columns(table)
    criteria = tables.column(table, "criterion") if has_criteria else [""] * tables.size(table)
    distinct = dict.fromkeys(criteria)
    if not criterion and len(distinct) > 1:
        raise UsageError(
            f"the table has several criteria, {', '.join(map(repr, distinct))}: choose one by "
            "criterion=, since they may have different winners."
        )
    if criterion:
        check_known("criterion", criterion, list(filter(None, distinct)))
    rows = zip(criteria, tables.column(table, OUTCOME), strict=True)
    chosen = [at for at, (name, outcome) in enumerate(rows) if criterion in ("", name) and outcome]
    return tables.take(table, chosen)


def _matches(
    a: Any, b: Any, inputs: Sequence[str], n: int | None, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Positions in both tables of the rows to pair."""
    if inputs:
        keys = _keys(a, inputs)
        matches = [pair for pair in match(keys, _keys(b, inputs)) if keys[pair[0]] is not None]
    else:
        shuffled = [rng.permutation(tables.size(table)).tolist() for table in (a, b)]
        matches = list(zip(*shuffled, strict=False))
    if n is not None and n < len(matches):
        matches = [matches[at] for at in sorted(rng.choice(len(matches), n, replace=False))]
    return matches


def _keys(table: Any, inputs: Sequence[str]) -> list[Hashable | None]:
    """The input of each row; ``None`` if a part of it is missing."""
    cells = [tables.column(table, name) for name in inputs]
    return [
        None if None in key else tuple(c if isinstance(c, Hashable) else repr(c) for c in key)
        for key in zip(*cells, strict=True)
    ]
