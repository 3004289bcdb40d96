"""Figures, drawn by plotly: what is given, and nothing else, goes into them.

Each function makes a plotly figure of a table or of scores. The figure brings with it what it says
in one line, ``reading(figure)``, and the table it was drawn from, ``rows(figure)``: a bare figure
is blank where there is no script.

- scores of several runs: ``panels``; what is learned from tables: ``teaching``
- what filters kept: ``sieve``; labels against a target, and accept rates: ``shares``
- whether probabilities can be believed: ``calibration``; people and judges: ``judges``
- points in the plane: ``maps``; label noise: ``noise``; what labels cost: ``costs``
- ``theme`` is the look of all of them, ``readings`` their words
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthkit.plots.calibration import binned as binned
    from synthkit.plots.calibration import reliability as reliability
    from synthkit.plots.costs import cost_quality as cost_quality
    from synthkit.plots.judges import agreement as agreement
    from synthkit.plots.maps import cartography as cartography
    from synthkit.plots.maps import embedding_map as embedding_map
    from synthkit.plots.noise import confusion as confusion
    from synthkit.plots.noise import losses as losses
    from synthkit.plots.panels import scores as scores
    from synthkit.plots.shares import accept_rates as accept_rates
    from synthkit.plots.shares import balance as balance
    from synthkit.plots.sieve import funnel as funnel
    from synthkit.plots.teaching import learning_curve as learning_curve
    from synthkit.plots.teaching import tstr as tstr
    from synthkit.plots.theme import HUES as HUES
    from synthkit.plots.theme import SYMBOLS as SYMBOLS
    from synthkit.plots.theme import caption as caption
    from synthkit.plots.theme import reading as reading
    from synthkit.plots.theme import rows as rows
    from synthkit.plots.theme import size as size

_MODULES = {
    "calibration": "binned reliability",
    "costs": "cost_quality",
    "judges": "agreement",
    "maps": "cartography embedding_map",
    "noise": "confusion losses",
    "panels": "scores",
    "shares": "accept_rates balance",
    "sieve": "funnel",
    "teaching": "learning_curve tstr",
    "theme": "HUES SYMBOLS caption reading rows size",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}
"""Public name -> the module it is in."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'synthkit.plots' has no attribute {name!r}")
    return getattr(importlib.import_module(f"synthkit.plots.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
