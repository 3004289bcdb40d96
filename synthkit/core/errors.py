"""Every error synthkit raises.

    SynthkitError
    ├── UsageError(ValueError)            an option, a name or a value that is not valid
    │   ├── PromptError                   a template that cannot be rendered
    │   └── TableError                    a table that lacks what a function needs
    ├── MissingExtra(ImportError)         a feature whose packages are not installed
    ├── RecipeError(RuntimeError)         a recipe whose own code failed
    ├── CheckFailed(AssertionError)       an exercise that is not solved yet
    ├── StoreError(OSError)               a session folder that cannot be read or written
    │   └── StoreLocked                   another program keeps the store locked
    │       └── StoreUnreachable          the server of a shared store does not answer
    └── ModelError(RuntimeError)          a model that cannot answer
        ├── ModelNotFound(LookupError)    no model of that name here
        ├── ChatTemplateMissing           a base model that is asked to chat
        ├── NotEnoughMemory(MemoryError)  weights larger than the free memory
        ├── ReplayMiss(LookupError)       a replayed session that lacks a completion
        ├── EndpointError(ConnectionError)  a server that refused or did not answer
        └── ClusterError(ConnectionError)   a Ray cluster that cannot be used, or has ended

Each message says what was expected, what was given, and what to do. Ctrl-C raises
:class:`Interrupted`, which is a ``KeyboardInterrupt``.
"""

from __future__ import annotations

import difflib
import math
import textwrap
from collections.abc import Collection, Iterable
from numbers import Integral, Real
from typing import Any


class SynthkitError(Exception):
    """Root of every synthkit error.

    ``run`` is the :class:`~synthkit.data.results.Run` with the rows made before the error, if the
    error ended a run; otherwise ``None``.
    """

    run: Any = None

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows instead of a traceback: the message is enough."""
        return _wrapped(f"{type(self).__name__}: {self}")


class UsageError(SynthkitError, ValueError):
    """An option, a name or a value that is not valid.

    Nothing was asked or changed. The message has what was expected and what was given; for a name,
    also the names that there are and the closest one. Correct it and run the line again.
    """


class PromptError(UsageError):
    """A template that cannot be rendered.

    Nothing was asked. Each ``{{ field }}`` must be a column of ``--from`` or a field of ``--vary``;
    a column whose name is not a plain word is ``{{ row["my column"] }}``. ``--dry-run`` shows the
    prompts without asking.
    """


class TableError(UsageError):
    """A table that lacks what a function needs.

    The message names the column that was expected and those that there are. Name another one
    (``--column``, or the argument ``column``), or add it to the table. A table without ``id`` has
    no provenance: take one that a cell, ``%synth show`` or a session made.
    """


class MissingExtra(SynthkitError, ImportError):
    """A feature whose packages are not installed.

    Run the command of the message in the environment of the kernel (``%pip install ...`` in a
    cell does that), then restart the kernel. Everything that was asked so far is kept.
    """


class RecipeError(SynthkitError, RuntimeError):
    """A recipe whose own code failed.

    ``run`` has the rows made before, and their completions are kept. Correct the recipe and run it
    again: only what is missing is asked.
    """


class CheckFailed(SynthkitError, AssertionError):
    """An exercise that is not solved yet; the message says what is wrong.

    Change your answer, then run its cell and the check again, as often as you like.
    """

    def _render_traceback_(self) -> list[str]:
        return _wrapped(str(self))


class StoreError(SynthkitError, OSError):
    """A session folder that cannot be read or written.

    Check that the disk has room, that the folder may be written, and that no newer synthkit wrote
    it. ``%synth session FOLDER`` works in another folder; a damaged one is left as it is.
    """


class StoreLocked(StoreError):
    """Another program keeps the store locked; nothing was changed.

    Close what has the session open (a database browser, a backup, a program that syncs folders),
    then run the cell again. Several kernels with one session do not lock each other out.
    """


class StoreUnreachable(StoreLocked):
    """The server of a shared store does not answer.

    What was committed is kept there. A run waits for the server, with the answers that arrive
    meanwhile in a file of the session folder. Start the server or mend the network, then run the
    cell again: only what is missing is asked.
    """


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or the kernel's interrupt during a run, raised once what is done has been kept.

    ``run`` is the :class:`~synthkit.data.results.Run` with the rows made so far; ``model`` that of
    a training's last checkpoint. Run the same cell again to go on from there.
    """

    run: Any = None
    model: Any = None

    def _render_traceback_(self) -> list[str]:
        return _wrapped(str(self))


