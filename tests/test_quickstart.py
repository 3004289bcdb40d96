"""The README's quickstart in a fresh environment installs all that README and notebooks use.

The first notebook runs there as the quickstart says, and so do the others that need no training,
from the answers that come with them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import nbformat
import pytest

from tests.benchmarks.binder import offered
from tests.server import Server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NAMES = {
    "%synth model": "%synth model small fake",
    "TABLE": "reviews",
    "PAIRS": "pairs",
    "NAME": "tone",
    "FILE": "moved.zip",
    "FOLDER": "splits",
    "PATH": "sharegpt.json",
    "x,y": "one,other",
    "fresh ...": "fresh --n 4",
}
"""What the README leaves open in a command -> what the test puts there."""
MORE = (
    "%synth train",
    "%synth card student",
    "%synth push",
    "%%synth more",
    "%synth classify reviews mine",
    "%synth explore reviews --embedder mine",
    "%synth session work --store",
)
"""Commands that need another extra, which the README names beside them."""
SETUP = """
%config SynthMagics.model = "fake"
import random
import pandas as pd
import synthkit as sk
words = "bread soup service wine table waiter garden street".split()
def texts(rows, seed):
    draw = random.Random(seed)
    cells = [{"text": " ".join(draw.choices(words, k=9)), "sentiment": side, "topic": word}
             for side in ("positive", "negative") for word in words[: rows // 2]]
    return pd.DataFrame(cells)
real, drafts, more = texts(16, 1), texts(16, 2), texts(16, 3)
topics, table = pd.DataFrame({"topic": words}), pd.DataFrame({"i": range(3)})
seeds = pd.DataFrame({"instruction": ["Name a bird.", "Name a tree."]})
pairs = pd.DataFrame({"first": words[:4], "second": words[4:]})
a, b = "Say {{ topic }}.", "Write about {{ topic }}."
one, other = sk.Fake(name="one"), sk.Fake(name="other")
"""
BEFORE = {
    "%synth learn reviews": """
sides = pd.DataFrame({"i": range(60), "sentiment": 30 * ["positive", "negative"]})
reviews = sk.generate("Say {{ i }}.", model=one, rows=sides).table
for id, text in zip(reviews.id, reviews.text):
    sk.session().mark([id], "accept" if "e" in text[:9] else "reject", by="ana")
""",
    '%synth filter "big': """
import os
os.makedirs("big")
more.to_parquet("big/1.parquet")
drafts.to_parquet("big/2.parquet")
""",
    "%synth scores": "%synth eval drafts --against real --label sentiment",
    "%synth claim": """
for id in reviews.id[:4]:
    sk.session().mark([id], "accept", by="ana")
%synth eval reviews --embedder none
""",
    "session.mark": "ids = run.table.id[:2].tolist()",
    "%synth save reviews_train": "%synth split reviews",
    "%synth import sharegpt": 'sk.share.save(table, "sharegpt.json", format="sharegpt");',
    "sk.share.save": """
path = "chats.jsonl"
turns = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
table = pd.DataFrame({"messages": [turns] * 3})
""",
    "%synth class assign": "open('names.txt', 'w').write('Maya\\nBo\\nCy\\n');",
    "%synth class agreement": """
for name, label in (("Bo", "accept"), ("Cy", "reject")):
    sk.session().mark(drafts_assigned.id.unique(), label, by=name)
""",
    "%synth class grade": """
import os, nbformat
os.makedirs("sent")
os.makedirs("course")
cells = [nbformat.v4.new_code_cell("%%synth check one\\nassert True")]
for path in ("lesson.ipynb", "sent/maya.ipynb"):
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
""",
    "%synth class serve gpt": """
gpt = sk.load_model("openai:m", base_url="http://127.0.0.1:9/v1", api_key="none")
""",
    "session.compare": "sk.generate('Hi {{ i }}.', model=one, session=session, rows=table);",
}
"""The start of a command -> what a reader has done before it."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the repository in which the README's quickstart was run, without a browser."""
    copy = tmp_path_factory.mktemp("quickstart") / "synthkit"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    for name in tracked.splitlines():
        if name.startswith(("synthkit/", "binder/", "notebooks/")) or "/" not in name:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    (block,) = re.findall(r"<!-- quickstart -->\n```bash\n(.*?)```", README, re.DOTALL)
    assert "jupyter lab " in block
    run(copy, block.replace("jupyter lab ", "jupyter execute "))
    yield copy
    shutil.rmtree(copy)  # pytest would keep its 2 GB


def run(place: Path, commands: str) -> None:
    """Run shell commands there, in none of the environments of this process."""
    shed = {"PYTHONPATH", "VIRTUAL_ENV"}
    environment = {name: value for name, value in os.environ.items() if name not in shed}
    environment["PIP_NO_COMPILE"] = "1"  # what is imported is compiled then
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-4000:]


def commands() -> Iterator[str]:
    """The cells of the README, and the commands and calls within its sentences, in its order."""
    for language, cell, words in re.findall(r"```(\w*)\n(.*?)```|`([^`]+)`", README, re.DOTALL):
        span = re.sub(r"\s+", " ", words)
        if (cell and language == "python") or (not language and cell.startswith("%")):
            yield cell.strip()
        elif re.match(r"%synth \w|%%synth \w|from \w|(sk|session)\.[\w.]+\(", span):
            yield span


def filled(command: str, names: Mapping[str, str]) -> str:
    """A command with names in place of what the README leaves open."""
    for name, text in names.items():
        command = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", text, command)
    return command + "\nSay hello." if re.fullmatch("%%synth.*", command) else command


def test_every_command_of_the_readme_runs(place: Path) -> None:
    cells = ["%load_ext synthkit", SETUP]
    with Server() as server:
        names = NAMES | {"http://localhost:8000/v1": server.base_url}
        for command in commands():
            cell = filled(command, names)
            if "..." not in cell and not cell.startswith(MORE):
                cells += [code for start, code in BEFORE.items() if cell.startswith(start)]
                cells.append(cell)
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        nbformat.write(notebook, place / "readme.ipynb")
        run(place, ". .venv/bin/activate && jupyter execute readme.ipynb")
    assert len(cells) > 35


@pytest.mark.parametrize("name", [path.stem for path in offered()[1:]])
def test_a_notebook_runs(place: Path, name: str) -> None:
    run(place, f". .venv/bin/activate && jupyter execute notebooks/{name}.ipynb")
