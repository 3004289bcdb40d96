"""``%%synth`` and ``%synth``: parse a line, call one public function, bind and show the result."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display
from traitlets import Float, Int, Unicode

from synthkit.core.environment import interactive
from synthkit.core.errors import SynthkitError, UsageError, unknown
from synthkit.core.static_output import StaticOutput
from synthkit.core.types import Model, Sampling
from synthkit.data.results import Curation, Run, curation_summary, run_summary
from synthkit.generation.job import Job, plan
from synthkit.models import load_model
from synthkit.notebook import arguments as opts
from synthkit.notebook.completion import Completer
from synthkit.notebook.recipe_arguments import EMBEDDER, entry
from synthkit.notebook.run_preview import Background, Feed, Interrupted, carry_out, open_preview
from synthkit.notebook.verbs import VERBS, listing
from synthkit.notebook.verbs.filter import learned_filter
from synthkit.sessions.session import FOLDER, Session, session

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from synthkit.models.embedders import Embedder


T = TypeVar("T")


@magics_class
class SynthMagics(Magics):
    """The settings of cells: ``%config SynthMagics`` lists them, and sets them by assignment."""

    model = Unicode("smollm2", help="the model where a cell names none").tag(config=True)
    folder = Unicode(FOLDER, help="the session's folder").tag(config=True)
    temperature = Float(0.7, help="0 is greedy").tag(config=True)
    max_tokens = Int(256, help="most tokens in an answer").tag(config=True)
    seed = Int(0, help="base of each row's own seed").tag(config=True)
    preview_rows = Int(8, help="rows in the output that stays in the notebook").tag(config=True)

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._loaded: dict[str, Model] = {}
        self._embedders: dict[str, Embedder] = {}
        self._shown: dict[str | None, tuple[str | None, list[Any]]] = {}
        self.completer = Completer(self)

    @property
    def names(self) -> opts.Names:
        """What the names on a line stand for here and now."""
        return opts.Names(self.shell.user_ns, self.session, self.shell.user_ns_hidden)

    @property
    def session(self) -> Session:
        """The session that cells use."""
        return session(self.folder)

    @no_var_expand
    @line_cell_magic
    @opts.cell_arguments
    def synth(self, line: str, cell: str | None = None) -> Any:
        """Make a dataset from a prompt: the table is bound to NAME, its run to NAME_run.

        The cell is the prompt, a Jinja2 template: {{ field }} comes from --vary or --from. A line
        "--- system", "--- user" or "--- assistant" begins a turn of that role. What the session
        holds already is not asked again, so a cell can be interrupted, edited and run again.

            %%synth reviews --n 12 --vary sentiment=positive,negative --vary topic=@topics
            Write one {{ sentiment }} sentence about a restaurant's {{ topic }}.

        %synth alone lists the verbs: models, sessions, and the way back from a row to its prompt.
        """
        if cell is not None:
            return self.run_cell(line, cell)
        words = opts.split(line)
        if not words:
            return listing(VERBS)
        if words[0] not in VERBS:
            raise UsageError(unknown("verb", words[0], VERBS) + " %synth alone lists them.")
        return VERBS[words[0]](self, words[1:])

    def show(self, widget: T) -> T:
        """The widget, displayed; those that this cell showed when it ran before are let go."""
        parent = self.shell.get_parent() if hasattr(self.shell, "get_parent") else {}
        request = parent.get("header", {}).get("msg_id")
        cell = parent.get("metadata", {}).get("cellId", request)
        before, shown = self._shown.get(cell, (None, []))
        if before != request:
            for old in shown:
                old.close()
            shown = []
        self._shown[cell] = request, [*shown, widget]
        display(widget)
        return widget

    @property
    def widgets(self) -> list[Any]:
        """The widgets that cells have shown and that are still open, the latest last."""
        return [one for _, shown in self._shown.values() for one in shown if one.comm is not None]

    def find_model(self, name: str) -> Model:
        """The model in a variable, or the one that a spec names, loaded once."""
        held = self.shell.user_ns.get(name)
        if hasattr(held, "complete") and hasattr(held, "fingerprint"):
            return cast("Model", held)
        if name.partition(":")[0] == "replay":
            return load_model(name, store=self.session.store)
        if name not in self._loaded:
            self._loaded[name] = load_model(name)
        return self._loaded[name]

    def embedder(self, name: str) -> Embedder:
        """The embedder of that name, loaded once."""
        if name not in self._embedders:
            from synthkit.models.embedders import load_embedder  # with it comes NumPy

            self._embedders[name] = load_embedder(name)
        return self._embedders[name]

    def run_cell(self, line: str, cell: str) -> Any:
        """What ``%%synth`` does with its line and its body."""
        words = opts.split(line)
        options = self._options(words)
        if not options.name.isidentifier():
            raise UsageError(f"expected a variable's name first; got {options.name!r}.")
        making = replace(self._making(options, cell), line=line)
        if options.dry_run:
            from synthkit.notebook.output.dry_run import outline

            return outline(making)
        if options.background and interactive():
            return self._behind(making, options.learned)
        feed = self._follow(making, None) if interactive() else None
        try:
            run = carry_out(making, feed)
        except SynthkitError as error:
            if error.run is not None:
                self._bind(making, error.run)
                display(self._summary(making, error.run))
            raise
        self._bind(making, run)
        display(self._summary(making, run))
        if options.learned:
            display(self._sifted(making, run, options.learned).for_widget)
        if run.ledger.stopped == "interrupted":
            raise Interrupted(
                f"Interrupted: {_kept(run, options.name)}; run the cell again to go on."
            )
        return None

    def _options(self, words: list[str]) -> Any:
        """What a line asks for; a recipe on it brings options of its own."""
        said = opts.said(words, "--recipe")
        if said is None:
            return opts.parse(self.synth.parser, words, opts.ARGUMENTS, "%%synth? explains them.")
        found = entry(said, self.names)
        arguments = [*opts.ARGUMENTS, *found.arguments]
        parser = opts.parser("%%synth", found.what, arguments)
        return opts.parse(
            parser, words, arguments, f"%%synth? and %synth recipes {found.name} explain them."
        )

    def _making(self, options: Any, cell: str) -> Job:
        if options.recipe is None:
            return self._plan(options, cell)
        names = self.names
        others = dict(opts.role(one) for one in options.others)
        return plan(
            entry(options.recipe, names).build(options, names, cell, self._sampling),
            model=self.find_model(options.model or self.model),
            others={role: self.find_model(spec) for role, spec in others.items()},
            session=self.session,
            name=options.name,
            max_requests=options.max_requests,
            max_tokens_total=options.max_tokens_total,
            max_cost=options.max_cost,
        )

    @property
    def _sampling(self) -> Sampling:
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens, seed=self.seed)

    def _follow(self, making: Job, stop: threading.Event | None) -> Feed:
        feed = open_preview(making, stop)
        self.show(feed.preview)
        return feed

    def _plan(self, options: Any, cell: str) -> Job:
        names = self.names
        labels = names.values(options.labels) if options.labels else None
        return plan(
            cell,
            model=self.find_model(options.model or self.model),
            session=self.session,
            rows=names.table(options.source) if options.source else None,
            n=1 if options.n is None else options.n,
            vary=opts.vary(options.vary, names),
            sampler=options.sampler or "product",
            like=names.table(options.like) if options.like else None,
            where=options.where,
            system=names.text(options.system),
            examples=opts.examples(options, names),
            schema=names.schema(options.schema),
            labels=labels,
            regex=options.regex,
            output=options.output,
            repairs=options.repairs,
            sampling=opts.sampling(options, self._sampling),
            name=options.name,
            max_requests=options.max_requests,
            max_tokens_total=options.max_tokens_total,
            max_cost=options.max_cost,
        )

    def _behind(self, making: Job, learned: str | None) -> None:
        stop = threading.Event()
        feed = self._follow(making, stop)
        place = display(_Running(making.name), display_id=True)

        def ended(run: Run | None, error: SynthkitError | None) -> None:
            if run is not None:
                self._bind(making, run)
                place.update(self._summary(making, run))
                if learned and error is None:
                    self._sifted(making, run, learned)

        behind = Background(making, feed, stop, ended)
        self.shell.user_ns[f"{making.name}_run"] = behind
        behind.start()

    def _bind(self, making: Job, run: Run) -> None:
        self.shell.user_ns[making.name] = run.table
        self.shell.user_ns[f"{making.name}_run"] = run

    def _sifted(self, making: Job, run: Run, learned: str) -> StaticOutput:
        """Keep the rows that a learned filter keeps in NAME, the others in NAME_dropped."""
        made = self.session.curate(
            run.table, learned_filter(self, learned, EMBEDDER), name=making.name
        )
        self.session.save(making.name, made.kept)
        bound = {making.name: made.kept, f"{making.name}_dropped": made.dropped}
        self.shell.user_ns |= bound
        return curation_summary(made, name=making.name, bound=f"bound {', '.join(bound)}")

    def _summary(self, making: Job, run: Run) -> Any:
        label = making.model.name
        return run_summary(run, name=making.name, model=label, rows=self.preview_rows).for_widget


class _Running:
    """What stands in the place of a summary while a run goes on."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{self.name} is being made; {self.name}_run.wait() gives it."


