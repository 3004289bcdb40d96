"""Recipes: generation methods, each a generator that yields requests and receives completions.

A recipe sees no model, file, clock or network: the runner runs it and stores its completions.
``synthkit.recipes.<name>(...)`` builds one, ``synthkit.generate(recipe, model=...)`` runs it.
"""

from synthkit.core.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__, decorator="recipe")
