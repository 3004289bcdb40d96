from __future__ import annotations

from synthkit.plots import caption, confusion, rows, summary


def test_a_confusion_colours_what_is_off_the_diagonal() -> None:
    figure = confusion([[40, 3], [5, 1052]], ["<i>", "x" * 99], caption="seed 0")
    (heat,) = figure.data
    assert [list(row) for row in heat.z] == [[None, 3], [5, None]]
    assert heat.x == heat.y == ("&lt;i&gt;", "x" * 19 + "…")
    assert [note.text for note in figure.layout.annotations] == ["40", "3", "5", "1\u202f052"]
    assert caption(figure) == "n = 1\u202f100, 8 of them off the diagonal; seed 0"
    assert rows(figure)[0] == {"given": "x" * 99, "estimated": "<i>", "rows": 5}


def test_fifty_labels_are_a_small_figure_without_numbers_in_it() -> None:
    figure = confusion([[n] * 50 for n in range(50)], ["a rather long label of one beginning"] * 50)
    assert len(figure.to_json()) < 100_000
    assert len(figure.layout.annotations) == 0
    assert len(set(figure.data[0].x)) == 50


def test_a_confusion_without_rows_or_noise_says_so() -> None:
    assert caption(confusion([], [])) == "n = 0, 0 of them off the diagonal"
    assert summary(confusion([], [])) == "No rows."
    assert summary(confusion([[3]], ["a"])) == "All of 3 rows are on the diagonal."
