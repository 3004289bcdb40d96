"""Values of a pydantic model by the names under which it reads them.

A model may read a field under one name and write it under another, or not at all. The columns of a
table are the properties of its JSON Schema, which are the names that it reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any


def read_values(model: Any) -> Callable[[Any], dict[str, Any]]:
    """A function of JSON that returns property -> value, as the model has validated it.

    A value is what the model writes for the field; for a field that it does not write under a name
    of its own (``exclude=True``, or a serializer of the whole model), the field's value as JSON.
    """
    properties = tuple(_root_schema(model.model_json_schema()).get("properties", ()))

    def read(value: Any) -> dict[str, Any]:
        # as JSON, since a strict model takes a date as text only there
        instance = model.model_validate_json(json.dumps(value))
        written = instance.model_dump(mode="json", by_alias=True)
        while "root" in type(instance).model_fields and getattr(instance, "root", None) is not None:
            if not hasattr(type(instance.root), "model_fields"):
                break
            instance = instance.root
        names = _read_names(type(instance), properties)
        values = dict(written) if isinstance(written, Mapping) else {}
        for name, (field, alias) in names.items():
            values[name] = (
                written[alias]
                if isinstance(written, Mapping) and alias in written
                else _as_json(getattr(instance, field))
            )
        return values

    return read


def _read_names(model: Any, properties: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Property -> the field that it is read into, and the name under which that is written."""
    names = {}
    for field, info in model.model_fields.items():
        for name in _aliases(info.validation_alias, field):
            if name in properties and name not in names:
                names[name] = (field, info.serialization_alias or info.alias or field)
                break
    return names


def _aliases(alias: Any, field: str) -> list[str]:
    """The names under which a field is read: its aliases that are plain names, and its own."""
    choices = getattr(alias, "choices", [alias])
    return [*(choice for choice in choices if isinstance(choice, str)), field]


def _as_json(value: Any) -> Any:
    import pydantic_core

    return pydantic_core.to_jsonable_python(value, by_alias=True)


def _root_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of the object itself, where the root is a reference to it."""
    ref = schema.get("$ref", "")
    root: Mapping[str, Any] = schema.get("$defs", {}).get(ref.rpartition("/")[2], schema)
    return root
