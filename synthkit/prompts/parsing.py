"""Parsing of completions: the cells of a row, or a reject with a reason.

A decoder never raises because of a model's text: it returns a
:class:`~synthkit.core.types.Reject`. Reasons are part of repair requests, so they must not change.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from synthkit.core import patterns
from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.hashing import canonical
from synthkit.core.types import Completion, Reject
from synthkit.prompts.pydantic_models import read_values

Schema = Mapping[str, Any]
Cells = dict[str, Any]

TRUNCATED = "the answer was cut at max_tokens"
HALF = "holds half of a surrogate pair, which is no text"


@dataclass(frozen=True, slots=True)
class Decoder:
    """A parser of completions.

    Parameters
    ----------
    columns : the names of the cells that it makes.
    read : text -> cells, or the reason why it cannot be parsed.
    schema : JSON Schema to constrain the model with, if there is one.
    whole : whether an answer that was cut is rejected, even if its beginning can be parsed.
    pattern : the regular expression that it searches for, if there is one.
    """

    columns: tuple[str, ...]
    read: Callable[[str], Cells | str]
    schema: Schema | None = None
    whole: bool = True
    pattern: str = ""

    def __call__(self, completion: Completion) -> Cells | Reject:
        """The cells of a completion, or a reject with the reason."""
        raw = completion.text
        if completion.finish == "error":
            return Reject(escaped(raw), escaped(completion.error))
        if completion.finish == "content_filter":
            return Reject(escaped(raw), "withheld by the model's content filter")
        if not raw.strip():
            return Reject(raw, _why_empty(completion))
        parsed: Cells | str = self.read(raw) if is_encodable(raw) else HALF
        if "\\u" in raw and not is_encodable(parsed):
            parsed = HALF
        if isinstance(parsed, str):
            cut = f"; {TRUNCATED}" if completion.truncated else ""
            return Reject(escaped(raw), escaped(parsed + cut))
        if completion.truncated and self.whole:
            return Reject(raw, TRUNCATED)
        return parsed


def _why_empty(completion: Completion) -> str:
    if completion.tool_calls:
        names = ", ".join(call.name for call in completion.tool_calls)
        return f"empty answer: the model called {names}"
    if completion.truncated:
        return f"empty answer: {TRUNCATED}{', in its reasoning' if completion.reasoning else ''}"
    return "empty answer: all of it is reasoning" if completion.reasoning else "empty answer"


def text(column: str = "text") -> Decoder:
    """A decoder that returns the text without surrounding white space.

    >>> text()(Completion(" A warm loaf. "))
    {'text': 'A warm loaf.'}
    """
    return Decoder((column,), lambda raw: {column: raw.strip()}, whole=False)


def label(labels: Sequence[Any], column: str = "label") -> Decoder:
    """A decoder of the one label that a completion names, in any case and script.

    :class:`~synthkit.prompts.label_search.LabelSearch` says what naming is. A completion that names
    no label or several, or denies the one it names, is rejected.

    >>> decode = label(["positive", "negative"])
    >>> decode(Completion("**Positive.**"))
    {'label': 'positive'}
    >>> decode(Completion("positive or negative")).reason
    "names 2 labels: 'positive', 'negative'"
    >>> decode(Completion("It is not positive.")).reason
    "denies the label 'positive'"
    """
    from synthkit.prompts.label_search import LabelSearch  # compiles long patterns

    names = list(labels)
    search = LabelSearch.of(names)
    if search is None or len(names) < 2:
        raise UsageError(f"labels must be two or more distinct texts; got {names}.")

    def read(raw: str) -> Cells | str:
        named, denied = search.named(raw)
        if not named:
            return f"names none of the labels {', '.join(map(repr, names))}"
        if len(named) > 1:
            return f"names {len(named)} labels: {', '.join(map(repr, named))}"
        return f"denies the label {named[0]!r}" if denied else {column: named[0]}

    return Decoder((column,), read, {"enum": names})


def regex(pattern: str) -> Decoder:
    r"""A decoder of the named groups of a pattern's first match.

    >>> regex(r"Q: (?P<question>.+)\nA: (?P<answer>.+)")(Completion("Q: Who?\nA: Me."))
    {'question': 'Who?', 'answer': 'Me.'}

    Raises
    ------
    UsageError
        If the pattern does not compile or has no named group.
    """
    compiled = patterns.pattern(pattern)
    if not compiled.groups:
        raise UsageError(
            f"the pattern {pattern!r} has no named group; write (?P<name>...) for each column."
        )

    def read(raw: str) -> Cells | str:
        try:
            match = compiled.search(raw)
        except TimeoutError as error:
            return str(error)
        return match.groupdict() if match else f"does not match {pattern}"

    return Decoder(compiled.groups, read, pattern=pattern)


def structured(schema: Any) -> Decoder:
    """A decoder of JSON that follows a schema, with one column for each property.

    ``schema`` is a JSON Schema (a dict) or a pydantic model class, whose validators run too. The
    JSON may be in a fence or after some words. A value that does not follow the schema is rejected;
    it is never changed to fit.

    Raises
    ------
    UsageError
        If ``schema`` is neither, or is not valid itself.
    """
    as_dict = json_schema(schema)
    if "enum" in as_dict and set(as_dict) <= {"enum", "type", "title", "description"}:
        return label(as_dict["enum"])
    root = _target(as_dict, as_dict["$ref"]) if "$ref" in as_dict else as_dict
    properties = tuple(root.get("properties", ()))
    if not properties:
        raise UsageError(
            "a schema needs properties, one for each column: "
            '{"type": "object", "properties": {"text": {"type": "string"}}}; '
            f"got {json.dumps(as_dict)[:200]}."
        )
    validate = follows(schema)

    def read(raw: str) -> Cells | str:
        try:
            checked = [validate(value) for value in json_objects(raw)]
        except ValueError as error:
            return f"is not JSON: {error}"
        valid = [value for value in checked if not isinstance(value, str)]
        if not valid:
            return str(checked[0])
        if len({canonical(value) for value in valid}) > 1:
            return "holds several different answers that follow the schema"
        return {name: valid[0].get(name) for name in properties}

    return Decoder(properties, read, as_dict)


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
        shown = repr(schema)
        got = shown if "\n" not in shown and len(shown) < 80 else type(schema).__name__
        raise UsageError(
            f"a schema is a JSON Schema (a dict) or a pydantic model class; got {got}."
        )
    validators = _jsonschema()
    try:
        validators.Draft202012Validator.check_schema(schema)
    except validators.SchemaError as error:
        place = "/".join(map(str, error.absolute_path)) or "its root"
        raise UsageError(f"the schema is not valid at {place}: {error.message}.") from None
    for ref in _refs(schema):
        _target(schema, ref)
    return dict(schema)


def follows(schema: Any) -> Callable[[Any], Any]:
    """A check of JSON values that returns the value, or the reason why it breaks the schema.

    ``schema`` is a JSON Schema (a dict) or a pydantic model class, whose validators run too.

    >>> follows({"type": "object", "required": ["stars"]})({"star": 1})
    "does not follow the schema: 'stars' is a required property"

    Raises
    ------
    UsageError
        If ``schema`` is neither, or is not valid itself.
    """
    as_dict = json_schema(schema)
    return _model_check(schema) if isinstance(schema, type) else _schema_check(as_dict)


def json_objects(raw: str) -> list[Any]:
    """The JSON objects in a text, up to 20: bare, in fences, or between words.

    Raises
    ------
    ValueError
        If there is none; the message says where the first breaks off.
    """
    decoder = json.JSONDecoder(
        parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_unique
    )
    found: list[Any] = []
    problems: list[ValueError] = []
    at = 0
    while (start := raw.find("{", at)) >= 0 and len(found) + len(problems) < 20:
        try:
            value, at = decoder.raw_decode(raw, start)
            found.append(value)
        except json.JSONDecodeError as error:
            problems.append(error)
            # an object inside one that breaks off is a part of the answer, not the answer
            at = max(error.pos, start + 1)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
    if not found:
        raise problems[0] if problems else ValueError("it has no '{'")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        for name, part in pairs:
            if part != value[name]:
                raise ValueError(f"it gives {name!r} twice, with different values")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits[:20]} is too large a number")
    return value


def is_encodable(value: Any) -> bool:
    """Whether a text, or each text in a JSON value, can be encoded as UTF-8."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode()
    except UnicodeError:
        return False
    return True


