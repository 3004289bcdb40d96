from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.types import Score
from synthkit.evaluate.checks import length, regex
from synthkit.evaluate.registry import METRICS, metric
from synthkit.evaluate.results import NO_DIFFERENCE, OTHER_SIZE, REPEATED
from synthkit.sessions.evaluations import find
from tests.benchmarks.null_differences import embed

WORDS = "salt river lamp quiet orchard paper window winter bread copper music harbour".split()
CHECKS = [length("text", 3, 10), regex("text", "^[^0-9]*$")]


def rows(n: int = 60, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [
        {
            "id": f"r{seed}-{at}",
            "text": " ".join(rng.choices(WORDS, k=rng.randrange(4, 13))),
            "label": "ab"[at % 2],
            "source": "salt",
        }
        for at in range(n)
    ]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[sk.Session]:
    with sk.Session(tmp_path / "s") as session:
        yield session


def verdicts(session: sk.Session, first: Any, second: Any, **options: Any) -> dict[str, str]:
    given = {"column": "text", "label": "label", "checks": CHECKS, "embed": embed} | options
    session.evaluate(first, name="first", **given)
    session.evaluate(second, name="second", **given)
    found = session.compare_scores("first", "second")
    assert not ((found["high"] - found["low"]) < 1e-9).any()
    return dict(zip(found["metric"], found["verdict"], strict=True))


def differing(found: dict[str, str]) -> list[str]:
    return [name for name, verdict in found.items() if not verdict.startswith(("no", "not"))]


GROWING = ("vocabulary", "distinct-1", "distinct-2", "2-gram entropy", "self-BLEU-4", "Vendi",
           "Chamfer", "compression ratio", "MAUVE", "coverage", "label total variation",
           "length total variation", "augmented accuracy")  # fmt: skip


def test_a_part_of_a_table_has_no_verdict_in_what_depends_on_the_number_of_rows(
    session: sk.Session,
) -> None:
    table = rows()
    found = verdicts(session, table, table[:57], against=rows(50, seed=1))
    assert {found[name] for name in GROWING} == {OTHER_SIZE}
    assert differing(found) == []
    assert found["length text 3-10 words"] == NO_DIFFERENCE


def test_a_part_is_found_without_ids_and_with_a_further_column(session: sk.Session) -> None:
    table = [{k: v for k, v in row.items() if k != "id"} for row in rows()]
    passing = [row | {"kept": True} for row in table if len(row["text"].split()) <= 10][:40]
    verdicts(session, table, passing)
    found = session.compare_scores("first", "second").set_index("metric")
    check = found.loc["length text 3-10 words"]
    assert check["paired"]
    assert check["verdict"] == "worse"  # a filter that drops what fails is still found


def test_a_table_drawn_from_another_with_replacement_is_no_other(session: sk.Session) -> None:
    table, rng = rows(), random.Random(0)
    drawn = [rng.choice(table) | {"id": f"drawn{n}"} for n in range(60)]
    found = verdicts(session, table, drawn)
    assert differing(found) == []
    assert {found[name] for name in ("vocabulary", "distinct-2", "Vendi", "APS")} == {REPEATED}
    assert found["pass rate"] == NO_DIFFERENCE


def test_short_answers_of_two_models_are_paired_by_their_prompts(session: sk.Session) -> None:
    labels = ["yes" if n % 2 else "no" for n in range(40)]
    for name, wrong in (("first", 2), ("second", 30)):
        table = [
            {"id": f"{name}{n}", "prompt": f"Is it {n}?", "label": label,
             "answer": "maybe" if n < wrong else label}
            for n, label in enumerate(labels)
        ]  # fmt: skip
        session.evaluate(table, name=name, column="answer", checks=[regex("answer", "yes|no")])
    (found,) = (
        session.compare_scores("first", "second").query("metric == 'pass rate'").to_dict("records")
    )
    assert (found["paired"], found["rows"], found["verdict"]) == (True, 40, "better")
    assert found["difference"] == pytest.approx(28 / 40)


def test_copies_within_one_of_two_separate_tables_are_less_diverse(session: sk.Session) -> None:
    copies = [row | {"text": f"soup {n % 4}"} for n, row in enumerate(rows(seed=2))]
    found = verdicts(session, rows(), copies)
    assert found["vocabulary"] == found["self-BLEU-4"] == "better"


def test_verdicts_hold_for_all_metrics_together(session: sk.Session) -> None:
    table = [row | {"judge": 3 + n % 2} for n, row in enumerate(rows(40))]
    drop = [n for n, row in enumerate(table) if len(row["text"].split()) > 10][:5]
    session.evaluate(table, name="first", column="text", checks=CHECKS)
    part = [row for n, row in enumerate(table) if n not in drop]
    session.evaluate(part, name="second", column="text", checks=CHECKS)
    a, b = find(session.store, "first").report, find(session.store, "second").report
    alone = {k: v for k, v in a.differences(b, correct=False).items() if not isinstance(v, str)}
    together = a.differences(b)
    count = sum(gap.p is not None for gap in alone.values())
    assert count > 1
    smallest = min(alone, key=lambda name: alone[name].p or 1)
    corrected = together[smallest]
    assert not isinstance(corrected, str)
    assert corrected.p == pytest.approx(min(1, count * (alone[smallest].p or 1)))
    assert corrected.family == count
    reported = session.compare_scores("first", "second").set_index("metric")
    assert reported.loc[smallest, "p"] == pytest.approx(corrected.p)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows_have_no_verdict(session: sk.Session, n: int) -> None:
    assert differing(verdicts(session, rows(n), rows(n, seed=1))) == []


def test_a_metric_of_your_own_without_rows_is_compared_at_one_size_only(
    session: sk.Session,
) -> None:
    @metric("letters", kind="diversity")
    def letters(texts: Sequence[str]) -> Score:
        count = len(set("".join(texts)))
        return Score(name="letters", value=count, low=count - 0.1, high=count + 0.1, n=len(texts))

    try:
        table = rows(40)
        assert verdicts(session, table, table[:8], metrics=["letters"])["letters"] == OTHER_SIZE
    finally:
        METRICS.remove("letters")


def test_evaluations_of_an_earlier_version_are_compared(session: sk.Session) -> None:
    table = rows()
    given: dict[str, Any] = {"column": "text", "label": "label", "checks": CHECKS}
    session.evaluate(table, name="first", **given)
    session.evaluate(table[:50], name="second", **given)
    for number, name, _at, body, values in session.store.evaluations.all():
        content, kept = json.loads(body), json.loads(zlib.decompress(values))
        for score in content["scores"]:
            del score["at_n"]
        del kept["contents"]
        session.store.evaluations.add(
            f"old {name}", json.dumps(content), zlib.compress(json.dumps(kept).encode())
        )
        assert number
    old = session.compare_scores("old first", "old second").set_index("metric")
    new = session.compare_scores("first", "second").set_index("metric")
    assert old.loc["vocabulary", "verdict"] == old.loc["self-BLEU-4", "verdict"] == OTHER_SIZE
    assert old.loc["pass rate", "low"] == new.loc["pass rate", "low"]
    assert old.loc["pass rate", "verdict"] == NO_DIFFERENCE
