"""Attributed prompts: each text is asked for with attributes of its own.

Large Language Model as Attributed Training Data Generator (AttrPrompt, arXiv 2306.15895).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import Request, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.conditions import Band, Sampler, Where, conditions
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe
from synthkit.recipes._zerogen import balanced, by, positive, tried


@recipe
def attrprompt(
    prompt: str,
    *,
    vary: Mapping[str, Any],
    n: int,
    labels: Sequence[str] | Mapping[str, str] | None = None,
    sampler: Sampler = "independent",
    like: Table = None,
    where: Where | None = None,
    length: str | None = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Texts that are each asked for with attributes of their own, drawn anew every time.

    This is AttrPrompt (arXiv 2306.15895): every attribute is drawn uniformly and independently of
    the others, from the values for its class where they depend on it. The paper asks for lengths in
    bands of 50 words and leaves it at that; here a text outside its band is asked for again once,
    with its count, and then rejected. Constraints and joint draws are not in the paper.

    Parameters
    ----------
    prompt : asks for a text; it uses the attributes, such as ``{{ topic }}``, and may use
        ``{{ label }}`` and ``{{ description }}``.
    vary, sampler, like, where : the attributes and how they are drawn, as in
        :func:`~synthkit.prompts.conditions.conditions`.
    n : texts in all, where a product has each combination at least once.
    labels : classes, of which each has equally many texts (in a product, each combination has); or
        class -> what it means.
    length : the attribute whose values are bands of words, such as ``50 to 100``. An attribute with
        a :class:`~synthkit.prompts.conditions.Band` among its values is one without being named. The
        column ``words`` then has the count of each text, by white space.

    Raises
    ------
    UsageError
        If the labels or the values to vary cannot be used, or the prompt uses a field that is not
        among them; if a value of ``length`` is no band.

    Examples
    --------
    >>> topics = {"sports": ["golf", "chess"], "science": ["botany"]}
    >>> recipe = attrprompt("A {{ label }} headline about {{ topic }}.", n=40,
    ...                     vary={"topic": topics}, labels=["sports", "science"])
    >>> recipe.source["label"].value_counts().to_dict()
    {'sports': 20, 'science': 20}
    """
    draws: dict[str, Any] = {"sampler": sampler, "like": like, "where": where}
    draws["seed"] = sampling.seed or 0
    classes = {} if labels is None else by(labels)
    twice = [name for name in classes if name in vary]
    if twice:
        raise UsageError(f"{twice[0]!r} is in labels and in vary; give it in one of them.")
    if labels is None or sampler == "product":
        fields = conditions(None, positive("n", n), {**classes, **vary}, **draws)
    else:
        fields = conditions(balanced(labels, n), 1, vary, **draws)
    banded = _banded(fields, length)
    if banded is not None:  # as text, which any file can hold
        told = [str(Band.of(cell)) for cell in tables.column(fields, banded)]
        fields = tables.assign(fields, {banded: told})
    template = tried(prompt, fields)

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        decoder = parsing.text() if banded is None else counted(Band.of(row[banded]))
        outcome = yield from ask(Request(template.render(row), sampling), decoder, repairs=1)
        return outcome

    return per_row(
        steps,
        fields,
        name="attrprompt",
        columns=("text",) if banded is None else ("text", "words"),
        requests=Bounds(1, 1),
        prompt=prompt,
    )


def counted(band: Band) -> parsing.Decoder:
    """A decoder for texts with so many words, by white space; it keeps the count.

    >>> decoder = counted(Band(2, 3))
    >>> decoder.read(" warm bread "), decoder.read("bread")
    ({'text': 'warm bread', 'words': 2}, 'has 1 words, and not 2 to 3')
    """

    def read(raw: str) -> parsing.Cells | str:
        words = len(raw.split())
        if words not in band:
            return f"has {words} words, and not {band}"
        return {"text": raw.strip(), "words": words}

    return parsing.Decoder(("text", "words"), read)


def _banded(fields: Any, length: str | None) -> str | None:
    """The attribute whose values are bands."""
    names = tables.columns(fields)
    if length is not None:
        if length not in names:
            raise UsageError(f"length: {unknown('attribute', length, names)}")
        return length
    found = [n for n in names if any(isinstance(cell, Band) for cell in tables.column(fields, n))]
    if len(found) > 1:
        raise UsageError(f"{' and '.join(found)} are bands; say which is the length=.")
    return found[0] if found else None
