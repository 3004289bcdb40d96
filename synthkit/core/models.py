"""What a model is, what it is doing, and what a run may spend and has spent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from synthkit.core.errors import UsageError, check_numbers
from synthkit.core.types import Completion, Request

Price: TypeAlias = tuple[float, float] | tuple[float, float, float]
"""US dollars per million (prompt, completion) tokens, and per million cached prompt tokens where
they cost something else."""


def check_price(price: Any) -> None:
    """Raise a :class:`UsageError` for what is no :data:`Price`; ``None`` is not known."""
    try:
        fits = price is None or (len(price) in (2, 3) and min(price) >= 0)
    except TypeError:
        fits = False
    if not fits:
        raise UsageError(
            "price must be (prompt, completion) or (prompt, completion, cached prompt), in US "
            f"dollars per million tokens, in a line --price [0.1,0.4]; got {price!r}."
        )


@dataclass(frozen=True, slots=True)
class Activity:
    """What a model is doing, for the people who wait for it.

    Parameters
    ----------
    text : what it does before it generates, or waits for, such as ``"loading smollm2 bf16"``; empty
        while it generates.
    rows, tokens : the completions under way, and the tokens that they have so far, if it knows.
    nodes : a line for each node of a cluster that generates.
    """

    text: str = ""
    rows: int = 0
    tokens: int = 0
    nodes: tuple[str, ...] = ()

    @staticmethod
    def together(parts: Collection[Activity]) -> Activity:
        """What several models are doing.

        >>> Activity.together([Activity("loading a"), Activity("", 2, 7)])
        Activity(text='loading a', rows=2, tokens=7, nodes=())
        """
        return Activity(
            "; ".join(part.text for part in parts if part.text),
            sum(part.rows for part in parts),
            sum(part.tokens for part in parts),
            tuple(line for part in parts for line in part.nodes),
        )


class Model(Protocol):
    """A model that completes requests: local weights, an endpoint, a pool, a replay or a fake.

    If the fingerprint is a JSON object, a replay that lacks a request names the parts that differ.
    A model may also have a ``budget`` (a :class:`Budget`), the default of its runs, and
    ``reasoning_markers``, where reasoning starts and ends in its texts (see
    :func:`synthkit.core.answers.separated`), and an ``activity`` (an :class:`Activity`), which is
    read at each tick. One that sends requests elsewhere has a ``concurrency``, the most that it has
    in flight; it is never handed more, and gives ``None`` as soon as nothing more has arrived. One
    that is asked by a batch API gives completions with ``finish="later"`` for the requests whose
    answers a later run will have.
    """

    @property
    def name(self) -> str:
        """Its name in outputs."""

    @property
    def fingerprint(self) -> str:
        """A text that is equal for two models only if their completions are the same."""

    @property
    def price(self) -> Price | None:
        """The price of its tokens; ``None`` if it is not known."""

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """(position in ``requests``, completion) pairs, each as soon as it is finished.

        The caller may append to ``requests`` between two pairs; the iterator ends when all are
        completed. ``None`` is a tick: nothing is finished yet, and the caller may do other work or
        close the iterator, which abandons pending requests.

        Raises
        ------
        ModelError
            If no request can succeed (an invalid key, a model that does not exist).
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of a run, which keeps its finished rows when it reaches one; ``None`` is no limit.

    ``max_cost`` is in US dollars and needs a model with a price.
    """

    max_requests: int | None = None
    max_tokens_total: int | None = None
    max_cost: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            limit = getattr(self, name)
            check_numbers(**{name: limit})
            if limit is not None and limit < 0:
                raise UsageError(f"{name} must be at least 0; got {limit}.")


@runtime_checkable
class Budgeted(Protocol):
    """A model that sends requests more than once, and counts its retries against a budget."""

    @property
    def budget(self) -> Budget:
        """The budget of each of its runs."""

    @property
    def sent(self) -> int:
        """How many requests it has sent since ``with_budget``, with every further try."""

    def with_budget(self, budget: Budget) -> Model:
        """The same model for one run with this budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The counts and the cost of a run. Tokens, seconds and cost exclude cached completions.

    ``requests`` counts requests sent, including retries, and ``answers`` their completions;
    ``hits`` counts cached completions, and ``repairs`` repair requests. ``truncated`` counts the
    completions, cached ones too, that were cut at ``max_tokens``. ``estimated`` counts the answers
    whose tokens are estimates, since the model reported none. ``cost`` is in US dollars,
    ``None`` if no price is known. ``stopped`` is the reason why a run ended early, otherwise empty.
    """

    requests: int = 0
    answers: int = 0
    hits: int = 0
    rejects: int = 0
    repairs: int = 0
    truncated: int = 0
    estimated: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    cost: float | None = None
    stopped: str = ""
