"""Numbers, counts and cells as text."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from synthkit.core.formatting import cell, reveal


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (float("nan"), "NaN"),
        (True, "true"),
        (1.5, "1.5"),
        ({"a": ["é"]}, '{"a": ["é"]}'),
        ({(1, 2): 3}, "<dict>"),
        ({"x": object()}, '{"x": "<object>"}'),
        (b"\x00", "<bytes>"),
    ],
)
def test_values_are_written_as_json_and_never_by_address(value: Any, text: str) -> None:
    assert cell(value) == text


def test_values_of_numpy_dates_and_decimals_are_written_plainly() -> None:
    import datetime
    from decimal import Decimal

    import numpy as np

    assert cell(np.array([1, 2])) == "[1, 2]"
    assert cell(np.int64(7)) == "7"
    assert cell(datetime.date(2024, 1, 2)) == "2024-01-02"
    assert cell(Decimal("1.10")) == "1.10"


def test_joiners_of_emoji_and_persian_are_left_alone() -> None:
    for text in ["👨\u200d👩\u200d👧", "می\u200cخواهم"]:
        assert reveal(text) == text
    assert reveal("a\u200db\u200d") == "a<U+200D>b<U+200D>"


def test_static_outputs_import_no_widget_and_no_table_library() -> None:
    code = (
        "import sys, synthkit.data.results; "
        "print([m for m in ('anywidget', 'ipywidgets', 'pandas', 'pyarrow', 'IPython') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
