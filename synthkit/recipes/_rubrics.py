"""What judges share: rubrics by name, requests for them, and answers with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError, check_known
from synthkit.core.types import Request, Sampling, Steps
from synthkit.prompts.parsing import Decoder, json_objects
from synthkit.prompts.templates import Turns
from synthkit.recipes._ask import ask_samples
from synthkit.recipes._base import ask_all

FENCED = "\n\n<{what}>\n{{{{ {what} }}}}\n</{what}>"


def named_rubrics(
    prompt: str, chosen: Sequence[str] | Mapping[str, str], presets: Mapping[str, str], default: str
) -> dict[str, str]:
    """Name -> text of each rubric, preset or custom; ``default`` is the name of ``prompt``.

    >>> named_rubrics("Is it kind?", "clear", {"clear": "Is it clear?"}, default="kind")
    {'kind': 'Is it kind?', 'clear': 'Is it clear?'}

    Raises
    ------
    UsageError
        If a preset is unknown, or a rubric has no text.
    """
    if isinstance(chosen, Mapping):
        rubrics = {str(name): str(text) for name, text in chosen.items()}
    else:
        rubrics = {}
        for name in map(str.strip, chosen.split(",") if isinstance(chosen, str) else chosen):
            check_known("rubric", name, presets)
            rubrics[name] = presets[name]
    if prompt.strip():  # it replaces the default rubric, which has its name
        rubrics = {default: prompt} | {name: rubrics[name] for name in rubrics if name != default}
    if not rubrics or not all(text.strip() for text in rubrics.values()):
        raise UsageError(f"expected one or more rubrics, each with a text; got {rubrics}.")
    return rubrics


def answers(
    rendered: Sequence[Turns],
    decoder: Decoder,
    sampling: Sampling,
    k: int,
    *,
    scored: Sequence[str] = (),
) -> Steps[list[list[Any]]]:
    """For each prompt ``k`` decoded answers; or a completion for each text to be ``scored``."""
    if scored:
        requests = [Request(turns, answer=text) for turns in rendered for text in scored]
        replies: list[Any] = yield from ask_all(requests)
    else:
        replies = yield from ask_samples(rendered, decoder, sampling, k=k)
    size = len(scored) or k
    return [replies[start : start + size] for start in range(0, len(replies), size)]


def read_reason(raw: str, name: str) -> tuple[str, Any]:
    """The reason in an answer, and the value beside it: from JSON, or both from the whole text.

    If several JSON objects differ in the value, both are the whole text.

    >>> read_reason('{"reason": "It is clear.", "score": 4}', "score")
    ('It is clear.', 4)
    >>> read_reason("I rate it 4.", "score")
    ('I rate it 4.', 'I rate it 4.')
    """
    try:
        objects = json_objects(raw)
    except ValueError:
        return raw.strip(), raw
    having = [value for value in objects if name in value] or objects[:1]
    if any(value.get(name) != having[0].get(name) for value in having):
        return raw.strip(), raw
    return str(having[0].get("reason") or "").strip(), having[0].get(name)


def reason_schema(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a reason and a value."""
    properties = {"reason": {"type": "string", "maxLength": 400}, name: value}
    return {"type": "object", "properties": properties, "required": ["reason", name]}
