from __future__ import annotations

import subprocess
import sys
from typing import Any

import pydantic
import pytest

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Reject
from synthkit.prompts import parsing

SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}, "stars": {"type": "integer"}},
    "required": ["text", "stars"],
}


class Review(pydantic.BaseModel):
    text: str = pydantic.Field(min_length=1)
    stars: int

    @pydantic.field_validator("stars")
    @classmethod
    def in_range(cls, stars: int) -> int:
        if stars == 13:
            raise ZeroDivisionError("unlucky")
        if not 1 <= stars <= 5:
            raise ValueError("stars go from 1 to 5")
        return stars


DECODERS = {
    "text": parsing.text(),
    "schema": parsing.structured(SCHEMA),
    "pydantic": parsing.structured(Review),
    "label": parsing.label(["good", "bad"]),
    "regex": parsing.regex(r"A: (?P<answer>\w+)"),
}


def read(how: str, raw: str, **fields: Any) -> Any:
    return DECODERS[how](Completion(raw, **fields))


@pytest.mark.parametrize("how", ["schema", "pydantic"])
@pytest.mark.parametrize(
    "raw",
    [
        '{"text": "a", "stars": 5}',
        '  {"stars": 5, "text": "a", "more": null}\n',
        '```json\n{"text": "a", "stars": 5}\n```',
        'Here {name} is one:\n{"text": "a", "stars": 5} I hope it helps {:}',
        '{"text": "\\u0061", "stars": 5}',
    ],
)
def test_json_is_found_bare_fenced_and_among_words(how: str, raw: str) -> None:
    assert read(how, raw) == {"text": "a", "stars": 5}


BAD_JSON = {
    "no JSON": ("I cannot do that.", "has no '{'"),
    "truncated": ('{"text": "a", "sta', "Unterminated"),
    "inner object": ('{"draft": {"text": "a", "stars": 5}, "text": "b', "Unterminated"),
    "missing": ('{"text": "a"}', "stars"),
    "wrong type": ('{"text": "a", "stars": "many"}', "stars"),
    "empty text": ('{"text": "", "stars": 5}', "text"),
    "NaN": ('{"text": "a", "stars": NaN}', "NaN is not"),
    "infinity": ('{"text": "a", "stars": 1e999}', "too large"),
    "many digits": ('{"text": "a", "stars": ' + "1" * 5000 + "}", "digits"),
    "deep": ('{"text":' * 100_000, "nested too deeply"),
    "deep list": ('{"text": ' + "[" * 100_000, "nested too deeply"),
    "brackets": ("[" * 100_000, "has no '{'"),
    "braces": ("{" * 10_000_000, "not JSON"),
    "half a pair": ('{"text": "\\ud83d", "stars": 5}', ""),
    "python": ("{'text': 'a', 'stars': 5}", "not JSON"),
    "trailing comma": ('{"text": "a", "stars": 5,}', "not JSON"),
}


@pytest.mark.parametrize("how", ["schema", "pydantic"])
@pytest.mark.parametrize("case", list(BAD_JSON))
def test_bad_json_is_a_reject_that_says_why(how: str, case: str) -> None:
    raw, reason = BAD_JSON[case]
    found = read(how, raw)
    assert isinstance(found, Reject)
    assert found.raw == raw
    assert reason in found.reason
    assert 0 < len(found.reason) < 500


@pytest.mark.parametrize("how", list(DECODERS))
@pytest.mark.parametrize("raw", ["", "  \n\t", "\ud800", "good A: x \udfff"])
def test_nothing_and_what_is_no_text_is_rejected_in_every_way(how: str, raw: str) -> None:
    found = read(how, raw)
    assert isinstance(found, Reject)
    assert found.reason in {"empty answer", "holds half of a surrogate pair, which is no text"}
    found.raw.encode()


@pytest.mark.parametrize("how", list(DECODERS))
def test_ten_megabytes_are_read(how: str) -> None:
    long = "x" * 10_000_000
    raw = {"text": long, "label": f"{long} good", "regex": f"A: {long}"}.get(
        how, '{"stars": 5, "text": "' + long + '"}'
    )
    assert isinstance(read(how, raw), dict)


