"""The answer of a completion apart from its reasoning, its tool calls, and a server's words."""

from __future__ import annotations

import time

import pytest

from synthkit.core.answers import normalized_finish, separated, split_reasoning
from synthkit.core.types import Completion, Message, Request, ToolCall

ASK = Request((Message("user", "Say it."),))


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>a</think>b", "a", "b"),
        ("<think></think>\n\nb", "", "b"),
        ("\n <think>a</think> b \n", "a", "b"),
        ("<Think>a</THINK>b", "a", "b"),
        ("a\n</think>\n\nb", "a", "b"),
        ("</think>\n\nb", "", "b"),
        ("<think>a", "a", ""),
        ("<think>a </think> b </think> c", "a\n\nb", "c"),
        ("<think>a <think>b</think> c</think>d", "a <think>b</think> c", "d"),
        ("\u200b<think>a</think>b", "a", "b"),
        ("<think>a</think>b\n<think>c</think>\nd", "a\n\nc", "b\n\nd"),
        ("<think>a</think>b\n<think>c", "a\n\nc", "b"),
        (
            "<think>a</think>It is between <think> and </think>.",
            "a",
            "It is between <think> and </think>.",
        ),
        ("<think>a</think><|begin_of_box|>b<|end_of_box|>", "a", "b"),
        ("<|channel|>analysis<|message|>a<|end|>", "a", ""),
        ("<|channel>thought\na<channel|>b", "a", "b"),
    ],
)
def test_reasoning_is_apart_from_the_answer(text: str, reasoning: str, answer: str) -> None:
    done = separated(Completion(text), ASK)
    assert (done.reasoning, done.text) == (reasoning, answer)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  A plain answer.\n",
        "Write `</think>` at its end.",
        'The tag "</think>" ends it.',
        "I think it is warm.",
        "R1 writes <think>its thoughts</think> before the answer.",
        "analysis of the soup: the assistant's final word",
        '{"think": "<think>a</think>"}',
    ],
)
def test_a_text_without_reasoning_stays_as_it_is(text: str) -> None:
    assert separated(Completion(text), ASK) == Completion(text)


@pytest.mark.parametrize("tag", ["thinking", "thought", "reasoning"])
def test_tags_that_the_prompt_asks_for_are_a_part_of_the_answer(tag: str) -> None:
    text = f"<{tag}>a</{tag}>b"
    asks = Request((Message("user", f"Explain in <{tag}> tags, then answer."),))
    assert separated(Completion(text), asks).text == text
    assert separated(Completion(text), ASK).text == "b"


def test_a_text_of_markers_alone_is_read_in_linear_time() -> None:
    began = time.process_time()
    separated(Completion("</think>" * 2**16), ASK)
    assert time.process_time() - began < 3


def test_other_markers_may_be_set() -> None:
    text = "(hm: it is warm) Warm."
    assert split_reasoning(text, [("(hm:", ")")]) == (["it is warm"], "Warm.")
    assert separated(Completion("<think>a</think>b"), ASK, ()).text == "<think>a</think>b"


def test_reasoning_beside_the_text_and_in_it_are_both_kept() -> None:
    done = separated(Completion("<think>b</think>c", reasoning="a"), ASK)
    assert (done.reasoning, done.text) == ("a\n\nb", "c")


def test_a_scored_text_and_an_error_stay_as_they_are() -> None:
    text = "<think>a</think>b"
    scored = Request((), answer=text)
    assert separated(Completion(text), scored).text == text
    assert separated(Completion(text, finish="error", error="http 500"), ASK).text == text


def test_log_probabilities_are_those_of_the_answer() -> None:
    tokens = ("<think>", "no", "</think>", "\n\n", "y", "es")
    done = Completion("".join(tokens), logprobs=tuple((token, -1.0) for token in tokens))
    assert separated(done, ASK).logprobs == (("y", -1.0), ("es", -1.0))


def test_tool_calls_in_the_text_become_data_if_tools_were_declared() -> None:
    tools = ({"type": "function", "function": {"name": "look_up", "parameters": {}}},)
    request = Request(ASK.messages, tools=tools)
    text = 'I look.\n<tool_call>\n{"name": "look_up", "arguments": {"word": "soup"}}\n</tool_call>'
    done = separated(Completion(text), request)
    assert done.tool_calls == (ToolCall("look_up", {"word": "soup"}),)
    assert (done.text, done.finish) == ("I look.", "tool_calls")
    assert separated(Completion(text), ASK).text == text
    broken = "<tool_call>{not JSON}</tool_call>"
    assert separated(Completion(broken), request).text == broken


@pytest.mark.parametrize(
    ("finish", "words"),
    [
        ("stop", [None, "", "stop", "STOP", "end_turn", "eos_token", "stop_sequence", "COMPLETE",
                  "FINISH_REASON_STOP", "FINISH_REASON_UNSPECIFIED", "eos_token"]),
        ("length", ["length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length",
                    "token_limit", "context_length_exceeded", "model_context_window_exceeded",
                    "truncated", "incomplete", "max-length", "FINISH_REASON_MAX_TOKENS",
                    "stopped_limit"]),
        ("content_filter", ["content_filter", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "SPII",
                            "BLOCKLIST", "refusal", "sensitive", "guardrail_intervened"]),
        ("tool_calls", ["tool_calls", "tool_use", "function_call", "TOOL_CALL"]),
        ("error", ["error", "abort", "cancelled", "insufficient_system_resource", "network_error",
                   "MALFORMED_FUNCTION_CALL"]),
        ("pause", ["pause", "Pause"]),
    ],
)  # fmt: skip
def test_every_servers_word_for_an_end_has_one_meaning(finish: str, words: list[str]) -> None:
    assert {normalized_finish(word) for word in words} == {finish}
