"""The budget of a run: what was spent, what is reserved for requests in flight, what is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

from synthkit.core.errors import UsageError
from synthkit.core.types import Budget, Budgeted, Completion, Ledger, Model, Request

Price = tuple[float, float] | None
"""US dollars per million (prompt, completion) tokens; ``None`` where unknown."""


def dollars(price: Price, prompt_tokens: int, completion_tokens: int) -> float | None:
    """The cost of some tokens in US dollars; ``None`` if the price is unknown."""
    if price is None:
        return None
    return (prompt_tokens * price[0] + completion_tokens * price[1]) / 1e6


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
    if budget is not None:
        models = {
            role: model.with_budget(budget) if isinstance(model, Budgeted) else model
            for role, model in models.items()
        }
    unpriced = [model.name for model in models.values() if model.price is None]
    if limits.max_cost is not None and unpriced:
        raise UsageError(
            f"max_cost needs the price of {unpriced[0]}; give load_model(..., price=(prompt, "
            "completion)) in US dollars per million tokens."
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

    def __init__(self, budget: Budget, prices: Iterable[Price], requests_each: int) -> None:
        price_list = list(prices)
        self.budget, self.requests_each = budget, requests_each
        self.highest_price = max((max(price) for price in price_list if price), default=0.0) / 1e6
        self.ledger = Ledger(cost=None if None in price_list else 0.0)
        self._reserved: dict[int, int] = {}  # place of a request in flight -> its most tokens
        self._sent: dict[int, int] = {}  # unfinished branch -> the requests it has sent
        self._expected = 0  # the requests that unfinished branches may still need

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
            left = limits.max_requests - ledger.requests - self.in_flight
            starts_beside_others = branch not in self._sent and self._reserved
            if left < (self._expected + self.requests_each if starts_beside_others else 1):
                return False
        if limits.max_tokens_total is None and limits.max_cost is None:
            return True
        tokens = sum(self._reserved.values()) + most_tokens(request)
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

    def charge(self, place: int, completion: Completion, price: Price) -> None:
        """Replace the reservation of a request by what its completion used."""
        self._reserved.pop(place, None)
        ledger = self.ledger
        cost = dollars(price, completion.prompt_tokens, completion.completion_tokens)
        self.ledger = replace(
            ledger,
            requests=ledger.requests + completion.tries,
            answers=ledger.answers + 1,
            prompt_tokens=ledger.prompt_tokens + completion.prompt_tokens,
            completion_tokens=ledger.completion_tokens + completion.completion_tokens,
            cost=None if ledger.cost is None or cost is None else ledger.cost + cost,
        )

    def branch_ended(self, branch: int) -> None:
        """Release the requests that a branch did not need."""
        sent = self._sent.pop(branch, self.requests_each)
        self._expected -= max(0, self.requests_each - sent)

    def __str__(self) -> str:
        """The limits, as a run's ``stopped`` names them."""
        limits = asdict(self.budget).items()
        return ", ".join(f"{name}={value}" for name, value in limits if value is not None)


def most_tokens(request: Request) -> int:
    """The most tokens that a request can use, prompt and completion.

    No tokenizer makes more tokens of a text than it has bytes; 64 more, and 8 for each turn, cover
    the chat template.
    """
    texts = [*(message.content for message in request.messages), request.answer or ""]
    prompt = sum(len(text.encode("utf-8", "surrogatepass")) + 8 for text in texts)
    return 64 + prompt + request.most_written
