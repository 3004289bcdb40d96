"""What people judged: how far they agree, and how many rows of each prompt version they accept."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import Mark, Score
from synthkit.curate.marks.history import accepted, pairs, standing
from synthkit.store.store import Store

Couple = tuple[str, str]


def couples(marks: Iterable[Mark]) -> dict[Couple, list[tuple[str, str]]]:
    """Two annotators -> the pairs of labels that they gave to the same rows.

    Where both are one, the pairs are of that person's first and second look. Who have no row in
    common are left out.

    >>> said = [Mark(id="a", label=label, by=by) for by, label in (("x", "yes"), ("y", "no"))]
    >>> couples(said)
    {('x', 'y'): [('yes', 'no')]}
    """
    looks: dict[tuple[str, int], dict[str, Mark]] = {}
    for (_, round, by, id), mark in standing(marks).items():
        looks.setdefault((by, round), {})[id] = mark
    who = sorted(by for by, round in looks if round == 1)
    both = {(by, by): pairs(looks[by, 1], looks[by, 2]) for by in who if (by, 2) in looks}
    both |= {(x, y): pairs(looks[x, 1], looks[y, 1]) for x, y in combinations(who, 2)}
    return {who: seen for who, seen in both.items() if seen}


def agreements(marks: Iterable[Mark], *, seed: int = 0) -> dict[Couple, Score | None]:
    """Two annotators -> Cohen's kappa; ``None`` where both gave one and the same label to all."""
    from synthkit.evaluate.raters.agreement import cohen  # with it comes NumPy

    return {
        who: cohen(seen, seed=seed) if len({label for pair in seen for label in pair}) > 1 else None
        for who, seen in couples(marks).items()
    }


def accept_rates(store: Store, name: str, *, task: str = "") -> list[dict[str, Any]]:
    """How many marked rows were accepted, for each run that made a table, the oldest first.

    A prompt has a version by the order in which it was first run. A row that several runs made
    counts for the first of them; a run without marked rows of its own is left out.

    Parameters
    ----------
    name : of the table that the runs made.
    task : the question that was marked.

    Returns
    -------
    rows
        ``version``, ``when``, ``accepted``, ``n``, ``prompt``.

    Raises
    ------
    UsageError
        If no run made a table of that name.
    """
    runs = store.runs()
    own = [run for run in runs if run["name"] == name]
    if not own:
        raise UsageError(unknown("run of", name, dict.fromkeys(run["name"] for run in runs)))
    versions: dict[str, str] = {}
    seen: set[str] = set()
    found = []
    for run in own:
        version = versions.setdefault(run["prompt"], f"v{len(versions) + 1}")
        rows = store.run_rows(run["run"])
        new = [id for id in (rows.made if rows else ()) if id not in seen]
        seen.update(new)
        judged = accepted(mark for mark in store.marks(new) if mark.task == task)
        if judged:
            found.append(
                {"version": version, "when": f"run {run['run']}",
                 "accepted": sum(judged.values()), "n": len(judged), "prompt": run["prompt"]}
            )  # fmt: skip
    return found
