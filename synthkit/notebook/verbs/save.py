"""``%synth save``: a table, or splits of one, as a file that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthkit.core.formatting import count
from synthkit.data import tables
from synthkit.notebook.context import Context
from synthkit.notebook.names import named_splits, words
from synthkit.notebook.verbs._base import argument, verb
from synthkit.share import export
from synthkit.share.export import FOLDERS
from synthkit.share.formats import FORMATS, field_columns


@verb(
    argument(
        "table",
        metavar="TABLE",
        help="a variable, or a table saved in the session; several, A,B, are saved as splits",
    ),
    argument("file", metavar="FILE", help="ends in .csv, .jsonl or .parquet, or is a folder"),
    argument(
        "--format",
        default="",
        choices=("", *FOLDERS, *FORMATS),
        metavar="FORMAT",
        help=f"{', '.join((*FOLDERS, *FORMATS))}; default: all columns, by the suffix",
    ),
    argument(
        "--columns",
        metavar="FIELD=COLUMN,...",
        help="columns for the fields of a format, such as prompt=question; FIELD= leaves it out",
    ),
    argument("--batch-model", default="", metavar="NAME", help="the model that a batch asks"),
    argument("--over", action="store_true", help="replace an existing file"),
)
def save(context: Context, options: Any) -> None:
    """Save a table as a file, in the format of a trainer, or as splits."""
    names = [name.removeprefix("@") for name in words(options.table)]
    parts = {name: context.names.table(name) for name in names}
    rows = sum(map(tables.size, parts.values()))
    if len(names) > 1:
        parts = named_splits(parts)
    table = parts if len(names) > 1 else parts[names[0]]
    path = export.save(
        table,
        options.file,
        format=options.format,
        columns=field_columns(words(options.columns)),
        model=options.batch_model,
        overwrite=options.over,
    )
    absolute = Path(options.file).expanduser().is_absolute()
    where = path if absolute else path.relative_to(Path.cwd())
    print(f"written: {where}, {count(rows, 'row')}")
