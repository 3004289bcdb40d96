"""What a driver is asked to do, and how it is timed.

A driver is a module with a function that imports the system and returns a function of a job. That
returns the answer to each prompt, as the system's table has them. Each job runs in a process of its
own, which needs nothing but the system::

    python -m tests.benchmarks.arena.drivers.synthkit JOB

JOB has the parameters of the job as JSON, and a line of the output has the figures.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MODEL, KEY = "gpt-4o-mini", "none"
FIGURES = "arena: "
"""What the line of figures begins with; systems write lines of their own."""


@dataclass(frozen=True)
class Job:
    """What to ask, and where.

    Parameters
    ----------
    folder : where the system keeps what it has been answered.
    number : how many prompts; with 0 the system is only imported.
    edited : the position of a prompt that has been changed since an earlier run.
    """

    base_url: str
    folder: str
    number: int
    concurrency: int = 64
    edited: int | None = None

    @property
    def prompts(self) -> list[str]:
        texts = [f"Write fact number {i}." for i in range(self.number)]
        if self.edited is not None:
            texts[self.edited] = f"Write a better fact number {self.edited}."
        return texts

    def right(self, answers: Mapping[str, str]) -> int:
        """How many prompts have their own answer, as tests/server.py gives it."""
        return sum(answers.get(text) == f"Answer to: {text}" for text in self.prompts)


Answers = Callable[[Job], Mapping[str, str]]


def cpu() -> float:
    """CPU-seconds of this process and its ended children."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def drive(imported: Callable[[], Answers]) -> None:
    """Do the job of the command line, and print its figures.

    ``seconds`` and ``cpu`` are all that comes after the imports, until the rows are there.
    """
    job = Job(**json.loads(sys.argv[1]))
    start, first = time.perf_counter(), cpu()
    answers = imported()
    began, spent = time.perf_counter(), cpu()
    figures = {"import": began - start, "import_cpu": spent - first}
    if job.number:
        found = answers(job)
        figures |= {"seconds": time.perf_counter() - began, "cpu": cpu() - spent}
        figures |= {"rows": len(found), "right": job.right(found)}
    print(f"\n{FIGURES}{json.dumps(figures)}", flush=True)
