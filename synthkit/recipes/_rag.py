"""RAG: answers generated with the passages nearest to each row (arXiv 2005.11401)."""

from __future__ import annotations

from synthkit.core.errors import check_positive
from synthkit.core.types import Reject, Request, Sampling, Steps
from synthkit.data import tables
from synthkit.data.retrieval import By
from synthkit.prompts import parsing
from synthkit.recipes._arguments import checked_template, column_texts
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Embed, Outcome, Recipe, Table, per_row, recipe
from synthkit.recipes._passages import numbered_passages, texts_by_id, with_nearest


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
    r"""Answers generated with the passages nearest to each row, whose ids are kept.

    This is retrieval-augmented generation (arXiv 2005.11401) with the passages in the prompt; the
    paper trains retriever and generator together, and sums over passages.

    The columns are ``passages``, the ids of the passages shown, and ``answer``.

    Parameters
    ----------
    prompt : uses ``{{ passages }}``, numbered from [1], the nearest first; it may use the columns
        of ``rows``.
    rows : questions, or other texts to find passages for.
    passages : the table to search, such as the chunks of documents.
    query : the column of ``rows`` to search by.
    column : the column of the passages' text.
    k : how many passages to show. A row for which none is found is rejected without a request.
    by, embed : how passages are found, see :meth:`synthkit.data.retrieval.Index.search`; ``"both"``
        if there is an embedder, else ``"bm25"``.

    Raises
    ------
    UsageError
        If ``k`` is below 1, or the rows have a column ``passages``.
    TableError
        If a query or a passage is not a text.
    PromptError
        If the prompt does not use ``{{ passages }}``.

    Examples
    --------
    >>> recipe = rag("{{ passages }}\n\n{{ question }}", rows=[{"question": "Is rye dark?"}],
    ...              passages=[{"id": "p1", "text": "Rye is dark."}])
    >>> recipe.source["passages"].tolist(), str(recipe.requests)
    ([['p1']], '1')
    """
    check_positive(k=k)
    texts = texts_by_id(tables.identified(passages), column)
    source = with_nearest(rows, column_texts(rows, query), texts, k, by, embed)
    template = checked_template(prompt, source, uses=("passages",), later=("passages",))

    def steps(row: parsing.Cells) -> Steps[Outcome]:
        if not row["passages"]:
            return Reject("", "no passage was found for it")
        shown = {"passages": numbered_passages(row["passages"], texts)}
        request = Request(template.render(row | shown), sampling)
        return (yield from ask(request, parsing.text("answer")))

    return per_row(
        steps,
        source,
        name="rag",
        columns=("answer",),
        requests=Bounds(int(all(tables.column(source, "passages"))), 1),
        makes=Bounds(0, 1),
        prompt=prompt,
    )
