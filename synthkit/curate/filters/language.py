"""The language of a text, and a filter by language.

Languages are identified by py3langid 0.4, which needs no download: naive Bayes on byte n-grams for
97 languages (M. Lui and T. Baldwin, langid.py: an off-the-shelf language identification tool, ACL
2012). Its probabilities grow with the length of the text.

On 5,000 sentences of up to 80 characters in 25 languages (200 each, from the test set of Lingua)
its accuracy was 97.1%. At a probability of 80% or more it decided 80% of them, and was wrong for
0.2% of all. The alternatives: fastText lid.176.ftz 96.3% (but its license is CC BY-SA and the
package downloads the model), Lingua 96.9% (94 MB, 20 times slower, 1.2 GB of memory), langdetect
96.3% (20 times slower, no release since 2021, overconfident: 2.2% wrong at 80%), ELD 94.2%.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from synthkit.core.errors import UsageError, check_known
from synthkit.core.extras import need
from synthkit.curate.filters.base import Filter, text_filter, texts
from synthkit.curate.filters.ranges import check_share
from synthkit.curate.filters.registry import filter_option, listed
from synthkit.data import tables

MAX_CHARS = 2_000
"""Characters of a text that are read; more do not change the result."""
MIN_PROBABILITY = 0.4
"""If the likeliest language has a smaller probability, the text is too short to decide."""


def language(
    *codes: str, column: str = "text", least: float = 0.9, undecided: str = "keep"
) -> Filter:
    """Keep texts in the given languages, and drop texts that are surely in another one.

    Let p be the probability of the given languages together, and q that of the likeliest other
    language. A text is in the other language if q / (p + q) >= ``least`` and q >= 0.4. Texts that
    are too short to decide (a name, "ok", emoji) are undecided, and kept by default.
    :func:`identify_languages` shows the language of each text.

    ``language("en")`` drops 96.9% of short sentences in 24 other languages and 72% of pairs of
    words in them; it drops none of 1,000 Yelp sentences and none of 1,000 SMS.

    Parameters
    ----------
    codes : ISO 639-1, such as ``"en"``.
    least : 0.5..1, the probability from which on a text counts as being in another language.
    undecided : ``"keep"`` or ``"drop"`` texts that are surely neither in one of the given languages
        nor in another.

    Raises
    ------
    UsageError
        If there is no code, a code is unknown, or an option is out of range.
    MissingExtra
        If py3langid is not installed.

    Examples
    --------
    >>> texts = ["The soup was cold and late.", "La soupe était froide et en retard.", "ok"]
    >>> language("en").judge([{"text": text} for text in texts])
    ['', 'other language: fr 99%', '']
    >>> language("en", undecided="drop").judge([{"text": "ok"}])[0].partition(":")[0]
    'undecided language'
    """
    known = _identifier().labels
    if not codes:
        raise UsageError("expected the codes of the languages to keep, such as language('en').")
    check_known("language", codes, known)
    check_share("least", least)
    if least < 0.5:
        raise UsageError(f"least must be from 0.5 to 1; got {least}.")
    if undecided not in ("keep", "drop"):
        raise UsageError(f"undecided must be 'keep' or 'drop'; got {undecided!r}.")

    def test(text: str) -> str:
        probabilities = _probabilities(text)
        p = sum(probabilities.get(code, 0.0) for code in codes)
        others = (item for item in probabilities.items() if item[0] not in codes)
        other, q = max(others, key=lambda item: item[1], default=("", 0.0))
        if q >= MIN_PROBABILITY and q >= least * (p + q):
            return f"other language: {other} {q:.0%}"
        if undecided == "keep" or (p >= MIN_PROBABILITY and p >= least * (p + q)):
            return ""
        return f"undecided language: {f'{other} {q:.0%}' if other else 'no letters'}"

    name = f"language {' or '.join(codes)}, {least:g} sure"
    return text_filter(name + ("" if undecided == "keep" else ", undecided dropped"), column, test)


@filter_option("language", takes="CODE,CODE", cost=1)
def _language(codes: str, *, column: str) -> Filter:
    """Drop texts that are surely in another language."""
    return language(*listed(codes), column=column)


def identify_languages(table: Any, *, column: str = "text") -> Any:
    """The table with ``language``, an ISO 639-1 code, and ``language_probability``, 0..1.

    Both are missing for rows without a text, and for texts without a letter.

    Examples
    --------
    >>> table = identify_languages([{"text": "Die Suppe war leider kalt."}, {"text": "12:30"}])
    >>> table["language"][0], bool(table["language_probability"][0] > 0.5)
    ('de', True)
    """
    best = [
        max(probabilities.items(), key=lambda item: item[1], default=(None, None))
        for probabilities in map(_probabilities, texts(table, column))
    ]
    cells: dict[str, Sequence[Any]] = {
        "language": [code for code, _ in best],
        "language_probability": [value for _, value in best],
    }
    return tables.annotate(table, cells)


def _probabilities(text: str) -> dict[str, float]:
    """Language -> its probability; empty for a text without a letter."""
    head = text[:MAX_CHARS]
    if not any(map(str.isalpha, head)):
        return {}
    return dict(_identifier().rank(head))


@functools.cache
def _identifier() -> Any:
    langid = need("py3langid.langid", extra="curate", why="to identify languages")
    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
