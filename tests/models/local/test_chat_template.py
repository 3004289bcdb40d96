from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.core.types import Message, Request
from synthkit.models.local.chat_template import ChatTemplate

END = 0  # <end>, of the tokenizer in conftest
SMOLLM2 = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|system|>You help.<end>\n"
    "{% endif %}<|{{ m['role'] }}|>{{ m['content'] }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SYSTEM = Message("system", "Be kind.")
USER = Message("user", "Why? ")
ANSWER = Message("assistant", "So.")


@pytest.fixture
def tokenizer(tiny: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny)


def prompt(tokenizer: Any, *messages: Message, raw: bool = False) -> tuple[str, set[str]]:
    """What a model is given to read for a user's turn, and what ends that."""
    request = Request(messages, turn="user")
    ids, ends = ChatTemplate(tokenizer, raw=raw).prompt(request, frozenset([END]))
    return tokenizer.decode(ids), {tokenizer.decode([end]) for end in ends}


@pytest.mark.parametrize(
    ("messages", "reads"),
    [
        ((), "<|system|>You help.<end>\n<|user|>"),
        ((SYSTEM,), "<|system|>Be kind.<end>\n<|user|>"),
        (
            (SYSTEM, USER, ANSWER),
            "<|system|>Be kind.<end>\n<|user|>Why? <end>\n<|assistant|>So.<end>\n<|user|>",
        ),
    ],
)
def test_a_users_turn_begins_where_the_template_writes_its_words(
    tokenizer: Any, messages: tuple[Message, ...], reads: str
) -> None:
    tokenizer.chat_template = SMOLLM2
    assert prompt(tokenizer, *messages) == (reads, {"<end>"})


def test_a_template_that_trims_and_folds_the_system_message_in_is_followed(tokenizer: Any) -> None:
    tokenizer.chat_template = (
        "{% for m in messages if m['role'] != 'system' %}<|user|> "
        "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] | trim }}\n\n{% endif %}"
        "{{ m['content'] | trim }}<end>{% endfor %}"
    )
    assert prompt(tokenizer, SYSTEM) == ("<|user|> Be kind.\n\n", {"<end>"})


def test_a_users_turn_ends_with_the_token_that_the_template_ends_it_with(tokenizer: Any) -> None:
    assert prompt(tokenizer, SYSTEM) == ("<|system|>Be kind.<|user|>", {"<end>", "<|assistant|>"})
    tokenizer.chat_template = (
        "{% for m in messages %}<|user|>{{ m['content'] }} <|system|>{% endfor %}"
    )
    assert prompt(tokenizer) == ("<|user|>", {"<end>", "<|system|>"})


@pytest.mark.filterwarnings("ignore:the chat template of this model has no system role")
@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("<|user|>hello<end>", "does not show where a user's words begin: it writes them 0 times"),
        ("{{ messages[-1].content }}<end>{{ messages[-1].content }}<end>", "writes them 2 times"),
        ("### Ask:\n{{ messages[-1].content }}\n### Answer:\n", "no token of its own"),
        ("<|user|>{{ messages[-1].content }}", "no token of its own"),
        ("{{ raise_exception('System first!') }}", "the chat template refuses: System first!"),
    ],
)
def test_a_template_that_cannot_put_a_users_turn_says_why(
    tokenizer: Any, template: str, says: str
) -> None:
    tokenizer.chat_template = template
    with pytest.raises(UsageError, match=says):
        prompt(tokenizer, SYSTEM)


def test_a_users_turn_after_a_users_turn_is_refused(tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="the last message is one already"):
        prompt(tokenizer, SYSTEM, USER)


def test_raw_text_has_no_users_turn(tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="loaded with raw=True"):
        prompt(tokenizer, SYSTEM, raw=True)


def test_an_answer_to_no_message_is_refused(tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="the conversation is empty"):
        ChatTemplate(tokenizer).prompt(Request(()), frozenset([END]))
