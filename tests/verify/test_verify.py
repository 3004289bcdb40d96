"""A bundle is derived again; one changed byte is found, with its place."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import synthkit as sk
from synthkit.core.errors import StoreError
from synthkit.core.types import Mark, Row
from synthkit.curate import by_column
from synthkit.sessions.bundle_seal import seal
from synthkit.verify import Verification, verify
from tests.sessions.test_bundle_checks import rewrite

Members = dict[str, bytes]
Change = Callable[[Members, Path], None]


def fill(session: sk.Session) -> None:
    """Two runs, a filter, marks of two people, an evaluation, and a claim."""
    rows = pd.DataFrame({"id": ["a", "b", "c"], "topic": ["soup", "bread", "tea"], "n": [1, 2, 3]})
    said = sk.generate("On {{ topic }}.", rows=rows, n=2, model=sk.Fake(), session=session,
                       name="said").table  # fmt: skip
    sk.generate("Answer {{ text }}", rows=said, model=sk.Fake(), session=session, output="reply",
                name="replies")  # fmt: skip
    kept = session.curate(said, by_column("n", most=2), name="said").kept
    session.save("kept", kept)
    labels = ["accept", "reject", "accept", "accept", "reject", "accept"]
    for by, flip in (("ana", 0), ("bo", 1)):
        for at, (id, label) in enumerate(zip(said["id"], labels, strict=True)):
            other = "reject" if at == 3 and flip else label
            session.store.marks.add([Mark(id=id, label=other, by=by, at=10.0 + at)])
    session.evaluate(said, name="said", column="text")
    session.claim("upper(accept_rate(said)) < 1 and distinct_2(said) > 0.2")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    with sk.Session(folder / "session") as session:
        fill(session)
        return session.export(folder / "lesson.zip")


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    path = tmp_path / "lesson.zip"
    path.write_bytes(exported.read_bytes())
    return path


def forge(bundle: Path, change: Change, *, seal_too: bool) -> Verification:
    """Verify the bundle with a change, under checksums that fit; also the seal if asked."""

    def changed(members: Members) -> None:
        change(members, bundle.parent)
        if seal_too:
            folder = bundle.parent / "unpacked"
            for name, content in members.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
            names = [name for name in members if name not in ("manifest.json", "seal.json")]
            sealed = json.loads(members["seal.json"]) | seal(folder, names)
            members["seal.json"] = json.dumps(sealed).encode()

    rewrite(bundle, changed)
    return verify(bundle)


def in_store(*statements: str) -> Change:
    def change(members: Members, folder: Path) -> None:
        path = folder / "scratch.sqlite"
        path.write_bytes(members["store.sqlite"])
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            for statement in statements:
                assert db.execute(statement).rowcount != 0
        members["store.sqlite"] = path.read_bytes()

    return change


def in_cell(table: str, column: str, row: int, value: Any) -> Change:
    def change(members: Members, folder: Path) -> None:
        arrow = pq.read_table(pa.BufferReader(members[f"tables/{table}.parquet"]))
        cells = arrow.column(column).to_pylist()
        cells[row] = value(cells[row])
        at = arrow.schema.names.index(column)
        arrow = arrow.set_column(
            at, arrow.schema.field(at), pa.array(cells, arrow.schema.types[at])
        )
        path = folder / "scratch.parquet"
        pq.write_table(arrow, path)
        members[f"tables/{table}.parquet"] = path.read_bytes()

    return change


def in_score(part: str, value: Any) -> Change:
    def change(members: Members, folder: Path) -> None:
        path = folder / "scratch.sqlite"
        path.write_bytes(members["store.sqlite"])
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            body = json.loads(db.execute("SELECT body FROM evaluations").fetchone()[0])
            score = next(each for each in body["scores"] if each["name"] == "accept rate")
            score[part] = value(score[part])
            db.execute("UPDATE evaluations SET body = ?", (json.dumps(body),))
        members["store.sqlite"] = path.read_bytes()

    return change


def in_value_of_row(members: Members, folder: Path) -> None:
    path = folder / "scratch.sqlite"
    path.write_bytes(members["store.sqlite"])
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        values = json.loads(
            zlib.decompress(db.execute("SELECT rows FROM evaluations").fetchone()[0])
        )
        parts = next(each for each in values["parts"] if each)
        parts[0] += 0.5
        db.execute("UPDATE evaluations SET rows = ?", (zlib.compress(json.dumps(values).encode()),))
    members["store.sqlite"] = path.read_bytes()


def in_made_rows(members: Members, folder: Path) -> None:
    path = folder / "scratch.sqlite"
    path.write_bytes(members["store.sqlite"])
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        (made,) = db.execute("SELECT made FROM run_rows WHERE run = 1").fetchone()
        db.execute("UPDATE run_rows SET made = ? WHERE run = 1", (made[:-8] + b"\xff" * 8,))
    members["store.sqlite"] = path.read_bytes()


def replaced(name: str, old: str, new: str) -> Change:
    def change(members: Members, folder: Path) -> None:
        text = members[name].decode()
        assert old in text
        members[name] = text.replace(old, new, 1).encode()

    return change


def up(value: float) -> float:
    return value + 0.001


ONE_BYTE: dict[str, tuple[Change, str]] = {
    "a cell": (
        in_cell("said", "text", 1, lambda text: "X" + text[1:]),
        "tables/said.parquet, row 2",
    ),
    "a field": (in_cell("said", "topic", 0, lambda text: "soap"), "column topic"),
    "an id": (in_cell("said", "id", 0, lambda id: "f" * 16), "tables/said.parquet, row 1"),
    "a reply": (in_cell("replies", "reply", 2, str.upper), "replies.parquet, row 3"),
    "a prompt": (
        in_store("UPDATE runs SET prompt = 'In {{ topic }}.' WHERE run = 1"),
        "store.sqlite runs, run 1, column prompt",
    ),
    "the prompt of a request": (
        in_store("UPDATE completions SET request = replace(request, 'On soup', 'On soap')"),
        "column key",
    ),
    "a completion": (
        in_store("UPDATE completions SET text = 'x' || substr(text, 2) WHERE rowid = 1"),
        "column checksum",
    ),
    "a mark": (
        in_store("UPDATE marks SET label = 'reject' WHERE seq = 1"),
        "accept rate, value",
    ),
    "a score": (in_score("value", up), "accept rate, value"),
    "the end of an interval": (in_score("high", up), "accept rate, high"),
    "the unit of a score": (in_score("unit", lambda unit: "0..2"), "accept rate, unit"),
    "the value of a row": (in_value_of_row, "value of row"),
    "a claim": (
        in_store("UPDATE claims SET body = replace(body, '\"holds\":true', '\"holds\":false')"),
        "store.sqlite claims, claim 1, holds",
    ),
    "a number of a card": (
        replaced("cards/said.json", '"rows": 6', '"rows": 7'),
        "cards/said.json, rows",
    ),
    "a limit of a card": (
        replaced("cards/said.json", "6 rows only", "60 rows only"),
        "cards/said.json, limits.1",
    ),
    "a number in the text of a card": (
        replaced("cards/said.md", "6 rows with", "7 rows with"),
        "cards/said.md, line",
    ),
    "the id of a row of a run": (
        in_made_rows,
        "store.sqlite run_rows, run 1, row ffff",
    ),
}
"""What is changed -> how, and where it is found even if the seal is made to fit."""


def test_a_bundle_of_every_kind_of_record_agrees(bundle: Path) -> None:
    found = verify(bundle)
    assert found.agrees, found
    assert found.checked["cells of rows"] == 6 * 5 + 6 * 6 + 4 * 5
    assert found.checked["request keys"] == found.checked["checksums"] == 12
    assert found.checked["marks"] == 12
    assert {"numbers of cards", "claims", "scores and interval ends"} <= set(found.checked)
    assert str(found).endswith("nothing differs")
    assert [each.what for each in found.not_checked if "scores" in each.what] == []


@pytest.mark.parametrize("seal_too", [False, True])
@pytest.mark.parametrize("what", ONE_BYTE)
def test_a_change_is_found_with_its_place(bundle: Path, what: str, seal_too: bool) -> None:
    change, where = ONE_BYTE[what]
    found = forge(bundle, change, seal_too=seal_too)
    assert not found.agrees
    assert any(where in each.where for each in found.differences), found


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (
            in_store("UPDATE marks SET reason = 'x' WHERE seq = 2"),
            "store.sqlite marks, row 2 (row ",
        ),
        (in_store("UPDATE marks SET at = at + 1e-6 WHERE seq = 3"), "column at"),
        (in_cell("kept", "text", 0, str.upper), "tables/kept.parquet, row 1 (id "),
        (in_store("DELETE FROM marks WHERE seq = 12"), "store.sqlite marks"),
        (in_score("value", lambda value: value * (1 + 1e-15) + 1e-16), "evaluations, row 1"),
        (lambda members, folder: members.pop("cards/kept.md"), "cards/kept.md"),
    ],
)
def test_what_nothing_follows_from_is_compared_with_the_seal(
    bundle: Path, change: Change, where: str
) -> None:
    found = forge(bundle, change, seal_too=False)
    assert any(each.where.startswith("store") or "kept" in each.where for each in found.differences)
    assert any(where in each.where for each in found.differences), found


def test_a_difference_says_what_is_stored_and_what_is_derived(bundle: Path) -> None:
    change = in_cell("said", "topic", 0, lambda text: "soap")
    found = forge(bundle, change, seal_too=True)
    (difference,) = found.differences
    assert str(difference).endswith("column topic: stored 'soap', derived 'soup'")


def test_rows_without_requests_are_made_again_and_what_users_add_is_said(tmp_path: Path) -> None:
    def plain(rows: Any) -> Any:
        yield [Row({"x": 1})]

    with sk.Session(tmp_path / "session") as session:
        fill(session)
        sk.generate(plain, rows=[{"a": 1}], model=sk.Fake(), session=session, name="plain")
        session.save("more", session.load("kept").assign(words=3, mine="a"))
        found = verify(session.export(tmp_path / "lesson"))
    said = {each.what: (each.reason, each.n) for each in found.not_checked}
    function = "its recipe is a function of the notebook, which is not kept"
    assert said == {
        "the cells of 1 rows of run 3 plain": (function, 1),
        "1 row ids of run 3, which rest on no request": (function, 1),
        "8 cells of table more, columns words, mine": ("no run made them: they are the user's", 8),
    }


def test_runs_are_derived_again_whatever_the_order_of_their_arguments(
    session: sk.Session, tmp_path: Path
) -> None:
    """Properties, fields and labels mean something in their order, which is not the alphabet's."""
    text = {"type": "string"}
    schema = {
        "type": "object",
        "properties": {"who": text, "stars": {"type": "integer"}, "a": text},
    }
    options: Any = {"model": sk.Fake(), "session": session}
    sk.generate("Invent.", n=2, schema=schema, name="guests", **options)
    vary = {"z": ["b", "a"], "k": {"b": ["y", "x"], "a": ["w"]}}
    sk.generate("{{ z }} {{ k }}", vary=vary, sampler="independent", n=9, name="varied", **options)
    rows = [{"q": "one", "b": 1}, {"q": "two", "b": 2}]
    sk.generate("{{ q }}", rows=rows, labels=["yes", "no"], name="rated", **options)
    found = verify(session.export(tmp_path / "lesson"))
    assert found.agrees, found


