from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from scipy.stats import chisquare

import synthkit as sk
from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Request
from synthkit.data import tables
from synthkit.recipes import keywords
from synthkit.recipes._keywords import text_with_words
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]
POOL = ["moss", "run", "quiet", "ice cream", "Müller", "C++", "straße"]
PROMPT = "A story with the words {{ words }}."


def test_words_are_drawn_uniformly_and_never_twice_in_a_row() -> None:
    rows = keywords(PROMPT, words=POOL, k=3, n=2100).source
    drawn = [cell.split(", ") for cell in rows["words"]]
    assert all(len(set(words)) == 3 for words in drawn)
    counts = Counter(word for words in drawn for word in words)
    assert set(counts) == set(POOL)
    assert chisquare(list(counts.values())).pvalue > 0.01
    firsts = Counter(words[0] for words in drawn)
    assert chisquare(list(firsts.values())).pvalue > 0.01


@pytest.mark.parametrize("rows", [None, [{"x": 1}, {"x": 2}]])
def test_more_texts_leave_the_words_of_the_earlier(rows: Any) -> None:
    few, more = (keywords(PROMPT, words=POOL, n=n, rows=rows).source["words"] for n in (3, 5))
    for i in range(len(rows or [0])):
        assert few[3 * i : 3 * i + 3].tolist() == more[5 * i : 5 * i + 3].tolist()
    other = keywords(PROMPT, words=POOL, n=3, rows=rows, sampling=sk.Sampling(seed=1))
    assert other.source["words"].tolist() != few.tolist()


def test_a_text_without_its_words_is_asked_for_again_with_their_names(make: Make) -> None:
    def answer(request: Request) -> str:
        prompt = request.messages[0].content
        words = re.findall(r"words (.*)\.", prompt)[0].split(", ")
        return " ".join(words if len(request.messages) > 1 else words[1:]).upper()

    model = sk.Fake(answer)
    recipe = keywords(PROMPT, words=POOL, k=2, n=6)
    run = make(recipe, model)
    expects(recipe, run)
    assert len(run.table) == run.ledger.repairs == 6
    for row, request in zip(tables.records(run.table), model.asked[6:], strict=True):
        words = row["words"].split(", ")
        assert row["text"] == " ".join(words).upper()
        assert f"lacks {words[0]!r}." in request.messages[-1].content


def test_a_text_that_still_lacks_words_is_rejected_with_their_names(make: Make) -> None:
    run = make(keywords(PROMPT, words=["moss", "run"], k=2, n=1), sk.Fake("Mossy runners."))
    assert len(run.table) == 0
    assert sorted(re.findall(r"'(\w+)'", run.rejects.reason[0])) == ["moss", "run"]
    assert run.rejects.raw.tolist() == ["Mossy runners."]


@pytest.mark.parametrize(
    ("word", "text", "whole", "prefix"),
    [
        ("walk", "A Walk.", True, True),
        ("walk", "He walked.", False, True),
        ("walk", "A sidewalk.", False, False),
        ("ice cream", "Ice\n cream!", True, True),
        ("Müller", "Frau MÜLLER kam", True, True),
        ("straße", "STRASSE", True, True),
        ("C++", "In C++, that is", True, True),
        ("C++", "In C, that is", False, False),
        ("a.b", "axb", False, False),
        ("moss", "<b>moss</b>", True, True),
        ("moss", '{"moss": 1}', True, True),
    ],
)
def test_what_is_found(make: Make, word: str, text: str, whole: bool, prefix: bool) -> None:
    for option, found in ((False, whole), (True, prefix)):
        recipe = keywords(PROMPT, words=[word], k=1, n=1, prefix=option)
        assert len(make(recipe, sk.Fake(text)).table) == found


def test_each_row_has_words_of_its_own(make: Make) -> None:
    rows = [{"id": "a", "topic": "rain"}, {"id": "b", "topic": "東京"}]
    recipe = keywords("On {{ topic }}: {{ words }}", words=POOL, n=2, rows=rows)
    run = make(recipe, sk.Fake(lambda request: request.messages[-1].content))
    expects(recipe, run)
    assert list(run.table) == ["id", "parent", "topic", "words", "text"]
    assert run.table.parent.tolist() == ["a", "a", "b", "b"]
    assert run.table.text[3] == f"On 東京: {run.table.words[3]}"


def test_a_killed_run_goes_on(survives: Callable[..., sk.Run]) -> None:
    run = survives(lambda: keywords(PROMPT, words=["the", "a", "soup"], k=1, n=8))
    assert len(run.table) + len(run.rejects) == 8


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"words": []}, UsageError, "needs 2 different words; got 0"),
        ({"words": ["a"]}, UsageError, "needs 2 different words; got 1"),
        ({"words": ["a", "A"]}, UsageError, "must differ in more than case"),
        ({"words": ["a", "b, c"]}, UsageError, "without a comma; got 'b, c'"),
        ({"words": ["a", None]}, UsageError, "texts without a comma; got None"),
        ({"words": ["a", " "]}, UsageError, "texts without a comma; got ''"),
        ({"k": 0}, UsageError, "k must be at least 1"),
        ({"n": 0}, UsageError, "n must be at least 1"),
        ({"prompt": "A story."}, PromptError, "must use {{ words }}"),
        ({"prompt": "{{ words }} {{ x }}"}, PromptError, "field 'x' not found"),
        ({"rows": [{"words": 1}]}, TableError, "makes a column 'words'"),
        ({"rows": [{"text": 1}]}, UsageError, "makes a column 'text'"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: Any, error: type[Exception], match: str) -> None:
    arguments = {"prompt": PROMPT, "words": ["a", "b", "c"], "k": 2} | options
    with pytest.raises(error, match=match):
        keywords(arguments.pop("prompt"), **arguments)


def test_no_rows_ask_nothing(make: Make) -> None:
    assert len(make(keywords(PROMPT, words=POOL, rows={"x": []})).table) == 0


@pytest.mark.model
def test_smollm2_is_held_to_its_words(make: Make, smollm2: Any, session: Any) -> None:
    sampling = sk.Sampling(max_tokens=24)
    recipe = keywords(PROMPT, words=["dog", "happy"], k=1, n=3, sampling=sampling)
    run = make(recipe, smollm2)
    expects(recipe, run)
    assert len(run.table) + len(run.rejects) == 3
    for row in tables.records(run.table):
        assert row["words"] in row["text"].lower()
        assert session.trace(row["id"])[-1].completion.text.strip() == row["text"]


@pytest.mark.parametrize(
    ("word", "text", "used"),
    [
        ("दिन", "वह दिन अच्छा था।", True),
        ("दिन", "दिनों की बात", False),
        ("苔藓", "森林里有苔藓。", True),
        ("รถ", "ฉันขับรถ", True),
        ("이끼", "숲의 이끼가 자란다", True),
        ("café", "Un CAFE\u0301 noir", True),
        ("moss", "mossy", False),
    ],
)
def test_words_of_any_script_are_found_whole(word: str, text: str, used: bool) -> None:
    assert (text_with_words([word]).read(text) == {"text": text}) is used
