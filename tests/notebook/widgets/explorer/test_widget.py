"""The explorer without a browser; tests/browser tests its front end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.data import tables
from synthkit.notebook.output.map_image import caption, static
from synthkit.notebook.widgets.explorer.map import POINTS, TextMap
from synthkit.notebook.widgets.explorer.vectors import BATCH
from synthkit.notebook.widgets.explorer.widget import ROWS, Explorer
from tests.notebook.conftest import Shell
from tests.notebook.wire import ask, messages

SAVED = 100_000
"""Most bytes that a widget may add to a notebook."""
HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31m\u202egnp\u200b\ud800"


class Words:
    """An embedder of two numbers: how many words, and how many letters e."""

    name = "words"

    def __init__(self, stop_at: int = -1, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.seen: list[str] = []
        self.stop_at, self.error = stop_at, error

    def embed(self, texts: Sequence[str]) -> Any:
        if 0 <= self.stop_at <= len(self.seen):
            self.stop_at = -1
            raise self.error("enough")
        self.seen += texts
        return np.array([[len(text.split()), text.count("e")] for text in texts], np.float32)


def rows(n: int) -> dict[str, list[Any]]:
    return {
        "id": [f"r{i}" for i in range(n)],
        "topic": [["bread", "soup", "wine"][i % 3] for i in range(n)],
        "stars": [i % 5 for i in range(n)],
        "text": [f"{'we ate ' * (i % 7)}the {i}" for i in range(n)],
    }


def explorer(n: int = 30, embedder: Any = None, **options: Any) -> Explorer:
    made = Explorer(pd.DataFrame(rows(n)), name="reviews", embedder=embedder or Words(), **options)
    made.embed()
    return made


def last(widget: Explorer, kind: str) -> Any:
    """The last message of one type that went to the browser."""
    return messages(widget, kind)[-1]


def test_the_selection_is_a_table_of_the_same_kind(
    kind: str, make: Callable[[dict[str, list[Any]]], Any]
) -> None:
    widget = Explorer(make(rows(9)), embedder=Words())
    widget.embed()
    widget.select(["r4", "r1"])
    assert tables.kind(widget.selected) == kind
    assert tables.column(widget.selected, "id") == widget.selected_ids == ["r1", "r4"]
    assert tables.columns(widget.selected) == ["id", "topic", "stars", "text"]


def test_the_first_look_embeds_and_draws() -> None:
    embedder = Words()
    widget = Explorer(pd.DataFrame(rows(300)), name="reviews", embedder=embedder)
    assert widget.stage["state"] == "waiting"
    ask(widget, type="points")
    assert len(embedder.seen) == 300
    assert widget.stage == {"state": "ready", "message": "", "done": 300, "total": 300}
    points = last(widget, "points")
    assert points["at"] == list(range(300))
    assert points["groups"]["labels"] == ["bread", "soup", "wine"]
    assert points["groups"]["counts"] == [100, 100, 100]
    assert {min(points["x"]), max(points["x"])} == {0.0, 1.0}
    assert points["texts"][8] == "we ate the 8"
    ask(widget, type="points")
    assert len(embedder.seen) == 300


def test_the_text_column_is_the_longest_unless_chosen() -> None:
    assert explorer().map.column == "text"
    assert explorer(column="topic").map.texts[:2] == ["bread", "soup"]
    with pytest.raises(TableError, match=r"column 'txt' not found.*Did you mean 'text'"):
        explorer(column="txt")
    with pytest.raises(TableError, match="expected a column of texts; have id, n"):
        TextMap({"n": [1, 2]}, embedder=Words())


def test_a_polygon_also_selects_rows_that_are_not_drawn() -> None:
    widget = explorer(5000)
    whole = [[-0.1, -0.1], [1.1, -0.1], [1.1, 1.1], [-0.1, 1.1]]
    assert widget.chart["shown"] == POINTS
    ask(widget, type="select", how="replace", line=whole)
    assert last(widget, "selection")["count"] == 5000
    assert len(widget.selected_ids) == 5000
    half = [[-0.1, -0.1], [0.5, -0.1], [0.5, 1.1], [-0.1, 1.1]]
    ask(widget, type="select", how="replace", line=half)
    within = widget.map.frame[:, 0] < 0.5
    assert widget.selected_ids == [f"r{i}" for i in np.flatnonzero(within)]
    selection = last(widget, "selection")
    assert len(selection["rows"]) == ROWS
    assert selection["drawn"] == np.flatnonzero(within[widget.map.drawn]).tolist()


def test_a_polygon_leaves_out_hidden_groups() -> None:
    widget = explorer()
    whole = [[-1, -1], [2, -1], [2, 2], [-1, 2]]
    ask(widget, type="hide", group=0)
    assert widget.chart["hidden"] == [0]
    ask(widget, type="select", how="replace", line=whole)
    assert set(widget.selected["topic"]) == {"soup", "wine"}
    ask(widget, type="hide", group=0)
    assert widget.chart["hidden"] == []
    ask(widget, type="select", how="replace", group=0)
    assert set(widget.selected["topic"]) == {"bread"}


def test_a_selection_is_replaced_extended_or_inverted() -> None:
    widget = explorer()
    ask(widget, type="select", how="replace", rows=[1, 2])
    ask(widget, type="select", how="add", rows=[2, 3])
    assert widget.selected_ids == ["r1", "r2", "r3"]
    ask(widget, type="select", how="toggle", rows=[3, 4])
    assert widget.selected_ids == ["r1", "r2", "r4"]
    ask(widget, type="select", how="replace", rows=[])
    assert widget.selected_ids == []
    widget.select(["r7"], "add")
    assert last(widget, "selection")["rows"] == [{"at": 7, "text": "the 7"}]
    assert widget.chart["selected"] == 1


@pytest.mark.parametrize(
    ("text", "count"),
    [("topic = soup and stars > 2", 4), ("SOUP", 10), ("text ~ 'ate the 2'", 9), ("nowhere", 0)],
)
def test_rows_are_found_by_an_expression_or_a_text(text: str, count: int) -> None:
    widget = explorer()
    ask(widget, type="select", how="replace", where=text)
    selection = last(widget, "selection")
    assert selection["count"] == len(widget.selected_ids) == count
    assert selection["said"] == f"{count} rows of reviews found"


def test_an_invalid_expression_shows_an_error_and_changes_nothing() -> None:
    widget = explorer()
    widget.select(["r3"])
    ask(widget, type="select", how="replace", where="topik = soup")
    assert "column 'topik' not found" in widget.error
    assert widget.selected_ids == ["r3"]
    ask(widget, type="select", how="replace", where="topic = soup")
    assert widget.error == ""


@pytest.mark.parametrize(
    "content",
    [
        {"type": "nothing"},
        {"type": "row", "at": 99},
        {"type": "near", "at": -1},
        {"type": "hide", "group": 9},
        {"type": "hand", "to": "mark"},
        {"type": "select", "how": "replace", "rows": [99]},
        {"type": "select", "how": "replace", "rows": ["0"]},
        {"type": "select", "how": "remove", "rows": [1]},
        {"type": "select", "how": "replace", "line": [[0, 0], [1, 1]]},
        {"type": "select", "how": "replace", "line": [[0, 0], [1, 1], ["a", None]]},
        {"type": "select", "how": "replace", "line": [[0, 0]] * 5000},
        {"type": "select", "how": "replace", "where": " "},
        {"type": "colour", "column": "id"},
    ],
)
def test_an_invalid_message_shows_an_error(content: dict[str, Any]) -> None:
    widget = explorer()
    ask(widget, **content)
    assert widget.error
    assert widget.selected_ids == []


def test_the_colour_is_a_column_or_none() -> None:
    widget = explorer()
    assert widget.chart["colour"] == "topic"
    ask(widget, type="colour", column="stars")
    groups = last(widget, "points")["groups"]
    assert (groups["numeric"], groups["labels"]) == (True, ["0", "1", "2", "3", "4"])
    ask(widget, type="colour", column="text")
    labels = last(widget, "points")["groups"]["labels"]
    assert len(labels) == 7
    assert labels[-1] == "24 others"
    ask(widget, type="colour", column="")
    assert last(widget, "points")["groups"]["labels"] == [""]


def test_a_selection_has_counts_for_each_group() -> None:
    widget = explorer()
    ask(widget, type="select", how="replace", where="topic = soup")
    contrasts = last(widget, "points")["contrasts"]
    assert [one["name"] for one in contrasts] == ["length in words", "topic", "stars"]
    assert contrasts[1]["counts"] == [10, 10, 10]
    assert last(widget, "selection")["counts"][1:] == [[0, 10, 0], [2, 2, 2, 2, 2]]


def test_a_row_is_sent_whole_with_its_neighbours() -> None:
    cells = rows(8)
    cells["text"][2] = HOSTILE + "x" * 1_000_000
    widget = Explorer(pd.DataFrame(cells, dtype=object), embedder=Words())
    widget.embed()
    ask(widget, type="row", at=2)
    row = last(widget, "row")
    assert row["text"][0].startswith("</script><img src=x onerror=alert(1)>\x1b[31m\u202egnp\u200b")
    assert [len(row["text"][0]), row["text"][1]] == [100_000, 1_000_000 + len(HOSTILE)]
    assert row["cells"] == [["id", "r2"], ["topic", "wine"], ["stars", 2]]
    assert last(widget, "points")["texts"][2][1] == 1_000_000 + len(HOSTILE)
    ask(widget, type="near", at=3)
    near = last(widget, "near")
    assert len(near["rows"]) == 7
    assert [(f"r{row['at']}", row["likeness"]) for row in near["rows"]] == widget.neighbours("r3")


def test_narrowing_draws_only_the_selection_until_it_is_widened() -> None:
    widget = explorer(9000)
    ask(widget, type="narrow", on=True)
    assert not widget.chart["narrowed"]
    widget.select([f"r{i}" for i in range(3000)])
    ask(widget, type="narrow", on=True)
    assert (widget.chart["scope"], widget.chart["shown"]) == (3000, POINTS)
    assert widget.chart["narrowed"]
    assert max(last(widget, "points")["at"]) < 3000
    ask(widget, type="narrow", on=False)
    assert widget.chart["scope"] == 9000
    widget.narrow(["r5"])
    assert last(widget, "points")["at"] == [5]
    assert last(widget, "points")["x"] == [0.5]
    widget.narrow(None)
    assert not widget.chart["narrowed"]


def test_interrupted_embedding_draws_the_embedded_rows_and_continues() -> None:
    embedder = Words(stop_at=2 * BATCH)
    widget = Explorer(pd.DataFrame(rows(3 * BATCH)), name="reviews", embedder=embedder)
    with pytest.raises(KeyboardInterrupt):
        widget.embed()
    assert widget.stage["state"] == "interrupted"
    assert widget.stage["done"] == len(last(widget, "points")["at"]) == 2 * BATCH
    assert f"{2 * BATCH} of {3 * BATCH} texts embedded" in widget.chart["caption"]
    ask(widget, type="resume")
    assert widget.stage["state"] == "ready"
    assert len(embedder.seen) == len(last(widget, "points")["at"]) == 3 * BATCH


def test_an_error_of_the_embedder_is_shown_and_can_be_retried() -> None:
    embedder = Words(stop_at=0, error=RuntimeError)
    widget = Explorer(pd.DataFrame(rows(5)), embedder=embedder)
    ask(widget, type="points")
    assert widget.stage["state"] == "failed"
    assert widget.stage["message"] == "RuntimeError: enough"
    assert last(widget, "points")["at"] == []
    ask(widget, type="resume")
    assert widget.stage["state"] == "ready"


@pytest.mark.parametrize("shape", [(5,), (4, 2), (5, 2, 2)])
def test_vectors_of_a_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    class Wrong:
        def embed(self, texts: Sequence[str]) -> Any:
            return np.zeros(shape)

    with pytest.raises(UsageError, match=r"expected vectors of shape \(5, .*from Wrong; got"):
        TextMap(rows(5), embedder=Wrong()).embed()


def test_vectors_in_a_column_need_no_embedder() -> None:
    cells = rows(4) | {"v": [[1.0, 0.0], None, [0.0, 1.0], [0.9, 0.1]]}
    widget = Explorer(pd.DataFrame(cells), name="t", vectors="v")
    widget.embed()
    assert last(widget, "points")["at"] == [0, 2, 3]
    assert widget.neighbours("r0", 1)[0][0] == "r3"
    assert widget.about["columns"] == ["topic", "stars", "text"]
    assert caption(widget.map).startswith("t: 3 points, 1 row without a vector, coloured by topic")
    with pytest.raises(TableError, match="expected vectors in column 'stars'; got '0'"):
        TextMap(rows(3), vectors="stars")
    with pytest.raises(TableError, match="expected vectors of 1 numbers in column 'w'"):
        TextMap(rows(2) | {"w": [[1], [1, 2]]}, vectors="w")


@pytest.mark.parametrize("n", [0, 1, 2])
def test_small_tables_have_a_map(n: int) -> None:
    widget = explorer(n)
    assert widget.stage["state"] == "ready"
    assert len(last(widget, "points")["at"]) == n
    assert widget.selected_ids == []
    assert f"reviews: {n} point" in widget.static.plain


def test_a_hundred_thousand_rows_send_little_and_save_less() -> None:
    cells = pd.DataFrame(rows(100_000))
    cells["text"] += " word" * 100
    widget = Explorer(cells, name="reviews", embedder=Words())
    widget.embed()
    widget.select(cells["id"].tolist())
    sent = [len(json.dumps(data)) for data in widget.comm.sent if data["method"] == "custom"]
    assert max(sent) < 700_000
    saved = json.dumps([widget.get_state(), widget.static.for_widget.html, widget.static.plain])
    print(f"{len(saved)} bytes saved")
    assert len(saved) < SAVED


def test_the_static_output_is_small_repeatable_and_runs_no_script() -> None:
    cells = rows(3000)
    cells["topic"][0] = HOSTILE
    made = [
        TextMap(pd.DataFrame(cells, dtype=object), name="<b>t</b>", embedder=Words(), seed=1)
        for _ in range(2)
    ]
    for text_map in made:
        text_map.embed()
    first, second = map(static, made)
    assert first == second
    assert len(first.html) < SAVED
    assert "<b>t" not in first.html
    assert "onerror=alert(1)>" not in first.html.replace("&gt;", "")
    assert first.html.count("<svg") == 0
    assert "2\u202f000 of 3\u202f000 points shown, coloured by topic" in first.plain
    assert "text embedded by words, PCA" in first.plain
    assert first.plain.endswith("seed 1")
    made[0].paint("stars")
    assert "size 1" in static(made[0]).plain
    made[0].paint("")
    assert "coloured" not in static(made[0]).plain


def test_selections_from_several_threads_are_all_kept() -> None:
    widget = explorer(200)

    def work(k: int) -> None:
        for i in range(k, 200, 4):
            widget.select([f"r{i}"], "add")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(widget.selected_ids) == 200


def test_the_selection_is_passed_on_to_mark_and_show() -> None:
    passed: list[tuple[list[Any], str]] = []

    def hand(one: Explorer, verb: str) -> str:
        passed.append((one.selected_ids, verb))
        return "" if verb == "show" else "%synth mark reviews_selected"

    widget = explorer(hand=hand)
    ask(widget, type="hand", to="mark")
    assert passed == []
    widget.select(["r1"])
    ask(widget, type="hand", to="mark")
    assert last(widget, "handed")["cell"] == "%synth mark reviews_selected"
    ask(widget, type="hand", to="show")
    assert last(widget, "handed") == {"type": "handed", "to": "show", "cell": ""}
    assert passed == [(["r1"], "mark"), (["r1"], "show")]


def test_a_live_figure_selects_too() -> None:
    widget = explorer()
    figure = widget.live()
    assert [trace.name for trace in figure.data] == ["bread", "soup", "wine"]

    class Points:
        point_inds = (0, 2)

    figure.data[1]._dispatch_on_selection(Points, None)
    assert widget.selected_ids == ["r1", "r7"]
    Points.point_inds = (1,)  # type: ignore[assignment]
    figure.data[0]._dispatch_on_selection(Points, None)
    assert widget.selected_ids == ["r1", "r3", "r7"]


def test_an_unknown_id_raises_an_error() -> None:
    widget = explorer()
    with pytest.raises(TableError, match="it has no row 'x', nor 1 other id"):
        widget.select(["r1", "x", "y"])


def prepared(shell: Shell, live: bool, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("SYNTHKIT_LIVE", "1" if live else "0")
    shell.ip.user_ns |= {"reviews": pd.DataFrame(rows(30)), "words": Words()}
    return shell


def test_the_verb_shows_the_widget_and_the_static_output(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(shell, True, monkeypatch).run("%synth explore reviews --embedder words --colour stars")
    widget, twin = shell.shown
    assert "application/vnd.jupyter.widget-view+json" in widget.data
    assert "reviews: 30 points, coloured by stars" in twin.data["text/plain"]
    assert "<style>" in twin.data["text/html"]
    shell.run("reviews_explorer.select(['r2'])")
    assert shell["reviews_explorer"].selected["topic"].tolist() == ["wine"]


def test_a_run_without_a_user_shows_only_the_static_output(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = prepared(shell, False, monkeypatch).run("%synth explore reviews --embedder words")
    assert len(shell.shown) == 1
    assert "reviews: 30 points, coloured by topic" in shown
    assert "<style>" not in shell.shown[0].data["text/html"]
    assert "reviews_explorer" not in shell.ip.user_ns


def test_interrupting_the_cell_keeps_the_embedded_rows(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(shell, True, monkeypatch)
    shell.ip.user_ns |= {"words": Words(stop_at=0)}
    with pytest.raises(KeyboardInterrupt, match="0 of 30 texts are embedded and drawn"):
        shell.run("%synth explore reviews --embedder words")
    shell["reviews_explorer"].embed()
    assert shell["reviews_explorer"].stage["state"] == "ready"


def test_passing_on_narrows_the_open_widget_or_binds_a_table(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(shell, True, monkeypatch).run("%synth explore reviews --embedder words")
    explorer = shell["reviews_explorer"]
    explorer.select(["r2", "r5"])
    ask(explorer, type="hand", to="show")
    assert last(explorer, "handed")["cell"] == "%synth show reviews_selected"
    assert shell["reviews_selected"]["id"].tolist() == ["r2", "r5"]
    shell.run("%synth show reviews")
    narrowed: list[Any] = []
    (view,) = [one for one in shell.context.widgets if type(one).__name__ == "TableView"]
    monkeypatch.setattr(view, "narrow", narrowed.append)
    ask(explorer, type="hand", to="show")
    assert last(explorer, "handed")["cell"] == ""
    assert narrowed == [["r2", "r5"]]


def test_a_live_figure_warns_of_its_size(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = prepared(shell, True, monkeypatch).run("%synth explore reviews --embedder words --live")
    assert "The live figure adds about 5 MB" in shown
    assert "application/vnd.jupyter.widget-view+json" in shell.shown[0].data


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("explore", "TABLE"),
        ("explore nothing", "table 'nothing' not found"),
        ("explore reviews --embedder words --colour txt", "column 'txt' not found"),
        ("explore reviews --vectors nothing", "column 'nothing' not found"),
    ],
)
def test_an_invalid_line_raises_a_usage_error(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, line: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        prepared(shell, True, monkeypatch).run(f"%synth {line}")
