"""Conversations: two roles that talk, and a model that makes up its own user.

Dialogue is the role play of CAMEL (arXiv 2303.17760) without its task planner; Magpie is
arXiv 2406.08464.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Message, Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.conditions import conditions
from synthkit.prompts.templates import Prompt
from synthkit.recipes._ask import ask
from synthkit.recipes._base import (
    Bounds,
    Outcome,
    Recipe,
    Table,
    gather,
    per_row,
    per_table,
    recipe,
)
from synthkit.recipes._cell_sections import sections
from synthkit.recipes._zerogen import positive, tried

BEGIN = "Begin the conversation."
"""What the one who speaks first is told, as its user's turn."""

CHUNK = 64
"""Rows of Magpie that are made side by side: those before are kept if a run is stopped."""

_NEXT = re.compile(r"<\|[^|<>]*\|>|^[ \t]*(?:user|human|assistant|ai|model)[ \t]*:", re.I | re.M)
"""Where a model has written on into a further turn."""


@recipe
def dialogue(
    prompt: str,
    *,
    rows: Table = None,
    roles: Mapping[str, str] | None = None,
    turns: int = 4,
    sampling: Sampling = Sampling(),
) -> Recipe:
    r"""Conversations between two roles, whose turns alternate.

    Each role sees the conversation from its own side: its own turns as the assistant's, those of
    the other as the user's. This is the role play of CAMEL (arXiv 2303.17760) for a given number
    of turns, without a planner of the task. Each role may be a model of its own:
    ``make(..., others={"guide": model})``.

    The columns are ``messages``, dicts of ``role`` and ``content`` ready for chat fine-tuning,
    where the first role is the user and the second the assistant, and ``turns``. A conversation in
    which a turn is missing is rejected, with what was said so far.

    Parameters
    ----------
    prompt : two ``--- role NAME`` lines, each with that role's system prompt below it. What stands
        before the first of them is the opening, the first turn of the first role; without it, that
        role is told to begin. All are templates, and may use the columns of ``rows``.
    roles : roles beside those in the prompt: name -> system prompt.
    turns : how many turns, the opening included.

    Raises
    ------
    UsageError
        If there are not two roles, or less than two turns.

    Examples
    --------
    >>> recipe = dialogue("Hello!\n--- role guest\nYou ask for {{ dish }}.\n"
    ...                   "--- role waiter\nYou are a waiter.", rows=[{"dish": "soup"}])
    >>> recipe.roles, str(recipe.requests)
    (('guest', 'waiter'), '1 to 3')
    """
    if turns < 2:
        raise UsageError(f"a dialogue has two turns or more; got {turns}.")
    source = [{}] if rows is None else rows
    opening, written = _cast(prompt, roles or {})
    names = tuple(written)
    parts = {"the opening": opening} if opening.strip() else {}
    parts |= {f"the role {name!r}": text for name, text in written.items()}
    *first, one, other = [_plain(what, text, source) for what, text in parts.items()]

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        systems = (one.ask(row), other.ask(row))
        said = [template.ask(row) for template in first]
        while len(said) < turns:
            own = len(said) % 2
            heard = said if own else [BEGIN, *said]
            messages = (Message("system", systems[own]), *_alternating(heard))
            spoken = yield from ask(Request(messages, sampling, to=names[own]), parsing.text())
            if isinstance(spoken, Reject):
                reason = f"turn {len(said) + 1}, {names[own]}: {spoken.reason}"
                return replace(spoken, reason=reason, cells=_told(said))
            said.append(spoken["text"])
        return _told(said)

    return per_row(
        steps,
        rows,
        name="dialogue",
        columns=("messages", "turns"),
        requests=Bounds(1, turns - len(first)),
        roles=names,
        prompt=prompt,
    )


