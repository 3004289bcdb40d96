from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthkit import recipes
from synthkit.core.errors import UsageError
from synthkit.core.registry import Registry, decorated, public_names
from synthkit.recipes._base import RECIPES

SOURCE = "from synthkit.recipes import recipe\n\n@recipe\ndef haiku(row):\n    yield []\n"


@pytest.fixture
def registry() -> Registry[Any]:
    return Registry("recipe", decorator="recipe", package="synthkit.recipes")


def haiku(row: Any) -> Any:
    """Haikus about topics.

    Three lines each.
    """


def test_listing_imports_nothing() -> None:
    script = (
        "import sys; from synthkit.core.registry import Registry\n"
        "registry = Registry('recipe', decorator='recipe', package='synthkit.recipes')\n"
        "assert 'judge' in registry and registry.listed()['judge'].module.endswith('._judge')\n"
        "assert len(list(registry)) == len(registry) > 20\n"
        "assert 'AlpaGasus' in registry.described()['judge'].doc\n"
        "print(*(name for name in sys.modules if name.startswith('synthkit.recipes.')))"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).split() == []


def test_generate_reads_neither_entry_points_nor_sources_of_recipes(tmp_path: Path) -> None:
    script = (
        "import importlib.metadata; del importlib.metadata.entry_points\n"
        "import synthkit as sk; from synthkit.core.registry import decorated\n"
        "sk.load_model('openai:m', base_url='http://127.0.0.1:9/v1')\n"
        "sk.generate('A fact.', model='fake'); print(decorated.cache_info().currsize)"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command, cwd=tmp_path, text=True).split() == ["1"]


def test_every_recipe_is_found_with_the_first_line_of_its_docstring() -> None:
    for name in RECIPES:
        listed = RECIPES.listed()[name]
        function = RECIPES[name]
        assert (function.__module__, function.__name__) == (listed.module, listed.attribute)
        assert (function.__doc__ or "").startswith(listed.summary)
        assert listed.summary


def test_each_recipe_is_in_a_private_module_of_its_name() -> None:
    for name, listed in RECIPES.listed().items():
        assert listed.module == f"synthkit.recipes._{name}"


def test_a_users_function_is_listed_with_its_summary(registry: Registry[Any]) -> None:
    registry.add("haiku", haiku, haiku)
    assert registry["haiku"] is haiku
    assert list(registry)[-1] == "haiku"
    assert registry.listed()["haiku"].summary == "Haikus about topics."


def test_a_cell_that_is_run_again_replaces_its_function(registry: Registry[Any]) -> None:
    registry.add("haiku", 1, haiku)
    registry.add("haiku", 2, haiku)
    assert registry["haiku"] == 2
    assert len(registry) == len(decorated("synthkit.recipes", "recipe")) + 1


def test_a_removed_name_is_unknown_again(registry: Registry[Any]) -> None:
    registry.add("haiku", 1, haiku)
    registry.remove("haiku")
    assert "haiku" not in registry
    with pytest.raises(UsageError, match=r"recipe 'jugde' not found; .* Did you mean 'judge'?"):
        registry["jugde"]


def test_a_name_of_synthkit_cannot_be_taken(registry: Registry[Any]) -> None:
    taken = "the name 'judge' is taken by the recipe in synthkit.recipes._judge; choose another."
    with pytest.raises(UsageError, match=taken):
        registry.add("judge", haiku, haiku)


def test_an_installed_package_is_imported_when_its_function_is_looked_up(
    install: Callable[..., None],
) -> None:
    install(RECIPES, "haiku", SOURCE)
    assert RECIPES.listed()["haiku"].summary == "from outside_haiku"
    assert "outside_haiku" not in sys.modules
    assert RECIPES.described()["haiku"].doc == "from outside_haiku"  # it has no docstring
    assert RECIPES["haiku"].__module__ == "outside_haiku"
    with pytest.raises(UsageError, match="taken by the recipe in outside_haiku"):
        RECIPES.add("haiku", haiku, haiku)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "outside_haiku does not register the recipe 'haiku' .* it needs @recipe."),
        ("import no_such_module", "failed with ModuleNotFoundError: No module named 'no_such_"),
        ("1 / 0", "the recipe 'haiku' cannot be used: importing outside_haiku failed with Zero"),
        ("raise SystemExit(3)", "importing outside_haiku failed with SystemExit: 3"),
    ],
    ids=["not registered", "not importable", "failing", "exiting"],
)
def test_a_broken_package_is_an_error_only_when_it_is_used(
    install: Callable[..., None], source: str, message: str
) -> None:
    install(RECIPES, "haiku", source)
    assert "haiku" in RECIPES.listed()
    described = RECIPES.described()
    assert re.search(message, described.pop("haiku").doc)
    assert described == {name: entry for name, entry in RECIPES.listed().items() if name != "haiku"}
    with pytest.raises(UsageError, match=message):
        RECIPES["haiku"]


def test_a_registered_name_is_the_first_argument_of_the_decorator(tmp_path: Path) -> None:
    folder = tmp_path / "named"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "inner.py").write_text('@metric("two words", unit="0..1")\ndef two_words(): ...\n')
    sys.path.insert(0, str(tmp_path))
    try:
        (entry,) = decorated("named", "metric").values()
    finally:
        sys.path.remove(str(tmp_path))
    assert (entry.name, entry.module, entry.attribute) == ("two words", "named.inner", "two_words")


def test_a_function_in_a_new_file_is_public_without_a_line_in_the_stub(tmp_path: Path) -> None:
    folder = tmp_path / "poems"
    folder.mkdir()
    code = "from synthkit.core.registry import public_names\n"
    code += "__getattr__, __dir__, __all__ = public_names(__name__, __file__, decorator='recipe')\n"
    (folder / "__init__.py").write_text(code)
    (folder / "__init__.pyi").write_text("from ._ode import ode as ode\n")
    (folder / "_ode.py").write_text("ode = 1\n")
    (folder / "_haiku.py").write_text("recipe = str\n\n@recipe\ndef haiku(): ...\n")
    sys.path.insert(0, str(tmp_path))
    try:
        poems = importlib.import_module("poems")
        assert poems.__all__ == ["ode"]
        assert dir(poems) == ["haiku", "ode"]
        assert "poems._haiku" not in sys.modules
        assert poems.haiku.startswith("<function haiku")
        assert vars(poems)["haiku"] is poems.haiku
    finally:
        sys.path.remove(str(tmp_path))


def test_an_unknown_name_of_a_package_is_an_attribute_error_with_a_hint() -> None:
    message = "^module 'synthkit.recipes' has no attribute 'jugde'. Did you mean 'judge'?"
    with pytest.raises(AttributeError, match=message):
        recipes.jugde  # noqa: B018
    with pytest.raises(ImportError, match=r"cannot import name 'pie' from 'synthkit.recipes'"):
        from synthkit.recipes import pie  # noqa: F401


@pytest.mark.parametrize(("package", "decorator"), [("synthkit.recipes", "recipe")])
def test_the_stub_shows_type_checkers_every_registered_function(
    package: str, decorator: str
) -> None:
    file = str(importlib.import_module(package).__file__)
    _, _, names = public_names(package, file)
    missing = [
        f"from {entry.module.replace(package, '')} import {entry.attribute} as {entry.attribute}"
        for entry in decorated(package, decorator).values()
        if entry.attribute not in names
    ]
    assert missing == [], f"add to {file}i:\n" + "\n".join(missing)
