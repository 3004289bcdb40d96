"""A filter learned from marks: it predicts which rows a person would accept.

filter = learn(texts, {3: True, 8: False, ...}, embed=load_embedder("wordllama").embed)
filter.propose(10)       # the rows to mark next
print(filter.report)     # precision and recall on this table, and the gain of more marks
filter.explain(17)       # the most similar marked rows, and the words with the largest effect
apply_filters(table, learned(filter, embed=embed))
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
from synthkit.curate.marks.calibrated_regression import CalibratedRegression
from synthkit.curate.marks.explanation import Explanation, MarkedRow, nearest, word_effects
from synthkit.curate.marks.features import SURFACE, Scale, represent
from synthkit.curate.marks.precision_recall import LearningReport, ShareEstimate
from synthkit.stats.classifier import Embed, Floats, sigmoid

VERSION = 1
"""The version of the format that ``to_dict`` writes."""
_SURFACE = len(SURFACE)


@dataclass(frozen=True, eq=False)
class TrainingTable:
    """The table that a filter was learned on."""

    texts: Sequence[str]
    rows: Floats
    """(n, d + 6) scaled features, with other columns more."""
    order: Sequence[int]
    """A random order of the rows that can be marked."""
    columns: Mapping[str, Sequence[str]]
    """The other columns that the filter reads."""


@dataclass(frozen=True, eq=False)
class LearnedFilter:
    """A filter learned from marks. It is immutable: call :func:`learn` again after more marks.

    Parameters
    ----------
    scores : (n,) P(accept) of each row of the table; a marked row has its leave-one-out score.
        Before anything is learned, all are the share of accepted marks.
    report : precision and recall on this table, and which marks are missing.
    verdicts, marked : position -> whether it was accepted, and the texts of these rows.
    beside : name -> the cells of these rows in the other columns that the filter reads.
    classifier, scale : ``None`` without two accepted and two rejected rows.
    fingerprint : of the embedder; empty if it has none.
    seed : of the order in which rows are drawn at random.
    table : the table it was learned on; ``None`` if it was read by :meth:`from_dict`.
    """

    scores: Floats
    report: LearningReport
    verdicts: Mapping[int, bool]
    marked: tuple[str, ...]
    beside: Mapping[str, Sequence[str]]
    classifier: CalibratedRegression | None
    scale: Scale | None
    fingerprint: str
    seed: int
    embed: Embed = field(repr=False)
    table: TrainingTable | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"LearnedFilter({self.report})"

    @property
    def threshold(self) -> float:
        """P(accept) from which on a row is kept."""
        return self.report.threshold

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of the columns that it reads beside the text."""
        return tuple(self.beside)

    def propose(self, n: int) -> list[int]:
        """The positions of ``n`` unmarked rows to mark next, the most useful first; or all of them.

        One in three is drawn at random, for the estimates of the report; before 20 marks, and
        before anything is learned, all are. The others are near the threshold, similar to many rows
        of the table, and unlike each other. The result depends only on the marks and the seed.

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
            vectors=table.rows[:, :-_SURFACE],
        )

    def score(
        self, texts: Sequence[str], *, columns: Mapping[str, Sequence[str]] | None = None
    ) -> Floats:
        """(n,) P(accept) of texts of any table, and of their cells in the columns of ``reads``.

        Raises
        ------
        UsageError
            If a text or a column is missing, or a vector has another length than those learned
            from.
        """
        return sigmoid(self._logits(texts, columns or {})) if len(texts) else np.zeros(0)

    def explain(
        self, row: int | str, k: int = 3, *, columns: Mapping[str, str] | None = None
    ) -> Explanation:
        """Why a row, or any text, has its score: the ``k`` nearest marked rows and ``k`` words.

        The effect of a word is the change of the log-odds without it; see
        :func:`synthkit.curate.marks.explanation.word_effects`. A marked row is not its own
        neighbour. ``columns`` are the cells of a text in the columns of ``reads``.

        Raises
        ------
        UsageError
            If the table has no such row, or if ``row`` is a position and the filter was read by
            :meth:`from_dict`.
        """
        if isinstance(row, str):
            cells = {name: [cell] for name, cell in (columns or {}).items()}
            text, score, position = row, float(self.score([row], columns=cells)[0]), None
        else:
            table = self._table("explain a row by its position; give its text")
            check_position(row, len(table.texts))
            text, score, position = table.texts[row], float(self.scores[row]), row
            cells = {name: [of[row]] for name, of in table.columns.items()}
        vector = represent([text], embed=self.embed, columns=cells)[0, :-_SURFACE]

        def logits(texts: Sequence[str]) -> Floats:
            return self._logits(texts, {name: one * len(texts) for name, one in cells.items()})

        return Explanation(
            score,
            nearest(vector, self._marked_vectors, self._marked_rows, k, without=position),
            word_effects(text, logits, k),
        )

    def to_dict(self) -> dict[str, Any]:
        """The filter without its table, as JSON values, to store it and use it on other tables."""
        return {
            "version": VERSION,
            "classifier": None if self.classifier is None else _plain(self.classifier),
            "scale": None if self.scale is None else _plain(self.scale),
            "marked": [row._asdict() for row in self._marked_rows],
            "beside": {name: list(cells) for name, cells in self.beside.items()},
            "report": asdict(self.report) | {"more": [[w, n] for w, n in self.report.more.items()]},
            "embedder": self.fingerprint,
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any], *, embed: Embed) -> LearnedFilter:
        """The filter that :meth:`to_dict` wrote, without its table: it scores and explains texts.

        Raises
        ------
        UsageError
            If it has another version, or was learned with another embedder.
        """
        if body.get("version") != VERSION:
            raise UsageError(
                f"expected a learned filter of version {VERSION}; got {body.get('version')!r}."
            )
        name = fingerprint(embed)
        if name and body["embedder"] and name != body["embedder"]:
            raise UsageError(
                f"the filter was learned with the embedder {body['embedder']!r}; got {name!r}."
            )
        report = body["report"]
        known = [of for of in ("precision", "recall", "base") if report.get(of)]  # base is newer
        estimates = {of: ShareEstimate(**report[of]) for of in known}
        more = {float(width): int(n) for width, n in report["more"]}
        regression, scale = body["classifier"], body["scale"]
        return cls(
            scores=np.zeros(0),
            report=LearningReport(**{**report, **estimates, "more": more}),
            verdicts={mark["position"]: mark["accepted"] for mark in body["marked"]},
            marked=tuple(mark["text"] for mark in body["marked"]),
            beside=dict(body.get("beside", {})),  # which is newer
            classifier=regression
            and CalibratedRegression(
                **regression | {"coefficients": _array(regression, "coefficients")}
            ),
            scale=scale and Scale(_array(scale, "mean"), _array(scale, "spread")),
            fingerprint=body["embedder"],
            seed=body["seed"],
            embed=embed,
        )

    @property
    def _marked_rows(self) -> list[MarkedRow]:
        rows = zip(self.verdicts.items(), self.marked, strict=True)
        return [MarkedRow(at, text, accepted) for (at, accepted), text in rows]

    @cached_property
    def _marked_vectors(self) -> Floats:
        if self.table is not None:
            return self.table.rows[list(self.verdicts), :-_SURFACE]
        if not self.marked:
            return np.zeros((0, 1))
        return represent(self.marked, embed=self.embed, columns=self.beside)[:, :-_SURFACE]

    def _logits(self, texts: Sequence[str], columns: Mapping[str, Sequence[str]]) -> Floats:
        if set(columns) != set(self.reads):
            expected = ", ".join(map(repr, self.reads)) or "no other column"
            raise UsageError(f"the filter reads {expected} beside the text; got {list(columns)}.")
        columns = {name: columns[name] for name in self.reads}
        rows = represent(texts, embed=self.embed, columns=columns)
        if self.classifier is None or self.scale is None:
            return np.full(len(rows), _logit(accepted_share(self.verdicts)))
        width = len(self.classifier.coefficients)
        if rows.shape[1] != width:
            parts = 1 + 2 * len(columns)
            raise UsageError(
                f"the filter was learned from vectors of {(width - _SURFACE) // parts} numbers; "
                f"got {(rows.shape[1] - _SURFACE) // parts}. Use the embedder it was learned with."
            )
        return self.classifier.logits(self.scale.apply(rows))

    def _table(self, what: str) -> TrainingTable:
        if self.table is None:
            raise UsageError(
                f"a stored filter has no table to {what}; a filter returned by learn() has one."
            )
        return self.table


@filter_option("learned", takes="LEARNED", cost=3)
def learned(
    filter: LearnedFilter, *, column: str = "text", embed: Embed, least: float | None = None
) -> Filter:
    """Drop rows that a person would probably reject, by a filter learned from marks.

    The table needs the other columns that the filter reads, too.

    Parameters
    ----------
    embed : the function of the embedder it was learned with.
    least : P(accept) from which on a row is kept, 0..1; the filter's threshold if not given.

    Raises
    ------
    UsageError
        If the filter needs more marks, ``embed`` is another embedder, or ``least`` is not in 0..1.

    Examples
    --------
    >>> from synthkit.curate import learn, apply_filters
    >>> def embed(texts):
    ...     return [[text.count("good") - text.count("bad")] for text in texts]
    >>> texts = ["good soup", "bad soup"] * 10
    >>> filter = learn(texts, {at: at % 2 == 0 for at in range(20)}, embed=embed)
    >>> rows = {"text": ["good tea", "bad tea"]}
    >>> apply_filters(rows, learned(filter, embed=embed)).dropped["why"].tolist()
    ['learned: P(accept) 0.08']
    """
    if filter.report.needs:
        raise UsageError(f"the learned filter cannot be used yet. {filter.report.needs}")
    cut = filter.threshold if least is None else checked_probability("least", least)
    body = filter.to_dict()
    with_embedder = LearnedFilter.from_dict(body, embed=embed)
    # only what decides is hashed, so that filters of the same name decide alike
    decisive = json.dumps([body["classifier"], body["scale"], body["embedder"]])
    name = hashlib.blake2b(decisive.encode(), digest_size=4).hexdigest()

    def judge(table: Any) -> list[str]:
        texts = texts_of(table, column)
        columns = {
            name: [cell for text, cell in zip(texts, texts_of(table, name), strict=True) if text]
            for name in filter.reads
        }
        scores = iter(with_embedder.score([text for text in texts if text], columns=columns))
        return [_reason(float(next(scores)), cut) if text else MISSING for text in texts]

    read = ", ".join([column, *filter.reads])
    title = f"learned from {filter.report.marks} marks ({name}): {read}, P(accept) >= {cut:.6g}"
    return Filter(title, judge, by_row=True)


def _reason(score: float, cut: float) -> str:
    return "" if score >= cut else f"learned: P(accept) {score:.2f}"


def check_position(at: int, n: int) -> None:
    """Raise a UsageError if ``at`` is not a position in a table of ``n`` rows."""
    if not isinstance(at, int | np.integer) or not 0 <= at < n:
        raise UsageError(f"expected a row's position from 0 to {n - 1}; got {at!r}.")


def accepted_share(verdicts: Mapping[int, bool]) -> float:
    """The share of accepted rows, by Laplace's rule of succession."""
    return (sum(verdicts.values()) + 1) / (len(verdicts) + 2)


def checked_probability(name: str, value: float) -> float:
    """The value of an option, or a UsageError if it is not from 0 to 1."""
    if not 0 <= value <= 1:
        raise UsageError(f"{name} must be from 0 to 1; got {value!r}.")
    return float(value)


def _logit(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


def fingerprint(embed: Embed) -> str:
    """The fingerprint of the embedder whose function this is; empty if it has none."""
    owner = getattr(embed, "__self__", embed)
    return str(getattr(owner, "fingerprint", ""))


def _plain(part: CalibratedRegression | Scale) -> dict[str, Any]:
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name in part.__slots__
        for value in [getattr(part, name)]
    }


def _array(body: Mapping[str, Any], name: str) -> Floats:
    return np.array(body[name], np.float64)
