"""A PostgreSQL server for the tests, from the Debian package, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

MISSING = (
    "PostgreSQL is not installed, so nothing is tested with it: apt-get install postgresql, or put "
    "its programs (initdb, postgres) on the PATH"
)


def programs() -> Path | None:
    """The folder of the programs of the newest server that is installed; ``None`` without one."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda it: int(it.parts[4])
    )
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


IN_FILES = pytest.mark.parametrize("each_store", ["sqlite"], indirect=True)
"""For a test of what only files have, among others that are run with each store."""


class Server:
    """A server on a Unix socket in a folder of its own.

    Parameters
    ----------
    safe : wait for the disk, as servers do; tests that kill none are faster without it.
    """

    def __init__(self, *, safe: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="synthkit-pg-"))  # a socket's path is short
        self.folder.chmod(0o755)
        self.safe = safe
        folder = programs()
        assert folder is not None, MISSING
        self.programs = folder
        # it refuses to run as root
        self.user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:
            shutil.chown(self.folder, self.user)
        self._run("initdb", "-D", "data", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-locale")
        self.start()

    @property
    def url(self) -> str:
        """The URL of its database; a session in it is named as its folder."""
        return f"postgresql://{self.user}@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = ["fsync=off", "full_page_writes=off"] if not self.safe else []
        settings += ["listen_addresses=", f"unix_socket_directories={self.folder}"]
        command = [self.programs / "postgres", "-D", "data", *(f"-c{it}" for it in settings)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, user=self._user, group=self._group
            )
        until = time.monotonic() + 120
        while self._ask("SELECT 1").returncode:
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill all its processes at once, as a power cut would."""
        (self.folder / "data" / "postmaster.pid").unlink()
        children = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        for pid in (self.process.pid, *map(int, children)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()

    def stop(self) -> None:
        """Stop it, and remove its folder."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def clear(self) -> None:
        """Drop all sessions."""
        schemas = self.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'synthkit%'")
        self.sql(*(f'DROP SCHEMA "{name}" CASCADE' for name in schemas.split()))

    def sql(self, *statements: str) -> str:
        """Execute statements, each by itself, and return what they print."""
        done = self._ask(*statements)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _ask(self, *statements: str) -> subprocess.CompletedProcess[str]:
        commands = [part for statement in statements for part in ("-c", statement)]
        options = ["-h", str(self.folder), "-U", self.user, "-d", "postgres", "-AtqX"]
        command = [str(self.programs / "psql"), *options, *commands]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.programs / program, *arguments],
            cwd=self.folder,
            check=True,
            capture_output=True,
            user=self._user,
            group=self._group,
        )

    @property
    def _user(self) -> str | None:
        return self.user if os.getuid() == 0 else None

    @property
    def _group(self) -> int | None:
        return pwd.getpwnam(self.user).pw_gid if os.getuid() == 0 else None
