"""A real JupyterLab and a real Notebook 7 in Chromium, without a network and without a home.

``SYNTHKIT_CHROMIUM`` names the browser (``/usr/bin/chromium`` unless set), ``SYNTHKIT_SCREENSHOTS``
a folder that keeps the pictures.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("SYNTHKIT_CHROMIUM", "/usr/bin/chromium")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # a window that is not in front gets no frames otherwise
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
]
PATIENCE = 90.0
"""Seconds for anything that may be slow on two shared cores: a start, a cell, a page, an answer."""

expect.set_options(timeout=PATIENCE * 1000)

AppName = Literal["lab", "notebook"]
Theme = Literal["JupyterLab Light", "JupyterLab Dark"]
Open = Callable[..., Any]
"""The type of :func:`open_notebook`."""


def only_in(app: AppName) -> pytest.MarkDecorator:
    """Run a test in one app, as it looks at what a widget does by itself."""
    return pytest.mark.parametrize("server", [app], indirect=True)


def each_app(name: str, *, lab: Any, notebook: Any) -> pytest.MarkDecorator:
    """Run a test once in each app, with a value of its own there, in place of all four pairs."""
    values = [("lab", lab), ("notebook", notebook)]
    # the scope of the server, which is started once
    return pytest.mark.parametrize(("server", name), values, indirect=["server"], scope="session")


each_theme = each_app("theme", lab="JupyterLab Dark", notebook="JupyterLab Light")


def wait_for(claim: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """The first true value of ``claim()``, or a failure that says what did not come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := claim():
            return value
        time.sleep(0.05)
    pytest.fail(f"after {seconds:.0f} s there was still not: {what}")


def expect_gone(widget: Locator) -> None:
    """Expect that a widget says that its kernel is gone: it waits for four heartbeats."""
    expect(widget.get_by_text("The kernel is gone: ")).to_be_visible()


def has_focus(widget: Locator) -> bool:
    """Whether the focus is in a widget, so that no key reaches the notebook."""
    return bool(widget.evaluate("(node) => node.contains(document.activeElement)"))


def focus_if_there(places: Locator, n: int) -> None:
    """Focus the ``n``-th place, unless an earlier key or an answer of the kernel took it away.

    It looks and focuses in one step: a place that is still there when it is looked for may be
    gone when it is focused.
    """
    places.evaluate_all("(nodes, n) => nodes[n]?.focus()", n)


def serious_violations(page: Page, selector: str) -> list[str]:
    """What axe finds wrong with an element that keeps people out: rule, and the first element."""
    found = Axe().run(page, context=selector).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


@dataclass(frozen=True, slots=True)
class Server:
    """A running Jupyter server with folders of its own."""

    app: AppName
    url: str
    folder: Path
    home: Path

    def set(self, plugin: str, **settings: Any) -> None:
        """Write the user settings of a plugin; a page opened afterwards has them."""
        scope, _, name = plugin.partition(":")
        path = self.home / "settings" / scope / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))

    def get(self, path: str) -> Any:
        """The JSON of a GET to the server's API."""
        with urllib.request.urlopen(f"{self.url}api/{path}", timeout=PATIENCE) as reply:
            return json.load(reply)

    def kill_kernels(self) -> None:
        """Shut down all kernels, so that one test leaves nothing to the next."""
        for session in self.get("sessions"):
            path = f"sessions/{session['id']}"
            wait_for(lambda path=path: self.order("DELETE", path), "a kernel's end")

    def start_kernel(self, path: Path) -> None:
        """Start a notebook's kernel, so that it starts while the app loads, which then finds it."""
        kernel = {"name": "synthkit-test"}
        session = {"path": path.name, "name": "", "type": "notebook", "kernel": kernel}
        self.order("POST", "sessions", session)

    def order(self, method: str, path: str, body: object = None) -> bool:
        """Whether the server's API did as it was told; it may be too early for that."""
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"{self.url}api/{path}", data, method=method)
        try:
            urllib.request.urlopen(request, timeout=PATIENCE).close()
        except urllib.error.HTTPError as error:
            with error:
                # jupyter_client 8.10 cannot stop a kernel that is about to restart
                if error.code != 500:
                    raise
            return False
        return True


