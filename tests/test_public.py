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
    "Run",
    "Sampling",
    "Session",
    "SynthkitError",
    "curate",
    "evaluate",
    "generate",
    "load_embedder",
    "load_model",
    "load_sample",
    "plan",
    "plots",
    "recipes",
    "session",
    "share",
    "train",
]
HEAVY = {"torch", "transformers", "pandas", "pyarrow", "plotly", "openai", "datasets", "polars"}
HEAVY |= {"ipywidgets", "anywidget", "numpy", "aiohttp", "httpx", "jsonschema", "pydantic"}


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


@pytest.mark.parametrize(
    "code",
    [
        "import synthkit",
        "import synthkit; synthkit.Sampling(); synthkit.Fake(); synthkit.Run",
        "import synthkit\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "before |= set(sys.modules)\n"
        "shell.run_line_magic('load_ext', 'synthkit')\n"
        "assert 'synth' in shell.magics_manager.magics['cell']",
    ],
    ids=["import", "nouns", "load_ext"],
)
def test_loading_leaves_the_heavy_packages_alone(code: str, tmp_path: Path) -> None:
    script = f"import sys\nbefore = set()\n{code}\nprint(*sorted(set(sys.modules) - before))"
    environment = os.environ | {"IPYTHONDIR": str(tmp_path)}
    run = [sys.executable, "-c", script]
    loaded = subprocess.check_output(run, text=True, env=environment, cwd=tmp_path).split()
    assert "synthkit" in loaded or "synthkit.notebook.magics" in loaded
    assert HEAVY & {name.partition(".")[0] for name in loaded} == set()
