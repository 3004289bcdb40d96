"""The registry of verbs: one of a notebook, one of a package, and those of synthkit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from synthkit.core.errors import UsageError
from synthkit.models import recommendation
from synthkit.models.recommendation import Machine
from synthkit.notebook.verbs._base import VERBS
from tests.notebook.conftest import Shell
from tests.notebook.test_completion import complete

HELLO = """
from synthkit.notebook import argument, verb

@verb(
    argument("table", metavar="TABLE", help="whom to greet"),
    argument("--tone", choices=["warm", "dry"], default="warm", help="default: %(default)s"),
)
def hello(context, options):
    "Greet the rows of a table."
    greeting = f"{options.tone} hello to {len(context.names.table(options.table))} rows"
    context.bind({"greeting": greeting})
    print(greeting, context.settings.model, context.session.names())
"""


@pytest.fixture
def greeter(shell: Shell) -> Iterator[Shell]:
    """A shell with a table; the verb that it registers is removed at the end."""
    shell.run("import pandas as pd; guests = pd.DataFrame({'name': ['Ana', 'Bo']})")
    yield shell
    if "hello" in VERBS._added:
        VERBS.remove("hello")


@pytest.mark.parametrize("where", ["notebook", "package"])
def test_a_verb_is_listed_completed_explained_and_run(
    greeter: Shell, install: Callable[..., None], where: str
) -> None:
    if where == "package":
        install(VERBS, "hello", HELLO)
    else:
        greeter.run(HELLO)
    listing = greeter.run("%synth")
    assert "%synth hello" in listing
    assert ("Greet the rows of a table." if where == "notebook" else "from outside_hello") in (
        listing
    )
    assert complete(greeter, "%synth hel") == ["%synth hello"]
    assert complete(greeter, "%synth hello gue") == ["%synth hello guests"]
    assert complete(greeter, "%synth hello guests --tone d") == ["%synth hello guests --tone dry"]
    help = greeter.run("%synth hello --help")
    assert "Greet the rows of a table." in help
    assert "default: warm" in help
    assert greeter.run("%synth hello guests --tone dry") == "dry hello to 2 rows smollm2 []\n"
    assert greeter["greeting"] == "dry hello to 2 rows"
    mistake = r"'--tune' not found.*Did you mean '--tone'.*hello --help"
    with pytest.raises(UsageError, match=mistake):
        greeter.run("%synth hello guests --tune dry")


def test_a_cell_that_is_run_again_replaces_its_verb(greeter: Shell) -> None:
    greeter.run(HELLO)
    greeter.run(HELLO.replace("hello to", "good evening to"))
    assert "warm good evening to 2 rows" in greeter.run("%synth hello guests")


def test_a_name_of_synthkit_cannot_be_taken(greeter: Shell) -> None:
    with pytest.raises(UsageError, match=r"'show' is taken by the verb in synthkit.notebook"):
        greeter.run(HELLO.replace("def hello", "def show"))


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_explains_itself_and_its_options(shell: Shell, name: str) -> None:
    help = shell.run(f"%synth {name} --help")
    assert VERBS[name].summary == VERBS.listed()[name].summary
    assert VERBS[name].summary in help
    assert len(VERBS[name].summary) <= 78  # whole on a line of text
    assert help.startswith(f"usage: %synth {name}")
    for declared in VERBS[name].all_arguments():
        assert declared.kwds.get("help"), declared.args
        if declared.kwds.get("default") not in (None, "", []):
            assert "%(default)s" in declared.kwds["help"], declared.args
        if declared.args[0].startswith("-") and declared.kwds.get("action") != "store_true":
            assert "default" in described(help, declared.args[0])
    assert shell.run(f"%synth {name}?") == help


def described(help: str, option: str) -> str:
    """What a help text says about an option."""
    (text,) = re.findall(
        rf"^  (?:-\w[^\n]*, )?{option}(?![\w-])(.*?)(?=^  -|\Z)", help, re.M | re.S
    )
    return text


def test_help_is_given_wherever_it_is_asked_for(shell: Shell) -> None:
    assert shell.run("%synth --help") == shell.run("%synth")
    help = shell.run("%%synth facts --help\nA fact.")
    assert "allowed answers: a,b,c or @variable; default: none" in " ".join(help.split())
    assert "--weighted" in shell.run("%%synth --recipe judge --help\nA fact.")


def test_models_are_listed_with_their_memory_and_one_is_recommended(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommendation, "this_machine", lambda: Machine(16_000_000_000, gpu=False))
    listing = shell.run("%synth models").splitlines()
    (row,) = (line for line in listing if line.startswith("granite-4.0-micro "))
    assert row.split()[2:8] == ["13.6", "/", "6.8", "/", "2.3", "bf16"]
    (advice,) = (line for line in listing if line.startswith("recommended on this machine: "))
    assert "granite-4.0-1b, because its 6.5 GB of fp32 weights fit into half of the 16.0" in advice
