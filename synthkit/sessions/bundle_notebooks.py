"""Notebooks beside a bundle: their hashes, and the figures that their outputs show."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError, cause
from synthkit.core.files import file_hash
from synthkit.core.hashing import digest

FIGURES = "figures"
KINDS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/svg+xml": "svg",
    "application/vnd.plotly.v1+json": "json",
}
"""MIME type of an output -> the suffix of its file."""


def hashes(path: Path) -> dict[str, str]:
    """The hash of a notebook's file, and of the sources of its code cells, which outputs leave.

    Raises
    ------
    UsageError
        If it is not a notebook.
    """
    return {"file": file_hash(path), "cells": digest(_sources(_cells(path)))}


def save_figures(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Write the figures in the outputs of notebooks as files, and return them.

    The name says of which notebook, cell and output a figure is.
    """
    written = []
    for path in paths:
        stem = re.sub(r"[^\w.-]", "_", path.stem)[:60]
        for name, content in _figures(_cells(path)):
            file = folder / f"{stem}-{name}"
            file.write_bytes(content)
            written.append(file)
    return written


def _figures(cells: Sequence[Any]) -> Iterator[tuple[str, bytes]]:
    for at, cell in enumerate(cells, 1):
        for n, output in enumerate(cell.get("outputs", ()), 1):
            data = output.get("data", {})
            for kind, suffix in KINDS.items():
                if kind in data:
                    yield f"cell{at}-{n}.{suffix}", _content(suffix, data[kind])
                    break


def _content(suffix: str, data: Any) -> bytes:
    if suffix == "json":
        return json.dumps(data, sort_keys=True).encode()
    text = data if isinstance(data, str) else "".join(data)
    return text.encode() if suffix == "svg" else base64.b64decode(text)


def _cells(path: Path) -> list[Any]:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"expected a notebook; {path.name} cannot be read: {cause(error)}."
        ) from None
    return list(cells)


def _sources(cells: Sequence[Any]) -> list[str]:
    return ["".join(cell["source"]) for cell in cells if cell.get("cell_type") == "code"]
