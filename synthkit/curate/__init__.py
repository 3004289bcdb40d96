"""What to keep of a table, and why the rest was dropped.

A rule that drops rows is a ``Filter``, and ``sift(table, *filters)`` applies it:

    sift(reviews, length(least=5), no_refusals(), near_duplicates(threshold=0.9))

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

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthkit.curate.annotators import Consensus as Consensus
    from synthkit.curate.annotators import dawid_skene as dawid_skene
    from synthkit.curate.annotators import from_marks as from_marks
    from synthkit.curate.annotators import judgements as judgements
    from synthkit.curate.confident import confident_joint as confident_joint
    from synthkit.curate.confident import label_issues as label_issues
    from synthkit.curate.confident import label_quality as label_quality
    from synthkit.curate.contamination import no_contamination as no_contamination
    from synthkit.curate.crossfit import cross_fitted as cross_fitted
    from synthkit.curate.difficulty import by_pvi as by_pvi
    from synthkit.curate.difficulty import pvi as pvi
    from synthkit.curate.duplicates import check_duplicates as check_duplicates
    from synthkit.curate.duplicates import clusters as clusters
    from synthkit.curate.duplicates import exact_duplicates as exact_duplicates
    from synthkit.curate.duplicates import near_duplicates as near_duplicates
    from synthkit.curate.duplicates import semantic_duplicates as semantic_duplicates
    from synthkit.curate.filtering import Filter as Filter
    from synthkit.curate.filtering import by_column as by_column
    from synthkit.curate.filtering import each as each
    from synthkit.curate.filtering import each_text as each_text
    from synthkit.curate.filtering import function as function
    from synthkit.curate.filtering import sift as sift
    from synthkit.curate.heuristics import length as length
    from synthkit.curate.heuristics import regex as regex
    from synthkit.curate.heuristics import rows_where as rows_where
    from synthkit.curate.heuristics import schema as schema
    from synthkit.curate.heuristics import stopwords as stopwords
    from synthkit.curate.heuristics import symbols as symbols
    from synthkit.curate.labels import relabel as relabel
    from synthkit.curate.labels import vote as vote
    from synthkit.curate.languages import identify_languages as identify_languages
    from synthkit.curate.languages import language as language
    from synthkit.curate.learned_filter import LearnedFilter as LearnedFilter
    from synthkit.curate.learned_filter import learned as learned
    from synthkit.curate.learning import learn as learn
    from synthkit.curate.matching import density_match as density_match
    from synthkit.curate.matching import dsir as dsir
    from synthkit.curate.mixture import small_loss as small_loss
    from synthkit.curate.naming import named as named
    from synthkit.curate.noise import no_label_noise as no_label_noise
    from synthkit.curate.noise import suspects as suspects
    from synthkit.curate.noise import suspicion as suspicion
    from synthkit.curate.phrases import no_leakage as no_leakage
    from synthkit.curate.phrases import no_refusals as no_refusals
    from synthkit.curate.preferences import preferred as preferred
    from synthkit.curate.repeats import repetition as repetition
    from synthkit.curate.representation import represent as represent
    from synthkit.curate.routing import cost_quality as cost_quality
    from synthkit.curate.routing import route as route
    from synthkit.curate.sampling import balanced as balanced
    from synthkit.curate.sampling import sample_by_score as sample_by_score
    from synthkit.curate.scored import perplexity as perplexity
    from synthkit.curate.scored import toxicity as toxicity
    from synthkit.curate.selection import deita as deita
    from synthkit.curate.selection import facility_location as facility_location
    from synthkit.curate.selection import k_center as k_center
    from synthkit.curate.sensitive import find_pii as find_pii
    from synthkit.curate.sensitive import find_secrets as find_secrets
    from synthkit.curate.sensitive import no_pii as no_pii
    from synthkit.curate.sensitive import no_secrets as no_secrets
    from synthkit.curate.sensitive import redact as redact
    from synthkit.curate.weighting import weights as weights

_HOMES: dict[str, str] = (
    dict.fromkeys(("Filter", "by_column", "each", "each_text", "function", "sift"), "filtering")
    | dict.fromkeys(
        (
            "check_duplicates",
            "clusters",
            "exact_duplicates",
            "near_duplicates",
            "semantic_duplicates",
        ),
        "duplicates",
    )
    | dict.fromkeys(("Consensus", "dawid_skene", "from_marks", "judgements"), "annotators")
    | dict.fromkeys(("relabel", "vote"), "labels")
    | dict.fromkeys(("LearnedFilter", "learned"), "learned_filter")
    | {"learn": "learning", "represent": "representation", "preferred": "preferences"}
    | dict.fromkeys(("balanced", "sample_by_score"), "sampling")
    | dict.fromkeys(("deita", "facility_location", "k_center"), "selection")
    | dict.fromkeys(("density_match", "dsir"), "matching")
    | dict.fromkeys(("cost_quality", "route"), "routing")
    | dict.fromkeys(("confident_joint", "label_issues", "label_quality"), "confident")
    | dict.fromkeys(("cross_fitted",), "crossfit")
    | dict.fromkeys(("by_pvi", "pvi"), "difficulty")
    | dict.fromkeys(("small_loss",), "mixture")
    | dict.fromkeys(("no_label_noise", "suspects", "suspicion"), "noise")
    | dict.fromkeys(("weights",), "weighting")
    | dict.fromkeys(("no_contamination",), "contamination")
    | dict.fromkeys(
        ("length", "regex", "rows_where", "schema", "stopwords", "symbols"), "heuristics"
    )
    | dict.fromkeys(("identify_languages", "language"), "languages")
    | dict.fromkeys(("named",), "naming")
    | dict.fromkeys(("no_leakage", "no_refusals"), "phrases")
    | dict.fromkeys(("repetition",), "repeats")
    | dict.fromkeys(("perplexity", "toxicity"), "scored")
    | dict.fromkeys(("find_pii", "find_secrets", "no_pii", "no_secrets", "redact"), "sensitive")
)
"""Public name -> the module it is in."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'synthkit.curate' has no attribute {name!r}")
    return getattr(importlib.import_module(f"synthkit.curate.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
