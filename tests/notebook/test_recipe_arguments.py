"""``--recipe`` on a ``%%synth`` line, in a shell."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest

from synthkit.core.errors import UsageError
from synthkit.core.types import Row, Sampling
from synthkit.models.fake import Fake
from synthkit.notebook.recipe_arguments import find_recipe
from synthkit.recipes import user
from synthkit.recipes._base import RECIPES, Table
from tests.notebook.conftest import Shell


def haiku(row: dict[str, Any], *, lines: int = 3, plain: bool = False, sampling: Any = None) -> Any:
    """A haiku in two drafts (arXiv 2303.17651)."""
    (draft,) = yield [user(f"A haiku of {lines} lines on {row['topic']}.", sampling)]
    (final,) = yield [user(f"Plainer ({plain}): {draft.text}", sampling)]
    return {"draft": draft.text, "haiku": final.text}


def sums(
    rows: list[dict[str, Any]],
    *,
    words: Sequence[str],
    shares: Sequence[float] = (),
    other: Table = None,
) -> Any:
    """What was said on the line, as one row."""
    (answer,) = yield [user("Go on.")]
    said = {"rows": len(rows), "words": list(words), "shares": list(shares), "other": len(other)}
    yield [Row({**said, "text": answer.text})]


def drawn(row: dict[str, Any], *, seed: int = 0, sampling: Any = None) -> Any:
    """What was drawn with a seed of its own."""
    (answer,) = yield [user(f"Draw {row['topic']} with {seed}.", sampling)]
    return {"text": answer.text}


def undrawn(row: dict[str, Any], *, seed: int | None = None, sampling: Any = None) -> Any:
    """What was drawn, with or without a seed."""
    (answer,) = yield [user(f"Draw {row['topic']} with {seed}.", sampling)]
    return {"text": answer.text}


@pytest.fixture
def cook(shell: Shell) -> Shell:
    topics = pd.DataFrame({"id": ["a", "b"], "topic": ["rain", "bread"]})
    shell.ip.user_ns |= {
        "haiku": haiku,
        "sums": sums,
        "drawn": drawn,
        "topics": topics,
        "ws": ["x", "y"],
    }
    return shell


def test_a_function_in_a_variable_is_a_recipe_with_options(cook: Shell) -> None:
    cook.ip.user_ns["fake"] = fake = Fake("Drip.")
    shown = cook.run(
        "%synth generate h --recipe haiku --from topics --model fake --lines 2 --plain -t 0.1 --n 2"
    )
    assert list(cook["h"]) == ["id", "parent", "topic", "draft", "haiku"]
    assert cook["h"].parent.tolist() == ["a", "a", "b", "b"]
    assert "h: 4 rows, 0 completions cached, 6 generated" in shown
    asked = [request.messages[0].content for request in fake.asked]
    assert asked.count("A haiku of 2 lines on rain.") == 2
    assert {request.sampling.temperature for request in fake.asked} == {0.1}
    assert "8 completions cached, 0 generated" in cook.run(
        "%synth generate h --recipe haiku --from topics --model fake --lines 2 --plain -t 0.1 --n 2"
    )


def test_a_recipe_leaves_its_sampling_to_the_model(cook: Shell) -> None:
    cook.ip.user_ns |= {"fake": (fake := Fake("Drip.")), "undrawn": undrawn}
    line = "--from topics --model fake --temperature none --seed none"
    cook.run(f"%synth generate h --recipe haiku {line}")
    assert {(r.sampling.temperature, r.sampling.seed) for r in fake.asked} == {(None, None)}
    cook.run(f"%synth generate h --recipe undrawn {line}")
    assert fake.asked[-1].messages[0].content.endswith("with None.")


def test_what_is_on_by_itself_can_be_turned_off(cook: Shell) -> None:
    def recipe(row: dict[str, Any], *, loud: bool = True, calm: bool = False) -> Any:
        yield [user(f"{row['topic']} {loud} {calm}")]
        return {"loud": loud, "calm": calm}

    cook.ip.user_ns["said"] = recipe
    for line, found in (("", [True, False]), ("--no-loud --calm", [False, True])):
        cook.run(f"%synth generate h --recipe said --from topics --model fake {line}")
        assert cook["h"][["loud", "calm"]].values[0].tolist() == found


def test_lists_numbers_and_tables_are_read_by_their_types(cook: Shell) -> None:
    cook.run(
        "%synth generate s --recipe sums --from topics --model fake --words @ws --shares 0.5,2 "
        "--other topics"
    )
    (row,) = cook["s"].to_dict("records")
    assert (row["rows"], row["words"], row["shares"], row["other"]) == (2, ["x", "y"], [0.5, 2], 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--recipe haikus", "recipe 'haikus' not found; .*Did you mean 'haiku'"),
        ("--recipe haiku --lins 2", "option '--lins' not found.*Did you mean '--lines'"),
        ("--recipe haiku --lines two", "expected a whole number for --lines; got 'two'"),
        ("--recipe haiku --labels a,b", "takes no --labels; %synth recipes haiku explains it"),
        ("--recipe sums --words a --temperature 1", "takes no --temperature"),
        ("--recipe sums --words a --shares a,b", "--shares a,b: expected numbers"),
        ("--recipe drawn --seed none", "needs a number for --seed; got none"),
        ("--recipe haiku --with judge=fake", "role 'judge' not found; have none"),
        ("--recipe haiku --with judge", "expected ROLE=MODEL"),
    ],
)
def test_what_a_line_gets_wrong_is_said(cook: Shell, line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cook.run(f"%synth generate h --from topics --model fake {line}")


def test_a_prompt_for_a_recipe_that_takes_none_is_refused(cook: Shell) -> None:
    with pytest.raises(UsageError, match="takes no prompt; write %synth generate h"):
        cook.run("%%synth h --recipe haiku --from topics --model fake\nHello.")


def test_the_list_has_a_line_and_a_paper_for_each(cook: Shell) -> None:
    shown = cook.run("%synth recipes")
    assert "A haiku in two drafts" in shown
    assert "arXiv 2303.17651" in shown
    for name in RECIPES:
        assert name in shown


def test_a_broken_package_is_listed_with_its_error(
    cook: Shell, install: Callable[..., None]
) -> None:
    install(RECIPES, "limerick", "import no_such_module")
    source = "from synthkit.recipes import recipe\n\n@recipe\ndef ode(row):\n"
    install(RECIPES, "ode", source + "    'An ode to each row.'\n    yield []\n")
    shown = cook.run("%synth recipes")
    assert "the recipe 'limerick' cannot be used" in shown
    assert "An ode to each row." in shown
    assert "arXiv 2303.17651" in shown


def test_help_has_every_option_and_the_docstring(cook: Shell) -> None:
    shown = cook.run("%synth recipes haiku")
    for part in ("--lines N", "--plain", "default: 3", "A haiku in two drafts"):
        assert part in shown


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_of_synthkit_works_on_a_line(cook: Shell, name: str) -> None:
    recipe = find_recipe(name, cook.context.names)
    assert recipe.summary.endswith(".")
    assert 10 < len(recipe.summary) <= 96
    # every other one is a published method
    assert re.search(r"\d{4}\.\d{5}", RECIPES.listed()[name].doc) or name == "prompt"
    assert next(iter(recipe.parameters)) == "prompt"
    for parameter in list(recipe.parameters.values())[1:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.name in recipe.hints, "an option without a type"
    assert recipe.hints.get("sampling", Sampling) is Sampling


def test_a_dry_run_tells_what_would_be_asked(cook: Shell) -> None:
    line = "%synth generate h --recipe haiku --from topics --model fake"
    shown = cook.run(f"{line} --dry-run")
    assert "2 or more requests: 0 cached, 2 to generate next" in shown
    assert "A haiku of 3 lines on bread." in shown
    cook.run(line)
    assert "4 cached, none to generate" in cook.run(f"{line} --dry-run")


def test_an_own_recipe_may_take_the_cell_as_its_prompt(cook: Shell) -> None:
    def recipe(row: dict[str, Any], *, prompt: str) -> Any:
        (answer,) = yield [user(f"{prompt.strip()} {row['topic']}")]
        return {"text": answer.text}

    cook.ip.user_ns |= {"said": recipe, "fake": Fake(lambda r: r.messages[0].content)}
    cook.run("%%synth h --recipe said --from topics --model fake\nOn")
    assert cook["h"].text.tolist() == ["On rain", "On bread"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("%synth generate h --recipe ha", ["haiku"]),
        ("%synth generate h --recipe haiku --li", ["--like", "--lines"]),
        ("%synth generate h --recipe sums --other to", ["topics"]),
        ("%synth recipes ha", ["haiku"]),
        ("%synth generate h --recipe nothing --lin", []),
    ],
)
def test_tab_completes_recipes_and_their_options(cook: Shell, words: str, names: list[str]) -> None:
    completer = cook.ip.magics_manager.registry["SynthMagics"].completer
    assert [one for one in completer.candidates(words) if one in names or not names] == names


def test_rows_are_scored_on_a_line_and_a_dry_run_counts(cook: Shell) -> None:
    cook.ip.user_ns["fake"] = fake = Fake('{"reason": "So it is.", "score": 4}')
    cook.ip.user_ns["reviews"] = pd.DataFrame({"text": ["A warm loaf.", "Cold."]})
    dry = cook.run("%synth generate scored --recipe judge --from reviews --model fake --dry-run")
    assert "2 requests: 0 cached, 2 to generate" in dry
    dry = cook.run("%synth generate odd --recipe perplexity --from reviews --model fake --dry-run")
    assert "to score" in dry
    assert "A warm loaf." in dry
    assert not fake.asked
    cook.run("%synth generate scored --recipe judge --from reviews --model fake")
    assert cook["scored"].judge.tolist() == [4, 4]
    cook.run("%synth generate odd --recipe perplexity --from scored --model fake")
    assert list(cook["odd"])[-1] == "perplexity"
    cook.run(
        "%synth generate y --recipe likelihood --from reviews --labels positive,negative "
        "--model fake"
    )
    assert set(cook["y"].likeliest) <= {"positive", "negative"}
    cook.run("%synth generate z --recipe judge --rubrics quality,complexity --from reviews -m fake")
    assert {"quality", "complexity_reason"} <= set(cook["z"])
    explained = cook.run("%synth recipes judge")
    assert "--rubrics" in explained
    assert "AlpaGasus" in explained


@pytest.mark.parametrize("line", ["quiz", "quiz --n 3 --model fake", ""])
def test_generate_without_a_recipe_says_what_it_needs(shell: Shell, line: str) -> None:
    with pytest.raises(UsageError, match=r"needs --recipe NAME.* a %%synth cell"):
        shell.run(f"%synth generate {line}")
    assert "--recipe" in shell.run("%synth generate --help")
