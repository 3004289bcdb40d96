"""NeMo Data Designer."""

from __future__ import annotations

from collections.abc import Mapping

from tests.benchmarks.arena.drivers.job import KEY, MODEL, Answers, Job, drive

RECORDS = 1000
"""Records of a row group, which is saved when it is complete; the default."""


def imported() -> Answers:
    import data_designer.config as dd
    import pandas as pd
    from data_designer.config.run_config import ResumeMode, RunConfig
    from data_designer.interface import DataDesigner

    def answers(job: Job) -> Mapping[str, str]:
        provider = dd.ModelProvider(
            name="arena", endpoint=job.base_url, provider_type="openai", api_key=KEY
        )
        model = dd.ModelConfig(
            alias="model",
            model=MODEL,
            provider="arena",
            skip_health_check=True,
            inference_parameters=dd.ChatCompletionInferenceParams(
                max_parallel_requests=job.concurrency
            ),
        )
        designer = DataDesigner(artifact_path=job.folder, model_providers=[provider])
        designer.set_run_config(
            RunConfig(buffer_size=RECORDS, otel_metrics_port=None, disable_early_shutdown=True)
        )
        config = dd.DataDesignerConfigBuilder(model_configs=[model])
        seeds = pd.DataFrame({"instruction": job.prompts})
        config.with_seed_dataset(dd.DataFrameSeedSource(df=seeds))
        config.add_column(
            dd.LLMTextColumnConfig(
                name="generation", model_alias="model", prompt="{{ instruction }}"
            )
        )
        results = designer.create(
            config,
            num_records=job.number,
            dataset_name="arena",
            resume=ResumeMode.IF_POSSIBLE,
        )
        rows = results.load_dataset()
        return dict(zip(rows["instruction"], rows["generation"], strict=True))

    return answers


if __name__ == "__main__":
    drive(imported)
