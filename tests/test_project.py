"""What stands beside the package: Binder's files, the README's blocks, the top level."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import synthkit
from notebooks.website.citation import citation
from synthkit.models.hub.catalog_entries import CATALOG
from synthkit.models.hub.hub_models import HUB_MODELS
from synthkit.models.hub.sample_data import SAMPLES
from tests.benchmarks.binder import code, offered, packages, plain

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, TOOL = PYPROJECT["project"], PYPROJECT["tool"]
EXTRAS = PROJECT["optional-dependencies"]
PINNED = {
    plain(line)
    for line in (ROOT / "binder" / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
}


def test_binder_installs_what_the_quickstart_does_in_the_versions_tested() -> None:
    environment = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text())
    conda = [line for line in environment["dependencies"] if isinstance(line, str)]
    first, *names = packages()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (extras,) = re.findall(r"<!-- quickstart -->.*?\.\[([\w,]+)\]", readme, re.DOTALL)
    core = {plain(line) for line in PROJECT["dependencies"]} - {"ipython"}
    declared = core | {plain(line) for name in extras.split(",") for line in EXTRAS[name]}
    assert conda == ["python=3.12", "pip"]
    assert first == "-c constraints.txt"
    assert core <= {plain(name) for name in names} <= declared | {"notebook"}
    assert {plain(name) for name in names} <= PINNED


def test_binder_has_the_models_and_samples_of_its_notebooks_and_no_others() -> None:
    script = (ROOT / "binder" / "postBuild").read_text()
    (pulled,) = re.findall(r"^python -m synthkit pull (.+)$", script, re.M)
    cells = [cell for path in offered() for cell, _ in code(path)]
    words = {word for cell in cells for word in re.findall(r"[\w.-]+", cell)}
    assert set(pulled.split()) == words & {*CATALOG, *HUB_MODELS, *SAMPLES}
    assert len(offered()) >= 8


def test_the_badge_of_binder_opens_the_first_notebook() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (page,) = re.findall(
        r"https://mybinder\.org/v2/gh/[^?]+/main\?urlpath=lab/tree/([^)]+)", readme
    )
    assert ROOT / page == offered()[0]


@pytest.mark.parametrize("script", ["postBuild", "start"])
def test_binder_scripts_run_as_they_must(script: str) -> None:
    path = ROOT / "binder" / script
    assert os.access(path, os.X_OK)
    assert path.read_text().startswith("#!/usr/bin/env bash\n")


def test_binder_start_hands_over_without_a_network() -> None:
    command = 'echo "$HF_HUB_OFFLINE $OMP_NUM_THREADS"'
    done = subprocess.run(
        [ROOT / "binder" / "start", "bash", "-c", command], capture_output=True, text=True
    )
    assert done.stdout.split() == ["1", "1"]


def test_the_readme_installs_the_versions_that_were_tested() -> None:
    readme = (ROOT / "README.md").read_text()
    installs = re.findall(r"^pip install .*\.\[.*$", readme, re.MULTILINE)
    assert len(installs) == 2
    assert all(" -c binder/constraints.txt " in line for line in installs)
    needed = {
        plain(line) for lines in [PROJECT["dependencies"], *EXTRAS.values()] for line in lines
    }
    # vLLM asks for a torch and a transformers of its own, so no version of it goes with the others
    assert needed - {"jupyter-synthkit", "vllm"} <= PINNED


def test_the_readme_installs_extras_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    named = {name for group in re.findall(r'"\.\[([\w,]+)\]"', readme) for name in group.split(",")}
    assert named == {"openvino", "notebook", "data", "curate", "documents", "dev"}
    assert named <= set(EXTRAS)


def test_the_top_level_holds_nothing_else() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    top = {line.split("/")[0] for line in tracked.splitlines()}
    allowed = {"synthkit", "notebooks", "tests", "binder", "pyproject.toml", "README.md"}
    assert {name for name in top if not name.startswith(".")} - allowed <= {
        "LICENSE",
        "CHANGELOG.md",
    }


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
        ("vendor.citation-file-format", [ROOT / "notebooks" / "pages" / "CITATION.cff"]),
    ],
)
def test_files_for_other_services_follow_their_schemas(schema: str, files: list[Path]) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    done = subprocess.run([*command, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_workflows_run_what_the_readme_says_and_hold_no_secret() -> None:
    texts = {path.stem: path.read_text() for path in WORKFLOWS}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (build,) = re.findall(r"^sphinx-build .+$", readme, re.MULTILINE)
    assert "run: .ci/run\n" in texts["tests"]
    assert f"run: {build}\n" in texts["site"]
    assert not [text for text in texts.values() if "secrets." in text]
    publish = yaml.safe_load(texts["release"])["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert set(publish["needs"]) == {"tests", "build"}
    # by their major version, which gets corrections
    actions = re.findall(r"uses: ([\w/-]+)@(\S+)", "".join(texts.values()))
    assert [each for each in actions if not re.fullmatch(r"v\d+|release/v1", each[1])] == []


def test_links_of_the_readme_lead_somewhere_on_pypi_too() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    hook = TOOL["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for each in hook["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"], text)
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]*)\)", text)
    assert len(links) > 20
    assert [link for _, link in links if not link.startswith(("https://", "#"))] == []
    assert {link for image, link in links if image and "/blob/" in link} == set()


def test_the_citation_has_the_version_of_the_package() -> None:
    assert citation()["version"] == synthkit.__version__


def test_the_architecture_page_names_files_that_exist() -> None:
    page = (ROOT / "synthkit" / "ARCHITECTURE.md").read_text()
    named = re.findall(r"`((?:\w+/)+(?:\w+(?:\.\w+)+)?)`", page)
    assert len(named) > 25
    places = (ROOT, ROOT / "synthkit")
    assert [path for path in named if not any((place / path).exists() for place in places)] == [
        "tests/recipes/test_haiku.py"  # an example
    ]
