"""Diverse decoding: alternating temperatures, frequent tokens suppressed (arXiv 2306.04140)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from synthkit.core.errors import UsageError, check_positive
from synthkit.core.types import Completion, Request, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.recipes._arguments import checked_template, kept_columns, parent_id
from synthkit.recipes._ask import portions, with_origin
from synthkit.recipes._base import Bounds, Recipe, Samples, Table, ask_all, per_table, recipe

ADDED = ("text", "round", "temperature")
PIECE = "\ufffd"
"""In the text of tokens that are pieces of a character; many such tokens have the same text."""


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
    """Texts drawn at alternating temperatures, with frequent tokens suppressed.

    Logit suppression is that of arXiv 2306.04140: from the second round on, each of the ``top``
    most frequent tokens has the bias b = max(-strength, -strength * r), where r is its percentage
    of all tokens so far. The paper compares temperatures; here they alternate, so every row and
    every round has each of them equally often, up to one text.

    Tokens that are pieces of characters have no text of their own and are not suppressed.

    Parameters
    ----------
    prompt : asks for a text; it may use the columns of ``rows``.
    n : how many texts; with ``rows``, how many for each row.
    rounds : equal parts of the texts; the bias is computed again after each.
    temperatures : text number i has the i-th temperature, modulo their number; each row starts one
        further than the row before it.
    strength : of the bias, in natural-log units. Above 0 it needs a model on this machine; with 0
        nothing is suppressed, and any model works.
    rows : a table whose columns are fields, and are kept.

    Raises
    ------
    UsageError
        If an option is out of range, or ``sampling`` has a ``token_bias`` of its own; during the
        run, if tokens are to be suppressed and the model does not return them.
    TableError
        If the rows have a column that the recipe makes.

    Examples
    --------
    >>> recipe = diverse("Write a review of {{ dish }}.", n=8, rows=[{"dish": "soup"}])
    >>> str(recipe.requests), recipe.columns
    ('8', ('dish', 'text', 'round', 'temperature'))
    """
    check_positive(n=n, rounds=rounds, top=top)
    samplings = _samplings(sampling, temperatures, strength)
    source = [{}] if rows is None else tables.records(rows)
    fields = kept_columns("diverse", rows, ADDED)
    template = checked_template(prompt, source)
    # every row once, then every row again: the texts of a row are spread over the rounds
    plan = [
        (row, samplings[(copy + at) % len(samplings)])
        for copy in range(n)
        for at, row in enumerate(source)
    ]

    def steps() -> Steps[None]:
        sample, counts = Samples(), Counter[str]()
        for number, part in enumerate(portions(len(plan), rounds), 1):
            bias = {"token_bias": suppression(counts, strength, top)} if strength else {}
            requests = [
                sample(Request(template.render(row), replace(drawn, extra={**drawn.extra, **bias})))
                for row, drawn in plan[part]
            ]
            completions = yield from ask_all(requests)
            outcomes = []
            for (row, drawn), of, completion in zip(plan[part], requests, completions, strict=True):
                cells = {name: row[name] for name in fields}
                cells |= {"round": number, "temperature": drawn.temperature}
                parsed = parsing.text()(completion)
                outcomes.append(with_origin(parsed, (of,), cells, parent_id(row)))
            yield outcomes
            if strength:
                counts.update(itertools.chain.from_iterable(map(_tokens, completions)))

    return per_table(
        steps,
        name="diverse",
        columns=(*fields, *ADDED),
        requests=Bounds(len(plan), len(plan)),
        rows=Bounds(0, len(plan)),
        like=rows,
        prompt=prompt,
    )


def _samplings(
    sampling: Sampling, temperatures: Sequence[float], strength: float
) -> list[Sampling]:
    """The sampling at each temperature, which returns tokens where they are to be suppressed."""
    if not temperatures:
        raise UsageError("temperatures: expected one or more; got none.")
    logprobs = sampling.logprobs or strength > 0
    samplings = [replace(sampling, temperature=each, logprobs=logprobs) for each in temperatures]
    if not 0 <= strength < float("inf"):
        raise UsageError(f"strength must be 0 or more; got {strength}.")
    if strength and "token_bias" in sampling.extra:
        raise UsageError("diverse sets token_bias itself; leave it out, or use strength=0.")
    return samplings


def suppression(counts: Mapping[str, int], strength: float, top: int) -> dict[str, float]:
    """Token -> bias, for the ``top`` most frequent tokens; ties are broken by the token's text.

    >>> suppression({"the": 5, "soup": 1, "a": 1, ".": 993}, 7.5, 3)
    {'.': -7.5, 'the': -3.75, 'a': -0.75}
    """
    total = sum(counts.values())
    whole = {token: count for token, count in counts.items() if PIECE not in token}
    frequent = sorted(whole, key=lambda token: (-whole[token], token))[:top]
    return {token: max(-strength, -strength * 100 * whole[token] / total) for token in frequent}


def _tokens(completion: Completion) -> list[str]:
    """The texts of the tokens of a completion."""
    if completion.logprobs is None:
        if completion.text.strip() and completion.finish in ("stop", "length"):
            raise UsageError(
                "the model does not return its tokens (logprobs), so they cannot be suppressed; "
                "use strength=0."
            )
        return []
    return [token for token, _ in completion.logprobs]
