"""Recipes: generation methods, each a generator that yields requests and receives completions.

A recipe sees no model, file, clock or network: the driver runs it, and keeps its answers.
``synthkit.recipes.<name>(...)`` prepares one, ``synthkit.make(recipe, model=...)`` runs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthkit.recipes.attributes import attrprompt as attrprompt
    from synthkit.recipes.chains import Field as Field
    from synthkit.recipes.chains import augment as augment
    from synthkit.recipes.chains import chain as chain
    from synthkit.recipes.coannotation import freeal as freeal
    from synthkit.recipes.comparison import pairwise as pairwise
    from synthkit.recipes.conversation import dialogue as dialogue
    from synthkit.recipes.conversation import magpie as magpie
    from synthkit.recipes.diversity import diverse as diverse
    from synthkit.recipes.evolution import evolve as evolve
    from synthkit.recipes.extrapolation import extrapolate as extrapolate
    from synthkit.recipes.feedback import progen as progen
    from synthkit.recipes.grounding import grounded as grounded
    from synthkit.recipes.grounding import rag as rag
    from synthkit.recipes.instructions import self_instruct as self_instruct
    from synthkit.recipes.judging import judge as judge
    from synthkit.recipes.labelled import zerogen as zerogen
    from synthkit.recipes.labelling import variants as variants
    from synthkit.recipes.listed import as_vary as as_vary
    from synthkit.recipes.listed import personas as personas
    from synthkit.recipes.listed import values as values
    from synthkit.recipes.quotas import balance as balance
    from synthkit.recipes.reasoning import explain as explain
    from synthkit.recipes.reasoning import vote as vote
    from synthkit.recipes.recovery import roundtrip as roundtrip
    from synthkit.recipes.revision import backtranslate as backtranslate
    from synthkit.recipes.revision import revise as revise
    from synthkit.recipes.scoring import ifd as ifd
    from synthkit.recipes.scoring import likelihood as likelihood
    from synthkit.recipes.scoring import perplexity as perplexity
    from synthkit.recipes.shape import Bounds as Bounds
    from synthkit.recipes.shape import Recipe as Recipe
    from synthkit.recipes.shape import asked as asked
    from synthkit.recipes.shape import custom as custom
    from synthkit.recipes.shape import each as each
    from synthkit.recipes.shape import together as together
    from synthkit.recipes.shape import user as user
    from synthkit.recipes.shape import whole as whole
    from synthkit.recipes.wording import keywords as keywords
    from synthkit.types import Reject as Reject

RECIPES: dict[str, str] = {
    "attrprompt": "attributes",
    "augment": "chains",
    "backtranslate": "revision",
    "balance": "quotas",
    "chain": "chains",
    "dialogue": "conversation",
    "diverse": "diversity",
    "evolve": "evolution",
    "explain": "reasoning",
    "extrapolate": "extrapolation",
    "freeal": "coannotation",
    "grounded": "grounding",
    "ifd": "scoring",
    "judge": "judging",
    "keywords": "wording",
    "likelihood": "scoring",
    "magpie": "conversation",
    "pairwise": "comparison",
    "perplexity": "scoring",
    "personas": "listed",
    "progen": "feedback",
    "rag": "grounding",
    "revise": "revision",
    "roundtrip": "recovery",
    "self_instruct": "instructions",
    "values": "listed",
    "variants": "labelling",
    "vote": "reasoning",
    "zerogen": "labelled",
}
"""The recipes that ``%synth recipes`` lists: name -> the module it is in."""

_OTHERS = dict.fromkeys(
    ("Bounds", "Recipe", "Reject", "asked", "custom", "each", "together", "user", "whole"), "shape"
) | {"Field": "chains", "as_vary": "listed"}

__all__ = sorted([*RECIPES, *_OTHERS])


def __getattr__(name: str) -> Any:
    home = RECIPES.get(name) or _OTHERS.get(name)
    if home is None:
        raise AttributeError(f"module 'synthkit.recipes' has no attribute {name!r}")
    return getattr(importlib.import_module(f"synthkit.recipes.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
