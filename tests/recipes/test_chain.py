from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Message, Request
from synthkit.recipes import Field, augment, chain
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


QUIZ = """--- system
You write for children.
--- field answer
Answer in a word: {{ question }}
--- field question
Ask about {{ topic }}.
--- field level: easy, hard
Is {{ question }} easy or hard?
--- field note
{{ question }} / {{ answer }} / {{ level }}
"""


TOPICS = pd.DataFrame({"id": ["a1", "a2"], "topic": ["rain", "bread"]})


def quiz(request: Request) -> str:
    prompt = request.messages[-1].content
    if prompt.startswith("Ask about "):
        return f"What is {prompt[10:-1]}?"
    return "easy" if request.schema else f"[{prompt}]"


def test_a_field_sees_those_it_uses_whatever_the_order_they_are_written_in(make: Make) -> None:
    fake = sk.Fake(quiz)
    recipe = chain(QUIZ, rows=TOPICS)
    run = make(recipe, fake)
    assert list(run.table) == ["id", "parent", "topic", "question", "answer", "level", "note"]
    assert run.table.parent.tolist() == ["a1", "a2"]
    assert run.table.iloc[0, 3:].tolist() == [
        "What is rain?",
        "[Answer in a word: What is rain?]",
        "easy",
        "[What is rain? / [Answer in a word: What is rain?] / easy]",
    ]
    assert {request.messages[0] for request in fake.asked} == {
        Message("system", "You write for children.")
    }
    assert run.ledger.requests == 8
    expects(recipe, run)


def test_fields_that_do_not_use_each_other_are_asked_in_one_step() -> None:
    (steps,) = chain(QUIZ, rows=TOPICS[:1]).branches()
    first: Any = next(steps)
    assert [request.messages[-1].content for request in first] == ["Ask about rain."]
    second: Any = steps.send([sk.core.types.Completion("Wet?")])
    assert [request.messages[-1].content for request in second] == [
        "Answer in a word: Wet?",
        "Is Wet? easy or hard?",
    ]


def test_rows_do_not_wait_for_each_other(make: Make) -> None:
    order: list[str] = []

    def answer(request: Request) -> str:
        order.append(request.messages[-1].content)
        return "x"

    make(chain("--- field a\nA {{ i }}\n--- field b\nB {{ i }} {{ a }}", rows={"i": [0, 1]}),
         sk.Fake(answer))  # fmt: skip
    assert order == ["A 0", "A 1", "B 0 x", "B 1 x"]
    (one, two) = chain("--- field a\n{{ i }}\n--- field b\n{{ a }}", rows={"i": [0, 1]}).branches()
    next(one), next(two)
    follow: Any = one.send([sk.core.types.Completion("x")])
    assert follow[0].messages[-1].content == "x"


def test_rows_that_come_to_ask_the_same_draw_samples_of_their_own(make: Make) -> None:
    prompt = "--- field mood: calm, angry\nHow is {{ who }}?\n--- field line\nSay it {{ mood }}ly."
    rows = {"who": ["Ann", "Bob", "Cid", "Ann"]}
    run = make(chain(prompt, rows=rows), sk.Fake(lambda r: "calm" if r.schema else f"{r.index}"))
    assert run.table.line.is_unique
    assert run.table.id.is_unique


def test_a_column_that_no_template_uses_changes_no_request() -> None:
    def requests(rows: Any) -> list[Request]:
        return [next(branch)[0] for branch in chain(QUIZ, rows=rows).branches()]  # type: ignore

    assert requests(TOPICS) == requests(TOPICS.assign(other=[1, 2]))


def test_fields_with_one_template_have_answers_of_their_own(make: Make) -> None:
    run = make(chain("--- field a\nName a fruit.\n--- field b\nName a fruit."))
    assert run.table.a[0] != run.table.b[0]


@pytest.mark.parametrize(
    ("fields", "circle"),
    [
        ({"a": "{{ a }}"}, "a -> a"),
        ({"a": "{{ c }}", "b": "{{ a }}", "c": "{{ b }}"}, "a -> b -> c -> a"),
    ],
)
def test_a_circle_is_refused_with_its_path(fields: dict[str, str], circle: str) -> None:
    with pytest.raises(UsageError, match=f"in a circle: {circle}"):
        chain("", fields=fields)


