"""What is learned while rows are marked: which row to ask for next, and how good the filter is."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from synthkit.core.extras import need
from synthkit.core.formatting import thousands

if TYPE_CHECKING:
    from synthkit.core.types import Mark
    from synthkit.curate.marks.learned_filter import LearnedFilter
    from synthkit.curate.marks.precision_recall import LearningReport, ShareEstimate
    from synthkit.stats.classifier import Embed

AHEAD = 32
"""Rows proposed by active learning after each fit; the other rows follow in random order."""
_ONE_FIT = threading.Lock()
"""Held while the number of BLAS threads is limited, so that two fits cannot restore it wrongly."""
UNSEEN_REASONS = 2
"""Reasons about columns that the filter does not read from which on the marker says so."""
SIGNS = {True: "✓ accepted", False: "✗ rejected"}


class Learner:
    """Learns a filter from a table's marks, and orders its rows by active learning.

    Parameters
    ----------
    ids, texts : of the table's rows.
    embed : texts -> (n, d) numbers; called once. ``load_embedder("wordllama")`` by default.
    columns : name -> the cells of other columns that the filter reads.
    seed : for the rows that are drawn at random.
    column : the column that the texts are from.
    others : the other columns that the annotator sees.

    Attributes
    ----------
    learned : the newest filter; ``None`` before :meth:`learn`.
    unseen : that reasons are about columns that the filter does not read; empty if they are not.
    """

    def __init__(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        *,
        embed: Embed | None,
        columns: Mapping[str, Sequence[str]] | None = None,
        seed: int,
        column: str = "text",
        others: Sequence[str] = (),
    ) -> None:
        from synthkit.curate.marks.features import represent
        from synthkit.models.embedders import load_embedder

        embed = embed or load_embedder("wordllama").embed
        self.ids, self.texts, self.embed, self.seed = list(ids), list(texts), embed, seed
        self._positions = {id: n for n, id in enumerate(self.ids)}
        self.columns = dict(columns or {})
        self._vectors = represent(self.texts, embed=embed, columns=self.columns)
        self.learned: LearnedFilter | None = None
        self._read = [column, *self.columns]
        self._others = [name for name in others if name not in self._read]
        self.unseen = ""

    def learn(self, marks: Mapping[str, Mark]) -> list[str]:
        """Learn from the current marks by row id; returns all ids in the order to mark them.

        Marked rows come first, in the order in which they were marked.
        """
        from synthkit.curate.marks.learning import learn

        self.unseen = unseen_columns(marks.values(), self._read, self._others)
        labels = {id: mark.label for id, mark in marks.items() if id in self._positions}
        labels = {id: label for id, label in labels.items() if label}
        skipped = [self._positions[id] for id, label in labels.items() if label == "skip"]
        accepted = {
            self._positions[id]: label != "reject"
            for id, label in labels.items()
            if label != "skip"
        }
        threads = need("threadpoolctl", extra="curate", why="to learn while rows are marked")
        # the matrices are small: several threads would wait longer than they compute
        with _ONE_FIT, threads.threadpool_limits(1, user_api="blas"):
            learned = learn(
                self.texts,
                accepted,
                embed=self.embed,
                columns=self.columns,
                vectors=self._vectors,
                skipped=skipped,
                seed=self.seed,
            )
        self.learned = learned
        assert learned.table is not None
        places = [*learned.propose(AHEAD), *learned.table.order]
        return list(dict.fromkeys([*labels, *(self.ids[n] for n in places), *self.ids]))

    def why(self, id: str) -> list[tuple[str, str, str]]:
        """The reasons for a row's score, as (kind, label, value) parts of a panel."""
        if self.learned is None or self.learned.classifier is None:
            return [("fact", "learned", "nothing yet")]
        explanation = self.learned.explain(self._positions[id])
        words = ", ".join(f"{w.word} {w.change:+.2f}" for w in explanation.words)
        parts = [
            ("head", "Learned", ""),
            ("fact", "P(accept)", f"{explanation.score:.2f}"),
            ("fact", "log-odds", words.replace("-", "−") or "no word changes them"),
            ("head", "Most similar marked rows", ""),
        ]
        return parts + [
            ("fact", SIGNS[neighbour.accepted], f"{neighbour.text} (cosine {neighbour.cosine:.2f})")
            for neighbour in explanation.neighbours
        ]


