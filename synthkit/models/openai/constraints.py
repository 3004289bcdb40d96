"""Regular expressions that a server follows while it writes, where it can."""

from __future__ import annotations

import re
from typing import Any, Literal

PatternOption = Literal["", "structured_outputs", "regex"]
"""The parameter that takes a regular expression: that of vLLM, that of SGLang, or none."""

_ONLY_PYTHON = re.compile(
    r"\(\?(?!P<|:)|\(\?P=|\\[1-9bBAZ]|(?<!\\)[*+?}][+]|(?<!\\)\$(?!$)|(?<![\\\[])\^(?!$)"
)
"""What the automata of servers do not know: flags, assertions, references, possessive repeats."""


def constraint(pattern: str, option: PatternOption) -> dict[str, Any]:
    r"""The parameters that constrain an answer to a pattern; none if the server cannot.

    >>> constraint(r"^Q: (?P<question>.+)\nA: (?P<answer>.+)$", "regex")
    {'regex': 'Q: (.+)\\nA: (.+)'}
    >>> constraint(r"(?i)yes|no", "regex"), constraint("yes|no", "")
    ({}, {})
    """
    if not option or not pattern:
        return {}
    whole = pattern.removeprefix("^")
    if whole.endswith("$") and not whole.endswith("\\$"):
        whole = whole[:-1]
    if _ONLY_PYTHON.search(whole):
        return {}
    plain = re.sub(r"\(\?P<\w+>", "(", whole)
    return {"regex": plain} if option == "regex" else {"structured_outputs": {"regex": plain}}
