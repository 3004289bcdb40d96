"""The console command ``synthkit``: its verbs, its exit status, and what it prints where."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import synthkit as sk
from synthkit.__main__ import main
from tests.server import Server, free_port
from tests.sessions.contents import fill


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a session, in which the command runs."""
    with sk.Session(tmp_path / ".synthkit") as session:
        fill(session)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def notebook(folder: Path, *cells: str) -> Path:
    path = folder / "lesson.ipynb"
    nbformat.write(
        nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells))), path
    )
    return path


def test_export_verify_and_card(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "lesson", "said"]) == 0
    assert main(["verify", "lesson.zip"]) == 0
    assert main(["card", "said"]) == main(["card", "said", "README.md"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("written: lesson.zip\n")
    assert "nothing differs" in out
    assert (folder / "README.md").read_text() in out


def test_a_bundle_that_differs_has_the_status_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.sessions.test_bundle_checks import rewrite

    main(["export", "lesson"])

    def change(members: dict[str, bytes]) -> None:
        members["cards/said.json"] = members["cards/said.json"].replace(b'"rows": 3', b'"rows": 4')

    rewrite(folder / "lesson.zip", change)
    assert main(["verify", "lesson.zip"]) == 1
    assert "cards/said.json, rows: stored 4, derived 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify", "none.zip"], "no bundle at none.zip"),
        (["card", "nothing"], "table 'nothing' not found"),
        (["card", "said", "--session", "elsewhere"], "no session in elsewhere"),
        (["export", "there.zip"], "exists already"),
        (["export", "x", "--notebook", "none.ipynb"], "expected a notebook"),
        (["run", "none.ipynb"], "cannot be read as a notebook"),
        (["run", "there.zip"], "cannot be read as a notebook"),
        (["pull", "none"], "none"),
        (["serve", "fake"], "say who the class is"),
        (["serve", "openai:m", "--students", "none.txt"], "OPENAI_API_KEY"),
        (["exercises", "gone.ipynb"], "cannot be read as a notebook"),
        (["grade", "gone*"], "no notebooks in gone*"),
        (["grade", "x.ipynb", "--attach", "none.zip"], "none.zip does not exist"),
        (["grade", "x.ipynb", "--csv", "no/x.csv"], "the folder no does not exist"),
        (["grade", "x.ipynb", "--csv", "."], "expected the name of a file; . is a folder"),
        (["grade", "x.ipynb", "--save", "there.zip/x"], "there.zip is a file"),
        (["run", "none.ipynb", "--output", "no/x.ipynb"], "the folder no does not exist"),
        (["run", "none.ipynb", "--output", "."], "expected the name of a file; . is a folder"),
        (["exercises", "x.ipynb", "--to", "no/x.ipynb"], "the folder no does not exist"),
        (["exercises", "x.ipynb", "--tests", "there.zip"], "there.zip is a file"),
        (["card", "said", "no/README.md"], "README.md cannot be written: No such file"),
        (["card", "said", ".", "--over"], "cannot be written: Is a directory"),
        (["export", "no/x"], "the folder no does not exist"),
    ],
)
def test_errors_go_to_stderr_with_the_status_1(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    (folder / "there.zip").write_text("mine")
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert not (folder / "elsewhere").exists()


@pytest.mark.parametrize("arguments", [[], ["sing"], ["verify"], ["run", "a", "--timeout", "x"]])
def test_wrong_usage_has_the_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: synthkit" in capsys.readouterr().err


def test_only_what_is_required_is_called_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export"])
    assert "the following arguments are required: FILE\n" in capsys.readouterr().err


def test_every_verb_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in (
        "pull",
        "models",
        "verify",
        "card",
        "export",
        "run",
        "grade",
        "exercises",
        "serve",
    ):
        with pytest.raises(SystemExit) as caught:
            main([verb, "--help"])
        assert caught.value.code == 0
        assert f"usage: synthkit {verb}" in capsys.readouterr().out


@pytest.mark.slow
def test_a_notebook_runs_through_its_session(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = "%%synth said --n 2 --model fake\nSay."
    path = notebook(folder, "%load_ext synthkit", cell, "len(said)")
    assert main(["run", str(path), "--output", "done.ipynb"]) == 0
    assert main(["run", "done.ipynb"]) == 0
    assert capsys.readouterr().out.startswith("ran 3 cells; written: done.ipynb\n")
    done = json.loads((folder / "done.ipynb").read_text())
    assert done["cells"][2]["outputs"][0]["data"]["text/plain"] == ["2"]
    assert json.loads(path.read_text())["cells"][2]["outputs"] == []
    with sk.Session(".synthkit") as session:
        assert session.store.runs.all()[-1]["hits"] == 2
    assert main(["export", "lesson", "--notebook", "done.ipynb"]) == 0
    assert main(["verify", "lesson.zip"]) == 0
    assert "notebooks: 1 derived again" in capsys.readouterr().out


@pytest.mark.slow
def test_a_cell_that_fails_is_an_error_and_its_output_is_saved(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = notebook(folder, "print('so far')", "1 / 0", "print('never')")
    assert main(["run", str(path)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    cells = json.loads(path.read_text())["cells"]
    assert [len(cell["outputs"]) for cell in cells] == [1, 1, 0]


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "synthkit", "verify", "none.zip"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("StoreError: no bundle at none.zip")


@pytest.mark.slow
def test_an_endpoint_is_served_until_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("Maya\nBo\n")
    line = "serve openai:m --students names.txt --host 127.0.0.1 --port"
    with Server() as server:
        port = free_port()
        command = [sys.executable, "-m", "synthkit", *line.split(), str(port)]
        process = subprocess.Popen(
            [*command, "--base-url", server.base_url],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        url = f"http://127.0.0.1:{port}/v1"
        assert f"served at {url} to 2 students, 200 requests each" in "".join(
            process.stdout.readline() for _ in range(3)
        )
        with (tmp_path / "tokens.csv").open(newline="") as file:
            tokens = {row["student"]: row["token"] for row in csv.DictReader(file)}
        model = sk.load_model("openai:m", base_url=url, api_key=tokens["Bo"])
        with sk.Session(tmp_path / "bo") as session:
            run = sk.generate("Hi.", model=model, session=session)
        assert run.table["text"].tolist() == ["Answer to: Hi."]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 1
        process.stdout.close()