class Sheet:
    """A notebook open in the app. Cells are counted from 0."""

    def __init__(self, server: Server, page: Page, path: Path) -> None:
        self.server, self.page, self.path = server, page, path

    def cell(self, index: int) -> Locator:
        """The element of a cell."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def run(self, index: int, wait: bool = True) -> None:
        """Run a cell as a person does, with Shift+Enter in its editor."""
        self._clear_number(index)
        editor = self.cell(index).locator(".cm-content")
        editor.click()
        editor.press("Shift+Enter")
        if wait:
            self.wait_until_ran(index)

    def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        for key in keys:
            self.page.keyboard.press(key)

    def tab_into(self, index: int, reached: Callable[[], bool]) -> None:
        """Press Tab from a cell until an element of its output is reached."""
        self.cell(index).locator(".cm-content").click()
        self.press("Escape")
        for _ in range(40):
            self.press("Tab")
            if reached():
                return
        pytest.fail("40 tabs did not reach the element")

    def run_all(self) -> None:
        """Run all cells from the app's menu command, and wait for the last."""
        last = len(self.sources()) - 1
        self._clear_number(last)
        self.command("notebook:run-all-cells")
        self.wait_until_ran(last)

    def command(self, name: str) -> None:
        """Start a command of the app, without waiting for it: it may open a dialog."""
        self.page.evaluate("(name) => void window.jupyterapp.commands.execute(name)", name)

    def change_theme(self, theme: Theme) -> None:
        """Change the app's theme while the notebook is open."""
        self.page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
            theme,
        )
        light = str(theme == "JupyterLab Light").lower()
        self.page.locator(f"body[data-jp-theme-light={light}]").wait_for(state="attached")

    def wait_until_ran(self, index: int) -> None:
        """Wait until a cell has a number, and so has ended."""
        prompt = self.cell(index).locator(".jp-InputPrompt")
        wait_for(lambda: re.search(r"\[\d+\]", prompt.inner_text()), f"the end of cell {index}")

    def _clear_number(self, index: int) -> None:
        """Take away the number that a cell has from its last run."""
        self.page.evaluate(
            """(index) => {
                const { cells } = window.jupyterapp.shell.currentWidget.content.model;
                cells.get(index).executionCount = null;
            }""",
            index,
        )

    def wait_until_connected(self) -> None:
        """Wait until the app has found the notebook's kernel."""
        status = """() => window.jupyterapp?.shell.currentWidget?.context?.sessionContext
            .session?.kernel?.connectionStatus"""
        wait_for(lambda: self.page.evaluate(status) == "connected", "a connection to the kernel")

    def wait_until_idle(self) -> None:
        """Wait until the kernel says it has nothing to do."""
        wait_for(
            lambda: any(
                session["kernel"] and session["kernel"]["execution_state"] == "idle"
                for session in self.server.get("sessions")
                if session["path"] == self.path.name
            ),
            "an idle kernel",
        )

    def restart_killed_kernel(self) -> None:
        """Restart a kernel that was killed: the server may not notice that it is back by itself."""
        path = f"kernels/{self.kernel_id()}/restart"
        wait_for(lambda: self.server.order("POST", path), "a restarted kernel")
        self.wait_until_idle()

    def kernel_id(self) -> str:
        """The kernel's id on the server."""
        (kernel,) = (
            session["kernel"]["id"]
            for session in self.server.get("sessions")
            if session["path"] == self.path.name
        )
        return str(kernel)

    def sources(self) -> list[str]:
        """The cells' sources as the app holds them, not only as they are drawn."""
        sources: list[str] = self.page.evaluate(
            """() => {
                const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
                return [...Array(cells.length).keys()].map((n) => cells.get(n).sharedModel.source);
            }"""
        )
        return sources

    def save(self) -> dict[str, Any]:
        """The notebook as the app wrote it to disk."""

        def stored() -> bool:
            # a page that has just opened may let the command pass unheard
            if self.unsaved():
                self.command("docmanager:save")
                self.page.wait_for_timeout(500)
            return not self.unsaved()

        wait_for(stored, "the file")
        saved: dict[str, Any] = json.loads(self.path.read_text())
        return saved

    def unsaved(self) -> bool:
        """Whether the app holds changes that are not on disk."""
        return bool(
            self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.model.dirty")
        )

    def screenshot(self, folder: Path, name: str, element: Locator | None = None) -> Path:
        """The path of a picture of the page, or of one element."""
        path = folder / f"{name}-{self.server.app}.png"
        (element or self.page).screenshot(path=path)
        return path


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser, started once."""
    if not Path(CHROMIUM).exists():
        pytest.fail(f"no browser at {CHROMIUM}; install Chromium, or set SYNTHKIT_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session", params=["lab", "notebook"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """JupyterLab, then Notebook 7, each started once."""
    app: AppName = request.param
    home = tmp_path_factory.mktemp(app)
    folder = home / "root"
    folder.mkdir()
    _write_kernel(home)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            _command(app, home, folder), env=_environment(home), stdout=log, stderr=log, cwd=home
        )
        try:
            url = wait_for(lambda: _url(process, home), f"the {app} server's address")
            server = Server(app, url, folder, home)
            # no news, no question about them: nothing here has a network
            server.set(
                "@jupyterlab/apputils-extension:notification",
                fetchNews="false",
                checkForUpdates=False,
            )
            yield server
            server.kill_kernels()
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                # a server whose last kernel cannot be shut down does not end by itself
                process.kill()
                process.wait()


@pytest.fixture
def open_notebook(server: Server, chromium: Browser) -> Iterator[Callable[..., Sheet]]:
    """A function that writes a notebook of the given sources and opens it in the app.

    It takes ``theme``, ``width`` and ``height`` of the window in pixels, and whether there are
    fingers in place of a mouse.
    """
    contexts = []

    def open_(
        *sources: str,
        theme: Theme = "JupyterLab Light",
        width: int = 1100,
        height: int = 900,
        touch: bool = False,
    ) -> Sheet:
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        kernelspec = {"name": "synthkit-test", "display_name": "test", "language": "python"}
        path = server.folder / f"sheet{len(list(server.folder.iterdir()))}.ipynb"
        nbformat.write(
            nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec}), path
        )
        server.start_kernel(path)
        server.set("@jupyterlab/apputils-extension:themes", theme=theme)
        context = chromium.new_context(
            viewport={"width": width, "height": height}, has_touch=touch, is_mobile=touch
        )
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        page = context.new_page()
        where = "lab/tree/{}?reset" if server.app == "lab" else "notebooks/{}"
        page.goto(server.url + where.format(path.name))
        sheet = Sheet(server, page, path)
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        sheet.wait_until_connected()
        sheet.wait_until_idle()
        return sheet

    yield open_
    for context in contexts:
        context.close()
    server.kill_kernels()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that screenshots go to."""
    folder = os.environ.get("SYNTHKIT_SCREENSHOTS")
    path = Path(folder) if folder else tmp_path_factory.mktemp("pictures")
    path.mkdir(parents=True, exist_ok=True)
    return path


