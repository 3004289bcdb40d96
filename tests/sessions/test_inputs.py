"""What runs and evaluations were given is kept, travels in bundles, and is found by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import TableError
from synthkit.core.types import Sampling
from synthkit.generation import calls
from synthkit.prompts.conditions import Band
from synthkit.sessions import inputs


@pytest.mark.parametrize(
    "value",
    [
        None,
        1.5,
        "a",
        ["a", {"b": [1, 2]}],
        Sampling(temperature=0, stop=("x",), extra={"top_k": 5}),
        [Band(5, 10)],
    ],
)
def test_a_value_is_decoded_as_it_was_encoded(session: sk.Session, value: Any) -> None:
    text = json.dumps(inputs.encode(session.store, value))
    assert inputs.decode(session.store, json.loads(text)) == value


def test_a_table_is_kept_once_and_never_changes(session: sk.Session) -> None:
    table = pd.DataFrame({"id": ["a", "b"], "n": [1, None], "tags": [["x"], []]})
    one, two = (inputs.encode(session.store, each) for each in (table, table.copy()))
    assert one == two
    pd.testing.assert_frame_equal(inputs.decode(session.store, one), table)
    assert len(list((session.folder / "inputs").iterdir())) == 1


def test_what_cannot_be_kept_is_named(session: sk.Session) -> None:
    with pytest.raises(inputs.NotKept, match="a function"):
        inputs.encode(session.store, {"where": lambda row: True})


def test_a_run_is_made_again_from_its_call(session: sk.Session) -> None:
    rows = pd.DataFrame({"id": ["a", "b"], "topic": ["soup", "bread"]})
    demos = [{"topic": "tea", "text": "Hot tea."}]
    options: dict[str, Any] = {"rows": rows, "examples": demos, "temperature": 0, "n": 2}
    made = sk.generate("On {{ topic }}.", model=sk.Fake(), session=session, name="r", **options)
    rows.loc[0, "topic"] = "changed later"
    (recorded,) = session.store.runs.all_rows().values()
    recipe, models = calls.rebuilt(session.store, recorded.call)
    again = sk.generate(recipe, model=models[""], session=session)
    assert again.ledger.requests == 0
    assert again.table.equals(made.table)


def test_the_call_of_a_function_says_what_it_lacks(session: sk.Session) -> None:
    def twice(row: dict[str, Any]) -> Any:
        (first,) = yield [sk.recipes.user(f"Say {row['i']}.")]
        return {"text": first.text}

    sk.generate(twice, rows={"i": [1]}, model=sk.Fake(), session=session)
    (recorded,) = session.store.runs.all_rows().values()
    assert json.loads(recorded.call)["lacks"] == {"recipe": "a function of the notebook"}


def test_a_secret_in_an_argument_is_not_kept(session: sk.Session) -> None:
    key = "sk-proj-abcdEFGH1234ijklMNOP"
    inputs.remember(session.store, {"headers": {"api_key": key}, "topics": ["a"]})
    assert key not in json.dumps(session.store.inputs.all())
    assert session.load("topics") == ["a"]


def test_named_inputs_are_imported_beside_others_of_their_name(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    demos = pd.DataFrame({"text": ["Hot tea."]})
    inputs.remember(session.store, {"demos": demos, "topics": ["soup"]})
    inputs.remember(other.store, {"topics": ["bread"]})
    done = other.import_bundle(session.export(tmp_path / "b"))
    assert done.loads == {"demos": "demos", "topics": "topics-2"}
    assert other.load("demos").equals(demos)
    assert (other.load("topics"), other.load("topics-2")) == (["bread"], ["soup"])
    assert str(other.import_bundle(tmp_path / "b.zip")) == "nothing new"
    with pytest.raises(TableError, match="not found"):
        other.load("demo")


def test_an_export_of_some_tables_has_the_inputs_of_their_cells(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    from dataclasses import replace

    inputs.remember(session.store, {"demos": pd.DataFrame({"text": ["a"]}), "rest": ["b"]})
    job = sk.plan("Hi.", model=sk.Fake(), session=session, name="said")
    replace(job, line="said --examples demos").run()
    done = other.import_bundle(session.export(tmp_path / "b", ["said"]))
    assert done.loads == {"demos": "demos", "said": "said"}


def test_inputs_go_with_the_runs_that_needed_them(session: sk.Session) -> None:
    rows = pd.DataFrame({"topic": ["soup"]})
    for name in ("a", "b"):
        sk.generate("On {{ topic }}.", rows=rows, model=sk.Fake(), session=session, name=name)
    for run, left in ((1, 1), (2, 0)):
        session.delete(runs=[run])
        assert len(list((session.folder / "inputs").iterdir())) == left
