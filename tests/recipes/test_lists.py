from __future__ import annotations

import pytest

from synthkit.core.types import Completion
from synthkit.recipes._lists import list_entries


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. Golf\n2. Chess", ["Golf", "Chess"]),
        ("Sure! Here they are:\n\n1) golf\n2) chess\n\nAsk for more.", ["golf", "chess"]),
        ("1. **Golf**\n2. *Chess*\n3. `Go`", ["Golf", "Chess", "Go"]),
        ("- golf\n* chess\n• go\n– judo\n+ polo", ["golf", "chess", "go", "judo", "polo"]),
        ("(1) golf\n(2) chess", ["golf", "chess"]),
        ("a) golf\nb) chess", ["golf", "chess"]),
        ("1: golf\n2: chess", ["golf", "chess"]),
        ("1.golf\n2.chess", ["golf", "chess"]),
        ("1. 3.5 mm\n2. 2.5 mm", ["3.5 mm", "2.5 mm"]),
        ("1. 1. Golf. 2. 2. Chess.", ["Golf", "Chess"]),
        ("- 1. golf\n- 2. chess", ["golf", "chess"]),
        ("golf, chess,judo, and go", ["golf", "chess", "judo", "go"]),
        ("Topics: golf; chess", ["golf", "chess"]),
        ("golf\nchess", ["golf", "chess"]),
        ("Topics:\ngolf\nchess", ["golf", "chess"]),
        ('```json\n["golf", "chess, blitz"]\n```', ["golf", "chess, blitz"]),
        ('1. "golf"\n2. “chess”', ["golf", "chess"]),
        ("1. サッカー\n2. 将棋", ["サッカー", "将棋"]),
        ("囲碁、将棋", ["囲碁", "将棋"]),
        ("1. U.S. politics\n2. the U.S.", ["U.S. politics", "the U.S."]),
        ("1. \n2. golf\n3. ***", ["golf"]),
        ("- A nurse, 40, who bakes.", ["A nurse, 40, who bakes"]),
    ],
)
def test_entries_of_every_kind_of_list(text: str, expected: list[str]) -> None:
    assert list_entries(10)(Completion(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "I cannot help with that.",
        "Well, there are many kinds of topics that one could think of, such as golf.",
        "<ul><li>golf</li>,<li>chess</li></ul>",
        '{"topics": 3}',
        "[]",
        "1.\n2.",
        "...",
        "[" * 20000 + "]",
    ],
)
def test_what_is_no_list_says_so(text: str) -> None:
    assert list_entries(10)(Completion(text)).reason == "is no list"


def test_a_list_of_one_may_be_a_line_alone() -> None:
    assert list_entries(1)(Completion("A nurse who bakes.")) == ["A nurse who bakes"]
    assert list_entries(1)(
        Completion("One.\nTwo, and more words than an entry of a list has.")
    ).reason


def test_entries_that_were_cut_or_not_asked_for_are_rejects() -> None:
    golf, chess = list_entries(1)(Completion("1. golf\n2. chess"))
    assert (golf, chess.raw, chess.reason) == ("golf", "chess", "beyond the 1 that were asked for")
    golf, cut = list_entries(5)(Completion("1. golf\n2. che", finish="length"))
    assert (golf, cut.raw, cut.reason) == ("golf", "che", "the answer was cut at max_tokens")
