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
            "default": 60.0,
            "metavar": "N",
            "help": "longest time of a cell; default: 60",
        },
    ),
    (
        ("--at-once",),
        {
            "type": int,
            "default": 2,
            "metavar": "N",
            "help": "notebooks that run at the same time; default: 2",
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
