"""The facts of a dataset card, gathered from the session by the ids of a table's rows."""

from __future__ import annotations

import json
import platform
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import versions
from synthkit.core.registry import PAPER
from synthkit.curate.marks.history import current_marks
from synthkit.data import tables
from synthkit.models.hub.origins import origin
from synthkit.recipes._base import RECIPES
from synthkit.sessions import claims, evaluations, inventory, named_tables, row_origins
from synthkit.sessions.card_notes import citations, limits
from synthkit.sessions.curations import SPLIT
from synthkit.sessions.mark_statistics import agreements
from synthkit.share.card import Card, CardFacts, rejects_of
from synthkit.share.export import is_splits
from synthkit.store.completions import StoredCompletion
from synthkit.store.store import Store

PACKAGES = ("jupyter-synthkit", "openvino", "torch", "transformers", "openai", "pandas")
"""Packages whose versions a card names, as far as they are installed."""
AT_ONCE = 1000
"""Rows or completions that are read from the store at once."""
_RECIPE = re.compile(r"--recipe[ =](\w+)")
Records = list[dict[str, Any]]


def card(
    store: Store, folder: Path, table: Any, name: str, files: Mapping[str, str] | None = None
) -> Card:
    """The dataset card of a table: how its rows were made, and what was left out.

    Everything is counted from the ids of the rows, so a filtered, joined or sampled table has the
    card of what is left. Rows without an id of this session are counted as not traced.

    Parameters
    ----------
    table : the name of a table of this session, or a table of any kind with a column ``id``; or
        name -> table for splits.
    name : the title, and the name under which the table was evaluated.
    files : split -> its file in a repository.

    Raises
    ------
    UsageError
        If the table has no column ``id``.
    TableError
        If there is no table of that name.
    """
    if isinstance(table, str):
        table, name = named_tables.load(folder, table), name or table
    parts = table if is_splits(table) else {"": table}
    return Card(gather(store, folder, parts, name or "table"), files or {})


def gather(store: Store, folder: Path, parts: Mapping[str, Any], name: str) -> CardFacts:
    """The facts of a table, or of splits: name -> table; a table alone has the name ``""``.

    ``folder`` has the tables of the session, among them the rows that were read from files.

    The same rows and the same session give the same facts, whose ``numbers()`` are plain values:
    who holds the rows and the session can derive each of them again.
    """
    if not all("id" in tables.columns(table) for table in parts.values()):
        raise UsageError(
            f"{name} has no column 'id', so its rows lead back to nothing. Keep the column that "
            "synthkit gave the table when you select columns."
        )
    cells = [cell for table in parts.values() for cell in tables.column(table, "id")]
    own = [id for id in cells if isinstance(id, str)]
    ids = set(own)
    traced = store.completions.known_rows(ids)
    runs, returned = runs_of(store, ids)
    keys = store.completions.keys_for_rows(traced)
    sources = Sources(store, keys)
    ancestry = row_origins.Ancestry(store, folder)
    earlier = earlier_steps(store, ancestry, ancestry.earlier(parts.values()) - ids, runs, keys)
    evaluation = evaluations.load_last(store, name)
    facts = CardFacts(
        name=name,
        columns=tuple(dict.fromkeys(c for part in parts.values() for c in tables.columns(part))),
        rows=len(cells),
        traced=sum(id in traced for id in own),
        repeated=len(own) - len(ids),
        origins=row_origins.gather(ancestry, parts.values(), traced),
        runs=runs,
        rejects=rejects_of(runs),
        funnel=_funnel(store, returned, ids),
        splits=_splits(store, own, parts),
        models=sources.models(),
        sampling=sources.sampling(),
        completions=sources.totals(),
        marks=_marks(store, ids),
        agreement=_agreement(store, ids),
        scores=_scores(evaluation),
        claims=_claims(store, name),
        citations=citations([*earlier.get("runs", ()), *runs], evaluation),
        limits=(),
        versions={"python": platform.python_version()} | versions(PACKAGES),
        earlier=earlier,
    )
    return limits(facts, ids, evaluation)


