"""From a completion's text to the cells of a row, or to the reason why it is none.

A decoder never raises on what a model wrote: it returns a :class:`~synthkit.core.types.Reject`.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.types import Completion, Reject

Schema = Mapping[str, Any]
Cells = dict[str, Any]


_HALF = "holds half of a surrogate pair, which is no text"


@dataclass(frozen=True, slots=True)
class Decoder:
    """How completions become cells.

    Parameters
    ----------
    columns : names of the cells it makes.
    read : text -> cells, or a :class:`Reject` with the reason.
    schema : JSON Schema to ask the model for, if it can be held to one.
    """

    columns: tuple[str, ...]
    read: Callable[[str], Cells | str]
    schema: Schema | None = None

    def __call__(self, completion: Completion) -> Cells | Reject:
        """The cells in a completion, or a reject that says why there are none."""
        raw = completion.text
        if completion.finish == "error":
            return Reject(_escaped(raw), _escaped(completion.error))
        if completion.finish == "content_filter":
            return Reject(_escaped(raw), "withheld by the model's content filter")
        if not raw.strip():
            return Reject(raw, "empty answer")
        found: Cells | str = self.read(raw) if _is_text(raw) else _HALF
        if "\\u" in raw and not _is_text(found):
            found = _HALF
        if isinstance(found, str):
            cut = "; the answer was cut at max_tokens" if completion.finish == "length" else ""
            return Reject(_escaped(raw), _escaped(found + cut))
        return found


def text(column: str = "text") -> Decoder:
    """A decoder that keeps the text, without the white space around it.

    >>> text()(Completion(" A warm loaf. "))
    {'text': 'A warm loaf.'}
    """
    return Decoder((column,), lambda raw: {column: raw.strip()})


def label(labels: Sequence[str], column: str = "label") -> Decoder:
    """A decoder that finds the one label an answer names, by whole words, whatever the case.

    An answer that names none, or several, is rejected.

    >>> decode = label(["positive", "negative"])
    >>> decode(Completion("**Positive.**"))
    {'label': 'positive'}
    >>> decode(Completion("positive or negative")).reason
    "names 2 labels: 'positive', 'negative'"
    """
    names = list(labels)
    folded = {str(name).casefold().strip(): name for name in names}
    if len(folded) < max(len(names), 2) or "" in folded:
        raise UsageError(f"labels must be two or more distinct texts; got {names}.")
    # the longest first: "very positive" names that label and not also "positive"
    any_label = "|".join(re.escape(name) for name in sorted(folded, key=len, reverse=True))
    words = re.compile(rf"(?<!\w)(?:{any_label})(?!\w)")

    def read(raw: str) -> Cells | str:
        said = set(words.findall(raw.casefold()))
        found = [name for word, name in folded.items() if word in said]
        if len(found) == 1:
            return {column: found[0]}
        if not found:
            return f"names none of the labels {', '.join(map(repr, names))}"
        return f"names {len(found)} labels: {', '.join(map(repr, found))}"

    return Decoder((column,), read, {"enum": names})


def regex(pattern: str) -> Decoder:
    r"""A decoder that keeps the named groups of the first match.

    >>> regex(r"Q: (?P<question>.+)\nA: (?P<answer>.+)")(Completion("Q: Who?\nA: Me."))
    {'question': 'Who?', 'answer': 'Me.'}

    Raises
    ------
    UsageError
        If the pattern does not compile or has no named group.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"the pattern {pattern!r} is no regular expression: {error}.") from None
    if not compiled.groupindex:
        raise UsageError(
            f"the pattern {pattern!r} has no named group; write (?P<name>...) for each column."
        )

    def read(raw: str) -> Cells | str:
        match = compiled.search(raw)
        return match.groupdict() if match else f"does not match {pattern!r}"

    return Decoder(tuple(compiled.groupindex), read)


def structured(schema: Any) -> Decoder:
    """A decoder for JSON that follows a schema: one column for each property.

    ``schema`` is a JSON Schema (a dict) or a pydantic model class, whose validators then run too.
    JSON inside a fence, or after a few words, is found; anything that does not follow the schema
    is rejected, and is never repaired by guessing.

    Raises
    ------
    UsageError
        If ``schema`` is neither, or is not valid itself.
    """
    found = json_schema(schema)
    if "enum" in found and set(found) <= {"enum", "type", "title", "description"}:
        return label([str(name) for name in found["enum"]])
    root = _target(found, found["$ref"]) if "$ref" in found else found
    properties = tuple(root.get("properties", ()))
    if not properties:
        raise UsageError(
            "a schema needs properties, one for each column: "
            '{"type": "object", "properties": {"text": {"type": "string"}}}; '
            f"got {json.dumps(found)[:200]}."
        )
    complaint = follows(schema)

    def read(raw: str) -> Cells | str:
        try:
            value = find_json(raw)
        except ValueError as error:
            return f"is not JSON: {error}"
        answer = complaint(value)
        if isinstance(answer, str):
            return answer
        return {name: answer.get(name) for name in properties}

    return Decoder(properties, read, found)


