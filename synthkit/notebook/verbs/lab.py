"""``%synth lab``: prompts side by side, over the same rows and models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import argument
from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.types import Sampling
from synthkit.notebook import arguments as opts
from synthkit.notebook.deferred import Deferred
from synthkit.notebook.verbs.verb import Verb

if TYPE_CHECKING:
    from synthkit.lab.lab import PromptLab
    from synthkit.notebook.magics import SynthMagics

UPDATE_SECONDS = 1.0
"""Seconds between two updates of the static output."""
SHARED = {
    *("--vary", "--schema", "--labels", "--regex", "--output", "--temperature", "--top-p"),
    *("--max-tokens", "--seed", "--stop", "--extra"),
}


def lab(magics: SynthMagics, options: Any) -> None:
    """Prompts side by side over rows and models: diffs, checks, marks and a ranking; NAME_lab."""
    if not options.name.isidentifier():
        raise UsageError(f"expected a lab's name first, such as: tone; got {options.name!r}.")
    prompt_lab = _prompt_lab(magics, options)
    summary = need("synthkit.notebook.output.lab_summary", extra="notebook", why="to show a lab")
    variable = f"{options.name}_lab"
    if not interactive():
        magics.shell.user_ns[variable] = prompt_lab
        if options.run:
            prompt_lab.run()
        display(summary.static(prompt_lab))
        return
    module = need("synthkit.notebook.widgets.lab.widget", extra="notebook", why="to show a lab")
    widget = module.Lab(lab=prompt_lab)
    magics.shell.user_ns[variable] = widget
    magics.show(widget)
    place = display(widget.static.for_widget, display_id=True)
    widget.changed = Deferred(lambda: place.update(widget.static.for_widget), UPDATE_SECONDS)
    if options.run:
        widget.start()


def _prompt_lab(magics: SynthMagics, options: Any) -> PromptLab:
    from synthkit.lab.lab import PromptLab

    names, store = magics.names, magics.session.store
    kept = store.labs.get(options.name) or {}
    prompts = [names.text(prompt) or "" for prompt in options.prompt]
    if not prompts and not kept:
        prompts = _from_run(magics, options)
    line_options = [("--from", options.inputs)] if options.inputs else []
    line_options += [("--vary", pair) for pair in options.vary]
    line_options += [("--schema", options.schema)] if options.schema else []
    models = options.models.split(",") if options.models else []
    if not models and not kept:
        models = [magics.model]
    return PromptLab(
        prompts,
        name=options.name,
        inputs=names.table(options.inputs) if options.inputs else None,
        limit=options.limit,
        vary=opts.vary(options.vary, names),
        models=[label.strip() for label in models],
        checks=options.check or None,
        judge_model=options.judge_model,
        schema=names.schema(options.schema),
        labels=names.values(options.labels) if options.labels else None,
        regex=options.regex,
        output=options.output,
        sampling=opts.sampling(
            options,
            Sampling(
                temperature=magics.temperature, max_tokens=magics.max_tokens, seed=magics.seed
            ),
        ),
        session=magics.session,
        by=options.by,
        line_options=line_options,
        find=magics.find_model,
        named=names.value,
    )


def _from_run(magics: SynthMagics, options: Any) -> list[str]:
    """The prompt of the newest run of that name; its inputs and model too, if none are given."""
    store = magics.session.store
    runs = [run for run in store.runs.all() if run["name"] == options.name]
    if not runs:
        return []
    rows = store.runs.rows(runs[-1]["run"])
    if rows is not None and rows.line and not (options.inputs or options.vary):
        asked = opts.parse(magics.synth.parser, opts.split(rows.line), opts.ARGUMENTS, "")
        options.inputs, options.vary = asked.source, asked.vary
        inherited: Mapping[str, Any] = vars(asked)
        for name in ("schema", "labels", "regex", "output", "temperature", "top_p", "max_tokens"):
            if getattr(options, name) is None:
                setattr(options, name, inherited[name])
        options.models = options.models or asked.model
    return [runs[-1]["prompt"]]


LAB = Verb(
    "lab",
    lab,
    (
        argument("name", metavar="NAME", help="what the lab is kept under; it opens again by it"),
        argument(
            "--prompt",
            action="append",
            default=[],
            metavar="PROMPT",
            help="a template, or @variable; may be repeated; else that of the run called NAME",
        ),
        argument("--inputs", metavar="TABLE", help="one row of the matrix for each of its rows"),
        argument("--limit", type=int, default=8, help="how many rows of the inputs; 8"),
        argument("--models", metavar="MODEL", help="models to ask, a,b: variables or specs"),
        argument(
            "--check",
            action="append",
            default=[],
            metavar="CHECK",
            help="'length text 5-30 words', 'regex text ^[A-Z]', 'schema text @Model', "
            "'judge Is it polite?', or @function; may be repeated",
        ),
        argument("--judge-model", metavar="MODEL", help="answers the judges' questions"),
        argument("--by", metavar="NAME", help="who marks; your user name if not given"),
        argument("--run", action="store_true", help="ask at once for what is not held"),
        *(one for one in opts.ARGUMENTS if one.args[0] in SHARED),
    ),
)