def test_an_error_a_filter_and_a_cut_are_told_apart() -> None:
    assert read("text", "half", finish="error", error="http 500") == Reject("half", "http 500")
    assert "content filter" in read("text", "x", finish="content_filter").reason
    assert read("schema", '{"text": "a', finish="length").reason.endswith("cut at max_tokens")
    whole = read("schema", '{"text": "a", "stars": 1}', finish="length")
    assert whole.reason == "the answer was cut at max_tokens"


def test_validators_of_a_pydantic_model_run_and_may_break() -> None:
    assert "stars go from 1 to 5" in read("pydantic", '{"text": "a", "stars": 9}').reason
    assert "at stars" in read("pydantic", '{"text": "a", "stars": 9}').reason
    assert "ZeroDivisionError" in read("pydantic", '{"text": "a", "stars": 13}').reason


def test_text_loses_only_the_space_around_it() -> None:
    assert parsing.text("out")(Completion("\n a\n b \n")) == {"out": "a\n b"}
    assert read("text", "a\0b") == {"text": "a\0b"}


@pytest.mark.parametrize(
    ("labels", "raw", "label"),
    [
        (["good", "bad"], "Good.", "good"),
        (["good", "bad"], "**good**, really good", "good"),
        (["Straße", "Weg"], "STRASSE", "Straße"),
        (["very good", "good"], "Very good!", "very good"),
        (["very good", "good"], "good", "good"),
        (["C", "C++"], "It is C++.", "C++"),
        (["C", "C++"], "C", "C"),
        (["-1", "0", "1"], "-1", "-1"),
        (["-1", "0", "1"], "Score: 1", "1"),
        ([1, 2], "2", 2),
    ],
)
def test_the_one_label_named_is_found(labels: list[Any], raw: str, label: Any) -> None:
    assert parsing.label(labels)(Completion(raw)) == {"label": label}


@pytest.mark.parametrize(
    ("labels", "raw", "reason"),
    [
        (["good", "bad"], "goodness", "none of the labels 'good', 'bad'"),
        (["good", "bad"], "good or bad", "names 2 labels: 'good', 'bad'"),
        (["very good", "good"], "good, not very good", "names 2 labels"),
        (["1", "2", "3", "4", "5"], "4.5", "none of the labels"),
        (["a.c", "x"], "abc", "none"),
    ],
)
def test_no_label_or_several_are_rejected(labels: list[str], raw: str, reason: str) -> None:
    assert reason in parsing.label(labels)(Completion(raw)).reason  # type: ignore[union-attr]


@pytest.mark.parametrize("labels", [[], ["one"], ["a", "a"], ["a", "A "], ["a", ""]])
def test_labels_that_cannot_be_told_apart_are_refused(labels: list[str]) -> None:
    with pytest.raises(UsageError, match="two or more distinct"):
        parsing.label(labels)


def test_a_regex_keeps_its_named_groups_and_rejects_the_rest() -> None:
    decoder = parsing.regex(r"(?P<a>\w+)(?:-(?P<b>\w+))?")
    assert decoder(Completion("x-y")) == {"a": "x", "b": "y"}
    assert decoder(Completion("x")) == {"a": "x", "b": None}
    assert "does not match" in decoder(Completion("---")).reason  # type: ignore[union-attr]


