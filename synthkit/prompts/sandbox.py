"""Jinja's sandbox with limits, so that no template can fill the memory."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import jinja2
import jinja2.sandbox
from jinja2.filters import do_format
from jinja2.runtime import new_context

MAX_CHARACTERS = 10_000_000
"""Most characters of a rendered template, and of a text that one expression makes."""
_TOO_LARGE = f"it makes more than {MAX_CHARACTERS:,} characters"

_WIDTH = re.compile(r"(?:%[^a-zA-Z%]*|\{[^}]*)\d{7}")
"""A width or precision of ten million or more in a format, of either kind."""


class Sandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """An environment whose products, powers, widths and counts have limits."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.filters["format"] = _formatted

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """The result of an operator, unless it is too large."""
        if operator == "*":
            for value, times in ((left, right), (right, left)):
                if hasattr(value, "__len__") and isinstance(times, int):
                    refuse_large([len(value) * times])
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            refuse_large([left.bit_length() * right])
        elif operator == "%" and isinstance(left, str):
            _refuse_wide(left)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, obj: Any, /, *arguments: Any, **options: Any) -> Any:
        """The result of a call, unless it is of a text's method with too large a number."""
        text = getattr(obj, "__self__", None)
        if isinstance(text, str):
            refuse_large([*arguments, *options.values()])
        return super().call(context, obj, *arguments, **options)

    def wrap_str_format(self, value: Any) -> Any:
        """A safe ``str.format``, unless the format has too large a width."""
        wrapped = super().wrap_str_format(value)
        if wrapped is not None:
            _refuse_wide(value.__self__)
        return wrapped


def refuse_large(values: Iterable[Any]) -> None:
    """Refuse widths, counts and lengths that make a text too long for any model.

    Raises
    ------
    jinja2.TemplateError
        If one is a whole number above :data:`MAX_CHARACTERS`.
    """
    if any(isinstance(value, int) and value > MAX_CHARACTERS for value in values):
        raise jinja2.TemplateError(_TOO_LARGE)


def _formatted(pattern: str, *arguments: Any, **options: Any) -> str:
    """Jinja's filter ``format``, unless the format has too large a width."""
    _refuse_wide(str(pattern))
    return do_format(pattern, *arguments, **options)


def _refuse_wide(pattern: str) -> None:
    if _WIDTH.search(pattern):
        raise jinja2.TemplateError(f"the format {pattern[:40]!r} has too large a width")


def rendered(template: jinja2.Template, values: dict[str, Any]) -> str:
    """The text of a template.

    Raises
    ------
    jinja2.TemplateError
        If it is too long.
    """
    environment = template.environment
    # as template.new_context, which copies the globals through a ChainMap each time
    named = {**environment.globals, **values}
    context = new_context(environment, template.name, template.blocks, named, shared=True)
    parts: list[str] = []
    left = MAX_CHARACTERS
    for part in template.root_render_func(context):
        left -= len(part)
        if left < 0:
            raise jinja2.TemplateError(_TOO_LARGE)
        parts.append(part)
    return "".join(parts)
