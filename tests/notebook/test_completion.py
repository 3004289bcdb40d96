"""Completion of ``%synth`` lines, as IPython gives it."""

from __future__ import annotations

import pandas as pd
import pytest

from synthkit.notebook.verbs._base import VERBS
from tests.notebook.conftest import Shell


def complete(shell: Shell, text: str) -> list[str]:
    """What the text could become, with the parts that IPython would replace put in place."""
    line = text.splitlines()[-1]
    completions = shell.ip.Completer.completions(text, len(text))
    from IPython.core.completer import provisionalcompleter

    with provisionalcompleter():
        found = list(completions)
    return [
        (text[: c.start] + c.text + text[c.end :]).removeprefix(text[: -len(line)]) for c in found
    ]


SMOL = ["smollm2", "smollm2-360m", "smollm2-1.7b", "smollm3-3b"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%synth mod", ["%synth model", "%synth models"]),
        ("%synth ", [f"%synth {verb}" for verb in sorted(VERBS) if " " not in verb]),
        ("%synth clas", ["%synth class", "%synth classify"]),
        ("%synth class as", ["%synth class assign"]),
        ("%synth class assign se", ["%synth class assign seeds"]),
        (
            "%synth class assign seeds --ov",
            ["%synth class assign seeds --overlap", "%synth class assign seeds --over"],
        ),
        ("%synth mark see", ["%synth mark seeds"]),
        ("%synth mark seeds --order un", ["%synth mark seeds --order uncertain"]),
        ("%synth mark seeds --ag", ["%synth mark seeds --again"]),
        ("%synth lab tone --inputs see", ["%synth lab tone --inputs seeds"]),
        (
            "%synth lab tone --judge-model smol",
            [f"%synth lab tone --judge-model {name}" for name in SMOL],
        ),
        ("%synth filter see", ["%synth filter seeds"]),
        ("%synth filter seeds --no-ref", ["%synth filter seeds --no-refusals"]),
        (
            "%synth filter seeds --no-pii --no-con",
            ["%synth filter seeds --no-pii --no-contamination"],
        ),
        (
            "%synth filter seeds --no-contamination see",
            ["%synth filter seeds --no-contamination seeds"],
        ),
        ("%synth eval seeds --against see", ["%synth eval seeds --against seeds"]),
        ("%synth eval seeds --metric voc", ["%synth eval seeds --metric vocabulary"]),
        ("%synth scores see", ["%synth scores seeds"]),
        ("%synth sess", ["%synth session"]),
        ("%%synth x --temp", ["%%synth x --temperature"]),
        ("%%synth x --model smol", [f"%%synth x --model {name}" for name in SMOL]),
        ("%%synth x --model re", ["%%synth x --model replay:"]),
        ("%%synth x --from see", ["%%synth x --from seeds"]),
        ("%%synth x --sampler p", ["%%synth x --sampler product"]),
        ("%%synth x --sampler=i", ["%%synth x --sampler=independent"]),
        ("%%synth x --vary t=@see", ["%%synth x --vary t=@seeds"]),
        ("%%synth x --schema gu", ["%%synth x --schema guest"]),
        ("%%synth x --recipe freeal --classif", ["%%synth x --recipe freeal --classifier"]),
        (
            "%%synth x --recipe freeal --classifier wordl",
            ["%%synth x --recipe freeal --classifier wordllama"],
        ),
    ],
)
def test_a_line_is_completed(shell: Shell, text: str, expected: list[str]) -> None:
    shell.ip.user_ns |= {"seeds": pd.DataFrame({"a": [1]}), "guest": {"type": "object"}}
    assert complete(shell, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%synth filter seeds --learned po", ["%synth filter seeds --learned polite"]),
        ("%%synth x --learned po", ["%%synth x --learned polite"]),
        ("%synth filter seeds --by is_", ["%synth filter seeds --by is_short"]),
        ("%synth filter seeds --by=is_", ["%synth filter seeds --by=is_short"]),
        ("%synth eval seeds --learner is_", ["%synth eval seeds --learner is_short"]),
    ],
)
def test_learned_filters_and_variables_are_offered(
    shell: Shell, text: str, expected: list[str]
) -> None:
    for _ in range(2):
        shell.context.session.store.filters.add("polite", {"n": len(expected)})
    shell.ip.user_ns |= {"seeds": pd.DataFrame({"a": [1]}), "is_short": lambda row: True}
    assert complete(shell, text) == expected


@pytest.mark.parametrize(
    ("line", "start", "expected"),
    [
        ("--from seeds", "Write {{ sta", ["Write {{ stars"]),
        ("--from=saved", "Write {{ sta", ["Write {{ stars"]),
        ("--from seeds", "{{ text }} {{stars + w", ["{{ text }} {{stars + words"]),
        ("--from seeds --vary topic=a,b", "{% if to", ["{% if topic"]),
        ("--vary topic=a,b --vary tone=c", "{{ to", ["{{ topic", "{{ tone"]),
        ("--sampler joint --like seeds", "{{ te", ["{{ text"]),
        ("--from seeds", "{{ ro", ["{{ row['my stars']", "{{ row['self']"]),
        ("--from seeds", "{{ text }} st", []),
        ("--from seeds", "{{ text.st", []),
        ("--from nowhere --vary topic=a", "{{ to", ["{{ topic"]),
        ('--vary topic="a', "{{ to", []),
        ('--vary "my topic=a b"', "{{ ro", ["{{ row['my topic']"]),
    ],
)
def test_fields_are_completed_in_the_text_of_a_cell(
    shell: Shell, line: str, start: str, expected: list[str]
) -> None:
    names = ["stars", "text", "words", "my stars", "self"]
    shell.ip.user_ns["seeds"] = pd.DataFrame({name: [1] for name in names})
    shell.context.session.save("saved", shell.ip.user_ns["seeds"])
    found = complete(shell, f"%%synth x {line}\nSome text.\n{start}")
    assert found == expected


def test_python_lines_and_prompts_are_left_alone(shell: Shell) -> None:
    shell.ip.user_ns["seeds"] = 1
    assert "seeds" in complete(shell, "see")
    assert "--temperature" not in str(complete(shell, "%%synth x --model fake\nWrite --temp"))
