"""Magpie: instructions that a model writes in the place of its user (arXiv 2406.08464)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.errors import check_positive
from synthkit.core.types import Message, Reject, Request, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.conditions import conditions
from synthkit.prompts.templates import Prompt
from synthkit.recipes._arguments import kept_columns, parent_id
from synthkit.recipes._ask import ask, traced, with_origin
from synthkit.recipes._base import Bounds, Recipe, Samples, Table, gather, per_table, recipe
from synthkit.recipes._conversations import alternating, conversation_cells, single_turn
from synthkit.stats.words import fold

CHUNK = 64
"""Rows that are generated together: finished chunks are kept if a run is stopped."""

_NEXT_TURN = re.compile(
    r"<\|[^|<>]*\|>|^[ \t]*(?:user|human|assistant|ai|model)[ \t]*:", re.I | re.M
)
"""The start of a further turn, where the model did not stop after its own."""


@recipe
def magpie(
    prompt: str,
    *,
    n: int,
    rows: Table = None,
    turns: int = 1,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Instructions that a local model writes as its own user, and its answers to them.

    This is Magpie (arXiv 2406.08464): the model gets only the start of a user turn and writes that
    turn; then it answers it. An instruction that differs from an earlier one only in case and white
    space is rejected. The paper then filters by length, quality and similarity, which is curation
    here; it also answers without the system prompt of the first step.

    The columns are ``instruction`` and ``response``, the first two turns; with more turns also
    ``messages``, dicts of ``role`` and ``content``.

    Parameters
    ----------
    prompt : a template of the system prompt, which sets the subject of the instructions; it may use
        the columns of ``rows``. ``none``, or an empty prompt, keeps the model's own.
    n : how many conversations; with ``rows``, how many for each row.
    turns : how many pairs of turns each conversation has.

    Examples
    --------
    >>> str(magpie("You help people who cook.", n=10).requests)
    '10 to 20'
    """
    check_positive(turns=turns, n=n)
    source = conditions(rows, n, {})
    no_system = prompt.strip().lower() in ("", "none")
    system = None if no_system else single_turn("the system prompt", prompt, source)
    records = tables.records(source)
    size = len(records)
    columns = ("instruction", "response", *(("messages",) if turns > 1 else ()))
    fields = kept_columns("magpie", source, columns)

    def steps() -> Steps[None]:
        openings = _openings(system, records, sampling)
        seen: set[str] = set()
        for start in range(0, size, CHUNK):
            chunk = slice(start, start + CHUNK)
            talks = yield from gather(
                traced(_conversation(opening, turns)) for opening in openings[chunk]
            )
            outcomes = []
            for row, (of, (texts, reject)) in zip(records[chunk], talks, strict=True):
                if texts:
                    folded = " ".join(fold(texts[0]).split())
                    if folded in seen:
                        reject = Reject(texts[0], "an earlier row has the same instruction")
                    seen.add(folded)
                cells = {name: row[name] for name in fields}
                cells |= dict(zip(("instruction", "response"), texts, strict=False))
                if turns > 1:
                    cells["messages"] = conversation_cells(texts)["messages"]
                outcomes.append(with_origin(reject or {}, of, cells, parent_id(row)))
            yield outcomes

    return per_table(
        steps,
        name="magpie",
        columns=(*fields, *columns),
        requests=Bounds(size, 2 * turns * size),
        rows=Bounds(0, size),
        like=rows,
        prompt=prompt,
    )


def _conversation(opening: Request, turns: int) -> Steps[tuple[list[str], Reject | None]]:
    """The texts of one conversation, and a reject if a turn failed."""
    texts: list[str] = []
    while len(texts) < 2 * turns:
        answers = len(texts) % 2 == 1
        messages = (*opening.messages, *alternating(texts))
        # equal instructions may share an answer: all but one of them are rejected
        request = replace(opening, messages=messages, index=0) if texts else opening
        request = replace(request, turn="assistant" if answers else "user")
        spoken = yield from ask(request, parsing.text() if answers else _USER_TURN)
        if isinstance(spoken, Reject):
            return texts, spoken
        texts.append(spoken["text"])
    return texts, None


def _user_turn(raw: str) -> parsing.Cells | str:
    text = _NEXT_TURN.split(raw, maxsplit=1)[0].strip()
    return {"text": text} if text else "the user's turn is empty"


_USER_TURN = parsing.Decoder(("text",), _user_turn, whole=False)
"""Keeps the first turn of what a model writes as its user."""


def _openings(
    system: Prompt | None, rows: Sequence[Mapping[str, Any]], sampling: Sampling
) -> list[Request]:
    """The request for each row's first instruction; equal system prompts get sample indices."""
    sample = Samples()
    openings = (() if system is None else (Message("system", system.ask(row)),) for row in rows)
    return [sample(Request(messages, sampling, turn="user")) for messages in openings]
