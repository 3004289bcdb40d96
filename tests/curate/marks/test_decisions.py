from __future__ import annotations

from synthkit.core.types import Mark
from synthkit.curate.marks.decisions import label_pairs


def test_pairs_leave_out_skips_and_rows_of_one_round() -> None:
    first = {id: Mark(id=id, label="accept") for id in "abc"}
    second = {
        id: Mark(id=id, label=label)
        for id, label in zip("bcd", ["reject", "skip", "accept"], strict=True)
    }
    assert label_pairs(first, second) == [("accept", "reject")]
