"""Nested answers: a local model held to its schema, and a server's schema mode, give one table."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import BaseModel, Field

import synthkit as sk
from synthkit.core.errors import UsageError
from tests.server import Asked, Reply, Server, completion

Generate = Callable[..., sk.Run]


class Mood(StrEnum):
    WARM = "warm"
    COLD = "cold"


class Dish(BaseModel):
    name: str = Field(max_length=20)
    stars: int = Field(ge=1, le=5)


class Visit(BaseModel):
    mood: Mood
    dishes: list[Dish] = Field(min_length=1, max_length=2)
    note: str | None = Field(max_length=20)


GOOD = {"mood": "warm", "dishes": [{"name": "soup", "stars": 5}], "note": None}


@pytest.mark.model
def test_constrained_decoding_and_schema_mode_give_the_same_table(
    session: sk.Session, generate: Generate
) -> None:
    local = sk.load_model("smollm2")
    asked: dict[str, Any] = {"rows": {"dish": ["soup", "bread"]}, "schema": Visit}
    asked |= {"sampling": sk.Sampling(temperature=0.5, max_tokens=240)}
    here = generate("A visit with {{ dish }}.", model=local, **asked)
    assert len(here.table) == 2
    for row in here.table.to_dict("records"):
        Visit.model_validate({name: row[name] for name in ("mood", "dishes", "note")})
    said = {
        one.request["messages"][-1][1]: one.completion.text
        for id in here.table["id"]
        for one in session.trace(id)
    }
    with Server(script=lambda request: Reply(body=completion(said[request.prompt]))) as server:
        model = sk.load_model("openai:m", base_url=server.base_url, api_key="k")
        there = generate("A visit with {{ dish }}.", model=model, **asked)
        formats = [one.json["response_format"] for one in server.asked]
    assert all(one["type"] == "json_schema" and one["json_schema"]["strict"] for one in formats)
    names = ["dish", "mood", "dishes", "note"]
    assert there.table[names].to_dict("records") == here.table[names].to_dict("records")
    assert dict(there.table[names].dtypes) == dict(here.table[names].dtypes)


BAD = {
    "text": "A lovely visit.",
    "cut": '{"mood": "warm", "dishes": [{"name": "so',
    "enum": json.dumps(GOOD | {"mood": "lukewarm"}),
    "nested": json.dumps(GOOD | {"dishes": [{"name": "soup", "stars": 6}]}),
    "empty list": json.dumps(GOOD | {"dishes": []}),
    "missing": json.dumps({"mood": "warm"}),
}


@pytest.mark.parametrize("bad", BAD)
def test_an_answer_that_does_not_follow_is_repaired_once(generate: Generate, bad: str) -> None:
    fake = sk.Fake(lambda r: json.dumps(GOOD) if r.purpose == "repair" else BAD[bad])
    run = generate(rows={"x": [1]}, model=fake, schema=Visit)
    assert run.table[["mood", "dishes", "note"]].to_dict("records") == [GOOD]
    assert (run.ledger.requests, run.ledger.repairs, run.ledger.rejects) == (2, 1, 0)
    first, again = fake.asked
    assert again.messages[: len(first.messages)] == first.messages
    assert again.messages[-2].content == BAD[bad]
    assert "cannot be used" in again.messages[-1].content
    assert again.schema == first.schema


@pytest.mark.parametrize("bad", BAD)
def test_one_that_still_does_not_follow_is_rejected(generate: Generate, bad: str) -> None:
    run = generate(rows={"x": [1]}, model=sk.Fake(lambda _: BAD[bad]), schema=Visit)
    assert (len(run.table), run.rejects.raw.tolist()) == (0, [BAD[bad]])
    assert (run.ledger.requests, run.ledger.repairs, run.ledger.rejects) == (2, 1, 1)


def test_a_repaired_row_is_traced_to_both_answers(generate: Generate, session: sk.Session) -> None:
    fake = sk.Fake(lambda r: json.dumps(GOOD) if r.purpose == "repair" else "Oh.")
    run = generate(rows={"x": [1]}, model=fake, schema=Visit)
    first, again = session.trace(run.table["id"][0])
    assert first.completion.text == "Oh."
    assert again.request["messages"][-2] == ["assistant", "Oh."]
    assert generate(rows={"x": [1]}, model=fake, schema=Visit).ledger.requests == 0


def test_repairs_can_be_turned_off_and_on(generate: Generate) -> None:
    babble = sk.Fake("none of these")
    assert generate(rows={"x": [1]}, model=babble, schema=Visit, repairs=0).ledger.requests == 1
    assert generate(rows={"x": [1]}, model=babble, labels=["a", "b"]).ledger.requests == 1
    run = generate(rows={"x": [2]}, model=babble, labels=["a", "b"], repairs=2)
    assert (run.ledger.requests, run.ledger.repairs) == (3, 2)
    with pytest.raises(sk.SynthkitError, match="repairs must be 0 or more; got -1"):
        generate(rows={"x": [1]}, repairs=-1)


def test_an_answer_that_never_came_is_not_asked_for_again(
    generate: Generate, tmp_path: Path
) -> None:
    run = generate(rows={"x": [1]}, model=sk.Fake(fail=1.0), schema=Visit)
    assert (run.ledger.requests, run.ledger.repairs, run.ledger.rejects) == (1, 0, 1)


def test_the_server_is_told_what_was_wrong(generate: Generate) -> None:
    def reply(request: Asked) -> Reply:
        right = len(request.json["messages"]) > 1
        return Reply(body=completion(json.dumps(GOOD) if right else BAD["enum"]))

    with Server(script=reply) as server:
        model = sk.load_model("openai:m", base_url=server.base_url, api_key="k")
        run = generate(rows={"x": [1]}, model=model, schema=Visit)
        told = server.asked[-1].json["messages"][-1]["content"]
    assert len(run.table) == 1
    assert "at mood" in told


TABLE = pd.DataFrame({"name": ["soup", "bread"]})


@pytest.mark.parametrize("option", ["schema", "tools", "vary"])
@pytest.mark.parametrize("value", [TABLE, TABLE["name"], TABLE["name"].to_numpy()])
def test_a_table_in_place_of_a_schema_tools_or_fields_is_refused(option: str, value: Any) -> None:
    with pytest.raises(UsageError, match=r"^[^\n]*; got (DataFrame|Series|ndarray|array.*)\.$"):
        sk.recipes.prompt("Name a dish.", **{option: value})
