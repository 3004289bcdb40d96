"""Plotly figures of scores, tables and marks.

Each function returns a plotly figure in the template ``synthkit``, with one module for each kind of
figure: ``_scores`` holds ``scores``. A figure carries a summary in a sentence or two,
``summary(figure)``, and the table it was drawn from, ``rows(figure)``, since a figure alone is
blank where no script runs. ``@plot`` registers a further kind for ``%synth plot``.

``theme`` holds the look of all figures, ``captions`` their texts, ``points`` checks and samples of
values.
"""

from synthkit.core.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__, decorator="plot")
