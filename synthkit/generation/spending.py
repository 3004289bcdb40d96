"""The budget of a run: what was spent, what is reserved for requests in flight, what is left."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

from synthkit.core.errors import UsageError
from synthkit.core.formatting import count
from synthkit.core.models import Budget, Budgeted, Ledger, Model, Price
from synthkit.core.types import Completion, Request

BYTES_PER_TOKEN = 3
"""Of an estimate: English has about 4 bytes in a token, most other scripts 2 to 4."""
IMAGE_TOKENS = 1600
"""The most tokens that an image usually takes."""


def dollars(
    price: Price | None, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0
) -> float | None:
    """The cost of some tokens in US dollars; ``None`` if the price is unknown.

    Parameters
    ----------
    cached_tokens : those of the prompt tokens that the server had cached.

    Examples
    --------
    >>> dollars((1.0, 4.0), 500_000, 250_000), dollars((1.0, 4.0, 0.1), 500_000, 0, 500_000)
    (1.5, 0.05)
    """
    if price is None:
        return None
    cached_price = price[2] if len(price) == 3 else price[0]
    prompt = (prompt_tokens - cached_tokens) * price[0] + cached_tokens * cached_price
    return (prompt + completion_tokens * price[1]) / 1e6


def with_estimates(request: Request, completion: Completion) -> Completion:
    """A completion with estimates where its model reported no prompt or no completion tokens.

    >>> from synthkit.core.types import Message
    >>> request = Request((Message("user", "Hi."),))
    >>> with_estimates(request, Completion("word " * 50)).completion_tokens
    84
    """
    if completion.finish == "error":
        return completion
    prompt, completed = completion.prompt_tokens, completion.completion_tokens
    if not prompt:
        texts = [*(message.content for message in request.messages), request.answer or ""]
        prompt = sum(_estimate(text) for text in texts) + 4 * len(request.messages)
        prompt += IMAGE_TOKENS * _images(request)
    if not completed and request.answer is None:
        calls = "".join(f"{call.name} {call.arguments}" for call in completion.tool_calls)
        completed = _estimate(completion.text + completion.reasoning + calls)
    if (prompt, completed) == (completion.prompt_tokens, completion.completion_tokens):
        return completion
    return replace(completion, prompt_tokens=prompt, completion_tokens=completed)


def _estimate(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def _images(request: Request) -> int:
    return sum(len(message.images) for message in request.messages)


def limited(
    models: Mapping[str, Model], budget: Budget | None
) -> tuple[Mapping[str, Model], Budget]:
    """The models with the budget of a run, since their retries count too; and this budget.

    Raises
    ------
    UsageError
        If it limits the cost of a model whose price is unknown.
    """
    limits = budget or getattr(models[""], "budget", None) or Budget()
    models = {
        role: model.with_budget(budget or model.budget) if isinstance(model, Budgeted) else model
        for role, model in models.items()
    }
    unpriced = limits.max_cost is not None and [
        model.name for model in models.values() if model.price is None
    ]
    if unpriced:
        raise UsageError(
            f"max_cost needs the price of {unpriced[0]}, which is not listed; give load_model(..., "
            "price=(prompt, completion)) in US dollars per million tokens, or %synth model ... "
            "--price [0.1,0.4]."
        )
    return models, limits


class Spending:
    """Counts what a run spends, and says whether one more request keeps to its budget.

    Parameters
    ----------
    prices : of the run's models. The ledger has a cost only if all are known.
    requests_each : the most requests of one branch of the recipe, as far as is known. A budget of
        requests starts no more branches side by side than it can finish.
    """

    def __init__(self, budget: Budget, prices: Iterable[Price | None], requests_each: int) -> None:
        price_list = list(prices)
        self.budget, self.requests_each = budget, requests_each
        self.highest_price = max((max(price) for price in price_list if price), default=0.0) / 1e6
        self.ledger = Ledger(cost=None if None in price_list else 0.0)
        self._began = time.perf_counter()
        self._reserved: dict[int, int] = {}  # place of a request in flight -> its most tokens
        self._reserved_tokens = 0
        self._later = 0  # requests that are answered later; their tokens stay reserved
        self._sent: dict[int, int] = {}  # unfinished branch -> the requests it has sent
        self._metered = 0  # requests of models that count what they send themselves
        self._expected = 0  # the requests that unfinished branches may still need

    @property
    def seconds(self) -> float:
        """How long the run takes so far."""
        return time.perf_counter() - self._began

    @property
    def in_flight(self) -> int:
        """How many requests were handed to a model and not answered yet."""
        return len(self._reserved)

    def affords(self, request: Request, branch: int) -> bool:
        """Whether the budget allows one more request if all in flight use all that they may.

        It does not allow the first request of a branch if the branches under way may need what is
        left.
        """
        limits, ledger = self.budget, self.ledger
        if limits.max_requests is not None:
            left = limits.max_requests - ledger.requests - self.in_flight - self._later
            starts_beside_others = branch not in self._sent and self._reserved
            if left < (self._expected + self.requests_each if starts_beside_others else 1):
                return False
        if limits.max_tokens_total is None and limits.max_cost is None:
            return True
        tokens = self._reserved_tokens + most_tokens(request)
        if limits.max_tokens_total is not None:
            spent = ledger.prompt_tokens + ledger.completion_tokens
            if spent + tokens > limits.max_tokens_total:
                return False
        if limits.max_cost is not None:
            return (ledger.cost or 0.0) + tokens * self.highest_price <= limits.max_cost
        return True

    def reserve(self, place: int, request: Request, branch: int) -> None:
        """Reserve what a request may use, as it is handed to a model."""
        sent = self._sent.get(branch, 0)
        self._expected += self.requests_each - 1 if not sent else -(sent < self.requests_each)
        self._sent[branch] = sent + 1
        self._reserved[place] = most_tokens(request)
        self._reserved_tokens += self._reserved[place]

    def charge(self, place: int, request: Request, completion: Completion, model: Model) -> None:
        """Replace the reservation of a request by what its completion used, or by an estimate."""
        self._reserved_tokens -= self._reserved.pop(place, 0)
        ledger, reported = self.ledger, completion
        completion = with_estimates(request, reported)
        if hasattr(model, "sent"):  # an isinstance with a protocol takes 40 us
            self._metered += completion.tries
        cost = dollars(
            model.price,
            completion.prompt_tokens,
            completion.completion_tokens,
            completion.cached_tokens,
        )
        self.ledger = replace(
            ledger,
            requests=ledger.requests + completion.tries,
            answers=ledger.answers + 1,
            estimated=ledger.estimated + (completion is not reported),
            prompt_tokens=ledger.prompt_tokens + completion.prompt_tokens,
            completion_tokens=ledger.completion_tokens + completion.completion_tokens,
            cost=None if ledger.cost is None or cost is None else ledger.cost + cost,
        )

    def set_aside(self, place: int) -> None:
        """Note that a request is answered later; what it may use stays reserved."""
        del self._reserved[place]
        self._later += 1

    def unanswered(self, models: Iterable[Model]) -> int:
        """How many requests these models have sent that were never charged."""
        sent = sum(getattr(model, "sent", 0) for model in models)
        return max(0, sent - self._metered)

    def branch_ended(self, branch: int) -> None:
        """Release the requests that a branch did not need."""
        sent = self._sent.pop(branch, self.requests_each)
        self._expected -= max(0, self.requests_each - sent)

    def __str__(self) -> str:
        """The limits, as a run's ``stopped`` names them."""
        limits = asdict(self.budget).items()
        reached = ", ".join(f"{name}={value}" for name, value in limits if value is not None)
        estimated = self.ledger.estimated
        if estimated and self.budget.max_requests is None:
            reached += f"; the tokens of {count(estimated, 'answer')} are estimated"
        return reached


def most_tokens(request: Request) -> int:
    """The most tokens that a request can use, prompt and completion.

    No tokenizer makes more tokens of a text than it has bytes; 64 more, and 8 for each turn, cover
    the chat template.
    """
    texts = [*(message.content for message in request.messages), request.answer or ""]
    prompt = sum(len(text.encode("utf-8", "surrogatepass")) + 8 for text in texts)
    return 64 + prompt + IMAGE_TOKENS * _images(request) + request.most_written
