"""Benchmarks: how well a model does tasks, by lm-eval, offline, on files or on one's own rows.

What is asked goes through a session like all else: it is kept, and not asked twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.benchmark.tasks import Spec, blamed, load, quiet
from synthkit.benchmark.tasks import task as task
from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.types import Ledger, Model, Score
from synthkit.data import tables as tables
from synthkit.evaluate._compare import compare as compare_scores
from synthkit.evaluate._compare import match
from synthkit.evaluate._report import Progress
from synthkit.evaluate.results import Measured, Report
from synthkit.models import load_model
from synthkit.models.openai.model import Endpoint
from synthkit.sessions import evaluations
from synthkit.sessions.named_tables import check_name
from synthkit.sessions.session import Session
from synthkit.sessions.session import session as current_session
from synthkit.stats.bootstrap import Difference
from synthkit.stats.intervals import check_level, wilson
from synthkit.stats.jackknife import jackknife, pseudo_values

__all__ = ["Benchmark", "benchmark", "compare", "task"]

SHARES = {"acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"}
"""Metrics that count documents."""


@dataclass(frozen=True, slots=True)
class Benchmark(Report):
    """The scores of a model on tasks, with the documents' ids, as a report has them.

    Parameters
    ----------
    documents : a DataFrame with a row for each document: ``task``, ``id``, the ``target``, the
        model's ``answer`` (of a multiple choice the likeliest), and a column for each metric.
    ledger : what was asked for it.
    """

    documents: Any = field(default=None, repr=False)
    ledger: Ledger = field(default_factory=Ledger, repr=False)


def benchmark(
    model: Model | str,
    tasks: Spec | Sequence[Spec],
    *,
    n: int | None = None,
    examples: int | None = None,
    seed: int = 0,
    level: float = 0.95,
    session: Session | None = None,
    name: str = "",
    progress: Progress | None = None,
) -> Benchmark:
    r"""How well a model does tasks, by lm-eval's prompts, metrics and filters.

    Of a multiple choice the log-likelihoods of the choices are compared, which needs a model on
    this machine; an endpoint does tasks that have it write (``output_type: generate_until``). Chat
    models are asked in turns, through their template; models loaded with ``raw=True`` continue a
    text. Weights that are loaded already are a model by :func:`synthkit.models.transformers.in_memory.loaded`.

    Parameters
    ----------
    tasks : task files (YAML) of lm-eval or folders of them, whose rows are files too (json, csv,
        parquet), given relative to the task file; or what :func:`task` makes of a table. A task
        file may name Python code beside it, which is run.
    n : most documents of each task, drawn by ``seed``; all if not given.
    examples : how many answered examples stand before each question; as the task says if not given.
    seed : draws the documents, the examples, and answers of tasks that sample.
    level : how often intervals made like this hold the true value.
    session : where answers are kept; ``./.synthkit`` if not given.
    name : keeps the scores in the session under this name.
    progress : called with how many answers are there, how many there will be, and the task's name.

    Returns
    -------
    A score for each task and metric, called ``"task metric"``; ``parts`` are by document. Shares
    have Wilson's interval, all else the jackknife's, which leaves out each document once: of BLEU
    and chrF, whose time grows by the square, 1,000 documents take 1.5 to 2.5 minutes.

    Raises
    ------
    MissingExtra
        If lm-eval is not installed.
    UsageError
        Before anything is asked: no such task, its rows are not here, a label that is no choice, a
        task that compares likelihoods with a model behind a server.
    ModelError
        If a document cannot be answered. What was answered is kept.

    References
    ----------
    S. Biderman et al. (2024), Lessons from the trenches on reproducible evaluation of language
    models, arXiv 2405.14782.

    Examples
    --------
    >>> import tempfile, synthkit as sk
    >>> rows = [{"text": "Lovely.", "label": "good"}, {"text": "Cold.", "label": "bad"}] * 10
    >>> mood = task(rows, "{{ text }} Good or bad?", label="label", name="mood")
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     print(benchmark(sk.Fake("Good."), mood, session=session)["mood exact_match"])
    0.5 [0.299, 0.701]
    """
    evaluator = need("lm_eval.evaluator", extra="benchmark", why="to run a benchmark")
    from synthkit.benchmark.lm_eval_model import Asking, is_chat

    check_level(level)
    for option, value, least in (("n", n, 1), ("examples", examples, 0)):
        if value is not None and value < least:
            raise UsageError(f"{option} must be at least {least}; got {value}.")
    chosen = session or current_session()
    if name:
        check_name(name)
    answering = load_model(model, store=chosen.store) if isinstance(model, str) else model
    loaded = load(tasks, examples=examples, seed=seed)
    picked = {key: _drawn(len(one.eval_docs), n, seed) for key, one in loaded.items()}
    chat = is_chat(answering)
    asking = Asking(answering, chosen.store, loaded, seed=seed, progress=progress)
    with quiet(), blamed(f"lm-eval could not do {', '.join(loaded)}"):
        for key, one in loaded.items():
            _check(one, picked[key], answering)
        found = evaluator.evaluate(
            asking,
            {"tasks": loaded},
            samples=picked,
            bootstrap_iters=0,
            apply_chat_template=chat,
            fewshot_as_multiturn=chat,
        )
    made = _benchmark(found, loaded, asking.ledger, chat=chat, seed=seed, level=level)
    what = f"benchmark: {', '.join(loaded)}"
    chosen.store.runs.add("", answering.name, what, 0, made.ledger)
    if name:
        evaluations.save(chosen.store, name, made, {"model": answering.name, "tasks": [*loaded]})
    return made


def compare(
    after: Report, before: Report, *, level: float = 0.95, seed: int = 0
) -> dict[str, Difference]:
    """What one benchmark has over another, by the documents that both have: score -> difference.

    Both answered the same documents, so these are drawn together (a paired bootstrap): what is hard
    for both does not widen the interval. Printed, a difference says so where it is not told apart.

    Parameters
    ----------
    after, before : of two models, or of one before and after it was trained.

    Raises
    ------
    UsageError
        If they share no score, or fewer than two documents.

    References
    ----------
    P. Koehn (2004), Statistical significance tests for machine translation evaluation, EMNLP.
    """
    theirs = {one.score.name: one for one in before.measured}
    found = {}
    for one in after.measured:
        other = theirs.get(one.score.name)
        if other is not None:
            pairs = match(one.ids or (), other.ids or ())
            found[one.score.name] = compare_scores(
                one.score, other.score, pairs, level=level, seed=seed
            )
    if not found:
        raise UsageError(
            f"the two share no score: one has {', '.join(after.scores) or 'none'}, the other "
            f"{', '.join(theirs) or 'none'}."
        )
    return found


def _drawn(there: int, n: int | None, seed: int) -> Sequence[int]:
    """Positions of at most n documents, in order."""
    if n is None or n >= there:
        return range(there)
    chosen = np.random.default_rng(seed).choice(there, size=n, replace=False)
    return sorted(int(at) for at in chosen)


def _check(one: Any, picked: Sequence[int], model: Model) -> None:
    """Refuse before anything is asked what cannot be answered, or could only be wrong."""
    kind = one.OUTPUT_TYPE
    if not len(picked):
        raise UsageError(f"{one.task_name} has no documents to test on.")
    if kind != "generate_until" and isinstance(model, Endpoint):
        raise UsageError(
            f"{one.task_name} compares how likely given answers are ({kind}), which servers do not "
            f"say of {model.name}. Use a model on this machine, or a task that has the model write "
            "(output_type: generate_until; task(...) without choices)."
        )
    if kind != "multiple_choice" or callable(one.config.process_results):
        return
    for at in picked:
        doc = one.eval_docs[at]
        words = one.doc_to_choice(doc)
        right = one.doc_to_text(doc) if one.multiple_input else one.doc_to_target(doc)
        for target in right if isinstance(right, list) else [right]:
            if not (target in words if isinstance(target, str) else 0 <= target < len(words)):
                raise UsageError(
                    f"{one.task_name}, document {at}: the target {target!r} is none of the choices "
                    f"{words}."
                )


def _benchmark(
    found: Mapping[str, Any],
    loaded: Mapping[str, Any],
    ledger: Ledger,
    *,
    chat: bool,
    seed: int,
    level: float,
) -> Benchmark:
    """The scores in what lm-eval found."""
    measured: list[Measured] = []
    left_out: dict[str, str] = {}
    documents: list[dict[str, Any]] = []
    for key, one in loaded.items():
        samples = found["samples"][key]
        filters = list(dict.fromkeys(sample["filter"] for sample in samples))
        first = [sample for sample in samples if sample["filter"] == filters[0]]
        ids = _ids([sample["doc"] for sample in first])
        shown: list[dict[str, Any]] = [
            {"task": key, "id": id} | _said(one, sample)
            for id, sample in zip(ids, first, strict=True)
        ]
        how = (
            f"lm-eval {_version()}, {found['n-shot'].get(key) or 0} examples, "
            f"{'in turns' if chat else 'as a text'}, {len(ids)} of {len(one.eval_docs)} documents, "
            f"seed {seed}"
        )
        rows = dict(zip(ids, shown, strict=True))
        for by in filters:
            mine = [sample for sample in samples if sample["filter"] == by]
            for metric in dict.fromkeys(name for sample in mine for name in sample["metrics"]):
                name = metric if len(filters) == 1 else f"{metric} ({by})"
                items = {id: s[metric] for id, s in zip(ids, mine, strict=True) if metric in s}
                score = _score(one, metric, [*items.values()], f"{key} {name}", how, level)
                if isinstance(score, str):
                    left_out[f"{key} {name}"] = score
                    continue
                of = None if score.parts is None else [*items]
                measured.append(Measured("benchmark", score, of))
                for id, item in items.items():
                    if isinstance(item, int | float):
                        rows[id][name] = float(item)
        documents += shown
    table = need("pandas", extra="data", why="to hold a table").DataFrame(documents)
    return Benchmark(tuple(measured), left_out, documents=table, ledger=ledger)


def _score(
    one: Any, metric: str, items: list[Any], name: str, how: str, level: float
) -> Score | str:
    """The score of a metric from its items by document; or why there is none."""
    from lm_eval.api.metrics import bypass_agg, mean

    aggregate, n = one.aggregation().get(metric, mean), len(items)
    if aggregate is bypass_agg:
        return "the task only records answers"
    try:
        value = float(aggregate(items))
        if aggregate is mean:
            parts: NDArray[np.float64] | None = np.asarray(items, np.float64)
            without = (np.sum(items) - np.asarray(items)) / max(1, n - 1)
        else:
            left = range(n if n > 1 else 0)
            without = np.array([float(aggregate(items[:at] + items[at + 1 :])) for at in left])
            parts = pseudo_values(value, without)
    except (TypeError, ValueError, ArithmeticError) as error:
        return f"it has no number on these documents: {error}"
    if not math.isfinite(value):
        return f"it is {value} on these documents"
    low, high = jackknife(value, without, level)
    if metric in SHARES and set(items) <= {0, 1}:
        low, high = wilson(sum(items), n, level)
    better = one.higher_is_better().get(metric)
    return Score(
        name=name,
        value=value,
        low=low,
        high=high,
        n=n,
        unit="0..1" if metric in SHARES else "",
        better="" if better is None else "higher" if better else "lower",
        how=how,
        level=level,
        parts=parts,
    )


def _ids(docs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The documents' own ids, if each has one; else made of what they hold."""
    own = [doc.get("id") for doc in docs]
    if None not in own and len(set(map(str, own))) == len(own):
        return [str(id) for id in own]
    bare = [{key: cell for key, cell in doc.items() if key != "id"} for doc in docs]
    return [str(id) for id in tables.column(tables.identified(bare), "id")]


def _said(one: Any, sample: Mapping[str, Any]) -> dict[str, str]:
    """The right answer in words; and the model's: its text, or the choice it found likeliest."""
    target, found = sample["target"], sample["filtered_resps"]
    answer = str(found[0]) if one.OUTPUT_TYPE == "generate_until" else ""
    if one.OUTPUT_TYPE == "multiple_choice" and not one.multiple_input:
        words = one.doc_to_choice(sample["doc"])
        answer = words[int(np.argmax([value for value, _ in found[: len(words)]]))]
        target = words[target] if isinstance(target, int) else target
    return {"target": str(target), "answer": str(answer)}


def _version() -> str:
    from importlib.metadata import version

    return version("lm_eval")
