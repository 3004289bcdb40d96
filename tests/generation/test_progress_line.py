"""What a person sees while ``generate`` runs, and that files get nothing."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator, Sequence

import pytest

import synthkit as sk
from synthkit.core.models import Activity
from synthkit.core.types import Completion, Request
from synthkit.generation import progress_line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Slow(sk.Fake):
    """A model that loads for a while before it answers."""

    activity = Activity("loading slow bf16")

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        for _ in range(6):
            time.sleep(0.1)
            yield None
        self.activity = Activity("", 2)
        yield from super().complete(requests)


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_only_a_person_sees_what_the_model_does(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]
) -> None:
    monkeypatch.delenv("SYNTHKIT_LIVE", raising=False)
    monkeypatch.setattr(progress_line, "DELAY_SECONDS", 0)
    monkeypatch.setattr(sys, "stderr", shown := stream())
    run = sk.generate("Say {{ x }}.", vary={"x": ["a", "b"]}, model=Slow(), session=session)
    assert len(run.table) == 2
    frames = shown.getvalue().split("\r")
    if stream is io.StringIO:
        assert frames == [""]
    else:
        assert any(frame.startswith("0/2 rows, loading slow bf16   00:0") for frame in frames)
        assert frames[-1].strip() == ""
