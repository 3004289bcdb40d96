"""Task files of lm-eval: found, checked and loaded with their rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from synthkit.core.errors import SynthkitError, UsageError
from synthkit.core.files import existing

TaskSpec: TypeAlias = str | Path | Mapping[str, Any]
"""A task file, a folder of them, or a task as a mapping, for :func:`~.tasks.task` and lm-eval."""

READERS = ("arrow", "csv", "json", "parquet", "text")
"""What ``dataset_path`` may be if ``dataset_kwargs`` names the files."""


def load(
    specs: TaskSpec | Sequence[TaskSpec], *, examples: int | None, seed: int
) -> dict[str, Any]:
    """Name -> lm-eval's ``Task`` with its rows.

    Raises
    ------
    UsageError
        If a file is missing, a task cannot be read, or its rows are not on this machine.
    """
    listed = [specs] if isinstance(specs, str | Path | Mapping) else list(specs)
    tasks: dict[str, Any] = {}
    for spec in listed:
        for config, where in _configs(spec):
            task = _build(config, where)
            if task.task_name in tasks:
                raise UsageError(f"two tasks are named {task.task_name!r}; rename one of them.")
            _set_examples(task, examples, seed)
            tasks[task.task_name] = task
    if not tasks:
        raise UsageError("expected a task or more; got none.")
    return tasks


def _configs(spec: TaskSpec) -> Iterator[tuple[dict[str, Any], str]]:
    """The tasks of a spec, each with its origin for messages."""
    if isinstance(spec, Mapping):
        name = spec.get("task")
        if not isinstance(name, str) or not name:
            raise UsageError(f"expected a task with a name; got one with {list(spec)}.")
        yield dict(spec), f"the task {name!r}"
        return
    path = Path(spec).expanduser()
    there = existing(path)
    if there and path.is_dir():
        files = sorted({*path.rglob("*.yaml"), *path.rglob("*.yml")})
        read = [(config, file) for file in files if _is_task(config := _read(file))]
        if not read:
            raise UsageError(f"{path} was expected to hold task files (*.yaml); it has none.")
    elif there and path.is_file():
        read = [(_read(path), path)]
        if not _is_task(read[0][0]):
            raise UsageError(
                f"{path} has no 'task: NAME', so it is not a task. For a group, give the folder of "
                "its tasks."
            )
    else:
        raise UsageError(
            f"{spec} was expected to be a task file of lm-eval or a folder of them, with the rows "
            "beside it; there is none. Rows of your own: synthkit.benchmark.task(rows, ...)."
        )
    for config, file in read:
        yield _with_whole_paths(config, file), str(file)


def _is_task(config: Mapping[str, Any]) -> bool:
    return isinstance(config.get("task"), str) and "group" not in config


def _read(file: Path) -> dict[str, Any]:
    from lm_eval.tasks._yaml_loader import load_yaml

    with as_usage_errors(f"{file} cannot be read as a task"):
        return dict(load_yaml(file))


def _with_whole_paths(config: dict[str, Any], file: Path) -> dict[str, Any]:
    """The task with whole paths of its files, which are relative to the task file.

    Raises
    ------
    UsageError
        If one of them is missing.
    """
    source, options = config.get("dataset_path"), dict(config.get("dataset_kwargs") or {})
    if "custom_dataset" in config or "class" in config:
        return config
    if not isinstance(source, str):
        raise UsageError(f"{file} has no dataset_path, so it has no rows.")
    file_keys = [key for key in ("data_files", "data_dir") if options.get(key)]
    if source in READERS and not file_keys:
        raise UsageError(
            f"{file} reads {source}, but names no file: add dataset_kwargs: {{data_files: "
            f"{{test: rows.{source}}}}}."
        )
    if source not in READERS and (file.parent / source).exists():
        source = str((file.parent / source).resolve())
    for key in file_keys:
        options[key] = _whole_paths(options[key], file)
    return {**config, "dataset_path": source, "dataset_kwargs": options}


def _whole_paths(paths: Any, file: Path) -> Any:
    """One path, a list of them, or a mapping of splits to them, made whole."""
    if isinstance(paths, Mapping):
        return {split: _whole_paths(split_paths, file) for split, split_paths in paths.items()}
    if isinstance(paths, list):
        return [_whole_paths(path, file) for path in paths]
    if "://" in str(paths):
        return paths
    path = file.parent.resolve() / Path(str(paths)).expanduser()
    if not set("*?[") & set(str(paths)) and not path.exists():
        raise UsageError(f"{file} takes its rows from {paths}, which is not there ({path}).")
    return str(path)


def _build(config: dict[str, Any], where: str) -> Any:
    """lm-eval's task; ``where`` is its origin for messages."""
    from lm_eval.tasks import TaskManager

    source = str(config.get("dataset_path"))
    try:
        with silenced(), as_usage_errors(f"{where} cannot be used as a task", OSError):
            (task,) = TaskManager(include_defaults=False).load(config)["tasks"].values()
    except OSError as error:
        if source in READERS or Path(source).exists():
            raise UsageError(f"{where} cannot be used as a task: {_one_line(error)}") from error
        raise UsageError(
            f"{where} takes its rows from the Hub ({source}), which cannot be reached here: "
            f"{_one_line(error)} Save them beside the task file, and write there: dataset_path: "
            "json, dataset_kwargs: {data_files: {test: rows.jsonl}}."
        ) from error
    for attribute, reason in (
        ("MULTIMODAL", "shows images or sound, and models here read text"),
        ("UNSAFE_CODE", "runs code that a model wrote, which is not done here"),
    ):
        if getattr(task, attribute, False):
            raise UsageError(f"{where} {reason}.")
    return task