LONG = [f"topic {n} {'x' * 60}" for n in range(400)]


@pytest.mark.parametrize(
    ("prompt", "options", "not_kept"),
    [
        ("Say {{ x }} {{ y }}.", {"vary": {"x": [1, 2], "y": {1: ["a"], 2: ["b", "c"]}}}, ""),
        ("{{ x }} {{ y }}", {"vary": {"x": LONG, "y": ["a", "b"]}}, ""),
        ("{{ x }} {{ y }}", {"vary": {"x": LONG, "y": ["a"]}}, ""),
        ("Say {{ x }}.", {"vary": {"x": [("b", "a"), ("c", "d")]}}, ""),
        ("Say {{ x }}.", {"rows": [{"x": ("b", "a")}]}, ""),
        ("Say {{ x }}.", {"rows": [{"x": "password = getpass.getpass()"}]}, "its rows is a value"),
        ("Say {{ x }}.", {"rows": [{"x": "cut \ud83d"}]}, "its request has half"),
        ("Say.", {"stop": ["\ud800"]}, "its request has half"),
    ],
)  # fmt: skip
def test_arguments_of_every_kind_come_back(
    session: sk.Session, tmp_path: Path, prompt: str, options: dict[str, Any], not_kept: str
) -> None:
    def ask(where: sk.Session) -> sk.Run:
        model = sk.Fake("Fine.")
        return sk.generate(prompt, model=model, session=where, name="said", **options)

    made = ask(session)
    assert len(made.table) > 0
    bundle = session.export(tmp_path / "lesson")
    found = verify(bundle)
    assert found.agrees, found
    assert [each.reason.startswith(not_kept) for each in found.not_checked] == [True] * bool(
        not_kept
    )
    with sk.Session(tmp_path / "other") as other:
        other.import_bundle(bundle)
        again = ask(other)
        assert again.ledger.requests == 0
        assert again.table["id"].tolist() == made.table["id"].tolist()


