"""Examples show answers that the decoder of the run accepts, and are refused otherwise."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pandas as pd
import pydantic
import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, TableError


class Day(pydantic.BaseModel):
    d: dt.date


def shown(session: sk.Session, examples: Any, **how: Any) -> list[str]:
    """The answers that the examples show before the prompt."""
    rows = [{"q": "now?"}]
    job = sk.plan("{{ q }}", model=sk.Fake(), session=session, rows=rows, examples=examples, **how)
    (request,) = job.requests
    assert request is not None
    return [message.content for message in request.messages if message.role == "assistant"]


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


@pytest.mark.parametrize(
    ("cells", "how", "hint"),
    [
        ({"text": [None]}, {}, "example 0: its answer 'text' is missing. Leave such examples out"),
        ({"text": [float("nan")]}, {}, "its answer 'text' is missing"),
        ({"text": [" "]}, {}, "would be rejected: empty answer"),
        ({"label": ["other"]}, {"labels": ["pos", "neg"]}, "names none of the labels"),
        ({"label": ["pos or neg"]}, {"labels": ["pos", "neg"]}, "names 2 labels"),
        ({"label": [None]}, {"labels": ["pos", "neg"]}, "'label' is missing"),
        ({"d": [None]}, {"schema": object_of(d={"type": "string"})}, "does not follow the schema"),
        ({"d": ["x"]}, {"schema": object_of(d={"type": "integer"})}, "does not follow the schema"),
        ({"d": [b"x"]}, {"schema": object_of(d={"type": "string"})}, "a bytes is no JSON value"),
        ({"a": ["5"], "b": ["6"]}, {"regex": r"(?P<a>\d)-(?P<b>\d)"}, "does not match"),
        ({"d": ["soon"]}, {"schema": Day}, "does not follow the schema at d"),
    ],
)
def test_an_answer_that_would_be_rejected_is_not_shown(
    session: sk.Session, cells: dict[str, Any], how: dict[str, Any], hint: str
) -> None:
    with pytest.raises(PromptError, match=hint):
        shown(session, {"q": ["a?"], **cells}, **how)


def test_the_example_is_named(session: sk.Session) -> None:
    with pytest.raises(PromptError, match="example 1: its answer 'text' is missing"):
        shown(session, pd.DataFrame({"q": ["a?", "b?"], "text": ["x", None]}))
    with pytest.raises(TableError, match="in the examples, column 'text' not found"):
        shown(session, [{"q": "a?"}])


NUMBER, TEXT = {"type": "number"}, {"type": "string"}


@pytest.mark.parametrize(
    ("cells", "how", "answer"),
    [
        ({"d": pd.to_datetime(["2024-01-01"])}, {"schema": object_of(d=TEXT)}, None),
        ({"d": pd.to_datetime(["2024-01-01"])}, {"schema": Day}, '{"d": "2024-01-01"}'),
        ({"d": [dt.date(2024, 1, 1)]}, {"schema": object_of(d=TEXT)}, '{"d": "2024-01-01"}'),
        ({"d": [dt.time(9, 30)]}, {"schema": object_of(d=TEXT)}, '{"d": "09:30:00"}'),
        ({"d": [Decimal("1.50")]}, {"schema": object_of(d=NUMBER)}, '{"d": 1.5}'),
        ({"d": [Decimal("2")]}, {"schema": object_of(d=NUMBER)}, '{"d": 2}'),
        ({"d": pd.array([2, None], "Int64")[:1]}, {"schema": object_of(d=NUMBER)}, '{"d": 2}'),
        (
            {"d": [uuid.UUID(int=1)]},
            {"schema": object_of(d=TEXT)},
            '{"d": "00000000-0000-0000-0000-000000000001"}',
        ),
        (
            {"d": [None]},
            {"schema": object_of(d={"type": ["string", "null"]})},
            '{"d": null}',
        ),
        ({"d": [None]}, {"schema": {"properties": {"d": TEXT}}}, "{}"),
        ({"label": ["Pos"]}, {"labels": ["pos", "neg"]}, "Pos"),
        ({"n": ["7"]}, {"regex": r"(?P<n>\d)"}, "7"),
        ({"text": [3]}, {}, "3"),
    ],
)
def test_an_answer_is_written_as_the_model_should_write_it(
    session: sk.Session, cells: dict[str, Any], how: dict[str, Any], answer: str | None
) -> None:
    expected = '{"d": "2024-01-01T00:00:00"}' if answer is None else answer
    assert shown(session, pd.DataFrame({"q": ["a?"], **cells}), **how) == [expected]
