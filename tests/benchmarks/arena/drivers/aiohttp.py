"""Bare aiohttp, the floor: it stores nothing and retries nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tests.benchmarks.arena.drivers.job import MODEL, Answers, Job, drive
from tests.benchmarks.endpoint import by_aiohttp


def imported() -> Answers:
    import aiohttp  # noqa: F401

    def answers(job: Job) -> Mapping[str, str]:
        asked = by_aiohttp(job.base_url, job.concurrency, job.prompts, model=MODEL)
        return dict(zip(job.prompts, asyncio.run(asked), strict=True))

    return answers


if __name__ == "__main__":
    drive(imported)
