"""Messages as the chat-completions protocol has them."""

from __future__ import annotations

from typing import Any

from synthkit.core.types import Message


def wire(message: Message) -> dict[str, Any]:
    """A message as JSON: its text alone, or its images and its text as parts.

    >>> wire(Message("user", "Hi."))
    {'role': 'user', 'content': 'Hi.'}
    """
    if not message.images:
        return {"role": message.role, "content": message.content}
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": image.address()}} for image in message.images
    ]
    text = [{"type": "text", "text": message.content}] if message.content else []
    return {"role": message.role, "content": [*parts, *text]}
