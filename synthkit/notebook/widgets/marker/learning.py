"""What the marker learns while rows are marked: which to ask for next, and what it is worth."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from synthkit.core.extras import need
from synthkit.core.formatting import thousands

if TYPE_CHECKING:
    from synthkit.core.types import Mark
    from synthkit.curate.marks.learned_filter import LearnedFilter
    from synthkit.curate.marks.precision_recall import Estimate, Report
    from synthkit.stats.classifier import Embed

AHEAD = 32
"""Rows that are proposed after each mark; the others follow in the order they are drawn in."""
_ALONE = threading.Lock()
"""Held while the number of threads is limited, so that it is put back as it was."""
VERDICTS = {True: "✓ accepted", False: "✗ rejected"}


class Learner:
    """Learns from the marks on a table, and orders its rows by what a mark would teach.

    Parameters
    ----------
    ids, texts : of the table's rows.
    embed : texts -> (n, d) numbers; asked once.
    seed : of the rows that are drawn at random.
    """

    def __init__(
        self, ids: Sequence[str], texts: Sequence[str], *, embed: Embed, seed: int
    ) -> None:
        from synthkit.curate.marks.features import represent

        self.ids, self.texts, self.embed, self.seed = list(ids), list(texts), embed, seed
        self._place = {id: at for at, id in enumerate(self.ids)}
        self._vectors = represent(self.texts, embed=embed)
        self.found: LearnedFilter | None = None
        """What was learned last; ``None`` before :meth:`learn`."""

    def learn(self, marks: Mapping[str, Mark]) -> list[str]:
        """Learn from the marks that stand, by row id; gives all ids in the order of asking.

        Rows that are marked come first, in the order in which they were.
        """
        from synthkit.curate.marks.learning import learn

        said = {id: mark.label for id, mark in marks.items() if mark.label and id in self._place}
        skipped = [self._place[id] for id, label in said.items() if label == "skip"]
        judged = {self._place[id]: said[id] != "reject" for id in said if said[id] != "skip"}
        threads = need("threadpoolctl", extra="curate", why="to learn beside the marking")
        # small matrices, which several threads would wait for longer than they reckon
        with _ALONE, threads.threadpool_limits(1, user_api="blas"):
            found = learn(
                self.texts,
                judged,
                embed=self.embed,
                vectors=self._vectors,
                skipped=skipped,
                seed=self.seed,
            )
        self.found = found
        assert found.table is not None
        asked = dict.fromkeys(said)
        asked |= dict.fromkeys(self.ids[at] for at in found.propose(AHEAD))
        asked |= dict.fromkeys(self.ids[at] for at in found.table.order)
        return list(asked | dict.fromkeys(self.ids))

    def why(self, id: str) -> list[tuple[str, str, str]]:
        """Why a row has its score, in parts as a panel shows them: kind, label, value."""
        if self.found is None or self.found.classifier is None:
            return [("fact", "learned", "nothing yet")]
        said = self.found.explain(self._place[id])
        parts = [("head", "Learned", ""), ("fact", "P(accept)", f"{said.score:.2f}")]
        words = ", ".join(f"{one.word} {one.change:+.2f}" for one in said.words)
        parts.append(("fact", "log-odds", words.replace("-", "−") or "no word moves them"))
        parts.append(("head", "Most like it, of the marked rows", ""))
        for one in said.neighbours:
            told = f"{one.text} (cosine {one.cosine:.2f})"
            parts.append(("fact", VERDICTS[one.accepted], told))
        return parts


def line(report: Report, between: str = "   ") -> str:
    """A report in the one line that the marker has for it, with ``between`` its parts.

    Examples
    --------
    >>> from synthkit.curate import learn
    >>> made = learn(["a", "b"], {0: True}, embed=lambda texts: [[1.0]] * len(texts))
    >>> line(made.report)
    'too little yet: mark 19 more rows, with 1 accepted and 2 rejected among them'
    """
    if report.needs:
        return _missing(report)
    further = ", ".join(f"{thousands(n)} for ±{width}" for width, n in report.more.items() if n)
    parts = [
        f"keeps {report.kept:.0%} of {thousands(report.rows)} rows",
        f"precision {_told(report.precision)}",
        f"recall {_told(report.recall)}",
        f"more marks: {further}" if further else "",
    ]
    return between.join(part for part in parts if part)


def told(report: Report) -> list[dict[str, Any]]:
    """A report as the rows of a table: what, and its value with a 95 % interval."""
    rows = [
        {"what": "marks", "value": f"{report.marks} of {thousands(report.rows)} rows"},
        {"what": "accepted", "value": str(report.accepted)},
        {"what": "drawn at random", "value": str(report.sample)},
    ]
    if report.needs:
        return [*rows, {"what": "needs", "value": _missing(report)}]
    rows += [
        {"what": "threshold", "value": f"P(accept) >= {report.threshold:.2f}"},
        {"what": "keeps", "value": f"{report.kept:.0%}"},
        {"what": "precision", "value": _told(report.precision)},
        {"what": "recall", "value": _told(report.recall)},
    ]
    return rows + [
        {"what": f"for ±{width}", "value": f"about {thousands(n)} more marks"}
        for width, n in report.more.items()
        if n
    ]


def _missing(report: Report) -> str:
    from synthkit.curate.marks.learning import LEAST, OF_EACH

    n = max(LEAST - report.marks, 0)
    of = {"accepted": report.accepted, "rejected": report.marks - report.accepted}
    each = [f"{OF_EACH - had} {verdict}" for verdict, had in of.items() if had < OF_EACH]
    rows = f"mark {n or ''} more row{'' if n == 1 else 's'}".replace("  ", " ")
    among = f", with {' and '.join(each)} among them" if each else ""
    return f"too little yet: {rows}{among}"


def _told(estimate: Estimate) -> str:
    value = "–" if estimate.value is None else f"{estimate.value:.2f}"
    return f"{value} [{estimate.low:.2f}, {estimate.high:.2f}]"
