"""Pairing: the answers of several systems side by side, and what verdicts on them say of each."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from synthkit.core.errors import UsageError, unknown
from synthkit.core.extras import need
from synthkit.core.types import Score
from synthkit.data import tables as tables
from synthkit.evaluate._compare import match
from synthkit.evaluate.raters.bradley_terry import (
    Battle,
    Outcome,
    Ties,
    length_controlled,
    order_consistency,
    ratings,
    win_rate,
)
from synthkit.evaluate.raters.preferences import battles

MADE = ("id", "first", "second", "first_system", "second_system", "first_id", "second_id")
"""Columns of a table of pairs besides what both answer."""
CONTROLLED = "length-controlled win rate"
TURNED: Mapping[Outcome, Outcome] = {"first": "second", "second": "first", "tie": "tie"}


def pairs(
    systems: Mapping[str, Any],
    *,
    on: str | Sequence[str] | None = "prompt",
    column: str = "text",
    n: int | None = None,
    seed: int = 0,
) -> Any:
    """A table of pairs: every two systems' answers to the same input, for judges and people.

    The columns are ``id`` (made from what the pair holds), those of ``on``, the texts ``first`` and
    ``second``, the systems ``first_system`` and ``second_system``, and, where all tables have an
    ``id``, ``first_id`` and ``second_id``. Of every two systems each is first in half of their
    pairs. Inputs that only one of them has make no pair; where both have an input several times,
    the k-th answers meet. A missing text stays missing, and is for the judge to reject.

    Parameters
    ----------
    systems : two or more, name -> table of any kind; the pairs are of the kind of the first.
    on : the column, or columns, of what both answer; ``None`` pairs rows at random, of tables that
        answer no common input.
    column : of the texts.
    n : pairs of every two systems, at most, drawn at random.
    seed : of which is first, and of what is drawn.

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
    >>> found = pairs({"short": short, "long": long})
    >>> found[["prompt", "first", "second_system"]].to_dict("records")
    [{'prompt': 'Tea?', 'first': 'Mint.', 'second_system': 'long'}]
    """
    if len(systems) < 2:
        raise UsageError(f"expected two systems or more; got {', '.join(systems) or 'none'}.")
    if n is not None and n < 1:
        raise UsageError(f"n must be at least 1; got {n}.")
    inputs = [] if on is None else [on] if isinstance(on, str) else list(on)
    held = {name: tables.native(table) for name, table in systems.items()}
    told = [name for name in inputs if name not in MADE]
    with_ids = all("id" in tables.columns(table) for table in held.values())
    rows: list[dict[str, Any]] = []
    for place, (one, other) in enumerate(combinations(held, 2)):
        texts = [tables.column(held[name], column) for name in (one, other)]
        ids = [tables.column(held[name], "id") for name in (one, other) if with_ids]
        asked = {name: tables.column(held[one], name) for name in told}
        rng = np.random.default_rng([seed, place])
        met = _met(held[one], held[other], inputs, n, rng)
        if not met:
            by = f"the same {' and '.join(inputs)}" if inputs else "rows"
            raise UsageError(
                f"expected two or more systems with {by}; {one} and {other} have none."
            )
        for at, turned in zip(met, rng.permutation(len(met)) % 2, strict=True):
            row = {name: cells[at[0]] for name, cells in asked.items()}
            order = (("first", turned), ("second", 1 - turned))
            row |= {side: texts[who][at[who]] for side, who in order}
            row |= {f"{side}_system": (one, other)[who] for side, who in order}
            row |= {f"{side}_id": ids[who][at[who]] for side, who in order if ids}
            rows.append(row)
    made = {name: [row[name] for row in rows] for name in rows[0]}
    return tables.identified(tables.build(made, like=tables.kind(next(iter(held.values())))))


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """What the verdicts on a table of pairs say of its systems.

    Parameters
    ----------
    ratings : system -> Bradley-Terry rating, the best first.
    win_rates : system -> its win rate over all its pairs.
    against : (better rated, other) -> the win rate of the first against the second.
    length_controlled : the same, as it would be with texts of equal length (in characters).
    order : how often both orders had the same winner, and how often the first shown won, where
        pairs were judged in both.
    left_out : score -> why it is not there.
    """

    ratings: Mapping[str, Score]
    win_rates: Mapping[str, Score]
    against: Mapping[tuple[str, str], Score]
    length_controlled: Mapping[tuple[str, str], Score]
    order: tuple[Score, Score] | None
    left_out: Mapping[str, str]

    @property
    def scores(self) -> dict[str, Score]:
        """Name -> score, all of them, each under a name that says of which systems it is."""
        named = [(score, f"of {system}") for system, score in self.ratings.items()]
        named += [(score, f"of {system}") for system, score in self.win_rates.items()]
        for found in (self.against, self.length_controlled):
            named += [(score, f"of {one} against {other}") for (one, other), score in found.items()]
        every = [replace(score, name=f"{score.name} {of}") for score, of in named]
        return {score.name: score for score in (*every, *(self.order or ()))}

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

    What is computed is in :mod:`synthkit.evaluate.raters.bradley_terry`: :func:`~.arena.ratings`,
    :func:`~.arena.win_rate`, :func:`~.arena.length_controlled` where the texts are there, and
    :func:`~.arena.order_consistency` where there are ``forward`` and ``backward``.

    Parameters
    ----------
    table : of pairs with an ``outcome``, from the recipe ``pairwise`` or from people; rows without
        one are passed over.
    criterion : which one, where the table has several.
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
    met = {
        couple: own
        for couple in combinations(rated, 2)
        if (own := [at for at, one in enumerate(fought) if _between(one, couple, ties)])
    }
    controlled, left_out = _controlled(judged, fought, met, resamples, level, seed)
    order = _order(judged, level)
    if order is None:
        left_out["order consistency"] = "needs verdicts in both orders, forward and backward"
    return Leaderboard(
        ratings=rated,
        win_rates={name: win_rate(fought, name, ties=ties, level=level) for name in rated},
        against={
            couple: win_rate([fought[at] for at in own], couple[0], level=level)
            for couple, own in met.items()
        },
        length_controlled=controlled,
        order=order,
        left_out=left_out,
    )


def _between(battle: Battle, couple: tuple[str, str], ties: Ties) -> bool:
    """Whether a battle is of these two and counts."""
    counts = ties == "half" or battle.outcome != "tie"
    return counts and {battle.first, battle.second} == set(couple)


def _controlled(
    judged: Any,
    fought: Sequence[Battle],
    met: Mapping[tuple[str, str], Sequence[int]],
    resamples: int,
    level: float,
    seed: int,
) -> tuple[dict[tuple[str, str], Score], dict[str, str]]:
    """The length-controlled win rates, and why some are left out."""
    if not {"first", "second"} <= set(tables.columns(judged)):
        return {}, {CONTROLLED: "needs the texts, in the columns first and second"}
    lengths = [
        [0 if text is None else len(str(text)) for text in tables.column(judged, side)]
        for side in ("first", "second")
    ]
    found, left_out = {}, {}
    for (one, other), own in met.items():
        turned = [fought[at].first != one for at in own]
        outcomes = [fought[at].outcome for at in own]
        try:
            found[one, other] = length_controlled(
                [
                    TURNED[said] if back else said
                    for said, back in zip(outcomes, turned, strict=True)
                ],
                [lengths[back][at] for at, back in zip(own, turned, strict=True)],
                [lengths[not back][at] for at, back in zip(own, turned, strict=True)],
                resamples=resamples,
                level=level,
                seed=seed,
            )
        except UsageError as error:
            left_out[f"{CONTROLLED} of {one} against {other}"] = str(error)
    return found, left_out


def _order(judged: Any, level: float) -> tuple[Score, Score] | None:
    """Order consistency and how often the first shown won, where pairs have both orders."""
    if not {"forward", "backward"} <= set(tables.columns(judged)):
        return None
    both = zip(*(tables.column(judged, name) for name in ("forward", "backward")), strict=True)
    # by place: the first of the pair stood second in the second order
    said = [(there, TURNED.get(back, back)) for there, back in both if there and back]
    return order_consistency(said, level=level) if said else None


def _judged(table: Any, criterion: str) -> Any:
    """The rows of one criterion that have an outcome."""
    have = tables.columns(table)
    said = tables.column(table, "criterion") if "criterion" in have else [""] * tables.size(table)
    known = dict.fromkeys(said)
    if not criterion and len(known) > 1:
        raise UsageError(
            f"the table has several criteria, {', '.join(map(repr, known))}: choose one by "
            "criterion=, since they may have other winners."
        )
    if criterion and criterion not in known:
        raise UsageError(unknown("criterion", criterion, filter(None, known)))
    rows = zip(said, tables.column(table, "outcome"), strict=True)
    kept = [at for at, (one, outcome) in enumerate(rows) if criterion in ("", one) and outcome]
    return tables.take(table, kept)


def _met(
    one: Any, other: Any, inputs: Sequence[str], n: int | None, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Positions in both tables of the rows that are paired."""
    if inputs:
        keys = _keys(one, inputs)
        found = [at for at in match(keys, _keys(other, inputs)) if keys[at[0]] is not None]
    else:
        drawn = [rng.permutation(tables.size(table)).tolist() for table in (one, other)]
        found = list(zip(*drawn, strict=False))
    if n is not None and n < len(found):
        found = [found[at] for at in sorted(rng.choice(len(found), n, replace=False))]
    return found


def _keys(table: Any, inputs: Sequence[str]) -> list[Hashable | None]:
    """What each row answers; ``None`` where a part of it is missing."""
    cells = [tables.column(table, name) for name in inputs]
    return [
        None if None in key else tuple(c if isinstance(c, Hashable) else repr(c) for c in key)
        for key in zip(*cells, strict=True)
    ]
