"""The ``%%synth`` cell that continues with a column of a lab."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.secrets import hidden
from synthkit.core.types import Sampling
from synthkit.core.variables import python_name
from synthkit.data import tables
from synthkit.lab.cells import LabColumn
from synthkit.lab.config import LabConfig
from synthkit.prompts.parsing import json_schema
from synthkit.sessions import inputs
from synthkit.sessions.session import Session

_RESERVED = ("check", "In", "Out")
"""Names that no cell may give its table."""


def synth_cell(name: str, config: LabConfig, column: LabColumn, session: Session) -> str:
    """The cell's text; its rows are cached, so that it makes no request.

    What the line cannot hold is saved in the session, and read from there: inputs and a schema that
    no option stands for, labels with a comma, texts with a line break.

    Raises
    ------
    UsageError
        If the variant asks for log-probabilities, for which a line has no option.
    """
    name, sampling = _variable(name), column.variant.sampling
    if sampling.logprobs:
        raise UsageError("a %%synth cell has no option for logprobs; use generate() in Python.")
    parsing, options = config.parsing, list(config.line_options)
    given = {option for option, _ in options}
    if config.left_out and "--vary" in given:  # the rows of --from are fewer than those of the lab
        options = [each for each in options if each[0] not in ("--from", "--vary")]
    elif config.left_out and "--from" in given:
        options.append(("--first", str(tables.size(config.inputs))))
    part = name[:80]  # a table's name has at most 100 characters
    if tables.columns(config.inputs) and not {"--from", "--vary"} & {each for each, _ in options}:
        options.append(("--from", _table(f"{part}_inputs", config.inputs, session)))
    if "schema" in parsing and "--schema" not in given:
        options.append(("--schema", _schema_file(f"{part}_schema", parsing["schema"], session)))
    if "labels" in parsing:
        options.append(("--labels", _labels(f"{part}_labels", parsing["labels"], session)))
    for key in ("regex", "output"):
        if key in parsing:
            options.append((f"--{key}", _text(f"{part}_{key}", parsing[key], session)))
    for key in ("temperature", "top_p", "max_tokens", "seed"):
        value = getattr(sampling, key)
        if value is not None or getattr(Sampling(), key) is not None:
            written = "none" if value is None else str(value)
            options.append((f"--{key.replace('_', '-')}", written))
    options += [("--stop", _text(f"{part}_stop", text, session)) for text in sampling.stop]
    for key, value in hidden(dict(sampling.extra)).items():
        options.append(("--extra", f"{key}={json.dumps(value)}"))
    line = _line(["%%synth", name], [("--model", column.model), *options])
    return f"{line}\n{column.variant.prompt}"


def _variable(lab: str) -> str:
    """The name of a lab as one that a cell can give its table.

    >>> _variable("tone"), _variable("my-lab.1"), _variable("_check")
    ('tone', 'my_lab_1', 'rows_check')
    """
    name = python_name(lab.lstrip("_"))
    return f"rows_{name}" if name in _RESERVED else name


def _line(start: Sequence[str], options: Iterable[tuple[str, str]]) -> str:
    """A line with these options, which is read back as they are.

    >>> _line(["%%synth", "tone"], [("--stop", "---"), ("--stop", "a {b} c")])
    "%%synth tone --stop=--- --stop 'a ''{b} c'"
    """
    words = list(start)
    for option, value in options:
        words += [f"{option}={value}"] if value.startswith("-") else [option, value]
    # a word {in braces} would be evaluated
    return re.sub(r"(?<=[\s=])\{", "''{", shlex.join(words))


def _labels(name: str, labels: Sequence[Any], session: Session) -> str:
    """The labels as the value of an option: a,b,c or @variable."""
    written = ",".join(map(str, labels))
    if [text.strip() for text in written.split(",") if text.strip()] != list(labels):
        return f"@{_input(name, list(labels), session)}"
    return _text(name, written, session, list(labels))


def _text(name: str, text: str, session: Session, value: Any = None) -> str:
    """A text as the value of an option; @variable if a line cannot hold it.

    Parameters
    ----------
    value : what the variable holds, by default the text.
    """
    if text.splitlines() == [text] and not text.startswith("@") and text != "--":
        return text
    return f"@{_input(name, text if value is None else value, session)}"


def _input(name: str, value: Any, session: Session) -> str:
    """The name under which a line of the session finds this value; with a number if it is taken."""
    taken, kept = {*session.names(), *session.inputs()}, session.store.inputs.all()
    free = next(
        each
        for each in _numbered(name)
        if each not in taken or (each in kept and json.loads(kept[each]) == value)
    )
    inputs.remember(session.store, {free: value})
    return free


def _table(name: str, table: Any, session: Session) -> str:
    """The name under which the session has these rows; with a number if the name has others."""
    saved = session.names()
    taken, rows = {*saved, *session.inputs()}, _hashes(table)
    free = next(
        each
        for each in _numbered(name)
        if each not in taken or (each in saved and _hashes(session.load(each)) == rows)
    )
    if free not in saved:
        session.save(free, table)
    return free


def _hashes(table: Any) -> list[str]:
    return [tables.row_hash(row) for row in tables.records(table)]


def _schema_file(name: str, schema: Any, session: Session) -> str:
    """The path of a file in the session's folder that has this schema and no other."""
    text = json.dumps(json_schema(schema))
    paths = (session.folder / f"{free}.json" for free in _numbered(name))
    path = next(p for p in paths if not p.exists() or p.read_text(encoding="utf-8") == text)
    if not path.exists():
        path.write_text(text, encoding="utf-8")
    return str(path)


def _numbered(name: str) -> Iterator[str]:
    """The name, then the name with numbers.

    >>> list(itertools.islice(_numbered("facts"), 3))
    ['facts', 'facts_2', 'facts_3']
    """
    return itertools.chain([name], (f"{name}_{n}" for n in itertools.count(2)))
