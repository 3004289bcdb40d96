"""The filter that learns from marks: what a person accepts, from the rows that they marked.

found = learn(texts, {3: True, 8: False, ...}, embed=load_embedder("wordllama").embed)
found.propose(10)       # the rows to mark next
print(found.report)     # precision and recall on this table, and what more marks would give
found.explain(17)       # the marked rows most like it, and the words that moved it
apply_filters(table, learned(found, embed=embed))
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from synthkit.core.errors import UsageError
from synthkit.curate.filters.base import MISSING, Filter
from synthkit.curate.filters.base import texts as texts_of
from synthkit.curate.filters.registry import filter_option
from synthkit.curate.marks import active_learning
from synthkit.curate.marks.classifier import Classifier, sigmoid
from synthkit.curate.marks.explanation import Explanation, moved, nearest
from synthkit.curate.marks.features import SURFACE, Scale, represent
from synthkit.curate.marks.precision_recall import Estimate, Report
from synthkit.stats.classifier import Embed, Floats

VERSION = 1
"""Of what ``to_dict`` writes."""
_SEEN = len(SURFACE)


@dataclass(frozen=True, eq=False)
class Table:
    """The table that a filter was learned on."""

    texts: Sequence[str]
    rows: Floats
    """(n, d + 6), represented and scaled."""
    order: Sequence[int]
    """Random, of the rows that can be marked."""


@dataclass(frozen=True, eq=False)
class LearnedFilter:
    """What was learned from marks. It does not change: after another mark, :func:`learn` anew.

    Parameters
    ----------
    scores : (n,) P(accept) of each row of the table; that of a marked row is as if it had not been
        marked. All are one, the share of accepted marks, while there is nothing to learn from.
    report : precision and recall on this table, and what is missing.
    verdicts, marked : position -> accepted?, and the texts of those rows, in this order.
    classifier, scale : ``None`` while there are not two marks of each verdict.
    fingerprint : the embedder's, if it has one.
    seed : of the order in which rows are drawn at random.
    table : that it was learned on; ``None`` if it was read by :meth:`from_dict`.
    """

    scores: Floats
    report: Report
    verdicts: Mapping[int, bool]
    marked: tuple[str, ...]
    classifier: Classifier | None
    scale: Scale | None
    fingerprint: str
    seed: int
    embed: Embed = field(repr=False)
    table: Table | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"LearnedFilter({self.report})"

    @property
    def threshold(self) -> float:
        """P(accept) from which on a row is kept."""
        return self.report.threshold

    def propose(self, n: int) -> list[int]:
        """``n`` unmarked rows to mark next, or all that are left; the first is the most useful.

        One in three is drawn at random, so that the report is true of the table; before 20 marks,
        and while nothing is learned, all are. The others are those nearest the threshold that are
        like many rows of the table, and unlike each other. The same marks and seed give the same.

        Raises
        ------
        UsageError
            If the filter was read by :meth:`from_dict`, and has no table.
        """
        table = self._table("propose rows")
        return active_learning.proposed(
            n,
            table.order,
            self.verdicts.keys(),
            logits=None if self.classifier is None else self.classifier.logits(table.rows),
            boundary=_logit(self.threshold),
            vectors=table.rows[:, :-_SEEN],
        )

    def score(self, texts: Sequence[str]) -> Floats:
        """(n,) P(accept) of texts of any table, such as the next generation's.

        Raises
        ------
        UsageError
            If a text is missing, or has a vector of another length than those learned from.
        """
        return sigmoid(self._logits(texts)) if len(texts) else np.zeros(0)

    def explain(self, row: int | str, k: int = 3) -> Explanation:
        """Why a row, or any text, has its score: the ``k`` nearest marked rows and ``k`` words.

        The words' changes are those of the log-odds when all occurrences of the word are left out;
        see :func:`synthkit.curate.marks.explanation.moved`. A marked row is not its own neighbour.

        Raises
        ------
        UsageError
            If the table has no such row, or the filter was read by :meth:`from_dict` and ``row`` is
            no text.
        """
        if isinstance(row, str):
            text, score, but = row, float(self.score([row])[0]), None
        else:
            table = self._table("explain a row by its position; give its text")
            within(row, len(table.texts))
            text, score, but = table.texts[row], float(self.scores[row]), row
        vector = represent([text], embed=self.embed)[0, :-_SEEN]
        return Explanation(
            score,
            nearest(
                vector,
                self._marked_vectors,
                list(self.verdicts),
                self.marked,
                list(self.verdicts.values()),
                k,
                but=but,
            ),
            moved(text, self._logits, k),
        )

    def to_dict(self) -> dict[str, Any]:
        """All but the table as plain JSON: a filter to keep, and to use on other tables."""
        return {
            "version": VERSION,
            "classifier": None if self.classifier is None else _plain(self.classifier),
            "scale": None if self.scale is None else _plain(self.scale),
            "marked": [
                {"position": at, "text": text, "accepted": accepted}
                for (at, accepted), text in zip(self.verdicts.items(), self.marked, strict=True)
            ],
            "report": asdict(self.report) | {"more": [[w, n] for w, n in self.report.more.items()]},
            "embedder": self.fingerprint,
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, held: Mapping[str, Any], *, embed: Embed) -> LearnedFilter:
        """The filter that :meth:`to_dict` wrote, without its table: it scores and explains texts.

        Raises
        ------
        UsageError
            If it is of another version, or was learned with another embedder.
        """
        if held.get("version") != VERSION:
            raise UsageError(
                f"expected a learned filter of version {VERSION}; got {held.get('version')!r}."
            )
        name = fingerprint(embed)
        if name and held["embedder"] and name != held["embedder"]:
            raise UsageError(
                f"the filter was learned with the embedder {held['embedder']!r}; got {name!r}."
            )
        report = held["report"]
        estimates = {of: Estimate(**report[of]) for of in ("precision", "recall")}
        more = {float(width): int(n) for width, n in report["more"]}
        model, scale = held["classifier"], held["scale"]
        return cls(
            scores=np.zeros(0),
            report=Report(**{**report, **estimates, "more": more}),
            verdicts={one["position"]: one["accepted"] for one in held["marked"]},
            marked=tuple(one["text"] for one in held["marked"]),
            classifier=model
            and Classifier(**model | {"coefficients": _row(model, "coefficients")}),
            scale=scale and Scale(_row(scale, "mean"), _row(scale, "spread")),
            fingerprint=held["embedder"],
            seed=held["seed"],
            embed=embed,
        )

    @cached_property
    def _marked_vectors(self) -> Floats:
        if self.table is not None:
            return self.table.rows[list(self.verdicts), :-_SEEN]
        if not self.marked:
            return np.zeros((0, 1))
        return represent(self.marked, embed=self.embed)[:, :-_SEEN]

    def _logits(self, texts: Sequence[str]) -> Floats:
        rows = represent(texts, embed=self.embed)
        if self.classifier is None or self.scale is None:
            return np.full(len(rows), _logit(share(self.verdicts)))
        width = len(self.classifier.coefficients)
        if rows.shape[1] != width:
            raise UsageError(
                f"the filter was learned from vectors of {width - _SEEN} numbers; "
                f"got {rows.shape[1] - _SEEN}. Give the embedder that it was learned with."
            )
        return self.classifier.logits(self.scale.apply(rows))

    def _table(self, what: str) -> Table:
        if self.table is None:
            raise UsageError(f"a filter that was read has no table to {what}. learn() has one.")
        return self.table


@filter_option("learned", takes="LEARNED", cost=3)
def learned(
    filter: LearnedFilter, *, column: str = "text", embed: Embed, least: float | None = None
) -> Filter:
    """Drop rows that a person would probably reject, by a filter learned from marks.

    Parameters
    ----------
    embed : the embedder that it was learned with.
    least : P(accept) from which on a row is kept, 0..1; the filter's threshold if not given.

    Raises
    ------
    UsageError
        If it has not learned enough to be used, ``embed`` is another embedder, or ``least`` is no
        probability.

    Examples
    --------
    >>> from synthkit.curate import learn, apply_filters
    >>> def embed(texts):
    ...     return [[text.count("good") - text.count("bad")] for text in texts]
    >>> texts = ["good soup", "bad soup"] * 10
    >>> found = learn(texts, {at: at % 2 == 0 for at in range(20)}, embed=embed)
    >>> made = apply_filters({"text": ["good tea", "bad tea"]}, learned(found, embed=embed))
    >>> made.dropped["why"].tolist()
    ['learned: P(accept) 0.07']
    """
    if filter.report.needs:
        raise UsageError(f"the learned filter cannot be used yet. {filter.report.needs}")
    cut = filter.threshold if least is None else probability("least", least)
    held = filter.to_dict()
    used = LearnedFilter.from_dict(held, embed=embed)
    # what decides, and nothing else, so that filters of one name decide alike
    decides = json.dumps([held["classifier"], held["scale"], held["embedder"]])
    name = hashlib.blake2b(decides.encode(), digest_size=4).hexdigest()

    def judge(table: Any) -> list[str]:
        cells = texts_of(table, column)
        full = [text for text in cells if text]
        scores = iter(used.score(full))
        return [_reason(float(next(scores)), cut) if text else MISSING for text in cells]

    return Filter(
        f"learned from {filter.report.marks} marks ({name}): {column}, P(accept) >= {cut:.6g}",
        judge,
    )


def _reason(score: float, cut: float) -> str:
    return "" if score >= cut else f"learned: P(accept) {score:.2f}"


def within(at: int, n: int) -> None:
    """Refuse what is no position in a table of ``n`` rows, with a UsageError."""
    if not isinstance(at, int | np.integer) or not 0 <= at < n:
        raise UsageError(f"expected a row's position from 0 to {n - 1}; got {at!r}.")


def share(said: Mapping[int, bool]) -> float:
    """Of accepted marks, by Laplace's rule of succession."""
    return (sum(said.values()) + 1) / (len(said) + 2)


def probability(name: str, value: float) -> float:
    """``value``, if it is from 0 to 1; a UsageError if not."""
    if not 0 <= value <= 1:
        raise UsageError(f"{name} must be from 0 to 1; got {value!r}.")
    return float(value)


def _logit(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


def fingerprint(embed: Embed) -> str:
    """The embedder's that ``embed`` is of, or empty."""
    owner = getattr(embed, "__self__", embed)
    return str(getattr(owner, "fingerprint", ""))


def _plain(one: Classifier | Scale) -> dict[str, Any]:
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name in one.__slots__
        for value in [getattr(one, name)]
    }


def _row(held: Mapping[str, Any], name: str) -> Floats:
    return np.array(held[name], np.float64)
