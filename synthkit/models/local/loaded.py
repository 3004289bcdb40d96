"""Models whose weights are in memory: where it ends, those that are idle give theirs back."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress
from typing import Protocol
from weakref import WeakKeyDictionary


class Unloadable(Protocol):
    """A model that can give its weights back."""

    def unload(self) -> bool:
        """Whether it had weights in memory and was idle; they are gone then."""


_MODELS: WeakKeyDictionary[Unloadable, None] = WeakKeyDictionary()
"""The model that was used longest ago comes first."""


def used(model: Unloadable) -> None:
    """Note that a model has its weights in memory, and is used now."""
    _MODELS.pop(model, None)
    _MODELS[model] = None


def unload_one() -> bool:
    """Unload the idle model that was used longest ago; ``False`` if there is none."""
    for model in list(_MODELS):
        if model.unload():
            del _MODELS[model]
            give_back()
            return True
    return False


def give_back() -> None:
    """Give back what was freed, such as the weights of an ended training, which glibc keeps."""
    gc.collect()
    with suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
