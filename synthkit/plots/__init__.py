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

from synthkit.core.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__, decorator="plot")
