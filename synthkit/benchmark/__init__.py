"""Benchmarks of a model through lm-eval, on task files or on rows of your own.

``benchmark`` measures a model on tasks, offline, and ``compare`` is the difference of two
benchmarks, such as before and after training. ``task`` makes a task of a table. Requests go through
a session, so each is answered once.
"""

from synthkit.core.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__)
