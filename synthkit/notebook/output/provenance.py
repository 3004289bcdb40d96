"""Where a row comes from, in parts that a panel shows one below the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from synthkit.core.errors import TableError
from synthkit.core.formatting import cell, thousands
from synthkit.core.types import Completion, Mark, Message, Request, Sampling
from synthkit.curate.marks.history import current_marks, is_edited
from synthkit.generation.job import Job
from synthkit.generation.runner import RowEvent
from synthkit.sessions.session import Session
from synthkit.store.completions import StoredCompletion
from synthkit.store.ids import ID_DIGITS


class Part(NamedTuple):
    """One part: ``kind`` is ``"head"``, ``"text"`` (long, as it is) or ``"fact"`` (short)."""

    kind: str
    label: str
    value: str = ""


def of_made(making: Job, made: RowEvent) -> list[Part]:
    """The way of a row of a run: prompts, answers as they came, sampling, tokens, marks."""
    parts = [Part("fact", "id", made.id)]
    held = making.session.store.completions.get(list(made.requests))
    for key, request in made.requests.items():
        model = making.model_of(request)
        parts += _told(request.payload(model.fingerprint), held.get(key), model.name)
        if key not in held:
            parts.append(Part("fact", "answer", "the session holds none: the request failed"))
    return [*parts, *_judged(making.session, made.id), *_marked(making.session, made.id)]


def of_id(session: Session, id: str, row: Mapping[str, Any]) -> list[Part]:
    """The way of a row of any table, as far as the session knows it."""
    parts = [Part("fact", "id", id)]
    parts += [Part("fact", "dropped", cell(row["why"]))] if row.get("why") else []
    names = session.store.models.names()
    stored = _behind(session, id)
    for one in stored:
        model = one.request["model"]
        parts += _told(one.request, one.completion, names.get(model, model))
    if not stored:
        said = "this session has asked nothing that has this id"
        parts.append(Part("fact", "prompt", said))
        if row.get("parent"):
            parts.append(Part("fact", "parent", cell(row["parent"])))
    return [*parts, *_judged(session, id), *_marked(session, id)]


def _behind(session: Session, id: str) -> Sequence[StoredCompletion]:
    # shorter ids can be a table's own, and would find a request by chance
    if not re.fullmatch(rf"[0-9a-f]{{{ID_DIGITS}}}|[0-9a-f]{{32}}", id):
        return []
    try:
        return session.trace(id)
    except TableError:
        return []


def _told(request: Mapping[str, Any], answer: Completion | None, model: str) -> list[Part]:
    parts = [Part("head", "Prompt")]
    parts += [Part("text", role, content) for role, content in request["messages"]]
    if request["schema"]:
        parts.append(Part("text", "schema", request["schema"]))
    if "answer" in request:
        parts += [Part("head", "Scored"), Part("text", "the text", request["answer"])]
    elif answer is not None:
        parts += [Part("head", "Answer"), Part("text", "as it came", answer.text)]
    parts += [Part("head", "How"), Part("fact", "model", model)]
    sampling = {name: value for name, value in request["sampling"].items() if _is_set(value)}
    seed = sampling.pop("seed", None)
    parts.append(Part("fact", "sampling", ", ".join(f"{k} {cell(sampling[k])}" for k in sampling)))
    if seed is not None:
        parts.append(Part("fact", "seed", f"{_row_seed(request)}, made from {seed}"))
    parts.append(Part("fact", "sample index", str(request["index"])))
    if answer is not None:
        parts += [
            Part("fact", "time", f"{answer.seconds:.2f} s"),
            Part("fact", "tokens in", thousands(answer.prompt_tokens)),
            Part("fact", "tokens out", thousands(answer.completion_tokens)),
            Part("fact", "finish", answer.finish),
        ]
    return parts


def _is_set(value: Any) -> bool:
    return not (value is None or value is False or value in ([], {}))


def _row_seed(request: Mapping[str, Any]) -> int:
    messages = tuple(Message(role, content) for role, content in request["messages"])
    seed = Sampling(seed=request["sampling"]["seed"])
    return Request(messages, seed, index=request["index"]).row_seed


def _judged(session: Session, id: str) -> list[Part]:
    """What filters decided of a row, the latest last; nothing where none looked at it."""
    found = session.store.curations.verdicts([id])
    if not found:
        return []
    said = [Part("fact", one["verdict"], _decided(one)) for one in found]
    return [Part("head", "Verdicts"), *said]


def _decided(verdict: Mapping[str, Any]) -> str:
    when = datetime.fromtimestamp(verdict["at"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    by = f"by {verdict['filter']}" if verdict["filter"] else ""
    return ", ".join(filter(None, [verdict["why"], by, verdict["name"], when]))


def _marked(session: Session, id: str) -> list[Part]:
    marks = current_marks(session.store.marks.for_rows([id])).values()
    if not marks:
        return [Part("head", "Marks"), Part("fact", "marks", "none yet")]
    return [Part("head", "Marks"), *(Part("fact", _label(mark), _said(mark)) for mark in marks)]


def _label(mark: Mark) -> str:
    edited = "edited" if is_edited(mark) else ""
    said = [mark.label, "flagged" if mark.flag else "", edited, mark.task]
    return " ".join(filter(None, said)) or "comment"


def _said(mark: Mark) -> str:
    when = datetime.fromtimestamp(mark.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return ", ".join(filter(None, [mark.reason, f"by {mark.by}" if mark.by else "", when]))
