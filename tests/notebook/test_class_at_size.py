"""A class of thirty, ten at a time: nothing is lost, nothing is paid twice, all in ten cells."""

from __future__ import annotations

import csv
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.notebook.widgets.marker.queue import AnnotationQueue
from synthkit.sessions.classroom.assignment import own_rows
from tests.notebook.conftest import Shell
from tests.server import Server, free_port

pytestmark = pytest.mark.slow

STUDENTS = [f"Student {chr(65 + n % 26)}{n}" for n in range(30)]
ROWS, OVERLAP = 400, 3
"""So that each student marks 40 rows."""
LESSON, OWN = 10, 10
"""Requests that the teacher has asked, and further ones of each student."""
CELLS = (
    "import pandas as pd\nimport synthkit as sk\n"
    "said = pd.DataFrame({'id': [f'r{n}' for n in range(400)],\n"
    "                     'text': [f'Text {n}.' for n in range(400)]})\n"
    "steps = pd.DataFrame({'step': [f'lesson {n}' for n in range(10)]})\n"
    "%synth me Ms Ada",
    "%synth model small openai:m --base-url URL --api-key none",
    "%%synth lesson --from steps --model small\nSay {{ step }}.",
    "%synth class serve small --students names.txt --cap 10 --at-once 10 --port PORT\n"
    "%synth class assign said --students names.txt",
    "%synth class collect sent",
    "%synth class agreement said",
    "%synth class adjudicate said",
    "said_adjudication.mark(said_adjudication.scope, 'reject')",
    "%synth class adjudicate said --anonymous",
    "%synth class dashboard said --anonymous",
)
"""The teacher's whole part."""


def label(row: int, first: bool) -> str:
    """All reject odd rows and accept the others, but the first student every fourth."""
    return "reject" if row % 2 or (row % 4 == 0 and first) else "accept"


def attend(folder: Path, name: str, model: Any, first: dict[str, str]) -> Counter[str]:
    """All that a student does; returns how many completions came from where."""
    with sk.Session(folder / "homes" / name) as session:
        session.attach(folder / ".synthkit")
        session.attach(folder / "lesson.zip")
        session.person = name
        steps = [f"lesson {n}" for n in range(LESSON)] + [f"{name} {n}" for n in range(OWN)]
        found: Counter[str] = Counter()
        for _ in range(2):  # a cell that is run again asks nothing
            run = sk.generate("Say {{ step }}.", model=model, session=session, rows={"step": steps})
            assert run.table["text"].tolist() == [f"Answer to: Say {step}." for step in steps]
            found["cached"] += run.ledger.hits
            found["asked"] += run.ledger.requests
        queue = AnnotationQueue(own_rows(session, "said", session.load("said")), session=session)
        while (id := queue.current) is not None:
            given = label(int(id[1:]), first[id] == name)
            queue.act({"do": "label", "id": id, "label": given})
        session.export(folder / "sent" / f"{name}.zip")
        found["marks"] = len(session.marks())
    return found


def test_thirty_students_and_one_teacher(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("\n".join(STUDENTS), encoding="utf-8")
    (tmp_path / "sent").mkdir()
    began = time.process_time()
    with Server(latency=0.01) as server:
        places = {"URL": server.base_url, "PORT": str(free_port())}
        cells = [re.sub("URL|PORT", lambda name: places[name[0]], cell) for cell in CELLS[:4]]
        said = [shell.run(cell) for cell in cells]
        with (tmp_path / "tokens.csv").open(newline="") as file:
            tokens = {row["student"]: row["token"] for row in csv.DictReader(file)}
        assert server.count == LESSON
        assert "400 rows to 3 students each, 40 rows a student" in said[3]
        assigned = shell["said_assigned"]
        assert set(assigned.groupby("id").size()) == {OVERLAP}
        first = assigned.groupby("id")["student"].first().to_dict()

        def student(name: str) -> Counter[str]:
            url = f"http://127.0.0.1:{places['PORT']}/v1"
            behind = {"base_url": url, "proxy_of": server.base_url}
            model = sk.load_model("openai:m", **behind, api_key=tokens[name])
            return attend(tmp_path, name, model, first)

        with ThreadPoolExecutor(10) as pool:
            found: list[Any] = list(pool.map(student, STUDENTS))
        assert found == [{"cached": 30, "asked": 10, "marks": 40}] * 30
        assert server.count == LESSON + 30 * OWN
        assert len({asked.body for asked in server.asked}) == server.count
        counts = shell.run("%synth class serve")
        assert all(re.search(rf"^{name} +10 +10 ", counts, re.M) for name in STUDENTS)
        assert "300 requests of 30 students" in counts
        assert "nothing is served" in shell.run("%synth class serve --stop")
        said += [shell.run(cell) for cell in CELLS[4:]]
        assert server.count == LESSON + 30 * OWN
    assert "30 bundles: 1\u202f200 marks, 300 answers new" in said[4]
    marks = [mark for mark in shell.context.session.marks() if mark.by != "Ms Ada"]
    expected = {
        (row.student, row.id): label(int(row.id[1:]), first[row.id] == row.student)
        for row in assigned.itertuples()
    }
    assert {(mark.by, mark.id): mark.label for mark in marks} == expected
    assert len(marks) == 1200
    assert shell.context.session.store.completions.count() == LESSON + 30 * OWN
    # 100 rows of two accepts and a reject, 100 of three accepts, 200 of three rejects:
    # 1 - (200 / 1200) / (2 * 500 * 700 / (1200 * 1199))
    assert pytest.approx(0.657, abs=5e-4) == 1 - 200 * 1199 / 700_000
    assert "Krippendorff's alpha (nominal): 0.657 [" in said[5]
    assert "100 of 400 rows with two labels contested" in said[5]
    assert "majority 400" in said[6]
    assert "teacher 100, majority 300" in said[8]
    final = shell["said_adjudicated"]["label"].value_counts().to_dict()
    assert final == {"accept": 100, "reject": 300}
    progress = shell["said_progress"]
    assert progress["marked"].tolist() == progress["assigned"].tolist() == [40] * 30
    held = shell.context.session.store.counts()
    assert "30 bundles: nothing new" in shell.run(CELLS[4])
    assert shell.context.session.store.counts() == held
    assert time.process_time() - began < 60
