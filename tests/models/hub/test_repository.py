"""Downloads from a stand-in of the Hub."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from synthkit.core.errors import ModelError, ModelNotFound, NotEnoughMemory, UsageError
from synthkit.core.types import Message, Request, Sampling
from synthkit.models import load_model
from synthkit.models.hub import repository, resolve
from synthkit.models.hub.download import OPENVINO, SAFETENSORS
from synthkit.models.hub.hub_models import HUB_MODELS
from synthkit.models.local import memory
from tests.models.hub.stand_in import Repository, StandIn, of_folder, serve
from tests.models.hub.test_gguf import save_gguf

FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with serve({}) as hub:
        yield hub


@pytest.fixture
def hub(server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The Hub, without repositories, and an empty cache."""
    for name, value in (
        ("ENDPOINT", server.url),
        ("HF_HUB_OFFLINE", False),
        ("HF_HUB_CACHE", str(tmp_path / "hub")),
    ):
        monkeypatch.setattr(constants, name, value)
    # the process that downloads reads them when it imports the Hub's package
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("SYNTHKIT_CACHE", str(tmp_path / "cache"))
    server.repositories.clear()
    server.asked.clear()
    return server


@pytest.fixture
def files(tiny: Path) -> dict[str, bytes]:
    return of_folder(tiny)


def gets(hub: StandIn) -> list[str]:
    """The files that were downloaded."""
    found = [each for each in hub.asked if each.startswith("GET") and "/resolve/" in each]
    return sorted({each.split("/resolve/")[1].split("/", 1)[1] for each in found})


def answer(spec: str, **options: Any) -> str:
    model: Any = load_model(spec, device="cpu", quantize="none", **options)
    request = Request((Message("user", "a"),), Sampling(max_tokens=2, temperature=0))
    return str(next(event[1].text for event in model.complete([request]) if event))


