"""Two runs, or tables, side by side."""

from __future__ import annotations

import pytest

import synthkit as sk
from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Mark


def generate(session: sk.Session, prompt: str, name: str = "", **options: object) -> list[str]:
    """The ids of the rows of a run."""
    arguments: dict[str, object] = {"rows": {"i": [1, 2, 3, 4]}, "model": sk.Fake()} | options
    run = sk.generate(prompt, session=session, name=name, **arguments)  # type: ignore[arg-type]
    ids: list[str] = run.table["id"].tolist()
    return ids


def test_prompts_are_compared_word_by_word(session: sk.Session) -> None:
    generate(session, "Say {{ i }} kindly.", "a")
    generate(session, "Say {{ i }} dryly.", "b")
    found = session.compare("a", "b")
    assert found.prompt is not None
    assert [piece for piece in found.prompt if piece[0] != "same"] == [
        ("out", "kindly"),
        ("in", "dryly"),
    ]
    assert found.fields == ()
    assert repr(found) == (
        "Comparison(0 rows in common, 4 only in run 1, 4 only in run 2; differ in: nothing known)"
    )


def test_model_sampling_and_schema_are_compared_field_by_field(session: sk.Session) -> None:
    generate(session, "Say {{ i }}.")
    generate(
        session,
        "Say {{ i }}.",
        model=sk.Fake("yes", name="other"),
        sampling=sk.Sampling(temperature=0, max_tokens=9),
        labels=["yes", "no"],
    )
    fields = {name: pair for name, *pair in session.compare(1, 2).fields}
    assert fields["model's label"] == ["fake", "other"]
    assert (fields["temperature"], fields["max_tokens"]) == ([0.7, 0], [256, 9])
    assert fields["schema"] == [None, '{"enum":["yes","no"]}']
    assert "index" not in fields
    assert "user" not in fields


def test_rows_are_matched_by_their_ids(session: sk.Session) -> None:
    first = generate(session, "Say {{ i }}.", rows={"i": [1, 2, 3]})
    second = generate(session, "Say {{ i }}.", rows={"i": [3, 4]})
    found = session.compare(1, 2)
    assert found.common == {first[2]} == {second[0]}
    assert found.only_a == set(first[:2])
    assert found.only_b == {second[1]}
    assert found.a.run is not None
    assert (found.a.run["requests"], found.b.run and found.b.run["hits"]) == (3, 1)


def test_the_share_of_accepted_rows_has_its_interval(session: sk.Session) -> None:
    ids = generate(session, "Say {{ i }}.", "a")
    marks = [Mark(id=id, label="accept", by="ana") for id in ids[:3]]
    marks += [Mark(id=ids[0], label="reject", by="bo"), Mark(id=ids[3], label="reject", by="ana")]
    marks += [Mark(id=ids[1], label="skip", by="bo"), Mark(id="far", label="accept", by="ana")]
    marks += [Mark(id=ids[3], label="accept", by="ana", round=2)]
    session.store.marks.add(marks)
    side = session.compare(1, "a").a
    assert (side.accepted, side.judged) == (2, 3)  # the first row is a draw
    assert side.rate == pytest.approx(2 / 3)
    assert side.interval == pytest.approx((0.2077, 0.9385), abs=1e-4)


def test_a_table_that_no_run_returned_can_be_compared(session: sk.Session) -> None:
    ids = generate(session, "Say {{ i }}.", "a")
    session.save("some", session.load("a").iloc[:1])
    found = session.compare("a", "some")
    assert found.common == {ids[0]}
    assert (found.b.run, found.b.label, found.prompt) == (None, "some", None)


def test_a_name_stands_for_its_newest_run(session: sk.Session) -> None:
    generate(session, "Say {{ i }}.", "a")
    generate(session, "Tell {{ i }}.", "a")
    assert session.compare("a", 1).a.label == "run 2"


def test_a_missing_run_or_table_is_named_in_the_error(session: sk.Session) -> None:
    with pytest.raises(UsageError, match=r"no run 1; .*none yet"):
        session.compare(1, 2)
    generate(session, "Say {{ i }}.", "facts")
    with pytest.raises(UsageError, match="no run 7; expected the number of a run, from 1 to 1"):
        session.compare(7, 1)
    with pytest.raises(TableError, match="'fact' not found; have 'facts'"):
        session.compare("fact", 1)
