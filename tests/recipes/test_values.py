from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Completion, Request
from synthkit.data import tables
from synthkit.prompts.conditions import conditions
from synthkit.recipes import as_vary, personas, values
from synthkit.recipes._lists import list_entries
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]
PROMPT = "Name a {{ field }} of {{ label }}."
LABELS = ["sports", "science", "art"]
LISTS = {
    "sports": ["golf", "chess", "doping"],
    "science": ["physics", "chess"],
    "art": ["dance", "light"],
}
FITS = {("chess", "science"), ("chess", "sports"), ("doping", "science"), ("light", "science")}
REVIEWERS = "People who review restaurants."


def lists(request: Request) -> str:
    """Says the list of a class, and what fits another."""
    said = request.messages[0].content
    question = re.match(r'Would "(.*)" also be a topic of (.*)\? ', said)
    if question:
        return "Yes." if question.groups() in FITS else "No."
    label = re.findall(r"of (\w+)\.", said)[0]
    return "\n".join(f"{i}. {one}" for i, one in enumerate(LISTS[label], 1))


def drawn_up(request: Request) -> str:
    """As many personas as are asked for; half of them differ from list to list."""
    (n,) = re.findall(r"list of (\d+)|with (?:one),", request.messages[-1].content)
    names = [
        f"a cook {i}" if i % 2 else f"a nurse {i}{request.row_seed}" for i in range(int(n or 1))
    ]
    return "\n".join(f"- {name}" for name in names)


@pytest.mark.parametrize(
    ("text", "found"),
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
def test_entries_of_every_kind_of_list(text: str, found: list[str]) -> None:
    assert list_entries(10)(Completion(text)) == found


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


def test_each_field_and_class_has_its_values(make: Make) -> None:
    recipe = values(PROMPT, fields=["topic", "place"], labels=LABELS, k=3)
    run = make(recipe, sk.Fake(lists))
    expects(recipe, run)
    assert list(run.table) == ["id", "field", "label", "value"]
    assert run.table.id.is_unique
    found = run.table.groupby(["field", "label"])["value"].agg(list).to_dict()
    assert found == {(f, label): LISTS[label] for f in ["topic", "place"] for label in LABELS}
    assert str(recipe.requests) == "6"


def test_a_value_that_fits_a_similar_class_is_a_reject(make: Make, session: Any) -> None:
    recipe = values(PROMPT, fields=["topic"], labels=LABELS, k=3, filter=True)
    run = make(recipe, sk.Fake(lists))
    expects(recipe, run)
    assert run.table[["label", "value"]].values.tolist() == [
        ["sports", "golf"],
        ["science", "physics"],
        ["art", "dance"],
    ]
    assert run.rejects[["label", "raw", "reason"]].values.tolist() == [
        ["sports", "chess", "also fits science"],
        ["sports", "doping", "also fits science"],
        ["science", "chess", "also fits sports"],
        ["art", "light", "also fits science"],
    ]
    asked = [one.completion.text for one in session.trace(run.table.id[0])]
    assert asked == ["1. golf\n2. chess\n3. doping", "No.", "No."]


def test_only_the_similar_classes_that_are_given_are_asked_about(make: Make) -> None:
    model = sk.Fake(lists)
    similar = {"sports": ["science"], "art": ["sports"]}
    recipe = values(PROMPT, fields=["topic"], labels=LABELS, k=3, filter=True, similar=similar)
    run = make(recipe, model)
    expects(recipe, run)
    assert run.rejects.raw.tolist() == ["chess", "doping"]
    questions = [one.messages[0].content for one in model.asked if one.schema]
    assert Counter(re.findall(r"of (\w+)\?", " ".join(questions))) == {"science": 3, "sports": 2}


def test_a_similar_class_is_told_by_what_it_means(make: Make) -> None:
    model = sk.Fake(lambda request: "no" if request.schema else "a, b")
    meanings = {"0": "praise of food", "1": "complaints of noise"}
    make(values("A {{ field }}: {{ label }}", fields=["word"], labels=meanings, filter=True), model)
    questions = {one.messages[0].content for one in model.asked if one.schema}
    assert 'Would "a" also be a word of complaints of noise? Answer yes or no.' in questions
    assert len(questions) == 4


def test_an_answer_that_is_neither_yes_nor_no_is_not_guessed(make: Make) -> None:
    def answer(request: Request) -> str:
        return "perhaps" if request.schema else lists(request)

    recipe = values(PROMPT, fields=["topic"], labels=["sports", "art"], k=3, filter=True)
    run = make(recipe, sk.Fake(answer))
    expects(recipe, run)
    assert len(run.table) == 0
    assert run.rejects.value.tolist() == [*LISTS["sports"], *LISTS["art"]]
    assert run.rejects.reason[0].startswith("not known whether it also fits art: names none of")
    assert run.ledger.repairs == 5


def test_a_value_stands_once_whatever_its_case(make: Make) -> None:
    recipe = values("List languages.", fields=["language"])
    run = make(recipe, sk.Fake("1. C++\n2. c\n3. C#\n4. C\n5. c++"))
    assert run.table.value.tolist() == ["C++", "c", "C#"]
    assert run.rejects.raw.tolist() == ["C", "c++"]
    assert set(run.rejects.reason) == {"an earlier value of the list is the same"}


@pytest.mark.parametrize("text", ["", "I would rather not.", "<html></html>", '{"a": 1}'])
def test_what_is_no_list_is_asked_for_again_and_rejected(make: Make, text: str) -> None:
    recipe = values(PROMPT, fields=["topic"], labels=LABELS[:2])
    run = make(recipe, sk.Fake(text))
    expects(recipe, run)
    assert len(run.table) == 0
    assert run.rejects.raw.tolist() == [text, text]
    assert set(run.rejects.reason) <= {"is no list", "empty answer"}
    assert run.ledger.repairs == 2


def test_the_values_are_what_vary_takes(make: Make) -> None:
    run = make(values(PROMPT, fields=["topic"], labels=LABELS, k=3, filter=True), sk.Fake(lists))
    made = conditions(None, 3, {"label": LABELS} | as_vary(run.table))
    assert made[["label", "topic"]].values.tolist() == [
        ["sports", "golf"],
        ["science", "physics"],
        ["art", "dance"],
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"field": "a"}], "column 'value' not found"),
        ([{"field": "a", "value": None}], "row 0 has no value"),
        ([{"field": None, "value": "x"}], "row 0 has no field"),
        (
            [{"field": "a", "value": "x", "label": "l"}, {"field": "a", "value": "y"}],
            "'a' has values with a label and without",
        ),
    ],
)
def test_a_table_that_is_none_of_values_is_refused(rows: Any, said: str) -> None:
    with pytest.raises(TableError, match=said):
        as_vary(rows)


