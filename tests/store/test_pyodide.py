"""The store works in Pyodide, run by Node: answers of a bundle are found, and copied to an own one.

Pyodide comes from the npm registry, without packages that are compiled for it, such as numpy.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import jinja2
import pytest

import synthkit as sk

VERSION = "314.0.7"
SCRIPT = """
import { loadPyodide } from "pyodide";
const [source, packages, lesson, code] = process.argv.slice(2);
const pyodide = await loadPyodide();
for (const [from, to] of [[source, "/source"], [packages, "/packages"], [lesson, "/lesson"]]) {
  pyodide.FS.mkdirTree(to);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: from }, to);
}
console.log(await pyodide.runPythonAsync(code));
"""
CODE = """
import json, sys
sys.path[:0] = ["/source", "/packages"]
from pathlib import Path
from synthkit.store.store import Store

lesson, own = Store(Path("/lesson/store.sqlite"), read_only=True), Store(Path("/tmp/own.sqlite"))
keys = json.loads(Path("/lesson/keys.json").read_text())
own.completions.attach(lesson.completions, "lesson")
texts = [own.completions.get([key])[key].text for key in keys]
own.close()
again = Store(Path("/tmp/own.sqlite"))
json.dumps([sys.platform, texts, again.completions.count()])
"""


@pytest.mark.slow
def test_answers_of_a_bundle_are_found_in_pyodide(tmp_path: Path) -> None:
    lesson = tmp_path / "lesson"
    with sk.Session(lesson) as session:
        run = sk.generate("Say {{ i }}.", rows={"i": [1, 2, 3]}, model=sk.Fake(), session=session)
        keys = [session.trace(id)[0].key for id in run.table["id"]]
    (lesson / "keys.json").write_text(json.dumps(keys))
    packages = tmp_path / "packages"
    for name in ("lazy_loader", "filelock", "platformdirs", "tqdm"):
        shutil.copytree(Path(jinja2.__file__).parents[1] / name, packages / name)
    (tmp_path / "run.mjs").write_text(SCRIPT)
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", f"pyodide@{VERSION}"]
    subprocess.run(npm, cwd=tmp_path, check=True, timeout=300)
    node = ["node", "run.mjs", str(Path(sk.__file__).parents[1]), str(packages), str(lesson), CODE]
    found = subprocess.run(
        node, cwd=tmp_path, check=True, timeout=120, capture_output=True, text=True
    )
    assert json.loads(found.stdout) == ["emscripten", run.table["text"].tolist(), 3]
