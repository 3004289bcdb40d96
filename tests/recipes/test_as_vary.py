from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import TableError
from synthkit.core.types import Request
from synthkit.prompts.conditions import conditions
from synthkit.recipes import as_vary, values

Make = Callable[..., sk.Run]


PROMPT = "Name a {{ field }} of {{ label }}."


LABELS = ["sports", "science", "art"]


LISTS = {
    "sports": ["golf", "chess", "doping"],
    "science": ["physics", "chess"],
    "art": ["dance", "light"],
}


FITS = {("chess", "science"), ("chess", "sports"), ("doping", "science"), ("light", "science")}


def lists(request: Request) -> str:
    """Says the list of a class, and what fits another."""
    said = request.messages[0].content
    question = re.match(r'Would "(.*)" also be a topic of (.*)\? ', said)
    if question:
        return "Yes." if question.groups() in FITS else "No."
    label = re.findall(r"of (\w+)\.", said)[0]
    return "\n".join(f"{i}. {one}" for i, one in enumerate(LISTS[label], 1))


def test_the_values_are_what_vary_takes(make: Make) -> None:
    run = make(values(PROMPT, fields=["topic"], labels=LABELS, k=3, filter=True), sk.Fake(lists))
    made = conditions(None, 3, {"label": LABELS} | as_vary(run.table))
    assert made[["label", "topic"]].values.tolist() == [
        ["sports", "golf"],
        ["science", "physics"],
        ["art", "dance"],
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"field": "a"}], "column 'value' not found"),
        ([{"field": "a", "value": None}], "row 0 has no value"),
        ([{"field": None, "value": "x"}], "row 0 has no field"),
        (
            [{"field": "a", "value": "x", "label": "l"}, {"field": "a", "value": "y"}],
            "'a' has values with a label and without",
        ),
    ],
)
def test_a_table_that_is_none_of_values_is_refused(rows: Any, said: str) -> None:
    with pytest.raises(TableError, match=said):
        as_vary(rows)
