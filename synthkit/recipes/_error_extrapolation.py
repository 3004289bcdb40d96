"""Texts near those that a small student gets wrong, round by round.

S3: Let's Synthesize Step by Step (arXiv 2310.13671), and its active form, PGKD: Performance-Guided
LLM Knowledge Distillation (arXiv 2411.05045).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import Message, Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.templates import Prompt
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Recipe, Table, gather, per_table, recipe
from synthkit.recipes._rounds import Distinct, Learned, Samples, Student, batches, texts, traced
from synthkit.recipes._zerogen import balanced, distinct, positive, tried

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
UNSURE = 0.2
"""A text is near the boundary if its two likeliest labels are not further apart than this."""


@recipe
def error_extrapolation(
    prompt: str,
    *,
    rows: Table,
    student: Student,
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
    """Labelled texts near the real ones that a student of earlier texts gets wrong.

    This is S3 (arXiv 2310.13671, algorithm 2). D_seed is written, equally many texts of each
    label, or given. In each round the student learns D_seed and all that was added, labels the
    real rows, and near each of its errors, the surest first, texts are written that have the
    error's label. The form ``"pgkd"`` (arXiv 2411.05045) also writes near texts that it is unsure
    of, in turn with the errors, and tells the model how many of each label the student gets right,
    and a text of the label that it takes this one for.

    A text that is too like a real one, or one written before, is a reject; that is not in the
    papers. The student here learns less than their DistilBERT and BERT, and needs no GPU.

    Parameters
    ----------
    prompt : asks for a text of ``{{ label }}``.
    rows : real, labelled validation rows. Never give it those that a result is tested on: what is
        written is made after them. A column ``split`` that says ``test`` is refused.
    student : (texts, labels) -> what has learned them.
    n, seeds : how many seed texts to write, or a table of them with the same two columns as
        ``rows``.
    labels : what seeds are written for; those of ``rows`` if not given.
    near : a template that asks for a text near another. It may use ``{{ text }}`` and
        ``{{ label }}``, ``{{ ask }}`` (the prompt for that label), ``{{ rival }}`` (the label
        that the student confuses it with), ``{{ contrast }}`` (a real text of the rival, or
        nothing) and ``{{ report }}``.
    most_errors, per_error : real rows to write near in a round, at most, and texts for each.
    likeness : of a text whose ROUGE-L F1 with another is above this.

    Returns
    -------
    Recipe
        Rows with ``label``, ``text``, ``round`` (0 for seeds) and ``near``, the id of the real
        row, or its position if it has none.

    Raises
    ------
    UsageError
        If neither or both of ``n`` and ``seeds`` are given; if a row has no text or label, is a
        test row, or has a label that is not among ``labels``; if a template uses other fields.

    Examples
    --------
    >>> real = [{"text": "Not bad.", "label": "good"}, {"text": "Awful.", "label": "bad"}]
    >>> recipe = error_extrapolation("Write a {{ label }} review.", rows=real, n=8, student=print)
    >>> print(recipe.requests)
    8 to 12
    """
    for name, least in (("rounds", rounds), ("most_errors", most_errors), ("per_error", per_error)):
        positive(name, least)
    if form not in ("s3", "pgkd"):
        raise UsageError(unknown("form", form, ("s3", "pgkd")))
    if (n is None) == (seeds is None):
        raise UsageError("give n, how many seed texts to write, or seeds, a table of them.")
    real = _Real.of(rows, column, label_column)
    given = _Real([], []) if seeds is None else _Real.of(seeds, column, label_column)
    _refuse_tests(rows)
    wanted = distinct("labels", list(dict.fromkeys(real.labels)) if labels is None else labels)
    for label in (*real.labels, *given.labels):
        if label not in wanted:
            raise UsageError(unknown("label", str(label), wanted))
    begins = [] if n is None else tables.column(balanced(wanted, n), "label")
    template = tried(prompt, [{"label": label} for label in wanted], uses=("label",))
    nearby = tried(near or FORMS[form], [dict.fromkeys(FIELDS, "...")], uses=("text",))
    Distinct(likeness)  # refuses what is no likeness

    def planned(number: int, learned: Learned, sample: Samples) -> list[_Planned]:
        """What a round asks for, near the rows that the student finds hard."""
        hard = _hard(learned, real, unsure=form == "pgkd")
        return [
            _Planned(
                sample(Request(_turns(template, nearby, fields), sampling)),
                {"label": fields["label"], "round": number, "near": real.name(at)},
                real.ids[at] if real.ids else None,
            )
            for at, fields in itertools.islice(hard, most_errors)
            for _ in range(per_error)
        ]

    def steps() -> Steps[None]:
        unlike, sample = Distinct(likeness, [*real.texts, *given.texts]), Samples()
        known, named = list(given.texts), list(given.labels)
        plan = [
            _Planned(
                sample(Request(template.render({"label": label}), sampling)),
                {"label": label, "round": 0, "near": None},
            )
            for label in begins
        ]
        for number in range(1, rounds + 2):
            for part in batches(plan):
                made = yield from _written(part, unlike)
                yield made
                known += [one.cells["text"] for one in made if isinstance(one, Row)]
                named += [one.cells["label"] for one in made if isinstance(one, Row)]
            if number > rounds:
                return
            if len(set(named)) < 2:
                yield [Reject("", f"stopped: before round {number} there are not two labels")]
                return
            plan = planned(number, student(known, named), sample)
            if not plan:
                yield [Reject("", f"stopped: before round {number} the student has no error left")]
                return

    least = len(begins)
    most = least + rounds * min(most_errors, len(real.texts)) * per_error
    return per_table(
        steps,
        name="extrapolate",
        columns=("label", "text", "round", "near"),
        requests=Bounds(least, most),
        rows=Bounds(0, most),
        like=rows,
        prompt=prompt,
    )


@dataclass(frozen=True, slots=True)
class _Real:
    """Labelled texts, and the ids of their rows if they have some."""

    texts: Sequence[str]
    labels: Sequence[Any]
    ids: Sequence[str] = ()

    @classmethod
    def of(cls, rows: Any, column: str, label_column: str) -> _Real:
        """Those of a table.

        Raises
        ------
        TableError
            If a row lacks a text or a label.
        """
        ids = tables.column(rows, "id") if "id" in tables.columns(rows) else ()
        return cls(texts(rows, column), texts(rows, label_column), ids)

    def name(self, at: int) -> str:
        """The id of a row, or its position."""
        return str(self.ids[at] if self.ids else at)


@dataclass(frozen=True, slots=True)
class _Planned:
    """A text to be written: the request, and the row's other cells."""

    request: Request
    cells: Mapping[str, Any]
    parent: str | None = None


