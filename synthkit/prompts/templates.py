"""Prompts: a template, its roles, its demonstrations -> messages.

A template is Jinja2 in its immutable sandbox. ``{{ field }}`` is a field of the row; single braces
(JSON) are left alone. A line ``--- system``, ``--- user`` or ``--- assistant`` by itself begins a
turn of that role; text before the first such line is the user's.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, cast

import jinja2
import jinja2.meta
import jinja2.sandbox

from synthkit.core.errors import PromptError, TableError, UsageError, unknown
from synthkit.core.types import Message, Role, digest
from synthkit.data import tables as tables

Turns = tuple[Message, ...]
Demonstration = tuple[str, str]
"""What a user asked, and what a good answer to it is."""

_MARKER = re.compile(r"^---[ \t]*(system|user|assistant)[ \t\r]*$", re.MULTILINE)


def _refuse_missing(value: Any) -> Any:
    if value is None:
        raise jinja2.UndefinedError("a field is missing (None or NaN)")
    return value


def _guarded(made: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that refuses a missing value too: ``None | upper`` would be the text NONE."""
    position = 1 if hasattr(made, "jinja_pass_arg") else 0

    @functools.wraps(made)
    def guarded(*given: Any, **options: Any) -> Any:
        _refuse_missing(given[position])
        return made(*given, **options)

    return guarded


