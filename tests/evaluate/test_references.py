from __future__ import annotations

import pytest

from synthkit.evaluate.registry import METRICS
from tests.evaluate.inputs import Kind
from tests.evaluate.references import REFERENCES
from tests.evaluate.references.page import KINDS, PAGE, bounds
from tests.evaluate.test_degenerate import CALLS

STATED = bounds(PAGE.read_text())


def test_the_page_lists_each_metric_that_is_held_against_another_and_no_other() -> None:
    assert list(STATED) == list(REFERENCES)


def test_each_public_metric_is_on_the_page() -> None:
    held = {one.function for one in REFERENCES.values()}
    made_of_others = {"calibrate", "compare", "leaderboard", "report", "standings"}
    assert CALLS.keys() - held <= made_of_others
    assert {one.function.__name__ for one in METRICS.values() if one.of != "inputs"} <= held


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", REFERENCES)
def test_a_metric_is_as_near_to_its_reference_as_the_page_says(metric: str, kind: Kind) -> None:
    apart, count = REFERENCES[metric].apart(kind)
    most, of = STATED[metric][kind]
    assert count == of
    assert apart <= most
