"""What has no value is an error that says why; what has one is finite, and nothing warns."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest

from synthkit import evaluate
from synthkit.core.errors import SynthkitError, UsageError
from synthkit.core.types import Score
from synthkit.evaluate import Battle, checks
from synthkit.evaluate.registry import METRICS
from synthkit.stats.bootstrap import Difference

NAN = math.nan
TEXTS: list[Any] = [
    [], [""], ["a"], ["", ""], ["a", ""], ["a", "a"], ["a", "b"], ["the soup was cold"] * 5,
    ["the soup was cold", "", "warm soup"], [" ", "\n", "?!"], ["🙂"], ["东京", "مرحبا", "é é"],
    ["\ud800 a", "a"], [None], ["a", None], [NAN, "a"], [1, 2], "one text",
]  # fmt: skip
VECTORS: list[Any] = [
    [], [[]], np.empty((0, 3)), [[1, 0]], [[1, 0], [0, 1]], [[1, 0], [1, 0]], [[1, 2]] * 5,
    [[3]] * 5, [[0, 0], [1, 0]], [[0, 0]] * 5, [[1, -1], [-1, 1]], np.eye(6),
    np.eye(6)[:, :2] + 1e-9, np.arange(12.0).reshape(6, 2) * 1e200,
    np.arange(1, 13).reshape(6, 2) * 1e-200,
    [[NAN, 1], [1, 0]], [[math.inf, 1], [1, 0]], [[None, 1.0], [1, 0]], [["a", "b"]], [[1], [1, 2]],
    [1, 2], 3, None, "one text",
]  # fmt: skip
LABELS: list[Any] = [
    [], ["a"], ["a", "a"], ["a", "b"], ["a"] * 5, [""] * 3, ["a", None], [NAN, "a"], [1, "a"],
    [["a"]],
]  # fmt: skip
OUTCOMES: list[Any] = [[], ["tie"], ["first"], ["first", "second"], ["tie"] * 5, ["first"] * 5,
                       ["second", "tie"], [None], ["third"], [NAN]]  # fmt: skip
CHANCES: list[Any] = [
    [], [0.5], [0], [1, 1], [0, 1], [0.2, 0.9, 0.9, 1], [NAN, 1], [2, 0], [math.inf, 0], [[0.5]],
    [1, 0] * 3,
]  # fmt: skip
GOOD = np.random.default_rng(0).normal(size=(12, 2))


def embed(texts: Sequence[str]) -> Any:
    return np.array([[len(text), text.count("a") + 1.0] for text in texts]).reshape(-1, 2)


def rows(cells: Any, column: str = "text") -> Any:
    """A table with such cells."""
    return [{column: cell} for cell in cells] if isinstance(cells, list) else cells


def judged_rows(judge: Any, marks: Any) -> list[dict[str, Any]]:
    """A table judged by a model and by people."""
    return [{"said": one, "gold": two} for one, two in zip(judge, marks, strict=False)]


def judged(outcomes: Any, texts: Any) -> list[dict[str, Any]]:
    """A table of pairs with verdicts."""
    systems = {"first_system": "a", "second_system": "b"}
    return [
        {"first": text, "second": "b b", "outcome": one, "forward": one, "backward": one, **systems}
        for one, text in zip(outcomes, texts, strict=False)
    ]


def fought(function: Callable[..., Any], outcomes: Any, *args: Any, **given: Any) -> Any:
    return function([Battle("a", "b", one) for one in outcomes], *args, **given)


def pairs(first: Any, second: Any) -> list[tuple[Any, Any]]:
    return list(zip(first, second, strict=False))


def both(function: Callable[..., Any]) -> list[Callable[[], Any]]:
    """With vectors of no use on either side, or on both."""
    return [
        partial(function, *sides)
        for bad in VECTORS
        for sides in ((bad, bad), (bad, GOOD), (GOOD, bad))
    ]


def labelled(labels: Any) -> list[dict[str, Any]]:
    return [{"text": f"a {label}", "label": label} for label in labels]


def scored(value: Any, parts: Any) -> Score:
    return Score(name="m", value=value, n=1, parts=parts)


LEARNER = evaluate.light(embed)
DRAWN: list[dict[str, Any]] = labelled("ab" * 4)
CALLS: dict[str, list[Callable[[], Any]]] = {
    **{
        name: [partial(getattr(evaluate, name), texts) for texts in TEXTS]
        for name in ("vocabulary", "compression_ratio", "mtld", "self_bleu")
    },
    **{
        name: [partial(getattr(evaluate, name), *one) for one in product(TEXTS, (1, 2, 9, 0))]
        for name in ("distinct_n", "ngram_entropy")
    },
    **{
        name: [partial(getattr(evaluate, name), vectors) for vectors in VECTORS]
        for name in ("remote_clique", "chamfer")
    },
    "aps": [
        partial(evaluate.aps, vectors, labels=labels, pairs=kind)
        for vectors in VECTORS
        for kind in ("all", "intra", "inter")
        for labels in (*LABELS, ["a", "b", "a", "b", "a", "b"], ["a", "b", "a", "b", "c"])
    ],
    "vendi": [
        partial(evaluate.vendi, vectors, q=q)
        for vectors, q in product(VECTORS, (0, 0.5, 1, 2, 1e6, math.inf, NAN, -1))
    ],
    **{name: both(getattr(evaluate, name)) for name in ("mauve", "frechet_distance", "two_sample")},
    "prdc": [call for k in (1, 5, 0) for call in both(partial(evaluate.prdc, k=k))],
    "label_divergence": [
        partial(evaluate.label_divergence, *one, draws=20) for one in product(LABELS, LABELS)
    ],
    "length_divergence": [
        partial(evaluate.length_divergence, *one, draws=20) for one in product(TEXTS, TEXTS)
    ],
    "pass_rate": [
        partial(evaluate.pass_rate, rows(texts), check)
        for texts in TEXTS
        if isinstance(texts, list)
        for check in ([], checks.length("text", 1, 3), checks.regex("none", "a"))
    ],
    "label_accuracy": [
        partial(
            evaluate.label_accuracy, rows(labels, "label"), "label", lambda row, right=right: right
        )
        for labels, right in product(LABELS, ("a", None, NAN, 1))
        if labels is not None
    ],
    "grounded": [
        partial(evaluate.grounded, spans, sources, resamples=20)
        for spans, sources in product((*TEXTS, [["a", ""], []]), (*TEXTS, [["a"], None]))
    ],
    "entailment": [
        partial(evaluate.entailment, texts, texts, lambda p, h, likely=likely: likely)
        for texts, likely in product(TEXTS, ([], [0.5], [0, 1], [NAN, NAN], [2, 0], ["a"], None))
    ],
    "judged": [
        partial(evaluate.judged, rows(given, column), resamples=20)
        for given in (*LABELS, [1], [5.0, 5.0], [0, NAN, 5], [None], [math.inf])
        for column in ("faithful", "other")
        if given is not None
    ],
    "memorised": [
        partial(evaluate.memorised, rows(ours), rows(train), n=n, embed=by, resamples=20)
        for ours, train in product(TEXTS[:-1], TEXTS[:-1])
        for n, by in ((1, None), (8, embed))
    ],
    "cohen": [
        partial(evaluate.cohen, pairs(*one), resamples=20) for one in product(LABELS, LABELS)
    ],
    "fleiss": [
        partial(evaluate.fleiss, table, resamples=20)
        for table in (
            *VECTORS,
            [[2, 0]],
            [[2, 0], [0, 2]],
            [[2, 0]] * 5,
            [[1, 1]] * 2,
            [[1, 0], [2, 0]],
        )
    ],
    "krippendorff": [
        partial(evaluate.krippendorff, ratings, measure, resamples=20)
        for ratings, measure in product(
            (
                *(one for one in VECTORS if isinstance(one, list | np.ndarray)),
                [LABELS[3]],
                [["a", "a"], ["a", None]],
                [["a", "b"]] * 5,
                [[0, 0], [0, 0]],
                [[0, 1]],
                [[0, 0], [1, 1]],
                [[None, None]],
                [["", ""], ["", "a"]],
            ),
            ("nominal", "ordinal", "interval", "ratio"),
        )
    ],
    "ratings": [
        partial(fought, evaluate.ratings, outcomes, ties=ties, resamples=20)
        for outcomes, ties in product(OUTCOMES, ("half", "drop"))
    ],
    "win_rate": [
        partial(fought, evaluate.win_rate, outcomes, who, ties=ties)
        for outcomes, ties, who in product(OUTCOMES, ("half", "drop"), ("a", "c", None))
    ],
    "order_consistency": [
        partial(evaluate.order_consistency, pairs(*one)) for one in product(OUTCOMES, OUTCOMES)
    ],
    "length_controlled": [
        partial(evaluate.length_controlled, outcomes, lengths, others, resamples=20)
        for outcomes in OUTCOMES
        for lengths, others in product(
            ([], [0], [1, 1], [1, 2], [0] * 5, [1, 2, 3, 4, 5], [NAN], ["a"], None),
            ([1], [1, 1], [3] * 5, [5, 4, 3, 2, 1]),
        )
    ],
    "reliability": [
        partial(evaluate.reliability, *one, resamples=20)
        for one in product((*CHANCES, TEXTS, 3), (*CHANCES, ["a"], None))
    ],
    "calibrate": [
        partial(evaluate.calibrate, judged_rows(judge, marks), "gold", "said", resamples=20)
        for judge, marks in product(
            (*LABELS, *CHANCES), (*LABELS, *CHANCES, [True, False], [True] * 5)
        )
    ],
    "standings": [
        partial(evaluate.standings, judged(outcomes, ["a"] * 5)) for outcomes in OUTCOMES[1:7]
    ]
    + [partial(evaluate.standings, judged(["third"], ["a"]))],
    "left_wins": [
        partial(evaluate.left_wins, outcomes, left)
        for outcomes, left in product(OUTCOMES, ([], ["first"], ["second", "first"], ["left"]))
    ],
    "leaderboard": [
        partial(evaluate.leaderboard, judged(outcomes, texts), ties=ties, resamples=20)
        for outcomes, texts, ties in product(OUTCOMES, (["a"] * 5, [None] * 5), ("half", "drop"))
    ],
    "tstr": [
        partial(evaluate.tstr, *sides, learner=LEARNER, draws=2)
        for bad in (*map(labelled, LABELS), rows(["a", None]), rows(["a"], "label"))
        for sides in ((bad, DRAWN, DRAWN), (DRAWN, bad, DRAWN), (DRAWN, DRAWN, bad), (bad,) * 3)
    ],
    "gain": [
        partial(evaluate.gain, *sides, learner=LEARNER)
        for bad in (*map(labelled, LABELS), rows(["a", None]), rows(["a"], "label"))
        for sides in ((bad, DRAWN, DRAWN), (DRAWN, bad, DRAWN), (DRAWN, DRAWN, bad), (bad,) * 3)
    ],
    "compare": [
        partial(evaluate.compare, scored(1, one), scored(2, other), which, resamples=20)
        for one, other in product((None, [], [1], [1, 1], [1, NAN], [1, 2, 3]), repeat=2)
        for which in (None, [], [(0, 0)], [(0, 0), (1, 1)])
    ],
    "report": [
        partial(evaluate.report, rows(texts), column="text", against=rows(train), embed=embed)
        for texts, train in product(TEXTS[:-1:2], (None, ["a", "b"], [""]))
    ],
}
NO_METRIC = {"battles", "pairs", "settled", "light", "held_out", "learning_curve", "metric"}
"""Public functions that give no score, or scores that these give; they have tests of their own."""


def numbers(found: Any) -> Iterator[float]:
    """All that a result says in numbers."""
    if isinstance(found, Score | Difference):
        ends = [end for end in (found.low, found.high) if end is not None]
        yield from (found.value, *ends)
        if ends:
            assert found.low <= found.value + 1e-9  # type: ignore[operator]
            assert found.value - 1e-9 <= found.high  # type: ignore[operator]
        if isinstance(found, Score) and found.parts is not None:
            yield from found.parts
    elif isinstance(found, Mapping):
        yield from numbers(list(found.values()))
    elif isinstance(found, list | tuple):
        for one in found:
            yield from numbers(one)
    elif is_dataclass(found):
        yield from numbers([getattr(found, field.name) for field in fields(found)])


@pytest.mark.parametrize("name", CALLS)
def test_degenerate_input_has_a_defined_value_or_an_error(name: str) -> None:
    defined, odd = 0, []
    for at, call in enumerate(CALLS[name]):
        try:
            found = list(numbers(call()))
        except SynthkitError:
            continue
        except Exception as error:
            odd.append((at, call, repr(error)))
            continue
        defined += 1
        if not found or not np.isfinite(found).all():
            odd.append((at, call, found))
    assert not odd
    assert 0 < defined < len(CALLS[name])


@pytest.mark.parametrize("name", CALLS)
def test_a_level_in_percent_is_refused_by_all(name: str) -> None:
    if "level" not in inspect.signature(getattr(evaluate, name)).parameters:
        return
    for call in CALLS[name]:
        try:
            call()
        except SynthkitError:
            continue
        with pytest.raises(UsageError):
            call(level=95)
        break


def test_each_public_function_is_tried() -> None:
    functions = {one for one in evaluate.__all__ if inspect.isfunction(getattr(evaluate, one))}
    assert functions == CALLS.keys() | NO_METRIC
    registered = {one.function.__name__ for one in METRICS.values() if one.of != "inputs"}
    assert registered <= CALLS.keys()