_JINJA = jinja2.sandbox.ImmutableSandboxedEnvironment(
    undefined=jinja2.StrictUndefined,
    finalize=_refuse_missing,
    trim_blocks=True,
    lstrip_blocks=True,
)
# What differs from one rendering to the next would be asked anew each time.
del _JINJA.globals["lipsum"], _JINJA.filters["random"]
_JINJA.filters |= {
    name: _guarded(made) if name not in ("default", "d", "tojson") else made
    for name, made in _JINJA.filters.items()
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template that was read, and can be rendered for a row.

    Build it with :func:`parse`. ``fields`` are the names the template uses.
    """

    turns: tuple[tuple[Role, jinja2.Template], ...]
    fields: tuple[str, ...]

    def render(self, values: Mapping[str, Any], demos: Sequence[Demonstration] = ()) -> Turns:
        """The messages for one row, with the demonstrations as turns before its last one.

        Raises
        ------
        PromptError
            If the template uses a field that the row lacks or that is missing in it.
        """
        messages = [Message(role, self._text(turn, values)) for role, turn in self.turns]
        if not messages[-1].content:
            raise PromptError("the prompt is empty once its fields are filled in.")
        shown = [
            Message(role, content)
            for ask, answer in demos
            for role, content in _exchange(ask, answer)
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
            empty = [name for name in self.fields if values.get(name, "") is None]
            where = f" Field {empty[0]!r} has no value here." if empty else ""
            raise PromptError(
                f"{error.message}.{where} Drop such rows, or write {{{{ field or '...' }}}}."
            ) from None
        except jinja2.TemplateError as error:
            said = str(error).rstrip(".")
            raise PromptError(f"the template cannot be rendered: {said}.") from None
        except Exception as error:
            said = f"{type(error).__name__}: {error}".rstrip(".")
            raise PromptError(f"the template cannot be rendered: {said}.") from None


def parse(source: str, *, system: str | None = None) -> Prompt:
    """The prompt in a template's text.

    ``system`` is a template too, and stands in for a ``--- system`` turn.

    >>> parse("--- system\\nBe brief.\\n--- user\\nName a {{ thing }}.").render({"thing": "cat"})
    (Message(role='system', content='Be brief.'), Message(role='user', content='Name a cat.'))

    Raises
    ------
    PromptError
        If the text is empty, is no template, or does not end in a user's turn.
    """
    parts = _MARKER.split(source)
    turns = [("user", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    turns = [turn for i, turn in enumerate(turns) if i > 0 or turn[1].strip()]
    if system is not None and system.strip():
        if any(role == "system" for role, _ in turns):
            raise PromptError("the system prompt is given twice: as an option, and in the text.")
        turns.insert(0, ("system", system))
    if not any(role == "user" and text.strip() for role, text in turns):
        raise PromptError("the prompt is empty: expected a text for the user's turn.")
    if turns[-1][0] != "user":
        raise PromptError(f"the last turn must be the user's; got {turns[-1][0]!r}.")
    fields: dict[str, None] = {}
    read: list[tuple[Role, jinja2.Template]] = []
    for role, text in turns:
        template, used = _read(text)
        read.append((cast("Role", role), template))
        fields |= dict.fromkeys(sorted(used))
    return Prompt(tuple(read), tuple(fields))


def _read(text: str) -> tuple[jinja2.Template, set[str]]:
    """A template, and the names it uses."""
    try:
        used = jinja2.meta.find_undeclared_variables(_JINJA.parse(text))
        return _JINJA.from_string(text), used - set(_JINJA.globals)
    except jinja2.TemplateSyntaxError as error:
        _complain(text, error)


def _complain(text: str, error: jinja2.TemplateSyntaxError) -> NoReturn:
    line = (text.splitlines() or [""])[min(error.lineno, len(text.splitlines())) - 1]
    raise PromptError(
        f"the template cannot be read at line {error.lineno}: {error.message}; "
        f"the line is {line.strip()[:120]!r}. Literal braces are written {{{{ '{{{{' }}}}."
    ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Demonstrations: which rows of a table to show before each question.

    Parameters
    ----------
    table : rows with the template's fields and the answer's columns.
    k : how many are shown.
    pick : ``"fixed"``, the first ``k``; ``"random"``, drawn anew for each row, by ``seed`` and the
        row's own text; ``"nearest"``, the most similar by ``embed``, the most similar last.
    embed : texts -> (n, d) array with L2-normalised rows; needed by ``"nearest"``.
    """

    table: Any
    k: int = 3
    pick: Literal["fixed", "random", "nearest"] = "fixed"
    seed: int = 0
    embed: Callable[[Sequence[str]], Any] | None = None

    def __post_init__(self) -> None:
        if self.pick not in ("fixed", "random", "nearest"):
            raise UsageError(unknown("pick", str(self.pick), ("fixed", "random", "nearest")))
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
    """The demonstrations to show before each row; never a row itself.

    ``answer`` gives an example's answer text from its columns.

    Raises
    ------
    TableError
        If the examples lack a field of the template or a column of the answer.
    """
    found = tables.records(examples.table)
    if not found:
        raise TableError("the table of examples is empty; expected at least one row.")
    lacking = [name for name in prompt.fields if name not in found[0]]
    if lacking:
        raise TableError("in the examples, " + unknown("column", lacking[0], found[0]))
    answers = [answer(example) for example in found]
    shown = list(zip(_asks(prompt, found, "example"), answers, strict=True))
    asks = _asks(prompt, rows, "row")
    if examples.pick == "fixed":
        return [_first(shown, range(len(shown)), ask, examples.k) for ask in asks]
    if examples.pick == "random":
        return [_random(shown, ask, examples) for ask in asks]
    assert examples.embed is not None
    vectors = examples.embed([ask for ask, _ in shown])
    nearest = (-(examples.embed(asks) @ vectors.T)).argsort(axis=1, kind="stable") if asks else []
    return [
        _first(shown, order.tolist(), ask, examples.k)[::-1]
        for ask, order in zip(asks, nearest, strict=True)
    ]


def _asks(prompt: Prompt, rows: Sequence[Mapping[str, Any]], what: str) -> list[str]:
    asks = []
    for i, row in enumerate(rows):
        try:
            asks.append(prompt.ask(row))
        except PromptError as error:
            raise located(error, prompt, row, f"{what} {i}") from None
    return asks


def located(error: PromptError, prompt: Prompt, row: Mapping[str, Any], where: str) -> PromptError:
    """The error with the place it arose at, unless it is a field that no row has."""
    absent = [unknown("field", name, row) for name in prompt.fields if name not in row]
    return error if str(error) in absent else PromptError(f"{where}: {error}")


def _exchange(ask: str, answer: str) -> tuple[tuple[Role, str], tuple[Role, str]]:
    return ("user", ask), ("assistant", answer)


def _first(
    shown: Sequence[Demonstration], order: Sequence[int], ask: str, k: int
) -> list[Demonstration]:
    return [shown[i] for i in order if shown[i][0] != ask][:k]


def _random(shown: Sequence[Demonstration], ask: str, examples: Examples) -> list[Demonstration]:
    """A draw that depends on the seed and the row's text alone, so that appending rows keeps it."""
    draw = random.Random(digest([examples.seed, ask]))
    return _first(shown, draw.sample(range(len(shown)), len(shown)), ask, examples.k)
