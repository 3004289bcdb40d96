"""Data sets of a stand-in of the Hub, as rows of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from huggingface_hub import constants

from synthkit import Fake, Session, generate
from synthkit.core.errors import TableError
from synthkit.models.hub import hub_datasets
from tests.models.hub.stand_in import Repository, StandIn, serve

FIRST, SECOND = "1" * 40, "2" * 40
CARD = b"""---
configs:
- config_name: en
  data_files:
  - {split: train, path: en/train.jsonl}
  - {split: test, path: en/test.jsonl}
- config_name: de
  data_files: de/*.jsonl
---
"""


def lines(*topics: str) -> bytes:
    return "".join(f'{{"topic": "{topic}"}}\n' for topic in topics).encode()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    several = {
        "README.md": CARD,
        "en/train.jsonl": lines("bread", "soup", "tea"),
        "en/test.jsonl": lines("figs"),
        "de/a.jsonl": lines("Brot"),
    }
    plain = {"train.jsonl": lines("bread", "soup"), "other.py": b"raise SystemExit"}
    newer = {**plain, "train.jsonl": lines("soup", "tea")}
    damaged = {f"data/train-0000{at}-of-00002.jsonl": lines("bread") for at in range(2)}
    damaged["data/train-00001-of-00002.jsonl"] += b"{"
    repositories = {
        "a/several": Repository({FIRST: several}),
        "a/plain": Repository({FIRST: plain, SECOND: newer}),
        "a/damaged": Repository({FIRST: damaged}),
        "a/scripted": Repository({FIRST: {**plain, "scripted.py": b"raise SystemExit"}}),
        "a/gated": Repository({FIRST: plain}, gated=True),
        "a/empty": Repository({FIRST: {"README.md": b"Nothing."}}),
    }
    with serve(repositories) as server:
        for module in (constants, datasets.config):
            monkeypatch.setattr(module, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        address = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", server.url)
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
        monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", str(tmp_path / "modules"))
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        yield server


@pytest.mark.parametrize(
    ("spec", "topics", "version"),
    [
        ("hf:a/several:en", ["bread", "soup", "tea"], f"config en, train, commit {FIRST}"),
        ("hf:a/several:en:test", ["figs"], f"config en, test, commit {FIRST}"),
        ("hf:a/several:de", ["Brot"], f"config de, train, commit {FIRST}"),
        ("hf:a/plain", ["soup", "tea"], f"train, commit {SECOND}"),
        (f"hf:a/plain:train@{FIRST}", ["bread", "soup"], f"train, commit {FIRST}"),
    ],
)
def test_a_spec_names_a_configuration_a_split_and_a_commit(
    spec: str, topics: list[str], version: str, hub: StandIn
) -> None:
    found = hub_datasets.opened(spec)
    assert [row["topic"] for row in found.rows] == topics
    assert found.version == version


def test_lineage_has_the_commit_and_a_newer_one_is_noticed(hub: StandIn, session: Session) -> None:
    options: Any = {"model": Fake(), "session": session, "name": "poems"}
    old = hub.repositories["a/plain"].commits
    hub.repositories["a/plain"].commits = {FIRST: old[FIRST]}
    generate("On {{ topic }}.", rows="hf:a/plain", **options)
    edge = session.lineage().query("kind == 'read from'").iloc[0]
    assert edge["source"] == f"hf:a/plain (train, commit {FIRST})"
    hub.repositories["a/plain"].commits = old
    with pytest.warns(RuntimeWarning, match="hf:a/plain has changed .* 1 row new, 1 row gone"):
        run = generate("On {{ topic }}.", rows="hf:a/plain", **options)
    assert (run.ledger.requests, run.ledger.hits) == (1, 1)


def test_only_the_first_rows_are_read(hub: StandIn, session: Session) -> None:
    run = generate(
        "On {{ topic }}.", rows="hf:a/damaged", first=1, model=Fake(), session=session, name="poems"
    )
    assert run.table["topic"].tolist() == ["bread"]


def test_kept_rows_replay_without_the_hub(
    hub: StandIn, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: Any = {"model": Fake(), "session": session, "name": "poems", "rows": "hf:a/plain"}
    generate("On {{ topic }}.", **options)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.warns(RuntimeWarning, match="not asked since HF_HUB_OFFLINE.*poems_rows that the"):
        assert generate("On {{ topic }}.", **options).ledger.hits == 2


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("hf:a/several", r"has the configurations en, de. Write 'hf:owner/name', "),
        ("hf:a/several:fr:train", r"one of the configurations en, de; got 'fr'"),
        ("hf:a/several:en:dev", r"one of the splits train, test; got 'dev'"),
        ("hf:a/plain:test", r"one of the splits train; got 'test'"),
        ("hf:a/gone", r"there is no http.*/datasets/a/gone, or it is private"),
        ("hf:a/plain@v9", r"datasets/a/plain has no branch, tag or commit 'v9'"),
        ("hf:a/gated", r"asks for consent.*open http.*datasets/a/gated"),
        ("hf:a/empty", r"cannot be read by datasets: "),
        ("hf:a/b/c:d:e:f", r"was expected to be 'hf:owner/name'"),
        ("hf:a/scripted", r"read by datasets: RuntimeError: Dataset scripts are no longer supp"),
        ("hf:a/damaged", r"hf:a/damaged, after row 1: .*JSON parse error"),
    ],
)
def test_what_is_not_there_is_said(spec: str, says: str, hub: StandIn, session: Session) -> None:
    with pytest.raises(TableError, match=says):
        generate("On {{ topic }}.", rows=spec, model=Fake(), session=session)
