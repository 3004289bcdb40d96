from __future__ import annotations

from pathlib import Path

import pytest

from synthkit.core.errors import ModelNotFound
from synthkit.models.hub import fingerprint
from synthkit.models.hub.fingerprint import of_folder


@pytest.mark.parametrize("config", [None, "", "{", "[]", "\x00"])
def test_a_folder_without_a_config_that_can_be_read_is_refused(
    tmp_path: Path, config: str | None
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x")
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelNotFound, match=r"has no config\.json that can be read; it contains"):
        of_folder(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert of_folder(tmp_path).size == 0


def test_a_line_says_so_before_large_files_are_read_and_not_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNTHKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fingerprint, "LONG_READ", 5_000_000)
    folder = tmp_path / "big"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    for part in (1, 2):
        (folder / f"model-{part}.safetensors").write_bytes(bytes(3_000_000))
    first = of_folder(folder)
    said = f"Reading 6 MB of {folder}, once: its fingerprint.\n"
    assert capsys.readouterr().err == said
    assert of_folder(folder) == first
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(fingerprint, "LONG_READ", 7_000_000)
    (folder / "model-1.safetensors").write_bytes(bytes(3_000_001))
    assert of_folder(folder) != first
    assert capsys.readouterr().err == ""