def test_an_evaluation_keeps_long_lists_of_every_length(
    session: sk.Session, tmp_path: Path
) -> None:
    rows = [{"id": n, "text": f"Line {n}."} for n in "abc"]
    pairs = {"z and y": [("accept" * 20, "reject" * 20)] * 300, "a and b": [("x", "y"), ("x", "x")]}
    session.evaluate(rows, name="rows", column="text", rater_pairs=pairs)
    assert verify(session.export(tmp_path / "lesson")).agrees


def test_a_card_without_the_facts_of_a_newer_synthkit_is_compared_in_the_others(
    bundle: Path,
) -> None:
    def older(members: Members, folder: Path) -> None:
        for name in ("said", "replies", "kept"):
            facts = json.loads(members[f"cards/{name}.json"])
            assert facts.pop("origins") == [
                {"how": "generated", "source": "", "version": "", "rows": facts["rows"]}
            ]
            del facts["earlier"]
            members[f"cards/{name}.json"] = json.dumps(facts).encode()
            members[f"cards/{name}.md"] = b"# In another form"

    found = forge(bundle, older, seal_too=True)
    assert found.agrees, found
    for what, reason in (
        ("origins of cards/{}.json", "it was written by a synthkit that gathered none"),
        ("earlier of cards/{}.json", "it was written by a synthkit that gathered none"),
        ("text of cards/{}.md", "it was written by a synthkit that wrote cards in another form"),
    ):
        not_checked = {each.what for each in found.not_checked if each.reason == reason}
        assert {what.format(name) for name in ("kept", "replies", "said")} <= not_checked


