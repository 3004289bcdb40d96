"""Tools that a model may call: their declarations, and calls of them as cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Reject
from synthkit.prompts.parsing import (
    HALF,
    TRUNCATED,
    Cells,
    Decoder,
    escaped,
    follows,
    is_encodable,
    json_schema,
)


def tool_calls(
    decoder: Decoder, tools: Sequence[Mapping[str, Any]]
) -> Callable[[Completion], Cells | Reject]:
    """A decoder that adds the column ``tool_calls`` to those of another.

    It holds a list of ``{"name": ..., "arguments": {...}}``, empty if the model called no tool. A
    completion that calls a tool may have no text. A call of a tool that is not declared, or with
    arguments that do not follow their declaration, is rejected.
    """
    declared = {tool["function"]["name"]: tool["function"] for tool in tools}
    checks = {
        name: follows(function["parameters"])
        for name, function in declared.items()
        if function.get("parameters")
    }

    def decode(completion: Completion) -> Cells | Reject:
        calls = completion.tool_calls
        if not calls or completion.finish in ("error", "content_filter"):
            outcome = decoder(completion)
            return outcome if isinstance(outcome, Reject) else outcome | {"tool_calls": []}
        for call in calls:
            wrong = None
            if call.name not in declared:
                wrong = f"calls {call.name!r}, which is none of the tools {', '.join(declared)}"
            elif isinstance(call.arguments, str):
                wrong = f"calls {call.name} with arguments that are no JSON object"
            elif not is_encodable(call.arguments):
                wrong = f"calls {call.name} with an argument that {HALF}"
            elif call.name in checks and isinstance(checks[call.name](call.arguments), str):
                wrong = f"calls {call.name}, whose call {checks[call.name](call.arguments)}"
            if wrong:
                return Reject(escaped(f"{call.name}({call.arguments})"), escaped(wrong))
        if completion.truncated:
            return Reject(escaped(str(calls)), TRUNCATED)
        if not is_encodable(completion.text):
            return Reject(escaped(completion.text), HALF)
        cells = dict.fromkeys(decoder.columns) | {decoder.columns[0]: completion.text.strip()}
        listed = [{"name": call.name, "arguments": call.arguments} for call in calls]
        return cells | {"tool_calls": listed}

    return decode


def declared_tools(tools: Any) -> tuple[Mapping[str, Any], ...]:
    """Declarations of tools in the form that servers take.

    Each is ``{"type": "function", "function": {"name": ..., "parameters": JSON Schema}}``, or the
    inner part alone.

    Raises
    ------
    UsageError
        If one has no name, two have the same, or the parameters are no valid JSON Schema.
    """
    if isinstance(tools, Mapping) or not isinstance(tools, Sequence):
        raise UsageError(f"tools must be a list of declarations; got {type(tools).__name__}.")
    declared: list[dict[str, Any]] = []
    for tool in tools:
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise UsageError(
                'a tool is declared as {"name": ..., "description": ..., "parameters": JSON '
                f"Schema}}; got {str(tool)[:80]!r}."
            )
        if function.get("parameters"):
            json_schema(function["parameters"])
        declared.append({"type": "function", "function": dict(function)})
    names = [tool["function"]["name"] for tool in declared]
    if len(set(names)) < len(names):
        raise UsageError(f"two tools have the same name; got {', '.join(names)}.")
    return tuple(declared)
