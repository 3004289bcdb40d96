"""Recipes: generation methods, each a generator that yields requests and receives completions.

A recipe sees no model, file, clock or network: the driver runs it, and keeps its answers.
``synthkit.recipes.<name>(...)`` prepares one, ``synthkit.make(recipe, model=...)`` runs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthkit.recipes.shape import Bounds as Bounds
    from synthkit.recipes.shape import Recipe as Recipe
    from synthkit.recipes.shape import asked as asked
    from synthkit.recipes.shape import custom as custom
    from synthkit.recipes.shape import each as each
    from synthkit.recipes.shape import together as together
    from synthkit.recipes.shape import user as user
    from synthkit.recipes.shape import whole as whole

RECIPES: dict[str, str] = {}
"""The recipes that ``%synth recipes`` lists: name -> the module it is in."""

_OTHERS = dict.fromkeys(
    ("Bounds", "Recipe", "asked", "custom", "each", "together", "user", "whole"), "shape"
)

__all__ = sorted([*RECIPES, *_OTHERS])


def __getattr__(name: str) -> Any:
    home = RECIPES.get(name) or _OTHERS.get(name)
    if home is None:
        raise AttributeError(f"module 'synthkit.recipes' has no attribute {name!r}")
    return getattr(importlib.import_module(f"synthkit.recipes.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
