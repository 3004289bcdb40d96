"""Real kernels: interrupts, two at once, a kill, and runs in the background."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.models.hub.test_gguf import save_gguf
from tests.notebook.conftest import Kernel

Start = Callable[[], Kernel]

SLOW = "from synthkit import Fake; slow = Fake(seconds=0.05, concurrency=1)"
FORTY = "%%synth facts --model slow --n 40\nTell a fact."


def stored_completions(folder: Path) -> int:
    """How many completions are on disk."""
    store = folder / ".synthkit" / "store.sqlite"
    if not store.exists():
        return 0
    with sqlite3.connect(store) as db:
        try:
            return int(db.execute("SELECT count(*) FROM completions").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def until(reached: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_interrupt_keeps_the_rows_binds_the_variable_and_resumes(
    kernels: Start, tmp_path: Path
) -> None:
    kernel = kernels()
    kernel.run(SLOW)
    finish, text = kernel.start(FORTY)
    until(lambda: stored_completions(tmp_path) >= 10)
    kernel.manager.interrupt_kernel()
    assert finish(30) == "error"
    assert "Interrupted:" in "".join(text)
    assert "Traceback" not in "".join(text)
    status, shown = kernel.run("print(len(facts), len(facts_run.pending), len(slow.asked))")
    done, pending, asked = map(int, shown.split())
    assert status == "ok"
    assert 10 <= done < 40
    assert done + pending == 40
    kernel.run(FORTY)
    assert kernel.run("print(len(facts), len(slow.asked))")[1].split() == ["40", "40"]
    assert asked in {done, done + 1}


def test_an_interrupt_of_a_local_model_keeps_its_rows_and_goes_on_with_it(
    kernels: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHKIT_CACHE", str(tmp_path / "cache"))
    save_gguf(tmp_path / "tiny.gguf", quantized=True)
    kernel = kernels()
    kernel.run("import synthkit")
    kernel.run("local = synthkit.load_model('gguf:tiny.gguf', engine='openvino', max_batch=4)")
    cell = "%%synth facts --model local --n 200 --max-tokens 40\nTell a fact."
    finish, text = kernel.start(cell)
    until(lambda: stored_completions(tmp_path) >= 5)
    began = time.monotonic()
    kernel.manager.interrupt_kernel()
    assert finish(30) == "error"
    assert time.monotonic() - began < 5
    assert "Interrupted:" in "".join(text)
    done, pending = map(int, kernel.run("print(len(facts), len(facts_run.pending))")[1].split())
    assert 5 <= done < 200
    assert done + pending == 200
    kernel.run(cell)
    assert kernel.run("print(len(facts), len(local._loaded))")[1].split() == ["200", "1"]


def test_cells_that_wait_do_not_run_after_an_interrupt(kernels: Start, tmp_path: Path) -> None:
    kernel = kernels()
    kernel.run(SLOW)
    finish, _ = kernel.start(FORTY)
    later, _ = kernel.start("ran = True")
    until(lambda: stored_completions(tmp_path) >= 3)
    kernel.manager.interrupt_kernel()
    assert finish(30) == "error"
    assert later(30) == "aborted"


def test_a_killed_kernel_loses_no_row_that_was_stored(kernels: Start, tmp_path: Path) -> None:
    kernel = kernels()
    kernel.run(SLOW)
    kernel.start(FORTY)
    until(lambda: stored_completions(tmp_path) >= 20)
    provisioner = kernel.manager.provisioner
    os.kill(provisioner.pid, signal.SIGKILL)
    provisioner.process.wait()
    before = stored_completions(tmp_path)
    again = kernels()
    again.run(SLOW)
    again.run(FORTY)
    assert again.run("print(len(facts), len(slow.asked))")[1].split() == ["40", str(40 - before)]


def test_two_kernels_write_one_session_at_once(kernels: Start, tmp_path: Path) -> None:
    cell = "%%synth {name} --model fake --n 2000\nTell a {name} fact."
    names = ("odd", "even")
    under_way = [kernels().start(cell.format(name=name)) for name in names]
    for name, (finish, text) in zip(names, under_way, strict=True):
        assert finish(300) == "ok", text
        assert f"{name}: 2\u202f000 rows, 0 cached, 2\u202f000 generated" in "".join(text)
    assert stored_completions(tmp_path) == 4000


def test_background_without_a_front_end_runs_to_its_end(kernels: Start) -> None:
    kernel = kernels()
    status, shown = kernel.run("%%synth facts --model fake --n 5 --background\nTell a fact.")
    assert status == "ok"
    assert "facts: 5 rows" in shown
    assert "Starting" not in shown


def test_background_returns_at_once_and_can_be_stopped_and_awaited(kernels: Start) -> None:
    kernel = kernels()
    kernel.run(f"import os; os.environ['SYNTHKIT_LIVE'] = '1'\n{SLOW}")
    status, shown = kernel.run(FORTY.replace("--n 40", "--n 200 --background"))
    assert status == "ok"
    assert "facts is running" in shown
    assert "facts: 200 rows" not in shown  # the cell has returned before the run
    status, shown = kernel.run(
        "import time\n"
        "while len(slow.asked) < 5: time.sleep(0.01)\n"
        "facts_run.stop(); run = facts_run.wait(20)\n"
        "time.sleep(0.5)\n"
        "print(run.ledger.stopped, len(facts) == len(run.table), 5 <= len(facts) < 200)"
    )
    assert shown.strip().endswith("interrupted True True")


LOADING = """
import os, time
os.environ["SYNTHKIT_LIVE"] = "1"
from synthkit import Fake
from synthkit.core.models import Activity
from synthkit.models.ticking import ticking

class Loading(Fake):
    activity = Activity("loading smollm2, 269 MB")
    loaded = False

    def complete(self, requests):
        yield from ticking(lambda: time.sleep(0.3))
        self.loaded = True
        yield from super().complete(requests)

slow = Loading()
"""


def test_a_cell_shows_that_it_started_and_what_it_loads_before_the_model_is_loaded(
    kernels: Start,
) -> None:
    kernel = kernels()
    kernel.run(LOADING)
    asked = kernel.client.execute("%%synth facts --model slow --n 3\nTell a fact.")
    seen: list[str] = []
    while not seen or seen[-1] != "idle":
        message = kernel.client.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") != asked:
            continue
        content = message["content"]
        progress = content.get("data", {}).get("state", {}).get("progress", {})
        match message["msg_type"]:
            case "stream":
                seen.append(content["text"].strip())
            case "status":
                seen.append(content["execution_state"])
            case "clear_output" | "display_data":
                seen.append(message["msg_type"])
            case "comm_msg" if progress.get("state") == "running":
                seen.append(progress["doing"] or f"{progress['rows']} rows")
            case "comm_msg" if progress:
                seen.append(progress["state"])
    signs = ["Starting …", "clear_output", "display_data", "loading smollm2, 269 MB"]
    places = [seen.index(sign) for sign in [*signs, "done"]]
    assert places == sorted(places)
    assert seen.count("display_data") == 2  # the preview, and the static output