def _command(app: AppName, home: Path, folder: Path) -> list[str]:
    name = "LabApp" if app == "lab" else "JupyterNotebookApp"
    return [
        *(sys.executable, "-m", "jupyterlab" if app == "lab" else "notebook"),
        *("--no-browser", "--allow-root", "--ServerApp.port=0", "--ServerApp.ip=127.0.0.1"),
        *("--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"),
        f"--ServerApp.root_dir={folder}",
        f"--{name}.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly",
        "--KernelSpecManager.ensure_native_kernel=False",
    ]


def _environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTER")}
    kept.pop("SYNTHKIT_LIVE", None)
    return {
        **kept,
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")])),
    }


def _write_kernel(home: Path) -> None:
    """A kernel that runs this very interpreter, whatever others the machine has."""
    folder = home / "data" / "kernels" / "synthkit-test"
    folder.mkdir(parents=True)
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "test",
        "language": "python",
    }
    (folder / "kernel.json").write_text(json.dumps(spec))


def _url(process: subprocess.Popen[bytes], home: Path) -> str | None:
    """The address, once the server has written it and answers there."""
    if process.poll() is not None:
        pytest.fail(f"the server ended:\n{(home / 'log').read_text()[-4000:]}")
    for path in (home / "runtime").glob("jpserver-*.json"):
        try:
            url = str(json.loads(path.read_text())["url"])
            urllib.request.urlopen(f"{url}api/status", timeout=5).close()
        except (OSError, ValueError):
            return None
        return url
    return None
