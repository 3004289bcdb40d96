"""The answers of examples: columns of a table, written as the answer that a model should give."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from synthkit.core.errors import PromptError, TableError, check_known
from synthkit.core.types import Completion, Reject
from synthkit.data.cells import day, json_value
from synthkit.prompts.parsing import Decoder


def answer_writer(decoder: Decoder) -> Callable[[Mapping[str, Any]], str]:
    """A function that writes an example's columns as an answer that the decoder can read.

    It raises a :class:`TableError` if the example lacks a column, and a :class:`PromptError` if a
    value is missing, or the answer is one that the decoder rejects: it would teach the model so.
    """
    names = decoder.columns
    bare = len(names) == 1 and (decoder.schema is None or "enum" in decoder.schema)

    def write(example: Mapping[str, Any]) -> str:
        check_known("column", names, example, place="in the examples, ", error=TableError)
        if bare and example[names[0]] is None:
            raise PromptError(f"its answer {names[0]!r} is missing. Leave such examples out.")
        cells = {name: example[name] for name in names}
        text = str(cells[names[0]]) if bare else _json(cells, decoder)
        problem = decoder(Completion(text))
        if isinstance(problem, Reject) and None in cells.values() and not bare:
            # a property that an answer may lack
            present = {name: cell for name, cell in cells.items() if cell is not None}
            text = _json(present, decoder)
            again = decoder(Completion(text))
            problem = again if not isinstance(again, Reject) else problem
        if isinstance(problem, Reject):
            raise PromptError(
                f"its answer {text[:120]!r} would be rejected: {problem.reason}. Correct or leave "
                "out such examples."
            )
        return text

    return write


def _json(cells: Mapping[str, Any], decoder: Decoder) -> str:
    """The cells as JSON."""
    properties = (decoder.schema or {}).get("properties", {})
    dates = {name for name, part in properties.items() if part.get("format") == "date"}
    values = {name: day(cell) if name in dates else cell for name, cell in cells.items()}
    try:
        return json.dumps(values, ensure_ascii=False, default=json_value)
    except (TypeError, ValueError) as error:
        raise PromptError(f"its answer cannot be written as JSON: {error}.") from None