def test_what_needs_code_or_a_model_is_not_checked_and_counted(
    session: sk.Session, tmp_path: Path
) -> None:
    def twice(row: dict[str, Any]) -> Any:
        (first,) = yield [sk.recipes.user(f"Say {row['i']}.")]
        return {"text": first.text}

    run = sk.generate(twice, rows={"i": [1, 2]}, model=sk.Fake(), session=session, name="said")
    session.evaluate(
        run.table,
        name="said",
        column="text",
        embed=lambda texts: [[float(len(text)), 1.0] for text in texts],
        checks=[sk.evaluate.checks.function(lambda row: True, line="@mine")],
    )
    session.evaluate(
        run.table, name="said", column="text", embedder="none-such",
        embed=lambda texts: [[float(len(text)), 1.0] for text in texts],
    )  # fmt: skip
    found = verify(session.export(tmp_path / "b"))
    assert found.agrees, found
    reasons = {each.reason: each.n for each in found.not_checked}
    assert reasons["its recipe is a function of the notebook, which is not kept"] == 2
    assert any("@mine is a function of the notebook" in reason for reason in reasons)
    assert any("needs the embedder none-such, which is not installed" in each for each in reasons)


def test_an_honest_change_in_the_session_is_noted_and_no_difference(
    session: sk.Session, tmp_path: Path
) -> None:
    fill(session)
    session.save("clean", session.load("said").assign(text="cleaned"))
    found = verify(session.export(tmp_path / "b"))
    assert found.agrees, found
    assert any("changed it after it was generated" in each.reason for each in found.not_checked)


