"""The lab in plain Python."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Request
from synthkit.evaluate import checks
from synthkit.lab.lab import PromptLab
from synthkit.lab.variants import next_key
from synthkit.sessions import inputs

TOPICS = pd.DataFrame({"topic": ["bread", "soup", "wine"]})
A, B = "Write about {{ topic }}.", "Say {{ topic }}."
Make = Callable[..., PromptLab]


@pytest.fixture
def fake() -> sk.Fake:
    return sk.Fake(lambda request: request.messages[-1].content.upper(), price=(1.0, 2.0))


@pytest.fixture
def make(session: sk.Session, fake: sk.Fake) -> Make:
    """A lab in a session of its own, over three topics, unless told otherwise."""

    def open_lab(prompts: Any = (A, B), **options: Any) -> PromptLab:
        return PromptLab(
            prompts, **{"session": session, "inputs": TOPICS, "models": fake, "by": "me"} | options
        )

    return open_lab


def texts(lab: PromptLab) -> list[list[str]]:
    return [[lab.cell(n, column).text for column in lab.columns] for n in range(len(lab.rows))]


def states(lab: PromptLab) -> list[str]:
    return [lab.cell(n, column).state for n in range(len(lab.rows)) for column in lab.columns]


def test_each_variant_is_run_on_each_row_and_model(make: Make, fake: sk.Fake) -> None:
    other = sk.Fake("No.", name="other")
    lab = make({"base": A, "short": B}, models={"x": fake, "y": other})
    assert [column.name for column in lab.columns] == [
        "A base · x",
        "A base · y",
        "B short · x",
        "B short · y",
    ]
    lab.run()
    assert texts(lab)[0] == ["WRITE ABOUT BREAD.", "No.", "SAY BREAD.", "No."]
    assert len(fake.asked) == len(other.asked) == 6


def test_an_edit_reruns_only_the_cells_of_its_variant(make: Make, fake: sk.Fake) -> None:
    lab = make()
    lab.run()
    lab.edit("B", "Shout {{ topic }}!")
    assert states(lab) == ["done", "new"] * 3
    assert len(lab.missing()) == 3
    lab.run()
    assert len(fake.asked) == 9
    lab.back("B", 0)
    assert states(lab) == ["done"] * 6
    assert texts(lab)[1] == ["WRITE ABOUT SOUP.", "SAY SOUP."]


def test_sampling_is_part_of_a_variant(make: Make) -> None:
    lab = make()
    lab.run()
    lab.edit("A", sampling=sk.Sampling(temperature=0.0))
    assert states(lab) == ["new", "done"] * 3


def test_cached_completions_are_shown_at_once(
    make: Make, session: sk.Session, fake: sk.Fake
) -> None:
    sk.generate(A, model=fake, session=session, rows=TOPICS)
    lab = make()
    assert states(lab) == ["done", "new"] * 3
    assert [one.model for _, one in lab.missing()] == ["fake"] * 3


def test_rows_of_a_lab_and_of_synth_share_ids_and_marks(
    make: Make, session: sk.Session, fake: sk.Fake
) -> None:
    lab = make()
    lab.run()
    lab.mark(1, lab.columns[0], "accept")
    asked = len(fake.asked)
    run = sk.generate(A, model=fake, session=session, rows=TOPICS)
    assert len(fake.asked) == asked
    assert run.ledger.hits == 3
    assert run.table["id"].tolist() == [lab.cell(n, lab.columns[0]).id for n in range(3)]
    marks = session.store.marks.for_rows(run.table["id"].tolist())
    assert [(mark.id, mark.label, mark.task) for mark in marks] == [
        (run.table["id"][1], "accept", "")
    ]


def test_a_reopened_lab_has_its_variants_rows_and_marks(
    make: Make, session: sk.Session, fake: sk.Fake
) -> None:
    lab = make({"base": A, "short": B}, checks=["length text 1-9 words"])
    lab.run()
    lab.edit("B", "Shout {{ topic }}!")
    lab.set_baseline("B")
    lab.mark(0, lab.columns[0], "reject")
    lab.comment(0, lab.columns[0], "too loud")
    lab.delete("A")
    again = PromptLab(models=fake, session=session, by="me")
    assert [(one.key, one.name, one.deleted, len(one.versions)) for one in again.variants] == [
        ("A", "base", True, 1),
        ("B", "short", False, 2),
    ]
    assert again.baseline == "B"
    assert again.rows == [{"topic": topic} for topic in TOPICS["topic"]]
    assert again.matrix.checks.names == ["length text 1-9 words"]
    again.restore("A")
    cell = again.cell(0, again.columns[0])
    assert (cell.label, cell.mark and cell.mark.reason, cell.state) == (
        "reject",
        "too loud",
        "done",
    )
    assert session.store.labs.names() == ["lab"]


def test_two_views_of_a_lab_keep_what_the_other_one_added(
    make: Make, session: sk.Session, fake: sk.Fake
) -> None:
    older = make()
    newer = make((), inputs=TOPICS[:2], checks=["length text 1-9 words"])
    newer.add(prompt="Shout {{ topic }}.")
    newer.edit("B", "Sing {{ topic }}.", name="song")
    older.set_baseline("B")
    assert older.add(prompt="Whisper {{ topic }}.").key == "D"
    older.edit("B", "Hum {{ topic }}.")
    newer.delete("B")
    for view in (newer, PromptLab(models=fake, session=session)):
        prompts = [[version.prompt for version in variant.versions] for variant in view.variants]
        assert prompts[:2] == [[A], [B, "Sing {{ topic }}.", "Hum {{ topic }}."]]
        assert prompts[2:] == [["Shout {{ topic }}."], ["Whisper {{ topic }}."]]
        assert (view.variant("B").name, view.variant("B").deleted, view.baseline) == (
            *("song", True, "A"),
        )
        assert (len(view.rows), view.matrix.checks.names) == (2, ["length text 1-9 words"])


def test_a_change_that_is_refused_leaves_the_lab_as_it_was(make: Make, session: sk.Session) -> None:
    lab = make()
    make(()).add(prompt="Shout {{ topic }}.")
    with pytest.raises(UsageError, match="versions 0 to 0"):
        lab.back("A", 7)
    assert [variant.key for variant in lab.variants] == ["A", "B"]
    session.store.labs.clear()
    lab.set_baseline("B")
    assert [variant.prompt for variant in make(()).variants] == [A, B]


def test_prompts_given_again_are_not_added_twice(make: Make) -> None:
    lab = make()
    lab.edit("A", "New {{ topic }}.")
    again = make([A, B, "Third {{ topic }}."])
    assert [one.prompt for one in again.variants] == ["New {{ topic }}.", B, "Third {{ topic }}."]


def test_a_prompt_that_cannot_be_rendered_changes_nothing(make: Make) -> None:
    lab = make()
    with pytest.raises(PromptError, match="line 2"):
        lab.edit("A", "Fine\n{{ topic ")
    with pytest.raises(PromptError, match="Did you mean 'topic'"):
        lab.edit("A", "About {{ topics }}.")
    assert lab.variant("A").versions == (lab.variant("A").versions[0],)
    with pytest.raises(PromptError, match="'tpic' not found"):
        make("Say {{ tpic }}.", name="other")


def test_an_empty_lab_shows_what_to_do(make: Make) -> None:
    lab = make(())
    assert lab.cell(0, lab.columns[0]).why == "This variant is empty: write its prompt."
    assert lab.missing() == []
    lab.run()
    lab.edit("A", A)
    assert len(lab.missing()) == 3


def test_one_model_that_fails_does_not_stop_the_other(make: Make, fake: sk.Fake) -> None:
    lab = make(A, models=[fake, sk.Fake(name="dies", die_after=1)])
    lab.run()
    assert lab.failures == {"dies": "dies was told to die after 1 answers."}
    assert states(lab) == ["done", "done", "done", "new", "done", "new"]


def test_an_exception_of_a_model_is_a_failure(make: Make) -> None:
    def crash(request: Request) -> str:
        raise ZeroDivisionError("oops")

    lab = make(A, models=sk.Fake(crash))
    lab.run()
    assert lab.failures == {"fake": "ZeroDivisionError: oops"}
    assert states(lab) == ["new"] * 3
    assert not lab.running


def test_a_cell_with_an_error_can_be_run_again(make: Make) -> None:
    lab = make(A, models=sk.Fake(fail=1.0))
    lab.run()
    assert states(lab) == ["error"] * 3
    assert lab.cell(0, lab.columns[0]).why == "fake was told to fail"
    assert lab.showing("failing") == [0, 1, 2]
    assert len(lab.missing()) == 3


def test_a_stopped_run_keeps_what_is_done(make: Make) -> None:
    slow = sk.Fake("Hi.", seconds=0.05, concurrency=1)
    lab = make(A, models=slow, vary={"n": [str(n) for n in range(20)]})
    stop = threading.Event()
    lab.run(stop=stop, changed=lambda: stop.set() if len(slow.asked) >= 3 else None)
    done = states(lab).count("done")
    assert 3 <= done < 60
    assert "asking" not in states(lab)
    again = make(A, models=slow, vary={"n": [str(n) for n in range(20)]})
    assert states(again).count("done") == done


def test_a_running_lab_cannot_be_run_again(make: Make) -> None:
    lab = make(A, models=sk.Fake("Hi.", seconds=0.2, concurrency=1))
    thread = threading.Thread(target=lab.run)
    thread.start()
    while not lab.running:
        pass
    with pytest.raises(UsageError, match="is running already"):
        lab.run()
    thread.join()


def test_judge_completions_are_cached_and_unreadable_ones_are_no_verdict(
    make: Make, session: sk.Session
) -> None:
    def judge(request: Request) -> str:
        text = request.messages[-1].content
        return "No, too short." if "SAY" in text else "Hm." if "WINE" in text else "Yes."

    jury = sk.Fake(judge, name="jury")
    lab = make(checks=["judge Is it polite?"], judge_model=jury)
    lab.run()
    verdicts = [
        [lab.cell(n, column).verdicts["judge Is it polite?"].passed for column in lab.columns]
        for n in range(3)
    ]
    assert verdicts == [[True, False], [True, False], [None, False]]
    assert len(jury.asked) == 6
    again = make(checks=["judge Is it polite?"], judge_model=jury)
    assert again.unjudged() == []
    assert again.cell(0, again.columns[0]).verdicts["judge Is it polite?"].passed is True
    again.run()
    assert len(jury.asked) == 6


def test_a_judge_question_with_a_missing_field_gives_no_verdict(make: Make) -> None:
    lab = make(A, checks=[checks.Judge("Is {{ nothing }} fine?")])
    lab.run()
    verdict = lab.cell(0, lab.columns[0]).verdicts["judge Is {{ nothing }} fine?"]
    assert verdict.passed is None
    assert "'nothing' not found" in verdict.reason
    with pytest.raises(PromptError):
        make(A, checks=[checks.Judge("Is {{ it fine?")])
    with pytest.raises(UsageError, match="two checks are named"):
        make(A, checks=["regex text a", "regex text a"])


def test_checks_run_once_for_each_row(make: Make) -> None:
    seen: list[dict[str, Any]] = []

    def check(row: Any) -> bool:
        seen.append(dict(row))
        return bool(row["topic"] != "soup")

    lab = make(A, checks=[checks.function(check)])
    lab.run()
    for _ in range(3):
        assert lab.showing("failing") == [1]
    assert [row["text"] for row in seen] == [f"WRITE ABOUT {t.upper()}." for t in TOPICS["topic"]]


def test_rows_can_be_narrowed(make: Make) -> None:
    lab = make([A, "{% if topic == 'soup' %}Other.{% else %}Write about {{ topic }}.{% endif %}"])
    assert lab.showing("different") == []
    assert lab.showing("unmarked") == []
    lab.run()
    assert lab.showing("different") == [1]
    for row in range(3):
        lab.mark(row, lab.columns[0], "accept")
    assert lab.showing("unmarked") == [1]
    lab.mark(1, lab.columns[1], "reject")
    assert lab.showing("unmarked") == []
    assert lab.showing("failing") == [1]
    with pytest.raises(UsageError, match="Did you mean 'failing'"):
        lab.showing("failed")  # type: ignore[arg-type]


def test_marks_are_undone_one_by_one_after_a_restart(make: Make) -> None:
    lab = make(A)
    lab.run()
    (column,) = lab.columns
    lab.mark(0, column, "accept")
    lab.mark(0, column, "reject")
    lab.comment(0, column, "why")
    lab.mark(0, column, "reject")
    again = make(A)
    seen = []
    for _ in range(3):
        again.undo()
        mark = again.cell(0, again.columns[0]).mark
        seen.append((mark.label, mark.reason) if mark else None)
    assert seen == [("reject", ""), ("accept", ""), None]
    with pytest.raises(UsageError, match="no mark to take back"):
        again.undo()


def test_only_a_cell_with_a_completion_can_be_marked(make: Make) -> None:
    lab = make(A)
    with pytest.raises(UsageError, match="no completion yet"):
        lab.mark(0, lab.columns[0], "accept")
    lab.run()
    with pytest.raises(UsageError, match="accept or reject"):
        lab.mark(0, lab.columns[0], "maybe")


def test_a_cell_that_is_not_there_is_said_in_a_sentence(make: Make) -> None:
    lab = make(A)
    (column,) = lab.columns
    for row in (99, 3, -1):
        for act in (lab.cell, lab.differs):
            with pytest.raises(UsageError, match=f"row {row} not found; this lab has 3 rows"):
                act(row, column)
        with pytest.raises(UsageError, match=f"row {row} not found"):
            lab.mark(row, column, "accept")
        with pytest.raises(UsageError, match=f"row {row} not found"):
            lab.comment(row, column, "fine")
    with pytest.raises(UsageError, match="model 'other' not found; have 'fake'"):
        lab.mark(0, replace(column, model="other"), "accept")


def test_results_and_ranking_are_tables(make: Make) -> None:
    frame = pd.DataFrame({"id": ["r1"], "topic": ["soup"], "model": ["m"]})
    lab = make([A, B], inputs=frame, checks=["length text 3-9 words"])
    lab.run()
    a, b = lab.columns
    lab.mark(0, b, "accept")
    lab.mark(0, a, "reject")
    results = lab.results
    assert list(results) == [
        *("id", "variant", "model", "parent", "topic", "field_model", "text"),
        *("state", "why", "checks", "mark", "comment", "seconds", "tokens", "cost"),
    ]
    assert results["mark"].tolist() == ["reject", "accept"]
    assert results["checks"].tolist() == [
        {"length text 3-9 words": True},
        {"length text 3-9 words": False},
    ]
    ranked = lab.ranking()
    assert ranked["variant"].tolist() == ["B", "A"]
    assert ranked["accept"].tolist() == [1.0, 0.0]
    assert ranked["cost"][0] == pytest.approx((2 * 1.0 + 2 * 2.0) / 1e6)
    assert lab.winner == b


def test_all_inputs_are_used_and_a_limit_says_what_it_leaves_out(make: Make) -> None:
    many = pd.DataFrame({"topic": [f"topic {n}" for n in range(30)]})
    lab = make(inputs=many, name="many")
    assert (len(lab.rows), lab.config.notes) == (30, [])
    few = make(inputs=many, limit=8, name="few")
    assert len(few.rows) == 8
    # also when it is opened again
    for shown in (few, make(inputs=None, name="few")):
        assert shown.config.notes == ["The limit leaves out 22 rows of the inputs."]


def test_without_marks_there_is_no_winner(make: Make) -> None:
    lab = make()
    assert lab.winner is None
    lab.run()
    assert lab.winner is None


def test_a_completion_that_cannot_be_parsed_is_shown_and_fails(make: Make) -> None:
    lab = make(A, labels=["good", "bad"], checks=["length label 1-1 words"])
    lab.run()
    cell = lab.cell(0, lab.columns[0])
    assert (cell.state, cell.text) == ("reject", "WRITE ABOUT BREAD.")
    assert cell.why.startswith("names none of the labels")
    assert cell.failing
    assert lab.missing() == []


def test_the_last_variant_stays(make: Make) -> None:
    lab = make()
    lab.delete("A")
    assert (lab.baseline, [column.name for column in lab.columns]) == ("B", ["B"])
    with pytest.raises(UsageError, match="a lab needs a variant"):
        lab.delete("B")
    assert lab.add("B").key == "C"
    with pytest.raises(UsageError, match="variant 'Z' not found"):
        lab.variant("Z")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": []}, "a lab needs a model"),
        ({"models": [sk.Fake(), sk.Fake()]}, "two models are named 'fake'"),
        ({"inputs": TOPICS[:0]}, "the table of inputs is empty"),
        ({"limit": 0}, "limit must be at least 1"),
        ({"name": "a/b"}, "a table name has letters"),
        ({"checks": ["@missing"]}, None),
    ],
)
def test_invalid_options_are_refused(make: Make, options: Any, message: str | None) -> None:
    if message is None:
        assert make(**options).config.notes == [
            "the check '@missing' refers to a variable: give it again."
        ]
        return
    with pytest.raises(UsageError) as raised:
        make(**options)
    assert message in str(raised.value)


def test_the_synth_cell_of_a_variant_makes_no_request(
    make: Make, session: sk.Session, fake: sk.Fake
) -> None:
    lab = make(limit=2, sampling=sk.Sampling(temperature=0.3, stop=("x y",)))
    lab.run()
    line, prompt = lab.source(lab.columns[1]).split("\n", 1)
    assert prompt == B
    assert line == (
        "%%synth lab --model fake --from lab_inputs --temperature 0.3 --max-tokens 256 --seed 0 "
        "--stop 'x y'"
    )
    assert session.load("lab_inputs")["topic"].tolist() == ["bread", "soup"]


def test_the_synth_cell_of_a_variant_says_what_is_left_to_the_model(make: Make) -> None:
    lab = make(limit=2, sampling=sk.Sampling(temperature=None, max_tokens=None, seed=None))
    line = lab.source(lab.columns[1]).partition("\n")[0]
    assert line.endswith("--temperature none --max-tokens none --seed none")


def test_the_synth_cell_of_a_variant_overwrites_no_table_and_no_file(
    make: Make, session: sk.Session
) -> None:
    frame = pd.DataFrame({"topic": ["mine"]})
    session.save("lab_inputs", frame)
    inputs.remember(session.store, {"lab_inputs_2": ["mine"]})
    file = session.folder / "lab_schema.json"
    file.write_text("mine")
    lab = make(schema={"type": "object", "properties": {"y": {"type": "string"}}})
    for _ in range(2):  # its own are used again
        words = shlex.split(lab.source(lab.columns[0]).partition("\n")[0])
        assert words[words.index("--from") + 1] == "lab_inputs_3"
        assert words[words.index("--schema") + 1] == str(session.folder / "lab_schema_2.json")
    assert session.names() == ["lab_inputs", "lab_inputs_3"]
    assert session.load("lab_inputs").equals(frame)
    assert file.read_text() == "mine"


def test_many_threads_may_use_one_lab(make: Make) -> None:
    lab = make(models=sk.Fake("Hi.", seconds=0.02, concurrency=1), vary={"n": list("abcdefgh")})
    runner = threading.Thread(target=lab.run)
    runner.start()
    failures: list[BaseException] = []

    def work(n: int) -> None:
        try:
            for i in range(20):
                lab.edit("B", f"Say {{{{ topic }}}} {n} {i}.")
                lab.showing("failing")
                _ = lab.results
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in [*threads, runner]:
        thread.join()
    assert failures == []
    assert len(lab.variant("B").versions) == 81


def test_a_variant_key_is_never_used_twice() -> None:
    assert next_key(["A", "C"]) == "B"
    assert next_key([chr(65 + n) for n in range(26)]) == "AA"
