"""Fake: a model without weights for tests and lessons, deterministic and free of charge."""

from __future__ import annotations

import json
import math
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from synthkit.core.answers import Markers, checked_markers, marker_identity
from synthkit.core.errors import ModelError, UsageError, check_numbers, check_positive
from synthkit.core.hashing import digest
from synthkit.core.models import check_price
from synthkit.core.types import Completion, Request
from synthkit.models.schemes import model_scheme

_WORDS = (
    "the a one this every warm cold quiet late small bright old soup bread table waiter garden "
    "window street morning evening smelled waited arrived tasted sang stood lasted returned "
    "slowly twice gladly never often today again outside alone"
).split()


class Fake:
    """A model for tests, lessons and dry runs: equal requests have equal completions.

    Parameters
    ----------
    answer : the completion's text, the same for all requests or a function of the request;
        ``None`` for a short sentence of seeded words, or a value of the request's schema.
    score : the log-probability of each token (here, a word) of a text to score, a function of the
        request; ``None`` for seeded values from -5 to 0.
    seconds : the time of one completion; ``concurrency`` of them overlap.
    fail, babble : shares, 0..1, of requests whose completions are errors, or texts that do not
        follow the schema. Which ones depends only on the request.
    stall : share of requests that take twenty times as long.
    die_after : raise ``ModelError`` after this many completions.
    name : part of the fingerprint, so that two fakes can differ.
    reasoning_markers : (start, end) pairs of texts around the reasoning in an answer.

    Attributes
    ----------
    asked : the requests it has answered, in order. Requests that the session answers are not here.

    Examples
    --------
    >>> from synthkit.core.types import Message
    >>> fake = Fake(lambda request: request.messages[-1].content.upper())
    >>> [answer.text for _, answer in fake.complete([Request((Message("user", "hi"),))])]
    ['HI']
    """

    def __init__(
        self,
        answer: str | Callable[[Request], str] | None = None,
        *,
        score: Callable[[Request], float] | None = None,
        seconds: float = 0.0,
        concurrency: int = 64,
        fail: float = 0.0,
        babble: float = 0.0,
        stall: float = 0.0,
        die_after: int | None = None,
        name: str = "fake",
        price: tuple[float, float] | None = (0.0, 0.0),
        reasoning_markers: Markers | None = None,
    ) -> None:
        check_positive(concurrency=concurrency)
        check_numbers(seconds=seconds, die_after=die_after)
        shares = {"fail": fail, "babble": babble, "stall": stall}
        check_numbers(**shares)
        for option, share in shares.items():
            if not 0 <= share <= 1:
                raise UsageError(f"{option} must be a share from 0 to 1; got {share}.")
        check_price(price)
        self.name, self.price = name, price
        self.reasoning_markers = checked_markers(reasoning_markers)
        self.asked: list[Request] = []
        self._answer, self._seconds, self._concurrency = answer, seconds, concurrency
        self._fail, self._babble, self._stall = fail, babble, stall
        self._die_after, self._score = die_after, score

    @property
    def fingerprint(self) -> str:
        """The name, the fixed text if there is one, and the share of babble, as JSON."""
        fixed = {"says": self._answer} if isinstance(self._answer, str) else {}
        babble = {"babble": self._babble} if self._babble else {}
        markers = marker_identity(self.reasoning_markers)
        return json.dumps({"model": f"fake:{self.name}"} | fixed | babble | markers)

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """(position, completion) pairs, ``concurrency`` of them at a time."""
        position = 0
        while position < len(requests):
            if self._die_after is not None and len(self.asked) >= self._die_after:
                raise ModelError(f"{self.name} was told to die after {self._die_after} answers.")
            request = requests[position]
            yield from self._wait(request)
            self.asked.append(request)
            yield position, self._complete(request)
            position += 1

    def _wait(self, request: Request) -> Iterator[None]:
        seconds = self._seconds * (20 if _share(request, "stall") < self._stall else 1)
        until = time.monotonic() + seconds / self._concurrency
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(0.05, left))
            yield None

    def _complete(self, request: Request) -> Completion:
        if _share(request, "fail") < self._fail:
            return Completion("", finish="error", error=f"{self.name} was told to fail")
        letters = sum(len(message.content) for message in request.messages)
        prompt_tokens = max(1, letters // 4)
        if request.answer is not None:
            return self._scored(request, request.answer, prompt_tokens)
        draw = random.Random(request.row_seed)
        if _share(request, "babble") < self._babble:
            text = "{" + sentence(draw)
        elif callable(self._answer):
            text = self._answer(request)
        elif self._answer is not None:
            text = self._answer
        elif request.schema is None:
            text = sentence(draw)
        elif "enum" in request.schema:
            text = str(draw.choice(request.schema["enum"]))
        else:
            text = json.dumps(instance(request.schema, draw, request.schema))
        tokens = max(1, len(text) // 4)
        pairs = tuple((word, -1.0) for word in text.split()) if request.sampling.logprobs else None
        return Completion(text, "stop", prompt_tokens, tokens, self._seconds, pairs)

    def _scored(self, request: Request, text: str, prompt_tokens: int) -> Completion:
        """The words of a text with log-probabilities; without messages, the first has none."""
        words = re.findall(r"\s*\S+|\s+$", text)
        draw = random.Random(request.row_seed)
        score = self._score
        values = [-5 * draw.random() if score is None else score(request) for _ in words]
        pairs = tuple(zip(words, values, strict=True))
        tokens = prompt_tokens + len(words)
        return Completion(text, "stop", tokens, 0, self._seconds, pairs[not request.messages :])


@model_scheme("fake")
def _load(name: str, **options: Any) -> Fake:
    """A model without weights, for tests and lessons."""
    return Fake(name=name or "fake", **options)


def sentence(draw: random.Random) -> str:
    """A few words from ``draw``, with a capital and a full stop."""
    return " ".join(draw.choices(_WORDS, k=draw.randint(5, 12))).capitalize() + "."


def instance(schema: Any, draw: random.Random, root: Mapping[str, Any], depth: int = 0) -> Any:
    """A random value that follows a JSON Schema of the common kinds."""
    deep = depth > 4  # a schema may refer to itself
    if "$ref" in schema:
        target: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return instance(target, draw, root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return draw.choice(list(schema["enum"]))
    for union in ("anyOf", "oneOf"):
        if union in schema:
            chosen = schema[union][-1] if deep else draw.choice(schema[union])
            return instance(chosen, draw, root, depth + 1)
    if "allOf" in schema:
        return instance(schema["allOf"][0], draw, root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            parts = schema.get("properties", {})
            return {name: instance(part, draw, root, depth + 1) for name, part in parts.items()}
        case "array":
            low = schema.get("minItems", 0 if deep else min(1, schema.get("maxItems", 1)))
            n = low if deep else draw.randint(low, max(low, min(schema.get("maxItems", 3), 3)))
            return [instance(schema.get("items", {}), draw, root, depth + 1) for _ in range(n)]
        case "integer":
            least, most = _between(schema, 1, 9)
            return draw.randint(math.ceil(least), math.floor(most))
        case "number":
            least, most = _between(schema, 1e-3, 1)
            return min(max(round(draw.uniform(least, most), 3), least), most)
        case "boolean":
            return draw.random() < 0.5
        case "null":
            return None
        case _:
            text = sentence(draw)
            return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength", len(text))]


def _between(schema: Mapping[str, Any], step: float, width: float) -> tuple[float, float]:
    """The bounds of a number, by its schema."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + step
    if "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - step
    if low is None:
        low = 0 if high is None else min(0, high)
    return low, low + width if high is None else high


def _share(request: Request, purpose: str) -> float:
    """A number in 0..1 that depends only on the request and the purpose."""
    return int(digest([purpose, request.row_seed])[:8], 16) / 2**32
