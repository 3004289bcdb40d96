"""Error extrapolation: texts similar to those that a small classifier gets wrong.

S3: Let's Synthesize Step by Step (arXiv 2310.13671), and its active form, PGKD: Performance-Guided
LLM Knowledge Distillation (arXiv 2411.05045).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from synthkit.core.errors import TableError, UsageError, check_known, check_positive
from synthkit.core.types import Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.templates import Prompt, Turns
from synthkit.recipes import _arguments, _base
from synthkit.recipes._ask import ask_each, batches
from synthkit.recipes._base import Bounds, FitClassifier, Recipe, Samples, Table, per_table, recipe
from synthkit.recipes._distinct_texts import DistinctTexts

S3 = """\
{{ ask }}

A small classifier got this text wrong. It is {{ label }}:
{{ text }}

Write another text of its kind that is {{ label }} for the same reason, in words of its own. \
Write the text alone."""
PGKD = """\
{{ ask }}

A small classifier does so on real texts:
{{ report }}

It finds it hard to tell that this text is {{ label }}, and not {{ rival }}:
{{ text }}
{% if contrast %}

This one is {{ rival }}:
{{ contrast }}
{% endif %}

Write another text that is {{ label }} and might be mistaken for {{ rival }}, in words of its \
own. Write the text alone."""
FORMS = {"s3": S3, "pgkd": PGKD}
FIELDS = ("ask", "text", "label", "rival", "contrast", "report")
BOUNDARY = 0.2
"""A text is near the boundary if its two most probable labels differ by at most this much."""


@recipe
def error_extrapolation(
    prompt: str,
    *,
    rows: Table,
    classifier: FitClassifier,
    n: int | None = None,
    seeds: Table = None,
    labels: Sequence[str] | None = None,
    rounds: int = 2,
    form: Literal["s3", "pgkd"] = "s3",
    near: str | None = None,
    most_errors: int = 20,
    per_error: int = 1,
    likeness: float = 0.9,
    column: str = "text",
    label_column: str = "label",
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Labelled texts that resemble the real texts a small classifier gets wrong.

    This is S3 (arXiv 2310.13671, algorithm 2). Seed texts are generated, the same number for each
    label, or given. In each round the classifier (the papers' student) is trained on the seed texts
    and all texts added so far, and classifies the real rows. For each of its errors, the most
    confident first, texts with the error's label are generated. The form ``"pgkd"`` (arXiv
    2411.05045) alternates errors with correct but uncertain rows. It also shows the model how many
    rows of each label the classifier gets right, and a real text of the label that the classifier
    confuses with the right one.

    A text that is too similar to a real one or an earlier one is a reject; this is not in the
    papers. The classifier here is weaker than their DistilBERT and BERT, and needs no GPU.

    Parameters
    ----------
    prompt : asks for a text with ``{{ label }}``.
    rows : real, labelled validation rows. Never use the rows that a result is tested on: texts are
        generated from them. A column ``split`` with the value ``test`` is an error.
    classifier : (texts, labels) -> a classifier trained on them.
    n, seeds : how many seed texts to generate, or a table of them with the same two columns as
        ``rows``.
    labels : the labels of the seed texts; by default those of ``rows``.
    near : a template that asks for a text similar to another. It may use ``{{ text }}`` and
        ``{{ label }}``, ``{{ ask }}`` (the prompt for that label), ``{{ rival }}`` (the label
        that the classifier confuses it with), ``{{ contrast }}`` (a real text of the rival, or
        empty) and ``{{ report }}``.
    most_errors, per_error : most real rows per round, and how many texts for each.
    likeness : a text whose ROUGE-L F1 with another is above this is rejected.

    Returns
    -------
    Recipe
        Rows with ``label``, ``text``, ``round`` (0 for seeds) and ``near``, the id of the real
        row, or its position if it has none.

    Raises
    ------
    UsageError
        If neither or both of ``n`` and ``seeds`` are given; if a row is a test row, or has a label
        that is not among ``labels``.
    TableError
        If a row has no text or label.
    PromptError
        If a template uses other fields.

    Examples
    --------
    >>> real = [{"text": "Not bad.", "label": "good"}, {"text": "Awful.", "label": "bad"}]
    >>> recipe = error_extrapolation("Write a {{ label }} review.", rows=real, n=8,
    ...                              classifier=print)
    >>> print(recipe.requests)
    8 to 12
    """
    check_positive(rounds=rounds, most_errors=most_errors, per_error=per_error)
    check_known("form", form, FORMS)
    if (n is None) == (seeds is None):
        raise UsageError("give n, how many seed texts to write, or seeds, a table of them.")
    real, seeded, names = _checked_texts(rows, seeds, labels, column, label_column)
    seed_rows = [] if n is None else tables.records(_arguments.labelled_rows(names, n))
    label_rows, example = [{"label": label} for label in names], [dict.fromkeys(FIELDS, "...")]
    template = _arguments.checked_template(prompt, label_rows, uses=("label",))
    nearby = _arguments.checked_template(near or FORMS[form], example, uses=("text",))
    DistinctTexts(likeness)  # fails if likeness is out of range

    def steps() -> Steps[None]:
        pool = DistinctTexts(likeness, [*real.texts, *seeded.texts])
        training = _TrainingTexts(pool, [*seeded.texts], [*seeded.labels], sampling)
        plan = [
            _PlannedText(template.render(row), {**row, "round": 0, "near": None})
            for row in seed_rows
        ]
        yield from training.extended(plan)
        for number in range(1, rounds + 1):
            if len(set(training.labels)) < 2:
                yield [Reject("", f"stopped: before round {number} there are not two labels")]
                return
            trained = classifier(training.texts, training.labels)
            hard = _hard_rows(trained, real, unsure=form == "pgkd")
            plan = [
                _near_text(fields, real, at, number, template, nearby)
                for at, fields in itertools.islice(hard, most_errors)
                for _ in range(per_error)
            ]
            if not plan:
                reason = f"stopped: before round {number} the classifier has no error left"
                yield [Reject("", reason)]
                return
            yield from training.extended(plan)

    least = len(seed_rows)
    most = least + rounds * min(most_errors, len(real.texts)) * per_error
    return per_table(
        steps,
        name="error_extrapolation",
        columns=("label", "text", "round", "near"),
        requests=Bounds(least, most),
        rows=Bounds(0, most),
        like=rows,
        prompt=prompt,
    )


