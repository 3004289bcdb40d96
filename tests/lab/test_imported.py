"""A lab that came with a bundle: nothing is loaded, looked up or called before it is trusted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import StoreError
from synthkit.lab.lab import PromptLab
from synthkit.notebook.output.lab_summary import static
from synthkit.sessions.lab_bodies import check_lab_body

Export = Callable[..., Path]


@pytest.fixture
def export(session: sk.Session, tmp_path: Path) -> Export:
    """A bundle with a lab that was run, and whose body is changed."""

    def make(**changes: Any) -> Path:
        lab = PromptLab(
            ["Say {{ x }}."], name="tone", vary={"x": ["yes", "no"]}, models=["fake"],
            checks=["length text 1-99 words"], session=session,
        )  # fmt: skip
        lab.run()
        with closing(sqlite3.connect(session.store.path)) as db, db:
            body = json.loads(db.execute("SELECT body FROM labs").fetchone()[0]) | changes
            db.execute("UPDATE labs SET body = ?", (json.dumps(body),))
        return session.export(tmp_path / "lab.zip")

    return make


@pytest.fixture
def other(tmp_path: Path) -> Any:
    with sk.Session(tmp_path / "other") as opened:
        yield opened


def never(*arguments: Any) -> Any:
    raise AssertionError(f"called with {arguments}")


def texts(lab: PromptLab) -> list[str]:
    return [lab.cell(row, lab.columns[0]).text for row in range(len(lab.rows))]


def test_an_imported_lab_shows_what_is_recorded_and_asks(export: Export, other: sk.Session) -> None:
    other.import_bundle(export(checks=["@wipe", "schema text @Model", "length text 1-9 words"]))
    lab = PromptLab(name="tone", session=other, find=never, named=never)
    assert lab.config.notes == [
        "This lab came with a bundle and shows what is recorded. "
        "To run it, add --trust (trust=True).",
        "It would load fake.",
        "It would call a function of this notebook: @wipe",
        "It would call a function of this notebook: schema text @Model",
    ]
    for note in lab.config.notes:
        assert note in static(lab).plain
    assert all(texts(lab))
    assert list(lab.cell(0, lab.columns[0]).verdicts) == ["length text 1-9 words"]
    assert lab.missing() == []


@pytest.mark.parametrize(
    "spec", ["hf:evil/repo", "hf:/no/such", "openai:gpt-x", "smollm2", "secret"]
)
@pytest.mark.parametrize("part", ["models", "judge"])
def test_no_model_is_built_or_looked_up_before_the_lab_is_trusted(
    spec: str, part: str, export: Export, other: sk.Session
) -> None:
    other.import_bundle(export(**{part: [spec] if part == "models" else spec}))
    lab = PromptLab(name="tone", session=other, find=never, named=never)
    assert f"It would load {spec}." in lab.config.notes
    lab.add(prompt="Shout {{ x }}.")
    lab.run()
    assert "is not loaded, since this lab came with a bundle" in str(lab.failures)
    built: list[str] = []

    def find(name: str) -> Any:
        built.append(name)
        return sk.Fake("Yes.", name=name)

    PromptLab(name="tone", session=other, find=find, named=never, trust=True)
    assert spec in built


def test_a_trusted_lab_runs_and_asks_no_more(export: Export, other: sk.Session) -> None:
    other.import_bundle(export(checks=["@wipe"]))
    called: list[Any] = []
    functions = {"wipe": lambda row: bool(called.append(row)) or True}
    for trust in (False, False):  # opening it twice does not make it trusted
        lab = PromptLab(name="tone", session=other, named=functions.__getitem__, trust=trust)
        assert texts(lab)
        assert (called, len(lab.config.notes)) == ([], 3)
    for trust in (True, False):
        lab = PromptLab(name="tone", session=other, named=functions.__getitem__, trust=trust)
        assert texts(lab)
        assert lab.config.notes == []
    assert len(called) == 4


def test_models_and_checks_that_are_given_are_used(export: Export, other: sk.Session) -> None:
    other.import_bundle(export(models=["hf:evil/repo"], checks=["@wipe"]))
    fake = sk.Fake("Yes.")
    lab = PromptLab(name="tone", session=other, models=fake, checks=["regex text Y"], find=never)
    lab.run()
    assert texts(lab) == ["Yes.", "Yes."]
    assert lab.config.notes == []
    assert PromptLab(name="tone", session=other, named=never).config.notes != []


def test_an_own_lab_does_not_ask_after_its_bundle_is_imported(
    export: Export, session: sk.Session
) -> None:
    bundle = export()
    assert session.import_bundle(bundle).labs == {}
    assert PromptLab(name="tone", session=session).config.notes == []


def test_a_lab_that_is_imported_twice_is_added_once(export: Export, other: sk.Session) -> None:
    bundle = export()
    assert other.import_bundle(bundle).labs == {"tone": "tone"}
    assert str(other.import_bundle(bundle)) == "nothing new"
    again = other.export(other.folder / "again.zip")
    assert other.import_bundle(again).labs == {}


VARIANT = {"key": "A", "name": "", "versions": [["Say {{ x }}.", {}]], "at": 0, "deleted": False}
ODD: dict[str, tuple[dict[str, Any], str]] = {
    "rows": ({"rows": 5}, "rows are not a list of objects"),
    "a row": ({"rows": [5]}, "rows are not a list of objects"),
    "fields": ({"rows": [{"x": 1}, {"y": 1}]}, "rows have different fields"),
    "variants": ({"variants": "abc"}, "variants are not a list"),
    "a variant": ({"variants": ["abc"]}, "a variant is not an object"),
    "a key": ({"variants": [VARIANT | {"key": 7}]}, "the key of a variant is '7'"),
    "twice": ({"variants": [VARIANT, VARIANT]}, "the same letter"),
    "no version": ({"variants": [VARIANT | {"versions": []}]}, "version of a variant does not"),
    "at": ({"variants": [VARIANT | {"at": 9}]}, "version of a variant does not exist"),
    "at true": ({"variants": [VARIANT | {"at": True}]}, "the at of a variant"),
    "a version": ({"variants": [VARIANT | {"versions": ["x"]}]}, "not a prompt with its sampling"),
    "sampling": (
        {"variants": [VARIANT | {"versions": [["x", {"evil": 1}]]}]}, "the sampling of a variant",
    ),
    "temperature": (
        {"variants": [VARIANT | {"versions": [["x", {"temperature": "hot"}]]}]}, "must be a number",
    ),
    "extra": ({"variants": [VARIANT | {"versions": [["x", {"extra": 7}]]}]}, "must be a mapping"),
    "stop": ({"variants": [VARIANT | {"versions": [["x", {"stop": 7}]]}]}, "stop texts"),
    "baseline": ({"baseline": "Z"}, "baseline 'Z' is none of its variants"),
    "checks": ({"checks": 7}, "checks are not a list of texts"),
    "a check": ({"checks": [7]}, "checks are not a list of texts"),
    "models": ({"models": "fake"}, "models are not a list of texts"),
    "judge": ({"judge": {}}, "judge is not a text"),
    "a line break": ({"words": [["--from", "x\n!touch pwned"]]}, "not an option and its value"),
    "an option": ({"words": [["--model", "hf:evil"]]}, "not an option and its value"),
    "reading": ({"reading": {"name": "x", "rows": 1}}, "parse completions is not known"),
    "a schema": ({"reading": {"schema": 7}}, "its schema is '7'"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_a_bundle_with_an_odd_lab_is_refused(name: str, export: Export, other: sk.Session) -> None:
    changes, message = ODD[name]
    bundle = export(**changes)
    with pytest.raises(StoreError, match=message):
        other.import_bundle(bundle)
    assert other.store.labs.names() == []


@pytest.mark.parametrize("body", [{}, {"variants": []}, {"rows": []}, [], 7])
def test_a_body_without_its_parts_cannot_be_read(body: Any) -> None:
    with pytest.raises(StoreError, match="the lab 'tone' cannot be read"):
        check_lab_body("tone", body)


def test_an_odd_lab_in_the_session_is_said_when_it_is_opened(session: sk.Session) -> None:
    session.store.labs.put("tone", {"variants": "abc", "rows": []})
    with pytest.raises(StoreError, match="its variants are not a list"):
        PromptLab(name="tone", session=session, models="fake")
