"""Which variables cells and verbs may bind, and that they take none silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthkit.core.errors import UsageError
from synthkit.data import tables
from tests.notebook.conftest import Shell

SETUP = """
import pandas as pd, synthkit as sk
M = sk.load_model('fake', answer='ok')
reviews = pd.DataFrame({'id': list('abc'), 'text': ['one', 'two words', 'three more words']})
"""


@pytest.fixture
def ready(shell: Shell) -> Shell:
    shell.run(SETUP)
    return shell


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("class", "'class' is a keyword of Python"),
        ("None", "keyword"),
        ("lambda", "keyword"),
        ("list", "'list' is a function of Python"),
        ("print", "function of Python"),
        ("display", "function of Python"),
        ("_", "begins with '_'"),
        ("_mine", "begins with '_'"),
        ("In", "variable of IPython"),
        ("2nd", "expected a variable's name"),
        ("a-b", "expected a variable's name"),
        ("sk", "'sk' is a module"),
        ("M", "'M' is a model"),
        ("func", "'func' is a function in this notebook"),
        ("Kind", "'Kind' is a class"),
    ],
)
def test_a_name_that_means_something_else_is_refused_before_anything_is_asked(
    ready: Shell, name: str, hint: str
) -> None:
    ready.run("def func(): ...\nclass Kind: ...")
    with pytest.raises(UsageError, match=hint):
        ready.run(f"%%synth {name} --model M\nHi.")
    assert ready["M"].asked == []
    with pytest.raises(UsageError, match=hint):
        ready.run(f'%synth filter reviews --where "words > 1" --to {name}')


@pytest.mark.parametrize("name", ["class", "list", "sk", "_m", "2nd"])
def test_a_model_takes_no_such_name(ready: Shell, name: str) -> None:
    with pytest.raises(UsageError):
        ready.run(f"%synth model {name} fake")


@pytest.mark.parametrize("name", ["größe", "match", "case", "reviews2", "x_kept"])
def test_other_names_are_bound(ready: Shell, name: str) -> None:
    ready.run(f"%%synth {name} --model M\nHi.")
    assert tables.column(ready[name], "text") == ["ok"]


def test_a_variable_of_the_user_is_kept_beside_a_twin(ready: Shell) -> None:
    ready.run("reviews_kept = [1, 2]; reviews_dropped = 'mine'; out_run = 5")
    shown = ready.run('%synth filter reviews --where "words > 1"')
    assert ready["reviews_kept"] == [1, 2]
    assert ready["reviews_dropped"] == "mine"
    assert "reviews_kept is your variable and stays; reviews_kept_2 is bound here." in shown
    assert "bound reviews_kept_2, reviews_dropped_2, reviews_curation" in shown
    assert len(ready["reviews_kept_2"]) == 2
    shown = ready.run("%%synth out --model M\nHi.")
    assert "out_run is your variable and stays; out_run_2 is bound here." in shown
    assert ready["out_run"] == 5


def test_verbs_do_not_take_each_others_tables(ready: Shell) -> None:
    ready.run('%synth filter reviews --where "words > 1"')
    kept = ready["reviews_kept"]
    ready.context.session.mark(["a"], "accept", by="ann")
    shown = ready.run("%synth marks reviews")
    assert "reviews_kept is a variable of %synth filter and stays" in shown
    assert "bound reviews_marks, reviews_kept_2, reviews_dropped_2" in shown
    assert ready["reviews_kept"] is kept
    assert tables.column(ready["reviews_kept_2"], "id") == ["a"]


def test_a_verb_that_runs_again_replaces_its_own_tables(ready: Shell) -> None:
    ready.run('%synth filter reviews --where "words > 1"')
    shown = ready.run('%synth filter reviews --where "words > 2"')
    assert "stays" not in shown
    assert len(ready["reviews_kept"]) == 1
    ready.run("%%synth out --model M\nHi.")
    assert "stays" not in ready.run("%%synth out --model M --n 2\nHi.")
    assert len(ready["out"]) == 2
    assert "out_run_2" not in ready.context.variables


def test_a_filter_does_not_replace_the_saved_table_of_a_cell(ready: Shell) -> None:
    ready.run("%%synth reviews_kept --model M\nHi.")
    ready.run("del reviews_kept")
    shown = ready.run('%synth filter reviews --where "words > 1"')
    assert "reviews_kept is a table of a cell and stays; reviews_kept_2 is bound here." in shown
    session = ready.context.session
    assert session.load("reviews_kept")["text"].tolist() == ["ok"]
    assert len(session.load("reviews_kept_2")) == 2


def test_a_cell_says_what_its_variable_held(ready: Shell) -> None:
    ready.run("words = ['a', 'b']")
    shown = ready.run("%%synth words --model M --vary x=@words\nHi {{ x }}.")
    assert "words was your variable; this cell binds its table to it." in shown
    assert len(ready["words"]) == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_a_schema_file_of_any_editor_is_read(ready: Shell, encoding: str) -> None:
    text = '{"type": "object",\r\n "properties": {"größe": {"type": "string"}}}\r\n'
    Path("s.json").write_bytes(text.encode(encoding))
    ready.run("""N = sk.load_model('fake', answer='{"größe": "L"}')""")
    ready.run("%%synth sized --model N --schema s.json\nHi.")
    assert tables.column(ready["sized"], "größe") == ["L"]


def test_a_field_of_vary_may_have_any_name(ready: Shell) -> None:
    ready.run("%%synth out --model M --vary 'my topic=bread,soup'\nOn {{ row['my topic'] }}.")
    assert tables.column(ready["out"], "my topic") == ["bread", "soup"]
    with pytest.raises(UsageError, match="expected FIELD=a,b,c"):
        ready.run("%%synth out --model M --vary '=bread'\nHi.")