def json_schema(schema: Any) -> dict[str, Any]:
    """The JSON Schema of a dict or of a pydantic model class.

    Raises
    ------
    UsageError
        If it is neither, or is not a valid JSON Schema.
    """
    if isinstance(schema, type) and hasattr(schema, "model_json_schema"):
        try:
            return dict(schema.model_json_schema())
        except Exception as error:
            raise UsageError(f"{schema.__name__} has no JSON Schema: {error}.") from None
    if not isinstance(schema, Mapping):
        raise UsageError(
            f"a schema is a JSON Schema (a dict) or a pydantic model class; got {schema!r}."
        )
    validators = need("jsonschema", extra="local", why="to check a schema")
    try:
        validators.Draft202012Validator.check_schema(schema)
    except validators.SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "its root"
        raise UsageError(f"the schema is not valid at {where}: {error.message}.") from None
    for ref in _refs(schema):
        _target(schema, ref)
    return dict(schema)


def follows(schema: Any) -> Callable[[Any], Any]:
    """A check of JSON values: the value back, or in words why it does not follow ``schema``.

    ``schema`` is a JSON Schema (a dict) or a pydantic model class, whose validators then run too.

    >>> follows({"type": "object", "required": ["stars"]})({"star": 1})
    "does not follow the schema: 'stars' is a required property"

    Raises
    ------
    UsageError
        If ``schema`` is neither, or is not valid itself.
    """
    found = json_schema(schema)
    return _model_complaint(schema) if isinstance(schema, type) else _schema_complaint(found)


def find_json(raw: str) -> Any:
    """The first JSON object in a text, bare, in a fence, or after a few words.

    Raises
    ------
    ValueError
        If there is none; says where it broke off.
    """
    decoder = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
    problem: json.JSONDecodeError | None = None
    broken = 0
    for opening in itertools.islice(re.finditer(r"\{", raw), 20):
        # an object inside one that broke off is a part of the answer, and not the answer
        if opening.start() < broken:
            continue
        try:
            return decoder.raw_decode(raw, opening.start())[0]
        except json.JSONDecodeError as error:
            problem, broken = problem or error, error.pos
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
    raise problem or ValueError("it has no '{'")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits[:20]} is too large a number")
    return value


def _is_text(value: Any) -> bool:
    """Whether a text, or every text in a JSON value, can be written as UTF-8."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode()
    except UnicodeError:
        return False
    return True


def _escaped(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode()


def _refs(schema: Any) -> Iterator[str]:
    parts = schema.values() if isinstance(schema, Mapping) else schema
    if isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
        yield schema["$ref"]
    for part in parts:
        if isinstance(part, Mapping | list):
            yield from _refs(part)


def _target(schema: Schema, ref: str) -> Any:
    """What a ``$ref`` points to, which must be in the schema itself."""
    found: Any = schema
    try:
        if ref != "#":
            for step in ref.removeprefix("#/").split("/"):
                name = step.replace("~1", "/").replace("~0", "~")
                found = found[int(name) if isinstance(found, list) else name]
    except (LookupError, TypeError, ValueError):
        raise UsageError(
            f"the schema refers to {ref!r}; expected a part of itself, such as '#/$defs/Name'."
        ) from None
    return found


def _schema_complaint(schema: Schema) -> Callable[[Any], Any]:
    """A check that gives the value back, or says in words why it does not follow ``schema``."""
    validators = need("jsonschema", extra="local", why="to check answers")
    validator = validators.Draft202012Validator(schema)

    def check(value: Any) -> Any:
        try:
            error = validators.exceptions.best_match(validator.iter_errors(value))
        except RecursionError:
            return "is nested too deeply to be checked"
        if error is None:
            return value
        where = "/".join(map(str, error.absolute_path))
        return f"does not follow the schema{f' at {where}' if where else ''}: {error.message[:300]}"

    return check


def _model_complaint(model: Any) -> Callable[[Any], Any]:
    """The same check by a pydantic model, with its validators."""

    def check(value: Any) -> Any:
        try:
            return model.model_validate(value).model_dump(mode="json", by_alias=True)
        except Exception as error:  # validators are code of the user; one answer must not end all
            if not hasattr(error, "errors"):
                return f"does not follow the schema: {type(error).__name__}: {error}"
            first = error.errors(include_url=False)[0]
            where = "/".join(map(str, first.get("loc", ())))
            at = f" at {where}" if where else ""
            return f"does not follow the schema{at}: {first['msg']}"

    return check
