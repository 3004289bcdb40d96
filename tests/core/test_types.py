from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.core.hashing import canonical, digest
from synthkit.core.types import Message, Request, Sampling
from synthkit.data.results import Run

ASKED = Request((Message("system", "Be brief."), Message("user", "Hi.")), Sampling())
SAMPLED = Sampling()


def sampled(**changes: Any) -> Request:
    return replace(ASKED, sampling=replace(SAMPLED, **changes))


CHANGED = {
    "system": replace(ASKED, messages=(Message("system", "Be kind."), Message("user", "Hi."))),
    "no system": replace(ASKED, messages=ASKED.messages[1:]),
    "role": replace(ASKED, messages=(Message("user", "Be brief."), Message("user", "Hi."))),
    "temperature": sampled(temperature=0.8),
    "no temperature": sampled(temperature=None),
    "top_p": sampled(top_p=0.9),
    "max_tokens": sampled(max_tokens=64),
    "stop": sampled(stop=("\n",)),
    "seed": sampled(seed=1),
    "logprobs": sampled(logprobs=True),
    "extra": sampled(extra={"top_k": 40}),
    "schema": replace(ASKED, schema={"properties": {"a": {}, "b": {}}}),
    "order in schema": replace(ASKED, schema={"properties": {"b": {}, "a": {}}}),
    "index": replace(ASKED, index=1),
}


def test_whatever_changes_an_answer_changes_the_key() -> None:
    keys = {name: request.key("m") for name, request in CHANGED.items()}
    keys |= {"none": ASKED.key("m"), "fingerprint": ASKED.key("m2")}
    assert len(set(keys.values())) == len(CHANGED) + 2
    assert all(len(key) == 32 for key in keys.values())


def test_attrs_are_no_part_of_the_key() -> None:
    assert replace(ASKED, attrs={"topic": "bread"}).key("m") == ASKED.key("m")


def test_a_key_is_the_same_for_ever() -> None:
    assert ASKED.key("m") == "fd4818e9ce4a61711a29371eaff3e9a9"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"temperature": 1}, {"temperature": 1.0}),
        ({"max_tokens": 64}, {"max_tokens": 64.0}),
        ({"stop": "END"}, {"stop": ["END"]}),
        ({"extra": {"a": 1, "b": 2}}, {"extra": {"b": 2, "a": 1}}),
    ],
)
def test_what_asks_the_same_has_one_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert sampled(**one).key("m") == sampled(**other).key("m")


def test_a_row_seed_depends_on_seed_messages_and_index_alone() -> None:
    changes = {name for name, request in CHANGED.items() if request.row_seed != ASKED.row_seed}
    assert changes == {"system", "no system", "role", "seed", "index"}
    assert 0 <= ASKED.row_seed < 2**31


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"temperature": float("nan")},
        {"temperature": "0.7"},
        {"top_p": 0},
        {"top_p": 1.1},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"max_tokens": float("inf")},
        {"seed": "one"},
        {"stop": ""},
        {"stop": ["END", ""]},
    ],
)
def test_sampling_out_of_range_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Sampling(**wrong)


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": {1}}, {"a": object()}])
def test_what_is_no_json_cannot_be_asked(value: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="plain JSON values"):
        sampled(extra=value).key("m")


def test_canonical_json_is_sorted_dense_utf8() -> None:
    assert canonical({"b": "é", "a": [1, None]}) == '{"a":[1,null],"b":"é"}'.encode()
    assert digest("\ud800") != digest("\ud801")


def test_a_run_shows_counts_and_no_addresses() -> None:
    from synthkit.core.models import Ledger

    run = Run([1, 2], [], [3], Ledger(requests=2, hits=1))
    assert repr(run) == "Run(2 rows; 0 rejects; 1 pending; 2 requests, 1 cached)"
