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

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthkit.evaluate.agreement import cohen as cohen
    from synthkit.evaluate.agreement import fleiss as fleiss
    from synthkit.evaluate.agreement import krippendorff as krippendorff
    from synthkit.evaluate.arena import Battle as Battle
    from synthkit.evaluate.arena import length_controlled as length_controlled
    from synthkit.evaluate.arena import order_consistency as order_consistency
    from synthkit.evaluate.arena import ratings as ratings
    from synthkit.evaluate.arena import settled as settled
    from synthkit.evaluate.arena import win_rate as win_rate
    from synthkit.evaluate.bleu import self_bleu as self_bleu
    from synthkit.evaluate.calibration import reliability as reliability
    from synthkit.evaluate.comparing import compare as compare
    from synthkit.evaluate.distribution import label_divergence as label_divergence
    from synthkit.evaluate.distribution import length_divergence as length_divergence
    from synthkit.evaluate.distribution import mauve as mauve
    from synthkit.evaluate.diversity import compression_ratio as compression_ratio
    from synthkit.evaluate.diversity import distinct_n as distinct_n
    from synthkit.evaluate.diversity import mtld as mtld
    from synthkit.evaluate.diversity import ngram_entropy as ngram_entropy
    from synthkit.evaluate.diversity import vocabulary as vocabulary
    from synthkit.evaluate.embeddings import frechet_distance as frechet_distance
    from synthkit.evaluate.embeddings import prdc as prdc
    from synthkit.evaluate.embeddings import two_sample as two_sample
    from synthkit.evaluate.faithfulness import Faithfulness as Faithfulness
    from synthkit.evaluate.faithfulness import entailment as entailment
    from synthkit.evaluate.faithfulness import grounded as grounded
    from synthkit.evaluate.faithfulness import judged as judged
    from synthkit.evaluate.faithfulness import label_accuracy as label_accuracy
    from synthkit.evaluate.faithfulness import pass_rate as pass_rate
    from synthkit.evaluate.judges import Calibration as Calibration
    from synthkit.evaluate.judges import calibrate as calibrate
    from synthkit.evaluate.learning import held_out as held_out
    from synthkit.evaluate.learning import light as light
    from synthkit.evaluate.memorisation import Memorised as Memorised
    from synthkit.evaluate.memorisation import memorised as memorised
    from synthkit.evaluate.pairing import Leaderboard as Leaderboard
    from synthkit.evaluate.pairing import leaderboard as leaderboard
    from synthkit.evaluate.pairing import pairs as pairs
    from synthkit.evaluate.preference import battles as battles
    from synthkit.evaluate.preference import left_wins as left_wins
    from synthkit.evaluate.preference import standings as standings
    from synthkit.evaluate.reporting import report as report
    from synthkit.evaluate.scores import Report as Report
    from synthkit.evaluate.spread import aps as aps
    from synthkit.evaluate.spread import chamfer as chamfer
    from synthkit.evaluate.spread import remote_clique as remote_clique
    from synthkit.evaluate.spread import vendi as vendi
    from synthkit.evaluate.utility import Gain as Gain
    from synthkit.evaluate.utility import Utility as Utility
    from synthkit.evaluate.utility import gain as gain
    from synthkit.evaluate.utility import learning_curve as learning_curve
    from synthkit.evaluate.utility import tstr as tstr

_MODULES = {
    "agreement": "cohen fleiss krippendorff",
    "arena": "Battle length_controlled order_consistency ratings settled win_rate",
    "bleu": "self_bleu",
    "calibration": "reliability",
    "comparing": "compare",
    "distribution": "label_divergence length_divergence mauve",
    "diversity": "compression_ratio distinct_n mtld ngram_entropy vocabulary",
    "embeddings": "frechet_distance prdc two_sample",
    "faithfulness": "Faithfulness entailment grounded judged label_accuracy pass_rate",
    "judges": "Calibration calibrate",
    "learning": "held_out light",
    "memorisation": "Memorised memorised",
    "pairing": "Leaderboard leaderboard pairs",
    "preference": "battles left_wins standings",
    "reporting": "report",
    "scores": "Report",
    "spread": "aps chamfer remote_clique vendi",
    "utility": "Gain Utility gain learning_curve tstr",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}
"""Public name -> the module it is in."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'synthkit.evaluate' has no attribute {name!r}")
    return getattr(importlib.import_module(f"synthkit.evaluate.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
