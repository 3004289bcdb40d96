"""``%synth filter``, ``%synth learn`` and ``--learned``: what the notebook says and binds."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import by_column
from synthkit.curate.marks.orders import shuffled
from synthkit.models.fake import Fake
from synthkit.notebook.output.provenance import of_id
from tests.notebook.conftest import Shell

TEXTS = [
    "The soup was warm and the bread was fresh, so we stayed for an hour.",
    "The soup was warm and the bread was fresh, so we stayed for an hour!",
    "As an AI language model, I cannot write about restaurants.",
    "Cold soup.",
    "Write to me at jane.doe@example.com for the table by the window.",
    "Our waiter sang twice and never brought the bill, which we liked.",
]


@pytest.fixture
def reviews(shell: Shell) -> pd.DataFrame:
    rows = pd.DataFrame({"id": list("abcdef"), "topic": "soup", "text": TEXTS, "stars": range(6)})
    shell.ip.user_ns["reviews"] = rows
    return rows


def test_a_line_is_a_funnel_in_the_order_it_is_written(shell: Shell, reviews: Any) -> None:
    shown = shell.run(
        '%synth filter reviews --where "words > 5" --no-refusals --no-pii --dedupe 0.9'
    )
    assert shell["reviews_kept"]["id"].tolist() == ["a", "f"]
    dropped = shell["reviews_dropped"]
    assert dropped["id"].tolist() == ["d", "c", "e", "b"]
    assert dropped["why"].iloc[3].startswith("near-duplicate: of a")
    assert [one.kept for one in shell["reviews_curation"].funnel] == [5, 4, 3, 2]
    assert shown.splitlines()[1].split() == ["filter", "rows", "kept", "dropped", "why"]
    assert "reviews: 6 rows: 2 kept, 4 dropped; bound reviews_kept, reviews_dropped" in shown
    assert len(reviews) == 6


def test_another_order_is_another_funnel(shell: Shell, reviews: Any) -> None:
    shell.run('%synth filter reviews --dedupe exact --no-refusals --where "stars < 5"')
    names = [one.name for one in shell["reviews_curation"].funnel]
    assert [one.kept for one in shell["reviews_curation"].funnel] == [6, 5, 4]
    assert "stars < 5" in names[2]


def test_verdicts_are_remembered_and_shown_with_the_row(shell: Shell, reviews: Any) -> None:
    shell.run("%synth filter reviews --no-refusals --length 5-")
    session = shell.context.session
    said = {(part.label, part.value.split(",")[0]) for part in of_id(session, "c", {})}
    assert any(label == "dropped" and "refusal" in value for label, value in said)
    assert any(label == "kept" for label, _ in {(p.label, 0) for p in of_id(session, "a", {})})
    assert session.names() == ["reviews_kept"]


def test_a_row_is_traced_to_what_was_decided_of_it(shell: Shell, reviews: Any) -> None:
    shell.run("%synth filter reviews --no-refusals --length 5-")
    session = shell.context.session
    session.mark("c", "reject", by="ana", reason="no review")
    shown = shell.run("%synth trace c").split("\n\n")[0]
    assert re.search(r"dropped +refusal: speaks as an AI.*, by no refusals, of reviews", shown)
    assert re.search(r"mark +reject, no review, by ana", shown)
    assert re.search(r"kept +of reviews", shell.run("%synth trace a"))
    assert shell.run("%synth trace {reviews['id'][2]}").split("\n\n")[0] == shown
    with pytest.raises(UsageError, match=r"\{review.id\} cannot be evaluated: NameError"):
        shell.run("%synth trace {review.id}")
    with pytest.raises(TableError, match="no row 'z'"):
        shell.run("%synth trace z")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("--chars -40", "d"),
        ("--length >=12", "abf"),
        ("--matches soup --no-match (?i)cold", "ab"),
        ("--language en", "abcdef"),
        ("--no-secrets --no-symbols --no-repetition", "abcdef"),
        ("--no-leakage topic", "abcdef"),
        ("--no-contamination test", "cdef"),
        ("--dedupe-meaning 0.99", "acdef"),
        ("--by @few", "abc"),
        ("--by short", "d"),
        ("--column topic --dedupe", "a"),
    ],
)
def test_each_option_is_a_filter(shell: Shell, reviews: Any, line: str, kept: str) -> None:
    shell.ip.user_ns |= {
        "few": by_column("stars", most=2),
        "short": lambda row: len(row["text"]) < 20,
        "test": pd.DataFrame({"id": ["t"], "text": [TEXTS[0]]}),
    }
    shell.run(f"%synth filter reviews {line} --to good")
    assert "".join(shell["good"]["id"]) == kept
    assert len(shell["good"]) + len(shell["reviews_dropped"]) == 6


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "expected a filter, such as"),
        ("--length five", "--length five: expected a range such as 3-50"),
        ("--dedupe some", "--dedupe some: expected a number"),
        ("--where 'wrods > 5'", "wrods"),
        ("--no-contamination tset", "table 'tset' not found"),
        ("--learned polite", "learned filter 'polite' not found"),
        ("--no-refusal", r"option '--no-refusal' not found.*--no-refusals"),
        ("--column txt --dedupe", "column 'txt' not found"),
    ],
)
def test_mistakes_are_named_and_nothing_is_bound(
    shell: Shell, reviews: Any, line: str, message: str
) -> None:
    with pytest.raises((UsageError, TableError), match=message):
        shell.run(f"%synth filter reviews {line}")
    assert "reviews_kept" not in shell.ip.user_ns


def test_the_value_of_a_cell_is_shown_as_html_also_without_the_extension(
    shell: Shell, reviews: Any
) -> None:
    shell.run("%%synth facts --model fake --n 3\nTell a fact.")
    shell.run("import synthkit as sk")
    values = {
        CURATION: "1 × too short",
        "facts_run": "3 rows, 0 cached, 3 generated",
        "sk.evaluate.report(reviews, metrics=['MTLD'])": "1 score, 95 % intervals",
        "sk.evaluate.report(reviews, metrics=['MTLD'])['MTLD']": "MTLD",
    }
    for cell, text in values.items():
        for command in ("unload_ext", "load_ext"):
            shell.ip.run_line_magic(command, "synthkit")
            data = shell.ip.display_formatter.format(shell.ip.ev(cell))[0]
            assert "<table>" in data["text/html"]
            assert text in data["text/html"]


CURATION = "sk.curate.apply_filters(reviews, sk.curate.length(least=5))"
GOOD, BAD = "The soup was warm and good, table {}.", "Cold and late, never again, visit {}."


def reply(request: Any) -> str:
    n = int(re.findall(r"\d+", request.messages[-1].content)[0])
    return (GOOD if n % 2 else BAD).format(n)


def marked(shell: Shell, n: int = 24, seed: int = 0) -> None:
    shell.ip.user_ns["model"] = Fake(reply)
    shell.ip.user_ns["numbers"] = pd.DataFrame({"i": range(60)})
    shell.run("%%synth first --model model --from numbers\nSay {{ i }}.")
    rows = shell["first"]
    session = shell.context.session
    for id, text in shuffled(list(zip(rows["id"], rows["text"], strict=True)), seed)[:n]:
        session.mark(id, "accept" if "warm" in text else "reject", by="ana")


def test_what_is_learned_is_named_versioned_and_used(shell: Shell) -> None:
    marked(shell)
    shown = shell.run("%synth learn first --name polite")
    assert "24 of 60 rows" in shown
    assert "filter polite, version 1; bound first_filter" in shown
    assert re.search(r"precision +0\.\d\d \[0\.\d\d, 1\.00\]", shown)
    shell.run("%synth filter first --learned polite")
    assert all("warm" in text for text in shell["first_kept"]["text"])
    assert len(shell["first_kept"]) == 30
    assert shell["first_dropped"]["why"].str.startswith("learned: P(accept)").all()
    assert "version 1" in shell.run("%synth learn first --name polite")
    session = shell.context.session
    session.mark(shell["first"]["id"][59], "reject", by="bob")
    assert "version 2" in shell.run("%synth learn first --name polite")
    shell.run("%synth filter first --learned polite:1")


def test_marks_about_a_label_are_learned_if_it_is_read(shell: Shell) -> None:
    marked(shell, 0)
    rows = shell["first"]
    rows["label"] = [("warm", "cold")[n % 3 == 0] for n in range(len(rows))]
    pairs = zip(rows["label"], rows["text"].str.lower(), strict=True)
    right = [label in text for label, text in pairs]
    for n in range(40):
        label = "accept" if right[n] else "reject"
        shell.context.session.mark(rows["id"][n], label, by="ana")
    shell.run("%synth learn first --name fits --reads label")
    assert shell["first_filter"].reads == ("label",)
    shown = shell.run("%synth filter first --learned fits")
    assert "text, label" in shown
    kept = set(shell["first_kept"]["id"])
    assert [id in kept for id in rows["id"]] == right


def test_the_next_generation_is_filtered_if_asked(shell: Shell) -> None:
    marked(shell)
    shell.run("%synth learn first --name polite")
    shell.ip.user_ns["more"] = pd.DataFrame({"i": range(100, 120)})
    shown = shell.run("%%synth second --model model --from more --learned polite\nSay {{ i }}.")
    assert len(shell["second"]) == 10
    assert all("warm" in text for text in shell["second"]["text"])
    assert len(shell["second_dropped"]) == 10
    assert len(shell["second_run"].table) == 20
    assert "second: 20 rows: 10 kept, 10 dropped; bound second, second_dropped" in shown


def test_marks_in_another_order_teach_but_do_not_measure(shell: Shell) -> None:
    marked(shell, 0)
    session = shell.context.session
    rows = shell["first"]
    for id, text in list(zip(rows["id"], rows["text"], strict=True))[:30]:
        session.mark(id, "accept" if "warm" in text else "reject", by="ana")
    assert "--order uncertain asks for them" in shell.run("%synth learn first")
    shell.run("%synth filter first --learned first")
    assert len(shell["first_kept"]) == 30


@pytest.mark.parametrize("order", ["random", "uncertain"])
def test_marks_by_a_seed_measure_if_the_seed_is_given(shell: Shell, order: str) -> None:
    marked(shell, 0)
    opened = shell.run(f"%synth mark first --by ana --order {order} --seed 3")
    assert "to learn from these marks: --seed 3" in opened
    marked(shell, 24, seed=3)
    assert "they count if --seed is that of the marker" in shell.run("%synth learn first")
    shown = shell.run("%synth learn first --seed 3")
    assert re.search(r"drawn at random +24", shown)
    assert "--order uncertain" not in shown


def test_too_few_marks_say_how_many_are_needed(shell: Shell) -> None:
    marked(shell, 6)
    assert "too few marks: mark 14 more rows" in shell.run("%synth learn first")
    with pytest.raises(UsageError, match=r"cannot be used yet\. Mark 14 more rows"):
        shell.run("%synth filter first --learned first")


def test_a_prompt_filters_in_the_order_of_the_line(shell: Shell) -> None:
    shell.run(
        "import pandas as pd, synthkit as sk\n"
        "texts = pd.DataFrame({'id': list('abc'), 'text': ['Hot soup.', 'Tea.', 'x']})\n"
        "critic = sk.Fake(lambda asked: 'yes' if 'Hot' in asked.messages[-1].content else 'no')"
    )
    shown = shell.run("%synth filter texts --length 1-5 --by-prompt 'Is it soup?' --model critic")
    assert shell["texts_kept"]["id"].tolist() == ["a"]
    assert "by prompt: Is it soup?" in shown
    assert "answered no" in shell.run("%synth trace b")
    assert {request.sampling.max_tokens for request in shell["critic"].asked} == {8}
    shell.run("%synth filter texts --by-prompt 'Soup?' --model critic --max-tokens 30")
    assert shell["critic"].asked[-1].sampling.max_tokens == 30


def test_a_prompt_that_has_no_clear_column_is_refused_before_anything_is_asked(
    shell: Shell,
) -> None:
    shell.run(
        "import pandas as pd, synthkit as sk\n"
        "pairs = pd.DataFrame({'id': list('ab'), 'question': ['Who is it?'] * 2,"
        " 'answer': ['It is Ann.'] * 2})\n"
        "numbers = pd.DataFrame({'id': list('ab'), 'n': [1, 2]})\n"
        "critic = sk.Fake('yes')"
    )
    line = "%synth filter {} --by-prompt 'Is it polite?' --model critic"
    for table, why in (
        ("pairs", r"'question' and 'answer' have texts of about one length.*--column question"),
        ("numbers", r"no column has texts.*--column n"),
        ("pairs --column reply", "column 'reply' not found"),
    ):
        with pytest.raises(TableError, match=why):
            shell.run(line.format(table))
    assert shell["critic"].asked == []
    shell.run(line.format("pairs --column answer"))
    assert shell["critic"].asked[0].messages[-1].content == "Is it polite?\n\nIt is Ann."
    shell.run("%synth filter pairs --by-prompt 'Is {{ question }} polite?' --model critic")
