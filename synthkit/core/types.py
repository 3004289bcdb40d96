"""Shared data types: requests, completions, rows, models, ledgers, scores and marks."""

from __future__ import annotations

import unicodedata
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from synthkit.core.errors import UsageError
from synthkit.core.formatting import rounded
from synthkit.core.hashing import canonical, digest
from synthkit.core.images import Image
from synthkit.core.secrets import Options
from synthkit.core.static_output import static_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEY_VERSION = 1
"""Part of every request key; increased when the meaning of a key changes."""

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation: a text, and images before it for models that take them."""

    role: Role
    content: str
    images: tuple[Image, ...] = field(default=(), repr=False)

    def payload(self) -> list[Any]:
        """The role, the text and, if there are any, what identifies the images."""
        images = [[image.payload() for image in self.images]] if self.images else []
        return [self.role, self.content, *images]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool that a model asks for. The tool is never called by synthkit.

    ``arguments`` are as the model wrote them: a JSON object, or the text if it is not JSON.
    """

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a model draws its tokens. With ``None`` the model or server decides.

    Parameters
    ----------
    temperature : 0 is greedy; from 0 to 2.
    top_p : nucleus mass, above 0, at most 1.
    max_tokens : most tokens in a completion.
    seed : each row has its own seed, derived from this one, its messages and its sample index, so
        rows do not depend on each other.
    stop : texts that end a completion; they are not part of it.
    logprobs : whether completions include the log-probability of each token.
    extra : further parameters of the model or server, such as ``{"top_k": 40}``; part of the key.

    Raises
    ------
    UsageError
        If a parameter is out of range or not a number, or a stop text is empty.
    """

    temperature: float | None = 0.7
    top_p: float | None = None
    max_tokens: int | None = 256
    seed: int | None = 0
    stop: tuple[str, ...] = ()
    logprobs: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stop: Any = self.stop
        object.__setattr__(self, "stop", (stop,) if isinstance(stop, str) else tuple(stop))
        if "" in self.stop:
            raise UsageError("a stop text must not be empty, since it would end every answer.")
        extra: Any = self.extra
        if not isinstance(extra, Mapping):
            got = type(extra).__name__
            raise UsageError(f'extra must be a mapping, such as {{"top_k": 40}}; got {got}.')
        object.__setattr__(self, "extra", Options(extra))
        for name in ("temperature", "top_p"):
            self._as_number(name, float)  # 1 and 1.0 are the same request, so they have one key
        for name in ("max_tokens", "seed"):
            self._as_number(name, int)
        for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("max_tokens", 1, 10**7)):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"{name} must be from {low} to {high}; got {value}.")
        if self.top_p == 0:
            raise UsageError("top_p must be above 0; for greedy decoding use temperature=0.")

    def _as_number(self, name: str, kind: type[int] | type[float]) -> None:
        value = getattr(self, name)
        if value is None:
            return
        try:
            number = kind(value)
        except (TypeError, ValueError, OverflowError):
            number = None
        if isinstance(value, str) or number is None or (kind is int and number != value):
            expected = "a whole number" if kind is int else "a number"
            raise UsageError(f"{name} must be {expected}; got {value!r}.")
        object.__setattr__(self, name, number)

    def payload(self) -> dict[str, Any]:
        """The parameters by name, as JSON values; a secret in ``extra`` as a placeholder."""
        extra: Any = self.extra
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "stop": list(self.stop),
            "logprobs": self.logprobs,
            "extra": dict(extra.shown),
        }


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a model. Equal requests share one completion.

    Parameters
    ----------
    messages : the conversation so far; the model writes the next turn.
    sampling : how tokens are drawn.
    schema : JSON Schema that the completion must follow. ``{"enum": [...]}`` at the root asks for
        one of these labels as bare text.
    index : the sample index: the number of this sample of the same question, from 0.
    attrs : the template fields; for display, not part of the key.
    turn : whose turn the model writes. ``"user"`` is for models on this machine, which then write
        what a user would say.
    to : the role of the model that answers, if a recipe uses several; empty for the run's model.
        Not part of the key, which contains that model's fingerprint.
    purpose : ``"repair"`` for a request that shows the error of an earlier one; counted, not part
        of the key.
    answer : a text to score. Nothing is generated, and sampling and schema are ignored: the
        completion has the log-probability of each token of this text after the messages, or of the
        bare text without messages. Only models on this machine can do that.
    tools : tools that the model may call, as declared to an OpenAI-compatible server:
        ``{"type": "function", "function": {"name": ..., "parameters": JSON Schema}}``.
    pattern : a regular expression that the completion will be searched for; a model on this machine
        and a server that can follow it. Not part of the key.
    """

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    schema: Mapping[str, Any] | None = None
    index: int = 0
    attrs: Mapping[str, Any] = field(default_factory=dict)
    turn: Literal["assistant", "user"] = "assistant"
    to: str = ""
    purpose: Literal["", "repair"] = ""
    answer: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    pattern: str = ""

    def payload(self, fingerprint: str) -> dict[str, Any]:
        """Everything that the completion depends on, as JSON values: :meth:`key` hashes it."""
        scored = self.answer is not None
        answer = {"answer": self.answer} if scored else {}
        turn = {} if self.turn == "assistant" else {"turn": self.turn}
        free = self.schema is None or scored
        tools = {"tools": list(self.tools)} if self.tools and not scored else {}
        return {
            "op": "score" if scored else "complete",
            "version": KEY_VERSION,
            "model": fingerprint,
            "messages": [message.payload() for message in self.messages],
            # as text: a model writes properties in their order, which changes completions
            "schema": None if free else canonical(self.schema, sort=False).decode(),
            "sampling": {} if scored else self.sampling.payload(),
            "index": self.index,
            **turn,
            **answer,
            **tools,
        }

    def key(self, fingerprint: str) -> str:
        """The 32 hex digits that identify the completion of a model with that fingerprint."""
        return digest(self.payload(fingerprint))

    @property
    def row_seed(self) -> int:
        """The seed of this request's sampling, from 0 to 2**31 - 1.

        It depends only on the sampling seed, the messages and the sample index. So rows are drawn
        independently, and a row is drawn the same in any batch and at any temperature.
        """
        messages = [message.payload() for message in self.messages]
        return row_seed(self.sampling.seed, self.index, messages, self.answer)

    @property
    def most_written(self) -> int:
        """Most tokens that a model generates; 1024 if the request sets no limit."""
        return 0 if self.answer is not None else self.sampling.max_tokens or 1024


