from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import LearnedFilter, apply_filters, learn, learned, represent
from synthkit.curate.marks.explanation import MOST_CHARACTERS, MOST_WORDS, Moved, moved
from synthkit.data import tables as tables
from synthkit.models.embedders import load_embedder

WORDS = "soup tea rice fish cake bread salad juice coffee pasta".split()
GOOD, BAD = ["lovely", "fresh", "superb"], ["stale", "awful", "cold"]


def embed(texts: Any) -> Any:
    """A bag of words, of length 1: one dimension for each word known here."""
    known = [*WORDS, *GOOD, *BAD]
    made = np.array([[text.lower().count(word) for word in known] for text in texts], float)
    return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)


def table(n: int = 300, seed: int = 0) -> tuple[list[str], list[bool]]:
    random = np.random.default_rng(seed)
    good = random.random(n) < 0.5
    return [
        f"{random.choice(GOOD if yes else BAD)} {' and '.join(random.choice(WORDS, 2))}"
        for yes in good
    ], good.tolist()


TEXTS, GOODS = table()
TRUTH = dict(enumerate(GOODS))


def marked(n: int, **options: Any) -> LearnedFilter:
    """Learned from ``n`` marks, in the order in which it asks for them."""
    found = learn(TEXTS, {}, embed=embed, **options)
    said = {at: TRUTH[at] for at in found.propose(min(n, 20))}
    found = learn(TEXTS, said, embed=embed, **options)
    said |= {at: TRUTH[at] for at in found.propose(n - len(said))}
    return learn(TEXTS, said, embed=embed, **options)


FOUND = marked(60)


def test_planted_words_are_learned() -> None:
    assert ((FOUND.scores > 0.5) == GOODS).mean() > 0.97
    assert FOUND.scores.shape == (300,)
    new, truth = table(100, seed=9)
    assert ((FOUND.score(new) > 0.5) == truth).mean() > 0.97


def test_the_report_says_what_is_known_of_the_table() -> None:
    report = FOUND.report
    assert (report.rows, report.marks, report.needs) == (300, 60, "")
    assert report.accepted == sum(FOUND.verdicts.values())
    assert report.sample >= 33
    assert report.kept == pytest.approx((FOUND.scores >= 0.5).mean())
    assert report.precision.low < 0.97 <= report.precision.high
    assert report.precision.n + report.recall.n > 20
    assert 0 < report.more[0.05] <= 240
    assert report.more[0.1] <= report.more[0.05]
    assert str(report).startswith(f"60 of 300 rows marked, {report.accepted} accepted, ")


@pytest.mark.parametrize(
    ("said", "needs"),
    [
        ({}, "Mark 20 more rows: 20 are needed, and there are none; 2 accepted rows are needed"),
        ({0: True}, "Mark 19 more rows: 20 are needed, and there is 1; 2 accepted"),
        (dict.fromkeys(range(30), True), "Mark more rows: 2 rejected rows are needed, and there"),
        ({at: at > 0 for at in range(30)}, "Mark more rows: 2 rejected rows are needed, and the"),
        ({at: at > 4 for at in range(15)}, "Mark 5 more rows: 20 are needed, and there are 15."),
    ],
)
def test_too_few_marks_are_a_state_and_no_error(said: dict[int, bool], needs: str) -> None:
    found = learn(TEXTS, said, embed=embed)
    assert found.report.needs.startswith(needs)
    assert str(found.report).endswith(found.report.needs)
    assert np.isfinite(found.scores).all()
    assert len(found.propose(5)) == 5
    assert found.explain(3).score == found.scores[3]
    assert LearnedFilter.from_dict(found.to_dict(), embed=embed).report == found.report
    with pytest.raises(UsageError, match=r"cannot be used yet\. Mark"):
        learned(found, embed=embed)


def test_a_marked_row_is_scored_as_if_it_were_not() -> None:
    said = {at: TRUTH[at] for at in range(60)}
    wrong = learn(TEXTS, said | {7: not TRUTH[7]}, embed=embed)
    assert (wrong.scores[7] > 0.5) == TRUTH[7]


def test_the_same_marks_and_seed_give_the_same_whatever_their_order() -> None:
    backward = dict(reversed(FOUND.verdicts.items()))
    again = learn(TEXTS, backward, embed=embed)
    assert np.array_equal(again.scores, FOUND.scores)
    assert again.propose(20) == FOUND.propose(20)
    assert again.propose(20) != learn(TEXTS, backward, embed=embed, seed=1).propose(20)


def test_vectors_that_were_kept_give_what_embedding_again_gives() -> None:
    vectors = represent(TEXTS, embed=embed)
    kept = learn(TEXTS, FOUND.verdicts, embed=lambda texts: 1 / 0, vectors=vectors)
    assert np.array_equal(kept.scores, FOUND.scores)


@pytest.mark.parametrize("wrong", [embed(TEXTS), represent(TEXTS[:5], embed=embed), [1.0]])
def test_vectors_of_something_else_are_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"what represent\(texts, embed=...\) gives"):
        learn(TEXTS, {}, embed=embed, vectors=wrong)


