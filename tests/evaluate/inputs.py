"""Inputs for metrics, random and degenerate, and published or recorded values."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

Kind = Literal["random", "degenerate"]
Array = np.ndarray[Any, Any]


def texts(kind: Kind) -> list[list[str]]:
    """Corpora, of few words that come again, some texts empty."""
    if kind == "degenerate":
        return [
            ["", ""],
            ["a", ""],
            ["a", "a"],
            ["a"],
            ["the soup was cold"] * 5,
            ["a a a a", "a"],
            ["one two three four", "five six seven eight", "nine"],
            ["a b c", "a b c d e", "a b c d"],
            ["东京很大", "东京很小", "🙂 🙂", "مرحبا بك"],
            ["x " * 2000, "x"],
        ]
    rng = np.random.default_rng(0)
    return [
        [
            " ".join(map(str, rng.integers(words, size=rng.integers(12))))
            for _ in range(rng.integers(3, 9))
        ]
        for words in range(2, 22)
    ]


def vectors(kind: Kind) -> list[Array]:
    """Tables of vectors, tall and wide."""
    if kind == "degenerate":
        return [np.eye(5), np.ones((6, 3)), np.eye(3)[[0, 0, 1]], np.eye(2), np.ones((5, 1))]
    rng = np.random.default_rng(1)
    shapes = [(30, 4), (12, 40), (20, 20), (600, 8), (3, 2)]
    return [
        rng.normal(0.5, 1, size=shape) * 10.0**power for power in (-3, 0, 3) for shape in shapes
    ]


def tables(kind: Kind) -> list[tuple[Array, Array]]:
    """Pairs of tables of vectors, real and synthetic."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 5))
    if kind == "degenerate":
        lattice = np.argwhere(np.ones((4, 4))).astype(np.float64)
        doubled = np.repeat(x[:15], 2, axis=0)
        return [(x, x[::-1]), (x, x + 1000), (lattice, lattice + 0.25), (doubled, x)]
    shapes = [(60, 50, 2, 0.5), (130, 90, 16, 1.0), (40, 70, 60, 0.0), (30, 30, 1, 3.0)]
    drawn = [(rng.normal(size=(n, d)), rng.normal(size=(m, d)), s) for n, m, d, s in shapes]
    return [(real, made + shift) for real, made, shift in drawn]


def labels(kind: Kind) -> list[tuple[list[str], list[str]]]:
    """Pairs of label columns of one length."""
    if kind == "degenerate":
        return [(list("ab"), list("ab")), (list("ab"), list("ba")), (list("aab"), list("aaa")),
                (list("abcd"), list("bcda")), ([""] * 4 + ["a"], ["a"] * 4 + [""])]  # fmt: skip
    rng = np.random.default_rng(3)
    return [
        ([f"l{i}" for i in rng.integers(k, size=n)], [f"l{i}" for i in rng.integers(k, size=n)])
        for k in (2, 3, 7)
        for n in (20, 60, 300)
    ]


def ratings(kind: Kind) -> list[Array]:
    """Tables of ratings by rows, with gaps."""
    if kind == "degenerate":
        gap = np.nan
        return [np.array(each) for each in (
            [[1.0, 2.0]], [[1, 1], [2, 2]], [[1, 2], [2, 1]], [[0, 0], [0, 1], [gap, 1]],
            [[1, gap, gap], [1, 2, gap], [2, 2, 2]],
        )]  # fmt: skip
    rng = np.random.default_rng(4)
    found = []
    for missing in (0, 0.2, 0.6):
        given = np.abs(rng.integers(0, 6, (40, 1)) + rng.integers(-1, 2, (40, 4))) * 1.5
        given[rng.random(given.shape) < missing] = np.nan
        found.append(given)
    return found


MTLD = [
    # a letter is a token; lexicalrichness 0.5.1, LexicalRichness(...).mtld(0.72)
    ("bawwaaamfawewcdccwwaawabrwwawwfiwwwwwbwmwwaaaaobcodawwwdwaafcjwabaw", 4.785714285714286),
    ("bktatctqtaaattaittabattaditttdmeattpehfatatatstottadtjatbatbta", 5.044580970384374),
    (
        "ggbaaegdfagaaegaggdbagggcgggadeagagabebgdgegcgdggbgggggagagcbbgcaggebbggaa",
        3.9155196489128263,
    ),
    ("pdbbpeapapppppapaafappap", 3.4285714285714284),
    ("ammamhmbadamaahdbaabmb", 4.95),
    ("anannnnnjnnnnnabanknnnnabnannbahcancnnadnbnfnanbnbnd", 3.466666666666667),
    ("hachhfbahahhhhghhacbhahhhahdhhhhachhhachgaahbhhhfachadhaaehah", 3.952434456928839),
    ("aiiiibiiaaaicaaiaaiafaiiidciaaiiaiaaiiiaiiiihcacaaiaaibahiadiiaiaei", 3.4481568998109644),
    ("amappppaaacpmaadccbpiacbpppapbafldpaaaabppbaappppgapadpackppcdab", 4.0),
    ("ababyydbeayonbkybyaacyy", 4.6),
    ("dddbbddddadcaaaadada", 2.857142857142857),
    ("ddaadadadddddd", 2.3333333333333335),
]
MTLD_DEGENERATE = [
    ("aa", 2.0),
    ("aaa", 3.0),
    ("aab", 3.0),
    ("aba", 3.0),
    ("abca", 4.48),
    ("abab", 4.0),
    ("abcdabcd", 8.0),
    ("abcdefghijabcdefghij", 20.0),
]
