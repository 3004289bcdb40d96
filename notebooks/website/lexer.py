"""Colours for code cells: a ``%%synth`` cell holds a line of options and a template, or a check."""

from __future__ import annotations

from typing import Any, ClassVar

from ipython_pygments_lexers import IPython3Lexer
from pygments.lexer import bygroups, inherit, using
from pygments.lexers.templates import DjangoLexer
from pygments.token import Keyword, Operator, Text


class CellLexer(IPython3Lexer):
    """Python with magics, and the templates of ``%%synth`` cells."""

    tokens: ClassVar[dict[str, Any]] = {
        "root": [
            (
                r"(?s)(\s*)(%%)(synth)( check\b[^\n]*\n)(.*)",
                bygroups(Text, Operator, Keyword, Text, using(IPython3Lexer)),
            ),
            (
                r"(?s)(\s*)(%%)(synth)\b([^\n]*\n)(.*)",
                bygroups(Text, Operator, Keyword, Text, using(DjangoLexer)),
            ),
            inherit,
        ]
    }


def setup(app: Any) -> None:
    """Use it for all Python, since notebooks name either language."""
    for name in ("python", "ipython3"):
        app.add_lexer(name, CellLexer)
