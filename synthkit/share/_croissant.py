"""Croissant: metadata of a dataset's files, which says what is in them and how to read it.

The format is MLCommons' Croissant 1.0 (Akhtar et al. 2024, arXiv 2403.19546), in JSON-LD.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import need

FILE = "croissant.json"
CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_CROISSANT = (
    "citeAs column conformsTo equivalentProperty extract field fileProperty fileObject fileSet "
    "format includes "
    "isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
).split()
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{name: f"cr:{name}" for name in _CROISSANT},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}
"""The context that the specification gives."""


def croissant(
    files: Mapping[str, Path | str],
    *,
    name: str,
    root: Path | str | None = None,
    url: str = "",
    description: str = "",
) -> dict[str, Any]:
    """Croissant metadata of Parquet files, as a dict to be written as JSON beside them.

    Parameters
    ----------
    files : name of a part, such as ``"train"`` -> its Parquet file. Each is a record set.
    root : the folder of the metadata, from which the files are named; the folder that all files
        are in if not given.
    url : the page of the dataset.

    Returns
    -------
    dict
        Columns of texts, numbers, truth values, dates and lists of these are fields; columns with
        other cells, such as lists of messages, are in the files only, as a description says.

    Raises
    ------
    UsageError
        If there is no file, or one is not Parquet.

    Examples
    --------
    >>> import tempfile
    >>> from synthkit.share import save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = save([{"id": "a", "words": 3}], Path(folder) / "train.parquet")
    ...     made = croissant({"train": file}, name="reviews")
    >>> [(field["name"], field["dataType"]) for field in made["recordSet"][0]["field"]]
    [('id', 'sc:Text'), ('words', 'sc:Integer')]
    """
    missing = next((file for file in files.values() if not Path(file).is_file()), None)
    if missing is not None or not files:
        raise UsageError(f"Croissant metadata needs files; {missing or 'none'} is no file.")
    paths = {part: Path(file).expanduser().absolute() for part, file in files.items()}
    if root is None:
        root = os.path.commonpath([path.parent for path in paths.values()])
    root = Path(root).expanduser().absolute()
    made: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": name,
        "description": description or f"{name}, written by synthkit",
        **({"url": url} if url else {}),
        "distribution": [_file(path, root) for path in paths.values()],
        "recordSet": [_records(part, path, root) for part, path in paths.items()],
    }
    return made


def _place(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _id(name: str) -> str:
    """A name without white space, which readers refuse in an ``@id``."""
    return re.sub(r"\s", "_", name)


def _file_id(path: Path, root: Path) -> str:
    return _id(_place(path, root))


def _ids(names: Iterable[str]) -> list[str]:
    """An id for each name, all different."""
    ids: list[str] = []
    for name in names:
        wanted = _id(name)
        while wanted in ids:
            wanted += "_"
        ids.append(wanted)
    return ids


def _file(path: Path, root: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": _file_id(path, root),
        "name": path.name,
        "contentUrl": _place(path, root),
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": digest,
    }


def _records(part: str, path: Path, root: Path) -> dict[str, Any]:
    """The record set of a file: a field for each column whose type Croissant has."""
    parquet = need("pyarrow.parquet", extra="data", why="to read a Parquet file")
    try:
        with parquet.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (OSError, ValueError) as error:  # pyarrow's errors inherit from these
        raise UsageError(f"{path} cannot be read as a Parquet file: {error}.") from None
    kinds = {field.name: _kind(field.type) for field in schema}
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{_id(part)}/{id}",
            "name": column,
            "dataType": kind,
            **({"repeated": True} if repeated else {}),
            "source": {"fileObject": {"@id": _file_id(path, root)}, "extract": {"column": column}},
        }
        for id, (column, (kind, repeated)) in zip(_ids(kinds), kinds.items(), strict=True)
        if kind
    ]
    nested = ", ".join(column for column, (kind, _) in kinds.items() if not kind)
    more = f"; also the nested columns {nested}" if nested else ""
    return {
        "@type": "cr:RecordSet",
        "@id": _id(part),
        "name": part,
        "description": f"{rows} rows{more}",
        "field": fields,
    }


def _kind(type: Any) -> tuple[str, bool]:
    """The data type of a column, and whether its cells are lists of it; ``""`` if there is none."""
    types: Any = need("pyarrow.types", extra="data", why="to read a Parquet file")
    if types.is_list(type) or types.is_large_list(type):
        kind, repeated = _kind(type.value_type)
        return ("", False) if repeated else (kind, True)
    known = (
        ("sc:Text", types.is_string(type) or types.is_large_string(type)),
        ("sc:Boolean", types.is_boolean(type)),
        ("sc:Integer", types.is_integer(type)),
        ("sc:Float", types.is_floating(type)),
        ("sc:DateTime", types.is_timestamp(type)),
        ("sc:Date", types.is_date(type)),
    )
    return next((kind for kind, holds in known if holds), ""), False