def test_the_threshold_is_what_was_asked() -> None:
    assert FOUND.threshold == 0.5
    assert marked(60, threshold=0.9).report.kept <= FOUND.report.kept


@pytest.mark.parametrize("precision", [0.6, 0.8, 0.9])
def test_a_threshold_for_a_precision_keeps_as_much_as_it_can(precision: float) -> None:
    found = marked(60, precision=precision)
    falling = np.sort(found.scores)[::-1]
    kept = falling[falling >= found.threshold]
    assert kept.mean() >= precision
    assert len(kept) == 300 or falling[falling >= falling[len(kept)]].mean() < precision


def test_skipped_rows_are_neither_asked_for_nor_counted() -> None:
    first = learn(TEXTS, {}, embed=embed).propose(40)
    said = {at: TRUTH[at] for at in first if at != first[1]}
    assert learn(TEXTS, said, embed=embed).report.sample == 1
    found = learn(TEXTS, said, embed=embed, skipped=[first[1]])
    assert found.report.sample == 39
    assert first[1] not in found.propose(300)


def test_rows_marked_in_a_known_random_order_all_measure() -> None:
    order = np.random.default_rng(5).permutation(300).tolist()
    said = {at: TRUTH[at] for at in order[:50]}
    assert learn(TEXTS, said, embed=embed).report.sample < 10
    assert learn(TEXTS, said, embed=embed, order=order).report.sample == 50


def test_a_verdict_is_explained_by_like_rows_and_the_words_that_moved_it() -> None:
    found = FOUND.explain("superb soup and awful tea", k=2)
    assert {one.word for one in found.words} == {"superb", "awful"}
    assert all((one.change > 0) == (one.word == "superb") for one in found.words)
    cosines = embed([*FOUND.marked, "superb soup and awful tea"])
    expected = np.sort(cosines[:-1] @ cosines[-1])[::-1][:2]
    assert [one.cosine for one in found.neighbours] == pytest.approx(expected)
    assert all(TRUTH[one.position] == one.accepted for one in found.neighbours)
    assert all(TEXTS[one.position] == one.text for one in found.neighbours)


def test_a_marked_row_is_not_its_own_neighbour() -> None:
    at = next(iter(FOUND.verdicts))
    found = FOUND.explain(at, k=60)
    assert at not in [one.position for one in found.neighbours]
    assert len(found.neighbours) == 59
    assert found.score == FOUND.scores[at]


def test_a_words_change_is_that_of_the_text_without_it() -> None:
    word = FOUND.explain("fresh fish", k=1).words[0]
    one, other = FOUND.score(["fresh fish", " fish"])
    assert word.word == "fresh"
    logit = np.log(one / (1 - one)) - np.log(other / (1 - other))
    assert word.change == pytest.approx(logit)


def test_every_occurrence_of_a_word_is_left_out() -> None:
    def logits(texts: Any) -> Any:
        return np.array([float(text.count("no")) for text in texts])

    assert moved("no, no, don't know", logits, 5) == (Moved("no", 2), Moved("know", 1))


@pytest.mark.parametrize(
    ("text", "words"),
    [("很好吃", 3), ("جيد جدا", 2), ("great 🙂🙂", 2), ("it's co-op", 4), ("", 0), (" \n", 0)],
)
def test_words_of_any_script_are_tried(text: str, words: int) -> None:
    seen: list[str] = []

    def logits(texts: Any) -> Any:
        seen.extend(texts)
        return np.arange(len(texts), dtype=float)

    assert len(moved(text, logits, 99)) == words == max(len(seen) - 1, 0)


def test_a_long_text_does_not_take_long() -> None:
    sizes: list[int] = []

    def logits(texts: Any) -> Any:
        sizes.extend(map(len, texts))
        return np.zeros(len(texts))

    assert moved(" ".join(map(str, range(200_000))), logits, 3) == ()
    assert len(sizes) <= MOST_WORDS + 1
    assert max(sizes) <= MOST_CHARACTERS


def test_a_filter_that_was_kept_decides_and_explains_alike() -> None:
    held = json.loads(json.dumps(FOUND.to_dict()))
    again = LearnedFilter.from_dict(held, embed=embed)
    new, _ = table(50, seed=2)
    assert np.array_equal(again.score(new), FOUND.score(new))
    assert again.explain(new[0]) == FOUND.explain(new[0])
    assert again.report == FOUND.report
    assert again.to_dict() == FOUND.to_dict()
    with pytest.raises(UsageError, match="no table to propose rows"):
        again.propose(3)
    with pytest.raises(UsageError, match="no table to explain a row"):
        again.explain(3)


class Other:
    fingerprint = "other"

    def embed(self, texts: Any) -> Any:
        return embed(texts)[:, :3]


class Same(Other):
    fingerprint = "same"


