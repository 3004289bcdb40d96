"""``%synth class grade`` and ``class exercises``: the exercises of a lesson, and their points."""

from __future__ import annotations

from typing import Any

from synthkit.core.static_output import StaticOutput
from synthkit.notebook.context import Context
from synthkit.notebook.exercises import class_grades, options, other_graders
from synthkit.notebook.exercises.grading import grade_table
from synthkit.notebook.verbs._base import argument, verb


@verb("class grade", *(argument(*names, **keywords) for names, keywords in options.GRADE))
def grade(context: Context, options: Any) -> StaticOutput:
    """Grade exercises: run each student's notebook, read its checks; binds grades."""
    grades = class_grades.grade_class(options)
    table = grade_table(grades)
    bound = context.bind({"grades": table})
    return class_grades.summary(table, grades, lesson=options.lesson, bound=bound)


@verb("class exercises", *(argument(*names, **keywords) for names, keywords in options.EXERCISES))
def exercises(context: Context, options: Any) -> StaticOutput:
    """List a lesson's exercises; write them for nbgrader and otter-grader."""
    return other_graders.list_exercises(options)
