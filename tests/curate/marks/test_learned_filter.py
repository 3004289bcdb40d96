from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import LearnedFilter, apply_filters, learn, learned, represent
from synthkit.curate.marks.explanation import (
    MOST_CHARACTERS,
    MOST_WORDS,
    WordEffect,
    word_effects,
)
from synthkit.data import tables
from synthkit.models.embedders import load_embedder
from tests.benchmarks.learned_filter import early

WORDS = "soup tea rice fish cake bread salad juice coffee pasta".split()
GOOD, BAD = ["lovely", "fresh", "superb"], ["stale", "awful", "cold"]


def embed(texts: Any) -> Any:
    """A bag of words, of length 1: one dimension for each word known here."""
    known = [*WORDS, *GOOD, *BAD]
    counts = np.array([[text.lower().count(word) for word in known] for text in texts], float)
    return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


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
    filter = learn(TEXTS, {}, embed=embed, **options)
    verdicts = {at: TRUTH[at] for at in filter.propose(min(n, 20))}
    filter = learn(TEXTS, verdicts, embed=embed, **options)
    verdicts |= {at: TRUTH[at] for at in filter.propose(n - len(verdicts))}
    return learn(TEXTS, verdicts, embed=embed, **options)


FILTER = marked(60)


def test_words_that_decide_are_learned() -> None:
    assert ((FILTER.scores > 0.5) == GOODS).mean() > 0.97
    assert FILTER.scores.shape == (300,)
    new, truth = table(100, seed=9)
    assert ((FILTER.score(new) > 0.5) == truth).mean() > 0.97


def with_labels(n: int, seed: int) -> tuple[list[str], dict[str, list[str]], list[bool]]:
    """Texts with a label that is right or wrong: neither of them alone says which."""
    texts, good = table(n, seed)
    right = (np.random.default_rng(seed).permutation(n) % 2 == 0).tolist()
    labels = ["good" if yes == fits else "bad" for yes, fits in zip(good, right, strict=True)]
    return texts, {"label": labels}, right


def dense(texts: Any) -> Any:
    """The bag of words in 64 dimensions, as embeddings have it."""
    return embed(texts) @ np.random.default_rng(0).normal(size=(16, 64)) / 8


def test_marks_about_another_column_are_learned_from_it() -> None:
    texts, columns, right = with_labels(300, seed=1)
    verdicts = {at: right[at] for at in range(60)}
    filter = learn(texts, verdicts, embed=dense, columns=columns)
    blind = learn(texts, verdicts, embed=dense)
    assert ((blind.scores[60:] > 0.5) == right[60:]).mean() < 0.6
    assert ((filter.scores[60:] > 0.5) == right[60:]).mean() > 0.9
    rows, beside, truth = with_labels(200, seed=2)
    assert ((filter.score(rows, columns=beside) > 0.5) == truth).mean() > 0.9

    stored = LearnedFilter.from_dict(json.loads(json.dumps(filter.to_dict())), embed=dense)
    assert stored.reads == ("label",)
    made = {"text": rows, **beside}
    kept = apply_filters(made, learned(stored, embed=dense)).kept
    assert len(kept) == (filter.score(rows, columns=beside) >= 0.5).sum()
    cells = {"label": columns["label"][70]}
    explained = stored.explain(texts[70], columns=cells)
    assert explained.score == pytest.approx(filter.scores[70])
    assert replace(explained, score=filter.scores[70]) == filter.explain(70)


def test_the_columns_that_a_filter_reads_are_needed() -> None:
    texts, columns, right = with_labels(40, seed=1)
    verdicts = dict(enumerate(right))
    filter = learn(texts, verdicts, embed=embed, columns=columns)
    with pytest.raises(UsageError, match=r"reads 'label' beside the text; got \[\]"):
        filter.score(texts)
    with pytest.raises(UsageError, match=r"reads no other column beside the text; got \['label'\]"):
        learn(texts, verdicts, embed=embed).score(texts, columns=columns)
    with pytest.raises(TableError, match="'label' not found"):
        apply_filters({"text": texts}, learned(filter, embed=embed))
    with pytest.raises(UsageError, match="expected 40 cells of 'label'; got 3"):
        learn(texts, verdicts, embed=embed, columns={"label": ["a", "b", "c"]})


def test_a_long_cell_beside_the_text_is_embedded() -> None:
    long = "a superb soup, fresh and lovely, with a salad beside it"
    vector = represent(["stale rice"], embed=embed, columns={"question": [long]})[0]
    assert vector[16:32].tolist() == embed([long])[0].tolist()