def unseen_columns(marks: Iterable[Mark], read: Sequence[str], others: Sequence[str]) -> str:
    """That reasons name columns which a filter that reads others cannot see, if they do.

    >>> from synthkit.core.types import Mark
    >>> wrong = [Mark(id=id, label="reject", reason="wrong label") for id in "ab"]
    >>> unseen_columns(wrong, ["text"], ["label", "topic"])
    'The filter reads only text: it cannot learn 2 reasons that name label. Add --reads label.'
    """
    named: set[str] = set()
    reasons = 0
    for mark in marks:
        words = set(re.findall(r"\w+", mark.reason.casefold())) if mark.label == "reject" else set()
        found = {name for name in others if words & {name.casefold(), f"{name.casefold()}s"}}
        named |= found
        reasons += bool(found)
    if reasons < UNSEEN_REASONS:
        return ""
    names = [name for name in others if name in named]
    return (
        f"The filter reads only {', '.join(read)}: it cannot learn {reasons} reasons that name "
        f"{' or '.join(names)}. Add --reads {','.join([*read[1:], *names])}."
    )


def report_line(report: LearningReport, separator: str = "   ") -> str:
    """A report on a learned filter in one line.

    Examples
    --------
    >>> from synthkit.curate import learn
    >>> learned = learn(["a", "b"], {0: True}, embed=lambda texts: [[1.0]] * len(texts))
    >>> report_line(learned.report)
    'too few marks: mark 19 more rows, with 1 accepted and 2 rejected among them'
    """
    if report.needs:
        return _needed(report)
    further = ", ".join(f"{more} for ±{width}" for width, more in report.further().items())
    parts = [
        f"keeps {report.kept:.0%} of {thousands(report.rows)} rows",
        f"precision {_interval(report.precision)}",
        f"recall {_interval(report.recall)}",
        "precision not above the base rate" if report.warning else "",
        further,
    ]
    return separator.join(filter(None, parts))


def report_rows(report: LearningReport) -> list[dict[str, Any]]:
    """A report as the rows of a table: names, and values with 95 % intervals."""
    values = {
        "marks": f"{report.marks} of {thousands(report.rows)} rows",
        "accepted": str(report.accepted),
        "drawn at random": str(report.sample),
    }
    if report.needs:
        values["needs"] = _needed(report)
    else:
        values |= {
            "threshold": f"P(accept) >= {report.threshold:.2f}",
            "keeps": f"{report.kept:.0%}",
            "precision": _interval(report.precision),
            "recall": _interval(report.recall),
        }
        if report.warning:
            values["warning"] = report.warning
        values |= {f"for ±{width}": more for width, more in report.further().items()}
    return [{"what": name, "value": value} for name, value in values.items()]


def _needed(report: LearningReport) -> str:
    from synthkit.curate.marks.learning import LEAST, OF_EACH

    n = max(LEAST - report.marks, 0)
    counts = {"accepted": report.accepted, "rejected": report.marks - report.accepted}
    missing = [f"{OF_EACH - have} {name}" for name, have in counts.items() if have < OF_EACH]
    rows = f"mark {n or ''} more row{'' if n == 1 else 's'}".replace("  ", " ")
    among = f", with {' and '.join(missing)} among them" if missing else ""
    return f"too few marks: {rows}{among}"


def _interval(estimate: ShareEstimate) -> str:
    value = "–" if estimate.value is None else f"{estimate.value:.2f}"
    return f"{value} [{estimate.low:.2f}, {estimate.high:.2f}]"
