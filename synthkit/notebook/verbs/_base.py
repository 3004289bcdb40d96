"""The registry of verbs, and the decorator that adds one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from IPython.core.magic_arguments import argument as argument

from synthkit.core.registry import Registry
from synthkit.notebook.arguments import HELP, parse, parser, split
from synthkit.notebook.context import EMBEDDER, Context

Function = TypeVar("Function", bound=Callable[[Context, Any], Any])


TABLE_NAME = argument("table", metavar="TABLE", help="a variable, or a table saved in the session")
TABLE_OR_FILES = argument(
    "table", metavar="TABLE", help="a variable, a saved table, or files: 'big/*.parquet'"
)
CLUSTER = argument(
    "--cluster",
    default="",
    metavar="ADDRESS",
    help="Ray cluster for Parquet files: local, auto or HOST:PORT; default: this process",
)
TEXT_COLUMN = argument("--column", metavar="COLUMN", help="text column; default: the longest texts")
READ_COLUMNS = argument(
    "--reads", metavar="A,B", help="other columns to learn from, such as a label; default: none"
)
EMBEDDER_SPEC = argument(
    "--embedder",
    default=EMBEDDER,
    metavar="EMBEDDER",
    help="a variable or a spec; default: %(default)s",
)
"""Arguments that several verbs take."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of ``%synth``; the parameters are those of :func:`verb`."""

    name: str
    run: Callable[[Context, Any], Any]
    arguments: Sequence[Any]
    registered: Callable[[], Sequence[Any]]
    words: bool
    group: bool

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.run) or "").partition("\n")[0]

    def all_arguments(self) -> list[Any]:
        """Its own arguments, and those that are registered."""
        return [*self.arguments, *self.registered()]

    def __call__(self, context: Context, line: str) -> Any:
        """Run the verb with the rest of its line, or print its help if that asks for it."""
        words, arguments = split(context.evaluated(line)), self.all_arguments()
        parsed = parser(f"%synth {self.name}", self.summary, arguments, context.named)
        if HELP & set(words):
            print(parsed.format_help())
            return None
        context.verb = f"%synth {self.name}"
        if self.words:
            return self.run(context, words)
        help = f"%synth {self.name} --help explains the options."
        return self.run(context, parse(parsed, words, arguments, help))


def find_verb(line: str) -> tuple[Verb, str]:
    """The verb that begins a line, and the rest of the line.

    The name of a verb of a group has two words, such as ``class assign``.

    Raises
    ------
    UsageError
        If there is no such verb.
    """
    name, *rest = line.split(maxsplit=1)
    after = "".join(rest)
    if VERBS[name].group and after:
        part, *rest = after.split(maxsplit=1)
        if f"{name} {part}" in parts(name):
            return VERBS[f"{name} {part}"], "".join(rest)
    return VERBS[name], after


def parts(group: str) -> dict[str, str]:
    """The verbs of a group, each with its summary."""
    listed = VERBS.listed().items()
    return {name: each.summary for name, each in listed if name.startswith(f"{group} ")}


VERBS: Registry[Verb] = Registry("verb", decorator="verb", package="synthkit.notebook.verbs")
"""Every verb by its name: those of synthkit, of installed packages and of the notebook."""


def verb(
    *arguments: Any,
    registered: Callable[[], Sequence[Any]] = tuple,
    words: bool = False,
    group: bool = False,
) -> Callable[[Function], Function]:
    """Register a verb of ``%synth``: a decorator of a function ``(context, options)``.

    The function gets the notebook's :class:`~synthkit.notebook.context.Context` and the options of
    the line; the value that it returns is shown. The first line of its docstring is shown where
    verbs are listed.

    Parameters
    ----------
    arguments : made with :class:`argument`, which takes what argparse's ``add_argument`` takes. A
        ``metavar`` of ``TABLE``, ``MODEL``, ``EMBEDDER`` or ``SCHEMA`` is completed with names of
        that kind. A text before them is the verb's name, if it is not the function's.
    registered : returns further arguments, for options that users may add to.
    words : whether the function reads the words of the line itself, and gets their list in place
        of options; then ``arguments`` serve help and completion only.
    group : whether further verbs are named by its name and a second word.

    Examples
    --------
    >>> @verb(argument("name", help="who is greeted"))
    ... def hello(context, options):
    ...     '''Greet somebody.'''
    ...     return f"Hello, {options.name}!"
    >>> VERBS["hello"].summary
    'Greet somebody.'
    >>> VERBS.remove("hello")
    """
    own_name = str(arguments[0]) if arguments and isinstance(arguments[0], str) else ""
    declared = arguments[1:] if own_name else arguments

    def register(function: Function) -> Function:
        name = own_name or function.__name__
        VERBS.add(name, Verb(name, function, declared, registered, words, group), function)
        return function

    return register
