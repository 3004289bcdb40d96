"""Numbers that say what a table is worth, each with an interval and a source.

A metric gives a ``Score``. ``report`` computes all that can be computed from what is given, and
says what it left out; ``compare`` tells two scores apart, or says that it cannot.

- diversity: ``diversity`` and ``bleu`` of words, over ``ngrams``; ``spread`` of embeddings
- against real rows: ``distribution`` and ``embeddings``
- faithfulness: ``faithfulness``, by ``checks``; what is copied: ``memorisation``
- people and judges: ``agreement``, ``arena``, ``preference`` and ``pairing`` (tables of pairs),
  ``judges`` over ``calibration``; variants of a prompt: ``ranking``
- what is learned from a table: ``utility``, by ``learning`` and ``prediction``
- all at once: ``reporting`` makes ``scores``, by ``metrics`` of what is ``given``
- two tables side by side: ``comparing``
- for pictures and tables: ``projection``, ``contrast``, ``changes``

``METRICS.md`` beside this file lists each metric with the reference that it is held against.
"""

from synthkit.core.registry import public_names

__getattr__, __dir__, __all__ = public_names(__name__, __file__, decorator="metric")
