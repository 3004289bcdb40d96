"""The notebook shell: magics, completion, displays and widgets over the public functions."""

from synthkit.core.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__)
