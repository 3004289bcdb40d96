"""What a dataset card cites, and the limits of its table: both computed, nothing invented."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.formatting import count
from synthkit.core.registry import Registry
from synthkit.evaluate.registry import METRICS
from synthkit.recipes._base import RECIPES
from synthkit.sessions.evaluations import Evaluation
from synthkit.share.card import CardFacts

FEW_ROWS = 100
"""With fewer rows, the interval of a share can span more than 0.19 (Wilson 1927)."""


def citations(
    runs: Sequence[Mapping[str, Any]], evaluation: Evaluation | None
) -> tuple[dict[str, str], ...]:
    """What the recipes of the runs and the metrics of an evaluation refer to, each once.

    The references are those of their own docstrings.
    """
    recipes = dict.fromkeys(str(run["recipe"]).partition(" ")[0] for run in runs)
    measured = evaluation.report.measured if evaluation else ()
    metrics = dict.fromkeys(each.metric or each.score.name for each in measured)
    return (*_cited("recipe", RECIPES, recipes), *_cited("metric", METRICS, metrics))


def _cited(kind: str, registry: Registry[Any], names: Collection[str]) -> list[dict[str, str]]:
    known = registry.described() if names else {}
    return [
        {"of": f"{kind} {name}", "references": known[name].references}
        for name in names
        if name in known and known[name].references
    ]


def limits(facts: CardFacts, ids: Collection[str], evaluation: Evaluation | None) -> CardFacts:
    """The facts with the limits that follow from them."""
    untraced, before = facts.rows - facts.traced, facts.earlier
    totals = [facts.completions, before.get("completions", {})]
    done = int(sum(each.get("completions", 0) for each in totals))
    cut = int(sum(each.get("cut at max_tokens", 0) for each in totals))
    sources = [*facts.models, *before.get("models", ())]
    models = {str(each["model"]) for each in sources}
    no_licence = {str(each["model"]) for each in sources if not each["licence"]}
    unknown = before.get("in no table", 0)
    outside = sum(n["rows"] for n in facts.funnel if n["step"] == "left out in another way")
    people = {str(mark["by"]) for mark in facts.marks}
    scored = evaluation.row_ids if evaluation else set()
    found = {
        f"{_rows(untraced)} not traced to a completion of the session.": untraced,
        f"{_rows(facts.repeated)} a repetition of another row, with the same id.": facts.repeated,
        f"{cut} of {count(done, 'completion')} cut at max_tokens.": cut,
        f"{count(outside, 'row')} of the runs left out, and no filter or mark says why.": outside,
        f"{count(facts.rows, 'row')} only: shares have wide intervals.": facts.rows < FEW_ROWS,
        "All completions are of one model, so its habits are those of the data.": len(models) == 1,
        f"The licence of {', '.join(sorted(no_licence))} is not known here.": no_licence,
        f"{_rows(unknown)} of an earlier step and in no table of the session, so what came before "
        "is not known.": unknown,
        "Nobody has marked any of the rows.": not people,
        "The marks are of one person, so there is no agreement.": len(people) == 1,
        "There are no scores of this table.": not facts.scores,
        f"The scores are of {count(len(scored), 'row')}, of which {len(scored.intersection(ids))} "
        f"are here, of {count(len(ids), 'row')} with an id.": scored and scored != set(ids),
    }
    return replace(facts, limits=tuple(text for text, holds in found.items() if holds))


def _rows(n: int) -> str:
    return f"{count(n, 'row')} {'is' if n == 1 else 'are'}"
