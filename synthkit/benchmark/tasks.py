"""Tasks for lm-eval from the rows of a table."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from synthkit.core.errors import PromptError, TableError, UsageError, check_known
from synthkit.core.extras import need
from synthkit.data import tables
from synthkit.recipes._arguments import distinct_names
from synthkit.recipes._row_prompts import column_template

Choices: TypeAlias = Sequence[str] | Mapping[str, str]
RightAnswer: TypeAlias = tuple[int | list[str], list[str]]
"""The right answer of a row (texts, or the position of the right choice), and its choices."""

EXACT = [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}]
ACCURACY = [
    {"metric": name, "aggregation": "mean", "higher_is_better": True}
    for name in ("acc", "acc_norm")
]
AROUND = string.whitespace + ".,;:!?…'\"`*_()[]{}<>“”‘’«»„。，！？"
"""Characters that are ignored around a written answer; signs of numbers are not among them."""


def task(
    rows: Any,
    prompt: str,
    *,
    label: str,
    choices: Choices | None = None,
    name: str = "task",
    examples: Any = None,
    delimiter: str = " ",
    stop: Sequence[str] = ("\n",),
    max_tokens: int = 32,
) -> dict[str, Any]:
    r"""A task with rows of your own, for :func:`~.run.benchmark`.

    With ``choices`` it is a multiple choice: the model's answer is the most likely choice after the
    prompt (``acc``; ``acc_norm`` divides the log-likelihood by the number of characters of the
    choice). Otherwise the model writes an answer, which is right if it equals the label, ignoring
    case, and punctuation and blanks around it (``exact_match``).

    Parameters
    ----------
    rows : a table of any kind. Its ``id`` column identifies the documents, otherwise their content.
    prompt : a template of the question with the columns as fields. For models that continue a text
        (loaded with ``raw=True``) it ends where the answer begins:
        ``"Review: {{ text }}\nSentiment:"``.
    label : the column of the right answers; without ``choices`` a cell may list several.
    choices : the possible answers; or label -> the words used for it; or the name of a column with
        a list for each row, where ``label`` may also be a position in it.
    name : of the task, and of its scores.
    examples : a table with the same columns, from which a benchmark samples examples; other rows of
        the task if not given.
    delimiter : between prompt and answer, for models that continue a text.
    stop, max_tokens : end a written answer.

    Raises
    ------
    UsageError
        If there is no row, or a row's label is missing or not a choice.

    Examples
    --------
    >>> mood = task([{"text": "Lovely.", "label": "good"}], "Review: {{ text }}\nIt is",
    ...             label="label", choices=["good", "bad"], name="mood")
    >>> mood["task"], mood["output_type"]
    ('mood', 'multiple_choice')
    """
    documents = partial(_documents, prompt=prompt, label=label, choices=choices)
    splits = {"test": documents(rows)}
    if examples is not None:
        splits["train"] = documents(examples)
    config = {
        "task": name,
        "custom_dataset": partial(_datasets, splits),
        "test_split": "test",
        "fewshot_split": "test" if examples is None else "train",
        "doc_to_text": "question",
        "doc_to_target": "answer",
        "target_delimiter": delimiter,
    }
    if choices is not None:
        kind = {"output_type": "multiple_choice", "doc_to_choice": "choices"}
        return {**config, **kind, "metric_list": ACCURACY}
    return {
        **config,
        "output_type": "generate_until",
        "generation_kwargs": {
            "until": [stop] if isinstance(stop, str) else list(stop),
            "max_gen_toks": max_tokens,
            "do_sample": False,
        },
        "process_results": _exact,
        "metric_list": EXACT,
    }


def _documents(
    rows: Any, *, prompt: str, label: str, choices: Choices | None
) -> dict[str, list[Any]]:
    """The columns of a split: id, question, answer and, for a multiple choice, choices."""
    table = tables.identified(rows)
    records = tables.records(table)
    if not records:
        raise UsageError("expected a row or more to make a task of; got none.")
    template = column_template(prompt, table, label=label)
    if len(template.turns) > 1:
        raise UsageError("a task's prompt is one turn; lm-eval adds the turns of examples.")
    right_answer = _answer_reader(label, choices, tables.columns(table))
    columns: dict[str, list[Any]] = {"id": [], "question": [], "answer": []}
    if choices is not None:
        columns["choices"] = []
    for at, row in enumerate(records):
        try:
            question = template.ask(row)
            if not question:
                raise TableError("the prompt is empty once its fields are filled in.")
            answer, words = right_answer(row)
        except (PromptError, TableError) as error:
            raise type(error)(f"row {at}: {error}") from None
        columns["id"].append(str(row["id"]))
        columns["question"].append(question)
        columns["answer"].append(answer)
        if choices is not None:
            columns["choices"].append(words)
    return columns


def _answer_reader(
    label: str, choices: Choices | None, columns: Sequence[str]
) -> Callable[[Mapping[str, Any]], RightAnswer]:
    """A function of a row that returns its right answer and its choices."""
    if choices is None:
        return lambda row: ([str(value).strip() for value in _labels(row, label)], [])
    if isinstance(choices, str) and choices in columns:
        return partial(_from_own_choices, label=label, column=choices)
    names = distinct_names("choices", choices)
    values = choices.values() if isinstance(choices, Mapping) else names
    words = [str(value).strip() for value in values]
    if len(names) < 2 or len(set(words)) < len(words) or "" in words:
        raise UsageError(f"expected two distinct choices or more; got {words}.")

    def from_choices(row: Mapping[str, Any]) -> RightAnswer:
        (right,) = _labels(row, label)
        check_known("label", str(right), names, error=TableError)
        return names.index(str(right)), words

    return from_choices


def _labels(row: Mapping[str, Any], label: str) -> list[Any]:
    """The right answers of a row; an error if one is missing."""
    cell = row[label]
    values = list(cell) if isinstance(cell, list | tuple) else [cell]
    if not values or any(value is None or not str(value).strip() for value in values):
        raise TableError(f"the label in column {label!r} is missing or blank.")
    return values


def _from_own_choices(row: Mapping[str, Any], *, label: str, column: str) -> RightAnswer:
    """The right answer of a row with choices of its own: one of them, or its position."""
    cell, (right,) = row[column], _labels(row, label)
    words = [str(value).strip() for value in cell] if isinstance(cell, list | tuple) else []
    if len(words) < 2 or "" in words:
        raise TableError(f"expected two choices or more in {column!r}; got {cell!r}.")
    if isinstance(right, int) and not isinstance(right, bool) and 0 <= right < len(words):
        return right, words
    check_known("label", str(right).strip(), words, error=TableError)
    return words.index(str(right).strip()), words


def _datasets(splits: Mapping[str, dict[str, list[Any]]], **_: Any) -> dict[str, Any]:
    """The splits as datasets, which lm-eval expects."""
    datasets = need("datasets", extra="benchmark", why="to hold a task's rows")
    return {name: datasets.Dataset.from_dict(columns) for name, columns in splits.items()}


def _exact(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Whether a written answer equals a right one, ignoring case and surrounding punctuation."""
    return {"exact_match": float(_bare(results[0]) in map(_bare, doc["answer"]))}


def _bare(text: str) -> str:
    """The text in lower case without surrounding punctuation, or as it is if nothing is left."""
    return text.strip(AROUND).casefold() or text.strip()
