"""DataDreamer, which asks with a thread for each prompt of a batch."""

from __future__ import annotations

from collections.abc import Mapping

from tests.benchmarks.arena.drivers.job import KEY, MODEL, Answers, Job, drive


class Words:
    """In place of a tokenizer, whose vocabulary would have to be downloaded."""

    def encode(self, text: str) -> list[str]:
        return text.split()


def imported() -> Answers:
    from datadreamer import DataDreamer
    from datadreamer.llms import OpenAI
    from datadreamer.steps import DataSource, Prompt

    def answers(job: Job) -> Mapping[str, str]:
        llm = OpenAI(MODEL, base_url=job.base_url, api_key=KEY)
        llm.__dict__["tokenizer"] = Words()
        with DataDreamer(job.folder):
            source = DataSource("Instructions", data={"prompts": job.prompts})
            step = Prompt(
                "Answers",
                inputs={"prompts": source.output["prompts"]},
                args={"llm": llm, "batch_size": job.concurrency},
            )
            prompts, generations = step.output["prompts"], step.output["generations"]
            return dict(zip(prompts, generations, strict=True))

    return answers


if __name__ == "__main__":
    drive(imported)