def escaped(value: str) -> str:
    """A text with its halves of surrogate pairs as escapes, so that it can be stored."""
    return value.encode("utf-8", "backslashreplace").decode()


def _jsonschema() -> Any:
    """The module; it imports a grammar of IRIs, which takes a second, only to check the first."""
    grammar = "rfc3987_syntax"  # a part of JupyterLab, so that most users have it
    wait = not {"jsonschema", grammar} & sys.modules.keys() and find_spec(grammar) is not None
    if wait:
        stand_in = sys.modules[grammar] = ModuleType(grammar)
        stand_in.__dict__["is_valid_syntax"] = lambda *rule_and_text: import_module(
            grammar
        ).is_valid_syntax(*rule_and_text)
    try:
        return need("jsonschema", extra="local", why="to check a schema")
    finally:
        if wait:
            del sys.modules[grammar]


def _refs(schema: Any) -> Iterator[str]:
    parts = schema.values() if isinstance(schema, Mapping) else schema
    if isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
        yield schema["$ref"]
    for part in parts:
        if isinstance(part, Mapping | list):
            yield from _refs(part)


def _target(schema: Schema, ref: str) -> Any:
    """The part of the schema that a ``$ref`` refers to."""
    part: Any = schema
    try:
        if ref != "#":
            for step in ref.removeprefix("#/").split("/"):
                name = step.replace("~1", "/").replace("~0", "~")
                part = part[int(name) if isinstance(part, list) else name]
    except (LookupError, TypeError, ValueError):
        raise UsageError(
            f"the schema refers to {ref!r}; expected a part of itself, such as '#/$defs/Name'."
        ) from None
    return part