def runs_of(store: Store, ids: Collection[str]) -> tuple[Records, set[str]]:
    """The runs that returned some of the rows, and the ids of all rows that they returned."""
    runs: Records = []
    returned: set[str] = set()
    for run in store.runs.all():
        made = store.runs.rows(run["run"])
        here = len(set(made.ids).intersection(ids)) if made else 0
        if made is None or not here:
            continue
        returned.update(made.ids)
        runs.append(
            {
                "run": run["run"],
                "table": inventory.run_title(run),
                "model": run["model"],
                "recipe": _recipe(run["recipe"], made.line),
                "cell": inventory.cell(store, run["run"]),
                "rows": len(made.ids),
                "here": here,
                "rejects": len(made.reject_ids),
                "reasons": run["reasons"],
                "requests": run["requests"],
                "cached": run["hits"],
                "cut": run.get("truncated", 0),  # older ledgers do not count them
                # a sum of prices of requests ends in digits of its rounding
                "cost": run["cost"] and round(run["cost"], 9),
            }
        )
    return runs, returned


def earlier_steps(
    store: Store,
    ancestry: row_origins.Ancestry,
    ids: Collection[str],
    runs: Records,
    keys: Collection[str],
) -> dict[str, Any]:
    """The runs, models, sampling and completions of the rows that others were generated from.

    Parameters
    ----------
    ids : of these earlier rows; those that were read from files have none of it.
    runs, keys : the runs and completions of the later rows, which are left out here.
    """
    known = store.completions.known_rows(ids)
    if not known:
        return {}
    sources = Sources(store, store.completions.keys_for_rows(known).difference(keys))
    numbers = {run["run"] for run in runs}
    return {
        "rows": len(known),
        "in no table": len(known - ancestry.parents.keys()),
        "runs": [run for run in runs_of(store, known)[0] if run["run"] not in numbers],
        "models": sources.models(),
        "sampling": sources.sampling(),
        "completions": sources.totals(),
    }


def _recipe(name: str, line: str) -> str:
    """The recipe of a run, with its paper; ``""`` for a plain prompt.

    Runs of older sessions have no name of a recipe; then it is that of the cell line.
    """
    named = _RECIPE.search(line)
    name = name or (named[1] if named else "")
    listed = RECIPES.described().get(name)
    paper = PAPER.search(listed.doc) if listed else None
    return "" if name == "prompt" else f"{name} (arXiv {paper[0]})" if paper else name


def _funnel(store: Store, returned: set[str], ids: Collection[str]) -> Records:
    """How many rows the runs returned, each filter dropped and why, and are left.

    The last verdict on a row counts. The counts after the first sum to it.
    """
    gone = returned.difference(ids)
    dropped: Counter[tuple[str, str]] = Counter()
    for some in _batches(sorted(gone)):
        last = {verdict["id"]: verdict for verdict in store.curations.verdicts(some)}
        for verdict in last.values():
            if verdict["verdict"] == "dropped":
                reason = verdict["why"].partition(":")[0]
                dropped[f"dropped by {verdict['filter'] or 'marks'}", reason] += 1
            elif verdict["filter"].startswith(SPLIT):
                dropped[f"in the {verdict['filter'].partition(':')[0]}", ""] += 1
    steps = [
        ("returned by the runs", "", len(returned)),
        *((step, why, n) for (step, why), n in dropped.most_common()),
        ("left out in another way", "", len(gone) - dropped.total()),
        ("in this table", "", len(returned) - len(gone)),
    ]
    return [
        {"step": step, "reason": why, "rows": n}
        for step, why, n in steps
        if n or step != "left out in another way"
    ]


def _splits(store: Store, ids: list[str], parts: Mapping[str, Any]) -> Records:
    """How many of the rows each split has: of those given, or of the last split of each row."""
    if "" not in parts:
        return [{"split": name, "rows": tables.size(table)} for name, table in parts.items()]
    counts: Counter[str] = Counter()
    for some in _batches(ids):
        last = {
            verdict["id"]: verdict["filter"].removeprefix(SPLIT)
            for verdict in store.curations.verdicts(set(some))
            if verdict["verdict"] == "kept" and verdict["filter"].startswith(SPLIT)
        }
        counts.update(last.get(id, "none: ") for id in some)
    is_split = set(counts) - {"none: "}
    found = ((part.partition(": "), n) for part, n in counts.most_common() if is_split)
    return [{"split": name, "rows": n, "how": how} for (name, _, how), n in found]


