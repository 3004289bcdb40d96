"""``%synth batches``: what was submitted to batch APIs, how far it is, and ending it."""

from __future__ import annotations

import time
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.formatting import count, duration
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.data import tables
from synthkit.models.openai.model import Endpoint
from synthkit.notebook.context import Context
from synthkit.notebook.verbs._base import argument, parts, verb

SHOWN = ("id", "model", "state", "requests", "done", "failed", "waiting")
ID = argument("id", metavar="ID", help="of the batch: %%synth batches lists them")
MODEL = argument(
    "--model",
    metavar="MODEL",
    help="asks the server with its key; default: that of the server's environment variable",
)


def _part() -> list[Any]:
    """The second word of the verb, explained for each."""
    summaries = {name.split()[1]: summary for name, summary in parts("batches").items()}
    help = "; ".join(f"{name}: {summary.rstrip('.')}" for name, summary in summaries.items())
    return [argument("part", nargs="?", choices=summaries, metavar="PART", help=help)]


@verb(MODEL, registered=_part, group=True)
def batches(context: Context, options: Any) -> StaticOutput:
    """List the batches that wait at servers: state, requests and age."""
    found = tables.records(context.session.batches.table(_model(context, options)))
    now = time.time()
    rows = [
        {name: batch[name] for name in SHOWN}
        | {"submitted": f"{duration(now - batch['when'].timestamp())} ago"}
        for batch in found
    ]
    waiting = sum(batch["waiting"] for batch in found)
    return static_table(
        rows,
        note=f"{count(waiting, 'request')} waiting; a cell with --batch collects its own",
        notes=["%synth batches cancel ID ends one; %synth batches PART? explains the others"],
    )


@verb("batches cancel", ID, MODEL)
def cancel(context: Context, options: Any) -> StaticOutput:
    """End a batch; the next run with --batch takes what it has done."""
    state = context.session.batches.cancel(options.id, _model(context, options))
    return static_table([], note=f"{options.id}: {state}")


@verb("batches forget", ID)
def forget(context: Context, options: Any) -> StaticOutput:
    """Forget a batch that its server has lost; its requests may be paid again."""
    waited = context.session.batches.forget(options.id)
    return static_table(
        [], note=f"{options.id} is forgotten; {count(waited, 'request')} will be submitted again"
    )


def _model(context: Context, options: Any) -> Endpoint | None:
    """The model that a line names to ask a server with."""
    if options.model is None:
        return None
    model = context.model(options.model)
    if not isinstance(model, Endpoint):
        raise UsageError(f"expected a model behind a server; {options.model} is {model.name}.")
    return model
