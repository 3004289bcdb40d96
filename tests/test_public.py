from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import synthkit as sk

NAMES = [
    "Examples",
    "Fake",
    "Pool",
    "Run",
    "Sampling",
    "Session",
    "SynthkitError",
    "by_prompt",
    "classify",
    "curate",
    "embed",
    "evaluate",
    "generate",
    "load_embedder",
    "load_model",
    "load_sample",
    "models",
    "parquet",
    "plan",
    "plots",
    "recipes",
    "session",
    "shard",
    "share",
    "similarity",
    "splits",
    "train",
]
HEAVY = {"torch", "transformers", "pandas", "pyarrow", "plotly", "openai", "datasets", "polars"}
HEAVY |= {"ipywidgets", "anywidget", "numpy", "aiohttp", "httpx", "jsonschema", "pydantic"}
LOAD = (
    "import sys\n"
    "from IPython.core.interactiveshell import InteractiveShell\n"
    "shell = InteractiveShell.instance()\n"
    "before |= set(sys.modules)\n"
    "shell.run_line_magic('load_ext', 'synthkit')\n"
    "assert 'synth' in shell.magics_manager.magics['cell']"
)


def test_the_public_names_are_these() -> None:
    assert sk.__all__ == NAMES
    assert set(NAMES) <= set(dir(sk))


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_there_and_documented(name: str) -> None:
    found = getattr(sk, name)
    assert getattr(found, "__module__", found.__name__).startswith("synthkit.")
    doc = inspect.getdoc(found) or ""
    # a dataclass without a docstring gets its signature for one
    assert len(doc) > 30
    assert not doc.startswith(f"{name}(")


def test_every_module_says_what_it_is() -> None:
    import ast

    for path in Path(sk.__file__).parent.rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'synthkit' has no attribute 'nothing'.$"):
        sk.nothing  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'generat'. Did you mean 'generate'"):
        sk.generat  # noqa: B018


def loaded_by(code: str, folder: Path) -> list[str]:
    """The modules that a program imports after the line ``before |= set(sys.modules)``, if any."""
    script = f"import sys\nbefore = set()\n{code}\nprint(*sorted(set(sys.modules) - before))"
    environment = os.environ | {"IPYTHONDIR": str(folder)}
    run = [sys.executable, "-c", script]
    return subprocess.check_output(run, text=True, env=environment, cwd=folder).split()


@pytest.mark.parametrize(
    "code",
    [
        "import synthkit",
        "import synthkit; synthkit.Sampling(); synthkit.Fake(); synthkit.Run",
        LOAD,
    ],
    ids=["import", "types", "load_ext"],
)
def test_loading_leaves_the_heavy_packages_alone(code: str, tmp_path: Path) -> None:
    loaded = loaded_by(code, tmp_path)
    assert "synthkit" in loaded
    assert HEAVY & {name.partition(".")[0] for name in loaded} == set()


def test_loading_the_extension_imports_few_modules(tmp_path: Path) -> None:
    loaded = loaded_by(LOAD, tmp_path)
    own = [name for name in loaded if name.partition(".")[0] == "synthkit"]
    assert len(own) <= 15, own
    assert not {"jinja2", "sqlite3", "asyncio", "ssl"} & set(loaded)


def test_a_job_loads_neither_long_patterns_nor_bundles(tmp_path: Path) -> None:
    loaded = loaded_by("import synthkit.generation.job", tmp_path)
    assert "synthkit.prompts.parsing" in loaded
    assert not {"synthkit.prompts.negation", "synthkit.models.openai.refusals"} & {*loaded}
    assert not [name for name in loaded if name.startswith("synthkit.sessions.bundle_")]


def test_listing_the_verbs_imports_none_of_them(tmp_path: Path) -> None:
    code = f"{LOAD}\nassert 'recipes' in repr(shell.run_line_magic('synth', ''))"
    loaded = loaded_by(code, tmp_path)
    verbs = [name for name in loaded if name.startswith("synthkit.notebook.verbs.")]
    assert verbs == ["synthkit.notebook.verbs._base"]
    assert not [name for name in loaded if name.startswith(("synthkit.sessions", "synthkit.data"))]
