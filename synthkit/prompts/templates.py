"""Prompt templates: fields, turns and demonstrations become messages.

A template is Jinja2 in its immutable sandbox. ``{{ field }}`` is a field of the row; single braces
(JSON) have no meaning. A line ``--- system``, ``--- user`` or ``--- assistant`` starts a turn of
that role; text before the first such line belongs to the user.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import jinja2
import jinja2.meta
import jinja2.sandbox

from synthkit.core.errors import PromptError, TableError, UsageError, check_known, unknown
from synthkit.core.hashing import digest
from synthkit.core.types import Message, Role
from synthkit.data import tables

Turns = tuple[Message, ...]
Demonstration = tuple[str, str]
"""A user's question and a good answer."""

_MARKER = re.compile(r"^---[ \t]*(system|user|assistant)[ \t\r]*$", re.MULTILINE)


def _refuse_missing(value: Any) -> Any:
    if value is None:
        raise jinja2.UndefinedError("a field is missing (None or NaN)")
    return value


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that also refuses a missing value: ``None | upper`` would be the text NONE."""
    position = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def guarded(*arguments: Any, **options: Any) -> Any:
        _refuse_missing(arguments[position])
        return function(*arguments, **options)

    return guarded


_JINJA = jinja2.sandbox.ImmutableSandboxedEnvironment(
    undefined=jinja2.StrictUndefined,
    finalize=_refuse_missing,
    trim_blocks=True,
    lstrip_blocks=True,
)
# Text that differs between renderings would be requested again each time.
del _JINJA.globals["lipsum"], _JINJA.filters["random"]
_JINJA.filters |= {
    name: _guarded(function) if name not in ("default", "d", "tojson") else function
    for name, function in _JINJA.filters.items()
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A parsed template, made by :func:`parse`. ``fields`` are the names that it uses."""

    turns: tuple[tuple[Role, jinja2.Template], ...]
    fields: tuple[str, ...]

    def render(self, values: Mapping[str, Any], demos: Sequence[Demonstration] = ()) -> Turns:
        """The messages for one row, with the demonstrations before the last turn.

        Raises
        ------
        PromptError
            If the row lacks a field that the template uses, or its value is missing.
        """
        messages = [Message(role, self._text(turn, values)) for role, turn in self.turns]
        if not messages[-1].content:
            raise PromptError("the prompt is empty after rendering.")
        shown = [
            message
            for question, answer in demos
            for message in (Message("user", question), Message("assistant", answer))
        ]
        return (*messages[:-1], *shown, messages[-1])

    def ask(self, values: Mapping[str, Any]) -> str:
        """The text of the last turn for one row."""
        return self._text(self.turns[-1][1], values)

    def _text(self, template: jinja2.Template, values: Mapping[str, Any]) -> str:
        try:
            return template.render(values).strip()
        except jinja2.UndefinedError as error:
            for name in self.fields:
                if name not in values and error.message == f"{name!r} is undefined":
                    raise PromptError(unknown("field", name, values)) from None
            missing = [name for name in self.fields if values.get(name, "") is None]
            detail = f" Field {missing[0]!r} has no value here." if missing else ""
            raise PromptError(
                f"{error.message}.{detail} Drop such rows, or write {{{{ field or '...' }}}}."
            ) from None
        except jinja2.TemplateError as error:
            problem = str(error).rstrip(".")
            raise PromptError(f"the template cannot be rendered: {problem}.") from None
        except Exception as error:
            problem = f"{type(error).__name__}: {error}".rstrip(".")
            raise PromptError(f"the template cannot be rendered: {problem}.") from None


