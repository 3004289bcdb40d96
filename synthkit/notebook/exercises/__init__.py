"""Exercises of a lesson: their checks, their grading, and their metadata for other graders."""
