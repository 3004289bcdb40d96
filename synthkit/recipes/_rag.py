"""Rows that rest on passages: questions with the words that answer them, and retrieval.

PAQ (arXiv 2102.07033) and retrieval-augmented generation (arXiv 2005.11401).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.data.retrieval import By, Index
from synthkit.prompts import parsing
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Embed, Outcome, Recipe, Table, per_row, recipe
from synthkit.recipes._zerogen import positive, tried

FORM = (
    "Write at most {pairs} of them as JSON, under the key pairs: each with a question, its answer, "
    "and a quote, the words of the passage that show the answer, copied exactly."
)
NOT_THERE = "the quote is not in the passage"

# signs that are written in more than one way
_QUOTES = "\"'“”„‟‘’‚‛«»‹›`´"
_DASHES = "-‐‑‒–—−"
_ALIKE = {sign: f"[{re.escape(signs)}]" for signs in (_QUOTES, _DASHES) for sign in signs}


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
    r"""Questions and answers from passages, each with a quote that was found in its passage.

    After PAQ (arXiv 2102.07033), whose steps are to choose an answer in a passage, to ask for it,
    and to drop what a reader of many passages answers otherwise. Here one request gives whole
    pairs, and in place of the reader each must quote the words that show its answer: the quote is
    looked for in the passage, whatever its white space, case, quotation marks and dashes, and a
    pair whose quote is not there is a reject.

    The columns are ``question``, ``answer``, ``quote`` as the passage has it, and ``quote_start``
    and ``quote_end``, in characters of the passage; ``parent`` is the passage's id.

    Parameters
    ----------
    prompt : asks for questions about ``{{ passage }}``; it may use the columns of ``rows``. How
        pairs are written is said after it.
    rows : passages, such as those of :func:`synthkit.data.chunking.chunks`.
    pairs : most pairs of a passage.
    column : of the passages' text.
    retrieve : how many of the nearest other passages to show too, as ``{{ passages }}``; their ids
        are the column ``passages``. The quote is from the passage itself.
    by, embed : how they are found, see :meth:`synthkit.data.retrieval.Index.search`; ``"both"`` where
        there is an embedder, else ``"bm25"``.

    Raises
    ------
    UsageError
        If a number is too low, a passage has no text, or the prompt lacks what it must use.

    Examples
    --------
    >>> recipe = grounded("Ask about this passage:\n{{ passage }}", rows=[{"text": "Rye is dark."}])
    >>> recipe.columns, str(recipe.rows)
    (('question', 'answer', 'quote', 'quote_start', 'quote_end'), '0 to 3')
    """
    positive("pairs", pairs)
    source = tables.identified(rows)
    held = _held(source, column)
    later = ["passage"]
    if retrieve:
        positive("retrieve", retrieve)
        own = [[position] for position in range(len(held))]
        texts = list(held.values())
        source = _with_passages(source, _nearest(texts, held, retrieve, by, embed, exclude=own))
        later.append("passages")
    template = tried(prompt, source, uses=("passage",), later=later)
    if retrieve and "passages" not in template.fields:
        raise PromptError("passages are retrieved, and the prompt does not use {{ passages }}.")
    decoder = parsing.structured(_schema(pairs))

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        shown = {"passages": _shown(row["passages"], held)} if retrieve else {}
        *before, last = template.render(row | {"passage": row[column]} | shown)
        whole = replace(last, content=f"{last.content}\n\n{FORM.format(pairs=pairs)}")
        request = Request((*before, whole), sampling, decoder.schema)
        found = yield from ask(request, decoder, repairs=1)
        if isinstance(found, Reject):
            return found
        return [_checked(pair, row[column]) for pair in found["pairs"]]

    return per_row(
        steps,
        source,
        name="grounded",
        columns=("question", "answer", "quote", "quote_start", "quote_end"),
        requests=Bounds(1, 1),
        makes=Bounds(0, pairs),
        prompt=prompt,
    )


@recipe
def rag(
    prompt: str,
    *,
    rows: Table,
    passages: Table,
    query: str = "question",
    column: str = "text",
    k: int = 3,
    by: By | None = None,
    embed: Embed | None = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    r"""Answers that are written with the passages nearest to each row, whose ids are kept.

    This is retrieval-augmented generation (arXiv 2005.11401) with the passages in the prompt; the
    paper trains the retriever along with the generator, and sums over passages.

    The columns are ``passages``, the ids of those shown, and ``answer``.

    Parameters
    ----------
    prompt : uses ``{{ passages }}``, numbered from [1], the nearest first; it may use the columns
        of ``rows``.
    rows : questions, or anything else to find passages for.
    passages : what is searched, such as the chunks of documents.
    query : the column of ``rows`` to search by.
    column : the column of the passages' text.
    k : how many are shown. A row for which none is found is a reject, and not asked.
    by, embed : how they are found, see :meth:`synthkit.data.retrieval.Index.search`; ``"both"`` where
        there is an embedder, else ``"bm25"``.

    Raises
    ------
    UsageError
        If ``k`` is below 1, a query or a passage is no text, or the prompt uses no passages.

    Examples
    --------
    >>> recipe = rag("{{ passages }}\n\n{{ question }}", rows=[{"question": "Is rye dark?"}],
    ...              passages=[{"id": "p1", "text": "Rye is dark."}])
    >>> recipe.source["passages"].tolist(), str(recipe.requests)
    ([['p1']], '1')
    """
    positive("k", k)
    held = _held(tables.identified(passages), column)
    source = _with_passages(rows, _nearest(_texts(rows, query), held, k, by, embed))
    template = tried(prompt, source, uses=("passages",), later=("passages",))

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        if not row["passages"]:
            return Reject("", "no passage was found for it")
        turns = template.render(row | {"passages": _shown(row["passages"], held)})
        outcome = yield from ask(Request(turns, sampling), parsing.text("answer"))
        return outcome

    return per_row(
        steps,
        source,
        name="rag",
        columns=("answer",),
        requests=Bounds(int(all(tables.column(source, "passages"))), 1),
        makes=Bounds(0, 1),
        prompt=prompt,
    )


def span(quote: str, passage: str) -> tuple[int, int] | None:
    """The (start, end) of a quote in a passage; ``None`` if it is not there.

    It is looked for as it is, and then whatever the white space, the case, the kinds of quotation
    marks and dashes, and the quotation marks around it.

    >>> passage = "She said: “Rye  is dark”."
    >>> span('said: "rye is', passage), span("rye was dark", passage)
    ((4, 18), None)
    """
    if quote.strip():
        start = passage.find(quote.strip())
        if start >= 0:
            return start, start + len(quote.strip())
    words = quote.strip().strip(_QUOTES).split()
    spelt = ("".join(_ALIKE.get(sign, re.escape(sign)) for sign in word) for word in words)
    found = re.search(r"\s+".join(spelt), passage, re.IGNORECASE) if words else None
    return found.span() if found else None


def _checked(pair: Mapping[str, str], passage: str) -> Row | Reject:
    """A pair as a row with the place of its quote, or the reason why it is none."""
    place = span(pair["quote"], passage)
    if place is None:
        return Reject(json.dumps(pair, ensure_ascii=False), NOT_THERE, cells=pair)
    empty = [name for name in ("question", "answer") if not pair[name].strip()]
    if empty:
        return Reject(json.dumps(pair, ensure_ascii=False), f"the {empty[0]} is empty", cells=pair)
    start, end = place
    return Row({**pair, "quote": passage[start:end], "quote_start": start, "quote_end": end})


def _schema(pairs: int) -> dict[str, Any]:
    names = ("question", "answer", "quote")
    pair = {
        "type": "object",
        "properties": {name: {"type": "string", "minLength": 1} for name in names},
        "required": list(names),
        "additionalProperties": False,
    }
    several = {"type": "array", "items": pair, "minItems": 1, "maxItems": pairs}
    return {
        "type": "object",
        "properties": {"pairs": several},
        "required": ["pairs"],
        "additionalProperties": False,
    }


def _texts(rows: Any, column: str) -> list[str]:
    """The texts of a column, none of which is blank."""
    texts = tables.column(rows, column)
    for position, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise TableError(
                f"column {column!r} must hold a text in each row; in row {position} it is "
                f"{text!r:.80}. Drop such rows."
            )
    return texts


def _held(passages: Any, column: str) -> dict[Any, str]:
    """Id -> text."""
    return dict(zip(tables.column(passages, "id"), _texts(passages, column), strict=True))


def _nearest(
    queries: Sequence[str],
    held: Mapping[Any, str],
    k: int,
    by: By | None,
    embed: Embed | None,
    *,
    exclude: Sequence[Sequence[int]] | None = None,
) -> list[list[Any]]:
    """The ids of the ``k`` passages nearest to each query."""
    how: By = by or ("both" if embed else "bm25")
    found, _ = Index(list(held.values()), embed).search(queries, k, by=how, exclude=exclude)
    ids = list(held)
    return [[ids[position] for position in positions] for positions in found]


def _with_passages(rows: Any, ids: Sequence[Sequence[Any]]) -> Any:
    if "passages" in tables.columns(rows):
        raise UsageError("the rows have a column 'passages' already, which is made; rename it.")
    return tables.assign(rows, {"passages": ids})


def _shown(ids: Sequence[Any], held: Mapping[Any, str]) -> str:
    """Passages as a prompt has them: each with its number, and a blank line between them."""
    return "\n\n".join(f"[{number}] {held[id]}" for number, id in enumerate(ids, 1))
