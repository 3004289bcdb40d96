"""Curation: which rows of a table to keep, and for what reason the others are dropped.

A rule that drops rows is a ``Filter``, and ``apply_filters(table, *filters)`` applies it:

    apply_filters(reviews, length(least=5), no_refusals(), near_duplicates(threshold=0.9))

Other functions add columns (scores, weights, corrected labels), by which rows can be dropped or
weighted.

- ``filters/``: single rows and texts, and the registry of filters with a name
- ``duplicates/``: equal texts, nearly equal texts, texts of the same meaning
- ``selection/``: diverse subsets, samples, subsets that match real data, weights of rows
- ``label_noise/``: rows whose label looks wrong, by seven methods
- ``labels/``: better labels, by votes of models and people
- ``marks/``: filters learned from a person's marks
"""

from synthkit.core.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__, decorator="filter_option")