def test_the_report_describes_the_table() -> None:
    report = FILTER.report
    assert (report.rows, report.marks, report.needs) == (300, 60, "")
    assert report.accepted == sum(FILTER.verdicts.values())
    assert report.sample >= 33
    assert report.kept == pytest.approx((FILTER.scores >= 0.5).mean())
    assert report.precision.low < 0.97 <= report.precision.high
    assert report.precision.n + report.recall.n > 20
    assert 0 < report.more[0.1] <= report.more[0.05]
    assert str(report).startswith(f"60 of 300 rows marked, {report.accepted} accepted, ")


def test_more_marks_than_rows_are_no_forecast() -> None:
    report = replace(FILTER.report, more={0.02: 900, 0.2: 0, 0.1: 240, 0.05: 241})
    assert report.further() == {
        0.1: "about 240 more marks",
        0.05: "more marks than the 240 rows left",
    }


@pytest.mark.parametrize(
    ("verdicts", "needs"),
    [
        ({}, "Mark 20 more rows: 20 are needed, and there are none; 2 accepted rows are needed"),
        ({0: True}, "Mark 19 more rows: 20 are needed, and there is 1; 2 accepted"),
        (dict.fromkeys(range(30), True), "Mark more rows: 2 rejected rows are needed, and there"),
        ({at: at > 0 for at in range(30)}, "Mark more rows: 2 rejected rows are needed, and the"),
        ({at: at > 4 for at in range(15)}, "Mark 5 more rows: 20 are needed, and there are 15."),
    ],
)
def test_too_few_marks_are_reported_and_not_an_error(verdicts: dict[int, bool], needs: str) -> None:
    filter = learn(TEXTS, verdicts, embed=embed)
    assert filter.report.needs.startswith(needs)
    assert str(filter.report).endswith(filter.report.needs)
    assert np.isfinite(filter.scores).all()
    assert len(filter.propose(5)) == 5
    assert filter.explain(3).score == filter.scores[3]
    assert LearnedFilter.from_dict(filter.to_dict(), embed=embed).report == filter.report
    with pytest.raises(UsageError, match=r"cannot be used yet\. Mark"):
        learned(filter, embed=embed)


def test_a_marked_row_has_its_leave_one_out_score() -> None:
    verdicts = {at: TRUTH[at] for at in range(60)}
    wrong = learn(TEXTS, verdicts | {7: not TRUTH[7]}, embed=embed)
    assert (wrong.scores[7] > 0.5) == TRUTH[7]


def test_few_marks_measure_without_bias_and_with_honest_intervals() -> None:
    for inside, bias, _ in early(60, accepted=0.5, proposed=False, few=(20, 40)).values():
        assert abs(bias).max() < 0.035  # leave-one-out without weights: -0.06 and -0.04
        assert inside.min() >= 0.88


def test_few_accepted_marks_do_not_make_the_precision_high() -> None:
    inside, bias, n = early(40, accepted=0.15, proposed=True, few=(20, 40))[40]
    assert n.min() >= 12
    assert abs(bias).max() < 0.1  # without a prior: 0.22
    assert inside.min() >= 0.9


def test_a_filter_that_is_not_better_than_none_says_so() -> None:
    random = np.random.default_rng(11)
    verdicts = {at: bool(random.random() < 0.5) for at in range(60)}  # marks without a reason
    report = learn(TEXTS, verdicts, embed=embed, order=range(300)).report
    assert report.base is not None
    assert report.base.value == sum(verdicts.values()) / 60
    assert report.precision.low <= report.base.value
    says = f"not significantly above the base rate: without a filter, {report.base.value:.2f}"
    assert says in report.warning
    assert report.warning in str(report)
    assert FILTER.report.warning == ""


def test_all_accepted_marks_but_two_do_not_make_a_filter_look_good() -> None:
    verdicts = {at: at not in (3, 4) for at in range(40)}
    report = learn(TEXTS, verdicts, embed=embed, order=range(300)).report
    assert report.precision.value is not None
    assert report.precision.value > 0.9
    assert report.warning


def test_the_order_of_marks_does_not_matter() -> None:
    backward = dict(reversed(FILTER.verdicts.items()))
    again = learn(TEXTS, backward, embed=embed)
    assert np.array_equal(again.scores, FILTER.scores)
    assert again.propose(20) == FILTER.propose(20)
    assert again.propose(20) != learn(TEXTS, backward, embed=embed, seed=1).propose(20)


