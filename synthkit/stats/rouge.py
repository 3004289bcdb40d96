"""ROUGE-L of two texts, and of a text with the nearest one in a pool.

C.-Y. Lin (2004), ROUGE: a package for automatic evaluation of summaries, section 3, for two single
sequences and with beta = 1. For two sequences of tokens this is the normalized Indel similarity,
2 LCS / (|a| + |b|), which rapidfuzz implements in C++.
"""

from __future__ import annotations

from collections.abc import Iterable

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.stats.words import splitter

WHY = "to compare texts by ROUGE-L"


def rouge_l(a: str, b: str) -> float:
    """The ROUGE-L F1 of two texts, 0..1; 0 if one has no token.

    Examples
    --------
    >>> round(rouge_l("police killed the gunman", "police kill the gunman"), 2)
    0.75
    """
    return Pool([a]).max_rouge(b)[0]


class Pool:
    """A pool of texts, in which the nearest to another text is found by ROUGE-L.

    Parameters
    ----------
    texts : the texts in the pool at first.

    Examples
    --------
    >>> pool = Pool(["Name three kinds of soup.", "Write a poem about rain."])
    >>> pool.max_rouge("Name five kinds of soup!")
    (0.8, 0)
    >>> pool.max_rouge("Name five kinds of soup!", above=0.8)
    (0.0, None)
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        need("rapidfuzz", extra="curate", why=WHY)
        self._split = splitter("tokens")
        self._codes: dict[str, str] = {}
        self._encoded: list[str] = []  # one character for each token, as rapidfuzz takes them
        for text in texts:
            self.add(text)

    def __len__(self) -> int:
        return len(self._encoded)

    def add(self, text: str) -> None:
        """Add a text; its position is the previous number of texts.

        Raises
        ------
        UsageError
            If the pool then has more than 1,114,111 different words.
        """
        for token in self._split(text):
            if token not in self._codes:
                self._codes[token] = _character(len(self._codes) + 1)
        self._encoded.append(self._encode(text))

    def max_rouge(self, text: str, *, above: float = 0.0) -> tuple[float, int | None]:
        """The largest ROUGE-L F1 of ``text`` with a text of the pool, 0..1, and its position.

        Of equal scores the first text is returned. If no score is above ``above``, the result is
        ``(0.0, None)``, which is found faster.
        """
        process = need("rapidfuzz.process", extra="curate", why=WHY)
        distance = need("rapidfuzz.distance", extra="curate", why=WHY)
        query = self._encode(text)
        similarity = distance.Indel.normalized_similarity
        nearest = process.extractOne(query, self._encoded, scorer=similarity, score_cutoff=above)
        if not query or nearest is None:
            return 0.0, None
        _, _, position = nearest
        match = self._encoded[position]
        # from integers, so that 14/20 is exactly 0.7
        score = 2 * distance.LCSseq.similarity(query, match) / (len(query) + len(match))
        return (score, position) if score > above else (0.0, None)

    def _encode(self, text: str) -> str:
        """A character for each token; ``\\0`` for all tokens that are not in the pool."""
        return "".join(self._codes.get(token, "\0") for token in self._split(text))


def _character(code: int) -> str:
    try:
        return chr(code)
    except ValueError:
        raise UsageError(
            "a pool can have at most 1,114,111 different words; use two pools."
        ) from None
