"""``%%synth``: from a line and a cell to a job, and from its run to variables and outputs."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.errors import Interrupted, SynthkitError, UsageError
from synthkit.core.formatting import thousands
from synthkit.core.static_output import StaticOutput
from synthkit.curate.filters.base import Filter
from synthkit.data import tables
from synthkit.data.results import Run, curation_summary, run_summary
from synthkit.generation.job import Job, plan
from synthkit.notebook.arguments import (
    ARGUMENTS,
    HELP,
    base_seed,
    option_values,
    parse,
    parser,
    split,
)
from synthkit.notebook.context import Context
from synthkit.notebook.names import Names, role, sampling, without_secrets
from synthkit.notebook.recipe_arguments import find_recipe
from synthkit.notebook.run_preview import Background, Feed, open_preview, run_job
from synthkit.prompts.templates import Examples
from synthkit.recipes._base import Recipe
from synthkit.recipes._prompt import prompt
from synthkit.sessions import inputs


def run_cell(context: Context, line: str, cell: str) -> Any:
    """Run a ``%%synth`` cell, or show what it would ask with ``--dry-run``."""
    line = context.evaluated(line)
    words = split(line)
    context.used.clear()
    if HELP & set(words):
        arguments, _ = _arguments(context, words)
        print(parser("%%synth", "Generate a dataset from a prompt.", arguments).format_help())
        return None
    options = cell_options(context, words)
    if options.name == "check":
        raise UsageError("%%synth check begins the check of an exercise; name the table otherwise.")
    owner = f"%%synth {options.name}"
    context.check_variable(options.name, by=owner)
    names = context.names
    if options.learned:
        _learned_filter(context, options.learned)  # raises before the model is asked
    try:
        job = replace(_job(context, names, options, cell), line=without_secrets(line))
    except KeyboardInterrupt:
        raise Interrupted("Interrupted before the first request; nothing was asked.") from None
    if options.dry_run:
        from synthkit.notebook.output.dry_run import outline

        return outline(job)
    _say_name(context, options)
    inputs.remember(context.session.store, context.used | names.used)
    if options.background and interactive():
        return _start(context, job, options.learned)
    feed = _follow(context, job, None) if interactive() else None
    try:
        run = run_job(job, feed)
    except Exception as error:  # of a user's function as well
        made = getattr(error, "run", None)
        if made is not None:
            _bind(context, job, made)
            display(_summary(context, job, made))
        raise
    _bind(context, job, run)
    display(_summary(context, job, run))
    if options.learned and tables.size(run.table):
        display(_filter(context, job, run, options.learned).for_widget)
    if run.ledger.stopped == "interrupted":
        raise Interrupted(f"Interrupted: {_progress(run, job.name)}; run the cell again to resume.")
    return None


def _say_name(context: Context, options: Any) -> None:
    """Print what a cell's variable held before, if the cell did not bind it."""
    name, bindings = options.name, context.bindings
    if name in context.variables and bindings.owner(name) != f"%%synth {name}":
        print(f"{name} was {bindings.holder(name)}; this cell binds its table to it.")


def cell_options(context: Context, words: list[str]) -> Any:
    """The options of a ``%%synth`` line, with those of its recipe."""
    arguments, help = _arguments(context, words)
    return parse(parser("%%synth", "", arguments, context.named), words, arguments, help)


def _arguments(context: Context, words: list[str]) -> tuple[list[Any], str]:
    """The arguments that a line may have, and what explains them."""
    recipe = next(iter(option_values(words, "--recipe")), None)
    if recipe is None:
        return list(ARGUMENTS), "%%synth? explains the options."
    method = find_recipe(recipe, context.names)
    help = f"%%synth? and %synth recipes {method.name} explain the options."
    return [*ARGUMENTS, *method.arguments], help


def _job(context: Context, names: Names, options: Any, cell: str) -> Job:
    """The job that a line and a cell ask for."""
    others = dict(role(pair) for pair in options.others)
    return plan(
        _recipe(context, names, options, cell),
        model=context.model(options.model),
        others={name: context.model(spec) for name, spec in others.items()},
        session=context.session,
        name=options.name,
        max_requests=options.max_requests,
        max_tokens_total=options.max_tokens_total,
        max_cost=options.max_cost,
        no_truncated=options.no_truncated,
        mark_truncated=options.mark_truncated,
        reasoning=options.reasoning,
        batch=options.batch,
        wait=options.wait,
    )


