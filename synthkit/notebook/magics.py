"""The ``%%synth`` and ``%synth`` magics, and how the extension is loaded and unloaded."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import clear_output
from traitlets import Float, Int, Unicode, default, observe

from synthkit.core.environment import interactive
from synthkit.core.errors import Interrupted
from synthkit.core.garbage import collection_paused
from synthkit.notebook.arguments import HELP, cell_arguments
from synthkit.notebook.completion import Completer
from synthkit.notebook.context import Context

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@magics_class
class SynthMagics(Magics):
    """Default options of cells: ``%config SynthMagics`` lists them, and an assignment sets one."""

    model = Unicode("smollm2", help="the model of a cell without --model").tag(config=True)
    folder = Unicode(help="the session's folder").tag(config=True)
    temperature = Float(0.7, allow_none=True, help="0 is greedy; None: not sent").tag(config=True)
    max_tokens = Int(
        256, allow_none=True, help="maximum number of tokens in an answer; None: not sent"
    ).tag(config=True)
    seed = Int(0, allow_none=True, help="base of each row's own seed; None: not sent").tag(
        config=True
    )
    preview_rows = Int(8, help="rows in the static output below a cell").tag(config=True)

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.context = Context(shell, self)
        self.completer = Completer(self.context)

    @default("folder")
    def _default_folder(self) -> str:
        from synthkit.sessions.current import FOLDER

        return FOLDER

    @observe("folder")
    def _set_default_folder(self, change: Any) -> None:
        from synthkit.sessions.current import set_default_folder

        set_default_folder(change["new"])

    @no_var_expand
    @line_cell_magic
    @cell_arguments
    def synth(self, line: str, cell: str | None = None) -> Any:
        """Generate a dataset from a prompt; binds the table to NAME and its run to NAME_run.

        The cell is the prompt, a Jinja2 template: {{ field }} comes from --vary or --from. A line
        "--- system", "--- user" or "--- assistant" starts a turn of that role. Completions are
        cached in the session, so a cell can be interrupted, edited and run again.

            %%synth reviews --n 12 --vary sentiment=positive,negative --vary topic=@topics
            Write one {{ sentiment }} sentence about a restaurant's {{ topic }}.

        %%synth check NAME checks an exercise: %synth check --help explains it.

        %synth alone lists the verbs for models, tables and sessions; %synth VERB? or
        %synth VERB --help explains one of them.
        """
        try:
            return self._run(line, cell)
        except KeyboardInterrupt as interrupt:  # also of the imports of a first verb or cell
            if isinstance(interrupt, Interrupted):
                raise
            name = " ".join(["%synth" if cell is None else "%%synth", *line.split()[:1]])
            raise Interrupted(f"Interrupted: {name} has not finished.") from None

    def _run(self, line: str, cell: str | None) -> Any:
        if line.split()[:1] == ["check"]:
            from synthkit.notebook.exercises.check import run_check

            return run_check(self.context.variables, line, cell)
        if cell is not None:
            _say_started()
            with collection_paused():
                from synthkit.notebook.cell import run_cell
            return run_cell(self.context, line, cell)
        from synthkit.notebook.verbs._base import VERBS, find_verb

        if line.strip() and line.split()[0] not in HELP:
            verb, rest = find_verb(line)
            return verb(self.context, rest)
        from synthkit.core.static_output import static_table

        listed = VERBS.listed()
        return static_table(
            [
                {"verb": f"%synth {name}", "summary": listed[name].summary}
                for name in sorted(listed)
                if " " not in name  # those of a group are listed by it
            ],
            note="%synth VERB? explains a verb, %%synth? the options of a cell",
        )


def _say_started() -> None:
    """Show at once that the first cell runs, before its imports; its next output replaces that."""
    if interactive() and "synthkit.notebook.cell" not in sys.modules:
        print("Starting …")
        clear_output(wait=True)


_ASKS = re.compile(r"(\s*%synth\s+[\w-]+(?:\s+[\w-]+)?)\s*\?{1,2}\s*")


def _with_body(lines: list[str]) -> list[str]:
    """A ``%%synth`` cell with an empty line below, without which IPython refuses it.

    >>> _with_body(["%%synth quiz --help\\n"]), _with_body(["%%synth?\\n"])
    (['%%synth quiz --help\\n', '\\n'], ['%%synth?\\n'])
    """
    alone = len(lines) == 1 and re.match(r"%%synth(\s|$)", lines[0])
    return [*lines, "\n"] if alone else lines


def _help_of_verbs(lines: list[str]) -> list[str]:
    """``%synth VERB?`` as ``%synth VERB --help``: IPython would look for an object of that name.

    A second word belongs to the verb, or is the table that it would take.

    >>> _help_of_verbs(["%synth show?\\n", "%synth class assign?\\n", "reviews?\\n"])
    ['%synth show --help\\n', '%synth class assign --help\\n', 'reviews?\\n']
    """
    if lines and lines[0].startswith("%%"):
        return lines
    asked = [_ASKS.fullmatch(line) for line in lines]
    return [f"{m[1]} --help\n" if m else line for line, m in zip(lines, asked, strict=True)]


_TRANSFORMERS = (_help_of_verbs, _with_body)
_BEFORE = "synthkit"
"""Where a shell keeps the settings and the bindings of magics that were unloaded."""


def load(shell: InteractiveShell) -> None:
    """Register the magics, their settings and their completion, unless they are there already.

    The settings, with the session's folder, and what cells have bound are those of before
    :func:`unload`, so that ``%reload_ext`` changes neither.
    """
    if "SynthMagics" in shell.magics_manager.registry:
        return
    magics = SynthMagics(shell)
    if before := shell.meta.pop(_BEFORE, None):
        settings, bindings = before
        for name, value in settings.items():
            setattr(magics, name, value)
        if bindings is not None:
            magics.context.bindings = bindings
    shell.register_magics(magics)
    shell.Completer.custom_matchers.append(magics.completer.matcher)
    shell.input_transformers_cleanup.extend(_TRANSFORMERS)


def unload(shell: InteractiveShell) -> None:
    """Remove what :func:`load` registered; variables and what is in the session stay."""
    magics = shell.magics_manager.registry.pop("SynthMagics", None)
    if magics is None:
        return
    names = filter(magics.trait_has_value, magics.trait_names(config=True))
    settings = {name: getattr(magics, name) for name in names}
    shell.meta[_BEFORE] = settings, vars(magics.context).get("bindings")  # None: none were needed
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("synth", None)
    shell.configurables.remove(magics)
    shell.Completer.custom_matchers.remove(magics.completer.matcher)
    for transformer in _TRANSFORMERS:
        shell.input_transformers_cleanup.remove(transformer)
    if "synthkit.sessions.current" in sys.modules:
        from synthkit.sessions.current import set_default_folder

        set_default_folder()
