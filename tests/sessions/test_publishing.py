"""Pushing tables to a stand-in of the Hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from huggingface_hub import constants

import synthkit as sk
from synthkit.core.errors import EndpointError, UsageError
from tests.share.hub import READER, Hub

NAME = "datasets/me/reviews"
# of huggingface_hub 2.4, which sends a file by an older parameter of httpx
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")


@pytest.fixture
def reviews(generate: Callable[..., sk.Run]) -> pd.DataFrame:
    table: pd.DataFrame = generate("Write {{ x }}.", vary={"x": list("abcdef")}, n=24).table
    return table


def test_nothing_is_sent_before_it_is_asked_for(
    session: sk.Session, reviews: pd.DataFrame, hub: Hub
) -> None:
    push = session.push(reviews, "me/reviews")
    states = {each["file"]: each["state"] for each in push.files}
    assert states == dict.fromkeys(["README.md", "croissant.json", "data/train.parquet"], "new")
    assert "dataset me/reviews, a new private repository   3 files to send" in repr(push)
    assert hub.sent("POST") == 0
    assert hub.repositories == {}


def test_the_card_of_a_push_says_where_its_rows_come_from(
    session: sk.Session, tmp_path: Path
) -> None:
    (tmp_path / "topics.jsonl").write_text('{"topic": "a"}\n{"topic": "b"}\n')
    options: dict[str, Any] = {"rows": str(tmp_path / "topics.jsonl"), "name": "first"}
    session.push(
        sk.generate("On {{ topic }}.", model=sk.Fake(), session=session, **options).table, "me/it"
    )
    (card,) = session.folder.rglob("README.md")
    assert "| generated from | topics.jsonl |" in card.read_text()


@pytest.mark.slow
def test_splits_are_pushed_with_card_and_croissant_and_read_back(
    session: sk.Session, reviews: pd.DataFrame, hub: Hub, tmp_path: Path
) -> None:
    import datasets

    parts = session.split(reviews, {"train": 0.75, "test": 0.25}, duplicates=[], together=[])
    assert session.push(parts, "me/reviews").send() == f"{hub.url}/{NAME}"
    files = hub.repositories[NAME]
    assert hub.private[NAME]
    assert sorted(files) == [".gitattributes", "README.md", "croissant.json",
                             "data/test.parquet", "data/train.parquet"]  # fmt: skip
    for path, content in files.items():
        (tmp_path / "copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / path).write_bytes(content)
    read = datasets.load_dataset(str(tmp_path / "copy"), cache_dir=str(tmp_path / "cache"))
    for part in ("train", "test"):
        assert read[part]["id"][:] == parts[part]["id"].tolist()
        assert read[part]["text"][:] == parts[part]["text"].tolist()
    card = files["README.md"].decode()
    assert f"| train | {len(parts['train'])} |" in card
    sets = json.loads(files["croissant.json"])
    assert [each["contentUrl"] for each in sets["distribution"]] == [
        "data/train.parquet",
        "data/test.parquet",
    ]
    again = session.push(parts, "me/reviews")
    assert {each["state"] for each in again.files} == {"there already"}
    assert "which exists and is private   0 files to send, 0.00 MB" in repr(again)
    sent = hub.sent("PUT")
    again.send()
    assert hub.sent("PUT") == sent


def test_secrets_and_personal_data_stop_a_push(
    session: sk.Session, reviews: pd.DataFrame, hub: Hub
) -> None:
    reviews.loc[0, "text"] = "Write to ann@example.org, key AKIAIOSFODNN7EXAMPLE."
    push = session.push(reviews, "me/reviews")
    assert "found: 1 × email in train: text" in repr(push)
    assert "AKIAIOSFODNN7EXAMPLE" not in repr(push)
    with pytest.raises(UsageError, match="nothing was sent: 1 × aws access key in train: text"):
        push.send()
    assert hub.repositories == {}
    push.send(despite_findings=True)
    assert NAME in hub.repositories


def test_a_push_that_was_cut_is_resumed(
    session: sk.Session, reviews: pd.DataFrame, hub: Hub
) -> None:
    parts = {"train": reviews[:12], "test": reviews[12:]}
    push = session.push(parts, "me/reviews")
    hub.cuts = {"POST commit": 1}
    with pytest.raises(EndpointError, match=r"connection was cut.*Push again"):
        push.send()
    assert list(hub.repositories[NAME]) == [".gitattributes"]
    assert len(hub.objects) == 2
    sent = hub.sent("PUT")
    session.push(parts, "me/reviews").send()
    assert "data/train.parquet" in hub.repositories[NAME]
    assert hub.sent("PUT") == sent  # the files had arrived before the cut


@pytest.mark.slow
def test_a_file_that_was_cut_in_the_middle_is_sent_again(
    session: sk.Session, reviews: pd.DataFrame, hub: Hub
) -> None:
    hub.cuts = {"PUT lfs": 1}
    session.push(reviews, "me/reviews").send()
    assert hub.sent("PUT") == 2
    assert "data/train.parquet" in hub.repositories[NAME]


@pytest.mark.parametrize(("token", "status"), [("hf_wrong", 401), (READER, 403), ("", 401)])
def test_a_wrong_token_is_explained(
    session: sk.Session,
    reviews: pd.DataFrame,
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
    status: int,
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    push = session.push(reviews, "me/reviews")
    with pytest.raises(EndpointError, match=rf"\({status}\): log in with `hf auth login`") as error:
        push.send()
    assert error.value.status == status
    assert token not in str(error.value) or not token
    assert hub.repositories == {}


def test_other_content_in_a_repository_is_replaced_only_if_asked(
    session: sk.Session, reviews: pd.DataFrame, hub: Hub
) -> None:
    hub.repositories[NAME] = {"README.md": b"Mine.", "notes.txt": b"Mine too."}
    hub.private[NAME] = False
    push = session.push(reviews, "me/reviews")
    assert "which exists and is public" in repr(push)
    with pytest.raises(UsageError, match=r"has README\.md with other content"):
        push.send()
    assert hub.repositories[NAME]["README.md"] == b"Mine."
    push.send(overwrite=True)
    assert hub.repositories[NAME]["notes.txt"] == b"Mine too."
    assert b"# reviews" in hub.repositories[NAME]["README.md"]


def test_offline_a_push_can_be_prepared(
    session: sk.Session, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    push = session.push(reviews, "me/reviews")
    assert "not compared with the Hub: the Hub is not asked since HF_HUB_OFFLINE" in repr(push)
    with pytest.raises(EndpointError, match="HF_HUB_OFFLINE is set"):
        push.send()


def test_wrong_names_are_refused(session: sk.Session, reviews: pd.DataFrame) -> None:
    for name in ("reviews", "..", ".", "../..", "me/..", "me/../x", "a/b/c", "/", "", "me/a b"):
        with pytest.raises(UsageError, match="expected a repository as owner/name"):
            session.push(reviews, name)
    assert session.store.runs.all() != []
    assert (session.folder / "store.sqlite").exists()
    bad: dict[str, Any] = {"held out": reviews}
    with pytest.raises(UsageError, match="got 'held out'"):
        session.push(bad, "me/reviews")
    with pytest.raises(UsageError, match="no column 'id'"):
        session.push([{"text": "a"}], "me/reviews")
