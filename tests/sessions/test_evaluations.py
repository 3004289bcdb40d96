from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import synthkit as sk
from synthkit.core.errors import StoreError, UsageError
from synthkit.core.types import Mark
from synthkit.curate.marks.decisions import accepted
from synthkit.sessions import evaluations
from synthkit.sessions.evaluations import decode, find

pytestmark = pytest.mark.usefixtures("each_store")

TOPICS = ["soup", "bread", "wine", "staff"]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[sk.Session]:
    with sk.Session(tmp_path / "s") as opened:
        yield opened


def reviews(version: str, n: int = 24) -> list[dict[str, str]]:
    """Rows of one version of a prompt: "b" says less of the same."""
    said = "the {} was fine" if version == "b" else "number {n} said the {} of course {m} was odd"
    return [
        {
            "id": f"{version}{n}",
            "topic": TOPICS[n % 4],
            "text": said.format(TOPICS[n % 4], n=n, m=n * 7),
        }
        for n in range(n)
    ]


def test_scores_are_read_back_as_they_were_computed(session: sk.Session, tmp_path: Path) -> None:
    made = session.evaluate(reviews("a"), name="a", column="text")
    table = session.scores("a")
    assert table["metric"].tolist() == list(made.scores)
    again = find(session.store, "a").report
    assert again.scores == made.scores
    assert again.left_out == made.left_out
    assert again.keys == made.keys
    for one, other in zip(made.measured, again.measured, strict=True):
        assert (one.ids is None) == (other.ids is None)
        if one.ids is not None:
            assert list(one.ids) == list(other.ids or ())
            assert one.score.parts is not None
            assert other.score.parts == pytest.approx(list(one.score.parts), rel=1e-5)
    session.close()
    with sk.Session(tmp_path / "s") as reopened:
        assert reopened.scores().equals(table)


def test_the_same_evaluation_is_stored_once(session: sk.Session) -> None:
    for _ in range(2):
        session.evaluate(reviews("a"), name="a", column="text")
    assert session.scores()["evaluation"].unique().tolist() == [1]
    session.evaluate(reviews("a"), name="a", column="text", seed=1, metrics=["vocabulary"])
    assert session.scores()["evaluation"].unique().tolist() == [1, 2]


def test_versions_of_a_prompt_are_paired_by_their_fields(session: sk.Session) -> None:
    for version in "ab":
        session.evaluate(reviews(version), name=version, column="text")
    found = session.compare_scores("a", "b").set_index("metric")
    assert found.loc["self-BLEU-4", "verdict"] == "better"
    assert found.loc["self-BLEU-4", "difference"] < 0
    assert found.loc["self-BLEU-4", "rows"] == 24
    assert found.loc["self-BLEU-4", "paired"]
    back = session.compare_scores("b", "a").set_index("metric")
    assert back.loc["self-BLEU-4", "verdict"] == "worse"


def test_two_runs_are_compared_by_the_scores_of_their_rows(session: sk.Session) -> None:
    said = {"short": "Cold soup, again.", "long": "We waited {i} minutes for soup number {i}."}
    for prompt, text in said.items():
        fake = sk.Fake(lambda request, text=text: text.format(i=request.row_seed), name="fake")
        run = sk.generate(f"Be {prompt}.", n=12, model=fake, session=session, name="reviews")
        session.evaluate(run.table, name="reviews", column="text")
    found = session.compare(2, 1)
    verdicts = {row[0]: row[-1] for row in found.scores}
    assert verdicts["vocabulary"] == "better"
    assert session.compare(1, 1).scores[0][-1] == "no significant difference"
    other = sk.generate("Be.", n=3, model=sk.Fake(), session=session, name="other")
    assert len(other.table) == 3
    assert session.compare(1, 3).scores == ()


def test_a_table_has_no_significant_difference_from_itself(session: sk.Session) -> None:
    session.evaluate(reviews("a"), name="a", column="text")
    found = session.compare_scores("a", 1)
    known = found[found["rows"].notna()]
    assert len(known) > 4
    assert set(known["verdict"]) == {"no significant difference"}
    assert (known["difference"] == 0).all()


