"""Whether a person sees the output: live output is shown to people, not written into files."""

from __future__ import annotations

import os
import sys
import textwrap
import warnings
from typing import Any, TextIO

from synthkit.core.errors import UsageError


def interactive() -> bool:
    """Whether a person sees live output: whether the front end could answer ``input()``.

    JupyterLab, Notebook and VS Code set ``allow_stdin`` in each request to run a cell; nbclient
    (and with it nbconvert, ``jupyter execute``, papermill and Voila) and nbval do not.
    ``SYNTHKIT_LIVE=1`` or ``0`` overrides this.

    Raises
    ------
    UsageError
        If ``SYNTHKIT_LIVE`` has another value.
    """
    setting = os.environ.get("SYNTHKIT_LIVE", "")
    if setting not in {"", "0", "1"}:
        raise UsageError(f"SYNTHKIT_LIVE must be 0, 1 or unset; got {setting!r}.")
    if setting:
        return setting == "1"
    kernel = _kernel()
    if kernel is None:
        return False
    return bool(kernel.get_parent().get("content", {}).get("allow_stdin", False))


def notices() -> TextIO:
    """Where notices are written: a notebook shows standard error as an error."""
    return sys.stderr if _kernel() is None else sys.stdout


def bar_stream() -> Any:
    """Where a progress bar is written that goes at its end, a new one for each bar."""
    return notices() if _kernel() is None else _Line()


class _Line:
    """A line in a notebook that is shown in place of the one before, and leaves nothing behind.

    Of a bar that has gone from standard output, a notebook keeps a blank line.
    """

    encoding = "utf-8"

    def __init__(self) -> None:
        self._place: Any = None

    def write(self, text: str) -> int:
        """Show a line of tqdm's, which begins with ``\\r``; a blank one takes it away."""
        from IPython.display import display

        data = {"text/plain": text.strip()}
        if self._place:
            if text.startswith("\r"):
                self._place.update(data, raw=True)
        elif text.strip():
            self._place = display(data, raw=True, display_id=True)
        return len(text)


def notice(message: str) -> None:
    """Print a notice; in a notebook in short lines, since it breaks long ones within words."""
    if _kernel() is not None:
        message = textwrap.fill(message, 88, break_long_words=False, break_on_hyphens=False)
    print(message, file=notices())


def watched() -> bool:
    """Whether a person sees what is written to :func:`notices`, so that progress is worth it."""
    return notices().isatty() or interactive()


def warn(message: str, category: type[Warning] = RuntimeWarning, *, stacklevel: int = 1) -> None:
    """Warn the user: in a notebook as plain text, since it shows warnings as errors."""
    if _kernel() is None:
        warnings.warn(message, category, stacklevel + 1)
    else:
        notice(f"Note: {message}")


def _kernel() -> Any:
    """The kernel of this notebook; ``None`` in any other program."""
    # a program that has not imported IPython is not a notebook; importing it would be slow
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython(), "kernel", None) if ipython else None
