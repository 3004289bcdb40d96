"""Functions that other packages register appear in help and completion, and work."""

from __future__ import annotations

from collections.abc import Callable

from synthkit.recipes._base import RECIPES
from tests.notebook import conftest as notebook
from tests.notebook.test_completion import complete

shell = notebook.shell

HAIKU = """
from synthkit.recipes import recipe, user

@recipe
def haiku(row, *, lines: int = 3):
    "Haikus about topics."
    (answer,) = yield [user(f"Write {lines} lines about {row['topic']}.")]
    return {"haiku": answer.text, "lines": lines}
"""


def test_a_recipe_is_listed_completed_and_run(
    shell: notebook.Shell, install: Callable[..., None]
) -> None:
    install(RECIPES, "haiku", HAIKU)
    assert "Haikus about topics." in shell.run("%synth recipes")
    assert "--lines" in shell.run("%synth recipes haiku")
    assert complete(shell, "%synth make x --recipe hai") == ["%synth make x --recipe haiku"]
    shell.ip.user_ns["topics"] = [{"topic": "rain"}, {"topic": "bread"}]
    shell.run("%synth make poems --recipe haiku --from topics --lines 2 --model fake")
    assert list(shell["poems"].lines) == [2, 2]
    assert list(shell["poems"].topic) == ["rain", "bread"]
