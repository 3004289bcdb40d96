from __future__ import annotations

from collections.abc import Callable
from typing import Any

import datasets
import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import ModelError, PromptError, TableError, UsageError
from synthkit.data import tables
from synthkit.generation.job import plan

Generate = Callable[..., sk.Run]
Make = Callable[[dict[str, list[Any]]], Any]


def items(n: int) -> list[dict[str, Any]]:
    return [{"x": f"item {i}"} for i in range(n)]


@pytest.fixture
def sent(generate: Generate) -> Callable[..., int]:
    """How many requests a run sends."""

    def count(*prompt: str, **options: Any) -> int:
        fake = options.pop("model", None) or sk.Fake()
        run = generate(*prompt, model=fake, **options)
        assert run.ledger.requests == len(fake.asked)
        assert run.ledger.hits + len(fake.asked) == len(run.table) + len(run.rejects)
        return len(fake.asked)

    return count


def test_edit_one_of_500_asks_one_append_20_asks_20(sent: Callable[..., int]) -> None:
    rows = items(500)
    assert sent(rows=rows) == 500
    assert sent(rows=rows) == 0
    rows[250] = {"x": "edited"}
    assert sent(rows=rows) == 1
    assert sent(rows=rows + [{"x": f"new {i}"} for i in range(20)]) == 20
    assert sent(rows=rows[::-1]) == 0


def test_1200_equal_prompts_give_1200_rows_and_sample_indices(generate: Generate) -> None:
    fake = sk.Fake()
    run = generate("The same.", rows=[{}] * 1200, n=1, model=fake)
    assert len(run.table) == 1200
    assert run.table["id"].nunique() == 1200
    assert sorted(request.index for request in fake.asked) == list(range(1200))
    assert run.table["text"].nunique() > 1000


def test_raising_n_asks_only_the_new_ones(sent: Callable[..., int]) -> None:
    assert sent("Hi.", n=5) == 5
    assert sent("Hi.", n=8) == 3
    assert sent(rows=items(4), n=2) == 8
    assert sent(rows=items(4), n=3) == 4
    vary = {"y": ["a", "b", "c", "d", "e"]}
    two = "Say {{ x }} {{ y }}."
    assert sent(two, rows=items(4), vary=vary, n=1) == 20
    assert sent(two, rows=items(4), vary=vary, n=2) == 20


@pytest.mark.parametrize("rows", [None, items(50)])
def test_raising_n_keeps_independent_draws(generate: Generate, rows: Any) -> None:
    options = {"rows": rows, "vary": {"y": range(1000)}, "sampler": "independent"}
    prompt = "{{ y }}" if rows is None else "{{ x }} {{ y }}"
    few = generate(prompt, n=2, **options)
    more = generate(prompt, n=3, **options)
    assert more.ledger.hits == len(few.table)
    assert set(few.table["id"]) <= set(more.table["id"])


@pytest.mark.parametrize(
    "change",
    [
        {"system": "Be kind."},
        {"model": sk.Fake(name="other")},
        {"sampling": sk.Sampling(temperature=0.9)},
        {"sampling": sk.Sampling(top_p=0.9)},
        {"sampling": sk.Sampling(max_tokens=9)},
        {"sampling": sk.Sampling(seed=1)},
        {"sampling": sk.Sampling(stop=("x",))},
        {"sampling": sk.Sampling(extra={"top_k": 1})},
        {"labels": ["a", "b"]},
        {"schema": {"properties": {"a": {"type": "string"}}}},
        {"examples": [{"x": "q", "text": "a"}]},
    ],
    ids=lambda change: next(iter(change)) + str(next(iter(change.values())))[:30],
)
def test_whatever_changes_an_answer_asks_all_anew(
    sent: Callable[..., int], change: dict[str, Any]
) -> None:
    assert sent(rows=items(3)) == 3
    assert sent(rows=items(3), **change) == 3
    assert sent(rows=items(3)) == 0


@pytest.mark.parametrize(
    "change", [{"name": "said"}, {"output": "out"}, {"regex": "(?P<a>.)"}, {"max_requests": 9}]
)
def test_whatever_does_not_asks_nothing(sent: Callable[..., int], change: dict[str, Any]) -> None:
    assert sent(rows=items(3)) == 3
    assert sent(rows=[row | {"other": 1} for row in items(3)], **change) == 0