def _kept(run: Run, name: str) -> str:
    """What an interrupted run has kept."""
    kept, left = len(run.table) + len(run.rejects), len(run.pending)
    rows = f"{kept} of {kept + left} rows are" if left else f"{kept} rows are"
    return f"{rows} kept in {name}"


_FORMS = {
    "text/html": lambda made: curation_summary(made).html,
    "text/plain": lambda made, printer, cycle: printer.text(repr(curation_summary(made))),
}
"""How a curation is shown that is the value of a cell."""


def load(shell: InteractiveShell) -> None:
    """Register the magics, their settings and their completion; once."""
    if "SynthMagics" in shell.magics_manager.registry:
        return
    magics = SynthMagics(shell)
    shell.register_magics(magics)
    shell.Completer.custom_matchers.append(magics.completer.matcher)
    for mime, form in _FORMS.items():
        shell.display_formatter.formatters[mime].for_type(Curation, form)


def unload(shell: InteractiveShell) -> None:
    """Take away all that :func:`load` registered; variables and the session stay."""
    magics = shell.magics_manager.registry.pop("SynthMagics", None)
    if magics is None:
        return
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("synth", None)
    shell.configurables.remove(magics)
    shell.Completer.custom_matchers.remove(magics.completer.matcher)
    for mime in _FORMS:
        shell.display_formatter.formatters[mime].pop(Curation, None)
