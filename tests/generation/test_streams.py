"""Rows from generators, iterators and ``IterableDataset``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import datasets
import pytest

from synthkit import Fake, Session, generate, plan, recipes
from synthkit.core.errors import TableError, UsageError


def topics(n: int = 4) -> Iterator[dict[str, Any]]:
    for at in range(n):
        yield {"id": f"t{at}", "topic": f"topic {at}"}


STREAMS = {
    "generator": topics,
    "iterator": lambda: iter(list(topics())),
    "map": lambda: map(dict, topics()),
    "dataset": lambda: datasets.IterableDataset.from_generator(topics),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_gives_the_rows_of_its_list(stream: str, session: Session) -> None:
    run = generate("On {{ topic }}.", rows=STREAMS[stream](), model=Fake(), session=session)
    same = generate("On {{ topic }}.", rows=list(topics()), model=Fake(), session=session)
    assert run.table["parent"].tolist() == ["t0", "t1", "t2", "t3"]
    assert run.table["id"].tolist() == same.table["id"].tolist()
    assert same.ledger.hits == 4


def test_an_interrupted_run_goes_on_with_the_stream_that_was_read(session: Session) -> None:
    rows = topics()
    first = generate(
        "On {{ topic }}.", rows=rows, model=Fake(), session=session, name="poems", max_requests=2
    )
    assert len(first.table) == 2
    assert next(rows, None) is None
    again = generate("On {{ topic }}.", rows=rows, model=Fake(), session=session, name="poems")
    assert (len(again.table), again.ledger.hits) == (4, 2)
    assert session.load("poems_rows")["topic"].tolist()[3] == "topic 3"
    assert "poems_rows" in str(session.lineage().to_dict())


def test_a_function_takes_a_stream_as_well(session: Session) -> None:
    def shout(row: Any) -> Any:
        (answer,) = yield [recipes.user(f"On {row['topic']}.")]
        return {"poem": answer.text}

    run = generate(shout, rows=topics(2), model=Fake(), session=session)
    assert run.table["parent"].tolist() == ["t0", "t1"]


def test_streams_that_give_nothing_or_no_dicts_are_errors(session: Session) -> None:
    with pytest.raises(TableError, match="has no row, or was read before"):
        plan("On {{ topic }}.", rows=iter([]), model=Fake(), session=session, name="poems")
    with pytest.raises(TableError, match="row 1: expected a dict; got str"):
        plan("On {{ topic }}.", rows=iter([{"topic": 1}, "x"]), model=Fake(), session=session)
    generate("Hi", model=Fake(), session=session, name="poems_rows")
    with pytest.raises(UsageError, match="a run is named 'poems_rows'"):
        plan("On {{ topic }}.", rows=topics(), model=Fake(), session=session, name="poems")
    with pytest.raises(TableError, match=r"Collect it first: list\(rows\)"):
        recipes.prompt("On {{ topic }}.", rows=topics())
