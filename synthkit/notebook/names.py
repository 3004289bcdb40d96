"""Names on a line: the notebook's variables, the session's tables, and the values of options."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any

from synthkit.core.errors import TableError, UsageError, cause, unknown
from synthkit.core.secrets import hidden, looks_secret, placeholder
from synthkit.core.types import Sampling
from synthkit.core.variables import python_name as python_name
from synthkit.data import tables
from synthkit.data.row_files import READERS
from synthkit.generation.streams import is_name, is_source, rows_of
from synthkit.notebook.arguments import UNSET, join, split
from synthkit.parquet.table import ParquetTable, is_parquet, open_table
from synthkit.sessions.session import Session


class Names:
    """The notebook's variables and the session's tables, looked up as a line names them.

    Parameters
    ----------
    hidden : variables of the notebook itself, such as ``In``, which are not listed.
    """

    def __init__(
        self, variables: Mapping[str, Any], session: Session, hidden: Container[str] = ()
    ) -> None:
        self.variables, self.session = variables, session
        self.used: dict[str, Any] = {}
        """Name -> the table or value that a line named."""
        self.public = {
            name: value
            for name, value in variables.items()
            if not name.startswith("_") and name not in hidden
        }

    def table(self, name: str) -> Any:
        """The table in a variable, or saved in the session under that name."""
        name = name.removeprefix("@")
        if name in self.variables:
            tables.kind(self.variables[name])
            self.used[name] = self.variables[name]
        elif name in self.session.names() or name in self.session.inputs():
            self.used[name] = self.session.load(name)
        else:
            known = [*self.tables(), *self.session.names(), *self.session.inputs()]
            raise TableError(unknown("table", name, dict.fromkeys(known)) + _of_file(name))
        return self.used[name]

    def parquet(self, name: str) -> ParquetTable | None:
        """The Parquet table in a variable, or in the files of that name; ``None`` if it is none."""
        key = name.removeprefix("@")
        if key in self.variables:
            value = self.variables[key]
            return value if isinstance(value, ParquetTable) else None
        if key in self.session.names() or key in self.session.inputs():
            return None
        return open_table(name) if is_parquet(name) else None

    def rows(self, spec: str | None, name: str, first: int | None = None) -> Any:
        """The rows that ``--from`` names: a table, a generator or function, or a file.

        Parameters
        ----------
        name : of the table that is made from them.
        first : only so many rows.
        """
        if spec is None:
            if first is not None:
                raise UsageError("--first takes the first rows of --from; name a table or a file.")
            return None
        key = spec.removeprefix("@")
        if is_source(value := self.variables.get(key)) and not isinstance(value, str | Path):
            return rows_of(value, self.session, name, first)
        if key not in self.variables and key not in self.session.names() and is_name(key):
            return rows_of(key, self.session, name, first)
        return rows_of(self.table(key), self.session, name, first)

    def holding(self, test: Callable[[Any], bool]) -> list[str]:
        """The variables whose value passes a test."""
        return [name for name, value in self.public.items() if test(value)]

    def tables(self) -> list[str]:
        """The variables that hold tables."""
        return self.holding(_is_table)

    def models(self) -> list[str]:
        """The variables that hold models."""
        return self.holding(is_model)

    def value(self, name: str) -> Any:
        """The value of ``variable``, or the cells of ``table.column``; ``@`` may precede it."""
        head, _, field = name.removeprefix("@").partition(".")
        if head in self.variables:
            value = self.variables[head]
        elif head in self.session.inputs():
            value = self.session.load(head)
        else:
            raise UsageError(unknown("variable", head, self.public))
        self.used[head] = value
        return tables.column(value, field) if field else value

    def values(self, text: str) -> Any:
        """The values in ``a,b,c``, or those of ``@variable`` or ``@table.column``."""
        if not text.startswith("@"):
            return words(text)
        values = self.value(text)
        if isinstance(values, Mapping):  # values that depend on another field's
            return values
        if _is_table(values):
            raise UsageError(f"{text} is a table; name a column: {text}.COLUMN.")
        if isinstance(values, str) or not hasattr(values, "__iter__"):
            raise UsageError(f"{text} must hold a list of values; got {type(values).__name__}.")
        return values.tolist() if hasattr(values, "tolist") else list(values)

    def text(self, text: str | None) -> str | None:
        """``text`` itself, or the text in ``@variable``."""
        if text is None or not text.startswith("@"):
            return text
        return str(self.value(text))

    def schema(self, text: str | None) -> Any:
        """The schema in a variable or a .json file."""
        return self.json(text, "--schema", "a JSON Schema or a pydantic model class")

    def json(self, text: str | None, option: str, expected: str) -> Any:
        """The value of an option that names a variable or a .json file.

        Raises
        ------
        UsageError
            If the file cannot be read, or the variable is ``None``, which is no choice.
        """
        if text is None:
            return None
        name = text.removeprefix("@")
        if name.isidentifier():
            if (value := self.value(name)) is None:
                raise UsageError(f"{option} {text}: expected {expected}; the variable is None.")
            return value
        try:
            return json.loads(Path(name).read_bytes())  # UTF-8, -16 or -32, with a mark or not
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{option} {text}: expected a variable or a .json file: {cause(error)}."
            ) from None

    def vary(self, pairs: list[str]) -> dict[str, Any]:
        """Field -> values, from ``field=a,b`` and ``field=@variable``."""
        fields: dict[str, Any] = {}
        for pair in pairs:
            field, equals, values = pair.partition("=")
            field = field.strip()
            if not equals or not field:
                raise UsageError(f"--vary {pair}: expected FIELD=a,b,c or FIELD=@variable.")
            if field in fields:
                raise UsageError(f"--vary {field} is set twice; write its values in one.")
            fields[field] = self.values(values.strip())
        return fields


def _of_file(name: str) -> str:
    """A hint, if a name is that of a file and stands where a table is expected."""
    if not re.search(r"\.\w+$", name):
        return ""
    endings = ", ".join(READERS)
    return f" Files ({endings}) are read by --from; for others read a table first, as by pandas."


def variable_of(files: str) -> str:
    """The name of a variable for the table in some files.

    >>> variable_of("data/big-reviews/*.parquet"), variable_of("reviews.parquet")
    ('big_reviews', 'reviews')
    """
    path = Path(files)
    return python_name(path.parent.name if "*" in path.name or "?" in path.name else path.stem)


def is_model(value: Any) -> bool:
    """Whether a value is a model."""
    return hasattr(value, "complete") and hasattr(value, "fingerprint")


def _is_table(value: Any) -> bool:
    try:
        return tables.kind(value) is not None and not isinstance(value, list | dict)
    except TableError:
        return False


def words(text: str | None) -> list[str]:
    """The parts of ``a, b,c`` without blanks."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def named_splits(tables_by_name: Mapping[str, Any]) -> dict[str, Any]:
    """Split -> its table: the part of the name of each variable after the last ``_``.

    Raises
    ------
    UsageError
        If two splits would have one name.
    """
    parts = {name.rpartition("_")[2]: table for name, table in tables_by_name.items()}
    if len(parts) < len(tables_by_name):
        names = ", ".join(tables_by_name)
        raise UsageError(f"splits are named by what follows the last '_'; got twice one: {names}.")
    return {split: tables.native(table) for split, table in parts.items()}


