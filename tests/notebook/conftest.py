"""A notebook's shell in this process, and real kernels in others."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

from synthkit.notebook.context import Context
from synthkit.notebook.magics import SynthMagics
from synthkit.sessions import opening


@dataclass
class Shell:
    """A shell with synthkit loaded; ``run`` gives what a cell showed."""

    ip: InteractiveShell
    shown: list[Any] = field(default_factory=list)

    def run(self, cell: str) -> str:
        """What the cell shows, as text; raises what the cell raised."""
        with capture_output() as captured:
            result = self.ip.run_cell(cell)
        result.raise_error()
        self.shown = captured.outputs
        parts = [captured.stdout, *(str(o.data.get("text/plain", "")) for o in captured.outputs)]
        return "\n".join(part for part in parts if part)

    def __getitem__(self, name: str) -> Any:
        return self.ip.user_ns[name]

    @property
    def context(self) -> Context:
        """What verbs get."""
        magics: SynthMagics = self.ip.magics_manager.registry["SynthMagics"]
        return magics.context


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A fresh shell whose session is in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    InteractiveShell.clear_instance()
    ip = InteractiveShell.instance()
    ip.history_manager.enabled = False
    ip.run_line_magic("load_ext", "synthkit")
    yield Shell(ip)
    ip.run_line_magic("unload_ext", "synthkit")
    opening._close_all()
    ip.history_manager.end_session()
    atexit.unregister(ip.atexit_operations)  # which takes half a second
    InteractiveShell.clear_instance()


@dataclass
class Kernel:
    """A real kernel in a folder."""

    manager: KernelManager
    client: BlockingKernelClient

    def run(self, code: str, *, timeout: float = 120) -> tuple[str, str]:
        """(status, all text shown) of a cell."""
        reply, text = self.start(code)
        return reply(timeout), "".join(text)

    def start(self, code: str) -> tuple[Callable[[float], str], list[str]]:
        """A cell under way: a function that waits for its status, and the text as it comes."""
        text: list[str] = []
        msg_id = self.client.execute(code)

        def finish(timeout: float) -> str:
            while True:
                message = self.client.get_iopub_msg(timeout=timeout)
                if message["parent_header"].get("msg_id") != msg_id:
                    continue
                content, kind = message["content"], message["msg_type"]
                if kind == "stream":
                    text.append(content["text"])
                elif kind in {"display_data", "execute_result", "update_display_data"}:
                    text.append(content["data"].get("text/plain", "") + "\n")
                elif kind == "error":
                    text.append("\n".join(content["traceback"]) + "\n")
                elif kind == "status" and content["execution_state"] == "idle":
                    break
            while True:
                reply = self.client.get_shell_msg(timeout=timeout)
                if reply["parent_header"].get("msg_id") == msg_id:
                    return str(reply["content"]["status"])

        return finish, text


@pytest.fixture
def kernels(tmp_path: Path) -> Iterator[Callable[[], Kernel]]:
    """Starts real kernels in one folder, with synthkit loaded."""
    started: list[Kernel] = []

    def start() -> Kernel:
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(cwd=str(tmp_path), env=os.environ | {"SYNTHKIT_LIVE": "0"})
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        kernel = Kernel(manager, client)
        started.append(kernel)
        assert kernel.run("%load_ext synthkit") == ("ok", "")
        return kernel

    yield start
    for kernel in started:
        kernel.client.stop_channels()
        kernel.manager.shutdown_kernel(now=True)
