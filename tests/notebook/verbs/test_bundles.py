"""A bundle has all that its cells name: they run again in another session, without a model."""

from __future__ import annotations

from pathlib import Path

import pytest

import synthkit as sk
from tests.notebook.conftest import Shell

CELL = (
    "%%synth lines --from topics --examples demos --shots 1 --vary tone=@tones --model {model}\n"
    "One {{{{ tone }}}} line on {{{{ topic }}}}."
)


def test_a_cell_with_tables_runs_again_after_an_import(shell: Shell, tmp_path: Path) -> None:
    shell.run(
        "import pandas as pd\n"
        "topics = pd.DataFrame({'topic': ['soup', 'bread']})\n"
        "demos = pd.DataFrame({'topic': ['tea'], 'tone': ['dry'], 'text': ['Tea is hot.']})\n"
        "tones = ['dry', 'warm']"
    )
    shell.run(CELL.format(model="fake"))
    before = shell["lines"]
    shell.run("%synth export lesson.zip")
    shell.run("del topics, demos, tones, lines\n%config SynthMagics.folder = 'other'")
    said = shell.run("%synth import lesson.zip")
    assert "import synthkit; demos = synthkit.session('other').load('demos')" in said.splitlines()
    shell.run(CELL.format(model="replay:fake"))
    assert shell["lines"].equals(before)
    shell.run("\n".join(said.splitlines()[1:]))
    assert shell["tones"] == ["dry", "warm"]
    assert shell["topics"]["topic"].tolist() == ["soup", "bread"]


def test_a_schema_keeps_its_order_over_an_import(shell: Shell) -> None:
    """Its properties are written in their order, so that another one would be asked again."""
    cell = "%%synth guests --n 2 --schema guest --model {}\nInvent a guest."
    shell.run(
        "guest = {'type': 'object', 'properties': {'who': {'type': 'string'}, 'age': {'type': "
        "'integer'}, 'city': {'type': 'string'}}}"
    )
    shell.run(cell.format("fake"))
    before = shell["guests"]
    shell.run("%synth export lesson.zip")
    shell.run("del guest, guests\n%config SynthMagics.folder = 'other'")
    said = shell.run("%synth import lesson.zip").splitlines()
    shell.run("import synthkit\n" + "\n".join(line for line in said if "guest =" in line))
    assert list(shell["guest"]["properties"]) == ["who", "age", "city"]
    shell.run(cell.format("replay:fake"))
    assert shell["guests"].equals(before)


def test_an_import_binds_the_tables_if_it_is_asked_to(shell: Shell) -> None:
    shell.run("import pandas as pd\nreal = pd.DataFrame({'text': ['cold soup', 'warm bread']})")
    shell.run("%%synth said --n 2 --model fake\nSay.")
    shell.run("%synth eval said --against real --embedder none --metric distinct-1")
    shell.run("%synth export lesson.zip")
    shell.run("del real, said\n%config SynthMagics.folder = 'other'")
    assert "bound real, said" in shell.run("%synth import lesson.zip --bind")
    assert shell["real"]["text"].tolist() == ["cold soup", "warm bread"]
    assert len(shell["said"]) == 2


def test_a_damaged_table_is_named_by_the_session_and_left_out_of_a_bundle(shell: Shell) -> None:
    for name in ("said", "told"):
        shell.run(f"%%synth {name} --n 2 --model fake\n{name}.")
    Path(".synthkit/tables/told.parquet").write_bytes(b"junk")
    shown = shell.run("%synth session")
    assert "told: ✗ " in shown
    assert "said: 2 rows" in shown
    with pytest.warns(RuntimeWarning, match="the table 'told' is damaged and is left out: "):
        shell.run("%synth export lesson.zip")
    shell.run("%config SynthMagics.folder = 'other'")
    assert "said" in shell.run("%synth import lesson.zip --bind")


def test_a_table_whose_name_is_taken_gets_the_name_of_a_variable_that_is_free(
    shell: Shell, tmp_path: Path
) -> None:
    with sk.Session(tmp_path / "other") as other:
        for name in ("said", "said_2", "list"):
            other.save(name, [{"id": name, "text": "Theirs is warm."}])
        other.export(tmp_path / "lesson.zip")
    session = shell.context.session
    shell.run("said = [{'id': 'mine', 'text': 'Mine is warm.'}]")
    session.save("said", shell["said"])
    shown = shell.run("%synth import lesson.zip").splitlines()[1:]
    assert session.names() == ["list", "said", "said-2", "said_2"]
    assert "import synthkit; said_2_2 = synthkit.session().load('said-2')" in shown
    shell.run("\n".join(shown))
    assert shell["said"] == [{"id": "mine", "text": "Mine is warm."}]
    assert shell["said_2_2"]["id"].tolist() == ["said"]
    assert shell["said_2"]["id"].tolist() == ["said_2"]
    assert shell["rows_list"]["id"].tolist() == ["list"]
    shown = shell.run("%synth import lesson.zip --bind")
    assert "bound said_2_3, rows_list_2, said_2_4" in shown


def test_what_is_bound_for_a_table_has_the_name_of_a_variable(shell: Shell) -> None:
    rows = [{"id": n, "text": f"Line {n} is warm."} for n in "abcdef"]
    shell.context.session.save("said-2", rows)
    shown = shell.run("%synth filter said-2 --length 1-")
    assert "bound said_2_kept, said_2_dropped, said_2_curation" in shown
    assert "stays" not in shown
    assert len(shell["said_2_kept"]) == len(shell.context.session.load("said_2_kept")) == 6
    assert "6 of 6 rows kept" in shell.run("%synth plot funnel said-2")
    shown = shell.run("%synth eval said-2 --embedder none --metric distinct-1")
    assert "bound said_2_scores; saved" in shown
    assert "bound said_2_train, said_2_test" in shell.run("%synth split said-2")


def test_a_lab_keeps_the_table_of_its_inputs(shell: Shell) -> None:
    shell.run("import pandas as pd\nasked = pd.DataFrame({'topic': ['soup']})")
    line = "%synth lab tone --prompt 'On {{ topic }}.' --inputs asked --models fake --run"
    shell.run(line)
    shell.run("%synth export lesson.zip\ndel asked\n%config SynthMagics.folder = 'other'")
    shell.run("%synth import lesson.zip")
    shell.run(line.replace("lab tone", "lab again"))
    assert shell["again_lab"].rows == shell["tone_lab"].rows == [{"topic": "soup"}]


def test_a_lesson_is_attached_and_its_answers_and_tables_are_found(
    shell: Shell, tmp_path: Path
) -> None:
    with sk.Session(tmp_path / "teacher") as teacher:
        run = sk.generate("Say {{ i }}.", rows={"i": [1]}, model=sk.Fake(), session=teacher)
        teacher.save("seeds", run.table)
        teacher.person = "Ms Ada"
        teacher.export(tmp_path / "lesson.zip")
    shown = shell.run("%synth session --attach lesson.zip")
    assert shown.strip() == "attached lesson.zip: 1 completion; tables: seeds"
    shown = shell.run("%%synth said --model fake --from seeds\nSay {{ i }}.")
    assert "1 cached, 0 generated" in shown
    assert "Ms Ada, in session" in shell.run("%synth trace {said.id[0]}")
