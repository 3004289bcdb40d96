"""The records of batches: each request is in one batch at most, and they stay in this session."""

from __future__ import annotations

import sqlite3
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import synthkit as sk
from synthkit.core.types import Completion, Message, Request
from synthkit.store.batches import Submitted
from synthkit.store.store import Store
from tests.postgres import IN_FILES

REQUEST = Request((Message("user", "Hi."),))
KEY = REQUEST.key("m")


def test_a_request_is_in_one_batch(store: Store) -> None:
    assert store.leases.batches.claim("a", "me", {"n": 2}, {"k1": None, "k2": None}) == set()
    assert store.leases.batches.claim("b", "me", {}, {"k2": None, "k3": None}) == {"k2"}
    assert store.leases.batches.of(["k1", "k2", "k3", "k4"]) == {
        "k1": Submitted("a"),
        "k2": Submitted("a"),
        "k3": Submitted("b"),
    }
    assert [(each.tag, each.waiting) for each in store.leases.batches.all()] == [("a", 2), ("b", 1)]
    assert store.leases.batches.all()[0].body == {"n": 2}


def test_a_batch_without_a_request_is_not_recorded(store: Store) -> None:
    store.leases.batches.claim("a", "", {}, {"k1": None})
    assert store.leases.batches.claim("b", "", {}, {"k1": None}) == {"k1"}
    assert [each.tag for each in store.leases.batches.all()] == ["a"]


def test_a_request_moves_to_another_batch_once(store: Store) -> None:
    store.leases.batches.claim("a", "", {}, {"k1": None})
    before = Submitted("a")
    assert store.leases.batches.claim("b", "", {}, {"k1": before}) == set()
    assert store.leases.batches.claim("c", "", {}, {"k1": before}) == {"k1"}
    assert store.leases.batches.of(["k1"]) == {"k1": Submitted("b", 2)}


def test_many_threads_claim_each_request_once(tmp_path: Path) -> None:
    def claimed(at: int) -> int:
        with closing(Store(tmp_path / "store.sqlite")) as store:
            return 50 - len(store.leases.batches.claim(f"b{at}", "", {}, dict.fromkeys(keys)))

    Store(tmp_path / "store.sqlite").close()
    keys = [f"k{n}" for n in range(50)]
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(claimed, range(4))) == [0, 0, 0, 50]


def test_what_has_a_completion_waits_no_more(store: Store) -> None:
    store.leases.batches.claim("a", "", {}, {KEY: None, "k2": None})
    store.completions.put(KEY, REQUEST.payload("m"), Completion("Hello."))
    assert store.leases.batches.all()[0].waiting == 1
    store.leases.batches.tidy()
    assert list(store.leases.batches.of([KEY, "k2"])) == ["k2"]


def test_released_and_forgotten_requests_are_in_no_batch(store: Store) -> None:
    store.leases.batches.claim("a", "", {}, {"k1": None, "k2": None})
    store.leases.batches.release(["k1"], "another")
    store.leases.batches.release(["k2"], "a")
    assert list(store.leases.batches.of(["k1", "k2"])) == ["k1"]
    assert not store.leases.batches.forget("a", {"id": "another kernel knows it"})
    assert store.leases.batches.forget("a", {})
    assert store.leases.batches.of(["k1", "k2"]) == {}
    assert store.leases.batches.all() == []


@IN_FILES
def test_what_is_known_of_a_batch_is_on_disk(store: Store) -> None:
    store.leases.batches.claim("a", "me", {}, {"k1": None})
    store.leases.batches.put("a", "", {"id": "batch_1"})
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT owner, body FROM batches").fetchone() == ("", '{"id":"batch_1"}')


def test_a_bundle_has_no_batches(tmp_path: Path) -> None:
    with sk.Session(tmp_path / "one") as session:
        session.save("facts", [{"id": "a1", "text": "Bread rises."}])
        session.store.leases.batches.claim("secret-tag", "", {"id": "batch_1"}, {"k1": None})
        session.export(tmp_path / "all.zip")
        assert len(session.store.leases.batches.all()) == 1
    with zipfile.ZipFile(tmp_path / "all.zip") as bundle:
        bundle.extractall(tmp_path / "out")
    with closing(sqlite3.connect(tmp_path / "out" / "store.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM batches").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM batch_requests").fetchone() == (0,)
