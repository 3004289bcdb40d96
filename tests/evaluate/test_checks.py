from __future__ import annotations

from typing import Any

import numpy as np
import pydantic
import pytest

from synthkit.core.errors import UsageError
from synthkit.evaluate import checks
from synthkit.evaluate.checks import Check, Judge, Verdict, parse, read_verdict


class Review(pydantic.BaseModel):
    stars: int


SCHEMA = {"type": "object", "properties": {"stars": {"type": "integer"}}, "required": ["stars"]}
NAMES = {"Review": Review, "SCHEMA": SCHEMA, "polite": lambda row: "soup" not in row["text"]}


def passed(line: str, row: dict[str, Any]) -> Verdict:
    found = parse(line, NAMES.__getitem__)
    assert isinstance(found, Check)
    return found(row)


@pytest.mark.parametrize(
    ("line", "text", "verdict"),
    [
        ("length text 2-3 words", "cold soup", Verdict(True)),
        ("length text 2-3 words", "soup", Verdict(False, "has 1 words, fewer than 2")),
        ("length text 2-3 words", "a b c d", Verdict(False, "has 4 words, more than 3")),
        ("length text 1-4 chars", "soup", Verdict(True)),
        ("length text >=5 chars", "soup", Verdict(False, "has 4 chars, fewer than 5")),
        ("length text <= 1 word", "a b", Verdict(False, "has 2 words, more than 1")),
        ("regex text ^[A-Z]", "Soup", Verdict(True)),
        ("regex text ^[A-Z] soup", "A cold soup", Verdict(False, "does not match ^[A-Z] soup")),
        ("@polite", "bread", Verdict(True)),
        ("@polite", "soup", Verdict(False)),
        ("schema text @SCHEMA", '{"stars": 3}', Verdict(True)),
        ("schema text @Review", '{"stars": 3}', Verdict(True)),
    ],
)
def test_a_line_is_a_check(line: str, text: str, verdict: Verdict) -> None:
    assert passed(line, {"text": text}) == verdict


@pytest.mark.parametrize("name", ["SCHEMA", "Review"])
def test_what_follows_no_schema_says_why(name: str) -> None:
    line = f"schema text @{name}"
    assert passed(line, {"text": "{"}).reason.startswith("is not JSON")
    assert passed(line, {"text": '{"stars": "x"}'}).passed is False
    assert "integer" in passed(line, {"text": '{"stars": "x"}'}).reason
    assert passed(line, {"text": {"stars": 1}}).passed is True


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lenght text 2-3 words", "Did you mean 'length'"),
        ("length text 2-3", "cannot be read; write 'length text 5-30 words'"),
        ("length text 5-2 words", "with low <= high; got 5-2"),
        ("regex text (", "not a regular expression"),
        ("regex text", "cannot be read"),
        ("judge", "cannot be read"),
        ("schema text SCHEMA", "cannot be read"),
        ("", "check '' not found"),
    ],
)
def test_a_line_that_is_no_check_says_what_to_write(line: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(line, NAMES.__getitem__)
    assert said in str(raised.value)


def test_a_line_makes_its_check_once_more() -> None:
    for line in ("length text >=2 words", "regex text a b", "judge Is it?", "schema text @SCHEMA"):
        made = parse(line, NAMES.__getitem__)
        assert parse(made.line, NAMES.__getitem__).line == made.line == line


@pytest.mark.parametrize(
    ("gave", "verdict"),
    [
        (True, Verdict(True)),
        (np.bool_(False), Verdict(False)),
        ("too dry", Verdict(False, "too dry")),
        ((True, "fine"), Verdict(True, "fine")),
        ((False, None), Verdict(False)),
        (Verdict(None, "?"), Verdict(None, "?")),
        (None, Verdict(None, "the check gave NoneType, not a bool or a reason")),
        (1, Verdict(None, "the check gave int, not a bool or a reason")),
    ],
)
def test_a_function_may_answer_in_several_ways(gave: Any, verdict: Verdict) -> None:
    assert checks.function(lambda row: gave)({}) == verdict


def test_a_check_that_raises_gives_no_verdict() -> None:
    assert checks.function(lambda row: row["n"] / 0)({"n": 1}) == Verdict(
        None, "ZeroDivisionError: division by zero"
    )
    missing = checks.length("txt", 1)({"text": "soup"})
    assert missing.passed is None
    assert "Did you mean 'text'?" in missing.reason


@pytest.mark.parametrize(
    ("text", "passed", "reason"),
    [
        ("Yes. It thanks.", True, "It thanks."),
        ("no", False, ""),
        ("**No** - rude", False, "rude"),
        ("Answer: yes, it is", True, "it is"),
        ("Final verdict: No.", False, ""),
    ],
)
def test_a_verdict_is_its_first_word(text: str, passed: bool, reason: str) -> None:
    assert read_verdict(text) == Verdict(passed, reason)


@pytest.mark.parametrize(
    "text", ["", "Maybe.", "Yes and no.", "yes/no", "Not really", "It is yes", "Yesterday", "{}"]
)
def test_an_unreadable_verdict_is_none(text: str) -> None:
    verdict = read_verdict(text)
    assert verdict.passed is None
    assert verdict.reason.startswith("the judge said neither")


def test_a_judge_sees_the_output_unless_it_names_its_fields() -> None:
    assert Judge("Is it polite?").template.startswith("Is it polite?\n\n{{ output }}\n\n")
    assert Judge("Is {{ text }} polite?").template.startswith("Is {{ text }} polite?\n\nBegin")


def test_things_that_are_no_checks_are_refused() -> None:
    with pytest.raises(UsageError, match="must be a function"):
        checks.function("polite")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a JSON Schema"):
        checks.schema("text", 3)
    with pytest.raises(UsageError, match="unit 'lines' not found"):
        checks.length("text", 1, unit="lines")
