"""Constrained decoding: the tokens that may come next, so that a completion fits its schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.hashing import canonical
from synthkit.core.types import Request
from synthkit.models.openai.constraints import constraint
from synthkit.models.openai.strict_schema import strict

WHY = "to keep a completion to its schema"


def labels(schema: Mapping[str, Any]) -> list[str] | None:
    """The labels of a schema with ``{"enum": [...]}`` of texts at its root; else ``None``."""
    values = schema.get("enum")
    is_list = isinstance(values, list | tuple) and not set(schema) - {"enum", "type"}
    if is_list and values and all(isinstance(label, str) and label for label in values):
        return list(values)
    return None


def grammar(schema: Mapping[str, Any]) -> str:
    """The grammar, in llguidance's form, of the texts that a schema allows.

    Labels are written bare; any other schema is JSON in its strict form, with properties in their
    order. Optional white space is not allowed, since weak models get stuck in it.

    Raises
    ------
    UsageError
        If llguidance cannot enforce the schema.
    MissingExtra
        If llguidance is not installed.
    """
    guide = need("llguidance", extra="local", why=WHY)
    choices = labels(schema)
    if choices is not None:
        text = guide.LLMatcher.grammar_from_lark(
            "start: " + " | ".join(json.dumps(label) for label in dict.fromkeys(choices))
        )
    else:
        text = guide.LLMatcher.grammar_from_json_schema(
            canonical(strict(schema), sort=False).decode(), overrides={"whitespace_flexible": False}
        )
    fault = guide.LLMatcher.validate_grammar(text)
    if fault:
        raise UsageError(
            f"this schema cannot be followed while decoding: {fault.strip().splitlines()[0]}. "
            "Simplify it, or leave it out of the request and check the answers afterwards."
        )
    return str(text)


def pattern_grammar(pattern: str) -> str:
    """The grammar of the texts that a whole pattern matches; empty if it cannot be followed.

    >>> bool(pattern_grammar("(?P<n>[0-9]+) stars")), bool(pattern_grammar("(?i)yes"))
    (True, False)
    """
    plain = constraint(pattern, "regex").get("regex", "")
    guide = need("llguidance", extra="local", why=WHY)
    text = str(guide.LLMatcher.grammar_from_regex(plain))
    return "" if not plain or guide.LLMatcher.validate_grammar(text) else text


class Grammars:
    """Matchers by schema and by pattern for one tokenizer; each row gets its own copy.

    Parameters
    ----------
    tokenizer : the model's fast tokenizer.
    width : the number of logits, which may exceed the number of tokens.
    ends : the tokens that end a completion.
    """

    def __init__(self, tokenizer: Any, width: int, ends: Sequence[int]) -> None:
        adapter = need("llguidance.hf", extra="local", why=WHY)
        self.guide = need("llguidance", extra="local", why=WHY)
        self.tokens = adapter.from_tokenizer(tokenizer, n_vocab=width, eos_token=list(ends))
        self.width = width
        self.matchers: dict[bytes | str, Any] = {}

    def matcher(self, request: Request) -> Any:
        """A matcher at the start of the grammar of a request; ``None`` if it has none."""
        schema = request.schema
        key = request.pattern if schema is None else canonical(schema)
        if key not in self.matchers:
            text = pattern_grammar(request.pattern) if schema is None else grammar(schema)
            matcher = self.guide.LLMatcher(self.tokens, text) if text else None
            if matcher is not None and matcher.is_error():
                if schema is not None:
                    raise UsageError(f"this schema cannot be followed: {matcher.get_error()}")
                matcher = None
            self.matchers[key] = matcher
        matcher = self.matchers[key]
        return None if matcher is None else matcher.deep_copy()

    def allowed(self, matcher: Any) -> NDArray[np.bool_]:
        """(width,) whether each token may come next."""
        bits = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        return np.unpackbits(bits, count=self.width, bitorder="little").view(np.bool_)
