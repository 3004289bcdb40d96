"""Prompt templates: fields, turns and demonstrations become messages.

A template is Jinja2 in its immutable sandbox. ``{{ field }}`` is a field of the row, and so is
``{{ row["a field"] }}``, for names that are not a plain word; single braces (JSON) have no meaning.
A line ``--- system``, ``--- user`` or ``--- assistant`` starts a turn of
that role; text before the first such line belongs to the user.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import jinja2
import jinja2.meta

from synthkit.core.errors import PromptError, TableError, UsageError, check_known, unknown
from synthkit.core.hashing import digest
from synthkit.core.types import Message, Role
from synthkit.data import tables
from synthkit.data.cells import has_address, stable_text
from synthkit.prompts.sandbox import Sandbox, refuse_large, rendered

ROW = "row"
"""The name of all fields of a row in a template, unless it has a field of that name."""
Turns = tuple[Message, ...]
Demonstration = tuple[str, str]
"""A user's question and a good answer."""

_MARKER = re.compile(r"^---[ \t]*(system|user|assistant)[ \t\r]*$", re.MULTILINE)


class _Cells(dict[str, Any]):
    """The fields of a row by name, for ``row["a field"]`` in a template."""


def _refuse_missing(value: Any) -> Any:
    if value is None:
        raise jinja2.UndefinedError("a field is missing (None or NaN)")
    return value