def row_seed(
    seed: int | None, index: int, messages: Sequence[Any], answer: str | None = None
) -> int:
    """:attr:`Request.row_seed` of a request, from the parts of its payload."""
    parts: list[Any] = [seed, index, list(messages), *([] if answer is None else [answer])]
    return int(digest(parts)[:8], 16) & 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class Completion:
    """The completion of a request.

    Parameters
    ----------
    text : the answer, without reasoning.
    finish : ``"stop"``, ``"length"`` (cut at ``max_tokens`` or at the context's end),
        ``"content_filter"``, ``"tool_calls"``, ``"error"``, ``"later"``, or a server's word that is
        none of these. With ``"error"``, ``error`` is the reason, ``text`` is the server's text, if
        any, and nothing is stored. ``"later"`` stands for no answer: a later run will have it, and
        ``error`` says what it waits for.
    prompt_tokens, completion_tokens : as the model counts them; 0 if it does not say.
    logprobs : (token, natural log-probability) pairs. For a scored text, ``text`` is that text and
        all tokens are prompt tokens. The first token of a text without messages has none, unless
        the tokenizer begins every text with a special token.
    tries : the requests that were sent.
    reasoning : what the model wrote before its answer; never parsed as a part of it.
    tool_calls : the tools that the model asks to call.
    reasoning_tokens : those of ``completion_tokens`` that are reasoning.
    cached_tokens : those of ``prompt_tokens`` that the server had cached.
    how : what the request does not say of how the model was asked or ran, for people to read.
    """

    text: str
    finish: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    logprobs: tuple[tuple[str, float], ...] | None = None
    error: str = ""
    tries: int = 1
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    how: str = ""

    @property
    def truncated(self) -> bool:
        """Whether the answer was cut, so that its end is missing."""
        return self.finish == "length"


