"""What a verb is: a name, what may stand after it, and the function that carries it out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import MagicArgumentParser

from synthkit.notebook import arguments as opts

if TYPE_CHECKING:
    from synthkit.notebook.magics import SynthMagics


@dataclass(frozen=True)
class Verb:
    """One verb of ``%synth``.

    Parameters
    ----------
    name : the word after ``%synth``.
    run : called with the magics and what stood on the line; the first line of its docstring says
        in the list of verbs what it does.
    arguments : made with ``argument``, as for :data:`~synthkit.notebook.arguments.ARGUMENTS`; a
        ``metavar`` of TABLE or MODEL is completed with their names. ``None`` for a verb that reads
        its words itself, and is given them.
    registered : gives further arguments, which users can add to while the notebook runs.
    """

    name: str
    run: Callable[[SynthMagics, Any], Any]
    arguments: Sequence[Any] | None = ()
    registered: Callable[[], Sequence[Any]] = tuple

    @property
    def what(self) -> str:
        """What it does, in one line."""
        return (self.run.__doc__ or "").strip().split("\n")[0]

    def all_arguments(self) -> list[Any]:
        """Its own arguments, and those that are registered."""
        return [*(self.arguments or ()), *self.registered()]

    def parser(self, arguments: Sequence[Any]) -> MagicArgumentParser:
        """The parser of its line."""
        return opts.parser(f"%synth {self.name}", self.what, arguments)

    def __call__(self, magics: SynthMagics, words: list[str]) -> Any:
        """Carry it out, or show its help if the words ask for that."""
        arguments = self.all_arguments()
        if {"-h", "--help"} & set(words):
            print(self.parser(arguments).format_help())
            return None
        if self.arguments is None:
            return self.run(magics, words)
        help = f"%synth {self.name} --help explains them."
        return self.run(magics, opts.parse(self.parser(arguments), words, arguments, help))