def _written(plan: Sequence[_Planned], unlike: Distinct) -> Steps[list[Row | Reject]]:
    """The rows that were planned, or why they are none."""
    found = yield from gather(traced(ask(one.request, parsing.text())) for one in plan)
    return [
        unlike.outcome(outcome, of=of, cells=one.cells, parent=one.parent)
        for one, (of, outcome) in zip(plan, found, strict=True)
    ]


def _turns(template: Prompt, nearby: Prompt, fields: Mapping[str, Any]) -> tuple[Message, ...]:
    """What asks for a text near another; the prompt's turns before its last one stand first."""
    *before, last = template.render(fields)
    return (*before, *nearby.render({**fields, "ask": last.content}))


def _hard(learned: Learned, real: _Real, *, unsure: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows that a student finds hard, by position, with the fields of a prompt about them.

    They are its errors, the surest first; if ``unsure``, in turn with the rows that it gets right
    and is least sure of.
    """
    found = learned.probabilities(real.texts)
    orders = [
        sorted(zip(map(float, row), learned.labels, strict=True), key=_likelier) for row in found
    ]
    margin = [order[0][0] - order[1][0] for order in orders]
    right = [order[0][1] == label for order, label in zip(orders, real.labels, strict=True)]
    everywhere = range(len(right))
    errors = sorted((i for i in everywhere if not right[i]), key=lambda i: -orders[i][0][0])
    near = sorted((i for i in everywhere if margin[i] <= UNSURE), key=lambda i: margin[i])
    report = _report(right, real.labels)
    turns = [errors, [i for i in near if right[i]] if unsure else []]
    for at in itertools.chain.from_iterable(itertools.zip_longest(*turns)):
        if at is None:
            continue
        label = real.labels[at]
        rival = orders[at][right[at]][1]
        contrast = next((i for i in near if real.labels[i] == rival), None)
        yield (
            at,
            {
                "text": real.texts[at],
                "label": label,
                "rival": rival,
                "contrast": "" if contrast is None else real.texts[contrast],
                "report": report,
            },
        )


def _likelier(pair: tuple[float, Any]) -> float:
    return -pair[0]


def _report(right: Sequence[bool], labels: Sequence[Any]) -> str:
    """How many rows of each label a student gets right, in lines.

    >>> print(_report([True, False, True], ["good", "bad", "good"]))
    good: 2 of 2 right
    bad: 0 of 1 right
    """
    lines = []
    for label in dict.fromkeys(labels):
        of = [ok for ok, one in zip(right, labels, strict=True) if one == label]
        lines.append(f"{label}: {sum(of)} of {len(of)} right")
    return "\n".join(lines)


def _refuse_tests(rows: Any) -> None:
    """Refuse rows that say they are for testing."""
    if "split" not in tables.columns(rows):
        return
    for i, cell in enumerate(tables.column(rows, "split")):
        if isinstance(cell, str) and cell.strip().casefold().startswith("test"):
            raise UsageError(
                f"row {i} is of the split {cell!r}: what is written after its errors would be "
                "tested on them. Give validation rows."
            )
