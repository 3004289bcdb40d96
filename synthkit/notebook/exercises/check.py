"""``%%synth check NAME``: whether an exercise is solved; if not, what is wrong and why."""

from __future__ import annotations

import ast
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from IPython.core.magic_arguments import argument
from IPython.display import display

from synthkit.core.errors import CheckFailed, UsageError
from synthkit.core.static_output import static_table
from synthkit.notebook.arguments import HELP, parse, parser, split

SUMMARY = "Check an exercise by the Python of the cell; its asserts say what is wrong and why."
ARGUMENTS = (
    argument("name", metavar="NAME", help="of the exercise: letters, digits, _ and -"),
    argument(
        "--points", type=float, default=1, metavar="N", help="its points; default: %(default)s"
    ),
)
TABLE = "%%synth check NAME is the check of an exercise; a table needs another name than check."
COLUMNS = ("student", "total", "failed", "remarks")
"""Columns of the table of points that no exercise can be named as."""
RESULT = "synthkit"
"""The name of a passed check in the metadata of its output."""


@dataclass(frozen=True, slots=True)
class Check:
    """The check of an exercise.

    Parameters
    ----------
    body : plain Python, normally ``assert CONDITION, "what is wrong and why"`` lines.
    """

    name: str
    points: float
    body: str

    @property
    def worth(self) -> str:
        """Its points in words."""
        return in_points(self.points)

    @property
    def result(self) -> dict[str, Any]:
        """What the metadata of its output has when it passes."""
        return {"check": self.name, "passed": True}

    def failure(self, variables: Mapping[str, Any]) -> str:
        """Why it does not pass, in a sentence; empty if it passes.

        It sees the variables, and binds none of them.
        """
        file = f"<check {self.name}>"
        try:
            exec(compile(self.body, file, "exec"), dict(variables))
        except AssertionError as error:
            return f"not yet: {str(error) or self._condition(error, file)}"
        except NameError as error:
            missing = repr(error.name) if error.name else str(error)
            return f"not yet: there is no {missing} here; run the cells above, or write it."
        except SyntaxError as error:
            return f"the check is not Python, line {error.lineno}: {error.msg}. {TABLE}"
        except Exception as error:  # of what the student has made, or of a wrong check
            line = self._line(error, file)
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            return f"the check could not run: {reason}, in: {line}"
        return ""

    def _condition(self, error: Exception, file: str) -> str:
        """The condition of an assert without a message."""
        at = self._at(error, file)
        for node in ast.walk(ast.parse(self.body)):
            if isinstance(node, ast.Assert) and node.lineno <= at <= (node.end_lineno or at):
                return f"{ast.unparse(node.test)} does not hold."
        return "an assert does not hold."

    def _line(self, error: Exception, file: str) -> str:
        at = self._at(error, file)
        return self.body.splitlines()[at - 1].strip() if at else "the check"

    def _at(self, error: Exception, file: str) -> int:
        """The line of the body that raised an error, counted from 1; 0 if none did."""
        frames = traceback.extract_tb(error.__traceback__)
        return next((f.lineno or 0 for f in reversed(frames) if f.filename == file), 0)


def in_points(points: float) -> str:
    """A number of points in words.

    >>> in_points(1), in_points(2.5)
    ('1 point', '2.5 points')
    """
    return f"{points:g} point{'' if points == 1 else 's'}"


def read_check(source: str) -> Check | None:
    """The check that a cell is; ``None`` for any other cell.

    Raises
    ------
    UsageError
        If its line cannot be read.

    Examples
    --------
    >>> read_check("%%synth check length --points 2\\nassert len(reviews) == 12")
    Check(name='length', points=2, body='assert len(reviews) == 12')
    >>> read_check("%%synth checked\\nSay.") is None
    True
    """
    line, _, body = source.partition("\n")
    words = line.split()
    if words[:2] != ["%%synth", "check"]:
        return None
    options = parse(parser("%%synth check", SUMMARY, ARGUMENTS), split(line)[2:], ARGUMENTS, TABLE)
    if not re.fullmatch(r"[\w-]+", options.name, re.ASCII) or options.name in COLUMNS:
        raise UsageError(
            f"an exercise is named by letters, digits, _ and -, and not as a column of the points "
            f"({', '.join(COLUMNS)}); got {options.name!r}."
        )
    if not 0 <= options.points < 1e6:
        raise UsageError(f"expected points from 0; got {options.points:g}.")
    points = int(options.points) if options.points == int(options.points) else options.points
    return Check(options.name, points, body)


def run_check(variables: Mapping[str, Any], line: str, cell: str | None) -> None:
    """Run the check of a cell; shows that it passed, which its output keeps.

    Raises
    ------
    CheckFailed
        If it does not pass.
    UsageError
        If the cell is empty, or its line cannot be read.
    """
    if HELP & set(split(line)):
        print(parser("%%synth check", SUMMARY, ARGUMENTS).format_help())
        return
    if not (cell or "").strip():
        raise UsageError("a check is a cell: %%synth check NAME, and its asserts below.")
    check = read_check(f"%%synth {line}\n{cell}")
    assert check is not None
    if why := check.failure(variables):
        raise CheckFailed(f"{check.name}: {why}") from None
    passed = static_table([], name=check.name, note=f"passed, {check.worth}")
    display(passed, metadata={RESULT: check.result})
