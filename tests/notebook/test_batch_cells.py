"""``%%synth --batch`` and ``%synth batches`` in a notebook, against a stand-in."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from synthkit.core.errors import UsageError
from tests.models.openai.batch_servers import BatchServer
from tests.notebook.conftest import Kernel, Shell
from tests.server import Server

TOPICS = "a,b,c,d,e,f,g,h,i,j,k,l"
CELL = f"%%synth facts --model m --vary topic={TOPICS} --batch\nTell a fact about {{{{ topic }}}}."


def load(shell: Shell | Kernel, server: Server) -> None:
    """Bind the model of a server to ``m``."""
    shell.run(f"import synthkit; m = synthkit.load_model('openai:m', base_url='{server.base_url}')")


def test_a_cell_submits_says_what_waits_and_fills_when_run_again(
    shell: Shell, batches: BatchServer, server: Server
) -> None:
    load(shell, server)
    shown = shell.run(CELL)
    assert "facts: 0 rows, 12 pending, 0 cached, 0 generated" in shown
    assert "12 pending: 12 requests wait in 1 batch (validating, 0 of 12 done, sent" in shown
    assert "run it again to collect the answers" in shown
    listed = shell.run("%synth batches")
    assert re.search(r"batch_0 +m +in_progress +12", listed)
    assert "12 requests waiting" in listed
    assert "12 requests in batches already" in shell.run(CELL.replace("--batch", "--dry-run"))
    assert "facts: 12 rows, 0 cached, 12 generated" in shell.run(CELL)
    assert "0 requests waiting" in shell.run("%synth batches")
    assert "facts: 12 rows, 12 cached" in shell.run(CELL.replace(" --batch", ""))
    assert set(batches.submitted.values()) == {1}


def test_a_cancelled_batch_gives_what_it_has_done(
    shell: Shell, batches: BatchServer, server: Server
) -> None:
    load(shell, server)
    shell.run(CELL)
    assert "batch_0: cancelling" in shell.run("%synth batches cancel batch_0")
    assert "cancelled" in shell.run("%synth batches")
    assert "facts: 6 rows, 6 pending" in shell.run(CELL)
    assert len(batches.paid) == 6
    for _ in range(3):
        last = shell.run(CELL)
    assert "facts: 12 rows" in last
    assert set(batches.paid.values()) == {1}


def test_without_batches_there_is_nothing_to_list(shell: Shell) -> None:
    assert "0 requests waiting" in shell.run("%synth batches")


def test_a_forgotten_batch_is_submitted_again(
    shell: Shell, batches: BatchServer, server: Server
) -> None:
    load(shell, server)
    shell.run(CELL)
    shown = shell.run("%synth batches forget batch_0")
    assert "batch_0 is forgotten; 12 requests will be submitted again" in shown
    shell.run(CELL)
    assert set(batches.submitted.values()) == {2}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%synth batches cancel nothing", "batch 'nothing' not found; have none"),
        ("%synth batches --model fake", "expected a model behind a server; fake is fake"),
        ("%%synth x --model fake --batch\nHi.", "fake has no batch API"),
        ("%%synth x --model fake --wait\nHi.", "wait=True waits for batches"),
    ],
)
def test_what_cannot_be_is_said(shell: Shell, line: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shell.run(line)


def test_a_dry_run_has_the_batch_price(shell: Shell, server: Server) -> None:
    shell.run(
        f"import synthkit; m = synthkit.load_model('openai:m', base_url='{server.base_url}',"
        " price=(0.0, 1000.0))"
    )
    cell = "%%synth facts --model m --n 10 --max-tokens 100 --dry-run{}\nTell a fact."
    assert "about $1.00" in shell.run(cell.format(""))
    assert "about $0.50" in shell.run(cell.format(" --batch"))
    assert server.count == 0


@pytest.mark.slow
def test_a_killed_kernel_leaves_a_batch_that_the_next_one_collects(
    kernels: Callable[[], Kernel], tmp_path: Path, batches: BatchServer, server: Server
) -> None:
    kernel = kernels()
    load(kernel, server)
    batches.waits = True
    _, text = kernel.start(CELL.replace("--batch", "--batch --wait"))
    until = time.monotonic() + 60
    while not any("/batches/batch_0" in asked.path for asked in server.asked):
        assert time.monotonic() < until, text
        time.sleep(0.01)
    provisioner = kernel.manager.provisioner
    os.kill(provisioner.pid, signal.SIGKILL)
    provisioner.process.wait()
    again = kernels()
    load(again, server)
    began = time.monotonic()
    status, shown = again.run(CELL)
    assert (status, time.monotonic() - began < 20) == ("ok", True)
    assert "12 requests wait in 1 batch" in shown
    batches.waits = False
    status, shown = again.run(CELL.replace("--batch", "--batch --wait"))
    assert status == "ok"
    assert "facts: 12 rows, 0 cached, 12 generated" in shown
    assert set(batches.paid.values()) == {1}
