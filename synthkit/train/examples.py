"""Rows as trainers take them: prompts with completions, texts with labels, and pairs of texts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.environment import warn
from synthkit.core.errors import TableError, UsageError, check_known, unknown
from synthkit.core.hashing import digest
from synthkit.data import tables
from synthkit.data.cells import canonical_row
from synthkit.stats.classifier import distinct

Turn = dict[str, str]
Example = dict[str, Any]
LABELS = {True: True, False: False, "accept": True, "reject": False}
"""Labels of a completion, as a judge or a mark gives them -> whether it is wanted."""
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Examples:
    """What a model is trained on, in an order that does not depend on that of the table.

    Parameters
    ----------
    cells : one dict for each example; several for a conversation with several answers.
    rows : row id -> hash of what is learned from that row.
    """

    cells: Sequence[Example]
    rows: Mapping[str, str]

    @property
    def longest(self) -> int:
        """The characters of the longest example."""
        return max(_length(example) for example in self.cells)


def completions(table: Any, *, raw: bool, prompt: str, completion: str, messages: str) -> Examples:
    """Examples of prompts and completions.

    The table has the columns ``prompt`` and ``completion``, or ``messages`` with conversations,
    each answer of which is a completion of the turns before it.

    Raises
    ------
    TableError
        If it has neither, or a cell is neither a text nor a list of turns.
    """
    names = tables.columns(table)
    if messages in names and not {prompt, completion} <= set(names):

        def convert(row: Mapping[str, Any]) -> list[Example]:
            turns = _turns(row[messages])
            return [
                _example(turns[:at], completion=turns[at : at + 1], raw=raw)
                for at, turn in enumerate(turns)
                if turn["role"] == "assistant" and at
            ]
    else:
        if prompt not in names or completion not in names:
            _missing(names, [prompt, completion], f", or {messages!r} with conversations")

        def convert(row: Mapping[str, Any]) -> list[Example]:
            answer = _turns(row[completion], role="assistant")
            return [_example(_turns(row[prompt]), completion=answer, raw=raw)]

    return _examples(table, convert)


def preferences(table: Any, *, raw: bool, prompt: str, chosen: str, rejected: str) -> Examples:
    """Examples of prompts, each with a chosen and a rejected completion.

    Raises
    ------
    TableError
        If a column is missing, a cell is neither a text nor a list of turns, or both completions of
        a row are the same.
    """
    _missing(tables.columns(table), [prompt, chosen, rejected])

    def convert(row: Mapping[str, Any]) -> list[Example]:
        both = {name: _turns(row[name], role="assistant") for name in (chosen, rejected)}
        if both[chosen] == both[rejected]:
            raise ValueError(f"{chosen!r} and {rejected!r} are the same")
        return [
            _example(_turns(row[prompt]), chosen=both[chosen], rejected=both[rejected], raw=raw)
        ]

    return _examples(table, convert)


def judged(table: Any, *, raw: bool, prompt: str, completion: str, label: str) -> Examples:
    """Examples of prompts and completions, each with a label: whether the completion is wanted.

    Raises
    ------
    TableError
        If a column is missing, a cell is neither a text nor a list of turns, a label is none of
        :data:`LABELS`, or all labels are the same.
    """
    _missing(tables.columns(table), [prompt, completion, label])

    def convert(row: Mapping[str, Any]) -> list[Example]:
        if row[label] not in LABELS:
            raise ValueError(f"expected True or False, 'accept' or 'reject'; got {row[label]!r}")
        answer = _turns(row[completion], role="assistant")
        example = _example(_turns(row[prompt]), completion=answer, raw=raw)
        return [example | {"label": LABELS[row[label]]}]

    found = _examples(table, convert)
    if len({example["label"] for example in found.cells}) < 2:
        raise TableError("expected wanted and unwanted completions; all labels are the same.")
    return found


def labelled(
    table: Any, *, text: str, label: str, known: Sequence[Any], weights: str | None = None
) -> Examples:
    """Examples of texts, each with the position of its label among the known ones, and a weight.

    Rows of weight 0 give no example.

    Raises
    ------
    TableError
        If a column is missing, a cell is not a text, a label is missing or unknown, or a weight is
        not 0 or more.
    """
    _missing(tables.columns(table), [text, label, *([weights] if weights else [])])
    position = {value: at for at, value in enumerate(known)}

    def convert(row: Mapping[str, Any]) -> list[Example]:
        if not isinstance(row[text], str):
            raise ValueError(f"expected a text; got {row[text]!r:.80}")
        if row[label] not in position:
            raise ValueError(unknown("label", str(row[label]), known).removesuffix("."))
        weight = row[weights] if weights else 1.0
        if not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise ValueError(f"expected a weight of 0 or more; got {weight!r:.80}")
        example = {"text": row[text], "label": position[row[label]], "weight": float(weight)}
        return [example] if weight else []

    return _examples(table, convert)


def label_values(table: Any, label: str) -> tuple[Any, ...]:
    """The distinct labels of a table, sorted.

    Raises
    ------
    TableError
        If the column is missing.
    UsageError
        If there are fewer than two, or one is neither a text, a number nor a truth value.
    """
    values = tables.column(table, label)
    known = distinct(values)
    for row, value in enumerate(values):
        if not isinstance(value, str | int | float):
            raise UsageError(
                f"row {row}: expected a text, a number, True or False as label; got {value!r:.80}."
            )
    return known


def check_each_label(examples: Examples, known: Sequence[Any]) -> None:
    """Check that the known labels have examples to be learned from; warn if one has one only.

    Raises
    ------
    UsageError
        If all rows of a label have weight 0, or each row has a label of its own.
    """
    counts = Counter(example["label"] for example in examples.cells)
    for at, label in enumerate(known):
        if not counts[at]:
            raise UsageError(f"no row of the label {label!r} has a weight above 0.")
    single = [label for at, label in enumerate(known) if counts[at] == 1]
    if len(single) == len(known):
        raise UsageError(
            f"each of the {len(known)} rows has a label of its own, such as {known[0]!r:.80}: a "
            "label is learned from several rows. If the labels are in another column, name it, in "
            "a line as --set label=COLUMN."
        )
    if single:
        have = "has" if len(single) == 1 else "have"
        warn(
            f"{len(single)} of {len(known)} labels {have} one row only, such as {single[0]!r:.80}. "
            "A label is learned from several rows: add some, or leave out rows of such labels.",
            stacklevel=3,
        )


def pairs(table: Any, *, names: Sequence[str], score: str | None = None) -> Examples:
    """Examples of texts that belong together or not, with a score of their similarity, if any.

    Raises
    ------
    TableError
        If a column is missing, a cell is not a text, or a score is not from -1 to 1.
    """
    _missing(tables.columns(table), [*names, *([score] if score else [])])

    def convert(row: Mapping[str, Any]) -> list[Example]:
        example: Example = {}
        for name in names:
            if not isinstance(row[name], str) or not row[name].strip():
                raise ValueError(f"expected a text in {name!r}; got {row[name]!r:.80}")
            example[name] = row[name]
        if score:
            if not isinstance(row[score], int | float) or not -1 <= row[score] <= 1:
                raise ValueError(f"expected a score from -1 to 1; got {row[score]!r:.80}")
            example["label"] = float(row[score])
        return [example]

    return _examples(table, convert)


def prompts(table: Any, *, raw: bool, prompt: str, originals: dict[str, Any]) -> Examples:
    """Examples of prompts alone, each with ``row``, the key of its row in ``originals``.

    Parameters
    ----------
    originals : filled with the rows, which may have cells of any type.

    Raises
    ------
    TableError
        If the column is missing, or a cell is neither a text nor a list of turns.
    """
    _missing(tables.columns(table), [prompt])

    def convert(row: Mapping[str, Any]) -> list[Example]:
        example = _example(_turns(row[prompt]), raw=raw) | {"row": canonical_row(row)}
        originals[example["row"]] = row
        return [example]

    return _examples(table, convert)


def conversation(prompt: Any, completion: Any, *, raw: bool) -> list[Turn] | str | None:
    """A prompt with its completion, as a reward model reads them; ``None`` if one is missing."""
    try:
        # a model may complete a prompt with nothing
        empty = [{"role": "assistant", "content": ""}]
        turns = _turns(completion, role="assistant") if completion != "" else empty
        parts = _example(_turns(prompt), completion=turns, raw=raw)
    except (ValueError, KeyError, TypeError):
        return None
    both: list[Turn] | str = parts["prompt"] + parts["completion"]
    return both


def _missing(names: Sequence[str], needed: Sequence[str], other: str = "") -> None:
    absent = [name for name in needed if name not in names]
    if not absent:
        return
    hint = f"A column of another name is given as an option, in a line as --set {absent[0]}=COLUMN."
    if not other:
        raise TableError(f"{unknown('column', absent[0], names)} {hint}")
    raise TableError(
        f"expected the columns {' and '.join(map(repr, needed))}{other}; have "
        f"{', '.join(map(repr, names)) or 'none'}. {hint}"
    )


def _examples(table: Any, convert: Any) -> Examples:
    table = tables.identified(table)
    found: dict[str, list[Example]] = {}
    for n, row in enumerate(tables.records(table)):
        try:
            found[str(row["id"])] = convert(row)
        except (ValueError, KeyError, TypeError) as error:
            raise TableError(f"row {n}: {error}. Remove or mend such rows first.") from None
    cells = [example for _, examples in sorted(found.items()) for example in examples]
    if not cells:
        raise TableError("there is no row to learn from in the table.")
    return Examples(cells, {id: digest(examples)[:16] for id, examples in sorted(found.items())})


def _turns(value: Any, role: str = "user") -> list[Turn]:
    """A text as one turn of a role, or a list of turns as it is."""
    if isinstance(value, str):
        if not value.strip():
            raise ValueError(f"the text of the {role} is empty")
        return [{"role": role, "content": value}]
    if isinstance(value, Mapping) or not isinstance(value, Sequence) or not len(value):
        raise ValueError(f"expected a text or a list of turns; got {value!r:.80}")
    turns = [{"role": str(turn["role"]), "content": turn["content"]} for turn in value]
    for turn in turns:
        check_known("role", turn["role"], ROLES)
        if not isinstance(turn["content"], str):
            raise ValueError(f"expected a text as content; got {turn['content']!r:.80}")
    return turns


def _example(prompt: list[Turn], *, raw: bool, **answers: list[Turn]) -> Example:
    parts = {"prompt": prompt, **answers}
    if not raw:
        return dict(parts)
    return {name: "\n".join(turn["content"] for turn in turns) for name, turns in parts.items()}


def _length(example: Example) -> int:
    return sum(map(len, _texts(example)))


def _texts(example: Example) -> Iterator[str]:
    for name, part in example.items():
        if isinstance(part, str) and name != "row":
            yield part
        elif isinstance(part, list):
            yield from (turn["content"] for turn in part)
