"""Running benchmarks, and comparing two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synthkit.benchmark.scoring import scored
from synthkit.benchmark.task_files import TaskSpec, as_usage_errors, load, silenced
from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.models import Ledger, Model
from synthkit.evaluate._compare import compare as compare_scores
from synthkit.evaluate._report import Progress
from synthkit.evaluate.results import Report
from synthkit.evaluate.shared_rows import match
from synthkit.models.openai.model import Endpoint
from synthkit.models.schemes import as_model
from synthkit.sessions import evaluations
from synthkit.sessions.current import session_or_current
from synthkit.sessions.named_tables import check_name
from synthkit.sessions.session import Session
from synthkit.stats.bootstrap import Difference, corrected
from synthkit.stats.intervals import check_level


@dataclass(frozen=True, slots=True)
class Benchmark(Report):
    """The scores of a model on tasks, as a report.

    Parameters
    ----------
    documents : a DataFrame with a row for each document: ``task``, ``id``, the ``target``, the
        model's ``answer`` (for a multiple choice the most likely one), and a column for each
        metric.
    ledger : requests, tokens and cost.
    """

    documents: Any = field(default=None, repr=False)
    ledger: Ledger = field(default_factory=Ledger, repr=False)


def benchmark(
    model: Model | str,
    tasks: TaskSpec | Sequence[TaskSpec],
    *,
    n: int | None = None,
    examples: int | None = None,
    seed: int = 0,
    level: float = 0.95,
    session: Session | None = None,
    name: str = "",
    progress: Progress | None = None,
) -> Benchmark:
    r"""The scores of a model on tasks, with lm-eval's prompts, metrics and filters.

    A multiple choice compares the log-likelihoods of the choices, which requires a model on this
    machine; an endpoint can do tasks for which it writes text (``output_type: generate_until``). A
    chat model gets a conversation in its template; a model loaded with ``raw=True`` continues a
    text. :func:`synthkit.models.in_memory.loaded` makes a model of weights in memory.

    Parameters
    ----------
    tasks : task files (YAML) of lm-eval or folders of them, whose rows are files too (json, csv,
        parquet) with paths relative to the task file; or tasks that :func:`~.tasks.task` makes of a
        table. A task file may name Python code in its folder, which is run.
    n : most documents of each task, sampled by ``seed``; all if not given.
    examples : number of answered examples before each question; the task's own if not given.
    seed : of the sample of documents, the examples, and answers of tasks that sample.
    level : of the intervals.
    session : where completions are cached; ``./.synthkit`` if not given.
    name : saves the scores in the session under this name.
    progress : called with the number of answers so far, the number of all, and the task's name.

    Returns
    -------
    A score for each task and metric, named ``"task metric"``; ``parts`` are by document. Shares
    have Wilson's interval, other metrics the jackknife's, which leaves out each document once: for
    BLEU and chrF, whose time grows with the square, 1,000 documents take 1.5 to 2.5 minutes.

    Raises
    ------
    MissingExtra
        If lm-eval is not installed.
    UsageError
        Before any request: a task or its rows are missing, a label is not a choice, or a task that
        compares likelihoods has a model behind a server.
    ModelError
        If a document cannot be answered. Completions so far are cached.

    References
    ----------
    S. Biderman et al. (2024), Lessons from the trenches on reproducible evaluation of language
    models, arXiv 2405.14782.

    Examples
    --------
    >>> import tempfile, synthkit as sk
    >>> from synthkit.benchmark import task
    >>> rows = [{"text": "Lovely.", "label": "good"}, {"text": "Cold.", "label": "bad"}] * 10
    >>> mood = task(rows, "{{ text }} Good or bad?", label="label", name="mood")
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     print(benchmark(sk.Fake("Good."), mood, session=session)["mood exact_match"])
    0.5 [0.299, 0.701]
    """
    evaluator = need("lm_eval.evaluator", extra="benchmark", why="to run a benchmark")
    pandas = need("pandas", extra="data", why="to hold a table")
    from synthkit.benchmark.lm_eval_model import SynthkitLM, is_chat

    check_level(level)
    for option, value, least in (("n", n, 1), ("examples", examples, 0)):
        if value is not None and value < least:
            raise UsageError(f"{option} must be at least {least}; got {value}.")
    chosen = session_or_current(session)
    if name:
        check_name(name)
    answering = as_model(model, chosen.store)
    loaded = load(tasks, examples=examples, seed=seed)
    samples = {key: _sampled(len(task.eval_docs), n, seed) for key, task in loaded.items()}
    chat = is_chat(answering)
    adapter = SynthkitLM(answering, chosen.store, loaded, seed=seed, progress=progress)
    with silenced(), as_usage_errors(f"lm-eval could not do {', '.join(loaded)}"):
        for key, task in loaded.items():
            _check(task, samples[key], answering)
        results = evaluator.evaluate(
            adapter,
            {"tasks": loaded},
            samples=samples,
            bootstrap_iters=0,
            apply_chat_template=chat,
            fewshot_as_multiturn=chat,
        )
    scores = scored(results, loaded, chat=chat, seed=seed, level=level)
    documents = pandas.DataFrame(scores.rows)
    done = Benchmark(
        tuple(scores.measured), scores.left_out, documents=documents, ledger=adapter.ledger
    )
    chosen.store.runs.add("", answering.name, f"benchmark: {', '.join(loaded)}", 0, done.ledger)
    if name:
        evaluations.save(chosen.store, name, done, {"model": answering.name, "tasks": [*loaded]})
    return done


def compare(
    after: Report, before: Report, *, level: float = 0.95, seed: int = 0
) -> dict[str, Difference]:
    """The differences of the scores of two benchmarks, on the documents that both have.

    Both answered the same documents, so that documents that are hard for both do not widen the
    interval. ``str`` of a difference says if it is not significant; p-values are corrected by Holm
    for all scores together.

    Parameters
    ----------
    after, before : benchmarks of two models, or of one model after and before training.

    Returns
    -------
    Score name -> after - before.

    Raises
    ------
    UsageError
        If they share no score, or fewer than two documents.

    Notes
    -----
    See :func:`~synthkit.stats.permutation.row_difference`.
    """
    others = {measured.score.name: measured for measured in before.measured}
    differences = {}
    for measured in after.measured:
        name = measured.score.name
        if name in others:
            pairs = match(measured.ids or (), others[name].ids or ())
            differences[name] = compare_scores(
                measured.score, others[name].score, pairs, level=level, seed=seed
            )
    if not differences:
        raise UsageError(
            f"the two share no score: one has {', '.join(after.scores) or 'none'}, the other "
            f"{', '.join(others) or 'none'}."
        )
    return dict(zip(differences, corrected(list(differences.values())), strict=True))


def _sampled(size: int, n: int | None, seed: int) -> Sequence[int]:
    """Positions of at most n documents, in order."""
    if n is None or n >= size:
        return range(size)
    sample = np.random.default_rng(seed).choice(size, size=n, replace=False)
    return sorted(int(at) for at in sample)


def _check(task: Any, sample: Sequence[int], model: Model) -> None:
    """Raise an error, before any request, for a task that the model cannot answer."""
    kind = task.OUTPUT_TYPE
    if not len(sample):
        raise UsageError(f"{task.task_name} has no documents to test on.")
    if kind != "generate_until" and isinstance(model, Endpoint):
        raise UsageError(
            f"{task.task_name} compares the likelihoods of given answers ({kind}), which servers "
            f"do not return for {model.name}. Use a model on this machine, or a task for which the "
            "model writes text (output_type: generate_until; task(...) without choices)."
        )
    if kind != "multiple_choice" or callable(task.config.process_results):
        return
    for at in sample:
        document = task.eval_docs[at]
        choices = task.doc_to_choice(document)
        right = task.doc_to_text(document) if task.multiple_input else task.doc_to_target(document)
        for target in right if isinstance(right, list) else [right]:
            if not (target in choices if isinstance(target, str) else 0 <= target < len(choices)):
                raise UsageError(
                    f"{task.task_name}, document {at}: the target {target!r} is none of the "
                    f"choices {choices}."
                )
