"""Required words: each text has to use a few words that are drawn for it.

TinyStories (arXiv 2305.07759) gets stories that differ by asking each for three words.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Request, Sampling, Steps, digest
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.conditions import conditions
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe
from synthkit.recipes._zerogen import positive, tried


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
    """Texts that each use some required words, drawn anew for every text.

    TinyStories (arXiv 2305.07759) draws a noun, a verb and an adjective for each story; here ``k``
    different words come from one list, uniformly. Each text is searched for its words: one that
    lacks some is asked for again once, with their names, and then rejected, which is not in the
    paper.

    Parameters
    ----------
    prompt : asks for a text; it uses ``{{ words }}``, such as ``moss, run, quiet``, and may use the
        columns of ``rows``. The column ``words`` keeps that text.
    words : words or phrases to draw from.
    k : how many each text has to use.
    n : texts in all; with ``rows``, for each row.
    prefix : whether ``walk`` is also found in ``walked``. If not, a word is found whole alone;
        case never matters.

    Raises
    ------
    UsageError
        If the words are fewer than ``k``, not distinct, or have a comma; if the prompt does not use
        ``{{ words }}``, or uses a field that is not there.

    Examples
    --------
    >>> recipe = keywords("A story with the words {{ words }}.", words=["moss", "run"], k=2, n=5)
    >>> sorted(recipe.source["words"][0].split(", ")), str(recipe.requests)
    (['moss', 'run'], '5')
    """
    pool = _pool(words, positive("k", k))
    if rows is not None and "words" in tables.columns(rows):
        raise TableError("keywords makes a column 'words', and the rows have one; rename it.")
    source = conditions(rows, positive("n", n), {})
    drawn = [
        ", ".join(random.Random(digest([sampling.seed or 0, *divmod(i, n)])).sample(pool, k))
        for i in range(tables.size(source))
    ]
    fields = tables.assign(source, {"words": drawn})
    template = tried(prompt, fields, uses=("words",))

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        decoder = using(row["words"].split(", "), prefix=prefix)
        outcome = yield from ask(Request(template.render(row), sampling), decoder, repairs=1)
        return outcome

    return per_row(
        steps,
        fields,
        name="keywords",
        columns=("text",),
        requests=Bounds(1, 1),
        prompt=prompt,
    )


def using(words: Sequence[str], *, prefix: bool = False) -> parsing.Decoder:
    """A decoder for texts that have all of these words, or else names those they lack.

    >>> using(["moss", "run"]).read("The MOSS, running wild.")
    "lacks 'run'"
    >>> using(["moss", "run"], prefix=True).read("The MOSS, running wild.")
    {'text': 'The MOSS, running wild.'}
    """
    end = "" if prefix else r"(?!\w)"
    patterns = {word: re.compile(rf"(?<!\w){re.escape(word.casefold())}{end}") for word in words}

    def read(raw: str) -> parsing.Cells | str:
        said = " ".join(raw.casefold().split())
        lacking = [word for word, pattern in patterns.items() if not pattern.search(said)]
        return f"lacks {', '.join(map(repr, lacking))}" if lacking else {"text": raw.strip()}

    return parsing.Decoder(("text",), read)


def _pool(words: Sequence[str], k: int) -> list[str]:
    """The words to draw from, checked, without white space at their ends."""
    pool = words.split(",") if isinstance(words, str) else list(words)
    pool = [" ".join(word.split()) if isinstance(word, str) else word for word in pool]
    odd = [word for word in pool if not isinstance(word, str) or not word or "," in word]
    if odd:
        raise UsageError(f"words are texts without a comma; got {odd[0]!r}.")
    if len({word.casefold() for word in pool}) < len(pool):
        raise UsageError("words must be distinct, whatever their case; one of them occurs twice.")
    if len(pool) < k:
        raise UsageError(f"each text needs {k} different words; got {len(pool)} in all.")
    return pool
