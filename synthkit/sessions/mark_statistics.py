"""Statistics of marks: labels by majority, agreement of annotators, and accept rates of prompts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import Mark, Score
from synthkit.curate.marks.decisions import accepted, label_pairs
from synthkit.curate.marks.history import current_marks
from synthkit.stats.intervals import wilson
from synthkit.store.store import Store

Raters = tuple[str, str]


def rater_pairs(marks: Iterable[Mark]) -> dict[Raters, list[tuple[str, str]]]:
    """Two annotators -> the pairs of labels that they gave to the same rows.

    The pairs of one annotator twice are the labels of the first and the second round. Annotators
    who have no row in common are left out.

    >>> marks = [Mark(id="a", label=label, by=by) for by, label in (("x", "yes"), ("y", "no"))]
    >>> rater_pairs(marks)
    {('x', 'y'): [('yes', 'no')]}
    """
    rounds: dict[tuple[str, int], dict[str, Mark]] = {}
    for (_, round, by, id), mark in current_marks(marks).items():
        rounds.setdefault((by, round), {})[id] = mark
    raters = sorted(by for by, round in rounds if round == 1)
    pairs = {
        (by, by): label_pairs(rounds[by, 1], rounds[by, 2]) for by in raters if (by, 2) in rounds
    }
    pairs |= {(a, b): label_pairs(rounds[a, 1], rounds[b, 1]) for a, b in combinations(raters, 2)}
    return {raters: labels for raters, labels in pairs.items() if labels}


def majority_labels(marks: Iterable[Mark]) -> dict[str, str]:
    """Row id -> the label that most annotators gave in their first round.

    Skipped rows, and rows with a tie between labels, are left out.
    """
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (_, round, _, id), mark in current_marks(marks).items():
        if round == 1 and mark.label not in ("", "skip"):
            votes[id][mark.label] += 1
    labels = {}
    for id, counts in votes.items():
        (label, most), *others = counts.most_common(2)
        if not others or others[0][1] < most:
            labels[id] = label
    return labels


def agreements(marks: Iterable[Mark], *, seed: int = 0) -> dict[Raters, Score | None]:
    """Two annotators -> Cohen's kappa; ``None`` if both gave the same one label to all rows."""
    from synthkit.evaluate.raters.agreement import cohen  # imports NumPy

    return {
        raters: cohen(labels, seed=seed)
        if len({label for pair in labels for label in pair}) > 1
        else None
        for raters, labels in rater_pairs(marks).items()
    }


def agreement(first: Mapping[str, Mark], second: Mapping[str, Mark]) -> dict[str, Any]:
    """How far two looks at the same rows agree: n, share, low, high (Wilson), Cohen's kappa."""
    from synthkit.evaluate.raters.agreement import cohen_kappa, confusion  # imports NumPy

    pairs = label_pairs(first, second)
    agreed = sum(a == b for a, b in pairs)
    low, high = wilson(agreed, len(pairs))
    share = agreed / len(pairs) if pairs else float("nan")
    kappa = cohen_kappa(confusion(pairs)[1])
    return {"n": len(pairs), "share": share, "low": low, "high": high, "kappa": kappa}


def accept_rates(store: Store, name: str, *, task: str = "") -> list[dict[str, Any]]:
    """How many marked rows were accepted, for each run of a table, the oldest first.

    The prompts of the runs are numbered ``v1``, ``v2``, ... in the order of their first run. A row
    that several runs returned counts for the first one. Runs without marked rows are left out.

    Parameters
    ----------
    name : of the table.
    task : of the marks.

    Returns
    -------
    list of dict
        ``version``, ``when``, ``accepted``, ``n``, ``prompt``.

    Raises
    ------
    UsageError
        If there is no run of that table.
    """
    all_runs = store.runs.all()
    runs = [run for run in all_runs if run["name"] == name]
    if not runs:
        raise UsageError(unknown("run of", name, dict.fromkeys(run["name"] for run in all_runs)))
    versions: dict[str, str] = {}
    seen: set[str] = set()
    rates = []
    for run in runs:
        version = versions.setdefault(run["prompt"], f"v{len(versions) + 1}")
        rows = store.runs.rows(run["run"])
        ids = [id for id in (rows.ids if rows else ()) if id not in seen]
        seen.update(ids)
        verdicts = accepted(mark for mark in store.marks.for_rows(ids) if mark.task == task)
        if verdicts:
            rates.append(
                {"version": version, "when": f"run {run['run']}",
                 "accepted": sum(verdicts.values()), "n": len(verdicts), "prompt": run["prompt"]}
            )  # fmt: skip
    return rates
