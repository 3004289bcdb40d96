"""Whether someone is watching: what moves is shown to people and not written into files."""

from __future__ import annotations

import os
import sys

from synthkit.core.errors import UsageError


def interactive() -> bool:
    """Whether someone is there to see a live output: a front-end that could answer ``input()``.

    JupyterLab, Notebook and VS Code say so in each request to run a cell (``allow_stdin``);
    nbclient, and so nbconvert, ``jupyter execute``, papermill and Voila, and nbval say the
    contrary. ``SYNTHKIT_LIVE=1`` or ``0`` overrules it.

    Raises
    ------
    UsageError
        If ``SYNTHKIT_LIVE`` is neither.
    """
    asked = os.environ.get("SYNTHKIT_LIVE", "")
    if asked not in {"", "0", "1"}:
        raise UsageError(f"SYNTHKIT_LIVE must be 0, 1 or unset; got {asked!r}.")
    if asked:
        return asked == "1"
    # a program that never imported IPython is not a notebook, and shall not import it for this
    ipython = sys.modules.get("IPython")
    kernel = getattr(ipython.get_ipython(), "kernel", None) if ipython else None
    if kernel is None:
        return False
    return bool(kernel.get_parent().get("content", {}).get("allow_stdin", False))
