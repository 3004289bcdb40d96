"""The ``%%synth`` cell that continues with a column of a lab."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Iterator
from typing import Any

from synthkit.core.secrets import hidden
from synthkit.core.types import Sampling
from synthkit.data import tables
from synthkit.lab.cells import LabColumn
from synthkit.lab.config import LabConfig
from synthkit.prompts.parsing import json_schema
from synthkit.sessions.session import Session


def synth_cell(name: str, config: LabConfig, column: LabColumn, session: Session) -> str:
    """The cell's text; its rows are cached, so that it makes no request.

    Inputs and a schema that no option of the line stands for are saved in the session's folder, and
    read from there.
    """
    parsing, options = config.parsing, list(config.line_options)
    given = {option for option, _ in options}
    if config.left_out and "--vary" in given:  # the rows of --from are fewer than those of the lab
        options = [each for each in options if each[0] not in ("--from", "--vary")]
    elif config.left_out and "--from" in given:
        options.append(("--first", str(tables.size(config.inputs))))
    words = [word for option in options for word in option]
    if tables.columns(config.inputs) and not {"--from", "--vary"} & set(words):
        words += ["--from", _table(f"{name}_inputs", config.inputs, session)]
    if "schema" in parsing and "--schema" not in words:
        words += ["--schema", _schema_file(f"{name}_schema", parsing["schema"], session)]
    if "labels" in parsing:
        words += ["--labels", ",".join(map(str, parsing["labels"]))]
    for option in ("regex", "output"):
        words += [f"--{option}", parsing[option]] if option in parsing else []
    sampling = column.variant.sampling
    for option in ("temperature", "top_p", "max_tokens", "seed"):
        value = getattr(sampling, option)
        if value is not None or getattr(Sampling(), option) is not None:
            written = "none" if value is None else str(value)
            words += [f"--{option.replace('_', '-')}", written]
    for text in sampling.stop:
        words += ["--stop", text]
    for key, value in hidden(dict(sampling.extra)).items():
        words += ["--extra", f"{key}={json.dumps(value)}"]
    line = shlex.join(["%%synth", name, "--model", column.model, *words])
    return f"{line}\n{column.variant.prompt}"


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