def test_a_part_of_a_session_agrees(session: sk.Session, tmp_path: Path) -> None:
    fill(session)
    found = verify(session.export(tmp_path / "b", ["said"]))
    assert found.agrees, found
    assert found.checked["claims"] == 1
    assert verify(session.export(tmp_path / "c", ["kept"])).agrees


def test_bundles_of_older_versions_are_derived_as_far_as_they_go() -> None:
    path = Path(__file__).parents[1] / "sessions" / "data" / "bundle.zip"
    found = verify(path)
    assert found.agrees, found
    assert any(each.what == "the seal" for each in found.not_checked)


@pytest.mark.parametrize("size", [0, 1, 100, 2000, -1, -30])
def test_a_truncated_bundle_is_refused(bundle: Path, size: int) -> None:
    bundle.write_bytes(bundle.read_bytes()[:size])
    with pytest.raises(StoreError, match=r"not a bundle|damaged"):
        verify(bundle)


@pytest.mark.parametrize("content", [b"garbage" * 100, b"PK\x03\x04" + b"\0" * 500, b"\0" * 22])
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(StoreError):
        verify(tmp_path / "b.zip")


@pytest.mark.parametrize(
    "change",
    [
        lambda members, folder: members.update({"seal.json": b"[1]"}),
        lambda members, folder: members.update({"seal.json": b"\xff"}),
        lambda members, folder: members.update({"seal.json": b'{"store.sqlite": 3}'}),
        lambda members, folder: members.update({"cards/said.json": b"{}"}),
        lambda members, folder: members.update({"cards/said.json": b"\xff\xfe"}),
        lambda members, folder: members.update({"cards/other.json": b"[" * 100_000}),
        in_store("UPDATE evaluations SET rows = x'00'"),
        in_store("UPDATE evaluations SET body = '{\"settings\": 5}'"),
        in_store("UPDATE claims SET body = '[]'"),
        in_store('UPDATE run_rows SET call = \'{"recipe": [], "arguments": 3, "lacks": {}}\''),
        in_store("UPDATE run_rows SET call = '[['"),
        in_store("UPDATE marks SET edit = '{'"),
        in_store("INSERT INTO origins VALUES ('00000000000000000', x'00')"),
    ],
)
def test_odd_records_are_refused_or_differ(bundle: Path, change: Change) -> None:
    try:
        agrees = forge(bundle, change, seal_too=False).agrees
    except StoreError:  # as it says
        agrees = False
    assert not agrees


def test_a_run_of_many_conditions_is_made_again(tmp_path: Path) -> None:
    vary = {"tone": ["calm", "angry"], "topic": list("abcdefgh")}
    with sk.Session(tmp_path / "session") as session:
        run = sk.generate("{{ tone }} {{ topic }}", vary=vary, n=80, model=sk.Fake(),
                          session=session, name="said")  # fmt: skip
        session.save("said", run.table)
        found = verify(session.export(tmp_path / "said.zip"))
    assert found.agrees
    assert found.checked["cells of rows"] == 80 * 4
    assert not found.not_checked


def test_more_requests_than_a_bundle_can_have_are_not_made(bundle: Path) -> None:
    change = in_store(
        "UPDATE run_rows SET call = replace(call, '\"n\":2', '\"n\":2000000000') WHERE run = 1"
    )
    found = forge(bundle, change, seal_too=True)
    assert any("it asks for more than" in each.reason for each in found.not_checked), found


def test_it_needs_no_network_and_no_model(bundle: Path) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('network')\n"
        "socket.socket.connect = socket.create_connection = refuse\n"
        "from synthkit.verify import verify\n"
        f"print(verify({str(bundle)!r}).agrees, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["True", "False"], done.stderr
