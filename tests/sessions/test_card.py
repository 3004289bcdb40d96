from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import synthkit as sk
from synthkit.core.errors import TableError, UsageError
from synthkit.core.hashing import digest
from synthkit.core.types import Completion, Request
from synthkit.curate import by_column
from synthkit.models import load_model
from synthkit.sessions import card_facts
from synthkit.sessions.named_tables import Origin
from synthkit.store.completions import CompletionTable
from synthkit.store.curations import CurationTable
from synthkit.verify import verify
from tests.models.conftest import save_tiny

pytestmark = pytest.mark.usefixtures("each_store")

SIDES = [{"side": side, "topic": topic} for side in ("good", "bad") for topic in "abcdefghij"]
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


class Cut(sk.Fake):
    """A fake whose answers are cut."""

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        for pair in super().complete(requests):
            yield pair and (pair[0], replace(pair[1], finish="length"))


@pytest.fixture
def reviews(generate: Callable[..., sk.Run]) -> pd.DataFrame:
    """Rows of three runs: 20 with a low limit of tokens, 40, and those of 20 that are JSON."""
    short = sk.Sampling(max_tokens=3, seed=4)
    once: dict[str, Any] = {"rows": SIDES, "name": "short", "sampling": short, "model": Cut()}
    first = generate("A {{ side }} text on {{ topic }}.", **once)
    twice: dict[str, Any] = {"rows": SIDES, "name": "long", "n": 2, "model": sk.Fake(name="other")}
    second = generate("Now a {{ side }} text on {{ topic }}.", **twice)
    third = generate(
        "A {{ side }} record.", rows=SIDES, name="json", model=sk.Fake(babble=0.3), schema=SCHEMA,
        repairs=0,
    )  # fmt: skip
    runs = [first.table, second.table, third.table]
    table = pd.concat(runs, ignore_index=True)
    return table.assign(
        words=table["text"].str.split().str.len(), place=table["topic"].map("abcdefghij".index)
    )


def left_after(session: sk.Session, table: pd.DataFrame) -> pd.DataFrame:
    """What three filters, a sample and a join leave of a table, with a row of another source."""
    kept = session.curate(table, by_column("words", least=6), name="reviews").kept
    kept = session.curate(kept, by_column("words", most=11), name="reviews").kept
    kept = session.curate(kept, by_column("place", most=7), name="reviews").kept
    kept = kept.sample(frac=0.7, random_state=1)
    prices = pd.DataFrame({"topic": list("abcdefga"), "price": range(8)})
    joined = kept.merge(prices, on="topic")
    return pd.concat([joined, pd.DataFrame({"id": ["mine", None], "text": ["Not made here."] * 2})])


