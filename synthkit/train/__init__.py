"""Trainers: models fine-tuned on a table."""

from synthkit.core.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__)
