"""Patterns of a user end within a second on every text of a model."""

from __future__ import annotations

import pytest

import synthkit as sk
from synthkit.core.answers import split_reasoning
from synthkit.core.errors import UsageError
from synthkit.core.patterns import pattern
from synthkit.core.types import Completion, Reject
from synthkit.evaluate import checks
from synthkit.prompts import parsing
from synthkit.recipes import _judge

SLOW = "^(?P<a>(a|aa)+)$"
UNLUCKY = "a" * 60 + "!"


def test_a_search_has_a_time_limit() -> None:
    assert pattern(SLOW).search("aaa")["a"] == "aaa"
    with pytest.raises(TimeoutError, match=r"was not done with this text after 1 s"):
        pattern(SLOW).search(UNLUCKY)


@pytest.mark.parametrize("source", ["(", "(?P<a>x)(?P<a>y)", "[z-a]", 7, "a{99999999999}"])
def test_what_is_no_pattern_is_refused(source: str) -> None:
    with pytest.raises(UsageError, match="not a regular expression"):
        pattern(source)


def test_a_slow_pattern_rejects_the_row_of_an_unlucky_text(session: sk.Session) -> None:
    fake = sk.Fake(lambda request: UNLUCKY if "1" in request.messages[-1].content else "aa")
    rows = [{"i": 0}, {"i": 1}]
    run = sk.generate("{{ i }}", rows=rows, regex=SLOW, model=fake, session=session)
    assert run.table["a"].tolist() == ["aa"]
    assert "was not done with this text" in run.rejects["reason"][0]


def test_a_slow_pattern_of_a_schema_rejects_the_row(session: sk.Session) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": SLOW}}}
    run = sk.generate(
        "Say.", schema=schema, repairs=0, model=sk.Fake(f'{{"a": "{UNLUCKY}"}}'), session=session
    )
    assert "was not done with this text" in run.rejects["reason"][0]


@pytest.mark.parametrize("keep", [True, False])
def test_a_slow_filter_drops_the_row_and_says_so(keep: bool) -> None:
    found = sk.curate.regex(SLOW, keep=keep).judge([{"text": "aa"}, {"text": UNLUCKY}])
    assert found[0] == ("" if keep else "pattern found: 'aa'")
    assert "was not done with this text" in found[1]


def test_a_slow_check_fails_and_says_so() -> None:
    verdict = checks.regex("text", SLOW)({"text": UNLUCKY})
    assert verdict.passed is False
    assert "was not done with this text" in verdict.reason


def test_the_word_pattern_in_a_value_of_a_schema_is_no_pattern(session: sk.Session) -> None:
    sign = {"type": "object", "default": {"pattern": "("}}
    schema = {"type": "object", "properties": {"pattern": {"type": "string"}, "sign": sign}}
    fake = sk.Fake('{"pattern": "(", "sign": {}}')
    run = sk.generate("Say.", schema=schema, model=fake, session=session)
    assert run.table["pattern"].tolist() == ["("]


def test_a_bad_pattern_in_a_schema_is_refused_before_anything_is_asked(
    session: sk.Session,
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}
    with pytest.raises(UsageError, match="not valid at properties/a/pattern"):
        sk.generate("Say.", schema=schema, model=sk.Fake(), session=session)


@pytest.mark.parametrize("letter", "yes!5a {[\n.-")
def test_the_readers_of_answers_end_on_very_long_ones(letter: str) -> None:
    long = letter * 300_000  # would take hours if time grew with the square of the length
    assert checks.read_verdict(f"yes{long}").passed in (True, None)
    assert isinstance(_judge._score_in_words(long, 5), str | float)
    assert isinstance(parsing.label(["positive", "negative"])(Completion(long)), Reject)
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert isinstance(parsing.structured(schema)(Completion(long)), Reject)
    assert split_reasoning(long) == ([], long)
