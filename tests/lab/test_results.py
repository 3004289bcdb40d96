from __future__ import annotations

import pytest

from synthkit.core.types import Completion
from synthkit.evaluate.checks import Verdict
from synthkit.lab.cells import LabCell, LabColumn
from synthkit.lab.results import ranking, ranking_table
from synthkit.lab.variants import Variant
from synthkit.stats.intervals import wilson


@pytest.mark.parametrize("checks", [1, 4, 20])
def test_several_checks_of_a_row_do_not_narrow_the_interval(checks: int) -> None:
    column = LabColumn(Variant("A"), "fake", "A")

    def cell(row: int, column: LabColumn) -> LabCell:
        verdicts = {f"check {n}": Verdict(row < 6) for n in range(checks)}
        return LabCell(state="done", completion=Completion(text="so"), verdicts=verdicts)

    table = ranking_table(ranking([column], range(8), cell))
    low, high = wilson(6, 8)
    assert table["checked"].tolist() == [8]
    assert table["checks"].tolist() == [0.75]
    assert (table["checks_low"][0], table["checks_high"][0]) == (low, high)