class ModelError(SynthkitError, RuntimeError):
    """A model that cannot answer.

    ``run`` has the rows made before. The message has the model's own reason: correct what it names,
    or choose another model (``%synth models``), and run the cell again; only what is missing is
    asked.
    """


class ModelNotFound(ModelError, LookupError):
    """No model of that name on this machine.

    ``%synth models`` lists the names. A model of the Hub is ``hf:owner/name``, a server's is
    ``openai:NAME``. Without a network, download it beforehand: ``synthkit pull NAME``.
    """


class ChatTemplateMissing(ModelError):
    """A base model that is asked to chat.

    Take the instruct version of the model, or load it with ``raw=True``: it then continues the text
    of the prompt.
    """


class NotEnoughMemory(ModelError, MemoryError):
    """Weights larger than the free memory.

    Close other kernels, take a smaller model (``%synth models`` recommends one), or load it with
    fewer bits: ``quantize="nf4"``.
    """


class ReplayMiss(ModelError, LookupError):
    """A replayed session that lacks a completion.

    The message names the field in which the request differs from the nearest one that was recorded.
    Undo that change, or ask the model itself with ``--model``.
    """


class EndpointError(ModelError, ConnectionError):
    """A server that refused, with its message; ``status`` is ``None`` if it did not answer.

    401 and 403: the key is missing or wrong; give the name of its environment variable with
    ``api_key_env``. 404: the address or the model's name. 429: the rate; the requests were tried
    again before this. No status: nothing answers at that address. Finished rows are kept.
    """

    status: int | None = None


class ClusterError(ModelError, ConnectionError):
    """A Ray cluster that cannot be started, joined or reached any more.

    The message has Ray's reason. Finished rows are kept: run the cell again once a cluster answers,
    or leave the address out to start one on this machine.
    """


def _wrapped(text: str) -> list[str]:
    """Lines of at most 88 characters: JupyterLab breaks longer ones within words."""
    return [
        part
        for line in text.split("\n")
        for part in textwrap.wrap(line, 88, break_long_words=False, break_on_hyphens=False) or [""]
    ]


def cause(error: BaseException) -> str:
    """Why a file cannot be read or written, without the number and the path of the error.

    >>> cause(FileNotFoundError(2, "No such file or directory", "a.csv")), cause(ValueError("odd"))
    ('No such file or directory', 'odd')
    """
    return getattr(error, "strerror", None) or str(error)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that is not among the known ones, with the closest one as a hint.

    >>> unknown("column", "txt", ["id", "text"])
    "column 'txt' not found; have 'id', 'text'. Did you mean 'text'?"
    """
    names = [str(each) for each in known]
    have = ", ".join(repr(each) for each in names) if names else "none"
    return f"{kind} {name!r} not found; have {have}.{did_you_mean(name, names)}"


def check_known(
    kind: str,
    names: str | Iterable[str],
    known: Collection[str],
    *,
    place: str = "",
    error: type[SynthkitError] = UsageError,
) -> None:
    """Raise an error for the first name that is not among the known ones.

    >>> check_known("keep", "lats", ("all", "last"))
    Traceback (most recent call last):
    synthkit.core.errors.UsageError: keep 'lats' not found; have 'all', 'last'. Did you mean 'last'?
    """
    for name in [names] if isinstance(names, str) else names:
        if name not in known:
            raise error(place + unknown(kind, str(name), known))


def check_positive(**counts: Any) -> None:
    """Raise a :class:`UsageError` for a count below 1; ``None`` is the default of an option."""
    check_numbers(**counts)
    for name, value in counts.items():
        if value is not None and not isinstance(value, Integral):
            raise UsageError(f"{name} must be a whole number; got {value!r}.")
        if value is not None and value < 1:
            raise UsageError(f"{name} must be at least 1; got {value}.")


def check_numbers(**values: Any) -> None:
    """Raise a :class:`UsageError` for a value that is not a finite number; ``None`` is a default.

    >>> check_numbers(steps=3, rate="fast")
    Traceback (most recent call last):
    synthkit.core.errors.UsageError: rate must be a number; got 'fast'.
    """
    for name, value in values.items():
        if value is None or (isinstance(value, Real) and math.isfinite(value)):
            continue
        raise UsageError(f"{name} must be a number; got {value!r}.")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the known name closest to ``name``, to append to a message; empty if none is.

    >>> did_you_mean("txt", ["id", "text"])
    " Did you mean 'text'?"
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