def test_an_answer_that_cannot_be_read_is_asked_again_once(make: Make) -> None:
    said = iter(["perhaps", "It is hard."])
    prompt = "--- field level: easy, hard\nEasy or hard?"
    recipe = chain(prompt)
    run = make(recipe, sk.Fake(lambda _: next(said)))
    assert run.table.level.tolist() == ["hard"]
    assert run.ledger.repairs == 1
    expects(recipe, run)


@pytest.mark.parametrize("hostile", ["", "<html>no</html>", '{"level": 1}', "easy and hard"])
def test_a_row_that_lacks_a_field_is_a_reject_with_the_cells_it_has(
    make: Make, hostile: str
) -> None:
    def answer(request: Request) -> str:
        return hostile if request.schema or len(request.messages) > 2 else quiz(request)

    run = make(chain(QUIZ, rows=TOPICS), sk.Fake(answer))
    assert run.table.empty
    assert run.rejects.parent.tolist() == ["a1", "a2"]
    assert run.rejects.question[0] == "What is rain?"
    assert run.rejects.answer[0] == "[Answer in a word: What is rain?]"
    assert run.rejects.raw[0] == hostile
    assert run.rejects.reason[0].startswith("level: ")


def test_a_schema_adds_its_columns_which_later_fields_use(make: Make) -> None:
    person = {"properties": {"who": {"type": "string"}, "tags": {"type": "array"}}}
    reply = json.dumps({"who": "Ödön", "tags": ["a", "b"]})
    fields = {"person": Field(prompt="Make up {{ kind }}.", schema=person),
              "line": "{{ who }}: {{ tags[1].upper() }}",
              "pair": Field(prompt="{{ line }}", regex="(?P<left>.)(?P<right>.)")}  # fmt: skip
    recipe = chain("", rows=[{"kind": "one"}], fields=fields)
    run = make(recipe, sk.Fake(lambda r: reply if r.schema else r.messages[-1].content))
    assert run.table.iloc[0, 1:].tolist() == ["one", "Ödön", ["a", "b"], "Ödön: B", "Ö", "d"]
    assert recipe.prompt.startswith("--- field person\nMake up {{ kind }}.\n--- field line\n")


def test_a_template_that_cannot_be_filled_in_later_rejects_its_row(make: Make) -> None:
    person = {"properties": {"age": {"type": ["integer", "null"]}}}
    fields = {"person": Field(prompt="Who?", schema=person), "line": "Aged {{ age }}"}
    run = make(chain("", fields=fields), sk.Fake('{"age": null}'))
    assert run.table.empty
    assert run.rejects.reason[0].startswith("line: a field is missing")


def test_a_chain_without_rows_is_one_row(make: Make) -> None:
    assert len(make(chain("--- field a\nSay a."), sk.Fake("a")).table) == 1


def test_an_empty_table_makes_no_rows(make: Make) -> None:
    recipe = chain(QUIZ, rows=TOPICS[:0])
    assert str(recipe.requests) == "0"
    assert make(recipe).table.empty


def test_a_budget_makes_as_many_rows_as_it_can_end(make: Make) -> None:
    fields = {"a": "A {{ i }}", "b": "B {{ a }}", "c": "C {{ b }}"}
    run = make(chain("", rows={"i": list(range(100))}, fields=fields), max_requests=100)
    assert (len(run.table), len(run.pending)) == (33, 67)


def test_a_killed_chain_goes_on(survives: Callable[..., sk.Run]) -> None:
    rows = {"topic": ["rain", "bread", "rain", "tea"]}
    run = survives(lambda: chain(QUIZ, rows=rows), quiz)
    assert len(run.table) == 4


