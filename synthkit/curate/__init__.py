"""What to keep of a table, and why the rest was dropped.

A rule that drops rows is a ``Filter``, and ``apply_filters(table, *filters)`` applies it:

    apply_filters(reviews, length(least=5), no_refusals(), near_duplicates(threshold=0.9))

Other verbs add columns (scores, weights, better labels), by which rows are dropped or weighted.

- the funnel: ``filtering``; expressions: ``where``; filters by name and value: ``naming``
- single texts: ``heuristics``, ``languages``, ``repeats``, ``phrases``, ``sensitive``,
  ``contamination``, ``scored``
- duplicates: ``duplicates`` over ``shingles``, ``minhash`` and ``nearest``
- a choice of rows: ``selection``, ``sampling``, ``matching``
- label noise: ``noise`` over ``crossfit``, ``confident``, ``dynamics``, ``mixture``, ``difficulty``
  and ``influence``; weights: ``weighting`` over ``sungen``
- better labels: ``labels`` over ``annotators``; people or model: ``routing``
- marks: ``marks``, of pairs ``preferences``; the filter learned from them: ``learning`` and
  ``learned_filter`` over ``representation``, ``calibration``, ``proposals``, ``accuracy`` and
  ``explanation``
"""

from synthkit.core.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__)