def _shown(value: Any) -> Any:
    """A value as a prompt shows it; one without a text of its own is refused.

    The address of an object, or the order of a set, would change the request in every kernel.
    """
    if isinstance(value, str | int | float):
        return value
    _refuse_missing(value)
    if isinstance(value, _Cells):
        raise jinja2.TemplateError("'row' is all fields; write row['a field'] or row | tojson")
    text = stable_text(value) if isinstance(value, set | frozenset) else str(value)
    if callable(value) or type(value).__module__.startswith("jinja2") or has_address(text):
        raise jinja2.TemplateError(f"a {type(value).__name__} has no text to show in a prompt")
    return text


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that also refuses a missing value: ``None | upper`` would be the text NONE."""
    position = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def guarded(*arguments: Any, **options: Any) -> Any:
        _refuse_missing(arguments[position])
        refuse_large([*arguments[position + 1 :], *options.values()])
        return function(*arguments, **options)

    return guarded


_JINJA = Sandbox(
    undefined=jinja2.StrictUndefined,
    finalize=_shown,
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
    """A parsed template, made by :func:`parse`.

    ``fields`` are the names that it uses. ``literals`` are the constants that it shows, such as
    ``{{ none }}`` or ``{{ 2024 }}``: a field of that name has to be written ``row["none"]``.
    """

    turns: tuple[tuple[Role, jinja2.Template], ...]
    fields: tuple[str, ...]
    literals: frozenset[str] = frozenset()

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
        for name in self.literals.intersection(values):
            raise PromptError(
                f"{{{{ {name} }}}} is a constant of templates; write {_by_name(name)} for the "
                "field of that name."
            )
        try:
            return rendered(template, {ROW: _Cells(values), **values}).strip()
        except jinja2.UndefinedError as error:
            for name in self.fields:
                ends = (f"{name!r} is undefined", f"has no attribute {name!r}")
                if name not in values and str(error.message).endswith(ends):
                    raise PromptError(unknown_field(name, values)) from None
            missing = [name for name in (*self.fields, ROW) if values.get(name, "") is None]
            detail = f" Field {missing[0]!r} has no value here." if missing else ""
            if ROW in values and "has no attribute" in str(error.message):
                detail = f" Here {ROW!r} is a field of that name; rename it to use row['a field']."
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
    literals: set[str] = set()
    templates: list[tuple[Role, jinja2.Template]] = []
    for role, text in turns:
        template, tree = _compiled(text)
        templates.append((cast("Role", role), template))
        fields |= dict.fromkeys(sorted(_fields(tree)))
        literals |= _literals(tree)
    return Prompt(tuple(templates), tuple(fields), frozenset(literals))


def _compiled(text: str) -> tuple[jinja2.Template, jinja2.nodes.Template]:
    """A template and its syntax tree."""
    try:
        return _JINJA.from_string(text), _JINJA.parse(text)
    except RecursionError:
        raise PromptError("the template is nested too deeply.") from None
    except jinja2.TemplateSyntaxError as error:
        line = (text.splitlines() or [""])[min(error.lineno, len(text.splitlines())) - 1]
        raise PromptError(
            f"the template cannot be parsed at line {error.lineno}: "
            f"{(error.message or '').rstrip('.')}; "
            f"the line is {line.strip()[:120]!r}. A field whose name is not a plain word, as with "
            f"a space, is written {_by_name('a field')}. Literal braces are written "
            "{{ '{{' }}."
        ) from None


def _fields(tree: jinja2.nodes.Template) -> set[str]:
    """The fields that a template uses, by their names or as ``row["a field"]``."""
    used = jinja2.meta.find_undeclared_variables(tree)
    if any(name.name == "self" for name in tree.find_all(jinja2.nodes.Name)):
        raise PromptError(f"'self' is a word of templates; write {_by_name('self')} for the field.")
    columns = _row_columns(tree) if ROW in used else set()
    return used - set(_JINJA.globals) - {ROW} | columns


def _row_columns(node: jinja2.nodes.Node) -> set[str]:
    """The names ``x`` of ``row["x"]`` below a node, outside of loops over a variable ``row``."""
    if isinstance(node, jinja2.nodes.For) and ROW in {
        name.name
        for name in [node.target, *node.target.find_all(jinja2.nodes.Name)]
        if isinstance(name, jinja2.nodes.Name)
    }:
        return _row_columns(node.iter)
    names: set[str] = set()
    if isinstance(node, jinja2.nodes.Getitem):
        of, key = node.node, node.arg
        is_row = isinstance(of, jinja2.nodes.Name) and of.name == ROW
        if is_row and isinstance(key, jinja2.nodes.Const) and isinstance(key.value, str):
            names.add(key.value)
    for child in node.iter_child_nodes():
        names |= _row_columns(child)
    return names


def _literals(tree: jinja2.nodes.Template) -> set[str]:
    """The constants that a template shows, other than texts in quotes, as they are written."""
    literals: set[str] = set()
    for output in tree.find_all(jinja2.nodes.Output):
        for part in output.nodes:
            while isinstance(part, jinja2.nodes.Filter) and part.node is not None:
                part = part.node
            if isinstance(part, jinja2.nodes.Const) and not isinstance(part.value, str):
                literals |= {str(part.value), str(part.value).lower()}
    return literals


def unknown_field(name: str, known: Iterable[str]) -> str:
    """The message for a field that a row lacks, and how fields with other names are written.

    >>> unknown_field("Tweet", ["id", "Tweet text"])
    "field 'Tweet' not found; have 'id', 'Tweet text'. Did you mean 'Tweet text'? Write it \
{{ row['Tweet text'] }}."
    """
    names = list(known)
    message = unknown("field", name, names)
    odd = [each for each in names if not each.isidentifier()]
    close = [each for each in odd if each.startswith(name) or message.endswith(f"{each!r}?")]
    return f"{message} Write it {_by_name(close[0])}." if close else message


def written(field: str) -> str:
    """A field as an expression of a template.

    >>> written("topic"), written("my topic"), written("self")
    ('topic', "row['my topic']", "row['self']")
    """
    try:
        plain = parse(f"{{{{ {field} }}}}").fields == (field,)
    except PromptError:
        plain = False
    return field if plain else f"{ROW}[{field!r}]"


def _by_name(field: str) -> str:
    """How a template writes a field of any name."""
    return f"{{{{ {ROW}[{field!r}] }}}}"


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
    PromptError
        If an example has no question or answer.
    """
    records = tables.records(examples.table)
    if not records:
        raise TableError("the table of examples is empty; expected at least one row.")
    place = "in the examples, "
    check_known("column", prompt.fields, records[0], place=place, error=TableError)
    answers = []
    for position, example in enumerate(records):
        with located(f"example {position}"):
            answers.append(answer(example))
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
            lacking = [unknown_field(name, row) for name in prompt.fields if name not in row]
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