@pytest.mark.parametrize(
    ("prompt", "options", "match"),
    [
        ("Ask about {{ topic }}.", {}, "expected '--- field NAME' lines"),
        ("", {}, "one or more '--- field NAME'"),
        ("--- system\nHi.\n--- user\nHo.\n--- field a\nA", {}, "at most a '--- system' turn"),
        ("--- system\nHi.\n--- field a\n--- system\nHo.\n--- user\nA", {}, "field 'a': the system"),
        ("--- field a\n", {}, "field 'a': the prompt is empty"),
        ("--- field a\n{{ topik }}", {}, r"field 'a': field 'topik' not found; have .*'topic'\?"),
        ("--- field a: one\nA", {}, "two or more distinct"),
        ("--- field a\nA", {"fields": {"a": "A"}}, "'a' is both in the prompt and in fields="),
        ("--- field a\nA", {"fields": {"b": 3}}, "a template or a Field; got 3"),
        ("--- field id\nA", {}, "cannot make the column 'id'"),
        ("--- field topic\nA", {}, "the rows have already"),
        (
            "",
            {"fields": {"b": Field(prompt="B", labels=["a", "b"], regex="x")}},
            "labels and regex",
        ),
        ("--- field a\nA", {"fields": {"b": Field(prompt="B", regex="(?P<a>.)")}}, "both make a"),
    ],
)
def test_what_cannot_work_is_refused_at_once(
    prompt: str, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        chain(prompt, rows=TOPICS, **options)


def test_a_cell_that_is_missing_is_found_before_anything_is_asked() -> None:
    with pytest.raises(PromptError, match="field 'b', row 1: a field is missing"):
        chain("--- field a\nA\n--- field b\n{{ x }} {{ a }}", rows={"x": ["x", None]})


@pytest.mark.parametrize(
    "template",
    [
        "{% if side == 'good' %}Why is it good?{% elif side == 'bad' %}Why is it bad?{% endif %}",
        "{{ {'good': 'Why is it good?', 'bad': 'Why is it bad?'}[side] }}",
        "Why is it {{ words.split('|')[1] }}?",
        "{% if side == 'bad' %}Why is it {{ note }}?{% else %}Why is it good?{% endif %}",
    ],
)
def test_a_template_may_depend_on_what_is_made_later(make: Make, template: str) -> None:
    """No placeholder decides whether it can be rendered."""
    model = sk.Fake(lambda request: request.messages[-1].content.split()[-1])
    fields = "--- field side: good, bad\n{{ x }}\n--- field words\n{{ x }}|{{ x }}\n"
    rows = {"x": ["good", "bad"], "note": [None, "bad"]}
    run = make(chain(f"{fields}--- field why\n{template}", rows=rows), model)
    assert run.table["why"].tolist() == ["good?", "bad?"]


def test_a_row_whose_prompt_turns_out_empty_is_rejected(make: Make) -> None:
    model = sk.Fake(lambda request: request.messages[-1].content.split()[-1])
    template = "{% if side == 'good' %}Why good?{% endif %}"
    run = make(
        chain(
            f"--- field side: good, bad\n{{{{ x }}}}\n--- field why\n{template}",
            rows={"x": ["good", "bad"]},
        ),
        model,
    )
    assert run.table["why"].tolist() == ["good?"]
    assert run.rejects["reason"].tolist() == ["why: the prompt is empty after rendering."]


@pytest.mark.model
def test_a_chain_on_a_real_model(
    make: Make, session: sk.Session, smollm2: sk.core.models.Model
) -> None:
    prompt = (
        "--- field thing\nName one {{ kind }}.\n--- field size: big, small\nIs {{ thing }} big?"
    )
    rows = {"kind": ["fruit", "animal"]}
    run = make(chain(prompt, rows=rows, sampling=sk.Sampling(max_tokens=12)), smollm2)
    assert len(run.table) + len(run.rejects) == 2
    for id, thing, size in run.table[["id", "thing", "size"]].itertuples(index=False):
        named, judged = session.trace(id)
        assert named.completion.text.strip() == thing
        assert thing in judged.request["messages"][0][1]
        assert size in ("big", "small")
    blanks = {"kind": ["fruit", "fruit"], "thing": ["A plum.", None]}
    run = make(augment("", rows=blanks, fields={"thing": "Name one {{ kind }}."}), smollm2)
    assert run.ledger.requests == 1
    assert run.table.thing[0] == "A plum."
    assert session.trace(run.table.id[1])[0].completion.text.strip() == run.table.thing[1]
