"""The systems of the arena, each in an environment of its own.

An environment is made when it is first needed, and kept in a folder outside the repository.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
FLOOR, OURS = "aiohttp", "synthkit"


class NotInstalled(Exception):
    """A system could not be installed; its words say why."""


@dataclass(frozen=True)
class System:
    """A system, and the driver that is named as its module in ``drivers``.

    Parameters
    ----------
    package : the distribution whose version is told.
    steps : what pip is given, one installation after the other.
    variables : its environment variables; ``{environment}`` is the folder of its environment.
    """

    name: str
    driver: str
    package: str
    steps: tuple[tuple[str, ...], ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self, folder: Path) -> Path:
        return folder / self.driver

    def python(self, folder: Path) -> str:
        return str(self.environment(folder) / "bin" / "python")

    def command(self, folder: Path, job: Mapping[str, object]) -> list[str]:
        """The command that drives it."""
        module = f"{__package__}.drivers.{self.driver}"
        return [self.python(folder), "-m", module, json.dumps(job)]

    def surroundings(self, folder: Path) -> dict[str, str]:
        """The environment variables of its process: offline, and with compiled modules kept."""
        path = str(self.environment(folder))
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE",)}
        own = {name: value.format(environment=path) for name, value in self.variables.items()}
        return kept | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)} | own

    def install(self, folder: Path) -> None:
        """Make the environment, unless it was made of the same requirements.

        Raises
        ------
        NotInstalled
            If pip fails, as without a package registry.
        """
        made = self.environment(folder) / "made_of.json"
        if made.exists() and json.loads(made.read_text()) == _plain(self.steps):
            return
        print(f"installing {self.name} into {self.environment(folder)}", flush=True)
        _run(sys.executable, "-m", "venv", "--clear", str(self.environment(folder)))
        for step in self.steps:
            _run(self.python(folder), "-m", "pip", "install", "-q", *step)
        made.write_text(json.dumps(self.steps))

    def version(self, folder: Path) -> str:
        code = f"from importlib.metadata import version; print(version({self.package!r}))"
        return _run(self.python(folder), "-c", code).strip()


def _plain(steps: object) -> object:
    """As JSON has it: lists in place of tuples."""
    return json.loads(json.dumps(steps))


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NotInstalled(" ".join(lines[-2:] or done.stderr.splitlines()[-1:]))
    return done.stdout


def _dependencies() -> tuple[str, ...]:
    """Those of synthkit, in the versions of the tests; its code is that of the work tree."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return ("-c", str(ROOT / "binder" / "constraints.txt"), *project["dependencies"])


SYSTEMS = {
    system.name: system
    for system in (
        System(FLOOR, "aiohttp", "aiohttp", (("aiohttp==3.14.5",),)),
        System(OURS, "synthkit", "pandas", (_dependencies(),)),
        System(
            "Curator",
            "curator",
            "bespokelabs-curator",
            (("bespokelabs-curator==0.1.31",),),
            {
                "TELEMETRY_ENABLED": "false",
                "TIKTOKEN_CACHE_DIR": "{environment}/lib/python"
                f"{sys.version_info[0]}.{sys.version_info[1]}"
                "/site-packages/litellm/litellm_core_utils/tokenizers",
            },
        ),
        System(
            "Data Designer",
            "data_designer",
            "data-designer",
            (("data-designer==0.9.6",),),
            {"NEMO_TELEMETRY_ENABLED": "false"},
        ),
        System(
            "distilabel",
            "distilabel",
            "distilabel",
            (("distilabel[openai]==1.5.3", "requests"),),
        ),
        System(
            "DataDreamer",
            "datadreamer",
            "datadreamer.dev",
            (
                ("torch==2.13.0",),
                ("datadreamer.dev==0.46.0", "pyarrow<22", "datasets==3.2.0"),
            ),
        ),
    )
}