def test_values_survive_a_kill(survives: Callable[..., sk.Run]) -> None:
    run = survives(lambda: values(PROMPT, fields=["topic"], labels=LABELS, k=3, filter=True), lists)
    assert (len(run.table), len(run.rejects)) == (3, 4)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"fields": []}, UsageError, "fields must be one or more distinct texts"),
        ({"fields": ["a", "a"]}, UsageError, "fields must be"),
        ({"labels": ["a", ""]}, UsageError, "labels must be"),
        ({"k": 0}, UsageError, "k must be at least 1"),
        ({"labels": None}, PromptError, "field 'label' not found"),
        ({"prompt": "Of {{ field }}."}, PromptError, "must use {{ label }}"),
        ({"fields": "x, y", "prompt": "Of {{ label }}."}, PromptError, "must use {{ field }}"),
        ({"filter": True, "labels": ["a"]}, UsageError, "filter needs labels"),
        ({"similar": {"a": ["b"]}}, UsageError, "give both or neither"),
        ({"filter": True, "similar": {"a": ["c"]}}, UsageError, "label 'c' not found"),
    ],
)
def test_values_that_cannot_be_asked_for_are_refused(
    options: Any, error: type[Exception], said: str
) -> None:
    given = {"prompt": PROMPT, "fields": ["topic"], "labels": ["a", "b"]} | options
    with pytest.raises(error, match=said):
        values(given.pop("prompt"), **given)


def test_personas_are_distinct_and_as_many_as_are_wanted(make: Make) -> None:
    recipe = personas(REVIEWERS, n=12, k=6)
    model = sk.Fake(drawn_up)
    run = make(recipe, model)
    expects(recipe, run)
    assert len(run.table) == run.table.persona.nunique() == 12
    assert run.table["round"].is_monotonic_increasing
    assert all("the same words as 'a cook" in reason for reason in run.rejects.reason)
    assert len(run.rejects) > 0


