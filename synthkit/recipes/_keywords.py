"""Keywords: texts that must use a few words drawn at random (TinyStories, arXiv 2305.07759)."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from synthkit.core.errors import UsageError, check_positive
from synthkit.core.hashing import digest
from synthkit.core.types import Request, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.conditions import conditions
from synthkit.prompts.label_search import is_whole
from synthkit.recipes._arguments import checked_template, kept_columns
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe
from synthkit.stats.words import fold


@recipe
def keywords(
    prompt: str,
    *,
    words: Sequence[str],
    k: int = 3,
    n: int = 1,
    rows: Table = None,
    prefix: bool = False,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Texts that must use some words, which are drawn for each text.

    TinyStories (arXiv 2305.07759) draws a noun, a verb and an adjective for each story; here ``k``
    different words are drawn uniformly from one list. Each text is searched for its words. One that
    lacks some is requested again once, with the missing words, and is then rejected; the paper does
    not check its texts.

    Parameters
    ----------
    prompt : asks for a text; it uses ``{{ words }}``, such as ``moss, run, quiet``, and may use the
        columns of ``rows``. The column ``words`` keeps that list.
    words : words or phrases to draw from.
    k : how many words each text must use.
    n : how many texts; with ``rows``, how many for each row.
    prefix : whether ``walk`` is also found in ``walked``; otherwise only whole words are found.
        Case never matters.

    Raises
    ------
    UsageError
        If there are fewer than ``k`` words, or they are not distinct or contain a comma.
    PromptError
        If the prompt does not use ``{{ words }}``, or uses a field that does not exist.
    TableError
        If the rows have a column ``words``.

    Examples
    --------
    >>> recipe = keywords("A story with the words {{ words }}.", words=["moss", "run"], k=2, n=5)
    >>> sorted(recipe.source["words"][0].split(", ")), str(recipe.requests)
    (['moss', 'run'], '5')
    """
    check_positive(k=k, n=n)
    pool = _pool(words, k)
    source = conditions(rows, n, {})
    kept_columns("keywords", source, ("words",))
    drawn = [
        ", ".join(random.Random(digest([sampling.seed or 0, *divmod(i, n)])).sample(pool, k))
        for i in range(tables.size(source))
    ]
    fields = tables.assign(source, {"words": drawn})
    template = checked_template(prompt, fields, uses=("words",))

    def steps(row: parsing.Cells) -> Steps[Outcome]:
        decoder = text_with_words(row["words"].split(", "), prefix=prefix)
        return (yield from ask(Request(template.render(row), sampling), decoder, repairs=1))

    return per_row(
        steps,
        fields,
        name="keywords",
        columns=("text",),
        requests=Bounds(1, 1),
        prompt=prompt,
    )


def text_with_words(words: Sequence[str], *, prefix: bool = False) -> parsing.Decoder:
    """A decoder of a text that must contain all of these words.

    >>> text_with_words(["moss", "run"]).read("The MOSS, running wild.")
    "lacks 'run'"
    >>> text_with_words(["moss", "run"], prefix=True).read("The MOSS, running wild.")
    {'text': 'The MOSS, running wild.'}
    """
    patterns = {word: re.compile(re.escape(fold(word))) for word in words}

    def read(raw: str) -> parsing.Cells | str:
        folded = " ".join(fold(raw).split())
        missing = [
            word
            for word, pattern in patterns.items()
            if not any(
                is_whole(folded, *match.span(), prefix=prefix) for match in pattern.finditer(folded)
            )
        ]
        return f"lacks {', '.join(map(repr, missing))}" if missing else {"text": raw.strip()}

    return parsing.Decoder(("text",), read, whole=False)


def _pool(words: Sequence[str], k: int) -> list[str]:
    """The words to draw from, after checking them and removing surplus white space."""
    pool = words.split(",") if isinstance(words, str) else list(words)
    pool = [" ".join(word.split()) if isinstance(word, str) else word for word in pool]
    invalid = [word for word in pool if not isinstance(word, str) or not word or "," in word]
    if invalid:
        raise UsageError(f"words are texts without a comma; got {invalid[0]!r}.")
    if len(set(map(fold, pool))) < len(pool):
        raise UsageError("words must differ in more than case; one of them occurs twice.")
    if len(pool) < k:
        raise UsageError(f"each text needs {k} different words; got {len(pool)} in all.")
    return pool