def test_kind_and_columns_of_every_result(generate: Generate, make: Make, kind: str) -> None:
    rows = make({"id": ["r0", "r1", "r2"], "x": ["a", "ä", "日本"], "z": [1, 2, 3]})
    answers = {"Say a.": "good", "Say ä.": "what?"}
    fake = sk.Fake(lambda request: answers[request.messages[0].content])
    run = generate(rows=rows, model=fake, labels=["good", "bad"], max_requests=2)
    for made, columns in (
        (run.table, ["id", "parent", "x", "z", "label"]),
        (run.rejects, ["id", "parent", "x", "z", "raw", "reason"]),
        (run.pending, ["id", "parent", "x", "z", "reason"]),
    ):
        assert tables.kind(made) == kind
        assert tables.columns(made) == columns
        assert tables.size(made) == 1
    (row,), (reject,), (pending,) = map(tables.records, (run.table, run.rejects, run.pending))
    assert row | {"id": ""} == {"id": "", "parent": "r0", "x": "a", "z": 1, "label": "good"}
    assert (reject["raw"], reject["parent"]) == ("what?", "r1")
    assert reject["reason"] == "names none of the labels 'good', 'bad'"
    assert pending["reason"] == "the budget is used up (max_requests=2)"
    assert len({row["id"], reject["id"], pending["id"]}) == 3


def test_empty_results_keep_kind_and_columns(generate: Generate, make: Make, kind: str) -> None:
    some: tuple[dict[str, list[Any]], ...] = ({"x": ["a"]}, {"x": []})
    for cells in some:
        run = generate(rows=make(cells))
        assert tables.columns(run.table) == ["id", "x", "text"]
        assert tables.columns(run.rejects) == ["id", "x", "raw", "reason"]
        assert tables.columns(run.pending) == ["id", "x", "reason"]
        assert {tables.kind(t) for t in (run.table, run.rejects, run.pending)} == {kind}
        assert (tables.size(run.table), tables.size(run.pending)) == (len(cells["x"]), 0)
    assert tables.size(tables.concat([run.table, generate(rows=make({"x": ["a"]})).table])) == 1


def test_without_rows_the_result_is_pandas(generate: Generate) -> None:
    assert isinstance(generate("Hi.").table, pd.DataFrame)
    assert isinstance(generate(rows=[{"x": 1}]).table, pd.DataFrame)
    assert generate(rows=[]).table.columns.tolist() == ["id", "text"]


def test_dtypes_of_the_rows_survive(generate: Generate) -> None:
    frame = pd.DataFrame({"x": pd.Categorical(["a", "b"]), "n": pd.array([1, None], dtype="Int64")})
    made = generate(rows=frame.set_index(pd.Index([5, 5]))).table
    assert dict(made.dtypes)["x"] == frame["x"].dtype
    assert dict(made.dtypes)["n"] == frame["n"].dtype
    assert made.index.tolist() == [0, 1]
    features = datasets.Features(
        {"x": datasets.ClassLabel(names=["n", "p"]), "l": datasets.List(datasets.Value("int8"))}
    )
    rows = datasets.Dataset.from_dict({"x": [0, 1], "l": [[1], []]}, features)
    made = generate(rows=rows).table
    assert {name: made.features[name] for name in features} == dict(features)


def test_ids_trace_rows_through_pandas(generate: Generate, session: sk.Session) -> None:
    first = generate(rows=items(6)).table
    kept = first[first["x"] != "item 2"].sample(frac=1, random_state=0)
    second = generate("Again: {{ text }}", rows=kept).table
    assert second["parent"].tolist() == kept["id"].tolist()
    third = generate("Once more: {{ text_2 }}", rows=second).table
    assert third["parent"].tolist() == second["id"].tolist()
    assert third.columns.tolist() == ["id", "parent", "x", "text", "text_2", "text_3"]
    assert len(session.trace(third["id"][0])) == 1


def test_duplicate_ids_in_the_rows_stay_apart(generate: Generate) -> None:
    run = generate(rows=[{"id": "same", "x": "a"}] * 3)
    assert run.table["parent"].tolist() == ["same"] * 3
    assert run.table["id"].nunique() == 3


def test_product_goes_through_all_combinations_in_turn(generate: Generate) -> None:
    vary = {"x": ["a", "b"], "y": [1, 2, 3]}
    pairs = [(x, y) for x in "ab" for y in (1, 2, 3)]
    for n, expected in [(1, pairs), (4, pairs), (6, pairs), (8, pairs + pairs[:2])]:
        made = generate("{{ x }} {{ y }}", vary=vary, n=n).table
        assert list(zip(made["x"], made["y"], strict=True)) == expected


