"""The provenance of a row, as parts that a panel shows one below the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from synthkit.core.errors import TableError
from synthkit.core.formatting import cell, thousands
from synthkit.core.types import Completion, Mark, row_seed
from synthkit.curate.marks.history import current_marks, is_edited
from synthkit.generation.job import Job
from synthkit.generation.rows import RowEvent
from synthkit.sessions.session import Session
from synthkit.store.completions import StoredCompletion
from synthkit.store.ids import ID_DIGITS


class ProvenancePart(NamedTuple):
    """One part: ``kind`` is ``"head"``, ``"text"`` (long, unchanged) or ``"fact"`` (short)."""

    kind: str
    label: str
    value: str = ""


def of_event(job: Job, event: RowEvent) -> list[ProvenancePart]:
    """The provenance of a row of a run: prompts, raw outputs, sampling, tokens, verdicts, marks."""
    parts = [ProvenancePart("fact", "id", event.id)]
    cached = job.session.store.completions.get(list(event.requests))
    for key, request in event.requests.items():
        model = job.model_of(request)
        parts += _request(request.payload(model.fingerprint), cached.get(key), model.name)
        if key not in cached:
            parts.append(ProvenancePart("fact", "completion", "not cached: the request failed"))
    return [*parts, *_verdicts(job.session, event.id), *_marks(job.session, event.id)]


def of_id(session: Session, id: str, row: Mapping[str, Any]) -> list[ProvenancePart]:
    """The provenance of a row of any table, from its id and its cells."""
    parts = [ProvenancePart("fact", "id", id)]
    parts += [ProvenancePart("fact", "dropped", cell(row["why"]))] if row.get("why") else []
    names = session.store.models.names()
    stored = _stored(session, id)
    for step in stored:
        model = step.request["model"]
        parts += _request(step.request, step.completion, names.get(model, model))
    if not stored:
        unknown = "no request of this session has this id"
        parts.append(ProvenancePart("fact", "prompt", unknown))
        if row.get("parent"):
            parts.append(ProvenancePart("fact", "parent", cell(row["parent"])))
    return [*parts, *_verdicts(session, id), *_marks(session, id)]


def _stored(session: Session, id: str) -> Sequence[StoredCompletion]:
    # a shorter id may be a table's own, and would match a request by chance
    if not re.fullmatch(rf"[0-9a-f]{{{ID_DIGITS}}}|[0-9a-f]{{32}}", id):
        return []
    try:
        return session.trace(id)
    except TableError:
        return []


def _request(
    request: Mapping[str, Any], completion: Completion | None, model: str
) -> list[ProvenancePart]:
    parts = [ProvenancePart("head", "Prompt")]
    parts += [ProvenancePart("text", name, text) for name, text in message_texts(request)]
    if request["schema"]:
        parts.append(ProvenancePart("text", "schema", request["schema"]))
    if "answer" in request:
        parts.append(ProvenancePart("head", "Scored"))
        parts.append(ProvenancePart("text", "text", request["answer"]))
    elif completion is not None:
        parts.append(ProvenancePart("head", "Completion"))
        parts += [ProvenancePart("text", name, text) for name, text in completion_texts(completion)]
    parts += [ProvenancePart("head", "Generation"), ProvenancePart("fact", "model", model)]
    seed = request["sampling"].get("seed")
    parts.append(ProvenancePart("fact", "sampling", sampling_text(request)))
    if seed is not None:
        drawn = row_seed(seed, request["index"], request["messages"])
        parts.append(ProvenancePart("fact", "seed", f"{drawn}, made from {seed}"))
    parts.append(ProvenancePart("fact", "sample index", str(request["index"])))
    if completion is not None:
        parts += [
            ProvenancePart("fact", "time", f"{completion.seconds:.2f} s"),
            ProvenancePart("fact", "tokens in", tokens_in(completion)),
            ProvenancePart("fact", "tokens out", tokens_out(completion)),
            ProvenancePart("fact", "finish", finish(completion)),
        ]
        if completion.how:
            parts.append(ProvenancePart("fact", "how", completion.how))
    return parts


def sampling_text(request: Mapping[str, Any]) -> str:
    """The sampling options of a request's payload that are set, without the seed."""
    options = request["sampling"].items()
    used = {name: value for name, value in options if name != "seed" and _is_set(value)}
    return ", ".join(f"{name} {cell(value)}" for name, value in used.items())


def message_texts(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The turns of a request's payload, each with its images before it, and its tools."""
    for role, content, *images in request["messages"]:
        for image in images[0] if images else ():
            yield "image", image.get("url") or f"{image['type']}, SHA-256 {image['sha256']}"
        yield role, content
    if request.get("tools"):
        yield "tools", cell(request["tools"])


def completion_texts(completion: Completion) -> Iterator[tuple[str, str]]:
    """What a completion consists of: reasoning if there is any, the answer, and tool calls."""
    if completion.reasoning:
        yield "reasoning", completion.reasoning
    yield "raw output", completion.text
    for call in completion.tool_calls:
        yield "tool call", f"{call.name}({cell(call.arguments)})"


def tokens_in(completion: Completion) -> str:
    """The tokens of the prompt, and how many of them the server had cached."""
    return _of_which(completion.prompt_tokens, completion.cached_tokens, "cached")


def tokens_out(completion: Completion) -> str:
    """The tokens of the completion, and how many of them are reasoning."""
    return _of_which(completion.completion_tokens, completion.reasoning_tokens, "reasoning")


def _of_which(tokens: int, part: int, name: str) -> str:
    return thousands(tokens) + (f", {thousands(part)} {name}" if part else "")


def finish(completion: Completion) -> str:
    """Why a completion ended."""
    return f"{completion.finish} (cut)" if completion.truncated else completion.finish


def _is_set(value: Any) -> bool:
    return not (value is None or value is False or value in ([], {}))


def _verdicts(session: Session, id: str) -> list[ProvenancePart]:
    """The verdicts of filters on a row, the latest last."""
    verdicts = session.store.curations.verdicts([id])
    if not verdicts:
        return []
    parts = [ProvenancePart("fact", verdict["verdict"], _details(verdict)) for verdict in verdicts]
    return [ProvenancePart("head", "Verdicts"), *parts]


def _details(verdict: Mapping[str, Any]) -> str:
    by = f"by {verdict['filter']}" if verdict["filter"] else ""
    return ", ".join(filter(None, [verdict["why"], by, verdict["name"], _time(verdict["at"])]))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _marks(session: Session, id: str) -> list[ProvenancePart]:
    marks = current_marks(session.store.marks.for_rows([id])).values()
    parts = [ProvenancePart("fact", _mark_label(mark), _mark_details(mark)) for mark in marks]
    parts = parts or [ProvenancePart("fact", "marks", "none yet")]
    return [ProvenancePart("head", "Marks"), *parts]


def _mark_label(mark: Mark) -> str:
    edited = "edited" if is_edited(mark) else ""
    words = [mark.label, "flagged" if mark.flag else "", edited, mark.task]
    return " ".join(filter(None, words)) or "comment"


def _mark_details(mark: Mark) -> str:
    by = f"by {mark.person}" if mark.by else ""
    return ", ".join(filter(None, [mark.reason, by, _time(mark.at)]))
