from __future__ import annotations

import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import no_leakage


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write about {{ topic }}.", "placeholder"),
        ("{% if x %}soup{% endif %}", "placeholder"),
        ("Dear [Your Name],", "placeholder"),
        ("Visit [Insert Restaurant Name] today", "placeholder"),
        ("Best, [Name]", "placeholder"),
        ("Hello <your name>", "placeholder"),
        ("Sure, here is a review: Good.", "preamble"),
        ("Here are three reviews of the soup:\n1. Good", "preamble"),
        ("Certainly! Here's one:\nGood.", "preamble"),
        ("<|im_start|>assistant\nGood.", "chat markup"),
        ("Good soup.</s>", "chat markup"),
        ("### Response:\nGood soup", "chat markup"),
        ("Assistant: Good soup.", "chat markup"),
        ("Good soup.\n\nLet me know if you need any changes!", "closing words"),
        ("Good soup. I hope this helps!", "closing words"),
        ("Sure, the soup was fine.", ""),
        ("Here we go again: cold soup.", ""),
        ("Certainly the best soup in town", ""),
        ("The menu says [sic] soop, and it was <3", ""),
        ("Prices: soup $5 (small) [cash only]", ""),
    ],
)
def test_words_around_an_answer_are_found(text: str, kind: str) -> None:
    assert no_leakage().judge([{"text": text}])[0].partition(":")[0] == kind


def test_words_of_the_prompt_are_found_by_row() -> None:
    rows = [
        {"text": "You asked me to write a review of a noisy bar: it was loud.", "p": "x"},
        {"text": "You asked me to write a review of a noisy bar: it was loud.", "p": "A tea room."},
        {"text": "a tea ROOM, they said", "p": "A tea room."},
        {"text": "Tea", "p": "Tea"},
        {"text": "Tea", "p": None},
    ]
    rows[0]["p"] = "Write a review of a noisy bar."
    assert no_leakage(prompts="p").judge(rows) == [
        "copies the prompt: write a review of a noisy",
        "",
        "copies the prompt: a tea room",
        "",
        "",
    ]
    assert no_leakage(prompts=["p"], n=9).judge(rows)[0] == (
        "copies the prompt: write a review of a noisy bar"
    )
    assert no_leakage(prompts="p").name == "no leakage of p, 6 words"
    with pytest.raises(TableError, match="column 'prompt' not found"):
        no_leakage(prompts="prompt").judge(rows)
    with pytest.raises(UsageError, match="n must be 3 words or more"):
        no_leakage(n=1)


def test_the_fixed_words_of_a_template_are_found_and_its_fields_are_not() -> None:
    leak = no_leakage(
        template="Write one {{ tone }} sentence a guest might post about {{ topic }}."
    )
    texts = [
        "Here a sentence a guest might post about soup",
        "Write one about soup, a dry sentence",
    ]
    assert leak.judge([{"text": text} for text in texts]) == [
        "copies the prompt: sentence a guest might post about",
        "",
    ]


def test_a_long_text_is_searched_in_linear_time() -> None:
    for text in ("{{" * 500_000, "[your " * 160_000, "word " * 200_000, "<your-" * 160_000):
        assert len(no_leakage(template="a b c d e f").judge([{"text": text}])) == 1
