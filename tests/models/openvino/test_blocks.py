from __future__ import annotations

from synthkit.models.openvino.blocks import Blocks


def test_blocks_that_keep_nothing_are_used_again_before_new_ones() -> None:
    pool, touched = Blocks(10), set()
    for _ in range(20):
        taken, held = pool.reserve([], 2) or ([], -1)
        assert held == 0
        touched.update(taken)
        pool.release(taken)
    assert len(touched) == 2


def test_a_kept_beginning_stays_until_no_other_block_is_free() -> None:
    pool = Blocks(10)
    taken, _ = pool.reserve([b"a"], 2) or ([], 0)
    pool.keep(taken[0], b"a")
    pool.release(taken)
    others, _ = pool.reserve([], 9) or ([], 0)
    assert set(others) == set(range(10)) - {taken[0]}
    assert pool.reserve([b"a"], 1) == (taken[:1], 1)
    assert pool.reserve([], 1) is None
    pool.release(taken[:1])
    assert pool.reserve([], 1) == (taken[:1], 0)
    pool.release(taken[:1])
    assert pool.reserve([b"a"], 1) == (taken[:1], 0)


def test_of_kept_beginnings_the_oldest_is_given_up_first() -> None:
    pool = Blocks(2)
    for key in (b"a", b"b"):
        taken, _ = pool.reserve([key], 1) or ([], 0)
        pool.keep(taken[0], key)
        pool.release(taken)
    pool.release((pool.reserve([b"c"], 1) or ([], 0))[0])
    kept, held = pool.reserve([b"b"], 1) or ([], 0)
    assert held == 1
    pool.release(kept)
    assert (pool.reserve([b"a"], 1) or ([], 1))[1] == 0
