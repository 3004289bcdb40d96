"""``--from`` with files, generators and functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthkit.core.errors import TableError, UsageError
from tests.notebook.conftest import Shell

ROWS = '{"topic": "bread"}\n{"topic": "soup"}\n{"topic": "tea"}\n'


def test_a_cell_reads_files_and_says_where_rows_come_from(shell: Shell) -> None:
    Path("topics.jsonl").write_text(ROWS)
    shell.run("%%synth poems --model fake --from topic*.jsonl --first 2\nOn {{ topic }}.")
    assert shell["poems"]["topic"].tolist() == ["bread", "soup"]
    assert "3 rows of" not in shell.run("%synth session")
    assert "2 rows of poems_rows are read from topic*.jsonl (first rows " in shell.run(
        "%synth session"
    )
    shell.run("%%synth more --model fake --from poems_rows\nAgain on {{ topic }}.")
    assert len(shell["more"]) == 2


def test_a_cell_takes_a_function_and_a_generator(shell: Shell) -> None:
    shell.run("def topics():\n    yield from ({'topic': name} for name in 'abc')")
    shell.run("%%synth poems --model fake --from topics\nOn {{ topic }}.")
    shell.run("stream = topics()")
    shell.run("%%synth again --model fake --from stream\nOn {{ topic }}.")
    assert shell["poems"]["parent"].tolist() == shell["again"]["parent"].tolist()


def test_recipes_read_files_too(shell: Shell) -> None:
    Path("texts.csv").write_text("text\nBread rises.\n")
    shell.run("%synth generate scores --recipe judge --model fake --from texts.csv")
    assert "1 row" in shell.run("%synth session")
    assert "scores_rows" in shell.context.session.names()


def test_a_verb_that_needs_a_table_names_the_option_of_a_file(shell: Shell) -> None:
    Path("topics.jsonl").write_text(ROWS + "{")
    with pytest.raises(TableError, match=r"topics.jsonl, line 4: not JSON"):
        shell.run("%%synth poems --model fake --from topics.jsonl\nOn {{ topic }}.")
    with pytest.raises(TableError, match=r"no.csv does not exist"):
        shell.run("%%synth poems --model fake --from no.csv\nOn {{ topic }}.")
    with pytest.raises(UsageError, match="--first takes the first rows of --from"):
        shell.run("%%synth poems --model fake --first 3\nHi.")
