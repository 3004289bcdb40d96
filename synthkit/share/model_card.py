"""Model cards: what a model was trained on, how, and what it changed, in the form of the Hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from synthkit.core.extras import need
from synthkit.core.formatting import count, rounded
from synthkit.core.types import Score
from synthkit.share.card import (
    CardText,
    Records,
    head_facts,
    items,
    models,
    numbers_in,
    pairs,
    prompts,
    section,
    steps,
    table,
    totals,
    traced,
)

HELD_OUT = "eval_"
"""What the names of values measured on held-out rows begin with in a log."""
SHARES = ("accuracy", "rewards/accuracies")
"""Values that are shares of the held-out pairs, of reward and dpo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a model card says: from the record of a training, and the session by its rows' ids.

    Parameters
    ----------
    base : of the base model: ``model``, ``licence``, ``source``, ``repository`` and ``weights``,
        their hash.
    rows, held_out : how many rows were learned from, and how many measured the loss.
    shared : how many rows are in both.
    left_out : examples that were too long.
    traced : how many of ``rows`` lead back to completions of the session.
    runs, models, completions, earlier : that the traced rows come from; see
        :class:`~synthkit.share.card.CardFacts`.
    arguments : the settings of the training.
    measured : each value of the log, the first time and the last, with the step; shares of held-out
        pairs have a 95 % Wilson interval.
    """

    name: str
    method: str
    base: Mapping[str, str]
    rows: int
    held_out: int
    shared: int
    left_out: int
    traced: int
    runs: Records
    models: Records
    completions: Mapping[str, float]
    arguments: Mapping[str, Any]
    measured: Records
    steps: int
    seconds: float
    device: str
    versions: Mapping[str, str]
    limits: Sequence[str]
    earlier: Mapping[str, Any] = field(default_factory=dict)

    def numbers(self) -> dict[str, float]:
        """Every number of the card by its name, as :meth:`CardFacts.numbers` names them."""
        return numbers_in(self)


@dataclass(frozen=True, slots=True)
class ModelCard(CardText):
    """A model card, as Markdown with a head for the Hub; ``str(card)`` is its text."""

    facts: ModelFacts

    def __str__(self) -> str:
        return f"---\n{_head(self.facts)}\n---\n\n" + "\n".join(_body(self.facts))

    def _repr_markdown_(self) -> str:
        return "\n".join(_body(self.facts))


def _head(facts: ModelFacts) -> str:
    """The head that the Hub reads, by its own package; measured values are of the last step.

    It has no place for an interval, which may be wider on one side.
    """
    hub: Any = need("huggingface_hub", extra="train", why="to write a model card")
    results = [
        hub.EvalResult(
            task_type="text-generation",
            dataset_type="held-out",
            dataset_name=f"{count(facts.held_out, 'held-out row')} of the training",
            metric_type=str(each["value"]),
            metric_value=each["last"],
        )
        for each in facts.measured
        if each["rows"] == "held-out"
    ]
    data = hub.ModelCardData(
        base_model=facts.base["repository"] or None,
        library_name="peft" if facts.arguments.get("rank") else "transformers",
        model_name=facts.name,
        eval_results=results or None,
        tags=["synthetic", "synthkit", facts.method],
        synthkit=head_facts(facts),
    )
    return str(data.to_yaml(line_break="\n"))


def _with_intervals(record: Mapping[str, Any]) -> dict[str, Any]:
    """A measured value, with its intervals in the cells of the first and the last."""
    cells = {name: cell for name, cell in record.items() if not name.endswith((" low", " high"))}
    for name in ("first", "last"):
        low, high = record.get(f"{name} low"), record.get(f"{name} high")
        cells[name] = str(Score(name="", value=record[name], low=low, high=high, n=0))
    return cells


def _body(facts: ModelFacts) -> list[str]:
    untraced, runs = facts.rows - facts.traced, steps(facts, "runs")
    lines = [
        f"# {facts.name}",
        "",
        f"{facts.base['model']}, trained by {facts.method} on {count(facts.rows, 'row')} in "
        f"{count(facts.steps, 'step')} and {rounded(facts.seconds)} s on {facts.device}. "
        f"{traced(facts)}",
        "",
    ]
    lines += section("Known limits", items(facts.limits))
    lines += section("Base", table(pairs(facts.base, "of the base", "value")))
    lines += section("Before and after", table([_with_intervals(each) for each in facts.measured]))
    lines += section("Arguments", table(pairs(facts.arguments, "argument", "value")))
    lines += section("Runs that the rows come from", table(runs, leave=("cell", "reasons")))
    lines += section("Prompts", prompts(runs))
    lines += section("Models that wrote the rows", models(steps(facts, "models")))
    numbers = {
        "rows": facts.rows, "rows not traced": untraced, "held-out rows": facts.held_out,
        "rows in both": facts.shared, "examples left out": facts.left_out,
    }  # fmt: skip
    lines += section("Rows", table(pairs(numbers, "total", "value")))
    lines += section("Completions", totals(facts))
    return lines + section("Versions", table(pairs(facts.versions, "package", "version")))