def parse(source: str, *, system: str | None = None) -> Prompt:
    """The parsed template of a text.

    ``system`` is a template of the system prompt, instead of a ``--- system`` turn.

    >>> parse("--- system\\nBe brief.\\n--- user\\nName a {{ thing }}.").render({"thing": "cat"})
    (Message(role='system', content='Be brief.'), Message(role='user', content='Name a cat.'))

    Raises
    ------
    PromptError
        If the text is empty, is not a valid template, or does not end with a user's turn.
    """
    parts = _MARKER.split(source)
    turns = [("user", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    turns = [turn for i, turn in enumerate(turns) if i > 0 or turn[1].strip()]
    if system is not None and system.strip():
        if any(role == "system" for role, _ in turns):
            raise PromptError("the system prompt is given twice: as an option and in the text.")
        turns.insert(0, ("system", system))
    if not any(role == "user" and text.strip() for role, text in turns):
        raise PromptError("the prompt is empty: expected a text for the user's turn.")
    if turns[-1][0] != "user":
        raise PromptError(f"the last turn must be the user's; got {turns[-1][0]!r}.")
    fields: dict[str, None] = {}
    templates: list[tuple[Role, jinja2.Template]] = []
    for role, text in turns:
        template, used = _compiled(text)
        templates.append((cast("Role", role), template))
        fields |= dict.fromkeys(sorted(used))
    return Prompt(tuple(templates), tuple(fields))


def _compiled(text: str) -> tuple[jinja2.Template, set[str]]:
    """A template and the names that it uses."""
    try:
        used = jinja2.meta.find_undeclared_variables(_JINJA.parse(text))
        return _JINJA.from_string(text), used - set(_JINJA.globals)
    except jinja2.TemplateSyntaxError as error:
        line = (text.splitlines() or [""])[min(error.lineno, len(text.splitlines())) - 1]
        raise PromptError(
            f"the template cannot be parsed at line {error.lineno}: {error.message}; "
            f"the line is {line.strip()[:120]!r}. Literal braces are written {{{{ '{{{{' }}}}."
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Demonstrations: rows of a table that are shown before each prompt.

    Parameters
    ----------
    table : rows with the template's fields and the columns of the answer.
    k : how many to show.
    pick : ``"fixed"``, the first ``k``; ``"random"``, drawn for each row from ``seed`` and the
        row's own text; ``"nearest"``, the most similar by ``embed``, the most similar last.
    embed : texts -> (n, d) array with L2-normalised rows; needed by ``"nearest"``.
    """

    table: Any
    k: int = 3
    pick: Literal["fixed", "random", "nearest"] = "fixed"
    seed: int = 0
    embed: Callable[[Sequence[str]], Any] | None = None

    def __post_init__(self) -> None:
        check_known("pick", str(self.pick), ("fixed", "random", "nearest"))
        if self.k < 1:
            raise UsageError(f"k must be at least 1; got {self.k}.")
        if self.pick == "nearest" and self.embed is None:
            raise UsageError('pick="nearest" needs embed=, such as load_embedder("wordllama").')


def demonstrate(
    prompt: Prompt,
    rows: Sequence[Mapping[str, Any]],
    examples: Examples,
    answer: Callable[[Mapping[str, Any]], str],
) -> list[list[Demonstration]]:
    """The demonstrations for each row; never the row itself.

    ``answer`` makes the text of an example's answer from its columns.

    Raises
    ------
    TableError
        If the examples lack a field of the template or a column of the answer.
    """
    records = tables.records(examples.table)
    if not records:
        raise TableError("the table of examples is empty; expected at least one row.")
    place = "in the examples, "
    check_known("column", prompt.fields, records[0], place=place, error=TableError)
    answers = [answer(example) for example in records]
    pool = list(zip(_questions(prompt, records, "example"), answers, strict=True))
    questions = _questions(prompt, rows, "row")
    if examples.pick == "fixed":
        return [_first(pool, range(len(pool)), question, examples.k) for question in questions]
    if examples.pick == "random":
        return [_random(pool, question, examples) for question in questions]
    if not questions:
        return []
    assert examples.embed is not None
    vectors = examples.embed([question for question, _ in pool])
    orders = (-(examples.embed(questions) @ vectors.T)).argsort(axis=1, kind="stable")
    return [
        _first(pool, order.tolist(), question, examples.k)[::-1]
        for question, order in zip(questions, orders, strict=True)
    ]


def _questions(prompt: Prompt, rows: Sequence[Mapping[str, Any]], noun: str) -> list[str]:
    """The last turn of the prompt for each row."""
    questions = []
    for position, row in enumerate(rows):
        with located(f"{noun} {position}", prompt, row):
            questions.append(prompt.ask(row))
    return questions


@contextmanager
def located(
    place: str, prompt: Prompt | None = None, row: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """Put the place before a :class:`PromptError`, unless it says that the row lacks a field."""
    try:
        yield
    except PromptError as error:
        if prompt is not None and row is not None:
            lacking = [unknown("field", name, row) for name in prompt.fields if name not in row]
            if str(error) in lacking:
                raise
        raise PromptError(f"{place}: {error}") from None


def _first(
    pool: Sequence[Demonstration], order: Sequence[int], question: str, k: int
) -> list[Demonstration]:
    """The first ``k`` demonstrations in an order, without the question itself."""
    return [pool[at] for at in order if pool[at][0] != question][:k]


def _random(
    pool: Sequence[Demonstration], question: str, examples: Examples
) -> list[Demonstration]:
    """A draw that depends only on the seed and the question, so further rows do not change it."""
    draw = random.Random(digest([examples.seed, question]))
    return _first(pool, draw.sample(range(len(pool)), len(pool)), question, examples.k)
