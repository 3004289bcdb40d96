from __future__ import annotations

from pathlib import Path

import pytest

from synthkit.core.errors import ModelNotFound
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
