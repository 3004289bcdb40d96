"""Bodies of saved labs: whether a lab can be opened from one, which may come from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthkit.core.errors import StoreError, UsageError
from synthkit.core.types import Sampling

_OPTIONS = ("--from", "--vary", "--schema")
"""Options of a ``%%synth`` line that a lab keeps."""


def check_lab_body(name: str, body: Any) -> None:
    """Raise ``StoreError`` if a lab cannot be opened from its saved body.

    >>> check_lab_body("tone", {"variants": [], "rows": []})
    """
    problem = _problem(body)
    if problem:
        raise StoreError(f"the lab {name[:100]!r} cannot be read: {problem}.")


def _problem(body: Any) -> str:
    """What is wrong with a body; empty if nothing is."""
    if not isinstance(body, Mapping):
        return "it is not an object"
    for part in ("variants", "rows"):
        if part not in body:
            return f"it has no {part}"
    keys: list[str] = []
    if not isinstance(body["variants"], list):
        return "its variants are not a list"
    for variant in body["variants"]:
        problem = _variant_problem(variant)
        if problem:
            return problem
        keys.append(variant["key"])
    if len(set(keys)) < len(keys):
        return "two of its variants have the same letter"
    if keys and body.get("baseline", keys[0]) not in keys:
        return f"its baseline {str(body['baseline'])[:20]!r} is none of its variants"
    return _rows_problem(body["rows"]) or _settings_problem(body)


def _variant_problem(variant: Any) -> str:
    if not isinstance(variant, Mapping):
        return "a variant is not an object"
    kinds = {"key": str, "name": str, "versions": list, "at": int, "deleted": bool}
    for part, kind in kinds.items():
        if type(variant.get(part)) is not kind:
            return f"the {part} of a variant is {str(variant.get(part))[:60]!r}"
    if not 0 <= variant["at"] < len(variant["versions"]):
        return "the current version of a variant does not exist"
    for version in variant["versions"]:
        if not isinstance(version, list) or len(version) != 2:
            return "a version of a variant is not a prompt with its sampling"
        prompt, sampling = version
        if not isinstance(prompt, str) or not isinstance(sampling, Mapping):
            return "a version of a variant is not a prompt with its sampling"
        stop = sampling.get("stop", [])
        if not isinstance(stop, list) or not _are_texts(stop):
            return "the stop texts of a variant are not a list of texts"
        if type(sampling.get("logprobs", False)) is not bool:
            return "logprobs of a variant is not true or false"
        try:
            Sampling(**sampling)
        except (TypeError, UsageError) as error:
            return f"the sampling of a variant is not valid: {error}"
    return ""


def _rows_problem(rows: Any) -> str:
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        return "its rows are not a list of objects"
    if any(row.keys() != rows[0].keys() for row in rows):
        return "its rows have different fields"
    return ""


def _settings_problem(body: Mapping[str, Any]) -> str:
    for part in ("models", "checks"):
        texts = body.get(part, [])
        if not isinstance(texts, list) or not _are_texts(texts):
            return f"its {part} are not a list of texts"
        if len(set(texts)) < len(texts):
            return f"two of its {part} are the same"
    if not isinstance(body.get("judge", ""), str):
        return "its judge is not a text"
    left_out = body.get("left_out", 0)
    if type(left_out) is not int or left_out < 0:
        return f"its number of rows left out is {str(left_out)[:60]!r}"
    options = body.get("words", [])
    if not isinstance(options, list):
        return "its options are not a list"
    for option in options:
        if not _is_option(option):
            return f"{str(option)[:60]!r} is not an option and its value"
    parsing: Any = body.get("reading", {})
    kinds: dict[str, type] = {"schema": dict, "labels": list, "regex": str, "output": str}
    if not isinstance(parsing, Mapping) or not kinds.keys() >= parsing.keys():
        return "its way to parse completions is not known"
    for part, value in parsing.items():
        if not isinstance(value, kinds[part]) or not value:
            return f"its {part} is {str(value)[:60]!r}"
    return ""


def _is_option(option: Any) -> bool:
    """Whether it is an option of a lab and its value, on one line."""
    if not isinstance(option, list) or len(option) != 2 or not _are_texts(option):
        return False
    name, value = option
    return name in _OPTIONS and len(value.splitlines()) <= 1


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