def test_each_round_asks_for_what_is_missing_and_shows_what_is_there(make: Make) -> None:
    model = sk.Fake(drawn_up)
    run = make(personas(REVIEWERS, n=8, k=6), model)
    first, second, third = (one.messages[-1].content for one in model.asked)
    assert "list of 6," in first
    assert "again" not in first
    assert "list of 2," in second
    there = run.table.persona[run.table["round"] == 1]
    assert second.endswith("None of these again:\n" + "\n".join(f"- {one}" for one in there))
    assert "with one," in third
    assert run.table["round"].tolist() == [1] * 6 + [2, 3]


def test_personas_of_texts_name_the_text_they_come_from(make: Make, session: Any) -> None:
    rows = [{"id": f"t{i}", "text": text} for i, text in enumerate(["cold soup", "東京", "naïve"])]
    recipe = personas("Who writes this? {{ text }}", n=6, rows=rows)
    run = make(recipe, sk.Fake(drawn_up))
    expects(recipe, run)
    assert len(run.table) == 6
    for row in tables.records(run.table):
        text = rows[int(row["parent"][1:])]["text"]
        (made,) = session.trace(row["id"])
        assert made.request["messages"][0][1].startswith(f"Who writes this? {text}\n")
        assert row["persona"] in made.completion.text
    assert run.ledger.requests == 3 + 2  # two were missing after the first round
    first = run.table[run.table["round"] == 1]
    assert Counter(first.parent) == {"t0": 2, "t1": 1, "t2": 1}


def test_no_progress_ends_and_says_what_is_missing(make: Make) -> None:
    recipe = personas(REVIEWERS, n=6, k=2)
    run = make(recipe, sk.Fake("- a cook\n- A cook!"))
    expects(recipe, run)
    assert run.table.persona.tolist() == ["a cook"]
    assert run.ledger.requests == recipe.requests.most == 9
    assert run.rejects.reason.tolist()[-1] == "stopped: 1 of 6 personas after 9 rounds"
    assert len(run.rejects) == 18


@pytest.mark.parametrize("text", ["", "No.", "<p>None</p>", '{"a": 1}'])
def test_hostile_answers_give_no_personas(make: Make, text: str) -> None:
    recipe = personas(REVIEWERS, n=4, k=2, rounds=2)
    run = make(recipe, sk.Fake(text))
    expects(recipe, run)
    assert len(run.table) == 0
    assert run.rejects.raw.tolist() == [text, text, ""]


@pytest.mark.parametrize("rows", [None, [{"text": "a"}, {"text": "a"}, {"text": "b"}]])
def test_personas_survive_a_kill(survives: Callable[..., sk.Run], rows: Any) -> None:
    prompt = REVIEWERS if rows is None else "Who writes {{ text }}?"
    run = survives(lambda: personas(prompt, n=14, k=4, rows=rows), drawn_up)
    assert len(run.table) == 14


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"n": 0}, UsageError, "n must be at least 1"),
        ({"k": 0}, UsageError, "k must be at least 1"),
        ({"rounds": 0}, UsageError, "rounds must be at least 1"),
        ({"prompt": "{{ text }}"}, PromptError, "field 'text' not found"),
        ({"rows": {"text": []}}, TableError, "has no rows"),
        ({"prompt": "{{ x }}", "rows": [{"x": None}]}, PromptError, "row 0: .*'x' has no value"),
    ],
)
def test_personas_that_cannot_be_asked_for_are_refused(
    options: Any, error: type[Exception], said: str
) -> None:
    given = {"prompt": REVIEWERS, "n": 3} | options
    with pytest.raises(error, match=said):
        personas(given.pop("prompt"), **given)


@pytest.mark.model
def test_smollm2_draws_up_lists(make: Make, smollm2: Any, session: Any) -> None:
    sampling = sk.Sampling(max_tokens=32)
    labels = ["sports", "food"]
    recipe = values(PROMPT, fields=["topic"], labels=labels, k=2, filter=True, sampling=sampling)
    run = make(recipe, smollm2)
    expects(recipe, run)
    assert len(run.table) + len(run.rejects) >= 2
    for row in tables.records(run.table):
        assert row["value"] in session.trace(row["id"])[0].completion.text
    recipe = personas(REVIEWERS, n=3, k=3, rounds=2, sampling=sampling)
    run = make(recipe, smollm2)
    expects(recipe, run)
    assert len(run.table) + len(run.rejects) >= 3
    for row in tables.records(run.table):
        assert row["persona"] in " ".join(session.trace(row["id"])[-1].completion.text.split())
