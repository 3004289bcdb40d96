"""``%synth class grade``: the exercises of a class, graded by running its notebooks."""

from __future__ import annotations

from typing import Any

from synthkit.core.static_output import StaticOutput
from synthkit.notebook.context import Context
from synthkit.notebook.exercises import class_grades, options
from synthkit.notebook.exercises.grading import grade_table
from synthkit.notebook.verbs._base import argument, verb


@verb("class grade", *(argument(*names, **keywords) for names, keywords in options.GRADE))
def grade(context: Context, options: Any) -> StaticOutput:
    """Grade exercises: run each student's notebook, read its checks; binds grades."""
    grades = class_grades.grade_class(options)
    table = grade_table(grades)
    bound = context.bind({"grades": table})
    return class_grades.summary(table, grades, lesson=options.lesson, bound=bound)
