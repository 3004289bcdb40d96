"""``%%synth`` and ``%synth``: parse a line, call one public function, bind and show the result."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display
from traitlets import Float, Int, Unicode

from synthkit.errors import SynthkitError, UsageError, unknown
from synthkit.frontend import interactive
from synthkit.jupyter import options as opts
from synthkit.jupyter.completion import Completer
from synthkit.jupyter.display import summary
from synthkit.jupyter.live import Background, Interrupted, carry_out, open_preview
from synthkit.jupyter.verbs import VERBS, listing
from synthkit.models import load_model
from synthkit.synthesis import Plan, plan
from synthkit.types import Model, Run, Sampling
from synthkit.workspace import FOLDER, Session, session

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


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
            return self._cell(line, cell)
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

    def _cell(self, line: str, cell: str) -> Any:
        words = opts.split(line)
        options = opts.parse(self.synth.parser, words, opts.ARGUMENTS, "%%synth? explains them.")
        if not options.name.isidentifier():
            raise UsageError(f"expected a variable's name first; got {options.name!r}.")
        planned = replace(self._plan(options, cell), line=line)
        if options.dry_run:
            from synthkit.jupyter.dryrun import outline

            return outline(planned)
        if options.background and interactive():
            return self._behind(planned)
        preview = self.show(open_preview(planned, None)) if interactive() else None
        try:
            run = carry_out(planned, preview)
        except SynthkitError as error:
            if error.run is not None:
                self._bind(planned, error.run)
                display(self._summary(planned, error.run))
            raise
        self._bind(planned, run)
        display(self._summary(planned, run))
        if run.ledger.stopped == "interrupted":
            kept = len(planned.requests) - len(run.pending)
            raise Interrupted(
                f"Interrupted: {kept} of {len(planned.requests)} rows are kept in {options.name}; "
                "run the cell again to go on."
            )
        return None

    def _plan(self, options: Any, cell: str) -> Plan:
        names = self.names
        labels = names.values(options.labels) if options.labels else None
        return plan(
            cell,
            model=self.find_model(options.model or self.model),
            session=self.session,
            rows=names.table(options.source) if options.source else None,
            n=options.n,
            vary=opts.vary(options.vary, names),
            sampler=options.sampler,
            system=names.text(options.system),
            examples=opts.examples(options, names),
            schema=names.schema(options.schema),
            labels=labels,
            regex=options.regex,
            output=options.output,
            sampling=opts.sampling(
                options,
                Sampling(temperature=self.temperature, max_tokens=self.max_tokens, seed=self.seed),
            ),
            name=options.name,
            max_requests=options.max_requests,
            max_tokens_total=options.max_tokens_total,
            max_cost=options.max_cost,
        )

    def _behind(self, planned: Plan) -> None:
        stop = threading.Event()
        preview = self.show(open_preview(planned, stop))
        place = display(_Running(planned.name), display_id=True)

        def ended(run: Run | None, error: SynthkitError | None) -> None:
            if run is not None:
                self._bind(planned, run)
                place.update(self._summary(planned, run))

        behind = Background(planned, preview, stop, ended)
        self.shell.user_ns[f"{planned.name}_run"] = behind
        behind.start()

    def _bind(self, planned: Plan, run: Run) -> None:
        self.shell.user_ns[planned.name] = run.table
        self.shell.user_ns[f"{planned.name}_run"] = run

    def _summary(self, planned: Plan, run: Run) -> Any:
        label = planned.model.name
        return summary(run, name=planned.name, model=label, rows=self.preview_rows).twin


class _Running:
    """What stands in the place of a summary while a run goes on."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{self.name} is being made; {self.name}_run.wait() gives it."


def load(shell: InteractiveShell) -> None:
    """Register the magics, their settings and their completion; once."""
    if "SynthMagics" in shell.magics_manager.registry:
        return
    magics = SynthMagics(shell)
    shell.register_magics(magics)
    shell.Completer.custom_matchers.append(magics.completer.matcher)


def unload(shell: InteractiveShell) -> None:
    """Take away all that :func:`load` registered; variables and the session stay."""
    magics = shell.magics_manager.registry.pop("SynthMagics", None)
    if magics is None:
        return
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("synth", None)
    shell.configurables.remove(magics)
    shell.Completer.custom_matchers.remove(magics.completer.matcher)
