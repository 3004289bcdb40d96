"""``%synth train``: train a model on a table, and bind it."""

from __future__ import annotations

import time
from typing import Any

from IPython.display import display

from synthkit import plots
from synthkit import train as trainers
from synthkit.core.environment import interactive
from synthkit.core.errors import Interrupted, UsageError
from synthkit.evaluate.checks import parse
from synthkit.notebook.context import Context
from synthkit.notebook.names import settings
from synthkit.notebook.output.figures import FigureOutput
from synthkit.notebook.verbs._base import argument, verb
from synthkit.train.progress import Progress

METHODS = ("sft", "dpo", "kto", "reward", "grpo", "classifier", "embedder", "fewshot", "openai")
ENCODERS = ("classifier", "embedder", "fewshot")
WEIGHTED = ("classifier", "fewshot")
PERIOD_SECONDS = 2.0
"""A figure is drawn again after so long at the earliest."""


@verb(
    argument("name", metavar="NAME", help="variable for the trained model"),
    argument("--from", dest="source", metavar="TABLE", required=True, help="rows to learn from"),
    argument(
        "--base",
        metavar="MODEL",
        help="a trained model too, openai:NAME for --method openai; default: smollm2; minilm for "
        "classifiers and embedders",
    ),
    argument("--method", default="sft", choices=METHODS, help="%(choices)s; default: %(default)s"),
    argument("--held-out", metavar="TABLE", help="rows whose loss is measured on the way"),
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
    if options.held_out:
        chosen["held_out"] = context.names.table(options.held_out)
    chosen |= _rewards(context, options)
    base = options.base or ("minilm" if options.method in ENCODERS else "smollm2")
    live = LiveLosses(options.name) if interactive() else None
    try:
        model = getattr(trainers, options.method)(
            context.names.table(options.source),
            base=context.variables.get(base, base),
            folder=context.session.folder / "train",
            listener=live,
            **chosen,
        )
    except Interrupted as stopped:
        if stopped.model is not None:
            print(context.bind({options.name: stopped.model}, chosen=[options.name]))
        raise
    print(f"{context.bind({options.name: model}, chosen=[options.name])}: {model.name}")
    shown = FigureOutput(plots.training(model.log, caption=_caption(model)))
    if live is None or not live.shown:
        return shown
    live.draw(model.log, _caption(model))
    return shown.static


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


class LiveLosses:
    """A listener that draws the losses of a training while it runs.

    Parameters
    ----------
    name : of the model.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.shown: Any = None
        self._drawn = 0.0

    def __call__(self, progress: Progress) -> None:
        """Draw the losses so far, unless that was done a moment ago."""
        if time.monotonic() - self._drawn < PERIOD_SECONDS or not progress.log:
            return
        self.draw(list(progress.log), f"{self.name}: {progress.text}")
        self._drawn = time.monotonic()

    def draw(self, log: list[dict[str, Any]], caption: str) -> None:
        """Draw losses in place of those shown."""
        bundle = FigureOutput(plots.training(log, caption=caption)).bundle
        if self.shown is None:
            self.shown = display(bundle, raw=True, display_id=True)
        else:
            self.shown.update(bundle, raw=True)


def _caption(model: Any) -> str:
    record = model.record
    rows, seed = len(record["rows"]), record["settings"]["seed"]
    return f"{record['method']} of {record['base']['name']} on {rows:,} rows; seed {seed}"
