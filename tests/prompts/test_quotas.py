from __future__ import annotations

import random

from synthkit.prompts.quotas import quotas, shares


def test_quotas_are_those_of_the_largest_remainder() -> None:
    draw = random.Random(0)
    for _ in range(200):
        n, sizes = draw.randint(1, 60), (draw.randint(1, 4), draw.randint(1, 4))
        pairs = [{"label": x, "topic": y} for x in range(sizes[0]) for y in range(sizes[1])]
        shares = {x: draw.randint(1, 9) for x in range(sizes[0])}
        made = quotas(pairs, n, {"label": shares})
        assert sum(made) == n
        total = sum(shares.values())
        up: list[int] = []
        down: list[int] = []
        for x in shares:
            of_label = [m for m, pair in zip(made, pairs, strict=True) if pair["label"] == x]
            floor, remainder = divmod(n * shares[x], total)
            assert sum(of_label) in (floor, floor + 1)
            (up if sum(of_label) > floor else down).append(remainder)
            assert max(of_label) - min(of_label) <= 1
        assert min(up, default=total) >= max(down, default=0)


def test_shares_are_products_of_those_of_the_fields() -> None:
    pairs = [{"label": x, "topic": y} for x in "ab" for y in "12"]
    found = shares(pairs, {"label": {"a": 3, "b": 1}, "topic": {"1": 1, "2": 4}})
    assert [round(one, 9) for one in found] == [0.15, 0.6, 0.05, 0.2]
