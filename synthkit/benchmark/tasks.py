"""Tasks: what a model is to be measured on, of lm-eval's task files, or of a table's rows."""

from __future__ import annotations

import logging
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from synthkit.core.errors import PromptError, SynthkitError, TableError, UsageError, unknown
from synthkit.core.extras import need
from synthkit.data import tables as tables
from synthkit.recipes._arguments import distinct_names
from synthkit.recipes._row_prompts import column_template

Spec: TypeAlias = str | Path | Mapping[str, Any]
"""A task file, a folder of them, or a task as :func:`task` and lm-eval describe it."""

READERS = ("arrow", "csv", "json", "parquet", "text")
"""What ``dataset_path`` may be where ``dataset_kwargs`` names the files."""

EXACT = [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}]
ACCURACY = [
    {"metric": name, "aggregation": "mean", "higher_is_better": True}
    for name in ("acc", "acc_norm")
]


AROUND = string.whitespace + ".,;:!?…'\"`*_()[]{}<>“”‘’«»„。，！？"
"""What may stand around a written answer; signs that numbers have are not among it."""


def task(
    rows: Any,
    prompt: str,
    *,
    label: str,
    choices: Sequence[str] | Mapping[str, str] | None = None,
    name: str = "task",
    examples: Any = None,
    delimiter: str = " ",
    stop: Sequence[str] = ("\n",),
    max_tokens: int = 32,
) -> dict[str, Any]:
    r"""A task of one's own rows, for :func:`synthkit.benchmark.run.benchmark`.

    With ``choices`` it is multiple choice: the model's answer is the choice that it finds likeliest
    after the prompt (``acc``; ``acc_norm`` divides the log-likelihood by the choice's number of
    characters). Without, the model writes an answer, which is right if it is the label but for
    case, and punctuation and blanks around it (``exact_match``).

    Parameters
    ----------
    rows : a table of any kind. Its ``id`` column names the documents; without one their content.
    prompt : the question; it may use the columns. For models that continue a text (loaded with
        ``raw=True``) it ends where the answer begins: ``"Review: {{ text }}\nSentiment:"``.
    label : the column of the right answers; without ``choices`` a cell may list several.
    choices : the answers there are; or label -> the words that stand for it; or the name of a
        column with a list for each row, where ``label`` may also be a position in it.
    name : of the task, and of its scores.
    examples : a table with the same columns, from which examples are drawn when a benchmark asks
        for some; without it they are other rows of the task.
    delimiter : between prompt and answer, in a text that is continued.
    stop, max_tokens : what ends a written answer.

    Raises
    ------
    UsageError
        If there is no row, a row has no label, or one that is no choice.

    Examples
    --------
    >>> made = task([{"text": "Lovely.", "label": "good"}], "Review: {{ text }}\nIt is",
    ...             label="label", choices=["good", "bad"], name="mood")
    >>> made["task"], made["output_type"]
    ('mood', 'multiple_choice')
    """
    docs = partial(_documents, prompt=prompt, label=label, choices=choices)
    splits = {"test": docs(rows)}
    if examples is not None:
        splits["train"] = docs(examples)
    made = {
        "task": name,
        "custom_dataset": partial(_datasets, splits),
        "test_split": "test",
        "fewshot_split": "test" if examples is None else "train",
        "doc_to_text": "question",
        "doc_to_target": "answer",
        "target_delimiter": delimiter,
    }
    if choices is not None:
        kind = {"output_type": "multiple_choice", "doc_to_choice": "choices"}
        return {**made, **kind, "metric_list": ACCURACY}
    return {
        **made,
        "output_type": "generate_until",
        "generation_kwargs": {
            "until": [stop] if isinstance(stop, str) else list(stop),
            "max_gen_toks": max_tokens,
            "do_sample": False,
        },
        "process_results": _exact,
        "metric_list": EXACT,
    }


def _documents(
    rows: Any, *, prompt: str, label: str, choices: Sequence[str] | Mapping[str, str] | None
) -> dict[str, list[Any]]:
    """The columns of a split: id, question, answer and, where there are some, choices."""
    held = tables.identified(rows)
    records = tables.records(held)
    if not records:
        raise UsageError("expected a row or more to make a task of; got none.")
    template = column_template(prompt, held, label=label)
    if len(template.turns) > 1:
        raise UsageError("a task's prompt is one turn; lm-eval adds the turns of examples.")
    answered = _answers(records, label, choices, tables.columns(held))
    made: dict[str, list[Any]] = {"id": [], "question": [], "answer": []}
    if choices is not None:
        made["choices"] = []
    for at, row in enumerate(records):
        try:
            asked = template.ask(row)
            if not asked:
                raise TableError("the prompt is empty once its fields are filled in.")
            answer, words = answered(row)
        except (PromptError, TableError) as error:
            raise type(error)(f"row {at}: {error}") from None
        made["id"].append(str(row["id"]))
        made["question"].append(asked)
        made["answer"].append(answer)
        if choices is not None:
            made["choices"].append(words)
    return made


