"""Scores and claims, derived again from the rows and marks in the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthkit.core.errors import SynthkitError, UsageError
from synthkit.data import tables
from synthkit.evaluate import checks
from synthkit.evaluate.registry import METRICS
from synthkit.evaluate.results import Measured, Report
from synthkit.models.hub import catalog
from synthkit.sessions import claims, inputs
from synthkit.sessions.evaluations import Evaluation, decode, rounded_parts, with_marks
from synthkit.sessions.session import Session
from synthkit.verify.findings import Findings

TOLERANCE = 1e-9
"""Relative difference of numbers that machines may round in other ways."""
TOLERANCE_OF_VECTORS = 1e-4
"""The same, of scores that depend on an embedder, whose sums have float32."""
_NOT_OPTIONS = ("table", "task", "lacks", "model", "tasks")


def check(findings: Findings, session: Session) -> None:
    """Derive each evaluation again."""
    for number, name, at, body, rows in session.store.evaluations.all():
        where = f"store.sqlite evaluations, evaluation {number} of {name}"
        with findings.deriving(where):
            evaluation = Evaluation(number, name, at, *decode(body, rows))
            _check_evaluation(findings, session, where, evaluation)


def check_claims(findings: Findings, session: Session) -> None:
    """Derive each claim again from the scores that it names."""
    for number, body in session.store.evaluations.claims.all().items():
        where = f"store.sqlite claims, claim {number}"
        with findings.deriving(where):
            stored = claims.read(body)
            derived = claims.derived(session.store, stored)
            findings.same("claims", f"{where}, holds", stored.holds, derived.holds)
            for side in {*stored.numbers, *derived.numbers}:
                one, two = stored.numbers.get(side), derived.numbers.get(side)
                findings.same("numbers of claims", f"{where}, {side}", one, two, TOLERANCE)
            for name, score in derived.scores.items():
                own = stored.scores[name]
                for part in ("value", "low", "high", "metric", "table"):
                    place = f"{where}, {name}, {part}"
                    findings.same("numbers of claims", place, own[part], score[part])


def _check_evaluation(
    findings: Findings, session: Session, where: str, evaluation: Evaluation
) -> None:
    stored = evaluation.report
    settings = evaluation.settings
    reason = _reason(settings)
    derived: Report | None = None
    embedder = ""
    if not reason:
        try:
            derived, embedder = _derived(session, evaluation)
        except SynthkitError as error:
            reason = str(error)
    if derived is None:
        what = f"scores of {evaluation.name}, evaluation {evaluation.number}"
        findings.lacks(what, reason, len(stored.measured))
        return
    by_name = {measured.score.name: measured for measured in derived.measured}
    for measured in stored.measured:
        name = measured.score.name
        place = f"{where}, {name}"
        metric = measured.metric or name
        if name in by_name:
            tolerance = TOLERANCE_OF_VECTORS if settings.get("embedder") else TOLERANCE
            _compare(findings, place, measured, by_name[name], tolerance)
        elif metric not in METRICS:
            findings.lacks(f"{place}", f"its metric {metric!r} is not registered here")
        elif embedder and metric in derived.left_out:
            findings.lacks(place, embedder)
        else:
            why = derived.left_out.get(metric, "not among its metrics")
            findings.differs(place, repr(measured.score.value), f"no such score ({why})")
    for name in by_name.keys() - stored.scores.keys():
        findings.differs(f"{where}, {name}", "no such score", repr(by_name[name].score.value))
    for part in ("keys", "contents"):
        one, two = getattr(stored, part), getattr(derived, part)
        findings.same("contents of evaluated rows", f"{where}, {part}", dict(one), dict(two))


def _reason(settings: Mapping[str, Any]) -> str:
    """Why an evaluation cannot be derived again; empty if it can."""
    if "tasks" in settings and "table" not in settings:
        return "they are of a benchmark, which needs its model"
    if "table" not in settings:
        lacks = settings.get("lacks", {}).get("table")
        return f"its rows were not kept: {lacks}" if lacks else "an older synthkit kept no rows"
    lacks = {k: v for k, v in settings.get("lacks", {}).items() if k not in ("embed", "learner")}
    return "; ".join(f"its {option} is {why}, which is not kept" for option, why in lacks.items())


def _derived(session: Session, evaluation: Evaluation) -> tuple[Report, str]:
    """The report, computed again; and why scores by an embedder or learner are missing."""
    from synthkit.evaluate._report import report

    settings, store = evaluation.settings, session.store
    options = {
        name: inputs.decode(store, value)
        for name, value in settings.items()
        if name not in _NOT_OPTIONS
    }
    table = tables.identified(inputs.decode(store, settings["table"]))
    options["checks"] = [checks.parse(line, _unknown) for line in settings.get("checks", ())]
    missing = ""
    spec = settings.get("embedder") or ""
    lacks = settings.get("lacks", {})
    if spec in catalog.CATALOG and catalog.is_here(spec):
        from synthkit.models.embedders import load_embedder

        options["embed"] = load_embedder(spec).embed
    elif spec or "embed" in lacks:
        missing = f"needs the embedder {spec or 'of the notebook'}, which is not installed here"
    if "learner" in lacks:
        missing = missing or f"needs the learner of the notebook, {lacks['learner']}"
        options["without"] = [*options.get("without", ()), *_of_learners()]
    ids = [str(id) for id in tables.column(table, "id")]
    marks = [
        mark
        for mark in store.marks.for_rows(ids)
        if mark.task == settings.get("task", "") and mark.at <= evaluation.at
    ]
    return report(table, **with_marks(marks, options)), missing


def _of_learners() -> list[str]:
    """The metrics that a learner of the notebook changes."""
    return [name for name in METRICS if "learner" in METRICS[name].needs]


def _unknown(name: str) -> Any:
    raise UsageError(f"its check @{name} is a function of the notebook, which is not kept.")


def _compare(
    findings: Findings, where: str, stored: Measured, derived: Measured, tolerance: float
) -> None:
    a, b = stored.score, derived.score
    for part in ("value", "low", "high", "n", "unit", "better", "how", "level", "at_n"):
        one, two = getattr(a, part), getattr(b, part)
        kind = "scores and interval ends" if part in ("value", "low", "high") else "facts of scores"
        if _as_number(one) is None or _as_number(two) is None:
            findings.same(kind, f"{where}, {part}", one, two)
        else:
            findings.same(kind, f"{where}, {part}", float(one), float(two), tolerance)
    findings.same("facts of scores", f"{where}, kind", stored.kind, derived.kind)
    ids = (list(stored.ids or ()), list(derived.ids or ()))
    if not findings.same("facts of scores", f"{where}, rows", *ids):
        return
    parts = [float(part) for part in a.parts] if a.parts is not None and ids[0] else []
    near = max(tolerance, 1e-5)  # six digits are kept
    for id, one, two in zip(ids[0], parts, rounded_parts(derived) or [], strict=True):
        findings.same("values of rows", f"{where}, value of row {id}", one, two, near)


def _as_number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None
