"""Render a request as tokens, with the chat template of the model's tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.hashing import digest
from synthkit.core.types import Message, Request


def prompt(
    request: Request, tokenizer: Any, ends: frozenset[int], *, raw: bool
) -> tuple[list[int], frozenset[int]]:
    """The tokens of a prompt, and the tokens that end its completion.

    Parameters
    ----------
    ends : the tokens that end a completion of this model.
    raw : use the messages' text without the template, joined by line breaks.

    Raises
    ------
    UsageError
        If the template cannot render the request.
    """
    from jinja2 import TemplateError

    if raw:
        if request.turn == "user":
            raise UsageError(
                'turn="user" needs a chat template, which marks where a user\'s words begin; this '
                "model was loaded with raw=True"
            )
        text = "\n".join(message.content for message in request.messages)
        return list(tokenizer(text)["input_ids"]), ends
    try:
        if request.turn == "user":
            return _before_user(request.messages, tokenizer, ends)
        if not request.messages:
            raise UsageError("the conversation is empty; give the model at least one message")
        return _ids(tokenizer, _render(tokenizer, request.messages)), ends
    except TemplateError as error:
        raise UsageError(f"the chat template refuses: {error}") from None


def scored(request: Request, tokenizer: Any, *, raw: bool) -> tuple[list[int], list[int]]:
    """The tokens before a text to score, and the tokens of the text.

    They are tokenized separately, so that the text has the same tokens after any prompt. Without
    messages the only token before it is the one that begins every text, if the tokenizer has one.

    Raises
    ------
    UsageError
        If the template cannot render the request.
    """
    text = _ids(tokenizer, request.answer or "")
    if request.messages:
        return prompt(request, tokenizer, frozenset(), raw=raw)[0], text
    begin = tokenizer.bos_token_id
    before = list(tokenizer("")["input_ids"])[:1]
    return before if before == [begin] else [], text


def _before_user(
    messages: Sequence[Message], tokenizer: Any, ends: frozenset[int]
) -> tuple[list[int], frozenset[int]]:
    """The conversation up to the start of the user's next turn, and the tokens that end that turn.

    This is the pre-query template of Magpie (arXiv 2406.08464, step 1), after which an aligned
    model writes a user's turn. The template renders one more turn with a mark as its content, and
    the text is cut at the mark. A default system prompt of the template stays, unless there is a
    system message. If the template ends a user's turn with a different token than the assistant's,
    such as ``[/INST]`` in Mistral's, that token ends it too.
    """
    if messages and messages[-1].role == "user":
        raise UsageError(
            'turn="user" asks for another user\'s turn, but the last message is one already; end '
            "with the assistant's or a system message, or give no message at all"
        )
    mark = digest([message.content for message in messages])
    # with the assistant's turn begun, since in some templates nothing else ends the user's
    before, *after = _render(tokenizer, [*messages, Message("user", mark)]).split(mark)
    if len(after) != 1:
        raise UsageError(
            "its chat template does not show where a user's words begin: it writes them "
            f'{len(after)} times. Use another model for turn="user"'
        )
    specials = ends.union(tokenizer.added_tokens_decoder)
    end = specials.intersection(_ids(tokenizer, after[0].lstrip())[:1])
    if not end:
        raise UsageError(
            "its chat template ends a user's words with no token of its own, so that it would not "
            'be known where they end. Use another model for turn="user"'
        )
    return _ids(tokenizer, before), ends | end


def _render(tokenizer: Any, messages: Sequence[Message]) -> str:
    turns: list[Mapping[str, str]] = [
        {"role": message.role, "content": message.content} for message in messages
    ]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def _ids(tokenizer: Any, text: str) -> list[int]:
    # the template's text already has the special tokens
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
