"""Bespoke Curator."""

from __future__ import annotations

from collections.abc import Mapping

from tests.benchmarks.arena.drivers.job import KEY, MODEL, Answers, Job, drive

MANY = 1_000_000_000


def imported() -> Answers:
    from bespokelabs import curator
    from datasets import Dataset

    class Writer(curator.LLM):
        def prompt(self, row):
            return row["instruction"]

        def parse(self, row, response):
            return {"instruction": row["instruction"], "generation": response}

    def answers(job: Job) -> Mapping[str, str]:
        table = Dataset.from_list([{"instruction": text} for text in job.prompts])
        settings = {
            "base_url": job.base_url,
            "api_key": KEY,
            "max_concurrent_requests": job.concurrency,
            "max_requests_per_minute": MANY,
            "max_tokens_per_minute": MANY,
            "seconds_to_pause_on_rate_limit": 1,  # what the server's Retry-After says; 10 without
        }
        writer = Writer(model_name=MODEL, backend="openai", backend_params=settings)
        rows = writer(table, working_dir=job.folder).dataset
        return dict(zip(rows["instruction"], rows["generation"], strict=True))

    return answers


if __name__ == "__main__":
    drive(imported)
