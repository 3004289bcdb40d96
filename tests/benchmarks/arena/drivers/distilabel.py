"""distilabel, which sends a batch at once: it has as many prompts as may be in flight."""

from __future__ import annotations

from collections.abc import Mapping

from tests.benchmarks.arena.drivers.job import KEY, MODEL, Answers, Job, drive


def imported() -> Answers:
    from distilabel.models.llms import OpenAILLM
    from distilabel.pipeline import Pipeline
    from distilabel.steps import LoadDataFromDicts
    from distilabel.steps.tasks import TextGeneration

    def answers(job: Job) -> Mapping[str, str]:
        data = [{"instruction": text} for text in job.prompts]
        with Pipeline(name="arena", cache_dir=job.folder) as pipeline:
            load = LoadDataFromDicts(data=data, batch_size=job.concurrency)
            generate = TextGeneration(
                llm=OpenAILLM(model=MODEL, base_url=job.base_url, api_key=KEY),
                input_batch_size=job.concurrency,
            )
            load >> generate
        rows = pipeline.run(use_cache=True)["default"]["train"]
        return dict(zip(rows["instruction"], rows["generation"], strict=True))

    return answers


if __name__ == "__main__":
    drive(imported)