def test_rows_times_product_times_n(generate: Generate) -> None:
    made = generate("{{ x }} {{ y }}", rows=items(2), vary={"y": [1, 2]}, n=2).table
    assert made[["x", "y"]].values.tolist() == [
        [f"item {i}", y] for i in range(2) for y in (1, 2) for _ in range(2)
    ]
    assert made["id"].nunique() == 8


def test_independent_draws_are_uniform_and_follow_the_seed(generate: Generate) -> None:
    options = {"vary": {"x": ["a", "b"], "y": ["a", "b"]}, "sampler": "independent", "n": 400}
    made = generate("{{ x }}{{ y }}", **options).table
    counts = (made["x"] + made["y"]).value_counts()
    assert len(counts) == 4
    assert counts.min() > 70
    other = generate("{{ x }}{{ y }}", sampling=sk.Sampling(seed=1), **options).table
    assert (other["x"] != made["x"]).sum() > 100


def test_the_column_of_a_text_is_free_or_chosen(generate: Generate) -> None:
    rows = [{"x": 1, "text": "t", "text_2": "u"}]
    assert generate(rows=rows).table.columns.tolist() == ["id", "x", "text", "text_2", "text_3"]
    assert generate(rows=rows, output="out").table.columns[-1] == "out"
    assert generate(rows=[{"x": 1, "label": 0}], labels=["a", "b"]).table.columns[-1] == "label_2"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"output": "x"}, "'x' is a column of the rows already"),
        ({"output": "id"}, "'id' is a column"),
        ({"output": "a", "regex": "(?P<a>.)"}, "regex names its own columns"),
        ({"output": "a", "schema": {"properties": {"a": {}}}}, "schema names its own columns"),
        ({"schema": {"properties": {"x": {}}}}, "a column 'x', and so have the rows"),
        ({"regex": "(?P<id>.)"}, "a column 'id'"),
        ({"regex": "(?P<a>.)", "labels": ["a", "b"]}, "read in one way; got labels and regex"),
        ({"labels": []}, "two or more"),
        ({"schema": {}}, "needs properties"),
        ({"n": 0}, "n must be at least 1"),
        ({"sampler": "produkt"}, "'produkt' not found"),
        ({"vary": {"y": "abc"}}, "'y' needs a list"),
        ({"vary": {"y": []}}, "'y' needs a list"),
        ({"vary": {"y": 5}}, "'y' needs a list"),
        ({"vary": {"x": [1]}}, "'x' is in the rows and in vary"),
        ({"name": "no/name"}, "a table name has"),
        ({"model": "fakk"}, "Did you mean 'fake:'"),
        ({"rows": "text"}, "text does not exist; expected a file"),
        ({"rows": 3}, "expected a pandas DataFrame"),
        ({"rows": [{"y": 1}]}, "field 'x' not found; have 'y'"),
        ({"rows": [{"x": 1}, {"x": None}]}, "row 1: .*'x' has no value"),
        ({"examples": [{"x": 1}]}, "in the examples, column 'text' not found"),
        ({"examples": []}, "examples is empty"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_asked(
    generate: Generate, session: sk.Session, options: dict[str, Any], hint: str
) -> None:
    fake = sk.Fake()
    with pytest.raises((UsageError, PromptError, TableError, ModelError), match=hint):
        generate(**{"rows": [{"x": 1}], "model": fake} | options)
    assert fake.asked == []
    assert session.runs().empty


def test_values_to_vary_may_be_any_iterable(generate: Generate) -> None:
    for values in (("a", "b"), pd.Series(["a", "b"]), (c for c in "ab"), {"a": 1, "b": 2}.keys()):
        assert generate(vary={"x": values}).table["x"].tolist() == ["a", "b"]


def test_json_answers_become_columns(generate: Generate, make: Make, kind: str) -> None:
    schema = {
        "properties": {"n": {"type": "integer"}, "tags": {"type": "array"}},
        "required": ["n"],
    }
    answers = {"a": '{"n": 1, "tags": ["x"]}', "b": '{"n": 2}', "c": "no"}
    fake = sk.Fake(lambda request: answers[request.messages[0].content])
    run = generate("{{ x }}", rows=make({"x": ["a", "b", "c"]}), model=fake, schema=schema)
    assert tables.column(run.table, "n") == [1, 2]
    assert tables.column(run.table, "tags") == [["x"], None]
    assert tables.column(run.rejects, "raw") == ["no"]


def test_examples_are_sent_as_turns(generate: Generate) -> None:
    fake = sk.Fake('{"a": 1, "b": "c"}')
    schema = {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}
    shown = pd.DataFrame({"x": ["q"], "a": [1], "b": ["ü"]})
    generate(rows=items(1), examples=shown, schema=schema, model=fake, system="S")
    assert [(m.role, m.content) for m in fake.asked[0].messages] == [
        ("system", "S"),
        ("user", "Say q."),
        ("assistant", '{"a": 1, "b": "ü"}'),
        ("user", "Say item 0."),
    ]


def test_the_ledger_adds_up(generate: Generate) -> None:
    fake = sk.Fake("abcdefgh", price=(1.0, 10.0))
    run = generate("x" * 40, n=3, model=fake)
    ledger = run.ledger
    assert (ledger.requests, ledger.hits, ledger.rejects) == (3, 0, 0)
    assert (ledger.prompt_tokens, ledger.completion_tokens) == (30, 6)
    assert ledger.cost == pytest.approx((30 * 1 + 6 * 10) / 1e6)
    assert (ledger.stopped, ledger.seconds > 0) == ("", True)
    again = generate("x" * 40, n=4, model=fake, labels=["a", "b"]).ledger
    assert (again.requests, again.hits, again.rejects) == (4, 0, 4)


def test_a_plan_knows_hits_misses_and_what_they_cost(session: sk.Session) -> None:
    def planned(n: int) -> Any:
        fake = sk.Fake("abcdefgh", price=(1.0, 10.0))
        sampling = sk.Sampling(max_tokens=50)
        return plan("x" * 40, n=n, model=fake, session=session, sampling=sampling)

    first = planned(2).dry_run()
    assert len(first.next_requests) == 2
    assert (first.estimate.prompt_tokens, first.estimate.completion_tokens) == (20, 100)
    assert first.estimate.cost == pytest.approx((20 + 1000) / 1e6)
    assert first.estimate.seconds is None
    planned(2).run()
    second = planned(5).dry_run()
    assert (second.hits, len(second.next_requests)) == (2, 3)
    assert second.estimate.completion_tokens == 6
    assert planned(2).dry_run().estimate.seconds == 0.0


def test_sampling_options_are_taken_by_name_or_whole(generate: Generate) -> None:
    fake = sk.Fake()
    by_name = {"temperature": 0, "top_p": 0.9, "max_tokens": 9, "seed": 4, "stop": "."}
    generate("Hi.", model=fake, **by_name)
    generate("Hi.", model=fake, sampling=sk.Sampling(top_p=0.9, seed=4, stop=(".",)),
             temperature=0, max_tokens=9)  # fmt: skip
    assert [request.sampling for request in fake.asked] == [sk.Sampling(**by_name)]


def test_a_recipe_and_a_generator_function_run_as_prompts_do(session: sk.Session) -> None:
    def shout(row: dict[str, Any], *, sampling: sk.Sampling = sk.Sampling()) -> Any:
        (answer,) = yield [sk.recipes.user(f"Say {row['x']}.", sampling)]
        return {"loud": answer.text.upper()}

    fake = sk.Fake("oh")
    run = sk.generate(shout, rows=[{"x": "a"}], temperature=0, model=fake, session=session)
    assert run.table["loud"].tolist() == ["OH"]
    assert fake.asked[0].sampling.temperature == 0
    recipe = sk.recipes.prompt("Say {{ x }}.", rows=[{"x": "a"}], temperature=0)
    again = sk.generate(recipe, model=fake, session=session)
    assert (again.ledger.hits, again.table["text"].tolist()) == (1, ["oh"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperatur": 1}, "'temperatur' not found.*Did you mean 'temperature'"),
        ({"temperature": 9}, "temperature must be from 0 to 2"),
        ({"others": {"judge": "fake"}}, "role 'judge' not found"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_before_anything_is_asked(
    generate: Generate, options: dict[str, Any], message: str
) -> None:
    fake = sk.Fake()
    with pytest.raises(UsageError, match=message):
        generate("Hi.", model=fake, **options)
    assert fake.asked == []


def test_options_of_a_prompt_are_refused_beside_a_recipe(session: sk.Session) -> None:
    recipe = sk.recipes.prompt("Hi.")
    with pytest.raises(UsageError, match="seed= is an option of prompts; give it to the recipe"):
        sk.plan(recipe, seed=3, model="fake", session=session)

    def recipe(row: dict[str, Any]) -> Any:
        yield []

    with pytest.raises(UsageError, match="labels= is an option of prompts"):
        sk.plan(recipe, labels=["a"], model="fake", session=session)


def test_a_notebook_completes_the_options_of_generate_and_plan() -> None:
    from IPython.core.completer import provisionalcompleter
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.user_ns["sk"] = sk
    shell.Completer.use_jedi = False
    for call in ("sk.generate(", "sk.plan(", "sk.recipes.prompt("):
        text = f"{call}'Hi.', temp"
        with provisionalcompleter():
            offered = [
                completion.text for completion in shell.Completer.completions(text, len(text))
            ]
        assert "temperature=" in offered


def test_a_model_error_keeps_rows_and_carries_the_run(generate: Generate) -> None:
    with pytest.raises(ModelError, match="told to die after 4") as caught:
        generate(rows=items(10), model=sk.Fake(die_after=4), name="said")
    run = caught.value.run
    assert run is not None
    assert (len(run.table), len(run.pending), run.ledger.requests) == (4, 6, 4)
    assert set(run.pending["reason"]) == {"fake was told to die after 4 answers."}
    assert generate(rows=items(10)).ledger.requests == 6


def test_failed_requests_are_rejects_and_asked_again(generate: Generate) -> None:
    run = generate(rows=items(40), model=sk.Fake(fail=0.3))
    failed = len(run.rejects)
    assert 0 < failed < 40
    assert set(run.rejects["reason"]) == {"fake was told to fail"}
    again = generate(rows=items(40))
    assert (again.ledger.requests, len(again.table)) == (failed, 40)


def test_babble_is_rejected_with_its_raw_text_and_not_asked_again(generate: Generate) -> None:
    options = {"rows": items(20), "schema": {"properties": {"a": {"type": "string"}}}}
    run = generate(model=sk.Fake(babble=0.5), **options)
    assert 0 < len(run.rejects) < 20
    assert all(raw.startswith("{") for raw in run.rejects["raw"])
    again = generate(model=sk.Fake(babble=0.5), **options)
    assert again.ledger.requests == 0
    assert again.rejects["id"].tolist() == run.rejects["id"].tolist()


@pytest.mark.parametrize("answer", ["a\ud800b", "a\0b", "\U0001f600", " "])
def test_odd_answers_lose_nothing(
    generate: Generate, make: Make, kind: str, answer: str, session: sk.Session
) -> None:
    for _ in range(2):
        run = generate(rows=make({"x": ["a"]}), model=sk.Fake(answer), name="odd")
        assert tables.size(run.table) + tables.size(run.rejects) == 1
    assert run.ledger.requests == 0
    if tables.size(run.rejects):
        assert tables.column(run.rejects, "raw") == [answer.replace("\ud800", "\\ud800")]


def test_a_named_run_is_kept_in_the_session(generate: Generate, session: sk.Session) -> None:
    run = generate(rows=items(3), name="said")
    assert session.load("said").to_dict() == run.table.to_dict()


def test_columns_called_like_those_of_rejects_do_no_harm(generate: Generate) -> None:
    rows = generate(rows=items(3), model=sk.Fake(fail=1.0)).rejects
    run = generate(rows=rows)
    assert run.table.columns.tolist() == ["id", "parent", "x", "raw", "reason", "text"]
    assert run.table["parent"].tolist() == rows["id"].tolist()


def test_numbers_and_dates_in_columns_are_written_plainly(generate: Generate) -> None:
    fake = sk.Fake()
    rows = pd.DataFrame({"x": [1, 2.5, True, "a"], "y": pd.to_datetime(["2020-01-02"] * 4)})
    generate("{{ x }} {{ y.year }}", rows=rows, model=fake)
    texts = [request.messages[-1].content for request in fake.asked]
    assert texts == ["1 2020", "2.5 2020", "True 2020", "a 2020"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"session": "folder"}, r"expected a session, such as Session\('folder'\); got 'folder'"),
        ({"model": None}, "expected a model, or a spec of one such as 'smollm2'; got None"),
        ({"n": 2.0}, r"n must be a whole number; got 2\.0"),
        ({"n": "2"}, "n must be a number; got '2'"),
    ],
)
def test_an_argument_of_another_type_is_refused(
    generate: Generate, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        generate("Say.", **options)
