from __future__ import annotations

import pytest

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
I'm unable to comply with your request.
I'm not able to see the file you're referring to.
I am unfortunately not able to view your image.
I don't have a file to analyze. Could you please share it?
I don't have a file. Please upload one.
I do not see any document in your message.
It seems that you haven't provided a file.
There is no file attached to your message.
As an artificial intelligence language model, I do not possess emotions.
As an artificial-intelligence language model, I don't eat.
Being an AI language model, I cannot taste food.
I am unable to generate images.
I'm currently unable to generate the text you asked for.
Sorry, unable to generate a suitable example.
I was unable to generate a suitable sentence.
I don't have the ability to see images.
I am not able to browse the internet.
It is not possible for me to see the file.""".split("\n")
RESEMBLE_REFUSALS = """I'm sorry the soup was cold.
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
The menu is an ai-generated mess.
I wasn't able to see the file menu because the screen is dark.
I'm not able to see the stage from these seats.
I don't have a file cabinet.
There is no file attached to the case, and the zipper broke.
You didn't include the charger.
I cannot open the file on my Mac, waste of money.
I can't see the picture well on this TV.
I don't have any pictures to share but it is lovely.
The machine is unable to generate enough suction.
I was unable to create an account.
As an assistant I use it daily at work.
Can't access the internet with this router.""".split("\n")


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_dropped(text: str) -> None:
    assert no_refusals().judge([{"text": text}])[0].startswith("refusal: ")
    assert no_refusals().judge([{"text": f"  {text.upper()}\n\nBut maybe."}])[0]


@pytest.mark.parametrize("text", RESEMBLE_REFUSALS)
def test_a_text_that_resembles_a_refusal_is_kept(text: str) -> None:
    assert no_refusals().judge([{"text": text}]) == [""]
    assert no_leakage().judge([{"text": text}]) == [""]


def test_a_refusal_is_found_only_at_the_beginning() -> None:
    story = "Word after word. " * 30
    assert no_refusals().judge([{"text": story + REFUSALS[0]}, {"text": None}]) == ["", "missing"]


def test_a_long_text_is_searched_in_linear_time() -> None:
    for text in ("{{" * 500_000, "[your " * 160_000, "word " * 200_000, "<your-" * 160_000):
        assert no_refusals().judge([{"text": text}]) == [""]
