"""Conversations as alternating turns of a user and an assistant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synthkit.core.errors import PromptError
from synthkit.core.types import Message
from synthkit.prompts.templates import Prompt, located
from synthkit.recipes._arguments import checked_template


def alternating(texts: Sequence[str]) -> tuple[Message, ...]:
    """Texts as messages of the user and the assistant in turn, the user first."""
    return tuple(
        Message("assistant" if i % 2 else "user", content) for i, content in enumerate(texts)
    )


def conversation_cells(texts: Sequence[str]) -> dict[str, Any]:
    """The cells ``messages``, dicts of ``role`` and ``content``, and ``turns``, their number."""
    messages = [{"role": each.role, "content": each.content} for each in alternating(texts)]
    return {"messages": messages, "turns": len(messages)}


def single_turn(name: str, prompt: str, rows: Any) -> Prompt:
    """The parsed template of a single turn, after rendering it for every row.

    Raises
    ------
    PromptError
        If it has several turns, or uses a field that a row lacks; the message starts with ``name``.
    """
    with located(name):
        template = checked_template(prompt, rows)
    if len(template.turns) > 1:
        raise PromptError(f"{name} is a single text; it cannot have turns.")
    return template
