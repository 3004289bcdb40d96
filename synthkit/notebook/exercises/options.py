"""Options that a verb of the notebook and a console command share, as argparse takes them."""

from __future__ import annotations

from typing import Any

Options = tuple[tuple[tuple[str, ...], dict[str, Any]], ...]


def _repeated(name: str, metavar: str, help: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    shown = {"metavar": metavar, "help": f"{help}; may be repeated; default: none"}
    return (name,), {"action": "append", "default": [], **shown}


GRADE: Options = (
    (
        ("sources",),
        {
            "nargs": "+",
            "metavar": "NOTEBOOK",
            "help": "notebooks of students, folders of them, or patterns such as *.ipynb",
        },
    ),
    (
        ("--lesson",),
        {
            "metavar": "NOTEBOOK",
            "help": "the teacher's notebook, whose checks count; default: those of each student",
        },
    ),
    _repeated("--attach", "BUNDLE", "a bundle with what models answered, such as lesson.zip"),
    _repeated("--file", "FILE", "a file or folder to be put beside each notebook"),
    (
        ("--seconds",),
        {
            "type": float,
            "default": 60,
            "metavar": "N",
            "help": "longest time of a cell; default: %(default)s",
        },
    ),
    (
        ("--at-once",),
        {
            "type": int,
            "default": 2,
            "metavar": "N",
            "help": "notebooks that run at the same time; default: %(default)s",
        },
    ),
    (
        ("--save",),
        {
            "metavar": "FOLDER",
            "help": "write the notebooks there as they were run; default: not written",
        },
    ),
)
"""Of ``%synth class grade`` and ``synthkit grade``."""
EXERCISES: Options = (
    (("lesson",), {"metavar": "NOTEBOOK", "help": "the teacher's notebook"}),
    (
        ("--to",),
        {
            "metavar": "FILE",
            "help": "write the notebook there with metadata for nbgrader and otter-grader; "
            "default: not written",
        },
    ),
    (
        ("--tests",),
        {
            "metavar": "FOLDER",
            "help": "write the tests there, for otter generate; default: not written",
        },
    ),
)
"""Of ``%synth class exercises`` and ``synthkit exercises``."""
SERVE: Options = (
    (
        ("--students",),
        {
            "metavar": "NAMES",
            "help": "a,b,c, @variable, or a text file with a name on each line; default: none",
        },
    ),
    (
        ("--cap",),
        {
            "type": int,
            "default": 200,
            "metavar": "N",
            "help": "most requests of a student; default: %(default)s",
        },
    ),
    (
        ("--at-once",),
        {
            "type": int,
            "metavar": "N",
            "help": "requests under way at the same time; default: those of the model (64)",
        },
    ),
    (
        ("--tokens",),
        {
            "default": "tokens.csv",
            "metavar": "FILE",
            "help": "the table of tokens, for the teacher; default: %(default)s",
        },
    ),
    (
        ("--host",),
        {
            "default": "",
            "metavar": "ADDRESS",
            "help": "address to listen at; default: all of this machine",
        },
    ),
    (
        ("--port",),
        {"type": int, "metavar": "N", "help": "default: the first free one from 8000 to 8049"},
    ),
)
"""Of ``%synth class serve`` and ``synthkit serve``."""