def test_another_embedder_than_it_was_learned_with_is_refused() -> None:
    held = FOUND.to_dict()
    with pytest.raises(UsageError, match="vectors of 16 numbers; got 3"):
        LearnedFilter.from_dict(held, embed=Other().embed).score(["a"])
    with pytest.raises(UsageError, match="learned with the embedder 'same'; got 'other'"):
        LearnedFilter.from_dict(held | {"embedder": "same"}, embed=Other().embed)
    with pytest.raises(UsageError, match="version 1; got 7"):
        LearnedFilter.from_dict(held | {"version": 7}, embed=embed)
    assert learn(TEXTS, {}, embed=Same().embed).to_dict()["embedder"] == "same"


def test_rows_are_dropped_with_their_probability(make: Any, kind: str) -> None:
    rows = make({"id": ["a", "b", "c"], "text": ["lovely soup", "awful soup", None]})
    curation = apply_filters(rows, learned(FOUND, embed=embed))
    assert tables.column(curation.kept, "id") == ["a"]
    whys = tables.column(curation.dropped, "why")
    assert whys[0].startswith("learned: P(accept) 0.")
    assert whys[1] == "missing"
    assert curation.funnel[0].reasons == {"learned": 1, "missing": 1}


def test_filters_of_one_name_decide_alike() -> None:
    name = learned(FOUND, embed=embed).name
    assert name == learned(LearnedFilter.from_dict(FOUND.to_dict(), embed=embed), embed=embed).name
    assert name.startswith("learned from 60 marks (")
    others = [
        learned(marked(61), embed=embed),
        learned(FOUND, embed=embed, least=0.6),
        learned(FOUND, embed=embed, column="answer"),
    ]
    assert len({name, *(one.name for one in others)}) == 4


def test_least_is_what_decides() -> None:
    rows = {"text": ["lovely soup", "awful soup"]}
    assert (
        apply_filters(rows, learned(FOUND, embed=embed, least=0)).kept["text"].tolist()
        == rows["text"]
    )
    assert len(apply_filters(rows, learned(FOUND, embed=embed, least=1)).kept) == 0


def test_empty_tables_and_columns_that_are_not_there() -> None:
    use = learned(FOUND, embed=embed)
    assert len(apply_filters({"text": []}, use).kept) == 0
    assert FOUND.score([]).shape == (0,)
    with pytest.raises(TableError, match="column 'text' not found"):
        apply_filters({"txt": ["a"]}, use)


def test_a_table_of_duplicates_gives_the_share_of_accepted_marks() -> None:
    found = learn(["soup"] * 50, {at: at % 4 == 0 for at in range(40)}, embed=embed)
    assert found.scores == pytest.approx(np.full(50, 0.25), abs=0.03)
    assert found.report.kept == 0
    assert found.report.precision.value is None


def test_one_row_is_a_table() -> None:
    found = learn(["soup"], {}, embed=embed)
    assert found.propose(5) == [0]
    assert learn(["soup"], {0: True}, embed=embed).propose(5) == []


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"texts": []}, "one text or more; got none"),
        ({"texts": ["a", None]}, "row 1: expected a text; got None"),
        ({"verdicts": {2: True}}, "a row's position from 0 to 1; got 2"),
        ({"verdicts": {-1: True}}, "a row's position from 0 to 1; got -1"),
        ({"verdicts": {"a": True}}, "a row's position from 0 to 1; got 'a'"),
        ({"verdicts": {0: "accept"}}, "row 0: expected True for accept or False; got 'accept'"),
        ({"skipped": [5]}, "a row's position from 0 to 1; got 5"),
        ({"order": [0, 0]}, "each position from 0 to 1 once"),
        ({"threshold": 2}, "threshold must be from 0 to 1; got 2"),
        ({"precision": float("nan")}, "precision must be from 0 to 1; got nan"),
        ({"precision": 0.8, "threshold": 0.5}, "give threshold= or precision=, not both"),
        ({"embed": lambda texts: [[np.nan]] * len(texts)}, "row 0: its vector is not finite"),
    ],
)
def test_what_cannot_work_is_said(change: Any, hint: str) -> None:
    good: dict[str, Any] = {"texts": ["soup", "tea"], "verdicts": {}, "embed": embed}
    given = good | change
    with pytest.raises(UsageError, match=hint):
        learn(given.pop("texts"), given.pop("verdicts"), **given)


@pytest.mark.model
def test_it_works_from_twenty_marks_with_static_embeddings() -> None:
    embedder = load_embedder("wordllama")
    odd = ["", "🙂", "很好吃", "طعام جيد", "word " * 200_000]
    texts = [*TEXTS, *odd]
    found = learn(texts, {}, embed=embedder.embed)
    assert found.report.needs
    said = {at: TRUTH.get(at, False) for at in found.propose(20)}
    found = learn(texts, said, embed=embedder.embed)
    assert found.report.needs == ""
    assert ((found.scores[:300] > 0.5) == GOODS).mean() > 0.7
    assert np.isfinite(found.scores).all()
    assert found.explain(304).score == found.scores[304]
    assert found.to_dict()["embedder"] == embedder.fingerprint
