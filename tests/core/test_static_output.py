"""Static outputs: what the HTML of a table does beyond its plain text."""

from __future__ import annotations

from synthkit.core.static_output import static_table


def test_an_interval_is_not_broken_into_lines() -> None:
    table = static_table([{"score": "0.59 [0.49, 0.69]", "text": "[1, 2, 3] and [a, b]"}])
    whole = '<span style="white-space:nowrap">[0.49, 0.69]</span>'
    assert table.html.count("nowrap") == table.html.count(whole) == 1
    assert "0.59 [0.49, 0.69]  [1, 2, 3] and [a, b]" in table.plain
