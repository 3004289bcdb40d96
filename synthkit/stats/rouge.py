"""ROUGE-L: how much of two texts is the same words in the same order, and of a text and a pool.

C.-Y. Lin (2004), ROUGE: a package for automatic evaluation of summaries, section 3, of two single
sequences and with beta = 1. Of two sequences of tokens it is the likeness by insertions and
deletions, 2 LCS / (|a| + |b|), which rapidfuzz has in C++.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from synthkit.core.errors import UsageError
from synthkit.core.extras import need

WHY = "to compare texts by ROUGE-L"
UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Ranges of kana and Han, which are written without spaces, for a class in a regular expression."""
_TOKEN = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")


def tokens(text: str) -> list[str]:
    """The words and numbers of a text, casefolded.

    On ASCII these are the tokens of the package rouge-score without its stemmer, which is what
    Self-Instruct uses. That tokenizer drops all other letters; here a letter of any script counts,
    after NFC, and each character of Chinese or Japanese is a token, since no space parts them.

    >>> tokens("Don't STOP: 3 Crêpes_à_la 東京!")
    ['don', 't', 'stop', '3', 'crêpes', 'à', 'la', '東', '京']
    """
    return _TOKEN.findall(unicodedata.normalize("NFC", text).casefold())


def rouge_l(a: str, b: str) -> float:
    """The ROUGE-L F1 of two texts, 0..1; 0 where one has no token.

    Examples
    --------
    >>> round(rouge_l("police killed the gunman", "police kill the gunman"), 2)
    0.75
    """
    pool = Pool([a])
    return pool.max_rouge(b)[0]


class Pool:
    """Texts, among which the nearest to another is found by ROUGE-L.

    Parameters
    ----------
    texts : what is in it at first.

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
        self._codes: dict[str, str] = {}
        self._held: list[str] = []  # one character for each token: rapidfuzz reads them as they are
        for text in texts:
            self.add(text)

    def __len__(self) -> int:
        return len(self._held)

    def add(self, text: str) -> None:
        """Put one more text in; its position is how many there were.

        Raises
        ------
        UsageError
            If the pool then has more than 1,114,111 different words.
        """
        for token in tokens(text):
            if token not in self._codes:
                self._codes[token] = _character(len(self._codes) + 1)
        self._held.append(self._coded(text))

    def max_rouge(self, text: str, *, above: float = 0.0) -> tuple[float, int | None]:
        """The largest ROUGE-L F1 of ``text`` and a text of the pool, 0..1, and that one's position.

        Of several as near it is the first. Where no score is above ``above`` it is
        ``(0.0, None)``; that is found sooner.
        """
        process = need("rapidfuzz.process", extra="curate", why=WHY)
        distance = need("rapidfuzz.distance", extra="curate", why=WHY)
        asked = self._coded(text)
        likeness = distance.Indel.normalized_similarity
        found = process.extractOne(asked, self._held, scorer=likeness, score_cutoff=above)
        if not asked or found is None:
            return 0.0, None
        _, _, position = found
        held = self._held[position]
        # from whole numbers, so that 14/20 is 0.7 and not above it
        score = 2 * distance.LCSseq.similarity(asked, held) / (len(asked) + len(held))
        return (score, position) if score > above else (0.0, None)

    def _coded(self, text: str) -> str:
        """A character for each token; all that the pool lacks have one that stands for no word."""
        return "".join(self._codes.get(token, "\0") for token in tokens(text))


def _character(code: int) -> str:
    try:
        return chr(code)
    except ValueError:
        raise UsageError(
            "a pool holds at most 1,114,111 different words; part it in two."
        ) from None
