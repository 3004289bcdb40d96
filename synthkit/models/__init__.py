"""Models and embedders: ``load_model(spec)`` and ``load_embedder(spec)``, and their decorators."""

from synthkit.core.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__)
