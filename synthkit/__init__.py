"""The notebook workbench for LLM synthetic data.

``%load_ext synthkit`` gives the magics; the same in Python is ``synthkit.generate``. Names are
imported when they are first used, so that loading costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from synthkit import curate as curate
    from synthkit import evaluate as evaluate
    from synthkit import recipes as recipes
    from synthkit.making import make as make
    from synthkit.making import prepare as prepare
    from synthkit.models import load_model as load_model
    from synthkit.models.embed import load_embedder as load_embedder
    from synthkit.models.fake import Fake as Fake
    from synthkit.prompt import Examples as Examples
    from synthkit.samples import load_sample as load_sample
    from synthkit.synthesis import generate as generate
    from synthkit.synthesis import plan as plan
    from synthkit.types import Run as Run
    from synthkit.types import Sampling as Sampling
    from synthkit.workspace import Session as Session
    from synthkit.workspace import session as session

_HOMES = {
    "Examples": "prompt",
    "Fake": "models.fake",
    "Run": "types",
    "Sampling": "types",
    "Session": "workspace",
    "SynthkitError": "errors",
    "curate": "",
    "evaluate": "",
    "generate": "synthesis",
    "make": "making",
    "prepare": "making",
    "recipes": "",
    "load_embedder": "models.embed",
    "load_model": "models",
    "load_sample": "samples",
    "plan": "synthesis",
    "session": "workspace",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'synthkit' has no attribute {name!r}")
    home = _HOMES[name]
    value = importlib.import_module(f"synthkit.{home or name}")
    value = getattr(value, name) if home else value
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Give a notebook the ``%%synth`` magics: ``%load_ext synthkit``."""
    from synthkit.jupyter.magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take all of it away again: ``%unload_ext synthkit``."""
    from synthkit.jupyter.magics import unload

    unload(shell)
