"""The nouns: what a model is asked, what it answers, and what a run gives back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from synthkit.core.errors import UsageError
from synthkit.core.static_output import static_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEY_VERSION = 1
"""Part of every request key; raised when the meaning of a key changes."""

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a model draws its tokens. ``None`` leaves a choice to the model or its server.

    Parameters
    ----------
    temperature : 0 is greedy; from 0 to 2.
    top_p : nucleus mass, above 0, at most 1.
    max_tokens : most tokens in a completion.
    seed : every row draws from a seed of its own, made of this one, its messages and its sample
        index, so that a row does not depend on the rows beside it.
    stop : texts that end a completion; they are not part of it.
    logprobs : whether a completion carries the log-probability of each of its tokens.
    extra : further parameters of the model or server, such as ``{"top_k": 40}``; part of the key.
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
        for name, kind in (("temperature", float), ("top_p", float), ("max_tokens", int)):
            self._plain(name, kind)  # 1 and 1.0 ask the same, so they have one key
        self._plain("seed", int)
        bounds = {
            "temperature": (self.temperature, 0, 2),
            "top_p": (self.top_p, 0, 1),
            "max_tokens": (self.max_tokens, 1, 10_000_000),
        }
        for name, (value, low, high) in bounds.items():
            if value is not None and not low <= value <= high:
                raise UsageError(f"{name} must be from {low} to {high}; got {value}.")
        if self.top_p == 0:
            raise UsageError("top_p must be above 0; for greedy decoding use temperature=0.")

    def _plain(self, name: str, kind: type[int] | type[float]) -> None:
        value = getattr(self, name)
        if value is None:
            return
        try:
            plain = kind(value)
        except (TypeError, ValueError, OverflowError):
            plain = None
        if isinstance(value, str) or plain is None or (kind is int and plain != value):
            what = "a whole number" if kind is int else "a number"
            raise UsageError(f"{name} must be {what}; got {value!r}.")
        object.__setattr__(self, name, plain)

    def payload(self) -> dict[str, Any]:
        """The parameters by name, as plain JSON."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "stop": list(self.stop),
            "logprobs": self.logprobs,
            "extra": dict(self.extra),
        }


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model. Two equal requests have one answer.

    Parameters
    ----------
    messages : the conversation so far; the model writes the next turn.
    sampling : how its tokens are drawn.
    schema : JSON Schema the answer must follow. ``{"enum": [...]}`` at the root asks for one of
        those labels as bare text.
    index : which of several samples of the same question this is; from 0.
    attrs : the template fields; carried along, not part of the key.
    turn : whose turn the model writes. ``"user"`` is for models on this machine, which then make
        up what a user would say.
    to : which of the run's models answers, by the role its recipe gave it; empty for the run's
        own. Not part of the key, which has the fingerprint of the model that answers.
    purpose : ``"repair"`` for one that asks again with the error; counted, not part of the key.
    answer : a text that is given as the answer. Then nothing is written, and sampling and schema do
        not matter: the completion has the log-probability of each token of this text. Without
        messages it is the text by itself. Only models on this machine can do that.
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

    def payload(self, fingerprint: str) -> dict[str, Any]:
        """All that the answer depends on: what :meth:`key` hashes and ``explain`` compares."""
        scored = self.answer is not None
        said = {"answer": self.answer} if scored else {}
        turn = {} if self.turn == "assistant" else {"turn": self.turn}
        free = self.schema is None or scored
        return {
            "op": "score" if scored else "complete",
            "version": KEY_VERSION,
            "model": fingerprint,
            "messages": [[message.role, message.content] for message in self.messages],
            # as text: the order of its properties, in which a model writes them, changes answers
            "schema": None if free else canonical(self.schema, sort=False).decode(),
            "sampling": {} if scored else self.sampling.payload(),
            "index": self.index,
            **turn,
            **said,
        }

    def key(self, fingerprint: str) -> str:
        """The 32 hex digits under which the answer of the model with that fingerprint is kept."""
        return digest(self.payload(fingerprint))

    @property
    def row_seed(self) -> int:
        """Seed of this row's sampling, from 0 to 2**31 - 1.

        It is made of the asked seed, the messages and the index, and of nothing else: so rows draw
        independently, and the same row draws alike in any batch, and at any temperature.
        """
        parts: list[Any] = [
            self.sampling.seed,
            self.index,
            [[message.role, message.content] for message in self.messages],
        ]
        if self.answer is not None:
            parts.append(self.answer)
        return int(digest(parts)[:8], 16) & 0x7FFFFFFF

    @property
    def most_written(self) -> int:
        """Most tokens that a model writes in answer; 1024 where the request leaves it open."""
        return 0 if self.answer is not None else self.sampling.max_tokens or 1024


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered.

    ``finish`` is ``"stop"``, ``"length"`` (cut at ``max_tokens``), ``"content_filter"``, or
    ``"error"``: then there is no answer, ``error`` says why, ``text`` holds what came instead, and
    nothing is stored. ``tries`` counts the requests it took. ``logprobs`` holds (token, natural
    log-probability) pairs. Of a text that was given to be scored, ``text`` is that text, and all
    tokens are prompt tokens: none was written. The first token of a text without messages has no
    log-probability, unless the model's tokenizer begins every text with a token of its own.
    """

    text: str
    finish: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    logprobs: tuple[tuple[str, float], ...] | None = None
    error: str = ""
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Reject:
    """An answer that is no row: the raw text, and the reason in words.

    ``cells``, ``of`` and ``parent`` are as in a :class:`Row`, where a recipe knows them.
    """

    raw: str
    reason: str
    cells: Mapping[str, Any] = field(default_factory=dict)
    of: tuple[Request, ...] = ()
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row that a recipe made.

    Parameters
    ----------
    cells : its columns.
    of : the requests whose answers it rests on; if none are named, all that its branch of the
        recipe has asked.
    parent : ``id`` of the row that it comes from.
    """

    cells: Mapping[str, Any]
    of: tuple[Request, ...] = ()
    parent: str | None = None


