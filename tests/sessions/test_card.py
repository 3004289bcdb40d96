from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import synthkit as sk
from synthkit.core.errors import TableError, UsageError
from synthkit.curate import by_column

SIDES = [{"side": side, "topic": topic} for side in ("good", "bad") for topic in "abcdefghij"]


@pytest.fixture
def reviews(generate: Callable[..., sk.Run]) -> pd.DataFrame:
    """60 rows of two runs: one of 20 rows with a low limit of tokens, and one of 40."""
    short = sk.Sampling(max_tokens=3, seed=4)
    first = generate("A {{ side }} text on {{ topic }}.", rows=SIDES, name="short", sampling=short)
    model = sk.Fake(babble=0.3, name="other")
    second = generate(
        "Now a {{ side }} text on {{ topic }}.", rows=SIDES, n=2, name="long", model=model
    )
    table = pd.concat([first.table, second.table], ignore_index=True)
    return table.assign(
        words=table["text"].str.split().str.len(), place=table["topic"].map("abcdefghij".index)
    )


def left_after(session: sk.Session, table: pd.DataFrame) -> pd.DataFrame:
    """What three filters, a sample and a join leave of a table, with a row of another source."""
    kept = session.curate(table, by_column("words", least=3), name="reviews").kept
    kept = session.curate(kept, by_column("words", most=9), name="reviews").kept
    kept = session.curate(kept, by_column("place", most=7), name="reviews").kept
    kept = kept.sample(frac=0.7, random_state=1)
    prices = pd.DataFrame({"topic": list("abcdefg"), "price": range(7)})
    joined = kept.merge(prices, on="topic")
    return pd.concat([joined, pd.DataFrame({"id": ["mine"], "text": ["Not made here."]})])


def test_every_number_of_a_card_is_that_of_the_rows_that_are_left(
    session: sk.Session, reviews: pd.DataFrame
) -> None:
    final = left_after(session, reviews)
    made = final[final["id"] != "mine"]
    facts = session.card(final, name="final").facts
    assert (facts.rows, facts.traced) == (len(final), len(final) - 1)
    first = set(reviews["id"][:20])
    here = Counter("short" if id in first else "long" for id in made["id"])
    assert {run["table"]: run["here"] for run in facts.runs} == here
    assert {run["table"]: run["rows"] for run in facts.runs} == {"short": 20, "long": 40}

    few, many = reviews["words"] < 3, reviews["words"] > 9
    far = reviews["place"] > 7
    dropped = {
        "dropped by words >= 3": few.sum(),
        "dropped by words <= 9": many.sum(),
        "dropped by place <= 7": (far & ~few & ~many).sum(),
    }
    funnel = dict(facts.funnel)
    assert funnel.pop("returned by the runs") == 60
    assert funnel.pop("in this table") == len(made)
    other = funnel.pop("left out in another way")
    assert funnel == {step: n for step, n in dropped.items() if n}
    assert len(funnel) > 1
    assert other == 60 - len(made) - sum(dropped.values())

    done = [each.completion for id in made["id"] for each in session.trace(id)]
    assert facts.completions["completions"] == len(done) == len(made)
    assert facts.completions["prompt tokens"] == sum(each.prompt_tokens for each in done)
    assert facts.completions["completion tokens"] == sum(each.completion_tokens for each in done)
    cut = sum(each.finish == "length" for each in done)
    assert facts.completions["cut at max_tokens"] == cut
    models = {each["model"]: each["completions"] for each in facts.models}
    assert models == {"fake": here["short"], "other": here["long"]}
    limits = {each["parameters"]["max_tokens"]: each["completions"] for each in facts.sampling}
    assert limits == {3: here["short"], 256: here["long"]}


def test_marks_scores_and_agreement_are_those_of_the_rows(
    session: sk.Session, reviews: pd.DataFrame
) -> None:
    ids = reviews["id"].tolist()
    session.mark(ids[:10], "accept", by="ana")
    session.mark(ids[5:15], "reject", by="bo")
    session.mark(ids[5:7], "accept", by="bo")
    session.evaluate(reviews, name="final", metrics=["distinct-1"], embedder=None)
    facts = session.card(reviews[:12], name="final").facts
    marks = {(each["by"], each["label"]): each["marks"] for each in facts.marks}
    assert marks == {("ana", "accept"): 10, ("bo", "accept"): 2, ("bo", "reject"): 5}
    assert list(facts.agreement) == ["ana and bo"]
    stored = session.scores("final")
    assert [each["metric"] for each in facts.scores] == stored["metric"].tolist()
    assert f"{stored['value'][0]:.3g}"[:4] in facts.scores[0]["value"]


def test_a_card_is_markdown_with_a_head_that_the_hub_reads(
    session: sk.Session, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    from huggingface_hub import DatasetCard

    path = session.card(reviews, name="a | b").save(tmp_path / "README.md")
    card = DatasetCard.load(path)
    assert card.data.pretty_name == "a | b"
    assert card.data.tags == ["synthetic", "synthkit"]
    assert yaml.safe_load(path.read_text().split("---")[1])["size_categories"] == ["n<1K"]
    assert "A {{ side }} text on {{ topic }}." in card.text
    assert "60 rows lead back to a prompt" in card.text
    with pytest.raises(UsageError, match="exists already"):
        session.card(reviews).save(path)
    session.card(reviews[:1]).save(path, overwrite=True)
    assert "1 row leads back" in path.read_text()


def test_a_prompt_cannot_end_its_block(
    session: sk.Session, generate: Callable[..., sk.Run]
) -> None:
    table = generate("Say ```\n# Not a title\n``` twice.", n=1).table
    text = str(session.card(table))
    assert text.count("\n````\n") == 2


def test_a_recipe_is_named_with_its_paper(session: sk.Session, generate: Any) -> None:
    run = generate("Say hello.", n=1)
    ids = run.table["id"].tolist()
    line = "x --recipe zerogen --n 1"
    ledger = run.ledger
    session.store.runs.add("x", "fake", "p", 1, ledger, line=line, ids=ids)
    assert session.card(run.table).facts.runs[-1]["recipe"] == "zerogen (arXiv 2202.07922)"


def test_tables_without_ids_and_unknown_tables_are_refused(session: sk.Session) -> None:
    with pytest.raises(UsageError, match="no column 'id'"):
        session.card([{"text": "a"}])
    with pytest.raises(TableError):
        session.card("nothing")
    session.save("mine", [{"id": "a1", "text": "Bread."}])
    assert session.card("mine").facts.traced == 0
