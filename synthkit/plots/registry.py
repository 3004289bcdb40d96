"""The registry of plots, which ``%synth plot`` lists and draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from synthkit.core.registry import Registry

Function = TypeVar("Function", bound=Callable[..., Any])

PLOTS: Registry[Callable[..., Any]] = Registry("plot", decorator="plot", package="synthkit.plots")
"""Every plot by its name: those of synthkit, of installed packages and of the notebook."""


def plot(name: str) -> Callable[[Function], Function]:
    """Register a plot: a decorator of a function that draws a plotly figure of a table.

    ``%synth plot NAME TABLE`` calls it with the table. A further parameter gets the option of its
    name (``label``, ``by``, ``metric``, ``seed``, ...; see ``%synth plot --help``); one without a
    default needs that option.

    Examples
    --------
    >>> @plot("lengths")
    ... def lengths(table, label):
    ...     return ...
    >>> "lengths" in PLOTS
    True
    >>> PLOTS.remove("lengths")
    """

    def register(function: Function) -> Function:
        PLOTS.add(name, function, function)
        return function

    return register