def test_stored_vectors_give_the_same_result() -> None:
    vectors = represent(TEXTS, embed=embed)
    kept = learn(TEXTS, FILTER.verdicts, embed=lambda texts: 1 / 0, vectors=vectors)
    assert np.array_equal(kept.scores, FILTER.scores)


@pytest.mark.parametrize("wrong", [embed(TEXTS), represent(TEXTS[:5], embed=embed), [1.0]])
def test_vectors_of_other_texts_are_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"the result of represent\(texts"):
        learn(TEXTS, {}, embed=embed, vectors=wrong)


def test_the_threshold_is_the_given_one() -> None:
    assert FILTER.threshold == 0.5
    assert marked(60, threshold=0.9).report.kept <= FILTER.report.kept


@pytest.mark.parametrize("precision", [0.6, 0.8, 0.9])
def test_the_lowest_threshold_with_the_precision_is_chosen(precision: float) -> None:
    filter = marked(60, precision=precision)
    falling = np.sort(filter.scores)[::-1]
    kept = falling[falling >= filter.threshold]
    assert kept.mean() >= precision
    assert len(kept) == 300 or falling[falling >= falling[len(kept)]].mean() < precision


def test_skipped_rows_are_neither_proposed_nor_counted() -> None:
    first = learn(TEXTS, {}, embed=embed).propose(40)
    verdicts = {at: TRUTH[at] for at in first if at != first[1]}
    assert learn(TEXTS, verdicts, embed=embed).report.sample == 1
    filter = learn(TEXTS, verdicts, embed=embed, skipped=[first[1]])
    assert filter.report.sample == 39
    assert first[1] not in filter.propose(300)


def test_rows_marked_in_a_known_random_order_are_all_used_to_measure() -> None:
    order = np.random.default_rng(5).permutation(300).tolist()
    verdicts = {at: TRUTH[at] for at in order[:50]}
    assert learn(TEXTS, verdicts, embed=embed).report.sample < 10
    assert learn(TEXTS, verdicts, embed=embed, order=order).report.sample == 50


def test_a_score_is_explained_by_similar_rows_and_words() -> None:
    explanation = FILTER.explain("superb soup and awful tea", k=2)
    assert {one.word for one in explanation.words} == {"superb", "awful"}
    assert all((one.change > 0) == (one.word == "superb") for one in explanation.words)
    cosines = embed([*FILTER.marked, "superb soup and awful tea"])
    expected = np.sort(cosines[:-1] @ cosines[-1])[::-1][:2]
    assert [one.cosine for one in explanation.neighbours] == pytest.approx(expected)
    assert all(TRUTH[one.position] == one.accepted for one in explanation.neighbours)
    assert all(TEXTS[one.position] == one.text for one in explanation.neighbours)


def test_a_marked_row_is_not_its_own_neighbour() -> None:
    at = next(iter(FILTER.verdicts))
    explanation = FILTER.explain(at, k=60)
    assert at not in [one.position for one in explanation.neighbours]
    assert len(explanation.neighbours) == 59
    assert explanation.score == FILTER.scores[at]


def test_the_effect_of_a_word_is_the_change_without_it() -> None:
    word = FILTER.explain("fresh fish", k=1).words[0]
    whole, without = FILTER.score(["fresh fish", " fish"])
    assert word.word == "fresh"
    change = np.log(whole / (1 - whole)) - np.log(without / (1 - without))
    assert word.change == pytest.approx(change)


def test_every_occurrence_of_a_word_is_left_out() -> None:
    def logits(texts: Any) -> Any:
        return np.array([float(text.count("no")) for text in texts])

    assert word_effects("no, no, don't know", logits, 5) == (
        WordEffect("no", 2),
        WordEffect("know", 1),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [("很好吃", 3), ("جيد جدا", 2), ("great 🙂🙂", 2), ("it's co-op", 4), ("", 0), (" \n", 0)],
)
def test_words_of_all_scripts_are_tried(text: str, words: int) -> None:
    seen: list[str] = []

    def logits(texts: Any) -> Any:
        seen.extend(texts)
        return np.arange(len(texts), dtype=float)

    assert len(word_effects(text, logits, 99)) == words == max(len(seen) - 1, 0)


def test_only_the_beginning_of_a_long_text_is_explained() -> None:
    sizes: list[int] = []

    def logits(texts: Any) -> Any:
        sizes.extend(map(len, texts))
        return np.zeros(len(texts))

    assert word_effects(" ".join(map(str, range(200_000))), logits, 3) == ()
    assert len(sizes) <= MOST_WORDS + 1
    assert max(sizes) <= MOST_CHARACTERS


