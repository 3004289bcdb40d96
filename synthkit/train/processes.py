"""A training in several processes, by torch's launcher, as ``accelerate launch`` runs it.

The processes end with the one that launched them, since they read its standard input to the end.
They write their progress to its output, a line of JSON for each event.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from synthkit.core import errors
from synthkit.core.environment import warn
from synthkit.core.errors import ModelError, SynthkitError, UsageError
from synthkit.train.progress import Listener, Progress
from synthkit.train.settings import TrainSettings
from synthkit.train.setup import device_name

TASK = "task.pickle"
LOG = "log.txt"
SECONDS = 30
"""How long processes may take to end before they are killed."""


class Shared(Protocol):
    """A training that several processes can share."""

    @property
    def settings(self) -> TrainSettings:
        """Its settings, with the number of processes."""

    def fit(self, work: Path, listener: Listener, say: Callable[[str], None]) -> None:
        """Train in this process, one of several."""


def launch(training: Shared, work: Path, listener: Listener) -> None:
    """Run a training in its number of processes.

    Parameters
    ----------
    work : the folder of checkpoints.

    Raises
    ------
    SynthkitError
        If one of the processes fails; it has its reason.
    UsageError
        If what the training uses cannot be sent to another process.
    """
    try:
        (work / TASK).write_bytes(pickle.dumps(training))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UsageError(
            f"with processes={training.settings.processes}, all that a training uses must be in "
            f"modules that other processes can import; {error}."
        ) from None
    failure: SynthkitError | None = None
    log: list[dict[str, Any]] = []
    with _launched(training.settings.processes, work) as process:
        assert process.stdout is not None
        for text in process.stdout:
            event = _event(text)
            if "progress" in event:
                log += event["log"]
                listener(Progress(**event["progress"], log=list(log)))
            elif "warning" in event:
                warn(event["warning"])
            elif "error" in event:
                failure = failure or _error(event["error"], event["message"])
    if failure is not None:
        raise failure
    if process.returncode:
        raise ModelError(
            f"a process of the training ended{_end((work / LOG).read_text(errors='replace'))}"
        )


@contextmanager
def _launched(n: int, work: Path) -> Iterator[subprocess.Popen[str]]:
    """The launcher of n processes, which have ended at the end."""
    cpus = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    environment = os.environ | {
        "OMP_NUM_THREADS": str(max(1, cpus // n)),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(n)]
    command = [sys.executable, "-m", *launcher, "-m", __name__, str(work)]
    with (work / LOG).open("w") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
            start_new_session=True,  # an interrupt is for this process alone
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.stdin.close()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _end(log: str) -> str:
    """How the first process ended that did, and the last error, by the log of torch's launcher."""
    ends = re.findall(r"^ *exitcode *: (-?\d+) .*?(SIG\w+|$)", log, re.MULTILINE)
    how = [f" by {signal}" if signal else f" with code {code}" for code, signal in ends[-1:]]
    # the launcher adds an error of its own
    errors = re.findall(r"^(?!.*ChildFailed)[\w.]+(?:Error|Exception)\b.*", log, re.MULTILINE)
    return "".join([*how, *(f": {error}" for error in errors[-1:])])


def _event(text: str) -> dict[str, Any]:
    try:
        event = json.loads(text)
    except ValueError:  # printed by a library
        return {}
    return event if isinstance(event, dict) else {}


def _error(name: str, message: str) -> SynthkitError:
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, SynthkitError):
        return kind(message)
    return ModelError(f"{name}: {message}")


def main() -> None:
    """Train in this process, one of several, as the folder in the arguments says."""
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no event
    work = Path(sys.argv[1])
    try:
        training: Shared = pickle.loads((work / TASK).read_bytes())
        if device_name() == "cuda":
            import torch

            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        training.fit(work, _teller(events), lambda message: _tell(events, warning=message))
    except BaseException as error:
        _tell(events, error=type(error).__name__, message=str(error))
        raise


def _teller(events: IO[str]) -> Listener:
    """A listener that tells the first process's progress, with what is new in the log."""
    told = 0

    def tell(progress: Progress) -> None:
        nonlocal told
        if os.environ["RANK"] != "0":
            return
        state = {
            "step": progress.step,
            "steps": progress.steps,
            "seconds_left": progress.seconds_left,
        }
        _tell(events, progress=state, log=list(progress.log[told:]))
        told = len(progress.log)

    return tell


def _tell(events: IO[str], **event: Any) -> None:
    print(json.dumps(event), file=events, flush=True)


def _end_with_launcher() -> None:
    while os.read(0, 1):  # sys.stdin would be locked when the interpreter ends
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
