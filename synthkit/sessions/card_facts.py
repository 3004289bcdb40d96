"""The facts of a dataset card, gathered from the session by the ids of a table's rows."""

from __future__ import annotations

import json
import platform
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import versions
from synthkit.curate.marks.history import current_marks
from synthkit.data import tables
from synthkit.models.hub.catalog_entries import CATALOG
from synthkit.models.hub.hub_models import HUB_MODELS
from synthkit.recipes._base import PAPER, RECIPES
from synthkit.sessions import evaluations, inventory, named_tables
from synthkit.sessions.mark_statistics import agreements
from synthkit.share.card import Card, CardFacts
from synthkit.store.store import Store

PACKAGES = ("jupyter-synthkit", "openvino", "torch", "transformers", "openai", "pandas")
"""Packages whose versions a card names, as far as they are installed."""
_RECIPE = re.compile(r"--recipe[ =](\w+)")


def card(store: Store, folder: Path, table: Any, name: str) -> Card:
    """The dataset card of a table: how its rows were made, and what was left out.

    Everything is counted from the ids of the rows, so a filtered, joined or sampled table has the
    card of what is left. Rows without an id of this session are counted as not traced.

    Parameters
    ----------
    table : the name of a table of this session, or a table of any kind with a column ``id``.
    name : the title, and the name under which the table was evaluated.

    Raises
    ------
    UsageError
        If the table has no column ``id``.
    TableError
        If there is no table of that name.
    """
    if isinstance(table, str):
        table, name = named_tables.load(folder, table), name or table
    return Card(gather(store, table, name or "table"))


def gather(store: Store, table: Any, name: str) -> CardFacts:
    """The facts of a table."""
    if "id" not in tables.columns(table):
        raise UsageError(
            f"{name} has no column 'id', so its rows lead back to nothing. Keep the column that "
            "synthkit gave the table when you select columns."
        )
    cells = tables.column(table, "id")
    ids = {str(id) for id in cells if isinstance(id, str)}
    traced = store.completions.known_rows(ids)
    runs, returned = _runs(store, ids)
    completions = _Completions(store, traced)
    return CardFacts(
        name=name,
        columns=tuple(tables.columns(table)),
        rows=len(cells),
        traced=sum(str(id) in traced for id in cells),
        runs=runs,
        funnel=_funnel(store, returned, ids),
        models=completions.models(),
        sampling=completions.sampling(),
        completions=completions.totals(),
        marks=_marks(store, ids),
        agreement=_agreement(store, ids),
        scores=_scores(store, name),
        versions={"python": platform.python_version()} | versions(PACKAGES),
    )


def _runs(store: Store, ids: Collection[str]) -> tuple[list[dict[str, Any]], set[str]]:
    """The runs that returned some of the rows, and the ids of all rows that they returned."""
    rows_of = store.runs.all_rows()
    runs: list[dict[str, Any]] = []
    returned: set[str] = set()
    for run in store.runs.all():
        made = rows_of.get(run["run"])
        here = len(ids.intersection(made.ids)) if isinstance(ids, set) and made else 0
        if made is None or not here:
            continue
        returned.update(made.ids)
        runs.append(
            {
                "run": run["run"],
                "table": inventory.run_title(run),
                "model": run["model"],
                "recipe": _recipe(made.line),
                "cell": inventory.cell(store, run["run"]),
                "rows": len(made.ids),
                "here": here,
                "rejects": len(made.reject_ids),
                "requests": run["requests"],
                "cached": run["hits"],
                "cost": run["cost"],
            }
        )
    return runs, returned


def _recipe(line: str) -> str:
    """The recipe that a cell line names, with its paper; ``""`` if it names none."""
    named = _RECIPE.search(line)
    if named is None:
        return ""
    listed = RECIPES.described().get(named[1])
    paper = PAPER.search(listed.doc) if listed else None
    return f"{named[1]} (arXiv {paper[0]})" if paper else named[1]


def _funnel(store: Store, returned: set[str], ids: Collection[str]) -> dict[str, int]:
    """How many rows the runs returned, each filter dropped, and are left; the last verdict counts.

    The counts sum to the number of these rows.
    """
    gone = returned.difference(ids)
    last = {verdict["id"]: verdict for verdict in store.curations.verdicts(gone)}
    dropped = Counter(
        f"dropped by {verdict['filter'] or 'marks'}"
        for verdict in last.values()
        if verdict["verdict"] == "dropped"
    )
    left_out = len(gone) - dropped.total()
    steps = dict(dropped.most_common())
    if left_out:
        steps["left out in another way"] = left_out
    return {
        "returned by the runs": len(returned),
        **steps,
        "in this table": len(returned) - len(gone),
    }


class _Completions:
    """The completions that rows are based on, each counted once."""

    def __init__(self, store: Store, ids: Iterable[str]) -> None:
        self.names = store.models.names()
        self.all = store.completions.stored(store.completions.keys_for_rows(ids))

    def models(self) -> list[dict[str, Any]]:
        """One record for each model and way of running it, the most used first."""
        counts = Counter((str(each.request["model"]), each.completion.how) for each in self.all)
        return [
            {
                "model": self.names.get(mark, "unknown"),
                "how": how,
                "completions": n,
                "licence": _licence(self.names.get(mark, "")),
                "fingerprint": mark,
            }
            for (mark, how), n in counts.most_common()
        ]

    def sampling(self) -> list[dict[str, Any]]:
        """One record for each set of parameters, without those that are not set."""
        counts = Counter(json.dumps(each.request["sampling"], sort_keys=True) for each in self.all)
        return [
            {
                "parameters": {
                    k: v for k, v in json.loads(text).items() if v not in (None, [], {}, False)
                },
                "completions": n,
            }
            for text, n in counts.most_common()
        ]

    def totals(self) -> dict[str, float]:
        """Their number, tokens and seconds, and how many were cut at ``max_tokens``."""
        done = [each.completion for each in self.all]
        return {
            "completions": len(done),
            "prompt tokens": sum(each.prompt_tokens for each in done),
            "completion tokens": sum(each.completion_tokens for each in done),
            "seconds of all, one after the other": round(sum(each.seconds for each in done), 1),
            "cut at max_tokens": sum(each.finish == "length" for each in done),
        }


def _licence(name: str) -> str:
    """The licence of a model of the catalog; ``""`` of others, whose licence is not known here."""
    first = name.split()[0] if name else ""
    model = CATALOG.get(first) or HUB_MODELS.get(first)
    return model.licence if model else ""


def _marks(store: Store, ids: Collection[str]) -> list[dict[str, Any]]:
    """How many current marks on the rows there are, for each task, annotator and label."""
    counts = Counter(
        (mark.task, mark.person, mark.label)
        for mark in current_marks(store.marks.for_rows(list(ids))).values()
        if mark.label
    )
    names = ("task", "by", "label")
    return [{**dict(zip(names, key, strict=True)), "marks": n} for key, n in sorted(counts.items())]


def _agreement(store: Store, ids: Collection[str]) -> dict[str, str]:
    """Two annotators -> Cohen's kappa with its interval."""
    found = agreements(store.marks.for_rows(list(ids)))
    return {
        f"{a} and {b}": "one label on all rows" if score is None else str(score)
        for (a, b), score in found.items()
    }


def _scores(store: Store, name: str) -> Sequence[Mapping[str, Any]]:
    """The scores of the last evaluation of the table of this name."""
    found = evaluations.load_all(store, name)
    if not found:
        return []
    return [
        {
            "metric": each.score.name,
            "value": str(each.score),
            "n": each.score.n,
            "how": each.score.how,
        }
        for each in found[-1].report.measured
    ]
