from __future__ import annotations

from synthkit.curate.marks.orders import contested_first, sample_ids, shuffled, uncertain_first

IDS = ["a", "b", "c", "d"]


def test_rows_are_ordered_by_chance_uncertainty_and_disagreement() -> None:
    assert sorted(shuffled(IDS, 1)) == IDS
    assert shuffled(IDS, 1) == shuffled(IDS, 1) != shuffled(IDS, 2)
    assert uncertain_first(IDS, [0.1, 0.6, float("nan"), 0.45]) == ["d", "b", "a", "c"]
    judged = {"b": ["accept", "reject"], "c": ["accept", "reject", "skip"], "d": ["accept"] * 2}
    assert contested_first(IDS, judged) == ["c", "b", "a", "d"]


def test_an_added_row_replaces_at_most_one_of_a_sample() -> None:
    ids = [str(n) for n in range(100)]
    before, after = sample_ids(ids, 20, 0), sample_ids([*ids, "new"], 20, 0)
    assert len(before) == 20
    assert len(set(before) - set(after)) <= 1
    assert sample_ids(ids, 20, 1) != before
