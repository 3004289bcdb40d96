"""Answers apart from the reasoning and the tool calls that a model wrote into its text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, TypeAlias

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Request, ToolCall

Markers: TypeAlias = Sequence[tuple[str, str]]

REASONING_MARKERS: Markers = (
    ("<think>", "</think>"),  # DeepSeek-R1, Qwen3, GLM and most others
    ("[THINK]", "[/THINK]"),  # Magistral
    ("<seed:think>", "</seed:think>"),  # Seed-OSS
    ("◁think▷", "◁/think▷"),  # Kimi
    ("<|begin_of_thought|>", "<|end_of_thought|>"),  # Sky-T1, OpenThinker
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss
    ("<|channel>thought", "<channel|>"),  # Gemma 4
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
)
"""(start, end) of the reasoning in a text, in any case of letters."""


def checked_markers(markers: Any) -> Markers:
    """Markers that a user sets; :data:`REASONING_MARKERS` for ``None``.

    Raises
    ------
    UsageError
        If they are not pairs of texts.
    """
    if markers is None:
        return REASONING_MARKERS
    pairs = [tuple(pair) for pair in markers if isinstance(pair, Sequence)]
    texts = all(len(pair) == 2 and all(isinstance(t, str) and t for t in pair) for pair in pairs)
    if isinstance(markers, str) or not texts or len(pairs) < len(list(markers)):
        raise UsageError(
            "reasoning_markers must be pairs of texts, such as [('<think>', '</think>')]; got "
            f"{str(markers)[:80]}."
        )
    return tuple((start, end) for start, end in pairs)


def marker_identity(markers: Markers) -> dict[str, Any]:
    """The part of a fingerprint that other markers than the usual ones add."""
    changed = markers is not REASONING_MARKERS and tuple(markers) != tuple(REASONING_MARKERS)
    return {"reasoning_markers": [list(pair) for pair in markers]} if changed else {}


MARKER_TOKENS = {
    "<think>", "</think>", "[THINK]", "[/THINK]", "<seed:think>", "</seed:think>", "◁think▷",
    "◁/think▷", "<|begin_of_thought|>", "<|end_of_thought|>", "<|channel>", "<channel|>",
}  # fmt: skip
"""Markers that are control tokens of some models: a decoded text must keep them."""

_ASKED_FOR = ("<thinking>", "<thought>", "<reasoning>")
"""Markers that a prompt may ask for as a part of the answer: then they stay."""

_BARE_HARMONY = re.compile(r"analysis(?=\S)(.*?)assistant(?:final|commentary\s*final)(.*)", re.S)
"""The channels of gpt-oss, decoded without special tokens."""
_CHANNEL_TOKEN = r"<\|(?:(?:begin|end)_of_(?:solution|box)|return|end|start)\|>(?:assistant)?"
_OUTER_TOKENS = re.compile(rf"^(?:\s*{_CHANNEL_TOKEN})+|(?:{_CHANNEL_TOKEN}\s*)+$")
"""What the last two formats write around their parts."""
MOST_PARTS = 100
"""So many parts of reasoning in a row are looked for: each takes a pass over the text."""
_QUOTES = "`'\"“‘«"
_TOOL_CALL = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.S)


def separated(
    completion: Completion, request: Request, markers: Markers = REASONING_MARKERS
) -> Completion:
    """A completion whose text is the answer alone.

    Its reasoning moves to ``reasoning``, with the log-probabilities of the answer's tokens kept;
    tool calls written as text move to ``tool_calls`` if the request declares tools.

    Parameters
    ----------
    markers : pairs of texts, the start and the end of reasoning. ``<thinking>``, ``<thought>`` and
        ``<reasoning>`` stay in the text if the request names them, since they were asked for.

    Examples
    --------
    >>> done = separated(Completion("<think>Short or long?</think>\\n\\nShort."), Request(()))
    >>> done.reasoning, done.text
    ('Short or long?', 'Short.')
    """
    text = completion.text
    if request.answer is not None or completion.finish == "error":
        return completion
    if not request.tools and not _may_start(text, markers):
        return completion
    asked = [message.content for message in request.messages]
    kept = {start for start in _ASKED_FOR if any(start in content for content in asked)}
    parts, answer = split_reasoning(text, [pair for pair in markers if pair[0] not in kept])
    if parts:
        reasoning = "\n\n".join(filter(None, [completion.reasoning, *parts]))
        logprobs = _last_tokens(completion.logprobs, answer)
        completion = replace(completion, text=answer, reasoning=reasoning, logprobs=logprobs)
    if request.tools and "<tool_call>" in answer:
        completion = _with_calls(completion)
    return completion


def _may_start(text: str, markers: Markers) -> bool:
    """Whether a text has the first letter of a marker: most have none, and are done with."""
    letters = _first_letters(tuple(markers))
    return any(letter in text for letter in letters) or text.lstrip().startswith("analysis")


@cache
def _first_letters(markers: Markers) -> frozenset[str]:
    letters = {text[0] for pair in markers for text in pair}
    return frozenset(letter for text in letters for letter in (text, text.lower(), text.upper()))


def opened(prompt: str) -> str:
    """The start of reasoning that a prompt ends with, since its template writes it; or ``""``.

    >>> opened("<|assistant|><think>\\n")
    '<think>'
    """
    end = prompt.rstrip().casefold()
    starts = (start for start, _ in REASONING_MARKERS if start not in _ASKED_FOR)
    return next((start for start in starts if end.endswith(start.casefold())), "")


def split_reasoning(text: str, markers: Markers = REASONING_MARKERS) -> tuple[list[str], str]:
    """The parts of the reasoning in a text, and the answer without them.

    A text has reasoning if it starts with some. That may lack its start, which many chat templates
    write themselves, and its end, if it was cut: then the answer is empty. Further reasoning begins
    with a line of the answer. A text without reasoning is returned as it is.

    >>> split_reasoning("It is warm.\\n</think>\\nWarm.")
    (['It is warm.'], 'Warm.')
    >>> split_reasoning("<think>a</think>It is\\n<think>b</think>warm.")
    (['a', 'b'], 'It is\\nwarm.')
    >>> split_reasoning("Close it with `</think>`.")
    ([], 'Close it with `</think>`.')
    """
    parts: list[str] = []
    rest = text
    while len(parts) < MOST_PARTS and (found := _leading(rest, markers)) is not None:
        parts.append(_bare(found[0]))
        rest = found[1]
    if not parts:
        return [], text
    for opening, closing in markers:
        later, rest = _later(rest, opening, closing)
        parts += map(_bare, later)
    return parts, _bare(rest)


def _bare(part: str) -> str:
    return _OUTER_TOKENS.sub("", part).strip()


def _leading(text: str, markers: Markers) -> tuple[str, str] | None:
    """The reasoning at the start of a text and what follows it; ``None`` if there is none."""
    start = text.lstrip("\ufeff\u200b \t\r\n")
    folded = start.casefold()
    for opening, closing in markers:
        opening, closing = opening.casefold(), closing.casefold()
        if folded.startswith(opening):
            end = _end(folded, opening, closing)
            return start[len(opening) : end], start[end + len(closing) :]
    if bare := _BARE_HARMONY.fullmatch(start):
        return bare[1], bare[2]
    for opening, closing in markers:
        end = folded.find(closing.casefold())
        if end < 0 or opening.casefold() in folded[:end] or opening in _ASKED_FOR:
            continue
        if not (end and folded[end - 1] in _QUOTES):
            return start[:end], start[end + len(closing) :]
    return None


def _later(text: str, opening: str, closing: str) -> tuple[list[str], str]:
    """Further reasoning between the parts of an answer, and the answer without it."""
    begins = re.compile(f"^{re.escape(opening)}", re.IGNORECASE | re.MULTILINE)
    ends = re.compile(re.escape(closing), re.IGNORECASE)
    parts, kept, at = [], [], 0
    while begin := begins.search(text, at):
        end = ends.search(text, begin.end())
        kept.append(text[at : begin.start()])
        parts.append(text[begin.end() : end.start() if end else len(text)])
        at = end.end() if end else len(text)
    return parts, "".join([*kept, text[at:]])


def _end(folded: str, opening: str, closing: str) -> int:
    """Where the reasoning ends that a text starts with; the end of the text if it does not."""
    depth, at = 0, 0
    for match in re.finditer(f"({re.escape(opening)})|{re.escape(closing)}", folded):
        depth += 1 if match[1] else -1
        at = match.start()
        if depth == 0:
            return at
    # the start was written more often than the end
    return at if depth and at and folded.startswith(closing, at) else len(folded)


def _last_tokens(
    logprobs: tuple[tuple[str, float], ...] | None, answer: str
) -> tuple[tuple[str, float], ...] | None:
    """The log-probabilities of the tokens that an answer consists of, those of its end."""
    if logprobs is None:
        return None
    kept: list[tuple[str, float]] = []
    length = 0
    for token, value in reversed(logprobs):
        if length >= len(answer):
            break
        if kept or token.strip():
            length += len(token)
        kept.append((token, value))
    return tuple(reversed(kept))


def _with_calls(completion: Completion) -> Completion:
    """A completion with the calls in its text as data; text that is no call stays."""
    calls = []
    for body in _TOOL_CALL.findall(completion.text):
        try:
            call = json.loads(body)
            calls.append(ToolCall(str(call["name"]), call.get("arguments", {})))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return completion
    text = _TOOL_CALL.sub("", completion.text).strip()
    finish = "tool_calls" if completion.finish == "stop" else completion.finish
    return replace(
        completion, text=text, tool_calls=(*completion.tool_calls, *calls), finish=finish
    )


_FINISHES: Mapping[str, str] = {
    "": "stop",
    "null": "stop",
    "none": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "endoftext": "stop",
    "unspecified": "stop",
    "function_call": "tool_calls",
    "model_context_window_exceeded": "length",
}
_FINISH_WORDS: Sequence[tuple[str, Sequence[str]]] = (
    ("error", ("error", "abort", "cancel", "timeout", "insufficient", "malformed", "failed",
               "interrupt")),
    (
        "content_filter",
        ("filter", "safety", "block", "refus", "prohibit", "sensitive", "recitation", "spii",
         "moderat", "guardrail", "policy"),
    ),
    ("tool_calls", ("tool", "function")),
    ("length", ("length", "max", "limit", "trunc", "exceed")),
    ("stop", ("stop", "end", "eos", "complete", "done", "finish", "success")),
    ("length", ("token", "cut", "context")),
)  # fmt: skip


@lru_cache(maxsize=256)
def normalized_finish(word: Any) -> str:
    """A server's word for why a completion ended, in the terms of :class:`Completion`.

    Words that are not known stay as they are, in lower case.

    >>> [normalized_finish(word) for word in ("MAX_TOKENS", "end_turn", "SAFETY", None)]
    ['length', 'stop', 'content_filter', 'stop']

    Raises
    ------
    TypeError
        If it is neither a text nor ``None``.
    """
    if word is None:
        return "stop"
    if not isinstance(word, str):
        raise TypeError(f"a finish reason is a text; got {word!r}")
    folded = word.strip().casefold().replace(" ", "_").replace("-", "_")
    folded = folded.removeprefix("finish_reason_")
    if folded in _FINISHES:
        return _FINISHES[folded]
    if folded == "incomplete":
        return "length"
    for finish, words in _FINISH_WORDS:
        if any(part in folded for part in words):
            return finish
    return folded
