"""AttrPrompt: texts with attributes that are drawn for each text (arXiv 2306.15895)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthkit.core.errors import UsageError, check_known, check_positive
from synthkit.core.types import Request, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.conditions import Band, Sampler, Where, conditions
from synthkit.recipes import _arguments
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe
from synthkit.stats.words import words


@recipe
def attrprompt(
    prompt: str,
    *,
    vary: Mapping[str, Any],
    n: int,
    labels: _arguments.Labels | None = None,
    sampler: Sampler = "independent",
    like: Table = None,
    where: Where | None = None,
    length: str | None = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Texts with attributes, such as a topic and a length, that are drawn for each text.

    This is AttrPrompt (arXiv 2306.15895): every attribute is drawn uniformly and independently of
    the others, from the values of the text's class where they depend on it. The paper asks for
    lengths in bands of 50 words without checking them; here a text outside its band is requested
    again once, with its number of words, and is then rejected. Constraints and joint draws are not
    in the paper.

    Parameters
    ----------
    prompt : asks for a text; it uses the attributes, such as ``{{ topic }}``, and may use
        ``{{ label }}`` and ``{{ description }}``.
    vary, sampler, like, where : the attributes and how they are drawn, as in
        :func:`~synthkit.prompts.conditions.conditions`.
    n : how many texts; in a product, at least one for each combination.
    labels : classes, each with the same number of texts (in a product, each combination); or
        class -> its description.
    length : the attribute whose values are bands of words, such as ``50 to 100``. An attribute with
        a :class:`~synthkit.prompts.conditions.Band` among its values need not be named. The column
        ``words`` then has the number of words of each text, split at white space.

    Raises
    ------
    UsageError
        If the labels or attributes are not valid, or a value of ``length`` is not a band.
    PromptError
        If the prompt uses a field that does not exist.

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
    classes = _arguments.label_fields(labels)
    repeated = [name for name in classes if name in vary]
    if repeated:
        raise UsageError(f"{repeated[0]!r} is in labels and in vary; give it in one of them.")
    check_positive(n=n)
    if labels is None or sampler == "product":
        fields = conditions(None, n, {**classes, **vary}, **draws)
    else:
        fields = conditions(_arguments.labelled_rows(labels, n), 1, vary, **draws)
    banded = _banded(fields, length)
    if banded is not None:  # as text, which any file can hold
        bands = [str(Band.of(cell)) for cell in tables.column(fields, banded)]
        fields = tables.assign(fields, {banded: bands})
    template = _arguments.checked_template(prompt, fields)

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        decoder = parsing.text() if banded is None else text_in_band(Band.of(row[banded]))
        return (yield from ask(Request(template.render(row), sampling), decoder, repairs=1))

    return per_row(
        steps,
        fields,
        name="attrprompt",
        columns=("text",) if banded is None else ("text", "words"),
        requests=Bounds(1, 1),
        prompt=prompt,
    )


def text_in_band(band: Band) -> parsing.Decoder:
    """A decoder of a text and its number of words, which must be in the band.

    >>> decoder = text_in_band(Band(2, 3))
    >>> decoder.read(" warm bread "), decoder.read("bread")
    ({'text': 'warm bread', 'words': 2}, 'has 1 words, and not 2 to 3')
    """

    def read(raw: str) -> parsing.Cells | str:
        n = len(words(raw))
        if n not in band:
            return f"has {n} words, and not {band}"
        return {"text": raw.strip(), "words": n}

    return parsing.Decoder(("text", "words"), read, whole=False)


def _banded(fields: Any, length: str | None) -> str | None:
    """The attribute whose values are bands, if there is one."""
    names = tables.columns(fields)
    if length is not None:
        check_known("attribute", length, names, place="length: ")
        return length
    banded = [
        name
        for name in names
        if any(isinstance(cell, Band) for cell in tables.column(fields, name))
    ]
    if len(banded) > 1:
        raise UsageError(f"{' and '.join(banded)} are bands; give one of them as length=.")
    return banded[0] if banded else None
