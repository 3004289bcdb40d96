"""Dataset cards: what a table is and how it was made, in the form that the Hub shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.files import replacing
from synthkit.core.formatting import count, rounded
from synthkit.core.hashing import digest
from synthkit.core.types import Score
from synthkit.share.export import to_text
from synthkit.share.formats import NOT_REPLACED

_ARXIV = re.compile(r"arXiv (\d{4}\.\d{5})")
DIGITS = 8
"""Of the digest of a fingerprint."""
DIGESTS = (
    "A digest stands for a fingerprint: the weights, their precision and the chat template, or the "
    "server and its parameters. The whole fingerprints are in the head of the saved card."
)
SIZES = (("n<1K", 10**3), ("1K<n<10K", 10**4), ("10K<n<100K", 10**5), ("100K<n<1M", 10**6))


Records = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a card says. All of it is counted from the ids of the rows; nothing is filled in.

    Parameters
    ----------
    traced : how many of the rows lead back to completions of the session.
    origins : where the rows come from, each row counted once: generated, and from which source;
        read from a file or a data set of the Hub, with its version; imported from another program.
    repeated : how many rows have the id of an earlier row, such as after a join.
    runs : that returned some of the rows; ``here`` is how many of the table's rows each returned.
    rejects : of these runs: how many rows each rejected for a kind of reason.
    funnel : the rows of these runs: how many were returned, each filter dropped for a kind of
        reason, and are left.
    splits : how many of the rows are in each part of their last split.
    models, sampling : of the completions that the rows are based on, with their numbers.
    completions : their totals.
    agreement : Cohen's kappa of two annotators, with its interval.
    scores : of the last evaluation of the table of this name.
    claims : about scores of the table: whether each holds, and the numbers that it compares.
    citations : what the recipes and metrics refer to.
    limits : sentences that follow from the other facts.
    earlier : ``runs``, ``models``, ``sampling`` and ``completions`` of the ``rows`` that these were
        generated from, in however many steps, and how many of those are ``in no table`` of the
        session, which would say what they were generated from; empty if there are no such rows.
    """

    name: str
    columns: tuple[str, ...]
    rows: int
    traced: int
    repeated: int
    runs: Records
    rejects: Records
    funnel: Records
    splits: Records
    models: Records
    sampling: Records
    completions: Mapping[str, float]
    marks: Records
    agreement: Records
    scores: Records
    claims: Records
    citations: Records
    limits: Sequence[str]
    versions: Mapping[str, str]
    origins: Records = ()
    earlier: Mapping[str, Any] = field(default_factory=dict)

    def numbers(self) -> dict[str, float]:
        """Every number of the card by its name, such as ``"runs.1.rows"``, counted from 1.

        Facts that are gathered again from the same rows and session have the same numbers, so two
        of these dicts are compared to verify a card.
        """
        return numbers_in(self)


