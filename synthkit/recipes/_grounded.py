"""Grounded questions and answers, each with a quote found in the passage (after PAQ)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from synthkit.core.errors import PromptError, check_positive
from synthkit.core.types import Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.data.retrieval import By
from synthkit.prompts import parsing
from synthkit.recipes._arguments import checked_template
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Embed, Outcome, Recipe, Table, per_row, recipe
from synthkit.recipes._passages import numbered_passages, texts_by_id, with_nearest

FORM = (
    "Write at most {pairs} of them as JSON, under the key pairs: each with a question, its answer, "
    "and a quote, the words of the passage that show the answer, copied exactly."
)
_PARTS = ("question", "answer", "quote")
NOT_THERE = "the quote is not in the passage"

# characters that have several forms
_QUOTES = "\"'“”„‟‘’‚‛«»‹›`´"
_DASHES = "-‐‑‒–—−"
_FORMS = {sign: f"[{re.escape(signs)}]" for signs in (_QUOTES, _DASHES) for sign in signs}


@recipe
def grounded(
    prompt: str,
    *,
    rows: Table,
    pairs: int = 3,
    column: str = "text",
    retrieve: int = 0,
    by: By | None = None,
    embed: Embed | None = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    r"""Questions and answers about passages, each with a quote that was found in its passage.

    This follows PAQ (arXiv 2102.07033), which selects an answer in a passage, generates a question
    for it, and drops pairs that a reader of many passages answers differently. Here one request
    generates whole pairs, and instead of the reader there is a quote: each pair must quote the
    words that show its answer. A pair whose quote is not in the passage is a reject, and so is one
    beyond the number that was asked for. White space, case, and the forms of quotation marks and
    dashes may differ.

    The columns are ``question``, ``answer``, ``quote`` as written in the passage, and
    ``quote_start`` and ``quote_end``, in characters; ``parent`` is the passage's id.

    Parameters
    ----------
    prompt : asks for questions about ``{{ passage }}``; it may use the columns of ``rows``. The
        form of the pairs is added below it.
    rows : passages, such as those of :func:`synthkit.data.chunking.chunks`.
    pairs : most pairs of a passage.
    column : the column of the passages' text.
    retrieve : how many of the nearest other passages to show too, as ``{{ passages }}``; their ids
        are the column ``passages``. The quote must be in the passage itself.
    by, embed : how passages are found, see :meth:`synthkit.data.retrieval.Index.search`; ``"both"``
        if there is an embedder, else ``"bm25"``.

    Raises
    ------
    UsageError
        If a number is too low.
    TableError
        If a passage has no text.
    PromptError
        If the prompt does not use ``{{ passage }}``, or ``{{ passages }}`` if they are retrieved.

    Examples
    --------
    >>> recipe = grounded("Ask about this passage:\n{{ passage }}", rows=[{"text": "Rye is dark."}])
    >>> recipe.columns, str(recipe.rows)
    (('question', 'answer', 'quote', 'quote_start', 'quote_end'), '0 to 3')
    """
    check_positive(pairs=pairs)
    source = tables.identified(rows)
    texts = texts_by_id(source, column)
    later = ["passage"]
    if retrieve:
        check_positive(retrieve=retrieve)
        itself = [[position] for position in range(len(texts))]
        queries = list(texts.values())
        source = with_nearest(source, queries, texts, retrieve, by, embed, exclude=itself)
        later.append("passages")
    template = checked_template(prompt, source, uses=("passage",), later=later)
    if retrieve and "passages" not in template.fields:
        raise PromptError("passages are retrieved, and the prompt does not use {{ passages }}.")
    asked, decoder = _schema(pairs), parsing.structured(_schema())

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        shown = {"passages": numbered_passages(row["passages"], texts)} if retrieve else {}
        *before, last = template.render(row | {"passage": row[column]} | shown)
        message = replace(last, content=f"{last.content}\n\n{FORM.format(pairs=pairs)}")
        request = Request((*before, message), sampling, asked)
        parsed = yield from ask(request, decoder, repairs=1)
        if isinstance(parsed, Reject):
            return parsed
        outcomes: list[Row | Reject] = []
        for pair in parsed["pairs"]:
            full = sum(isinstance(each, Row) for each in outcomes) == pairs
            beyond = f"beyond the {pairs} that were asked for"
            outcomes.append(_rejected(pair, beyond) if full else _checked(pair, row[column]))
        return outcomes

    return per_row(
        steps,
        source,
        name="grounded",
        columns=("question", "answer", "quote", "quote_start", "quote_end"),
        requests=Bounds(1, 1),
        makes=Bounds(0, pairs),
        prompt=prompt,
    )


def span(quote: str, passage: str) -> tuple[int, int] | None:
    """The (start, end) of a quote in a passage; ``None`` if it is not there.

    The exact text is searched first, then the text with any white space, case, forms of quotation
    marks and dashes, and without quotation marks around it.

    >>> passage = "She said: “Rye  is dark”."
    >>> span('said: "rye is', passage), span("rye was dark", passage)
    ((4, 18), None)
    """
    if quote.strip():
        start = passage.find(quote.strip())
        if start >= 0:
            return start, start + len(quote.strip())
    words = quote.strip().strip(_QUOTES).split()
    patterns = ("".join(_FORMS.get(sign, re.escape(sign)) for sign in word) for word in words)
    match = re.search(r"\s+".join(patterns), passage, re.IGNORECASE) if words else None
    return match.span() if match else None


def _checked(pair: Mapping[str, str], passage: str) -> Row | Reject:
    """The row of a pair, with the place of its quote; a reject if the pair is not valid."""
    empty = [name for name in _PARTS if not pair[name].strip()]
    if empty:
        return _rejected(pair, f"the {empty[0]} is empty")
    place = span(pair["quote"], passage)
    if place is None:
        return _rejected(pair, NOT_THERE)
    start, end = place
    return Row({**pair, "quote": passage[start:end], "quote_start": start, "quote_end": end})


def _rejected(pair: Mapping[str, str], reason: str) -> Reject:
    return Reject(json.dumps(pair, ensure_ascii=False), reason, cells=pair)


def _schema(pairs: int | None = None) -> dict[str, Any]:
    """What is asked for; without ``pairs`` what can be read, of which some may be rejects."""
    text = {"type": "string"} | ({"minLength": 1} if pairs else {})
    most = {"maxItems": pairs} if pairs else {}
    pair = _object(dict.fromkeys(_PARTS, text))
    return _object({"pairs": {"type": "array", "items": pair, "minItems": 1, **most}})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