@dataclass(frozen=True, slots=True)
class _IdentifiedTexts:
    """Texts with their labels, and the ids of their rows if they have any."""

    texts: Sequence[str]
    labels: Sequence[Any]
    ids: Sequence[str] = ()

    @classmethod
    def of(cls, rows: Any, column: str, label_column: str) -> _IdentifiedTexts:
        """The texts and labels of a table.

        Raises
        ------
        TableError
            If there is no row, or a row lacks a text or a label.
        """
        if not tables.size(rows):
            raise TableError(f"expected one row or more with a {column!r}; got none.")
        ids = tables.column(rows, "id") if "id" in tables.columns(rows) else ()
        texts, labels = (_arguments.column_texts(rows, name) for name in (column, label_column))
        return cls(texts, labels, ids)


def _checked_texts(
    rows: Any, seeds: Any, labels: Sequence[str] | None, column: str, label_column: str
) -> tuple[_IdentifiedTexts, _IdentifiedTexts, list[str]]:
    """The real texts, the given seed texts, and the labels, which are all that the texts have."""
    real = _IdentifiedTexts.of(rows, column, label_column)
    seeded = _IdentifiedTexts([], [])
    if seeds is not None:
        seeded = _IdentifiedTexts.of(seeds, column, label_column)
    _refuse_test_rows(rows)
    names = list(dict.fromkeys(real.labels)) if labels is None else labels
    names = _arguments.distinct_names("labels", names)
    check_known("label", (*real.labels, *seeded.labels), names)
    return real, seeded, names


@dataclass(frozen=True, slots=True)
class _PlannedText:
    """A text to generate: the messages that ask for it, and the other cells of its row."""

    messages: Turns
    cells: Mapping[str, Any]
    parent: str | None = None