class CardText:
    """What cards have in common: Markdown that a notebook shows, and that is written to a file."""

    __slots__ = ()

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the card to a file, such as ``README.md``; returns its absolute path.

        Raises
        ------
        UsageError
            If the file exists and ``overwrite`` is not set, or cannot be written.
        """
        path = Path(path).expanduser().absolute()
        if path.exists() and not overwrite:
            raise UsageError(f"{path} exists already, {NOT_REPLACED}")
        try:
            with replacing(path) as partial:
                partial.write_text(str(self), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from None
        return path


@dataclass(frozen=True, slots=True)
class Card(CardText):
    """A dataset card, as Markdown with a head for the Hub; ``str(card)`` is its text.

    Parameters
    ----------
    files : split -> its file in a repository, which the head names.
    """

    facts: CardFacts
    files: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return _head(self.facts, self.files) + "\n".join(_body(self.facts))

    def _repr_markdown_(self) -> str:
        return "\n".join(_body(self.facts))


def _head(facts: CardFacts, files: Mapping[str, str]) -> str:
    size = next((name for name, limit in SIZES if facts.rows < limit), "n>1M")
    parts = [f"  - split: {json.dumps(split)}\n    path: {path}\n" for split, path in files.items()]
    configs = "configs:\n- config_name: default\n  data_files:\n" + "".join(parts)
    return (
        f"---\npretty_name: {json.dumps(facts.name)}\nsize_categories:\n- {size}\n"
        f"tags:\n- synthetic\n- synthkit\n{configs if files else ''}"
        f"synthkit: {json.dumps(head_facts(facts))}\n---\n\n"
    )


def _body(facts: CardFacts) -> list[str]:
    """The lines of the card, a section for each kind of facts that there is."""
    lines = [
        f"# {facts.name}",
        "",
        f"{count(facts.rows, 'row')} with the columns {', '.join(facts.columns)}. {traced(facts)}",
        "",
    ]
    lines += section("Known limits", items(facts.limits))
    lines += section("Origins", table(facts.origins))
    before, runs = facts.earlier, steps(facts, "runs")
    lines += section("Runs", table(runs, leave=("cell", "reasons")))
    rejects = [*rejects_of(before.get("runs", ())), *facts.rejects]
    lines += section("Rejects", table(rejects))
    lines += section("Prompts", prompts(runs))
    if any(step["rows"] for step in facts.funnel):  # of rows of no run it knows nothing
        lines += section("Rows of the runs, in and out", table(facts.funnel))
    lines += section("Splits", table(facts.splits))
    lines += section("Models", models(steps(facts, "models")))
    lines += section("Sampling", table(steps(facts, "sampling")))
    lines += section("Completions", totals(facts))
    agreement = [_with_interval(each, "Cohen's kappa") for each in facts.agreement]
    lines += section("Marks", [*table(facts.marks), *table(agreement)])
    lines += section("Scores", table([_with_interval(each, "value") for each in facts.scores]))
    lines += section("Claims", table([_claim(each) for each in facts.claims]))
    cited = [f"{each['of']}: {each['references']}" for each in facts.citations]
    lines += section("Citations", items([_ARXIV.sub(_link, text) for text in cited]))
    lines += section(
        "Versions that wrote this card", table(pairs(facts.versions, "package", "version"))
    )
    return lines


def traced(facts: Any) -> str:
    """How many of the rows of a card are traced, in a sentence."""
    if not facts.traced:
        return "None of them is traced: no completion of this session leads to them."
    untraced = facts.rows - facts.traced
    lead, are = ("leads" if facts.traced == 1 else "lead"), ("is" if untraced == 1 else "are")
    return (
        f"{count(facts.traced, 'row')} {lead} back to a prompt, a model and a seed; "
        f"{untraced} {are} not traced."
    )


def models(records: Records) -> list[str]:
    """Models as a table, with a short digest of each fingerprint, which is one long word."""
    rest = [{k: v for k, v in each.items() if k != "fingerprint"} for each in records]
    shown = [a | {"digest": _short(b)} for a, b in zip(rest, records, strict=True)]
    return [*table(shown), DIGESTS, ""] if records else []


def head_facts(facts: Any) -> dict[str, Any]:
    """What the head of a card has for machines: digest -> fingerprint of each model."""
    return {"fingerprints": {_short(each): each["fingerprint"] for each in steps(facts, "models")}}


def _short(model: Mapping[str, Any]) -> str:
    return digest(model["fingerprint"])[:DIGITS]


def steps(facts: Any, name: str) -> Records:
    """The records of the earlier steps and of the rows themselves, which say of which they are.

    They do not if there are no earlier steps.
    """
    now: Records = getattr(facts, name)
    if not facts.earlier:
        return now
    before = [{"step": "earlier", **each} for each in facts.earlier[name]]
    return [*before, *({"step": "these rows", **each} for each in now)]


def totals(facts: Any) -> list[str]:
    """The totals of completions as a table; nothing if there are none."""
    now, before = facts.completions, facts.earlier.get("completions", {})
    if before:
        return table(
            [{"total": name, "earlier": before[name], "these rows": n} for name, n in now.items()]
        )
    return table(pairs(now, "total", "value")) if now["completions"] else []


def section(title: str, lines: Sequence[str]) -> list[str]:
    """A heading and its lines; nothing if there are none."""
    return [f"## {title}", "", *lines] if lines else []


def items(texts: Sequence[str]) -> list[str]:
    """Texts as a list."""
    return [f"- {text}" for text in texts] + [""] * bool(texts)


def table(records: Records, leave: Sequence[str] = ()) -> list[str]:
    """Records as a table, without columns that are empty in all of them."""
    names = dict.fromkeys(name for record in records for name in record if name not in leave)
    columns = [name for name in names if any(each.get(name) not in ("", None) for each in records)]
    return [to_text(records, columns, "markdown")] if records else []


def _with_interval(record: Mapping[str, Any], column: str) -> dict[str, Any]:
    """A record with its value and interval as one text, as scores are shown."""
    rest = {name: cell for name, cell in record.items() if name not in ("value", "low", "high")}
    if "value" not in record:
        return rest | {column: "one label on all rows"}
    value, low, high = (record[name] for name in ("value", "low", "high"))
    score = Score(name="", value=value, low=low, high=high, n=0)
    head = dict(list(rest.items())[:1])
    return head | {column: str(score)} | rest


def _claim(record: Mapping[str, Any]) -> dict[str, str]:
    numbers = [f"{side} = {rounded(value)}" for side, value in record["numbers"].items()]
    holds = "yes" if record["holds"] else "no"
    return {"claim": record["claim"], "holds": holds, "numbers": "; ".join(numbers)}


def _link(number: re.Match[str]) -> str:
    return f"[{number[0]}](https://arxiv.org/abs/{number[1]})"


def numbers_in(facts: Any) -> dict[str, float]:
    """Every number in the fields of facts, by the names and positions that lead to it."""
    return dict(_numbers("", {each.name: getattr(facts, each.name) for each in fields(facts)}))


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        parts = ((str(key), part) for key, part in value.items())
    elif isinstance(value, list | tuple):
        parts = ((str(at), part) for at, part in enumerate(value, 1))
    else:
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, value
        return
    for key, part in parts:
        yield from _numbers(f"{name}.{key}" if name else key, part)


def pairs(values: Mapping[str, Any], key: str, value: str) -> list[dict[str, Any]]:
    """A mapping as records with a column for its keys and one for its values."""
    return [{key: name, value: each} for name, each in values.items()]


def rejects_of(runs: Records) -> list[dict[str, Any]]:
    """How many rows each run rejected for a kind of reason."""
    return [
        {"run": run["run"], "reason": reason, "rows": n}
        for run in runs
        for reason, n in run["reasons"].items()
    ]


def prompts(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each cell once, in a block that its own backticks cannot end."""
    lines = []
    for cell in dict.fromkeys(str(run["cell"]) for run in runs):
        fence = "```"
        while fence in cell:
            fence += "`"
        lines += [fence, cell, fence, ""]
    return lines
