"""Retrieval: the texts nearest to a query, by words (BM25), by embedding, or by both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, get_args

from synthkit.core.errors import UsageError, check_known, check_positive
from synthkit.core.extras import need
from synthkit.stats.words import tokens

By = Literal["bm25", "embedding", "both"]
Embed = Callable[[Sequence[str]], Any]
"""Texts -> (n, d) array with L2-normalised rows."""
Hits = tuple[list[list[int]], list[list[float]]]
"""Positions and scores of the texts found, for each query."""
FUSION = 60
"""The constant of reciprocal rank fusion, as in its paper."""


class Index:
    """A search index of texts.

    Parameters
    ----------
    texts : the texts to search; results are their positions.
    embed : texts -> (n, d) array with L2-normalised rows; needed by ``"embedding"`` and ``"both"``.

    Notes
    -----
    BM25 is that of Lucene with k1 = 1.5 and b = 0.75, from the package ``bm25s`` (Lù 2024, arXiv
    2407.03618). Words are those of :func:`synthkit.stats.words.tokens`, without stemming or stop
    words.

    Examples
    --------
    >>> Index(["a cat", "a dog and a cat", "a bird"]).search(["cat", "fish"], 2)[0]
    [[0, 1], []]
    """

    def __init__(self, texts: Sequence[str], embed: Embed | None = None) -> None:
        self.texts, self.embed = list(texts), embed
        self._bm25: Any = None
        self._vectors: Any = None

    def search(
        self,
        queries: Sequence[str],
        k: int,
        *,
        by: By = "bm25",
        exclude: Sequence[Collection[int]] | None = None,
    ) -> Hits:
        """The positions of the ``k`` best texts for each query, best first, and their scores.

        Texts with equal scores keep their order. There are fewer than ``k`` if there are fewer
        texts, or, by ``"bm25"``, if fewer share a word with the query.

        Parameters
        ----------
        by : ``"bm25"``, with scores above 0; ``"embedding"``, the scalar product, -1..1;
            ``"both"``, reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): the sum over
            both rankings of 1 / (60 + rank), with ranks from 1.
        exclude : for each query, positions to leave out.

        Raises
        ------
        UsageError
            If ``k`` is below 1, ``by`` is unknown, or the index lacks the ``embed`` that it needs.
        """
        check_positive(k=k)
        check_known("by", str(by), get_args(By))
        if by != "bm25" and self.embed is None:
            raise UsageError(f'by="{by}" needs embed=, such as load_embedder("wordllama").embed.')
        if not self.texts or not queries:
            return [[] for _ in queries], [[] for _ in queries]
        query_vectors = None if by == "bm25" else self._embedded(queries)
        hits: Hits = ([], [])
        for at, query in enumerate(queries):
            rankings = [] if by == "embedding" else [self._bm25_scores(query)]
            if query_vectors is not None:
                rankings.append(self._similarities(query_vectors[at]))
            positions, scores = _best(rankings, k, exclude[at] if exclude else ())
            hits[0].append(positions)
            hits[1].append(scores)
        return hits

    def _bm25_scores(self, query: str) -> Any:
        """(n,) BM25 scores; minus infinity for texts that share no word."""
        np = need("numpy", extra="documents", why="to search texts")
        words = tokens(query)
        if self._bm25 is None:
            bm25s = need("bm25s", extra="documents", why="to search texts by their words")
            self._bm25 = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
            corpus = [tokens(text) for text in self.texts]
            if not any(corpus):  # bm25s fails without any word; this one is in no query
                corpus = [["\0"] for _ in corpus]
            self._bm25.index(corpus, show_progress=False)
        scores = self._bm25.get_scores(words) if words else np.zeros(len(self.texts))
        return np.where(scores > 0, scores, -np.inf)

    def _similarities(self, vector: Any) -> Any:
        """(n,) scalar products."""
        if self._vectors is None:
            self._vectors = self._embedded(self.texts)
        return self._vectors @ vector

    def _embedded(self, texts: Sequence[str]) -> Any:
        np = need("numpy", extra="documents", why="to search texts")
        assert self.embed is not None
        vectors = np.asarray(self.embed(texts))
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise UsageError(
                f"embed must give one vector for each of {len(texts)} texts; got {vectors.shape}."
            )
        return vectors


def _best(
    rankings: Sequence[Any], k: int, exclude: Collection[int]
) -> tuple[list[int], list[float]]:
    """The best positions and their scores, from one ranking or the fusion of several."""
    np = need("numpy", extra="documents", why="to search texts")
    scores = rankings[0]
    if len(rankings) > 1:
        scores = np.zeros(len(rankings[0]))
        for ranking in rankings:
            order = _order(ranking, exclude)
            scores[order] += 1 / (FUSION + 1 + np.arange(len(order)))
        scores[scores == 0] = -np.inf
    order = _order(scores, exclude)[:k]
    return order.tolist(), scores[order].tolist()


def _order(scores: Any, exclude: Collection[int]) -> Any:
    """Positions from the highest score to the lowest, without excluded ones and -infinity."""
    np = need("numpy", extra="documents", why="to search texts")
    scores = np.array(scores)
    scores[list(exclude)] = -np.inf
    order = np.argsort(-scores, kind="stable")
    return order[: int((scores > -np.inf).sum())]
