"""Prices of hosted models, from the table of the package ``genai-prices``."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from synthkit.core.models import Price


@cache
def listed_price(base_url: str, model: str, *, batch: bool = False) -> Price | None:
    """US dollars per million (prompt, completion, cached prompt) tokens today.

    ``None`` if the address or the model is not in the table. A model whose price depends on the
    length of the prompt has that of the shortest prompts. Tokens of reasoning are completion
    tokens, and priced as such.

    Parameters
    ----------
    batch : the price in a batch; that of a direct request if the table has no other.
    """
    host = urlsplit(base_url).hostname or ""
    if "." not in host or host.replace(".", "").isdigit():  # a server of your own
        return None
    from genai_prices import Usage, calc_price  # takes 0.2 s, so not for servers of your own

    try:
        found = calc_price(
            Usage(input_tokens=1),
            model,
            provider_api_url=base_url,
            price_context={"processing": "batch"} if batch else None,
        )
    except (LookupError, ValueError):
        return None
    price = found.model_price
    prompt, completion = _dollars(price.input_mtok), _dollars(price.output_mtok)
    if prompt is None or completion is None:
        return None
    cached = _dollars(price.cache_read_mtok)
    return prompt, completion, prompt if cached is None else cached


def batch_price(base_url: str, model: str, price: Price | None) -> Price | None:
    """The price of a model's tokens in a batch: as listed, or half of ``price``.

    All providers that have batches promise half the price of direct requests.

    >>> batch_price("http://localhost/v1", "m", (2.0, 8.0))
    (1.0, 4.0, 1.0)
    """
    if price is None:
        return None
    listed = listed_price(base_url, model)
    special = listed_price(base_url, model, batch=True)
    if listed == price and special != listed:
        return special
    return price[0] / 2, price[1] / 2, price[-1] / 2 if len(price) == 3 else price[0] / 2


def _dollars(price: Any) -> float | None:
    """A price, or the lowest step of one that depends on the length of the prompt."""
    base = getattr(price, "base", price)
    return None if base is None else float(base)