Answered = tuple[int | list[str], list[str]]


def _answers(
    records: Sequence[Mapping[str, Any]],
    label: str,
    choices: Sequence[str] | Mapping[str, str] | None,
    columns: Sequence[str],
) -> Callable[[Mapping[str, Any]], Answered]:
    """A row -> its right answer (texts, or the position of the right choice), and the choices."""

    def listed(row: Mapping[str, Any]) -> list[Any]:
        cell = row[label]
        found = list(cell) if isinstance(cell, list | tuple) else [cell]
        if not found or any(one is None or not str(one).strip() for one in found):
            raise TableError(f"the label in column {label!r} is missing or blank.")
        return found

    def written(row: Mapping[str, Any]) -> Answered:
        return [str(one).strip() for one in listed(row)], []

    def chosen(row: Mapping[str, Any]) -> Answered:
        (right,) = listed(row)
        if str(right) not in names:
            raise TableError(unknown("label", str(right), names))
        return names.index(str(right)), words

    def own(row: Mapping[str, Any]) -> Answered:
        cell, (right,) = row[str(choices)], listed(row)
        offered = [str(one).strip() for one in cell] if isinstance(cell, list | tuple) else []
        if len(offered) < 2 or "" in offered:
            raise TableError(f"expected two choices or more in {choices!r}; got {cell!r}.")
        if isinstance(right, int) and not isinstance(right, bool) and 0 <= right < len(offered):
            return right, offered
        if str(right).strip() not in offered:
            raise TableError(unknown("label", str(right), offered))
        return offered.index(str(right).strip()), offered

    if choices is None:
        return written
    if isinstance(choices, str) and choices in columns:
        return own
    names = distinct_names("choices", choices)
    said = choices.values() if isinstance(choices, Mapping) else names
    words = [str(one).strip() for one in said]
    if len(names) < 2 or len(set(words)) < len(words) or "" in words:
        raise UsageError(f"expected two distinct choices or more; got {words}.")
    return chosen


def _datasets(splits: Mapping[str, dict[str, list[Any]]], **_: Any) -> dict[str, Any]:
    """The splits as lm-eval wants them."""
    datasets = need("datasets", extra="benchmark", why="to hold a task's rows")
    return {name: datasets.Dataset.from_dict(columns) for name, columns in splits.items()}


def _exact(doc: Mapping[str, Any], found: Sequence[str]) -> dict[str, float]:
    """Whether a written answer is one of the right ones, but for case and what is around it."""
    return {"exact_match": float(_bare(found[0]) in map(_bare, doc["answer"]))}


def _bare(text: str) -> str:
    return text.strip(AROUND).casefold() or text.strip()


def load(given: Spec | Sequence[Spec], *, examples: int | None, seed: int) -> dict[str, Any]:
    """Name -> lm-eval's ``Task``, with its rows, ready to ask.

    Raises
    ------
    UsageError
        If there is no such file, a task cannot be read, or its rows are not here.
    """
    specs = [given] if isinstance(given, str | Path | Mapping) else list(given)
    found: dict[str, Any] = {}
    for spec in specs:
        for config, where in _configs(spec):
            made = _built(config, where)
            if made.task_name in found:
                raise UsageError(f"two tasks are named {made.task_name!r}; rename one of them.")
            _teach(made, examples, seed)
            found[made.task_name] = made
    if not found:
        raise UsageError("expected a task or more; got none.")
    return found


def _configs(spec: Spec) -> Iterator[tuple[dict[str, Any], str]]:
    """The tasks that a spec names, each with where it was found."""
    if isinstance(spec, Mapping):
        name = spec.get("task")
        if not isinstance(name, str) or not name:
            raise UsageError(f"expected a task with a name; got one with {list(spec)}.")
        yield dict(spec), f"the task {name!r}"
        return
    path = Path(spec).expanduser()
    if path.is_dir():
        files = sorted({*path.rglob("*.yaml"), *path.rglob("*.yml")})
        read = [(config, file) for file in files if _is_task(config := _read(file))]
        if not read:
            raise UsageError(f"{path} was expected to hold task files (*.yaml); it has none.")
    elif path.is_file():
        read = [(_read(path), path)]
        if not _is_task(read[0][0]):
            raise UsageError(
                f"{path} has no 'task: NAME', so that it is no task by itself. Of a group, give "
                "the folder of its tasks."
            )
    else:
        raise UsageError(
            f"{spec} was expected to be a task file of lm-eval or a folder of them, with the rows "
            "beside it; there is none. Rows of your own: synthkit.benchmark.run.task(rows, ...)."
        )
    for config, file in read:
        yield _placed(config, file), str(file)


def _is_task(config: Mapping[str, Any]) -> bool:
    return isinstance(config.get("task"), str) and "group" not in config


