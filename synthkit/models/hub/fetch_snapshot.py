"""``python -m synthkit.models.hub.fetch_snapshot NAME COMMIT CACHE FILE...``: files of the Hub.

A process of its own, since an interrupt ends a download within it only when a whole file is here.
"""

from __future__ import annotations

import sys
from pathlib import PurePath


def main(name: str, commit: str, cache: str, *files: str) -> None:
    """Download files of a commit into the Hub's cache, weights after all others."""
    from huggingface_hub import snapshot_download

    weights = [file for file in files if PurePath(file).suffix in {".safetensors", ".bin", ".gguf"}]
    for part in ([file for file in files if file not in weights], weights):
        if part:
            snapshot_download(name, revision=commit, cache_dir=cache, allow_patterns=part)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:
        words = (str(error).strip() or "no reason given").splitlines()[0]
        sys.exit(f"{type(error).__name__}: {words}")
