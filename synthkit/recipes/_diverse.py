"""Decoding for diversity: temperatures in turn, and tokens that came often made unlikely.

Increasing Diversity While Maintaining Accuracy: Text Data Generation with Large Language Models and
Human Interventions (arXiv 2306.04140).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Completion, Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.recipes._base import Bounds, Recipe, Table, ask_all, per_table, recipe
from synthkit.recipes._rounds import Samples, portions
from synthkit.recipes._zerogen import positive, tried

MADE = ("text", "round", "temperature")
PIECE = "\ufffd"
"""How a token that is a piece of a character is told; many have this one text."""


@recipe
def diverse(
    prompt: str,
    *,
    n: int,
    rounds: int = 4,
    temperatures: Sequence[float] = (0.3, 0.7, 0.9, 1.3),
    strength: float = 7.5,
    top: int = 100,
    rows: Table = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Texts drawn at temperatures in turn, with tokens that came often suppressed.

    Logit suppression is that of arXiv 2306.04140: from the second round on, each of the ``top``
    most frequent tokens has the bias b = max(-strength, -strength * r), where r is its share of
    all tokens so far in percent. The paper compares the temperatures; here each round takes them in
    turn, so that every row and every round has each of them equally often, but for one.

    Pieces of characters, which have no text of their own, are not suppressed.

    Parameters
    ----------
    prompt : asks for a text; it may use the columns of ``rows``.
    n : texts in all; with ``rows``, for each row.
    rounds : equal parts of the texts; the bias is counted anew after each.
    temperatures : text number i has the i-th of them, beginning again after the last; each row
        begins one further than the row before it.
    strength : of the bias, in natural-log units. Above 0 it needs a model on this machine; with 0
        nothing is suppressed, and any model will do.
    rows : a table whose columns are fields, and are kept.

    Raises
    ------
    UsageError
        If an option is out of range, or ``sampling`` has a ``token_bias`` of its own; while it
        runs, if tokens are to be suppressed and the model does not tell them.
    TableError
        If the rows have a column that is made.

    Examples
    --------
    >>> recipe = diverse("Write a review of {{ dish }}.", n=8, rows=[{"dish": "soup"}])
    >>> str(recipe.requests), recipe.columns
    ('8', ('dish', 'text', 'round', 'temperature'))
    """
    for name, least in (("n", n), ("rounds", rounds), ("top", top)):
        positive(name, least)
    if not temperatures:
        raise UsageError("temperatures: expected one or more; got none.")
    told = sampling.logprobs or strength > 0
    drawn = [replace(sampling, temperature=one, logprobs=told) for one in temperatures]
    if not 0 <= strength < float("inf"):
        raise UsageError(f"strength must be 0 or more; got {strength}.")
    if strength and "token_bias" in sampling.extra:
        raise UsageError("diverse makes the token_bias itself; leave it out, or take strength=0.")
    source = [{}] if rows is None else tables.records(rows)
    fields = [] if rows is None else [one for one in tables.columns(rows) if one not in _KEPT]
    taken = [name for name in MADE if name in fields]
    if taken:
        raise TableError(f"diverse makes a column {taken[0]!r}, which the rows have; rename it.")
    template = tried(prompt, source)
    # every row once, then every row again: a row's texts are spread over the rounds
    plan = [
        (row, drawn[(copy + at) % len(drawn)]) for copy in range(n) for at, row in enumerate(source)
    ]

    def steps() -> Steps[None]:
        sample, seen = Samples(), Counter[str]()
        for number, part in enumerate(portions(len(plan), rounds), 1):
            bias = {"token_bias": suppression(seen, strength, top)} if strength else {}
            requests = [
                sample(Request(template.render(row), _biased(how, bias))) for row, how in plan[part]
            ]
            answers = yield from ask_all(requests)
            made: list[Row | Reject] = []
            for (row, how), request, answer in zip(plan[part], requests, answers, strict=True):
                cells = {name: row[name] for name in fields}
                cells |= {"round": number, "temperature": how.temperature}
                parent = row.get("id", row.get("parent"))
                found = parsing.text()(answer)
                if isinstance(found, Reject):
                    made.append(replace(found, cells=cells, of=(request,), parent=parent))
                else:
                    made.append(Row({**cells, **found}, (request,), parent))
            yield made
            if strength:
                seen.update(itertools.chain.from_iterable(map(_tokens, answers)))

    return per_table(
        steps,
        name="diverse",
        columns=(*fields, *MADE),
        requests=Bounds(len(plan), len(plan)),
        rows=Bounds(0, len(plan)),
        like=rows,
        prompt=prompt,
    )


def suppression(seen: Mapping[str, int], strength: float, top: int) -> dict[str, float]:
    """The bias of the ``top`` most frequent tokens, by their texts; of equals, the first by text.

    >>> suppression({"the": 5, "soup": 1, "a": 1, ".": 993}, 7.5, 3)
    {'.': -7.5, 'the': -3.75, 'a': -0.75}
    """
    total = sum(seen.values())
    told = {token: count for token, count in seen.items() if PIECE not in token}
    first = sorted(told, key=lambda token: (-told[token], token))[:top]
    return {token: max(-strength, -strength * 100 * told[token] / total) for token in first}


_KEPT = ("id", "parent")


def _biased(sampling: Sampling, bias: Mapping[str, Any]) -> Sampling:
    return replace(sampling, extra={**sampling.extra, **bias})


def _tokens(completion: Completion) -> list[str]:
    """The tokens of an answer, by their texts."""
    if completion.logprobs is None:
        if completion.text.strip() and completion.finish in ("stop", "length"):
            raise UsageError(
                "the model does not tell its tokens (logprobs), so they cannot be suppressed; "
                "take strength=0."
            )
        return []
    return [token for token, _ in completion.logprobs]
