from __future__ import annotations

import numpy as np
import pytest

from synthkit.data import large_texts


def test_digests_are_equal_only_if_both_halves_are() -> None:
    found = np.array([[1, 2], [1, 3], [2, 2], [1, 2], [2, 2], [1, 3]], np.uint64)
    assert large_texts.first_equal_digests(found).tolist() == [0, 1, 2, 0, 2, 1]
    assert large_texts.first_equal_digests(found[:0]).tolist() == []


def test_equal_texts_are_found_with_and_without_digests() -> None:
    texts = [f"text {at % 7}".upper() if at % 2 else f"text {at % 7}" for at in range(60)]
    for change in (None, lambda part: [text.lower() for text in part]):
        first = large_texts.first_equal(texts, change)
        changed = change(texts) if change else texts
        assert first.tolist() == [changed.index(text) for text in changed]
        digests = large_texts.digests(changed)
        assert large_texts.first_equal_digests(digests).tolist() == first.tolist()


def test_a_list_is_one_part() -> None:
    texts = ["soup", "tea", "bread"]
    assert list(large_texts.map_parts(texts, len)) == [3]
    arrays = [np.arange(3), np.arange(2)]
    assert large_texts.regrouped(texts, [arrays]) is arrays
    with pytest.raises(ValueError, match="too many values"):
        large_texts.regrouped(texts, [arrays, arrays])
    assert list(large_texts.take(texts, np.array([2, 0]))) == ["bread", "soup"]