def test_only_what_a_model_needs_is_downloaded_once(
    hub: StandIn, files: dict[str, bytes], tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = ["pytorch_model.bin", "consolidated.safetensors", "original/model.safetensors"]
    others += ["own.py", "runs/log.json", "readme.md", "model-Q4_1.gguf"]
    hub.repositories["a/b"] = Repository({FIRST: files | dict.fromkeys(others, b"x")})
    assert answer("hf:a/b") == answer(f"hf:{tiny}")
    assert gets(hub) == sorted(files)
    assert capsys.readouterr().err.splitlines() == ["Fetching a/b (0 MB), licence apache-2.0."]
    assert resolve.find("hf:a/b").commit == FIRST
    hub.asked.clear()
    resolve.find("hf:a/b")
    assert gets(hub) == []
    assert capsys.readouterr().err == ""
    assert "hf:a/b" in resolve.here()


def test_a_commit_is_downloaded_and_then_needs_no_hub(
    hub: StandIn, files: dict[str, bytes]
) -> None:
    changed = files | {"chat_template.jinja": b"{{ messages[0].content }}"}
    hub.repositories["a/b"] = Repository({FIRST: files, SECOND: changed})
    assert resolve.find("hf:a/b").commit == SECOND
    hub.asked.clear()
    assert resolve.find(f"hf:a/b@{FIRST}").commit == FIRST
    assert gets(hub) == ["chat_template.jinja"]  # the other files are those of the other commit
    hub.repositories.clear()
    hub.asked.clear()
    assert resolve.find(f"hf:a/b@{FIRST}").commit == FIRST
    assert hub.asked == []
    assert resolve.find("hf:a/b").commit == SECOND  # as it was when the Hub answered


def test_a_catalog_name_and_the_command_download_its_repository(
    hub: StandIn, files: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    model = HUB_MODELS["smollm2-360m"]
    assert not resolve.is_here(model)
    hub.repositories[model.repository] = Repository({FIRST: files})
    assert resolve.find(model.name).commit == FIRST
    assert f"Fetching {model.repository} (0 MB)" in capsys.readouterr().err
    assert resolve.is_here(model)
    assert resolve.fetch(model.name, quiet=True)[0].name == FIRST


def test_one_gguf_file_is_downloaded_and_of_several_the_one_that_is_named(
    hub: StandIn, tmp_path: Path
) -> None:
    save_gguf(tmp_path / "m.gguf", quantized=True)
    content = (tmp_path / "m.gguf").read_bytes()
    hub.repositories["a/one"] = Repository({FIRST: {"m.gguf": content, "mmproj.gguf": b"x"}})
    names = ("m-F16.gguf", "m-Q4_1.gguf", "m-big-00001-of-00002.gguf")
    hub.repositories["a/two"] = Repository({FIRST: dict.fromkeys(names, content)})
    assert resolve.find("hf:a/one").name == "m"
    with pytest.raises(UsageError, match=r"m-F16\.gguf \(0 MB\).* Name one: 'hf:a/two/m-F16"):
        resolve.find("hf:a/two")
    hub.asked.clear()
    model: Any = load_model("hf:a/two/m-Q4_1.gguf")
    assert gets(hub) == ["m-Q4_1.gguf"]
    assert model.name == "m-Q4_1"
    assert model.fingerprint == load_model(f"gguf:{tmp_path / 'm.gguf'}").fingerprint
    with pytest.raises(UsageError, match="part of 2"):
        resolve.find("hf:a/two/m-big-00001-of-00002.gguf")


def test_the_form_of_openvino_is_downloaded_where_it_is_asked_for_or_alone(
    hub: StandIn, files: dict[str, bytes]
) -> None:
    own = {"openvino_model.xml": b"<net/>", "openvino_model.bin": b"weights"}
    alone = {name: content for name, content in files.items() if name != "model.safetensors"}
    hub.repositories["a/alone"] = Repository({FIRST: alone | own})
    hub.repositories["a/both"] = Repository({FIRST: files | own})
    assert resolve.find("hf:a/alone").form == OPENVINO
    assert resolve.find("hf:a/both").form == SAFETENSORS
    assert not any("a/both" in each and "openvino" in each for each in hub.asked)
    assert resolve.find("hf:a/both", OPENVINO).form == OPENVINO


def test_pickled_weights_are_refused_before_anything_is_downloaded(
    hub: StandIn, files: dict[str, bytes]
) -> None:
    del files["model.safetensors"]
    hub.repositories["a/b"] = Repository({FIRST: files | {"pytorch_model.bin": b"x"}})
    hub.repositories["a/none"] = Repository({FIRST: {"readme.md": b"x"}})
    with pytest.raises(UsageError, match=r"pytorch_model\.bin, which is pickled"):
        resolve.find("hf:a/b")
    with pytest.raises(UsageError, match=r"no weights as \*\.safetensors; it has readme\.md"):
        resolve.find("hf:a/none")
    assert gets(hub) == []
    assert "hf:a/b" not in resolve.here()


def test_what_the_hub_refuses_is_said_with_what_to_do(
    hub: StandIn, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["a/gated"] = Repository({FIRST: files}, gated=True)
    hub.repositories["a/b"] = Repository({FIRST: files})
    for spec, says in (
        ("hf:a/gated", r"asks for consent.*open http.*a/gated.*`hf auth login` or set HF_TOKEN"),
        ("hf:a/gone", r"there is no http.*/a/gone, or it is private.*Local models"),
        ("hf:a/b@main2", "a/b has no branch, tag or commit 'main2'"),
        ("hf:../b/c", "expected to name an existing folder or a repository"),
    ):
        with pytest.raises(ModelNotFound, match=says):
            resolve.find(spec)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFound, match="not asked since HF_HUB_OFFLINE is set"):
        resolve.find("hf:a/b")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelNotFound, match=r"the Hub \(http.*:9\) cannot be reached: "):
        resolve.find("hf:a/b")


def test_a_connection_that_is_cut_is_continued(
    hub: StandIn, files: dict[str, bytes], tiny: Path
) -> None:
    hub.repositories["a/b"] = Repository({FIRST: files}, cuts=1)
    folder = resolve.folder_of("a/b")
    assert (folder / "model.safetensors").read_bytes() == files["model.safetensors"]


def test_nothing_of_a_download_that_failed_is_used(
    hub: StandIn, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["a/b"] = Repository({FIRST: files}, gone={"model.safetensors"})
    with pytest.raises(ModelError, match=r"(?s)download of a/b failed: .*404.* try again"):
        resolve.find("hf:a/b")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFound, match="is not on this machine"):
        resolve.find("hf:a/b")
    assert "hf:a/b" not in resolve.here()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub.repositories["a/b"].gone.clear()
    hub.asked.clear()
    assert resolve.find("hf:a/b").commit == FIRST
    assert gets(hub) == ["model.safetensors"]
    assert list((tmp_path / "hub").rglob("*.incomplete")) == []


def test_weights_in_parts_are_here_once_all_parts_are(tmp_path: Path, hub: StandIn) -> None:
    folder = tmp_path / "hub" / "models--a--b" / "snapshots" / FIRST
    folder.mkdir(parents=True)
    (folder / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
    )
    (folder / "model-1.safetensors").write_bytes(b"x")
    assert repository.cached(f"a/b@{FIRST}", SAFETENSORS) is None
    (folder / "model-2.safetensors").write_bytes(b"x")
    assert repository.cached(f"a/b@{FIRST}", SAFETENSORS) == folder


def test_memory_and_disk_are_checked_before_the_download(
    hub: StandIn, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["a/b"] = Repository({FIRST: files}, sizes={"model.safetensors": 5 * 10**9})
    free = memory.Memory(4 * 10**9, 2 * 10**9, "this test")
    monkeypatch.setattr(memory, "of_process", lambda: free)
    with pytest.raises(NotEnoughMemory, match=r"2\.90 GB .*2\.00 GB are free.*Nothing was downl"):
        load_model("hf:a/b", device="cpu")
    with pytest.raises(NotEnoughMemory, match=r"5\.90 GB"):
        load_model("hf:a/b", device="cpu", quantize="none")
    usage = shutil._ntuple_diskusage(10, 9, 10**9)
    monkeypatch.setattr("synthkit.models.hub.download.shutil.disk_usage", lambda _: usage)
    with pytest.raises(ModelError, match=r"needs 5,\d+ MB of disk, .* 1,000 MB free.*HF_HOME"):
        resolve.find("hf:a/b")
    assert gets(hub) == []


def test_an_interrupt_ends_a_download_within_a_second_and_leaves_no_part(
    hub: StandIn, files: dict[str, bytes], tmp_path: Path
) -> None:
    hub.repositories["a/b"] = Repository({FIRST: files}, pause=5)
    code = (
        "from huggingface_hub import constants; "
        f"constants.HF_HUB_CACHE = {str(tmp_path / 'hub')!r}\n"
        "from synthkit.models.hub import resolve\nresolve.folder_of('a/b')"
    )
    started = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    while not list((tmp_path / "hub").rglob("*.incomplete")):
        assert started.poll() is None
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, words = started.communicate(timeout=20)
    assert time.monotonic() - began < 2
    assert b"KeyboardInterrupt" in words
    assert list((tmp_path / "hub").rglob("*.incomplete")) == []
