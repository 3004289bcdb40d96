"""Rows from files, functions, generators, iterators and ``IterableDataset``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest

from synthkit import Fake, Session, generate, plan, recipes
from synthkit.core import memory
from synthkit.core.errors import TableError, UsageError
from synthkit.core.hashing import digest
from synthkit.data import row_files


def topics(n: int = 4) -> Iterator[dict[str, Any]]:
    for at in range(n):
        yield {"id": f"t{at}", "topic": f"topic {at}"}


STREAMS: dict[str, Any] = {
    "function": lambda: topics,
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


def write(file: Path, *names: str) -> str:
    file.write_text("".join(f'{{"topic": "{name}"}}\n' for name in names))
    return str(file)


def test_a_file_gives_rows_with_ids_by_content_and_an_origin(
    session: Session, tmp_path: Path
) -> None:
    file = write(tmp_path / "topics.jsonl", "bread", "soup")
    run = generate("On {{ topic }}.", rows=file, model=Fake(), session=session, name="poems")
    kept = session.load("poems_rows")
    assert kept["topic"].tolist() == ["bread", "soup"]
    assert run.table["parent"].tolist() == kept["id"].tolist()
    assert session.lineage()[["source", "target", "kind", "rows"]].values.tolist() == [
        ["poems_rows", "poems", "generated from", 2],
        [f"{file} (rows {digest(kept['id'].tolist())[:12]})", "poems_rows", "read from", 2],
    ]


def test_a_changed_file_is_noticed_and_only_new_rows_are_asked(
    session: Session, tmp_path: Path
) -> None:
    file = tmp_path / "topics.jsonl"
    options: Any = {"rows": file, "model": Fake(), "session": session, "name": "poems"}
    write(file, "bread", "soup")
    generate("On {{ topic }}.", **options)
    assert generate("On {{ topic }}.", **options).ledger.requests == 0
    write(file, "soup", "tea", "figs")
    with pytest.warns(RuntimeWarning, match=r"has changed .*: 2 rows new, 1 row gone"):
        run = generate("On {{ topic }}.", **options)
    assert (run.ledger.requests, run.ledger.hits) == (2, 1)


def test_more_first_rows_are_no_change(session: Session, tmp_path: Path) -> None:
    file = write(tmp_path / "topics.jsonl", *map(str, range(9)))
    options: Any = {"model": Fake(), "session": session, "name": "poems"}
    for first, asked in ((3, 3), (5, 2), (2, 0), (None, 4)):
        run = generate("On {{ topic }}.", rows=file, first=first, **options)
        assert (len(run.table), run.ledger.requests) == (first or 9, asked)
    frame = session.load("poems_rows")
    assert len(generate("On {{ topic }}.", rows=frame, first=4, **options).table) == 4


def test_the_kept_rows_stand_in_for_a_file_that_is_gone(session: Session, tmp_path: Path) -> None:
    file = write(tmp_path / "topics.jsonl", "bread", "soup")
    options: Any = {"model": Fake(), "session": session, "name": "poems"}
    generate("On {{ topic }}.", rows=file, **options)
    Path(file).unlink()
    with pytest.warns(RuntimeWarning, match="does not exist.*poems_rows that the session keeps"):
        assert generate("On {{ topic }}.", rows=file, **options).ledger.hits == 2
    with pytest.raises(TableError, match=r"other.jsonl does not exist"):
        generate("On {{ topic }}.", rows="other.jsonl", **options)


def test_ids_of_a_file_that_occur_twice_are_kept_beside_hashes(
    session: Session, tmp_path: Path
) -> None:
    file = tmp_path / "topics.csv"
    file.write_text("id,topic\n1,bread\n1,soup\n")
    run = generate("On {{ topic }}.", rows=file, model=Fake(), session=session)
    assert run.table["id_2"].tolist() == [1, 1]
    assert run.table["parent"].nunique() == 2


def test_a_file_that_would_not_fit_into_memory_is_refused_but_read_in_part(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "topics.jsonl", *map(str, range(999)))
    free = memory.Memory(limit=10_000, free=10_000, source="a test")
    monkeypatch.setattr(row_files, "of_process", lambda: free)
    with pytest.raises(UsageError, match=r"and 0 MB are free. Read only the first rows"):
        generate("On {{ topic }}.", rows=file, model=Fake(), session=session)
    run = generate("On {{ topic }}.", rows=file, first=3, model=Fake(), session=session)
    assert run.table["topic"].tolist() == ["0", "1", "2"]


def test_functions_that_give_no_rows_are_errors(session: Session) -> None:
    def nothing() -> None:
        return

    with pytest.raises(TableError, match="expected a function that returns dicts; it returned No"):
        plan("On {{ topic }}.", rows=nothing, model=Fake(), session=session)
    with pytest.raises(UsageError, match="first= takes the first rows of rows="):
        plan("Hi", first=3, model=Fake(), session=session)
    with pytest.raises(UsageError, match="first must be at least 1; got 0"):
        plan("On {{ topic }}.", rows=topics, first=0, model=Fake(), session=session)
