"""Values of attributes that a model lists, with AttrPrompt's filter (arXiv 2306.15895)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.errors import UsageError, check_known, check_positive
from synthkit.core.types import Reject, Request, Row, Sampling, Steps
from synthkit.prompts import parsing
from synthkit.prompts.conditions import conditions
from synthkit.recipes import _arguments
from synthkit.recipes._ask import ask, ask_label, traced
from synthkit.recipes._base import Bounds, Outcome, Recipe, gather, per_row, recipe
from synthkit.recipes._lists import list_entries, list_request

FITS = 'Would "{value}" also be a {field} of {label}? Answer yes or no.'

_YES = parsing.label(["yes", "no"], "fits")


@recipe
def values(
    prompt: str,
    *,
    fields: Sequence[str],
    labels: _arguments.Labels | None = None,
    k: int = 10,
    filter: bool = False,
    similar: Mapping[str, Sequence[str]] | None = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Values of attributes, as a model lists them for each class; one row for each value.

    This is how AttrPrompt (arXiv 2306.15895) obtains its attributes, without a person who reviews
    them. Its filter asks for each value of a class whether it also fits a similar class, until one
    fits: such a value is a reject. :func:`as_vary` turns the table into the argument ``vary``.

    Parameters
    ----------
    prompt : asks for values; it uses ``{{ field }}``, and with labels also ``{{ label }}`` or
        ``{{ description }}``. The number and the form of the list are added below it.
    fields : names of attributes, such as ``topic``; each has its own list.
    labels : classes, each with its own lists; or class -> its description.
    k : how many values to ask for in a list.
    filter : whether to reject values that also fit a similar class; it needs labels.
    similar : class -> similar classes; by default all others, where the paper uses a few.

    Raises
    ------
    UsageError
        If the fields or labels are not distinct texts, or ``similar`` names other classes.
    PromptError
        If the prompt does not use the field or the label.

    Examples
    --------
    >>> recipe = values("Name a {{ field }} of {{ label }}.", fields=["topic", "place"],
    ...                 labels=["sports", "science"], filter=True)
    >>> str(recipe.requests), str(recipe.rows)
    ('4 to 44', '0 to 40')
    """
    names = _arguments.distinct_names("fields", fields)
    classes = _arguments.label_fields(labels)
    descriptions = labels if isinstance(labels, Mapping) else {}
    rivals = _rivals(classes.get("label", []), filter, similar)
    source = conditions(None, 1, {"field": names, **classes})
    _arguments.checked_template(prompt, source, uses=("field",) if len(names) > 1 else ())
    uses = ("label", "description") if classes else ()
    template = _arguments.checked_template(prompt, source, uses=uses)
    check_positive(k=k)
    decode = list_entries(k)

    def filtered(value: str | Reject, row: dict[str, Any], of: tuple[Request, ...]) -> Steps[Any]:
        """The row of a value, or a reject if it also fits a rival of the row's class."""
        if isinstance(value, Reject):
            return replace(value, of=of)
        for rival in rivals.get(row.get("label", ""), ()):
            label = descriptions.get(rival, rival)
            content = FITS.format(value=value, field=row["field"], label=label)
            requests, verdict = yield from traced(ask_label(content, _YES, sampling))
            of += requests
            if isinstance(verdict, Reject):
                reason = f"not known whether it also fits {rival}: {verdict.reason}"
                return replace(verdict, reason=reason, cells={"value": value}, of=of)
            if verdict["fits"] == "yes":
                return Reject(value, f"also fits {rival}", of=of)
        return Row({"value": value}, of)

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        request = list_request(template.render(row), k, sampling)
        of, entries = yield from traced(ask(request, decode, repairs=1))
        if isinstance(entries, Reject):
            return entries
        outcomes: list[Row | Reject] = yield from gather(
            filtered(entry, row, of) for entry in _without_repeats(entries)
        )
        return outcomes

    most_rivals = max(map(len, rivals.values()), default=0)
    return per_row(
        steps,
        source,
        name="values",
        columns=("value",),
        requests=Bounds(1, 1 + k * most_rivals),
        makes=Bounds(0, k),
        prompt=prompt,
    )


def _without_repeats(entries: Sequence[str | Reject]) -> list[str | Reject]:
    """The entries, with a reject for each that repeats an earlier one in any case."""
    seen: set[str] = set()
    unique: list[str | Reject] = []
    for entry in entries:
        if isinstance(entry, str) and entry.casefold() in seen:
            entry = Reject(entry, "an earlier value of the list is the same")
        elif isinstance(entry, str):
            seen.add(entry.casefold())
        unique.append(entry)
    return unique


def _rivals(
    labels: Sequence[str], filter: bool, similar: Mapping[str, Sequence[str]] | None
) -> dict[str, list[str]]:
    """Class -> the classes that its values must not fit."""
    if filter and len(labels) < 2:
        raise UsageError("filter needs labels: two or more classes, each with values of its own.")
    if similar is None:
        if not filter:
            return {}
        return {label: [other for other in labels if other != label] for label in labels}
    if not filter:
        raise UsageError("similar is for filter=True; give both or neither.")
    rivals = {}
    for label, others in similar.items():
        names = _arguments.distinct_names("similar", others)
        check_known("label", (label, *names), labels, place="similar: ")
        rivals[label] = [name for name in names if name != label]
    return rivals