def _read(file: Path) -> dict[str, Any]:
    from lm_eval.tasks._yaml_loader import load_yaml

    with blamed(f"{file} cannot be read as a task"):
        return dict(load_yaml(file))


def _placed(config: dict[str, Any], file: Path) -> dict[str, Any]:
    """The task with its files by their whole paths: they are beside it, wherever Python runs.

    Raises
    ------
    UsageError
        If one of them is not there.
    """
    source, options = config.get("dataset_path"), dict(config.get("dataset_kwargs") or {})
    if "custom_dataset" in config or "class" in config:
        return config
    if not isinstance(source, str):
        raise UsageError(f"{file} has no dataset_path, so that it has no rows.")
    named = [key for key in ("data_files", "data_dir") if options.get(key)]
    if source in READERS and not named:
        raise UsageError(
            f"{file} reads {source}, but names no file: add dataset_kwargs: {{data_files: "
            f"{{test: rows.{source}}}}}."
        )
    if source not in READERS and (file.parent / source).exists():
        source = str((file.parent / source).resolve())
    for key in named:
        options[key] = _whole(options[key], file)
    return {**config, "dataset_path": source, "dataset_kwargs": options}


def _whole(given: Any, file: Path) -> Any:
    """Paths made whole, in whatever they are."""
    if isinstance(given, Mapping):
        return {split: _whole(one, file) for split, one in given.items()}
    if isinstance(given, list):
        return [_whole(one, file) for one in given]
    if "://" in str(given):
        return given
    path = file.parent.resolve() / Path(str(given)).expanduser()
    if not set("*?[") & set(str(given)) and not path.exists():
        raise UsageError(f"{file} takes its rows from {given}, which is not there ({path}).")
    return str(path)


def _built(config: dict[str, Any], where: str) -> Any:
    from lm_eval.tasks import TaskManager

    source = str(config.get("dataset_path"))
    try:
        with quiet(), blamed(f"{where} cannot be used as a task", OSError):
            (made,) = TaskManager(include_defaults=False).load(config)["tasks"].values()
    except OSError as error:
        if source in READERS or Path(source).exists():
            raise UsageError(f"{where} cannot be used as a task: {_words(error)}") from error
        raise UsageError(
            f"{where} takes its rows from the Hub ({source}), which cannot be reached here: "
            f"{_words(error)} Save them beside the task file, and write there: dataset_path: "
            "json, dataset_kwargs: {data_files: {test: rows.jsonl}}."
        ) from error
    for what, why in (
        ("MULTIMODAL", "shows images or sound, and models here read text"),
        ("UNSAFE_CODE", "runs what a model wrote as code, which is not done here"),
    ):
        if getattr(made, what, False):
            raise UsageError(f"{where} {why}.")
    return made


def _teach(made: Any, examples: int | None, seed: int) -> None:
    """Have a task show so many examples, drawn by the seed; never the document itself."""
    if examples is not None:
        made.set_config(key="num_fewshot", value=examples)
    made.set_fewshot_seed(seed)
    shown, source = made.get_config("num_fewshot") or 0, getattr(made, "fewshot_cfg", None)
    if not shown or source is None or source.samples is not None:
        return
    test, known = made.config.test_split, made.config.validation_split
    pool = source.split or made.config.training_split or known
    # lm-eval leaves the document itself out if this is so, and only then
    spared = source.split == test
    if pool is None or (pool == (test or known) and not spared):
        raise UsageError(
            f"{made.task_name} has no examples to show but the documents that it tests; name "
            "others by fewshot_split:, or the same ones by test_split: and fewshot_split:."
        )
    there = len(made.sampler.fewshot_docs()) - spared
    if shown > there:
        raise UsageError(f"{made.task_name} has {there} examples to show; got examples={shown}.")


@contextmanager
def blamed(what: str, *but: type[Exception]) -> Iterator[None]:
    """Any error as a ``UsageError``: tasks have templates, tables and code of their own, which fail
    in their own ways."""
    meant: tuple[type[Exception], ...] = (SynthkitError, *but)
    try:
        yield
    except meant:
        raise
    except Exception as error:
        raise UsageError(f"{what}: {_words(error)}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without lm-eval's log and bars, and those of datasets, which a saved notebook would keep."""
    import datasets
    from lm_eval.api import task as module
    from tqdm import tqdm

    log = logging.getLogger("lm_eval")
    level, bar = log.level, module.tqdm
    shown = datasets.is_progress_bar_enabled()
    log.setLevel(logging.CRITICAL)
    module.tqdm = partial(tqdm, disable=True)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        log.setLevel(level)
        module.tqdm = bar
        if shown:
            datasets.enable_progress_bars()


def _words(error: Exception) -> str:
    """An error in one line, by its kind where its words alone say too little."""
    said = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {said}." if len(said.split()) < 4 else f"{said}."