def test_rows_with_other_fields_are_not_paired(session: sk.Session) -> None:
    others = [row | {"topic": f"other {n}"} for n, row in enumerate(reviews("b"))]
    session.evaluate(reviews("a"), name="a", column="text")
    session.evaluate(others, name="b", column="text")
    found = session.compare_scores("a", "b").set_index("metric")
    assert not found.loc["self-BLEU-4", "paired"]
    assert found.loc["self-BLEU-4", "verdict"] == "better"


def test_marks_are_scores_too(session: sk.Session) -> None:
    rows = reviews("a", 8)
    ids = [row["id"] for row in rows]
    session.mark(ids[:6], "accept", by="ana")
    session.mark(ids[6:], "reject", by="ana")
    session.mark(ids[:4], "accept", by="bo")
    session.mark(ids[4:], "reject", by="bo")
    found = session.evaluate(rows, name="a", column="text")
    assert found["accept rate"].value == pytest.approx(4 / 6)  # two rows are even
    assert found["Cohen's kappa, ana and bo"].n == 8
    assert found["Cohen's kappa, ana and bo"].value == pytest.approx(0.5)


def test_people_who_accept_a_row_may_differ_in_its_label(session: sk.Session) -> None:
    rows = reviews("a", 4)
    first, second, third, fourth = (row["id"] for row in rows)
    session.mark([first, second, third], "great", by="ana")
    session.mark([first, second], "good", by="bo")
    session.mark([third], "reject", by="bo")
    session.mark([second, third, fourth], "reject", by="cy")
    found = session.evaluate(rows, name="a", column="text")
    verdicts = {first: True, second: True, third: False, fourth: False}
    assert accepted(session.marks()) == verdicts
    assert (found["accept rate"].value, found["accept rate"].n) == (0.5, 4)
    only = session.evaluate(rows[:1], name="one", column="text")
    assert (only["accept rate"].value, only["accept rate"].n) == (1, 1)
    given = session.evaluate(rows, name="a", column="text", marks={first: "reject"})
    assert (given["accept rate"].value, given["accept rate"].n) == (0, 1)


def test_a_second_round_is_agreement_with_oneself(session: sk.Session) -> None:
    rows = reviews("a", 2)
    first = [Mark(id=row["id"], label=label, by="ana")
             for row, label in zip(rows, ("accept", "reject"), strict=True)]  # fmt: skip
    second = [Mark(id=row["id"], label="accept", by="ana", round=2) for row in rows]
    session.store.marks.add([*first, *second])
    found = session.evaluate(rows, name="a", column="text")
    assert found["accept rate"].value == 0.5
    assert found["Cohen's kappa, ana again"].n == 2


def test_a_missing_evaluation_is_an_error(session: sk.Session) -> None:
    with pytest.raises(UsageError, match="no evaluation 3; there are none yet"):
        session.compare_scores(3, 4)
    session.evaluate(reviews("a"), name="a", column="text")
    with pytest.raises(UsageError, match="a"):
        session.compare_scores("a", "c")
    assert session.scores("c").empty


def test_an_evaluation_that_is_too_large_once_decompressed_is_refused() -> None:
    with pytest.raises(StoreError, match="too large"):
        decode('{"scores": []}', zlib.compress(b" " * (1 << 28) + b"{}"))


def test_only_the_last_evaluation_of_a_table_is_read_for_its_card(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(3):
        session.evaluate(reviews("a"), name="a", column="text", seed=seed, metrics=["vocabulary"])
    session.evaluate(reviews("b"), name="b", column="text", metrics=["vocabulary"])
    read: list[str] = []
    monkeypatch.setattr(
        evaluations, "decode", lambda body, rows: read.append(body) or decode(body, rows)
    )
    session.card(reviews("a"), name="a")
    assert len(read) == 1
    assert find(session.store, "b").number == 4
    assert len(read) == 2


def test_scores_of_too_many_rows_are_kept_without_their_values(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluations, "MAX_BYTES", 500)
    made = session.evaluate(reviews("a"), name="a", column="text", metrics=["vocabulary"])
    stored = find(session.store, "a")
    assert stored.report["vocabulary"].value == made["vocabulary"].value
    assert stored.report["vocabulary"].low == made["vocabulary"].low
    assert stored.report.measured[0].ids is None
    assert stored.settings["lacks"] == {"values of rows": "over 256 MB"}
    assert session.scores()["metric"].tolist() == ["vocabulary"]
