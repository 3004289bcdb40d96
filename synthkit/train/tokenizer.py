"""A tokenizer that reads rows as prompts are read, whose content writes no control tokens."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from synthkit.core.types import Message
from synthkit.models.local.chat_template import ChatTemplate


def reading_as_text(tokenizer: Any, *, raw: bool) -> Any:
    """A copy of a tokenizer for the trainers of trl, which tokenize rows by it.

    A row that spells ``<|im_end|>`` has these characters, as a prompt would, and not the control
    token. Other rows have the tokens that ``tokenizer`` gives them.

    Parameters
    ----------
    raw : rows are texts without a template; only the token at the end of a text, which a trainer
        adds to completions, is a control token.
    """
    template = ChatTemplate(tokenizer, raw=raw)
    plain: Any = type(tokenizer)

    class ReadingAsText(plain):  # type: ignore[misc]
        """The tokenizer whose rows write no control tokens."""

        def apply_chat_template(self, conversation: Any, *args: Any, **options: Any) -> Any:
            known = {"add_generation_prompt", "tokenize", "return_dict"}
            others = any(value for name, value in options.items() if name not in known)
            if args or others or not options.get("tokenize", True):
                return super().apply_chat_template(conversation, *args, **options)
            several = bool(conversation) and not isinstance(conversation[0], Mapping)
            answer = bool(options.get("add_generation_prompt"))
            found = [
                template.conversation([Message(**turn) for turn in turns], answer=answer)
                for turns in (conversation if several else [conversation])
            ]
            encoded = _encoded(found, several)
            return encoded if options.get("return_dict", True) else encoded["input_ids"]

        def __call__(self, text: Any = None, *args: Any, **options: Any) -> Any:
            if not raw or args or options or text is None:
                return super().__call__(text, *args, **options)
            several = not isinstance(text, str)
            return _encoded([self._ids(each) for each in (text if several else [text])], several)

        def _ids(self, text: str) -> list[int]:
            end = [
                match
                for match in template.tokens.matches(text)
                if match.end == len(text) and match.id == self.eos_token_id
            ]
            return template.text(text, end)

        def __reduce__(self) -> Any:
            return partial(reading_as_text, raw=raw), (tokenizer,)

    # its name is written into the files of the trained model
    ReadingAsText.__name__ = plain.__name__
    reading = copy.copy(tokenizer)
    reading.__class__ = ReadingAsText
    return reading


def _encoded(ids: Sequence[list[int]], several: bool) -> Any:
    from transformers import BatchEncoding

    encoded = {"input_ids": list(ids), "attention_mask": [[1] * len(each) for each in ids]}
    return BatchEncoding(encoded if several else {name: own[0] for name, own in encoded.items()})
