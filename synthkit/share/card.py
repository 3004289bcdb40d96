"""Dataset cards: what a table is and how it was made, in the form that the Hub shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.files import replacing
from synthkit.core.formatting import count
from synthkit.share.export import to_text

SIZES = (("n<1K", 10**3), ("1K<n<10K", 10**4), ("10K<n<100K", 10**5), ("100K<n<1M", 10**6))


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a card says. All of it is counted from the ids of the rows; nothing is filled in.

    Parameters
    ----------
    traced : how many of the rows lead back to completions of the session.
    runs : that returned some of the rows; ``here`` is how many of the table's rows each returned.
    funnel : the rows of these runs that each filter dropped, and that are left: step -> number.
    models, sampling : of the completions that the rows are based on, with their numbers.
    completions : their totals.
    scores : of the last evaluation of the table of this name.
    """

    name: str
    columns: tuple[str, ...]
    rows: int
    traced: int
    runs: Sequence[Mapping[str, Any]]
    funnel: Mapping[str, int]
    models: Sequence[Mapping[str, Any]]
    sampling: Sequence[Mapping[str, Any]]
    completions: Mapping[str, float]
    marks: Sequence[Mapping[str, Any]]
    agreement: Mapping[str, str]
    scores: Sequence[Mapping[str, Any]]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Card:
    """A dataset card, as Markdown with a head for the Hub; ``str(card)`` is its text."""

    facts: CardFacts

    def __str__(self) -> str:
        return _head(self.facts) + "\n".join(_body(self.facts))

    def _repr_markdown_(self) -> str:
        return "\n".join(_body(self.facts))

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the card to a file, such as ``README.md``; returns its absolute path.

        Raises
        ------
        UsageError
            If the file exists and ``overwrite`` is not set, or cannot be written.
        """
        path = Path(path).expanduser().absolute()
        if path.exists() and not overwrite:
            raise UsageError(f"{path} exists already, and was not overwritten.")
        try:
            with replacing(path) as partial:
                partial.write_text(str(self), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from None
        return path


def _head(facts: CardFacts) -> str:
    size = next((name for name, limit in SIZES if facts.rows < limit), "n>1M")
    return (
        f"---\npretty_name: {json.dumps(facts.name)}\nsize_categories:\n- {size}\n"
        "tags:\n- synthetic\n- synthkit\n---\n\n"
    )


def _body(facts: CardFacts) -> list[str]:
    """The lines of the card, a section for each kind of facts that there is."""
    untraced = facts.rows - facts.traced
    lead, are = ("leads" if facts.traced == 1 else "lead"), ("is" if untraced == 1 else "are")
    lines = [
        f"# {facts.name}",
        "",
        f"{count(facts.rows, 'row')} with the columns {', '.join(facts.columns)}. "
        f"{count(facts.traced, 'row')} {lead} back to a prompt, a model and a seed; "
        f"{untraced} {are} not traced.",
        "",
    ]
    lines += _section("Runs", _table(facts.runs, leave="cell"))
    lines += _section("Prompts", _prompts(facts.runs))
    lines += _section("Rows in and out", _table(_pairs(facts.funnel, "step", "rows")))
    lines += _section("Models", _table(facts.models))
    lines += _section("Sampling", _table(facts.sampling))
    lines += _section("Completions", _table(_pairs(facts.completions, "total", "value")))
    agreement = _pairs(facts.agreement, "annotators", "Cohen's kappa")
    lines += _section("Marks", [*_table(facts.marks), *_table(agreement)])
    lines += _section("Scores", _table(facts.scores))
    lines += _section(
        "Versions that wrote this card", _table(_pairs(facts.versions, "package", "version"))
    )
    return lines


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *lines] if lines else []


def _table(records: Sequence[Mapping[str, Any]], leave: str = "") -> list[str]:
    if not records:
        return []
    columns = [column for column in records[0] if column != leave]
    return [to_text(records, columns, "markdown")]


def _pairs(values: Mapping[str, Any], key: str, value: str) -> list[dict[str, Any]]:
    return [{key: name, value: each} for name, each in values.items()]


def _prompts(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each cell once, in a block that its own backticks cannot end."""
    lines = []
    for cell in dict.fromkeys(str(run["cell"]) for run in runs):
        fence = "```"
        while fence in cell:
            fence += "`"
        lines += [fence, cell, fence, ""]
    return lines
