"""Fine-tuning at a stand-in for OpenAI: uploaded once, resumed, refused, recorded, without keys."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from synthkit.core.errors import EndpointError, Interrupted, ModelError, TableError, UsageError
from synthkit.core.types import Message, Request
from synthkit.train import load_trained, openai
from synthkit.train.progress import Progress
from tests.server import Server
from tests.train.fine_tuning import FineTuning

ROWS = [{"id": f"r{n}", "prompt": f"q {n}", "completion": f"a {n}"} for n in range(10)]
KEY = "sk-test-4242424242abcdef"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("MY_KEY", KEY)
    with Server(FineTuning()) as server:
        yield server


def options(server: Server, folder: Path, **others: Any) -> dict[str, Any]:
    address = {"base_url": server.base_url, "api_key_env": "MY_KEY"}
    return {"base": "openai:m", "folder": folder, "poll_seconds": 0.01, **address, **others}


def posts(server: Server) -> list[str]:
    return [asked.path for asked in server.asked if asked.method == "POST"]


def test_a_job_gives_a_model_with_its_record(server: Server, tmp_path: Path) -> None:
    seen: list[Progress] = []
    model = openai(ROWS, held_out=ROWS, epochs=2, price=25.0, listener=seen.append,
                   **options(server, tmp_path))  # fmt: skip
    script: Any = server.script
    assert script.files["file-0"][3] == {
        "messages": [{"role": "user", "content": "q 3"}, {"role": "assistant", "content": "a 3"}]
    }
    assert list(script.files) == ["file-0"]  # the held-out rows are the same, and sent once
    record = model.record
    assert (model.name, record["job"], record["steps"]) == ("ft:m:me", "ftjob-0", 3)
    assert record["hyperparameters"]["n_epochs"] == 2
    assert record["seconds"] == 60
    assert record["cost"] == pytest.approx(record["trained_tokens"] * 25 / 1e6)
    assert model.log[-1] == {"step": 3, "loss": pytest.approx(2 / 3), "eval_loss": 1.0}
    assert [(each.step, each.steps) for each in seen][-2:] == [(1, 3), (3, 3)]
    assert set(record["rows"]) == {row["id"] for row in ROWS}
    request = Request((Message("user", "hi"),))
    (answer,) = filter(None, model.complete([request]))
    assert answer[1].text == "Answer to: hi"
    assert server.asked[-1].json["model"] == "ft:m:me"
    assert server.asked[-1].headers["authorization"] == f"Bearer {KEY}"
    kept = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY not in kept
    assert load_trained(model.folder).fingerprint == model.fingerprint


def test_the_second_time_nothing_is_sent_and_a_file_is_uploaded_once(
    server: Server, tmp_path: Path
) -> None:
    first = openai(ROWS, **options(server, tmp_path))
    asked = server.count
    again = openai(ROWS[::-1], **options(server, tmp_path))
    assert (server.count, again.folder) == (asked, first.folder)
    openai(ROWS, **options(server, tmp_path, epochs=3))
    assert posts(server) == ["/v1/files", "/v1/fine_tuning/jobs", "/v1/fine_tuning/jobs"]
    script: Any = server.script
    del script.files["file-0"]  # deleted at the server
    openai(ROWS, **options(server, tmp_path, epochs=4))
    assert posts(server).count("/v1/files") == 2


KILLED = """
import json, sys
from synthkit.train import openai
openai(json.loads(sys.argv[1]), **json.loads(sys.argv[2]))
"""


def test_a_killed_process_goes_on_with_its_job(server: Server, tmp_path: Path) -> None:
    script: Any = server.script
    script.waits = True
    arguments = [json.dumps(ROWS), json.dumps(options(server, str(tmp_path)))]  # type: ignore[arg-type]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments])
    until = time.monotonic() + 60
    while not any("/jobs/ftjob-0" in asked.path for asked in server.asked):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    script.waits = False
    model = openai(ROWS, **options(server, tmp_path))
    assert model.record["job"] == "ftjob-0"
    assert posts(server) == ["/v1/files", "/v1/fine_tuning/jobs"]


def test_a_job_whose_start_was_not_confirmed_is_found_again(server: Server, tmp_path: Path) -> None:
    script: Any = server.script
    script.lost = 1
    with pytest.raises(EndpointError, match="cannot be reached"):
        openai(ROWS, **options(server, tmp_path, max_retries=0))
    model = openai(ROWS, **options(server, tmp_path))
    assert (model.record["job"], list(script.jobs)) == ("ftjob-0", ["ftjob-0"])


def test_an_interrupt_leaves_the_job(server: Server, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="the job ftjob-0 goes on"):
        openai(ROWS, listener=stop, **options(server, tmp_path))
    assert openai(ROWS, **options(server, tmp_path)).record["job"] == "ftjob-0"


@pytest.mark.parametrize(
    ("ends", "message"),
    [("failed", "ftjob-0 failed: the file is unsafe"), ("cancelled", "ftjob-0 cancelled")],
)
def test_a_job_without_a_model_is_an_error_and_the_next_call_starts_another(
    ends: str, message: str, server: Server, tmp_path: Path
) -> None:
    script: Any = server.script
    script.ends = ends
    with pytest.raises(ModelError, match=message):
        openai(ROWS, **options(server, tmp_path))
    script.ends = "succeeded"
    assert openai(ROWS, **options(server, tmp_path)).record["job"] == "ftjob-1"


def test_what_cannot_work_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, message, rows, others in (
        (TableError, "expected 10 examples or more, as OpenAI does; got 9", ROWS[:9], {}),
        (TableError, "expected the columns", [{"text": "a"}], {}),
        (UsageError, "server 'smollm2' not found", ROWS, {"base": "smollm2"}),
        (UsageError, "expected a base such as", ROWS, {"base": "openai:"}),
        (UsageError, "option 'rank' not found", ROWS, {"rank": 3}),
        (UsageError, "rate_multiplier must be above 0", ROWS, {"rate_multiplier": 0}),
        (UsageError, "epochs must be a whole number", ROWS, {"epochs": 0.5}),
        (UsageError, "variable 'NO_KEY' is not set", ROWS, {"api_key_env": "NO_KEY"}),
    ):
        with pytest.raises(error, match=message):
            openai(rows, **options(server, tmp_path, **others))
    assert server.count == 0
    with pytest.raises(EndpointError, match=r"refused \(400\): The model no-such-model cannot be"):
        openai(ROWS, **options(server, tmp_path, base="openai:no-such-model"))