def role(pair: str) -> tuple[str, str]:
    """Role and model, from ``role=model``."""
    name, equals, model = pair.partition("=")
    if not equals or not name.strip() or not model.strip():
        raise UsageError(f"--with {pair}: expected ROLE=MODEL.")
    return name.strip(), model.strip()


def sampling(options: Any, defaults: Sampling) -> Sampling:
    """The sampling that a line asks for, with ``defaults`` for options that are not set."""
    names = ("temperature", "top_p", "max_tokens", "seed", "stop")
    chosen = {name: getattr(options, name) for name in names}
    chosen = {
        name: getattr(defaults, name) if value is None else None if value == UNSET else value
        for name, value in chosen.items()
    }
    return Sampling(**chosen, extra=dict(defaults.extra) | settings(options.extra))


def settings(pairs: list[str]) -> dict[str, Any]:
    """Name -> value, from ``name=value``; see :func:`plain`."""
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"expected NAME=VALUE, such as top_k=40; got {pair!r}.")
        values[name.strip()] = plain(value)
    return values


def without_secrets(line: str) -> str:
    """A line as it is stored: with placeholders for secrets in ``--extra`` and other words.

    >>> without_secrets("reviews --n 12 --extra top_k=5")
    'reviews --n 12 --extra top_k=5'
    """
    words = split(line)
    shown = [_without_secrets(word) for word in words]
    return line if shown == words else join(shown)


def _without_secrets(word: str) -> str:
    start = "--extra=" if word.startswith("--extra=") else ""
    name, equals, value = word.removeprefix(start).partition("=")
    if equals and not name.startswith("-"):
        (read,) = settings([f"{name}={value}"]).items()
        shown = hidden(dict([read]))
        if shown != dict([read]):
            ((name, value),) = shown.items()
            return f"{start}{name}={value if isinstance(value, str) else json.dumps(value)}"
    return placeholder(word) if looks_secret(word) else word


def plain(value: str) -> Any:
    """The value of a JSON text; the text itself if it is not JSON.

    >>> plain("40"), plain("forty")
    (40, 'forty')
    """
    try:
        return json.loads(value)
    except ValueError:
        return value
