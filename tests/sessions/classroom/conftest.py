"""A small class whose figures were worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.types import Mark

ROWS = pd.DataFrame({"id": list("abcdef"), "text": [f"A line on {x}." for x in "abcdef"]})
LABELS = {"a": "accept", "r": "reject", "s": "skip"}
CLASS = {"Maya": "aara--", "Bo": "arr-a-", "Cy": "aaarr-"}
"""Student -> what each row got: accept, reject, skip or nothing."""


def marks_of(by: str, labels: str, times: Sequence[float] = ()) -> list[Mark]:
    """Marks 10 seconds apart, or at some times."""
    given = [
        (id, LABELS[label]) for id, label in zip("abcdef", labels, strict=True) if label in LABELS
    ]
    at = times or [1000.0 + 10 * n for n in range(len(given))]
    return [
        Mark(id=id, label=label, by=by, at=when, step=n)
        for n, ((id, label), when) in enumerate(zip(given, at, strict=True), 1)
    ]


def send(
    folder: Path,
    name: str,
    labels: str,
    into: sk.Session | None = None,
    times: Sequence[float] = (),
    on: str = "",
) -> None:
    """Mark as a student in another session, and export it; import the bundle if asked to."""
    with sk.Session(folder / "sessions" / (on or name)) as session:
        session.person = name
        session.store.marks.add(marks_of(name, labels, times))
        bundle = session.export(folder / f"{on or name}.zip", over=True)
    if into is not None:
        into.import_bundle(bundle)


@pytest.fixture
def school(tmp_path: Path) -> Iterator[sk.Session]:
    """The teacher's session, with the marks of :data:`CLASS` and of the teacher."""
    with sk.Session(tmp_path / "school") as session:
        session.person = "Ms Ada"
        session.store.marks.add(marks_of("Ms Ada", "arrr--"))
        for name, labels in CLASS.items():
            send(tmp_path, name, labels, session)
        yield session
