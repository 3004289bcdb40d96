"""The ``%%synth`` cell that continues with a column of a lab."""

from __future__ import annotations

import json
import shlex

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
    words = [word for option in config.line_options for word in option]
    parsing = config.parsing
    if tables.columns(config.inputs) and not {"--from", "--vary"} & set(words):
        session.save(f"{name}_inputs", config.inputs)
        words += ["--from", f"{name}_inputs"]
    if "schema" in parsing and "--schema" not in words:
        path = session.folder / f"{name}_schema.json"
        path.write_text(json.dumps(json_schema(parsing["schema"])), encoding="utf-8")
        words += ["--schema", str(path)]
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
