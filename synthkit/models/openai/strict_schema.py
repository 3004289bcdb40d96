"""The strict form of a JSON Schema, for servers and for local decoding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMED = {"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"}

_VALUES = {"const", "enum", "examples"}


def strict(schema: Any) -> Any:
    """A copy of a JSON Schema in which every object is closed and every property required.

    Servers need this form for their strict mode. Local decoding uses it too, so that both fill the
    same columns and a weak model adds no properties of its own.

    >>> strict({"type": "object", "properties": {"default": {"type": "string", "default": ""}}})
    ... # doctest: +NORMALIZE_WHITESPACE
    {'type': 'object', 'properties': {'default': {'type': 'string'}},
     'additionalProperties': False, 'required': ['default']}
    """
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    closed: dict[str, Any] = {}
    for word, part in schema.items():
        if word in _NAMED and isinstance(part, Mapping):
            closed[word] = {name: strict(each) for name, each in part.items()}
        elif word != "default":
            closed[word] = part if word in _VALUES else strict(part)
    if isinstance(closed.get("properties"), Mapping):
        closed["additionalProperties"] = False
        closed["required"] = list(closed["properties"])
    return closed
