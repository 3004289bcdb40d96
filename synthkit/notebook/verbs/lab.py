"""``%synth lab``: prompts side by side, over the same rows and models."""

from __future__ import annotations

from typing import Any

from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.lab.lab import PromptLab
from synthkit.notebook.arguments import ARGUMENTS, parse, parser, repeated, split
from synthkit.notebook.context import Context
from synthkit.notebook.deferred import Deferred
from synthkit.notebook.names import Names, sampling, words
from synthkit.notebook.verbs._base import argument, verb
from synthkit.sessions import inputs

UPDATE_SECONDS = 1.0
"""Least seconds between two updates of the static output."""
SHARED = {
    *("--vary", "--schema", "--labels", "--regex", "--output", "--temperature", "--top-p"),
    *("--max-tokens", "--seed", "--stop", "--extra"),
}
"""Arguments of a ``%%synth`` cell that a lab takes too."""


@verb(
    argument("name", metavar="NAME", help="name under which the lab is saved and opened again"),
    repeated("--prompt", "PROMPT", "a template, or @variable; default: that of the run NAME"),
    argument("--inputs", metavar="TABLE", help="table whose rows are the rows of the matrix"),
    argument("--limit", type=int, metavar="N", help="only the first N inputs; default: all"),
    argument(
        "--models", metavar="MODEL", help="variables or specs, a,b; default: SynthMagics.model"
    ),
    repeated(
        "--check",
        "CHECK",
        "'length text 5-30 words', 'regex text ^[A-Z]', 'schema text @Model', "
        "'judge Is it polite?', or @function",
    ),
    argument(
        "--judge-model", metavar="MODEL", help="model that answers the judges; default: the first"
    ),
    argument("--by", metavar="NAME", help="annotator; default: me"),
    argument(
        "--trust",
        action="store_true",
        help="load the models of an imported lab, and let its checks call your functions",
    ),
    argument("--run", action="store_true", help="run the cells that are not cached at once"),
    *(a for a in ARGUMENTS if a.args[0] in SHARED),
)
def lab(context: Context, options: Any) -> None:
    """Compare prompts over rows and models, with checks and marks; binds NAME_lab."""
    if not options.name.isidentifier():
        raise UsageError(f"expected a lab's name first, such as: tone; got {options.name!r}.")
    prompt_lab = _prompt_lab(context, options)
    summary = need("synthkit.notebook.output.lab_summary", extra="notebook", why="to show a lab")
    variable = f"{options.name}_lab"
    if not interactive():
        context.bind({variable: prompt_lab})
        if options.run:
            prompt_lab.run()
        display(summary.static(prompt_lab))
        return
    module = need("synthkit.notebook.widgets.lab.widget", extra="notebook", why="to show a lab")
    widget = module.Lab(lab=prompt_lab)
    context.bind({variable: widget})
    context.show(widget)
    place = display(widget.static.for_widget, display_id=True)
    widget.changed = Deferred(lambda: place.update(widget.static.for_widget), UPDATE_SECONDS)
    if options.run:
        widget.start()


def _prompt_lab(context: Context, options: Any) -> PromptLab:
    names = context.names
    lab = _new_lab(context, names, options)
    inputs.remember(context.session.store, names.used)
    return lab


def _new_lab(context: Context, names: Names, options: Any) -> PromptLab:
    saved = context.session.store.labs.get(options.name) or {}
    prompts = [names.text(prompt) or "" for prompt in options.prompt]
    if not prompts and not saved:
        prompts = _from_run(context, options)
    line_options = [("--from", options.inputs)] if options.inputs else []
    line_options += [("--vary", pair) for pair in options.vary]
    line_options += [("--schema", options.schema)] if options.schema else []
    models = words(options.models)
    if not models and not saved:
        models = [context.settings.model]
    return PromptLab(
        prompts,
        name=options.name,
        inputs=names.table(options.inputs) if options.inputs else None,
        limit=options.limit,
        vary=names.vary(options.vary),
        models=models,
        checks=options.check or None,
        judge_model=options.judge_model,
        schema=names.schema(options.schema),
        labels=names.values(options.labels) if options.labels else None,
        regex=options.regex,
        output=options.output,
        sampling=sampling(options, context.sampling),
        session=context.session,
        by=options.by,
        line_options=line_options,
        find=context.model,
        named=names.value,
        trust=options.trust,
    )


def _from_run(context: Context, options: Any) -> list[str]:
    """The prompt of the newest run NAME; its inputs, model and options too, if none are set."""
    store = context.session.store
    runs = [run for run in store.runs.all() if run["name"] == options.name]
    if not runs:
        return []
    rows = store.runs.rows(runs[-1]["run"])
    if rows is not None and rows.line and not (options.inputs or options.vary):
        line = parse(
            parser("%%synth", "", ARGUMENTS, context.named), split(rows.line), ARGUMENTS, ""
        )
        options.inputs, options.vary = line.source, line.vary
        options.limit = options.limit or line.first
        for name in ("schema", "labels", "regex", "output", "temperature", "top_p", "max_tokens"):
            if getattr(options, name) is None:
                setattr(options, name, getattr(line, name))
        options.models = options.models or line.model
    return [runs[-1]["prompt"]]