def _set_examples(task: Any, examples: int | None, seed: int) -> None:
    """Set the number and the seed of a task's examples, none of which is the tested document.

    Raises
    ------
    UsageError
        If the task has too few examples, or only those that it tests.
    """
    if examples is not None:
        task.set_config(key="num_fewshot", value=examples)
    task.set_fewshot_seed(seed)
    count, source = task.get_config("num_fewshot") or 0, getattr(task, "fewshot_cfg", None)
    if not count or source is None or source.samples is not None:
        return
    test, validation = task.config.test_split, task.config.validation_split
    pool = source.split or task.config.training_split or validation
    # lm-eval leaves out the tested document only in this case
    leaves_out = source.split == test
    if pool is None or (pool == (test or validation) and not leaves_out):
        raise UsageError(
            f"{task.task_name} has no examples to show but the documents that it tests; name "
            "others by fewshot_split:, or the same ones by test_split: and fewshot_split:."
        )
    size = len(task.sampler.fewshot_docs()) - leaves_out
    if count > size:
        raise UsageError(f"{task.task_name} has {size} examples to show; got examples={count}.")


@contextmanager
def as_usage_errors(what: str, *but: type[Exception]) -> Iterator[None]:
    """Raise any error, except synthkit's and ``but``, as a ``UsageError`` after ``what``.

    Tasks have templates, tables and code of their own, which can fail with any error.
    """
    unchanged: tuple[type[Exception], ...] = (SynthkitError, *but)
    try:
        yield
    except unchanged:
        raise
    except Exception as error:
        raise UsageError(f"{what}: {_one_line(error)}") from error


@contextmanager
def silenced() -> Iterator[None]:
    """Hide the logs and progress bars of lm-eval and datasets, which a notebook would save."""
    import datasets
    from lm_eval.api import task as module
    from tqdm import tqdm

    log = logging.getLogger("lm_eval")
    level, bar = log.level, module.tqdm
    enabled = datasets.is_progress_bar_enabled()
    log.setLevel(logging.CRITICAL)
    module.tqdm = partial(tqdm, disable=True)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        log.setLevel(level)
        module.tqdm = bar
        if enabled:
            datasets.enable_progress_bars()


def _one_line(error: Exception) -> str:
    """An error's message on one line, after its type if the message is short."""
    message = " ".join(str(error).split()).rstrip(".")
    short = len(message.split()) < 4
    return f"{type(error).__name__}: {message}." if short else f"{message}."
