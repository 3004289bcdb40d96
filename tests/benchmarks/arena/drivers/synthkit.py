"""synthkit, as README shows it."""

from __future__ import annotations

from collections.abc import Mapping

from tests.benchmarks.arena.drivers.job import MODEL, Answers, Job, drive


def imported() -> Answers:
    import pandas as pd

    import synthkit as sk

    generate, open_session, load_model = sk.generate, sk.Session, sk.load_model

    def answers(job: Job) -> Mapping[str, str]:
        rows = pd.DataFrame({"instruction": job.prompts})
        model = load_model(f"openai:{MODEL}", base_url=job.base_url, concurrency=job.concurrency)
        with open_session(job.folder) as session:
            run = generate("{{ instruction }}", model=model, session=session, rows=rows)
        return dict(zip(run.table["instruction"], run.table["text"], strict=True))

    return answers


if __name__ == "__main__":
    drive(imported)
