"""Metrics of tables, each a :class:`~synthkit.core.types.Score` with an interval and a source.

``report`` computes every registered metric whose needs are met, and says why it leaves others out.
``compare`` is the difference of two scores, with an interval. ``@metric`` registers a metric.

- ``metrics/``: diversity, distances to real rows, faithfulness, memorisation, and TSTR
- ``raters/``: agreement of people and judges, battles and ratings, the ranking of variants
- ``views/``: projections, group contrasts and word diffs, for pictures and tables
- ``checks``: tests of single rows
- ``inputs``, ``registry``, ``results``: what a report computes from, with and to

``METRICS.md`` in this folder compares each metric with a reference library or definition.
"""

from synthkit.core.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__, decorator="metric")