@pytest.mark.parametrize(("pattern", "hint"), [("(", "not a regular"), (r"\w+", "no named group")])
def test_a_pattern_that_cannot_work_is_refused(pattern: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        parsing.regex(pattern)


@pytest.mark.parametrize(
    ("schema", "hint"),
    [
        ({}, "needs properties"),
        ({"type": "string"}, "needs properties"),
        ({"properties": {"a": {"type": "strin"}}}, "properties/a/type"),
        ({"properties": {"a": {"type": str}}}, "properties/a/type"),
        ({"properties": {"a": {"pattern": "("}}}, "pattern"),
        ({"properties": {"a": {"$ref": "#/$defs/A"}}}, "'#/\\$defs/A'"),
        ({"properties": {"a": {"$ref": "http://x.invalid/s"}}}, "a part of itself"),
        ("text", "got 'text'"),
        (int, "got <class 'int'>"),
    ],
)
def test_a_schema_that_cannot_work_is_refused_at_once(schema: Any, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        parsing.structured(schema)


@pytest.mark.parametrize(
    "schema", [{"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"], "title": "T"}]
)
def test_a_schema_of_an_enum_reads_labels(schema: dict[str, Any]) -> None:
    decoder = parsing.structured(schema)
    assert decoder(Completion("A.")) == {"label": "a"}
    assert decoder.schema == {"enum": ["a", "b"]}


@pytest.mark.parametrize(
    ("values", "answer", "value"), [([1, 2], "2", 2), ([True, False], "false", False)]
)
def test_values_of_an_enum_keep_their_type(values: list[Any], answer: str, value: Any) -> None:
    found = parsing.structured({"enum": values})(Completion(answer))
    assert not isinstance(found, Reject)
    assert found == {"label": value}
    assert type(found["label"]) is type(value)


def test_references_inside_a_schema_are_followed() -> None:
    part = {"$defs": {"N": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/N"}}}
    decoder = parsing.structured(part)
    assert decoder(Completion('{"a": 1}')) == {"a": 1}
    assert "'x' is not" in decoder(Completion('{"a": "x"}')).reason  # type: ignore[union-attr]


def test_a_schema_that_refers_to_itself_rejects_what_is_too_deep() -> None:
    decoder = parsing.structured({"properties": {"a": {"$ref": "#"}}})
    assert decoder(Completion('{"a": {"a": {}}}')) == {"a": {"a": {}}}
    found = decoder(Completion('{"a":' * 400 + "{}" + "}" * 400))
    assert isinstance(found, Reject)
    assert "nested too deeply" in found.reason


class Node(pydantic.BaseModel):
    name: str = pydantic.Field(alias="the name")
    kids: list[Node] = []


def test_pydantic_models_may_have_aliases_and_refer_to_themselves() -> None:
    decoder = parsing.structured(Node)
    assert decoder.columns == ("the name", "kids")
    assert decoder(Completion('{"the name": "a", "kids": [{"the name": "b"}]}')) == {
        "the name": "a",
        "kids": [{"the name": "b", "kids": []}],
    }


def test_absent_optional_properties_are_none() -> None:
    decoder = parsing.structured({"properties": {"a": {}, "b": {}}, "required": ["a"]})
    assert decoder(Completion('{"a": 1}')) == {"a": 1, "b": None}


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ('A draft: {"n": 1}. Final: {"n": 2}', "holds several different answers"),
        ('```json\n{"n": 1}\n```\nAgain:\n```json\n{"n": 1}\n```', {"n": 1}),
        ('{"type": "object"}\n{"n": 1}', {"n": 1}),
        ('{"n": 1, "n": 2}', "it gives 'n' twice, with different values"),
        ('{"n": 1, "n": 1}', {"n": 1}),
    ],
)
def test_an_answer_that_says_two_things_is_rejected(text: str, outcome: Any) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    result = parsing.structured(schema)(Completion(text))
    assert outcome in result.reason if isinstance(result, Reject) else result == outcome


def test_the_slow_grammar_of_iris_is_imported_for_the_first_iri_alone() -> None:
    # in a process of its own (a second), since jsonschema is imported in this one
    code = (
        "import sys; from synthkit.prompts.parsing import follows; "
        "check = follows({'type': 'object', 'required': ['a']}); "
        "assert isinstance(check({}), str) and 'rfc3987_syntax' not in sys.modules; "
        "from jsonschema import Draft202012Validator as V; "
        "iri = V({'format': 'iri'}, format_checker=V.FORMAT_CHECKER); "
        "print(iri.is_valid('http://h/é'), iri.is_valid('http://['))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True False\n", "")