class Sources:
    """The completions that rows are based on, by their keys, counted as they are read."""

    def __init__(self, store: Store, keys: Iterable[str]) -> None:
        self.names = store.models.names()
        self._models: Counter[tuple[str, str]] = Counter()
        self._sampling: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._seconds = 0.0
        for some in _batches(sorted(keys)):
            for each in store.completions.stored(some):
                self._count(each)

    def _count(self, each: StoredCompletion) -> None:
        """Count a completion."""
        completion = each.completion
        self._models[str(each.request["model"]), completion.how] += 1
        self._sampling[json.dumps(each.request["sampling"], sort_keys=True)] += 1
        self._done["completions"] += 1
        self._done["prompt tokens"] += completion.prompt_tokens
        self._done["completion tokens"] += completion.completion_tokens
        self._done["cut at max_tokens"] += completion.finish == "length"
        self._seconds += completion.seconds

    def models(self) -> Records:
        """One record for each model and way of running it, the most used first."""
        return [
            {
                "model": self.names.get(mark, "unknown"),
                "how": how,
                "completions": n,
                "licence": origin(self.names.get(mark, "")).licence,
                "source": origin(self.names.get(mark, "")).source,
                "fingerprint": mark,
            }
            for (mark, how), n in self._models.most_common()
        ]

    def sampling(self) -> Records:
        """One record for each set of parameters, without those that are not set."""
        return [
            {
                "parameters": {
                    k: v for k, v in json.loads(text).items() if v not in (None, [], {}, False)
                },
                "completions": n,
            }
            for text, n in self._sampling.most_common()
        ]

    def totals(self) -> dict[str, float]:
        """Their number, tokens and seconds, and how many were cut at ``max_tokens``."""
        return {
            "completions": self._done["completions"],
            "prompt tokens": self._done["prompt tokens"],
            "completion tokens": self._done["completion tokens"],
            "seconds of all, one after the other": round(self._seconds, 1),
            "cut at max_tokens": self._done["cut at max_tokens"],
        }


def _batches(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """Parts of a list, to be read from the store one after the other."""
    return (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))


def _marks(store: Store, ids: Collection[str]) -> Records:
    """How many current marks on the rows there are, for each task, annotator and label."""
    counts = Counter(
        (mark.task, mark.person, mark.label)
        for mark in current_marks(store.marks.for_rows(sorted(ids))).values()
        if mark.label
    )
    names = ("task", "by", "label")
    return [{**dict(zip(names, key, strict=True)), "marks": n} for key, n in sorted(counts.items())]


def _agreement(store: Store, ids: Collection[str]) -> Records:
    """Cohen's kappa with its interval of each two annotators; none if they use one label."""
    found = agreements(store.marks.for_rows(sorted(ids)))
    return [
        {"annotators": f"{a} and {b}"}
        | ({} if score is None else _number(score) | {"rows": score.n})
        for (a, b), score in found.items()
    ]


def _scores(evaluation: evaluations.Evaluation | None) -> Records:
    """The scores of an evaluation."""
    return [
        {"metric": each.score.name, **_number(each.score), "n": each.score.n,
         "unit": each.score.unit, "better": each.score.better, "how": each.score.how}
        for each in (evaluation.report.measured if evaluation else ())
    ]  # fmt: skip


def _claims(store: Store, name: str) -> Records:
    """The claims about scores of the table of this name."""
    return [
        {"claim": each.text, "holds": each.holds, "numbers": dict(each.numbers)}
        for each in claims.load_all_claims(store)
        if name in each.tables
    ]


def _number(score: Any) -> dict[str, Any]:
    return {"value": score.value, "low": score.low, "high": score.high}
