"""``%synth train``: train a model on a table, and bind it."""

from __future__ import annotations

from typing import Any

from synthkit import train as trainers
from synthkit.core.errors import Interrupted, UsageError
from synthkit.evaluate.checks import parse
from synthkit.notebook.context import Context
from synthkit.notebook.names import settings
from synthkit.notebook.output.live_losses import LiveLosses
from synthkit.notebook.verbs._base import argument, verb
from synthkit.sessions.bundle_trainings import TRAIN

METHODS = ("sft", "dpo", "kto", "reward", "grpo", "classifier", "embedder", "fewshot", "openai")
ENCODERS = ("classifier", "embedder", "fewshot")
WEIGHTED = ("classifier", "fewshot")


@verb(
    argument("name", metavar="NAME", help="variable for the trained model"),
    argument(
        "--from",
        dest="source",
        metavar="TABLE",
        required=True,
        help="rows to learn from: a table, a generator or files ('data/*.jsonl')",
    ),
    argument("--first", type=int, metavar="N", help="only the first rows of --from; default: all"),
    argument(
        "--base",
        metavar="MODEL",
        help="a trained model too, openai:NAME for --method openai; default: smollm2; minilm for "
        "classifiers and embedders",
    ),
    argument("--method", default="sft", choices=METHODS, help="%(choices)s; default: %(default)s"),
    argument("--held-out", metavar="TABLE", help="rows or files whose loss is measured on the way"),
    argument(
        "--reward",
        action="append",
        default=[],
        metavar="CHECK",
        help="of grpo; 'length completion 5-30 words', 'regex completion ^[A-Z]', 'judge Is it "
        "polite?', or @variable: a function of a row, a filter, a reward model",
    ),
    argument("--judge-model", metavar="MODEL", help="model that answers the judges among them"),
    argument("--patience", type=int, help="stop after so many checkpoints that got no better"),
    argument("--weights", metavar="COLUMN", help="weights of rows: for classifier and fewshot"),
    argument("--epochs", type=float, help="passes over the rows; default: 1, classifier: 5"),
    argument("--rank", type=int, help="of the LoRA adapter; default: 16"),
    argument("--quantize", help="nf4: keep the frozen weights in 4 bits; default: none"),
    argument("--learning-rate", type=float, help="default: that of the method, 2e-4 for sft"),
    argument("--processes", type=int, help="that train together; default: 1"),
    argument("--seed", type=int, help="of the adapter and the order of rows; default: 0"),
    argument(
        "--set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="a column or another option, such as prompt=question, steps=50 or rank=null",
    ),
)
def train(context: Context, options: Any) -> Any:
    """Train a model, a classifier or an embedder on a table, here or on a server."""
    context.check_variable(options.name)
    if options.weights and options.method not in WEIGHTED:
        raise UsageError(f"--weights is for {' and '.join(WEIGHTED)}; {options.method} takes none.")
    names = (
        "weights",
        "epochs",
        "rank",
        "quantize",
        "learning_rate",
        "processes",
        "seed",
        "patience",
    )
    chosen = {name: getattr(options, name) for name in names}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    chosen |= settings(options.set)
    named = context.names
    if options.held_out:
        chosen["held_out"] = named.rows(options.held_out, f"{options.name}_held_out")
    chosen |= _rewards(context, options)
    base = options.base or ("minilm" if options.method in ENCODERS else "smollm2")
    with LiveLosses(options.name) as live:
        try:
            model = getattr(trainers, options.method)(
                named.rows(options.source, options.name, options.first),
                base=context.variables.get(base, base),
                folder=context.session.folder / TRAIN,
                listener=live,
                **chosen,
            )
        except Interrupted as stopped:
            if stopped.model is not None:
                print(f"{context.bind({options.name: stopped.model}, chosen=[options.name])}")
            raise
        before = "" if live.told else ", trained before"
        bound = context.bind({options.name: model}, chosen=[options.name])
        print(f"{bound}: {model.name}{before}")
        return live.finish(model.log, _caption(model))


def _rewards(context: Context, options: Any) -> dict[str, Any]:
    """The rewards of grpo, and the model that judges; a mistake with any other method."""
    if options.method != "grpo":
        if options.reward or options.judge_model:
            raise UsageError(
                f"--reward and --judge-model are for --method grpo; got {options.method}."
            )
        return {}
    named = context.names.value
    rewards = [
        named(line) if line.startswith("@") else parse(line, named) for line in options.reward
    ]
    judge = context.model(options.judge_model) if options.judge_model else None
    return {"rewards": rewards, "judge": judge}


def _caption(model: Any) -> str:
    record = model.record
    rows, seed = len(record["rows"]), record["settings"]["seed"]
    return f"{record['method']} of {record['base']['name']} on {rows:,} rows; seed {seed}"
