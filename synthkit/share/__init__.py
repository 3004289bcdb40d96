"""Sharing: tables as text, as files of trainers and other programs, and their cards."""

from synthkit.core.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__)
