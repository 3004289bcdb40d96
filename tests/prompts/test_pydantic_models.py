"""A column has the name under which a model reads a field, and the value that it was given."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from pydantic import (
    AliasChoices,
    AliasGenerator,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    field_serializer,
    model_serializer,
)
from pydantic.alias_generators import to_camel

from synthkit.core.types import Completion
from synthkit.prompts.parsing import structured


class Read(BaseModel):
    units: int = Field(validation_alias="mu")


class Choice(BaseModel):
    units: int = Field(validation_alias=AliasChoices(AliasPath("deep", 0), "mu", "u"))


class Both(BaseModel):
    units: int = Field(validation_alias="mu", serialization_alias="Units")


class Written(BaseModel):
    mu: int = Field(serialization_alias="Units")


class Left(BaseModel):
    mu: int = Field(exclude=True)


class Own(BaseModel):
    mu: int

    @model_serializer
    def dump(self) -> dict[str, int]:
        return {"u": self.mu}


class OwnText(BaseModel):
    mu: int

    @model_serializer
    def dump(self) -> str:
        return "three"


class Plain(BaseModel):
    units: int = Field(alias="mu")


class Generated(BaseModel):
    model_config = ConfigDict(
        alias_generator=AliasGenerator(
            validation_alias=lambda name: "mu", serialization_alias=lambda name: "written"
        )
    )
    units: int


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)
    units: int = Field(alias="mu")


class Root(RootModel[Read]):
    pass


@pytest.mark.parametrize(
    "model",
    [Read, Choice, Both, Written, Left, Own, OwnText, Plain, Generated, ByName, Root],
)
def test_a_field_is_a_column_under_the_name_that_is_read(model: type[BaseModel]) -> None:
    decoder = structured(model)
    assert decoder.columns == ("mu",)
    assert decoder(Completion('{"mu": 3}')) == {"mu": 3}


class Serialized(BaseModel):
    mu: int

    @field_serializer("mu")
    def text(self, value: int) -> str:
        return f"<{value}>"


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)
    measure_units: int


class Swapped(BaseModel):
    a: int = Field(validation_alias="b")
    b: int = Field(validation_alias="a")


class WrittenSwapped(BaseModel):
    a: int = Field(serialization_alias="b")
    b: int = Field(serialization_alias="a")


class Nested(BaseModel):
    inner: Read
    many: list[Plain] = Field(exclude=True)


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    day: date
    marks: tuple[int, ...]


@pytest.mark.parametrize(
    ("model", "answer", "cells"),
    [
        (Serialized, {"mu": 3}, {"mu": "<3>"}),
        (Strict, {"day": "2024-01-02", "marks": [1]}, {"day": "2024-01-02", "marks": [1]}),
        (Camel, {"measureUnits": 3}, {"measureUnits": 3}),
        (Swapped, {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (WrittenSwapped, {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (
            Nested,
            {"inner": {"mu": 1}, "many": [{"mu": 2}]},
            {"inner": {"units": 1}, "many": [{"mu": 2}]},
        ),
        (Read, {"mu": 2**70}, {"mu": 2**70}),
    ],
)
def test_values_are_those_that_the_model_writes(
    model: type[BaseModel], answer: Any, cells: Any
) -> None:
    assert structured(model)(Completion(json.dumps(answer))) == cells