T = TypeVar("T")
Step: TypeAlias = "Sequence[Request] | Sequence[Row | Reject] | Sequence[Steps[Any]]"
Steps: TypeAlias = Generator[Step, Any, T]
"""A recipe at work. What it yields is a list of one of three kinds:

- requests: it receives their completions, in the same order;
- rows and rejects: they are part of the result from then on, whatever comes after;
- further steps: they run side by side, and it receives what they return.
"""


class Model(Protocol):
    """Anything that answers requests: local weights, an endpoint, a pool of either, a stand-in.

    A fingerprint that is a JSON object is explained part by part when a request misses. A model
    may also have a ``budget`` (a :class:`Budget`), which is the default of its runs.
    """

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Text that is equal for two models only if they answer alike."""
        ...

    @property
    def price(self) -> tuple[float, float] | None:
        """US dollars per million (prompt, completion) tokens."""
        ...

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """(position in ``requests``, completion) pairs, each as soon as it is done.

        ``requests`` may grow while this runs, as follow-ups are appended after a pair was taken;
        the iterator ends when all of them are answered. ``None`` is a tick: nothing is done yet,
        the caller may look around and close the iterator, which abandons what is in flight.

        Raises
        ------
        ModelError
            If no request can succeed (a refused key, a model that does not exist).
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a run may spend before it stops with what is done; ``None`` is no limit.

    ``max_cost`` is in US dollars and needs a model with a price.
    """

    max_requests: int | None = None
    max_tokens_total: int | None = None
    max_cost: float | None = None


@runtime_checkable
class Budgeted(Protocol):
    """A model that sends requests more than once, and counts its retries against a budget."""

    @property
    def budget(self) -> Budget:
        """The budget of each of its runs."""
        ...

    def with_budget(self, budget: Budget) -> Model:
        """The same model with another budget."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What a run did and what it cost. Tokens, seconds and cost are those of this run alone.

    ``requests`` counts what was sent, tries again included, and ``answers`` what came of it;
    ``hits`` what the session already held; ``repairs`` the answers that were asked for again with
    the error. ``cost`` is in US dollars, ``None`` where no price is known. ``stopped`` says why a
    run ended early, and is empty where it did not.
    """

    requests: int = 0
    answers: int = 0
    hits: int = 0
    rejects: int = 0
    repairs: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    cost: float | None = None
    stopped: str = ""


def figure(value: float) -> str:
    """A number as it is read: three digits, or whole with spaces between its thousands.

    >>> figure(0.12345), figure(12345.6).replace(chr(0x202F), "_")
    ('0.123', '12_346')
    """
    if abs(value) < 1000:
        return f"{value:.3g}"
    return f"{value:,.0f}".replace(",", "\u202f")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A number that says what a table is worth, with how far it may be off.

    Parameters
    ----------
    name : of the metric.
    value : the number.
    low, high : its interval at ``level``; ``None`` where the metric has none.
    n : how many rows or pairs it rests on.
    unit : of the value, such as ``"0..1"``, ``"nats"`` or ``"tokens"``.
    better : which way is better; empty where neither is.
    how : what it depends on, in words: tokenizer, embedder, n-gram length, seed.
    level : how often intervals made like this hold the true value.
    parts : (n,) what each row brings, where that is known: 0 or 1 of a share, the values of a mean,
        the jackknife's pseudo-values of other numbers. Their mean is the value; with them two
        scores are compared row by row.
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

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return figure(self.value)
        return f"{figure(self.value)} [{figure(self.low)}, {figure(self.high)}]"

    def _repr_html_(self) -> str:
        cells = {"metric": self.name, "value": str(self), "unit": self.unit, "better": self.better}
        return static_table([cells | {"n": self.n}], note=self.how).html


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What one person says of one row, whole: a later mark takes the place of an earlier one.

    Parameters
    ----------
    id : the row's.
    label : ``"accept"``, ``"reject"``, ``"skip"``, or one of the labels of the task; empty where
        the row has no mark (it was undone, or is only flagged).
    reason : why, or a comment.
    by : who.
    at : when, in seconds since 1970 (UTC).
    flag : to be looked at again.
    edit : column -> the text that should stand there.
    task : the question that was asked, where a table is marked for several.
    round : 1, or 2 for a blind second look at a row that was marked before.
    act : ``"mark"``, ``"undo"`` or ``"redo"``: what wrote it. Nothing is ever written over.
    step : the marks that were written together, and are undone together, have one step.
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


def digest(value: Any) -> str:
    """32 hex digits (BLAKE2b, 128 bits) of the canonical JSON of ``value``."""
    return hashlib.blake2b(canonical(value), digest_size=16).hexdigest()


def canonical(value: Any, *, sort: bool = True) -> bytes:
    """The one JSON text of ``value``: sorted keys, no spaces, UTF-8."""
    try:
        text = json.dumps(
            value, sort_keys=sort, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError) as error:
        raise UsageError(f"expected plain JSON in a request, to keep it by: {error}.") from None
    return text.encode("utf-8", "surrogatepass")
