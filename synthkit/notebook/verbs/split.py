"""``%synth split``: splits of a table without leaks, such as train and test."""

from __future__ import annotations

from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.formatting import count
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.curate.duplicates.filters import near_duplicates
from synthkit.curate.filters.registry import number
from synthkit.curate.selection.splitting import RECALL
from synthkit.data import tables
from synthkit.notebook.context import Context
from synthkit.notebook.names import words
from synthkit.notebook.verbs._base import TABLE_NAME, argument, verb


@verb(
    TABLE_NAME,
    argument(
        "shares", nargs="*", metavar="NAME=SHARE", help="default: train=0.8 test=0.2; together 1"
    ),
    argument("--stratify", metavar="COLUMN", help="column with equal shares of values in each"),
    argument(
        "--together",
        metavar="A,B",
        help="columns whose rows of one value stay together, or none; "
        "default: parent,source,group, as far as the table has them",
    ),
    argument("--column", metavar="COLUMN", help="text column; default: the longest texts"),
    argument(
        "--near",
        metavar="THRESHOLD",
        default="0.8",
        help="Jaccard similarity from which rows stay together, or none; default: %(default)s",
    ),
    argument("--seed", type=int, default=0, help="default: %(default)s"),
)
def split(context: Context, options: Any) -> StaticOutput:
    """Split a table without leaks; binds TABLE_train, TABLE_test."""
    name = options.table.removeprefix("@")
    table = context.names.table(name)
    together = None if options.together is None else words(options.together)
    duplicates = None
    if options.near == "none":
        duplicates = []
    elif options.column or options.near != "0.8":
        column = options.column or tables.text_column(table)
        filter = near_duplicates(threshold=number(options.near), column=column, recall=RECALL)
        duplicates = [filter]
    parts = context.session.split(
        table,
        _shares(options.shares or ["train=0.8", "test=0.2"]),
        name=name,
        stratify=options.stratify,
        together=[] if together == ["none"] else together,
        duplicates=duplicates,
        seed=options.seed,
    )
    wanted = {f"{name}_{part}": rows for part, rows in parts.items()}
    cells = {run["name"] for run in context.session.store.runs.all()}
    free = context.bindings.free(wanted, context.verb, cells)
    for each, rows in wanted.items():
        context.check_variable(free[each])
        context.session.save(free[each], rows)
    bound = context.bind({free[each]: rows for each, rows in wanted.items()}, chosen=free.values())
    return static_table(
        [
            {"split": part, "rows": tables.size(rows), **_values(rows, options.stratify)}
            for part, rows in parts.items()
        ],
        note=f"{name}: {count(tables.size(table), 'row')}; {bound}",
    )


def _shares(pairs: list[str]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for pair in pairs:
        name, equals, share = pair.partition("=")
        if not equals or not name or name in shares:
            raise UsageError(f"expected NAME=SHARE, each name once; got {pair!r}.")
        shares[name] = number(share)
    return shares


def _values(rows: Any, column: str | None, most: int = 6) -> dict[str, int]:
    """The number of rows of each value of a column, if they are few."""
    values = sorted(map(str, tables.column(rows, column))) if column else []
    counts = {value: values.count(value) for value in dict.fromkeys(values)}
    return counts if len(counts) <= most else {}