def test_a_card_reads_the_store_in_parts(
    session: sk.Session, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = left_after(session, reviews).dropna(subset="id").drop_duplicates("id")
    session.split(left, {"train": 0.75, "test": 0.25}, name="left", duplicates=[], tolerance=0.2)
    whole = session.card(left).facts
    read: list[int] = []

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(table: Any, ids: Any = None) -> Any:
            read.append(len(ids))
            return method(table, ids)

        return call

    for table, name in ((CompletionTable, "stored"), (CurationTable, "verdicts")):
        monkeypatch.setattr(table, name, counted(getattr(table, name)))
    monkeypatch.setattr(card_facts, "AT_ONCE", 7)
    assert session.card(left).facts == whole
    assert len(read) > 3 * len(left) / 7
    assert max(read) == 7


def raw(session: sk.Session, query: str) -> list[Any]:
    return session.store._database.rows(query)


def test_every_number_of_a_card_is_that_of_the_rows_that_are_left(
    session: sk.Session, reviews: pd.DataFrame
) -> None:
    """All numbers again, from the table and the SQLite file alone."""
    final = left_after(session, reviews)
    own = final[final["id"].isin(reviews["id"])].drop_duplicates("id")
    shares = {"train": 0.75, "test": 0.25}
    session.split(own, shares, name="final", duplicates=[], tolerance=0.2)
    made = final[final["id"].isin(reviews["id"])]
    here = set(made["id"])
    session.mark(sorted(here)[:10], "accept", by="ana")
    session.mark(sorted(here)[5:12], "reject", by="bo")
    session.mark(sorted(here)[5:7], "accept", by="bo")
    session.mark("elsewhere", "accept", by="bo")
    session.evaluate(final.dropna(subset="id").drop_duplicates("id"), name="final",
                     metrics=["distinct-1", "accept rate"], embedder=None)  # fmt: skip
    expected: dict[str, float] = {
        "rows": len(final),
        "traced": len(made),
        "repeated": int(final["id"].dropna().duplicated().sum()),
    }
    assert len(final) == len(made) + 2
    assert expected["repeated"] > 0

    # the runs, by the rows of the table that each returned
    pieces = [reviews["id"][:20], reviews["id"][20:60], reviews["id"][60:]]
    ledgers = [json.loads(ledger) for (ledger,) in raw(session, "SELECT ledger FROM runs")]
    assert len(pieces[2]) + ledgers[2]["rejects"] == 20
    for at, (ids, ledger) in enumerate(zip(pieces, ledgers, strict=True), 1):
        cut = raw(session, "SELECT key FROM completions WHERE finish = 'length'")
        expected |= {
            f"runs.{at}.run": at,
            f"runs.{at}.rows": len(ids),
            f"runs.{at}.here": len(here.intersection(ids)),
            f"runs.{at}.rejects": 20 - len(ids) if at == 3 else 0,
            f"runs.{at}.requests": ledger["requests"],
            f"runs.{at}.cached": 0,
            f"runs.{at}.cut": len(cut) if at == 1 else 0,
            f"runs.{at}.cost": 0.0,
        }
    expected |= {"origins.1.rows": len(made), "origins.2.rows": 2}
    expected |= {"runs.3.reasons.is not JSON": 20 - len(pieces[2]), "rejects.1.run": 3}
    expected["rejects.1.rows"] = 20 - len(pieces[2])

    # the filters, each on what the one before kept
    few, many, far = reviews["words"] < 6, reviews["words"] > 11, reviews["place"] > 7
    drops = [few.sum(), (many & ~few).sum(), (far & ~few & ~many).sum()]
    stray = len(reviews) - sum(drops) - len(here)
    steps = [len(reviews), *sorted((int(n) for n in drops if n), reverse=True), stray, len(here)]
    expected |= {f"funnel.{at}.rows": n for at, n in enumerate(steps, 1)}
    assert steps[0] == sum(steps[1:])
    assert len(steps) > 5

    # the splits, which the verdicts hold
    parts = raw(session, "SELECT row, filter FROM verdicts WHERE filter LIKE 'split%'")
    part_of = {row: filter.split()[1] for row, filter in parts}
    counts = Counter(part_of.get(id, "none") for id in final["id"].dropna())
    expected |= {f"splits.{at}.rows": n for at, (_, n) in enumerate(counts.most_common(), 1)}

    # the completions that the rows begin their key with
    columns = "key, request, finish, prompt_tokens, completion_tokens, seconds"
    done = [
        row for row in raw(session, f"SELECT {columns} FROM completions") if row[0][:16] in here
    ]
    assert len(done) == len(here)
    expected |= {
        "completions.completions": len(done),
        "completions.prompt tokens": sum(row[3] for row in done),
        "completions.completion tokens": sum(row[4] for row in done),
        "completions.seconds of all, one after the other": round(sum(row[5] for row in done), 1),
        "completions.cut at max_tokens": sum(row[2] == "length" for row in done),
    }
    requests = [json.loads(row[1]) for row in done]
    models = Counter(request["model"] for request in requests).most_common()
    expected |= {f"models.{at}.completions": n for at, (_, n) in enumerate(models, 1)}
    limits = Counter(json.dumps(request["sampling"], sort_keys=True) for request in requests)
    for at, (text, n) in enumerate(limits.most_common(), 1):
        expected[f"sampling.{at}.completions"] = n
        for name, value in json.loads(text).items():
            if value not in (None, [], {}, False):
                expected[f"sampling.{at}.parameters.{name}"] = value

    # marks, agreement and scores
    expected |= {"marks.1.marks": 10, "marks.2.marks": 2, "marks.3.marks": 5}
    # of 5 rows both marked, 2 the same; bo accepts 2 of them, ana all
    expected |= {"agreement.1.value": 0.0, "agreement.1.rows": 5}
    stored = session.scores("final")
    assert stored["metric"].tolist() == ["distinct-1", "accept rate"]
    texts = [str(text).lower() for text in final.dropna(subset="id").drop_duplicates("id")["text"]]
    words = [word for text in texts for word in re.findall(r"\w+", text)]
    assert stored["value"][0] == pytest.approx(len(set(words)) / len(words))
    # bo's label is the majority of none: a tie leaves the row out; 5 + 2 accepts of 9
    assert stored["value"][1] == pytest.approx(7 / 9)
    for at, score in enumerate(stored.to_dict("records"), 1):
        expected |= {f"scores.{at}.{key}": score[key] for key in ("value", "low", "high", "n")}

    facts = session.card(final, name="final").facts
    numbers = facts.numbers()
    for bound in ("low", "high"):
        assert numbers.pop(f"agreement.1.{bound}") == pytest.approx(0, abs=1)
    assert sorted(numbers) == sorted(expected)
    assert numbers == pytest.approx(expected, abs=1e-12)


def test_limits_splits_and_citations_are_computed(
    session: sk.Session, reviews: pd.DataFrame
) -> None:
    facts = session.card(reviews[:12], name="final").facts
    assert facts.limits == (
        "12 of 12 completions cut at max_tokens.",
        "8 rows of the runs left out, and no filter or mark says why.",
        "12 rows only: shares have wide intervals.",
        "All completions are of one model, so its habits are those of the data.",
        "The licence of fake is not known here.",
        "Nobody has marked any of the rows.",
        "There are no scores of this table.",
    )
    part = session.split(reviews, {"train": 0.5, "test": 0.5}, name="all", seed=3, duplicates=[])
    session.mark(reviews["id"][0], "accept", by="ana")
    session.evaluate(reviews, name="final", metrics=["distinct-1"], embedder=None)
    facts = session.card(part["test"], name="final").facts
    assert [dict(each) for each in facts.splits] == [
        {"split": "test", "rows": len(part["test"]), "how": "train=0.5 test=0.5; seed 3"}
    ]
    steps = {each["step"]: each["rows"] for each in facts.funnel}
    assert steps["in the split train"] == len(part["train"])
    n, rows = len(part["test"]), len(reviews)
    text = f"The scores are of {rows} rows, of which {n} are here, of {n} rows with an id."
    assert text in facts.limits
    (cited,) = facts.citations
    assert cited["of"] == "metric distinct-1"
    assert cited["references"].startswith("J. Li et al. (2016), A diversity-promoting objective")


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
    assert "71 rows lead back to a prompt" in card.text
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
    card = session.card(run.table)
    assert card.facts.runs[-1]["recipe"] == "zerogen (arXiv 2202.07922)"
    assert "- recipe zerogen: [arXiv 2202.07922](https://arxiv.org/abs/2202.07922)" in str(card)
    recipe = sk.recipes.zerogen("A {{ label }} text.", labels=["good"], n=1)
    run = generate(recipe)
    assert session.card(run.table).facts.runs[0]["recipe"] == "zerogen (arXiv 2202.07922)"


def test_tables_without_ids_and_unknown_tables_are_refused(session: sk.Session) -> None:
    with pytest.raises(UsageError, match="no column 'id'"):
        session.card([{"text": "a"}])
    with pytest.raises(TableError):
        session.card("nothing")


def test_a_card_says_where_each_row_comes_from(
    session: sk.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted again from the files and the ids of the runs alone."""
    monkeypatch.chdir(tmp_path)
    Path("topics.jsonl").write_text("".join(f'{{"topic": "{name}"}}\n' for name in "abcd"))
    chats = [{"conversations": [{"from": "human", "value": text}]} for text in ("Hi", "Bye")]
    Path("chats.json").write_text(json.dumps(chats))
    options: Any = {"model": sk.Fake(), "session": session}
    of_file = sk.generate("On {{ topic }}.", rows="topics.jsonl", name="first", **options).table
    further = sk.generate("More on {{ text }}.", rows=of_file, name="further", **options).table
    (imported,) = sk.share.imports.read("chats.json").values()
    of_chats = sk.generate("Answer {{ messages }}.", rows=imported, name="chats", **options).table
    alone = sk.generate("Say {{ i }}.", rows=[{"i": 1}], name="alone", **options).table
    kept = session.load("first_rows")
    commit = Origin("hf:owner/name", "train, commit " + "a" * 40)
    session.save("hub_rows", [{"id": "h1"}, {"id": "h2"}], origin=commit)
    absolute = Origin("/home/me/b.csv", "rows 0123456789ab")
    session.save("other_rows", [{"id": "o1"}], origin=absolute)
    pandas = pd.DataFrame({"id": ["mine", None]})
    parts = [of_file, further[:3].drop(columns="parent"), imported, of_chats[:1], alone, kept[:2],
             session.load("hub_rows"), session.load("other_rows"), pandas]  # fmt: skip
    version = f"rows {digest(kept['id'].tolist())[:12]}"
    expected = {
        ("generated from", "topics.jsonl", version, 7),
        ("imported from", "ShareGPT chats.json", "", 2),
        ("generated from", "ShareGPT chats.json", "", 1),
        ("generated", "", "", 1),
        ("read from", "topics.jsonl", version, 2),
        ("read from", "hf:owner/name", commit.version, 2),
        ("read from", "b.csv", absolute.version, 1),
        ("unknown", "", "", 2),
    }
    card = session.card(pd.concat(parts, ignore_index=True), name="all")
    assert {tuple(each.values()) for each in card.facts.origins} == expected
    assert sum(each["rows"] for each in card.facts.origins) == card.facts.rows
    assert f"| generated from | topics.jsonl | {version} | 7 |" in str(card)
    assert "/home/me" not in str(card)
    # read back from a file, rows stay what they are
    further.to_json("again.jsonl", orient="records", lines=True)
    again = sk.generate("Again {{ text }}.", rows="again.jsonl", name="again", **options)
    facts = session.card(session.load("again_rows"), name="again_rows").facts
    assert [each["source"] for each in facts.origins] == ["topics.jsonl"]
    assert len(again.table) == 4


@pytest.fixture
def three_steps(session: sk.Session) -> pd.DataFrame:
    """Four rows that one model wrote, of which two are changed by another, and rated by a third."""

    def make(prompt: str, rows: Any, name: str, says: str = "", **options: Any) -> pd.DataFrame:
        model = sk.Fake(says, name=f"{name}-model") if says else Cut(name=f"{name}-model")
        table: pd.DataFrame = sk.generate(
            prompt, rows=rows, name=name, model=model, session=session, **options
        ).table
        return table

    written = make("Write on {{ i }}.", [{"i": i} for i in range(4)], "written", max_tokens=3)
    changed = make("Change {{ text }}", written[:2], "changed", "other words")
    return make("Rate {{ text_2 }}", changed, "rated", "good", labels=["good", "bad"])


def test_a_card_has_the_steps_that_its_rows_were_generated_from(
    session: sk.Session, three_steps: pd.DataFrame
) -> None:
    before = session.card("written").facts
    assert before.earlier == {}
    session.curate(three_steps, by_column("i", least=1), name="rated")
    card = session.card(three_steps[1:].drop(columns="parent"), name="rated")
    earlier = card.facts.earlier
    assert (earlier["rows"], earlier["in no table"]) == (2, 0)
    assert [run["table"] for run in earlier["runs"]] == ["written", "changed"]
    assert [(run["rows"], run["here"]) for run in earlier["runs"]] == [(4, 1), (2, 1)]
    assert {each["model"]: each["completions"] for each in earlier["models"]} == {
        "written-model": 1,
        "changed-model": 1,
    }
    assert earlier["completions"]["completions"] == 2
    assert [each["model"] for each in card.facts.models] == ["rated-model"]
    assert sum(each["rows"] for each in card.facts.funnel[1:]) == card.facts.funnel[0]["rows"] == 2
    assert "1 of 3 completions cut at max_tokens." in card.facts.limits
    assert not any("of one model" in each for each in card.facts.limits)
    (licence,) = (each for each in card.facts.limits if "licence" in each)
    assert "changed-model, rated-model, written-model" in licence
    text = str(card)
    for words in ("Write on {{ i }}.", "Change {{ text }}", "Rate {{ text_2 }}"):
        assert text.count(words) == 1
    shown = re.findall(r"\| (earlier|these rows) \| (\w+)-model \|", text)
    assert sorted(shown) == [
        ("earlier", "changed"),
        ("earlier", "written"),
        ("these rows", "rated"),
    ]
    fingerprints = yaml.safe_load(text.split("---")[1])["synthkit"]["fingerprints"]
    assert len(fingerprints) == 3


def test_a_card_says_if_earlier_steps_may_be_missing(
    session: sk.Session, three_steps: pd.DataFrame
) -> None:
    session.delete(runs=[3], tables=["changed"])
    card = session.card(three_steps, name="rated")
    assert [each["model"] for each in card.facts.earlier["models"]] == ["changed-model"]
    text = "2 rows are of an earlier step and in no table of the session, so what came before is"
    assert any(each.startswith(text) for each in card.facts.limits)
    ints = three_steps.assign(parent=[1, 2])  # a column of the same name that is none of ours
    assert session.card(ints, name="own").facts.traced == 2


def test_a_cell_that_replaces_its_own_table_may_run_twice(session: sk.Session) -> None:
    options: Any = {"session": session, "model": sk.Fake(name="second")}
    seeds = sk.generate("Seed.", session=session, model=sk.Fake(name="first"), n=2).table
    once = sk.generate("On {{ text }}", rows=seeds, name="t", **options).table
    twice = sk.generate("On {{ text }}", rows=once, name="t", **options).table
    assert twice["id"].tolist() == twice["parent"].tolist() == once["id"].tolist()
    facts = session.card("t").facts
    assert [each["model"] for each in facts.earlier["models"]] == ["first"]


def test_earlier_steps_of_a_card_are_derived_again_from_a_bundle(
    session: sk.Session, three_steps: pd.DataFrame, tmp_path: Path
) -> None:
    whole, part = tmp_path / "whole.zip", tmp_path / "part.zip"
    session.export(whole)
    session.export(part, tables=["rated"])
    for path in (whole, part):
        found = verify(path)
        assert found.agrees, found
    with sk.Session(tmp_path / "other") as other:
        other.import_bundle(part)
        earlier = other.card("rated").facts.earlier
        assert sorted(each["model"] for each in earlier["models"]) == [
            "changed-model",
            "written-model",
        ]
        assert earlier["in no table"] == 2
        written = session.load("written")
        assert len(other.trace(written["id"][0])) == 1
        with pytest.raises(TableError):
            other.trace(written["id"][3])


def test_a_card_of_own_rows_says_how_many_there_are_and_that_none_is_traced(
    session: sk.Session,
) -> None:
    session.save("mine", [{"id": f"a{n}", "text": "Bread."} for n in range(60)])
    card = session.card("mine")
    assert card.facts.traced == 0
    text = str(card)
    assert "60 rows with the columns id, text. None of them is traced" in text
    assert re.search(r"\| unknown +\| 60 \|", text)
    assert "## Rows of the runs" not in text
    assert "## Completions" not in text
    assert not re.search(r"\| 0 \|", text)


def test_no_cell_of_a_card_is_one_long_word(session: sk.Session) -> None:
    """A fingerprint is: the body has its digest, and the head all of it, where machines read it."""
    from huggingface_hub import DatasetCard

    model = load_model(f"hf:{save_tiny(session.folder / 'tiny')}")
    table = sk.generate("Say {{ n }}.", model=model, session=session, vary={"n": list("ab")},
                        max_tokens=2).table  # fmt: skip
    card = session.card(table, name="said")
    (model_facts,) = card.facts.models
    assert model_facts["fingerprint"] == model.fingerprint
    assert len(model.fingerprint) > 100
    body = card._repr_markdown_()
    assert max(map(len, body.split())) < 40
    short = digest(model.fingerprint)[:8]
    assert f"| {short} |" in body
    assert DatasetCard(str(card)).data.synthkit == {"fingerprints": {short: model.fingerprint}}