@dataclass(frozen=True, slots=True)
class Reject:
    """A completion that did not become a row: the raw text and the reason.

    ``cells``, ``of`` and ``parent`` are those of :class:`Row`, if the recipe knows them.
    """

    raw: str
    reason: str
    cells: Mapping[str, Any] = field(default_factory=dict)
    of: tuple[Request, ...] = ()
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a recipe's result.

    Parameters
    ----------
    cells : column -> value.
    of : the requests that the row depends on; if empty, all requests of its branch so far.
    parent : the ``id`` of the row that it was made from.
    """

    cells: Mapping[str, Any]
    of: tuple[Request, ...] = ()
    parent: str | None = None


T = TypeVar("T")
Step: TypeAlias = "Sequence[Request] | Sequence[Row | Reject] | Sequence[Steps[Any]]"
Steps: TypeAlias = Generator[Step, Any, T]
"""A running recipe: a generator that yields lists of one of three kinds:

- requests: it receives their completions in the same order;
- rows and rejects: they are part of the result, even if the recipe fails later;
- further steps: they run side by side, and it receives their return values.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The value of a metric with its interval.

    Parameters
    ----------
    name : the name of the metric.
    value : the value.
    low, high : the interval at ``level``; ``None`` if the metric has none.
    n : the number of rows or pairs.
    unit : the unit of the value, such as ``"0..1"``, ``"nats"`` or ``"tokens"``.
    better : the better direction; empty if there is none.
    how : the settings it depends on: tokenizer, embedder, n-gram length, seed.
    level : how often such intervals contain the true value.
    parts : (n,) contribution of each row, if known: 0 or 1 for a share, the values of a mean, the
        jackknife's pseudo-values otherwise. Their mean is the value; with them two scores are
        compared row by row.
    at_n : the number of rows that the value itself depends on, as a vocabulary grows with it;
        ``None`` if more rows only narrow the interval, as of a mean. Scores of one metric are
        compared only at the same.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int
    unit: str = ""
    better: Literal["higher", "lower", ""] = ""
    how: str = ""
    level: float = 0.95
    parts: Sequence[float] | NDArray[np.float64] | None = field(
        default=None, repr=False, compare=False
    )
    at_n: int | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return rounded(self.value)
        return f"{rounded(self.value)} [{rounded(self.low)}, {rounded(self.high)}]"

    def _repr_html_(self) -> str:
        cells = {"metric": self.name, "value": str(self), "unit": self.unit, "better": self.better}
        return static_table([cells | {"n": self.n}], note=self.how).html


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One annotator's mark of one row; it replaces the annotator's earlier mark of the row.

    An annotator is a name in a session: marks that are imported replace none that are here.

    Parameters
    ----------
    id : the id of the row.
    label : ``"accept"``, ``"reject"``, ``"skip"``, or a label of the task; empty if the row has no
        mark (it was undone, or is only flagged).
    reason : a reason or comment.
    by : the annotator.
    at : the time, in seconds since 1970 (UTC).
    flag : whether to look at the row again.
    edit : column -> corrected text.
    task : the annotation task, if a table has several.
    round : 1, or 2 for a blind second annotation.
    act : the action that wrote it: ``"mark"``, ``"undo"`` or ``"redo"``. Records are never changed.
    step : marks that were written together, and are undone together, share a step.
    session : the session that it was imported from; empty for a mark of this one.
    """

    id: str
    label: str = ""
    reason: str = ""
    by: str = ""
    at: float = 0.0
    flag: bool = False
    edit: Mapping[str, str] = field(default_factory=dict)
    task: str = ""
    round: int = 1
    act: Literal["mark", "undo", "redo"] = "mark"
    step: int = 0
    session: str = ""

    @property
    def person(self) -> str:
        """Who wrote it and, for a mark of another session, where: two may have the same name.

        Names that look alike are equal, however their accents were typed (Unicode NFC).

        >>> Mark(id="a", by="ann").person, Mark(id="a", by="ann", session="3f2a91ab").person
        ('ann', 'ann (session 3f2a91ab)')
        """
        by = unicodedata.normalize("NFC", self.by)
        return f"{by} (session {self.session})" if self.session else by