def _near_text(
    fields: Mapping[str, Any],
    real: _IdentifiedTexts,
    at: int,
    number: int,
    template: Prompt,
    nearby: Prompt,
) -> _PlannedText:
    """A text similar to the real one at a position, asked for after the turns of the prompt."""
    *before, last = template.render(fields)
    messages = (*before, *nearby.render({**fields, "ask": last.content}))
    parent = real.ids[at] if real.ids else None
    cells = {"label": fields["label"], "round": number, "near": str(parent if real.ids else at)}
    return _PlannedText(messages, cells, parent)


@dataclass(frozen=True, slots=True)
class _TrainingTexts:
    """The texts that the classifier is trained on, and the pool that a new one must differ from."""

    pool: DistinctTexts
    texts: list[str]
    labels: list[str]
    sampling: Sampling
    sample: Samples = field(default_factory=Samples)

    def extended(self, plan: Sequence[_PlannedText]) -> Steps[None]:
        """Generate planned texts, yield their rows and rejects, and add the texts of the rows."""
        for batch in batches(plan):
            requests = [self.sample(Request(each.messages, self.sampling)) for each in batch]
            written = yield from ask_each(requests, parsing.text())
            outcomes = [
                self.pool.outcome(parsed, of=of, cells=each.cells, parent=each.parent)
                for each, (of, parsed) in zip(batch, written, strict=True)
            ]
            yield outcomes
            accepted = [outcome.cells for outcome in outcomes if isinstance(outcome, Row)]
            self.texts.extend(cells["text"] for cells in accepted)
            self.labels.extend(cells["label"] for cells in accepted)


def _hard_rows(
    classifier: _base.TextClassifier, real: _IdentifiedTexts, *, unsure: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows that a classifier finds hard: (position, fields of a prompt about the row).

    These are its errors, the most confident first; if ``unsure``, in turn with the rows that it
    gets right, the least certain first.
    """
    rankings = [
        sorted(zip(map(float, row), classifier.labels, strict=True), key=lambda pair: -pair[0])
        for row in classifier.probabilities(real.texts)
    ]
    margin = [ranking[0][0] - ranking[1][0] for ranking in rankings]
    right = [ranking[0][1] == label for ranking, label in zip(rankings, real.labels, strict=True)]
    positions = range(len(right))
    errors = sorted((i for i in positions if not right[i]), key=lambda i: -rankings[i][0][0])
    near = sorted((i for i in positions if margin[i] <= BOUNDARY), key=lambda i: margin[i])
    report = _report(right, real.labels)
    turns = [errors, [i for i in near if right[i]] if unsure else []]
    for at in itertools.chain.from_iterable(itertools.zip_longest(*turns)):
        if at is None:
            continue
        label = real.labels[at]
        rival = rankings[at][right[at]][1]
        contrast = next((i for i in near if real.labels[i] == rival), None)
        fields = {
            "text": real.texts[at],
            "label": label,
            "rival": rival,
            "contrast": "" if contrast is None else real.texts[contrast],
            "report": report,
        }
        yield at, fields


def _report(right: Sequence[bool], labels: Sequence[Any]) -> str:
    """One line for each label: how many of its rows a classifier gets right.

    >>> print(_report([True, False, True], ["good", "bad", "good"]))
    good: 2 of 2 right
    bad: 0 of 1 right
    """
    lines = []
    for label in dict.fromkeys(labels):
        flags = [flag for flag, each in zip(right, labels, strict=True) if each == label]
        lines.append(f"{label}: {sum(flags)} of {len(flags)} right")
    return "\n".join(lines)


def _refuse_test_rows(rows: Any) -> None:
    """Raise if a row belongs to a test split."""
    if "split" not in tables.columns(rows):
        return
    for position, cell in enumerate(tables.column(rows, "split")):
        if isinstance(cell, str) and cell.strip().casefold().startswith("test"):
            raise UsageError(
                f"row {position} is of the split {cell!r}: texts generated from its errors would "
                "be tested on them. Give validation rows."
            )
