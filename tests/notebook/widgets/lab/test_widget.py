"""The lab widget and its verb without a browser; tests/browser tests its front end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import ModelNotFound, UsageError
from synthkit.core.models import Activity
from synthkit.core.types import Completion, Request, Sampling
from synthkit.lab.lab import PromptLab
from synthkit.notebook import Lab
from synthkit.notebook.arguments import split
from synthkit.notebook.cell import cell_options
from synthkit.notebook.deferred import Deferred
from synthkit.notebook.names import sampling
from synthkit.notebook.output.lab_summary import static
from synthkit.sessions.lab_bodies import check_lab_body
from tests.notebook.conftest import Shell

A, B = "Write about {{ topic }}.", "Say {{ topic }}."
TOPICS = [{"topic": topic} for topic in ("bread", "soup", "wine")]
Make = Callable[..., Any]


@pytest.fixture
def fake() -> sk.Fake:
    return sk.Fake(lambda request: request.messages[-1].content.upper(), price=(1.0, 2.0))


@pytest.fixture
def make(session: sk.Session, fake: sk.Fake) -> Make:
    def open_lab(prompts: Any = (A, B), **options: Any) -> Any:
        defaults = {"session": session, "inputs": TOPICS, "models": fake, "by": "me"}
        return Lab(prompts, **defaults | options)

    return open_lab


def ask(widget: Any, **content: Any) -> list[dict[str, Any]]:
    """What is sent in answer to a message."""
    before = len(widget.comm.sent)
    widget._handle_custom_msg(content, [])
    sent = widget.comm.sent[before:]
    return [one["content"] for one in sent if one.get("method") == "custom"]


def cells(widget: Any) -> list[list[dict[str, Any]]]:
    return [row["cells"] for row in ask(widget, type="page")[-1]["rows"]]


def test_a_new_lab_shows_rows_and_columns(make: Make) -> None:
    widget = make()
    assert [row["fields"] for row in widget.first["rows"]] == [
        [["topic", topic["topic"]]] for topic in TOPICS
    ]
    assert [one["name"] for one in widget.state["columns"]] == ["A", "B"]
    assert (widget.state["todo"], widget.state["cells"]) == (6, 6)
    assert widget.state["estimate"] == ["$0.0031"]
    assert cells(widget)[0][0]["state"] == "new"


class Loading(sk.Fake):
    """A model that loads before it answers."""

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        for self.activity in (Activity("loading fake, 1 MB"), Activity("", 2)):
            time.sleep(0.2)
            yield None
        yield from super().complete(requests)


def test_a_run_says_what_the_models_do(make: Make) -> None:
    seen: list[tuple[str, int]] = []
    widget = make(models=Loading())
    widget.changed = lambda: seen.append((widget.state["doing"], widget.state["under_way"]))
    widget.run()
    assert ("loading fake, 1 MB", 0) in seen
    assert seen[-1] == ("", 0)
    ask(widget, type="blind", on=True)
    seen.clear()
    ask(widget, type="edit", key="A", prompt="New {{ topic }}.")
    widget.run()
    assert {doing for doing, _ in seen} == {""}


def test_a_run_fills_the_cells_and_reports_changes(make: Make) -> None:
    widget = make(checks=["length text 3-9 words"])
    changes: list[int] = []
    widget.changed = lambda: changes.append(widget.state["todo"])
    widget.run()
    assert changes[-1] == 0
    (a, b), *_ = cells(widget)
    assert (a["text"], a["state"], a["passes"], a["took"]) == (
        *("WRITE ABOUT BREAD.", "done", 1),
        ["4 tok", "0.0 s", "$0.000012"],
    )
    assert b["fails"] == [["length text 3-9 words", "has 2 words, fewer than 3"]]
    assert b["diff"][0] == ["out", "WRITE ABOUT"]
    assert "diff" not in a


def test_marks_comments_and_undo(make: Make, session: sk.Session) -> None:
    widget = make()
    widget.run()
    (page,) = ask(widget, type="mark", row=0, slot=1, label="accept", view=1)
    assert page["rows"][0]["cells"][1]["mark"] == "accept"
    ask(widget, type="comment", row=0, slot=1, text=" good ", view=1)
    assert cells(widget)[0][1]["comment"] == "good"
    assert [mark.reason for mark in session.store.marks.all()] == ["", "good"]
    ask(widget, type="undo")
    ask(widget, type="undo")
    assert cells(widget)[0][1] | {"mark": "", "comment": ""} == cells(widget)[0][1]
    ask(widget, type="undo")
    assert widget.error == "there is no mark to take back."


def test_a_cell_in_full(make: Make) -> None:
    widget = make(schema={"properties": {"n": {"type": "integer"}}}, models=sk.Fake('{"n": 1} x'))
    widget.run()
    (reply,) = ask(widget, type="cell", row=1, slot=1, view=7)
    assert (reply["type"], reply["view"], reply["row"], reply["slot"]) == ("cell", 7, 1, 1)
    cell = reply["cell"]
    assert (cell["text"], cell["raw"], cell["prompt"]) == (
        "1",
        '{"n": 1} x',
        [["user", "Say soup."]],
    )
    assert cell["took"][0] == "fake"
    assert cell["fields"] == [["topic", "soup"]]
    assert len(cell["id"]) == 16


def test_a_variant_is_edited_in_place(make: Make) -> None:
    widget = make()
    widget.run()
    (reply,) = ask(widget, type="variant", key="B", view=1)
    assert reply["variant"]["versions"] == [[B, 0.7, 256]]
    edit = {"type": "edit", "key": "B", "view": 1, "name": " a  b ", "temperature": "0.5"}
    page, reply = ask(widget, **edit, prompt="Tell {{ topic }}.", max_tokens="")
    assert reply == {"type": "applied", "view": 1, "key": "B"}
    assert [cell["state"] for cell in page["rows"][0]["cells"]] == ["done", "new"]
    variant = widget.state["variants"][1]
    assert (variant["name"], variant["at"], variant["versions"]) == ("a b", 2, 2)
    assert (variant["temperature"], variant["max_tokens"]) == (0.5, None)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prompt": "{{ topic"}, "cannot be parsed at line 1"),
        ({"prompt": "{{ topics }}"}, "Did you mean 'topic'?"),
        ({"prompt": " "}, "This variant is empty"),
        ({"temperature": "hot"}, "temperature must be a number; got 'hot'."),
        ({"temperature": "9"}, "temperature must be from 0 to 2"),
        ({"max_tokens": "1.5"}, "max tokens must be a number"),
        ({"key": "Z"}, "variant 'Z' not found"),
    ],
)
@pytest.mark.parametrize("kind", ["edit", "add"])
def test_an_invalid_edit_is_refused(
    make: Make, kind: str, changed: dict[str, str], message: str
) -> None:
    widget = make()
    edit = {"type": kind, "key": "A", "view": 1, "prompt": A, "temperature": "", "max_tokens": ""}
    (reply,) = ask(widget, **edit | changed)
    assert reply["type"] == "refused"
    assert message in reply["message"]
    assert len(widget.lab.variants) == 2
    assert widget.error == ""


def test_variants_are_added_deleted_and_restored(make: Make) -> None:
    widget = make()
    _, reply = ask(widget, type="add", key="B", view=1)
    assert reply == {"type": "applied", "view": 1, "key": "C", "edit": True}
    ask(widget, type="baseline", key="C")
    ask(widget, type="delete", key="A")
    assert [(v["key"], v["baseline"]) for v in widget.state["variants"]] == [
        ("B", False),
        ("C", True),
    ]
    assert widget.state["deleted"] == [["A", "A"]]
    ask(widget, type="restore", key="A")
    assert widget.state["deleted"] == []


def test_the_winner_is_offered_as_a_cell(make: Make) -> None:
    widget = make()
    (reply,) = ask(widget, type="use", row=0, slot=1, view=3)
    assert (reply["type"], reply["view"]) == ("offer", 3)
    assert reply["text"].startswith("%%synth lab --model fake --from lab_inputs ")
    assert reply["text"].endswith(f"\n{B}")


def test_a_blind_lab_sends_nothing_that_names_a_variant(make: Make) -> None:
    widget = make({"loud": A, "short": B, "third": "Tell {{ topic }}."})
    widget.run()
    widget.comm.sent.clear()
    ask(widget, type="blind", on=True)
    shown = [sorted(c["text"] for c in row) for row in cells(widget)]
    ask(widget, type="cell", row=0, slot=0, view=1)
    ask(widget, type="use", row=0, slot=0, view=1)
    assert widget.error.startswith("the lab is blind")
    sent = json.dumps(widget.comm.sent)
    for secret in ("loud", "short", "Write about", "fake", '"took"', '"diff"', 'reading": "A'):
        assert secret not in sent, secret
    assert shown[0] == ["SAY BREAD.", "TELL BREAD.", "WRITE ABOUT BREAD."]
    orders = {tuple(cell["text"].split()[0] for cell in row) for row in cells(widget)}
    assert len(orders) > 1
    slot = next(n for n, cell in enumerate(cells(widget)[1]) if cell["text"] == "SAY SOUP.")
    ask(widget, type="mark", row=1, slot=slot, label="accept")
    ask(widget, type="blind", on=False)
    assert cells(widget)[1][1]["mark"] == "accept"


def test_rows_come_in_pages_and_traits_stay_small(make: Make) -> None:
    inputs = [{"topic": f"{n} " + "x" * 3000} for n in range(200)]
    widget = make([A, B, "Tell {{ topic }}."], inputs=inputs, limit=200)
    widget.run()
    (page,) = ask(widget, type="page", start=187)
    assert (page["start"], page["found"], len(page["rows"])) == (180, 200, 20)
    assert page["rows"][0]["cells"][0]["text"][1] > 3000
    assert len(page["rows"][0]["cells"][0]["text"][0]) == 300
    assert len(json.dumps(widget.first)) + len(json.dumps(widget.state)) < 25_000
    (page,) = ask(widget, type="page", start=10**9)
    assert page["start"] == 180
    starts = [ask(widget, type="page", by=by)[-1]["start"] for by in (-1, -1, 1, 1, 1)]
    assert starts == [160, 140, 160, 180, 180]


def test_rows_are_narrowed(make: Make) -> None:
    widget = make()
    widget.run()
    ask(widget, type="mark", row=2, slot=0, label="reject", view=1)
    (page,) = ask(widget, type="page", show="failing", start=0)
    assert ([row["at"] for row in page["rows"]], page["found"], page["total"]) == ([2], 1, 3)
    (page,) = ask(widget, type="page", show="nonsense")
    assert page["show"] == "all"


def test_hostile_text_is_sent_as_text(make: Make) -> None:
    texts = iter(["\ud800 half", "</script><img src=x onerror=1>", "\u202e\u200b", "x" * 2**20])
    message = [next(texts) for _ in range(4)]
    model = sk.Fake(lambda request: message[int(request.messages[-1].content[-1])])
    inputs = [{"n": str(n)} for n in range(4)]
    widget = make(["Say {{ n }}", "Tell {{ n }}"], inputs=inputs, models=model)
    widget.run()
    rows = cells(widget)
    assert rows[0][0]["state"] == "reject"
    assert rows[1][0]["text"] == message[1]
    assert rows[3][0]["text"] == ["x" * 300, 2**20]
    (reply,) = ask(widget, type="cell", row=3, slot=0, view=1)
    assert reply["cell"]["text"] == ["x" * 100_000, 2**20]


@pytest.mark.parametrize(
    "content",
    [
        {"type": "nothing"},
        {},
        {"type": "mark", "row": 99, "slot": 0, "label": "accept"},
        {"type": "mark", "row": 0, "slot": 9, "label": "accept"},
        {"type": "mark", "row": 0, "slot": 0, "label": "accept"},
        {"type": "page", "start": "x"},
        {"type": "blind"},
    ],
)
def test_an_invalid_message_shows_an_error(make: Make, content: dict[str, Any]) -> None:
    widget = make()
    assert ask(widget, **content) == []
    assert widget.error


def test_a_lab_runs_in_the_background_and_can_be_stopped(make: Make) -> None:
    slow = sk.Fake("Hi.", seconds=0.05, concurrency=1)
    widget = make(models=slow, vary={"n": list("abcdefghij")})
    ended = threading.Event()
    widget.changed = lambda: ended.set() if not widget.state["running"] else None
    ask(widget, type="run")
    while len(slow.asked) < 2:
        time.sleep(0.01)
    ask(widget, type="run")
    assert "is running already" in widget.error
    ended.clear()
    ask(widget, type="stop")
    assert ended.wait(10)
    done = widget.state["cells"] - widget.state["todo"]
    assert 2 <= done < 60
    assert {cell["state"] for row in cells(widget) for cell in row} == {"done", "new"}


def test_the_static_output_is_updated_at_most_once_a_second(make: Make) -> None:
    widget = make()

    class Place:
        def __init__(self) -> None:
            self.shown: list[str] = []

        def update(self, shown: Any) -> None:
            self.shown.append(shown.plain)

    place = Place()
    widget.changed = Deferred(lambda: place.update(widget.static), 1.0)
    widget.run()
    for row in range(3):
        ask(widget, type="mark", row=row, slot=0, label="accept", view=1)
    end = time.monotonic() + 10
    while not place.shown and time.monotonic() < end:
        time.sleep(0.02)
    assert len(place.shown) == 1
    assert "1.00 [0.44, 1.00]" in place.shown[-1]
    assert "✓ WRITE ABOUT BREAD." in place.shown[-1]


def test_the_static_output_is_escaped_and_counts_missing_cells(make: Make) -> None:
    widget = make(["<b>{{ topic }}</b>"], inputs=[{"topic": str(n)} for n in range(20)], limit=20)
    shown = static(widget.lab)
    assert "lab: first 8 of 20 rows, 1 column, 20 cells not run yet" in shown.plain
    widget.run()
    html = static(widget.lab).html
    assert "&lt;B&gt;0&lt;/B&gt;" in html
    assert "<B>" not in html


def test_a_lab_in_python(make: Make) -> None:
    widget = make()
    assert repr(widget) == "Lab('lab')"
    widget.run()
    assert len(widget.results) == 6
    assert widget.ranking()["variant"].tolist() == ["A", "B"]
    assert widget.winner is None


LOAD = """
from synthkit import Fake
gpt = Fake(lambda request: request.messages[-1].content.upper(), name="gpt")
topics = [{"topic": "bread"}, {"topic": "soup"}]
a = "Write about {{ topic }}."
"""


def test_the_verb_shows_a_static_lab_without_a_user(shell: Shell) -> None:
    shell.run(LOAD)
    shown = shell.run(
        "%synth lab tone --prompt @a --prompt 'Say {{ topic }}.' --inputs topics --models gpt "
        "--check 'length text 3-9 words' --run"
    )
    assert "tone: 2 rows, 2 columns" in shown
    assert "A beats B" not in shown
    assert "WRITE ABOUT BREAD." in shown
    assert isinstance(shell["tone_lab"], PromptLab)
    shell.run("%%synth tone --model gpt --from topics\nWrite about {{ topic }}.")
    assert shell["tone_run"].ledger.hits == 2


def test_the_verb_opens_a_lab_again_by_its_name(shell: Shell) -> None:
    shell.run(LOAD + "def loud(row): return row['text'].isupper()")
    shell.run(
        "%synth lab tone --prompt @a --inputs topics --models gpt --check @loud --judge-model gpt "
        "--check 'judge Is it?' --temperature 0.2 --run"
    )
    shell["tone_lab"].edit("A", "Tell of {{ topic }}.")
    asked = len(shell["gpt"].asked)
    shown = shell.run("%synth lab tone")
    again = shell["tone_lab"]
    assert [one.prompt for one in again.variants[0].versions] == [
        "Write about {{ topic }}.",
        "Tell of {{ topic }}.",
    ]
    assert again.matrix.checks.names == ["loud", "judge Is it?"]
    assert again.config.judge is shell["gpt"]
    assert again.variants[0].sampling.temperature == 0.2
    assert len(shell["gpt"].asked) == asked
    assert "2 cells not run yet" in shown
    again.back("A", 0)
    assert again.missing() == []


def test_the_verb_starts_from_the_newest_run_of_that_name(shell: Shell) -> None:
    shell.run(LOAD)
    shell.run("%%synth tone --model gpt --from topics --temperature 0.1\nName {{ topic }}.")
    shown = shell.run("%synth lab tone")
    assert "NAME BREAD." in shown
    lab = shell["tone_lab"]
    assert lab.missing() == []
    line = lab.source(lab.columns[0]).split("\n")[0]
    assert line.startswith("%%synth tone --model gpt --from topics --temperature 0.1")


@pytest.mark.parametrize(
    ("options", "inputs"),
    [("--limit 1", "--from topics --first 1"), ("--limit 1 --vary x=u,v", "--from tone_inputs")],
)
def test_the_cell_of_a_limited_lab_leaves_out_the_same_rows(
    shell: Shell, options: str, inputs: str
) -> None:
    shell.run(LOAD)
    shell.run(f"%synth lab tone --prompt @a --inputs topics --models gpt --run {options}")
    lab, asked = shell["tone_lab"], len(shell["gpt"].asked)
    cell = lab.source(lab.columns[0])
    assert cell.startswith(f"%%synth tone --model gpt {inputs} --temperature")
    shell.run(cell)
    assert (len(shell["tone"]), len(shell["gpt"].asked)) == (len(lab.rows), asked)
    shell.run("%synth lab tone")
    assert shell["tone_lab"].source(lab.columns[0]) == cell


def test_a_lab_from_a_run_leaves_out_the_same_rows(shell: Shell) -> None:
    shell.run(LOAD)
    shell.run("%%synth tone --model gpt --from topics --first 1\nName {{ topic }}.")
    shell.run("%synth lab tone")
    assert (shell["tone_lab"].rows, shell["tone_lab"].missing()) == ([{"topic": "bread"}], [])


@pytest.mark.parametrize(
    "options",
    [
        {"labels": ["yes, ok", "no"]},
        {"labels": [" a", "b"]},
        {"labels": ["@gpt", "b"]},
        {"labels": ["-a", "b\nc"]},
        {"labels": ["a {gpt} b", "c"]},
        {"regex": "(?P<a>.)\n@a {1} "},
        {"regex": "-{1} {1} (?P<a>.)"},
        {"output": "--x"},
        {"output": "@a"},
        {
            "sampling": Sampling(
                stop=("---", "--", "-x", "--model", "\n", "a\u2028", "@a", "'", "{a}", " ")
            )
        },
        {"sampling": Sampling(top_p=0.5, seed=-1, extra={"k": {"a": [1, "@a"]}, "top_k": "40"})},
        {"sampling": Sampling(temperature=None, seed=None, extra={"-x": "{a} {a} "})},
        {"name": "my-lab.1"},
        {"name": "_9"},
        {"name": "check"},
        {"name": "x" * 100, "labels": ["a,b", "c"]},
    ],
)
def test_the_options_of_a_used_cell_are_those_of_the_lab(
    shell: Shell, options: dict[str, Any]
) -> None:
    shell.run(LOAD)
    session, model = shell.context.session, shell["gpt"]
    options = {"name": "tone", "inputs": TOPICS[:1], "models": model, "session": session} | options
    lab = PromptLab([A, "Say\n{{ topic }}\n"], **options)
    lab.run()
    asked = len(model.asked)
    for column in lab.columns:
        cell = lab.source(column)
        assert cell == lab.source(column)
        line, _, prompt = cell.partition("\n")
        words = split(shell.context.evaluated(line.removeprefix("%%synth ")))
        read, names = cell_options(shell.context, words), shell.context.names
        assert sampling(read, shell.context.sampling) == column.variant.sampling
        labels = names.values(read.labels) if read.labels else None
        parsing = {"labels": labels, "regex": read.regex, "output": read.output}
        assert {k: v for k, v in parsing.items() if v is not None} == lab.config.parsing
        assert prompt == column.variant.prompt
        shell.run(cell)
    assert len(model.asked) == asked


def test_values_with_line_breaks_are_read_from_the_lab(shell: Shell) -> None:
    shell.run(LOAD + "values = 'u\\nw,v'")
    shell.run("%synth lab tone --prompt @a --inputs topics --models gpt --vary x=@values --run")
    asked = len(shell["gpt"].asked)
    lab = shell["tone_lab"]
    shell.run(lab.source(lab.columns[0]))
    assert (len(shell["tone"]), len(shell["gpt"].asked)) == (4, asked)
    check_lab_body("tone", shell.context.session.store.labs.get("tone"))


def test_log_probabilities_cannot_be_asked_for_by_a_cell(make: Make) -> None:
    lab = make(sampling=Sampling(logprobs=True)).lab
    with pytest.raises(UsageError, match="no option for logprobs"):
        lab.source(lab.columns[0])


def test_a_lab_whose_variables_are_gone_can_be_read(shell: Shell) -> None:
    shell.run(LOAD + "m = Fake('Yes.', name='other')\nfn = lambda row: 'Yes' in row['text']")
    shell.run(
        "%synth lab tone --prompt @a --inputs topics --models m --judge-model gpt "
        "--check 'judge Is it?' --check @fn --run"
    )
    lab = shell["tone_lab"]
    lab.mark(0, lab.columns[0], "accept")
    m, fn = shell["m"], shell["fn"]
    for _ in range(2):
        shell.run("del m, gpt, fn" if "m" in shell.ip.user_ns else "")
        shown = shell.run("%synth lab tone")
        lab = shell["tone_lab"]
        assert "Yes." in shown
        again = "cannot run: define it and open the lab again, or give other"
        for note, start, what in zip(
            lab.config.notes,
            [f"m {again} models: ", f"the check '@fn' {again} checks: ", f"gpt {again} models: "],
            ["model 'm' not found", "variable 'fn' not found", "model 'gpt' not found"],
            strict=True,
        ):
            assert note.startswith(start + what)
            assert start in shown
        cell = lab.cell(0, lab.columns[0])
        assert (cell.text, cell.label, lab.missing()) == ("Yes.", "accept", [])
        assert cell.verdicts["judge Is it?"].reason != "not judged yet"
    lab.add(prompt="Say {{ topic }}.")
    lab.run()
    assert "m is not loaded, and cannot run: define it and open the lab again" in str(lab.failures)
    shell.ip.user_ns |= {"m": m, "fn": fn}
    shell.run("%synth lab tone --run")
    lab = shell["tone_lab"]
    assert (lab.matrix.checks.names, lab.missing()) == (["judge Is it?", "<lambda>"], [])
    with pytest.raises(ModelNotFound, match="model 'gone' not found"):
        shell.run("%synth lab tone --models gone")
    with pytest.raises(UsageError, match="variable 'gone' not found"):
        shell.run("%synth lab tone --check @gone")


def test_an_invalid_line_raises_a_usage_error(shell: Shell) -> None:
    shell.run(LOAD)
    for line, message in {
        "two-words": "expected a lab's name first",
        "tone --prompt @b": "variable 'b' not found",
        "tone --prompt @a --inputs topcs": "table 'topcs' not found",
        "tone --prompt @a --inputs topics --models gtp": "model 'gtp' not found",
        "tone --prompt @a --models gpt": "field 'topic' not found",
        "tone --prompt @a --inputs topics --models gpt --check 'short'": "check 'short' not found",
        "tone --promt x": "Did you mean '--prompt'?",
    }.items():
        with pytest.raises(Exception, match=r"not found|expected") as raised:
            shell.run(f"%synth lab {line}")
        assert message in str(raised.value)


def test_a_lab_without_a_prompt_shows_what_to_do(shell: Shell) -> None:
    shell.run(LOAD)
    assert "write its prompt" in shell.run("%synth lab tone --inputs topics --models gpt")
    with pytest.raises(UsageError):
        shell["tone_lab"].edit("A", "{{ nothing }}")


def test_a_user_gets_the_widget_and_the_static_output(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHKIT_LIVE", "1")
    shell.run(LOAD)
    shell.run("%synth lab tone --prompt @a --inputs topics --models gpt")
    widget, twin = shell.shown
    assert "application/vnd.jupyter.widget-view+json" in widget.data
    assert "synthkit-static" in twin.data["text/html"]
    assert isinstance(shell["tone_lab"], Lab)
    shell["tone_lab"].changed = lambda: None
