"""Replies as servers give them, generated: every cell is the answer, and no reply is lost."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import synthkit as sk
from tests.server import Asked, Reply, Server

N = 200
"""Replies to each of the five kinds of question."""

SCRIPTS = {
    "Latin": ("Le café était tiède, mais la soupe était bonne.", "gut", "schlecht", "Das ist {}."),
    "Cyrillic": ("Суп был тёплый, а хлеб свежий.", "хорошо", "плохо", "Ответ: {}."),
    "Arabic": ("كان الحساء دافئًا والخبز طازجًا.", "جيد", "سيئ", "الجواب {} ."),
    "Devanagari": ("सूप गर्म था और रोटी ताज़ी थी।", "अच्छा", "बुरा", "उत्तर {} है।"),
    "Han": ("汤是热的,面包是新鲜的。", "积极", "消极", "这条评论的答案是{}的。"),
    "Thai": ("ซุปอุ่นและขนมปังสด", "บวก", "ลบ", "คำตอบคือ{}"),
}
"""Script -> a sentence, two labels, and a sentence that names one of them."""

CUT = ["length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length", "LENGTH"]
WHOLE = ["stop", "STOP", "end_turn", "eos_token", "stop_sequence", None, "FINISH_REASON_STOP"]
WITHHELD = ["content_filter", "SAFETY", "PROHIBITED_CONTENT", "refusal", "RECITATION"]

Message = dict[str, Any]


def beside(name: str) -> Callable[[str, str], Message]:
    return lambda thought, answer: {"content": answer, name: thought}


def within(start: str, end: str, between: str = "\n\n") -> Callable[[str, str], Message]:
    return lambda thought, answer: {"content": f"{start}{thought}{end}{between}{answer}"}


def parts(*kinds: str) -> Callable[[str, str], Message]:
    thinking, inner = kinds

    def content(thought: str, answer: str) -> Message:
        held: Any = thought if inner == "text" else [{"type": "text", "text": thought}]
        return {"content": [{"type": thinking, thinking: held}, {"type": "text", "text": answer}]}

    return content


REASONED: dict[str, Callable[[str, str], Message]] = {
    "no reasoning": lambda thought, answer: {"content": answer},
    "reasoning_content": beside("reasoning_content"),
    "reasoning": beside("reasoning"),
    "reasoning details": lambda thought, answer: {
        "content": answer,
        "reasoning_details": [{"type": "reasoning.text", "text": thought}],
    },
    "thinking blocks": lambda thought, answer: {
        "content": [{"type": "text", "text": {"value": answer}}],
        "thinking_blocks": [{"type": "thinking", "thinking": thought, "signature": "x"}],
    },
    "reasoning summary": lambda thought, answer: {
        "content": {"type": "text", "text": answer},
        "reasoning": {"summary": [{"type": "summary_text", "text": thought}]},
    },
    "thinking part": parts("thinking", "text"),
    "thinking part of parts": parts("thinking", "parts"),
    "think": within("<think>\n", "\n</think>"),
    "think in one line": within("<think>", "</think>", ""),
    "THINK": within("\ufeff <THINK>", "</THINK>"),
    "think without its start": within("", "\n</think>"),
    "think twice": lambda thought, answer: {
        "content": f"<think>Hm.</think>\n<think>{thought}</think>\n{answer}"
    },
    "think in think": within("<think>a <think>b</think> ", "</think>"),
    "Magistral": within("[THINK]", "[/THINK]"),
    "Seed": within("<seed:think>", "</seed:think>"),
    "Kimi": within("◁think▷", "◁/think▷"),
    "gpt-oss": within(
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
        "",
    ),
    "gpt-oss without special tokens": within("analysis", "assistantfinal", ""),
    "thinking": within("<thinking>", "</thinking>"),
    "Sky-T1": lambda thought, answer: {
        "content": f"<|begin_of_thought|>{thought}<|end_of_thought|>\n"
        f"<|begin_of_solution|>{answer}<|end_of_solution|>"
    },
}
USAGES: list[tuple[Any, tuple[int, int]]] = [
    ({"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60}, (10, 50)),
    ({"prompt_tokens": 10.0, "completion_tokens": 50.0}, (10, 50)),
    ({"input_tokens": 10, "output_tokens": 50}, (10, 50)),
    ({"prompt_tokens": 10, "total_tokens": 60}, (10, 50)),
    (
        {
            "prompt_tokens": 10,
            "completion_tokens": 20,
            "total_tokens": 60,
            "completion_tokens_details": {"reasoning_tokens": 30},
        },
        (10, 50),
    ),
    ({"prompt_tokens": 10, "completion_tokens": 50, "prompt_tokens_details": None}, (10, 50)),
]


class Case(NamedTuple):
    """A reply, and the right outcome: a cell, or ``None`` for a reject."""

    message: Message
    finish: str | None
    right: Any
    truncated: bool
    reasoning: str
    usage: tuple[Any, tuple[int, int]]


class Question(NamedTuple):
    """How an answer is asked for, and how replies to it are written."""

    options: dict[str, Any]
    column: str
    write: Callable[[random.Random, str], tuple[Any, str, str]]
    """(the right cell, the answer as text, the same with a wrong cell: a draft)."""


def wrapped(draw: random.Random, value: Any) -> str:
    text = json.dumps(value, ensure_ascii=draw.random() < 0.5, indent=draw.choice([None, 2]))
    forms = [
        "{}",
        "```json\n{}\n```",
        "Here it is:\n{}",
        "{}\n\nI hope that helps!",
        "```\n{}```\n",
    ]
    return draw.choice(forms).replace("{}", text, 1)


def as_text(draw: random.Random, script: str) -> tuple[Any, str, str]:
    right = f"{SCRIPTS[script][0]} {draw.randint(1, 99)}"
    return right, right, "A draft."


def as_label(draw: random.Random, script: str) -> tuple[Any, str, str]:
    _, *labels, sentence = SCRIPTS[script]
    right, other = draw.sample(labels, 2)
    form = draw.choice(["{}", "**{}**", "{}.", '"{}"', "Label: {}", sentence])
    return right, form.replace("{}", right), f"It may be {other} or {right}."


def as_object(draw: random.Random, script: str) -> tuple[Any, str, str]:
    right = f'{SCRIPTS[script][0]} "{draw.randint(1, 99)}" {{}}'
    return right, wrapped(draw, {"text": right}), 'A draft: {"text": "DRAFT"}, then.'


def as_groups(draw: random.Random, script: str) -> tuple[Any, str, str]:
    right = SCRIPTS[script][0]
    return right, f"Q: {draw.randint(1, 99)}?\nA: {right}", "Q: draft?\nA: DRAFT"


def as_score(draw: random.Random, script: str) -> tuple[Any, str, str]:
    right = draw.randint(2, 5)
    answer = wrapped(draw, {"reason": SCRIPTS[script][0], "score": right})
    return float(right), answer, 'First thought: {"reason": "bad", "score": 1}'


SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
QUESTIONS = {
    "text": Question({}, "text", as_text),
    "label": Question({}, "label", as_label),
    "schema": Question({"schema": SCHEMA, "repairs": 0}, "text", as_object),
    "regex": Question({"regex": r"Q: (?P<q>[^\n]+)\nA: (?P<a>[^\n]+)"}, "a", as_groups),
    "judge": Question({}, "judge", as_score),
}


def made(draw: random.Random, kind: str, script: str) -> Case:
    """A random reply to one kind of question, with answers in one script."""
    right, answer, draft = QUESTIONS[kind].write(draw, script)
    form = draw.choice(list(REASONED))
    thought = f"{SCRIPTS[script][0]} {draft}"
    usage = draw.choice(USAGES)
    message, finish = REASONED[form](thought, answer), draw.choice(WHOLE)
    reasoning = "" if form == "no reasoning" else thought
    truncated = False
    fate = draw.random()
    if fate < 0.15:  # the answer is cut
        finish, truncated = draw.choice(CUT), True
        right = right if kind == "text" else None
    elif fate < 0.2:  # so is its reasoning
        message = {"content": f"<think>{thought}"}
        finish, truncated, right, reasoning = draw.choice(CUT), True, None, thought
    elif fate < 0.25:
        finish, right = draw.choice(WITHHELD), None
    elif fate < 0.28:
        message, right, reasoning = {"content": None, "refusal": f"No. {draft}"}, None, ""
    elif fate < 0.32:
        call = {"id": "c1", "function": {"name": "look_up", "arguments": '{"word": "soup"}'}}
        message = {"content": None, "tool_calls": [call]}
        finish, right, reasoning = "tool_calls", None, ""
    elif fate < 0.35:
        message, right, reasoning = {"content": draw.choice(["", "  \n", None])}, None, ""
    return Case(message, finish, right, truncated, reasoning, usage)


@pytest.mark.parametrize("kind", list(QUESTIONS))
def test_no_cell_is_wrong_and_no_reply_is_lost(kind: str, session: sk.Session) -> None:
    draw = random.Random(f"replies to {kind}")
    question = QUESTIONS[kind]
    for script, (_, *labels, _) in SCRIPTS.items():
        cases = [made(draw, kind, script) for _ in range(-(-N // len(SCRIPTS)))]

        def reply(request: Asked, cases: list[Case] = cases) -> Reply:
            (number, *_) = re.findall(rb"case (\d+)\.", request.body)
            case = cases[int(number)]
            choice = {"index": 0, "message": case.message, "finish_reason": case.finish}
            return Reply(body={"choices": [choice], "usage": case.usage[0]})

        rows = [{"i": f"case {i}."} for i in range(len(cases))]
        options = question.options | ({"labels": labels} if kind == "label" else {})
        with Server(reply) as server:
            model = sk.load_model(f"openai:{script}", base_url=server.base_url)
            if kind == "judge":
                judging = sk.recipes.judge(rows=[{"text": row["i"]} for row in rows])
                run = sk.generate(judging, model=model, session=session, reasoning=True)
                asked = "text"
            else:
                asked = "i"
                run = sk.generate(
                    "{{ i }}", rows=rows, model=model, session=session, reasoning=True, **options
                )
        cells = dict(zip(run.table[asked], run.table[question.column], strict=True))
        thoughts = dict(zip(run.table[asked], run.table["reasoning"], strict=True))
        assert len(run.table) + len(run.rejects) == len(cases)
        if kind != "judge":  # which asks again
            spent = (run.ledger.prompt_tokens, run.ledger.completion_tokens)
            assert spent == tuple(map(sum, zip(*(case.usage[1] for case in cases), strict=True)))
            assert run.ledger.truncated == sum(case.truncated for case in cases)
        for i, case in enumerate(cases):
            assert cells.get(f"case {i}.") == case.right, case
            if case.right is not None:
                assert thoughts[f"case {i}."].endswith(case.reasoning.strip()), case