def test_a_stored_filter_scores_and_explains_alike() -> None:
    body = json.loads(json.dumps(FILTER.to_dict()))
    again = LearnedFilter.from_dict(body, embed=embed)
    new, _ = table(50, seed=2)
    assert np.array_equal(again.score(new), FILTER.score(new))
    assert again.explain(new[0]) == FILTER.explain(new[0])
    assert again.report == FILTER.report
    assert again.to_dict() == FILTER.to_dict()
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


def test_another_embedder_is_refused() -> None:
    body = FILTER.to_dict()
    with pytest.raises(UsageError, match="vectors of 16 numbers; got 3"):
        LearnedFilter.from_dict(body, embed=Other().embed).score(["a"])
    with pytest.raises(UsageError, match="learned with the embedder 'same'; got 'other'"):
        LearnedFilter.from_dict(body | {"embedder": "same"}, embed=Other().embed)
    with pytest.raises(UsageError, match="version 1; got 7"):
        LearnedFilter.from_dict(body | {"version": 7}, embed=embed)
    assert learn(TEXTS, {}, embed=Same().embed).to_dict()["embedder"] == "same"


def test_rows_are_dropped_with_their_probability(make: Any, kind: str) -> None:
    rows = make({"id": ["a", "b", "c"], "text": ["lovely soup", "awful soup", None]})
    curation = apply_filters(rows, learned(FILTER, embed=embed))
    assert tables.column(curation.kept, "id") == ["a"]
    whys = tables.column(curation.dropped, "why")
    assert whys[0].startswith("learned: P(accept) 0.")
    assert whys[1] == "missing"
    assert curation.funnel[0].reasons == {"learned": 1, "missing": 1}


def test_filters_of_the_same_name_decide_alike() -> None:
    name = learned(FILTER, embed=embed).name
    assert name == learned(LearnedFilter.from_dict(FILTER.to_dict(), embed=embed), embed=embed).name
    assert name.startswith("learned from 60 marks (")
    others = [
        learned(marked(61), embed=embed),
        learned(FILTER, embed=embed, least=0.6),
        learned(FILTER, embed=embed, column="answer"),
    ]
    assert len({name, *(one.name for one in others)}) == 4


def test_least_replaces_the_threshold() -> None:
    rows = {"text": ["lovely soup", "awful soup"]}
    assert (
        apply_filters(rows, learned(FILTER, embed=embed, least=0)).kept["text"].tolist()
        == rows["text"]
    )
    assert len(apply_filters(rows, learned(FILTER, embed=embed, least=1)).kept) == 0


def test_empty_tables_are_accepted_and_missing_columns_named() -> None:
    use = learned(FILTER, embed=embed)
    assert len(apply_filters({"text": []}, use).kept) == 0
    assert FILTER.score([]).shape == (0,)
    with pytest.raises(TableError, match="column 'text' not found"):
        apply_filters({"txt": ["a"]}, use)


def test_a_table_of_duplicates_gives_the_share_of_accepted_marks() -> None:
    filter = learn(["soup"] * 50, {at: at % 4 == 0 for at in range(40)}, embed=embed)
    assert filter.scores == pytest.approx(np.full(50, 0.25), abs=0.03)
    assert filter.report.kept == 0
    assert filter.report.precision.value is None


def test_a_table_may_have_one_row() -> None:
    filter = learn(["soup"], {}, embed=embed)
    assert filter.propose(5) == [0]
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
def test_bad_input_is_refused(change: Any, hint: str) -> None:
    good: dict[str, Any] = {"texts": ["soup", "tea"], "verdicts": {}, "embed": embed}
    given = good | change
    with pytest.raises(UsageError, match=hint):
        learn(given.pop("texts"), given.pop("verdicts"), **given)


@pytest.mark.model
def test_it_works_from_twenty_marks_with_static_embeddings() -> None:
    embedder = load_embedder("wordllama")
    odd = ["", "🙂", "很好吃", "طعام جيد", "word " * 200_000]
    texts = [*TEXTS, *odd]
    filter = learn(texts, {}, embed=embedder.embed)
    assert filter.report.needs
    verdicts = {at: TRUTH.get(at, False) for at in filter.propose(20)}
    filter = learn(texts, verdicts, embed=embedder.embed)
    assert filter.report.needs == ""
    assert ((filter.scores[:300] > 0.5) == GOODS).mean() > 0.7
    assert np.isfinite(filter.scores).all()
    assert filter.explain(304).score == filter.scores[304]
    assert filter.to_dict()["embedder"] == embedder.fingerprint
