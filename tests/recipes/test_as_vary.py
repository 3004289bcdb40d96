from __future__ import annotations

from typing import Any

import pytest

from synthkit.core.errors import TableError
from synthkit.recipes import as_vary


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"field": "a"}], "column 'value' not found"),
        ([{"field": "a", "value": None}], "row 0 has no value"),
        ([{"field": None, "value": "x"}], "row 0 has no field"),
        (
            [{"field": "a", "value": "x", "label": "l"}, {"field": "a", "value": "y"}],
            "'a' has values with a label and without",
        ),
    ],
)
def test_a_table_that_is_none_of_values_is_refused(rows: Any, message: str) -> None:
    with pytest.raises(TableError, match=message):
        as_vary(rows)
