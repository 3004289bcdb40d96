"""Names that a variable can have."""

from __future__ import annotations

import builtins
import keyword
import re


def python_name(text: str) -> str:
    """The name of a table, or another text, as one that a variable can have.

    >>> python_name("reviews-2"), python_name("2nd"), python_name("list")
    ('reviews_2', 'rows_2nd', 'rows_list')
    """
    name = text if text.isidentifier() else re.sub(r"\W+", "_", text).strip("_")
    if name.isidentifier() and not keyword.iskeyword(name) and not hasattr(builtins, name):
        return name
    return f"rows_{name}".rstrip("_")
