"""Optional packages: imported when a feature needs them, or an error with the pip command."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from contextlib import suppress
from types import ModuleType

from synthkit.core.errors import MissingExtra
from synthkit.core.garbage import collection_paused
from synthkit.core.interrupts import interrupts_held


def need(module: str, *, extra: str, why: str) -> ModuleType:
    """The imported module; an error that names the feature and the pip command if it is missing.

    Raises
    ------
    MissingExtra
        If ``module``, or a package it imports, is not installed.

    Examples
    --------
    >>> need("json", extra="local", why="to read a file").__name__
    'json'
    """
    try:
        # the collector takes a fifth of the time of a large import, and finds nothing
        with collection_paused(), interrupts_held():
            return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{module} is needed {why}, but {error}. "
            f'Install it with: pip install "jupyter-synthkit[{extra}]"'
        ) from error


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Package -> its version, for those that are installed.

    >>> list(versions(["pandas", "no-such-package"]))
    ['pandas']
    """
    from importlib import metadata

    found = {}
    for package in packages:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
