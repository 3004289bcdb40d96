"""What a trained model was asked is replayed from a bundle, which has no weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import synthkit as sk
from synthkit.core.errors import ModelError, StoreError
from synthkit.train import TrainedModel, sft
from synthkit.train.training import Training
from tests.models.conftest import save_tiny
from tests.sessions.test_bundle_checks import rewrite

ROWS = [{"id": f"r{n}", "prompt": f"q {n}", "completion": f"a {n % 3}"} for n in range(6)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A base in a folder beside all, as an absolute one would be on no other machine."""
    folder = tmp_path_factory.mktemp("lesson")
    save_tiny(folder / "tiny")
    with contextlib.chdir(folder):
        yield "hf:tiny"


def trained(base: str, folder: Path) -> TrainedModel:
    first = sft(ROWS, base=base, folder=folder / "train", batch_size=2, rank=4, steps=2)
    return sft(ROWS[:4], base=first, folder=folder / "train", batch_size=2, steps=2)


def asked(model: TrainedModel, folder: Path, *attached: Path, n: int = 2) -> list[str]:
    with sk.Session(folder) as session:
        for source in attached:
            session.attach(source)
        run = sk.generate("say {{ x }}", rows=[{"x": 1}], n=n, model=model, session=session,
                          name="said", max_tokens=4)  # fmt: skip
    return list(run.table["text"])


@pytest.fixture(scope="module")
def bundle(base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    asked(trained(base, folder), folder)
    with sk.Session(folder) as session:
        return session.export(folder / "lesson.zip")


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def train_once(*_: object) -> None:
        raise AssertionError("a training was started")

    monkeypatch.setattr(Training, "_train_once", train_once)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("imported", [False, True])
def test_a_training_and_its_answers_are_replayed_without_weights(
    base: str, bundle: Path, tmp_path: Path, imported: bool
) -> None:
    with sk.Session(tmp_path) as session:
        if imported:
            session.import_bundle(bundle)
        else:
            session.attach(bundle)
    attached = () if imported else (bundle,)
    model = trained(base, tmp_path)
    teacher = trained(base, bundle.parent)
    assert model.folder != teacher.folder
    assert not list(model.folder.glob("*.safetensors"))
    assert (model.fingerprint, model.log) == (teacher.fingerprint, teacher.log)
    assert asked(model, tmp_path, *attached) == asked(teacher, bundle.parent)
    with pytest.raises(
        ModelError, match=r"a bundle brings no weights.* delete .* and run the cell"
    ):
        asked(model, tmp_path, *attached, n=3)
    with sk.Session(tmp_path) as session:  # what was brought is passed on
        session.export(tmp_path / "again.zip")
    with sk.Session(tmp_path / "third") as session:
        session.attach(tmp_path / "again.zip")
    assert trained(base, tmp_path / "third").fingerprint == teacher.fingerprint


def test_what_was_trained_here_stays(base: str, bundle: Path, tmp_path: Path) -> None:
    here = trained(base, tmp_path)
    with sk.Session(tmp_path) as session:
        session.attach(bundle)
    assert list(trained(base, tmp_path).folder.glob("*.safetensors"))
    assert trained(base, tmp_path).fingerprint == here.fingerprint


def test_a_bundle_of_some_tables_has_their_trainings_alone(base: str, tmp_path: Path) -> None:
    model = trained(base, tmp_path)
    sft(ROWS, base=base, folder=tmp_path / "train", batch_size=2, rank=4, steps=2, seed=7)
    asked(model, tmp_path)
    with sk.Session(tmp_path) as session:
        sk.generate("x", n=1, model=sk.Fake(), session=session, name="fake")
        for name in ("said", "fake"):
            session.export(tmp_path / f"{name}.zip", [name])
    found = {}
    for name in ("said", "fake"):
        with sk.Session(tmp_path / name) as session:
            session.attach(tmp_path / f"{name}.zip")
        found[name] = [each.name for each in (tmp_path / name / "train").glob("*")]
    assert len(found["said"]) == 2
    assert model.folder.name in found["said"]
    assert found["fake"] == []


@pytest.mark.parametrize(
    ("old", "new"), [(b'"method": "sft"', b'"method": 7'), (b'"adapter": "', b'"adapter": "../')]
)
def test_a_record_that_is_none_is_refused(
    bundle: Path, tmp_path: Path, old: bytes, new: bytes
) -> None:
    def change(members: dict[str, bytes]) -> None:
        name = next(name for name in members if name.startswith("trainings/"))
        assert old in members[name]
        members[name] = members[name].replace(old, new)

    forged = tmp_path / "forged.zip"
    forged.write_bytes(bundle.read_bytes())
    rewrite(forged, change)
    with sk.Session(tmp_path / "own") as session, pytest.raises(StoreError, match="is none"):
        session.attach(forged)
