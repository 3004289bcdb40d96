from __future__ import annotations

import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import no_leakage, no_refusals

REFUSALS = """I'm sorry, but I can't help with that.
I’m sorry, but I cannot assist with this request.
I cannot fulfill your request.
I can't provide instructions on how to do that.
As an AI language model, I don't have personal opinions.
As an AI, I must remain neutral.
As a large language model I have never eaten at a restaurant.
I'm just an AI, I can't taste food, but here is a review.
I am an AI assistant designed to be helpful.
Sorry, I can't do that.
I apologize, but I am unable to generate content of this kind.
I'm not able to create a negative review about a real business.
I must respectfully decline.
It would be unethical for me to write that.
It is not appropriate to share personal information.
I don't have access to real-time data, and cannot answer that.
I do not have personal opinions or feelings.
That goes against my programming.
This request violates OpenAI's content policy.
I'm unable to comply with your request.""".split("\n")
LOOK_ALIKES = """I'm sorry the soup was cold.
I'm sorry, but I can't recommend this place.
I can't help but love the bread.
I cannot wait to go back!
Sorry, I was late and the kitchen had closed.
We apologize for the wait, said nobody all night.
As an AI researcher I eat at my desk, and this is better.
I'm an engineer, not a food critic.
I can't give it more than two stars.
They were unable to seat us.
They could not answer our question about nuts.
I will not be coming back.
Won't create an account just to order a pizza.
I am not able to eat gluten and they had nothing.
It is not safe to park here.
I refuse to pay for water.
I don't have personal experience with the brunch.
She said she'd help you with your question, and did.
My wife's guidelines: no onions.
The menu is an ai-generated mess.""".split("\n")


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_dropped(text: str) -> None:
    assert no_refusals().judge([{"text": text}])[0].startswith("refusal: ")
    assert no_refusals().judge([{"text": f"  {text.upper()}\n\nBut maybe."}])[0]


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_a_look_alike_stays(text: str) -> None:
    assert no_refusals().judge([{"text": text}]) == [""]
    assert no_leakage().judge([{"text": text}]) == [""]


def test_only_the_beginning_is_an_answers_refusal() -> None:
    story = "Word after word. " * 30
    assert no_refusals().judge([{"text": story + REFUSALS[0]}, {"text": None}]) == ["", "missing"]


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
def test_what_a_model_adds_is_found(text: str, kind: str) -> None:
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


def test_a_million_characters_take_no_time() -> None:
    for text in ("{{" * 500_000, "[your " * 160_000, "word " * 200_000, "<your-" * 160_000):
        assert len(no_leakage(template="a b c d e f").judge([{"text": text}])) == 1
        assert no_refusals().judge([{"text": text}]) == [""]