def _recipe(context: Context, names: Names, options: Any, cell: str) -> Recipe:
    """The recipe of the line; without ``--recipe`` the cell is a prompt."""
    if options.recipe is not None:
        return find_recipe(options.recipe, names).build(options, context, names, cell)
    return prompt(
        cell,
        rows=names.rows(options.source, options.name, options.first),
        n=1 if options.n is None else options.n,
        vary=names.vary(options.vary),
        sampler=options.sampler or "product",
        like=names.table(options.like) if options.like else None,
        where=options.where,
        system=names.text(options.system),
        examples=_examples(context, names, options),
        schema=names.schema(options.schema),
        labels=names.values(options.labels) if options.labels else None,
        regex=options.regex,
        output=options.output,
        image=options.image,
        tools=names.json(options.tools, "--tools", "a list of declarations"),
        repairs=options.repairs,
        sampling=sampling(options, context.sampling),
    )


def _examples(context: Context, names: Names, options: Any) -> Examples | None:
    """The demonstrations that a line asks for."""
    if options.examples is None:
        return None
    return Examples(
        table=names.table(options.examples),
        k=3 if options.shots is None else options.shots,
        pick=options.pick or "fixed",
        seed=base_seed(options),
        embed=context.embedder().embed if options.pick == "nearest" else None,
    )


def _start(context: Context, job: Job, learned: str | None) -> None:
    """Run a job in the background; its output is updated when it has ended."""
    stop = threading.Event()
    feed = _follow(context, job, stop)
    run_name = context.bindings.free([f"{job.name}_run"], f"%%synth {job.name}")
    waiting = f"{job.name} is running; {run_name[f'{job.name}_run']}.wait() returns its run."
    place = display(StaticOutput(waiting, waiting), display_id=True)

    def ended(run: Run | None, error: SynthkitError | None) -> None:
        if run is not None:
            _bind(context, job, run)
            place.update(_summary(context, job, run))
            if learned and error is None and tables.size(run.table):
                _filter(context, job, run, learned)

    background = Background(job, feed, stop, ended)
    context.bind({f"{job.name}_run": background}, by=f"%%synth {job.name}")
    background.start()


def _follow(context: Context, job: Job, stop: threading.Event | None) -> Feed:
    feed = open_preview(job, stop)
    context.show(feed.preview)
    return feed


def _bind(context: Context, job: Job, run: Run) -> None:
    tables_by_name = {job.name: run.table, f"{job.name}_run": run}
    context.bind(tables_by_name, by=f"%%synth {job.name}", chosen=[job.name])


def _filter(context: Context, job: Job, run: Run, learned: str) -> StaticOutput:
    """Bind the rows that a learned filter keeps to NAME, the others to NAME_dropped."""
    curation = context.session.curate(run.table, _learned_filter(context, learned), name=job.name)
    context.session.save(job.name, curation.kept)
    bound = context.bind(
        {job.name: curation.kept, f"{job.name}_dropped": curation.dropped},
        by=f"%%synth {job.name}",
        chosen=[job.name],
    )
    return curation_summary(curation, name=job.name, bound=bound)


def _learned_filter(context: Context, spec: str) -> Filter:
    from synthkit.notebook.verbs.filter import learned_filter

    return learned_filter(context, spec)


def _summary(context: Context, job: Job, run: Run) -> StaticOutput:
    rows = context.settings.preview_rows
    return run_summary(run, name=job.name, model=job.model.name, rows=rows).for_widget


def _progress(run: Run, name: str) -> str:
    """The rows that an interrupted run has finished."""
    done, left = (tables.size(run.table) + tables.size(run.rejects), tables.size(run.pending))
    of = f"{thousands(done)} of {thousands(done + left)} rows" if left else f"{done} rows"
    return f"{of} are in {name}"