def _schema_check(schema: Schema) -> Callable[[Any], Any]:
    """:func:`follows` for a JSON Schema."""
    validators = _jsonschema()
    compiled = cache(patterns.pattern)

    def matches(_: Any, source: str, text: Any, __: Schema) -> Iterator[Any]:
        try:
            if not isinstance(text, str) or compiled(source).search(text):
                return
            reason = f"{text!r} does not match {source!r}"
        except TimeoutError as error:
            reason = str(error)
        yield validators.ValidationError(reason)

    timed = validators.validators.extend(validators.Draft202012Validator, {"pattern": matches})
    validator = timed(schema)

    def check(value: Any) -> Any:
        try:
            error = validators.exceptions.best_match(validator.iter_errors(value))
        except RecursionError:
            return "is nested too deeply to be checked"
        return value if error is None else _broken(error.absolute_path, error.message[:300])

    return check


def _model_check(model: Any) -> Callable[[Any], Any]:
    """:func:`follows` for a pydantic model, with its validators."""
    read = read_values(model)

    def check(value: Any) -> Any:
        try:
            return read(value)
        except Exception as error:  # validators are user code; one failure must not end the run
            if not hasattr(error, "errors"):
                return f"does not follow the schema: {type(error).__name__}: {error}"
            first = error.errors(include_url=False)[0]
            return _broken(first.get("loc", ()), first["msg"])

    return check


def _broken(path: Iterable[Any], message: str) -> str:
    """Why a value does not follow its schema, with the path to the part that does not."""
    place = "/".join(map(str, path))
    return f"does not follow the schema{f' at {place}' if place else ''}: {message}"
