"""The notebook workbench for LLM synthetic data.

``%load_ext synthkit`` gives the magics; the same in Python is ``synthkit.generate``. Names are
imported when they are first used, so that loading costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthkit.core.registry import public_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__getattr__, __dir__, __all__ = public_names(__name__, __file__)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Give a notebook the ``%%synth`` magics: ``%load_ext synthkit``."""
    from synthkit.notebook.magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take all of it away again: ``%unload_ext synthkit``."""
    from synthkit.notebook.magics import unload

    unload(shell)