@recipe
def magpie(
    prompt: str,
    *,
    n: int,
    rows: Table = None,
    turns: int = 1,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Instructions that a local model makes up as its own user, and its answers to them.

    This is Magpie (arXiv 2406.08464): the model is given nothing but how a user's turn begins, and
    writes that turn; then it answers it. An instruction that differs from an earlier one in case
    and white space alone is rejected. The paper goes on to filter by length, quality and
    likeness, which is curation here; it also answers without the system prompt of the first step.

    The columns are ``instruction`` and ``response``, the first two turns; and ``messages``, dicts
    of ``role`` and ``content``, where there are more.

    Parameters
    ----------
    prompt : a template of the system prompt, which steers what is asked about; it may use the
        columns of ``rows``. ``none``, or nothing, is for a model's own.
    n : conversations in all; with ``rows``, for each row.
    turns : how many pairs of turns each has.

    Examples
    --------
    >>> str(magpie("You help people who cook.", n=10).requests)
    '10 to 20'
    """
    positive("turns", turns)
    source = conditions(rows, positive("n", n), {})
    silent = prompt.strip().lower() in ("", "none")
    system = None if silent else _plain("the system prompt", prompt, source)
    records = tables.records(source)
    size = len(records)
    fields = [name for name in tables.columns(source) if name not in ("id", "parent")]
    columns = ("instruction", "response", *(("messages",) if turns > 1 else ()))
    taken = [name for name in columns if name in fields]
    if taken:
        raise UsageError(f"magpie makes a column {taken[0]!r}, which the rows have; rename it.")

    def talk(opening: Request) -> Steps[tuple[list[Request], list[str], Reject | None]]:
        """What was asked and said, and what was wrong if that is not all."""
        asked: list[Request] = []
        said: list[str] = []
        while len(said) < 2 * turns:
            answers = len(said) % 2 == 1
            messages = (*opening.messages, *_alternating(said))
            # equal questions share an answer: but for one, they are rejected
            request = replace(opening, messages=messages, index=0) if said else opening
            asked.append(replace(request, turn="assistant" if answers else "user"))
            spoken = yield from ask(asked[-1], parsing.text() if answers else _ASKED)
            if isinstance(spoken, Reject):
                return asked, said, spoken
            said.append(spoken["text"])
        return asked, said, None

    def steps() -> Steps[None]:
        openings = _openings(system, records, sampling)
        seen: set[str] = set()
        for start in range(0, size, CHUNK):
            part = slice(start, start + CHUNK)
            talks = yield from gather(map(talk, openings[part]))
            made: list[Row | Reject] = []
            for row, (asked, said, wrong) in zip(records[part], talks, strict=True):
                if said:
                    known = " ".join(said[0].casefold().split())
                    if known in seen:
                        wrong = Reject(said[0], "an earlier row has the same instruction")
                    seen.add(known)
                cells = {name: row[name] for name in fields}
                cells |= dict(zip(("instruction", "response"), said, strict=False))
                if turns > 1:
                    cells["messages"] = _told(said)["messages"]
                of, parent = tuple(asked), row.get("id", row.get("parent"))
                if wrong is None:
                    made.append(Row(cells, of, parent))
                else:
                    made.append(replace(wrong, cells=cells, of=of, parent=parent))
            yield made

    return per_table(
        steps,
        name="magpie",
        columns=(*fields, *columns),
        requests=Bounds(size, 2 * turns * size),
        rows=Bounds(0, size),
        like=rows,
        prompt=prompt,
    )


def _asked(raw: str) -> parsing.Cells | str:
    text = _NEXT.split(raw, maxsplit=1)[0].strip()
    return {"text": text} if text else "the user's turn is empty"


_ASKED = parsing.Decoder(("text",), _asked)
"""Keeps the first turn alone of what a model writes as its user."""


def _openings(
    system: Prompt | None, rows: Sequence[Mapping[str, Any]], sampling: Sampling
) -> list[Request]:
    """The request for each row's first instruction; those with one system prompt are samples."""
    seen: Counter[Any] = Counter()
    made = []
    for row in rows:
        messages = () if system is None else (Message("system", system.ask(row)),)
        made.append(Request(messages, sampling, index=seen[messages], turn="user"))
        seen[messages] += 1
    return made


def _cast(prompt: str, roles: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The opening, and the system prompts of two roles by their names."""
    opening, written = sections(prompt, "role")
    for name, (rest, _) in written.items():
        if rest:
            raise PromptError(f"a '--- role NAME' line has a name alone; {name} has {rest!r} too.")
        if name in roles:
            raise PromptError(f"the role {name!r} is given twice, in the prompt and beside it.")
    found = {name: text for name, (_, text) in written.items()} | dict(roles)
    if len(found) != 2:
        raise UsageError(
            "a dialogue has two roles, each a '--- role NAME' line with its system prompt below; "
            f"got {', '.join(map(repr, found)) or 'none'}."
        )
    return opening, found


def _plain(what: str, text: str, rows: Any) -> Prompt:
    """A template of one turn, which can be rendered for every row."""
    try:
        template = tried(text, rows)
    except PromptError as error:
        raise PromptError(f"{what}: {error}") from None
    if len(template.turns) > 1:
        raise PromptError(f"{what} is one text; it has no turns of its own.")
    return template


def _alternating(said: Sequence[str]) -> tuple[Message, ...]:
    """Texts as turns of the user and the assistant."""
    return tuple(
        Message("assistant" if i % 2 else "user", content) for i, content in enumerate(said)
    )


def _told(said: Sequence[str]) -> dict[str, Any]:
    turns = [{"role": one.role, "content": one.content} for one in _alternating(said)]
    return {"messages": turns, "turns": len(turns)}
