"""Arguments of ``%%synth`` and ``%synth`` lines: the list for a cell, and how a line is parsed."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentTypeError, HelpFormatter
from collections.abc import Callable, Sequence
from typing import Any

from IPython.core.magic_arguments import MagicArgumentParser, argument, magic_arguments

from synthkit.core.errors import UsageError, unknown


def repeated(option: str, metavar: str, help: str, **keywords: Any) -> Any:
    """An argument that may be repeated; its value is the list of all its values."""
    shown = {"metavar": metavar, "help": f"{help}; may be repeated"}
    return argument(option, **{"action": "append", "default": [], **shown, **keywords})


HELP = {"-h", "--help"}
"""Words that ask for the help of a line."""
UNSET = "none"
"""The value of a sampling option that is not sent, so that the model or server decides."""


def number_or_none(kind: type[int] | type[float]) -> Any:
    """A reader of a number; ``none``, ``default`` and ``null`` give :data:`UNSET`."""

    def read(text: str) -> float | str:
        return UNSET if text.strip().lower() in (UNSET, "default", "null") else kind(text)

    read.__name__ = "whole number" if kind is int else "number"  # in the message of argparse
    return read


def base_seed(options: Any) -> int:
    """The seed of what is drawn here rather than by a model: ``--seed``, by default 0."""
    return 0 if options.seed in (None, UNSET) else int(options.seed)


ARGUMENTS = (
    argument("name", metavar="NAME", help="variable for the table; its run is NAME_run"),
    argument(
        "--model",
        "-m",
        metavar="MODEL",
        help="a variable, or a spec: smollm2, hf:..., openai:..., ollama:..., openrouter:... "
        "(%%synth models); default: SynthMagics.model",
    ),
    argument("--n", type=int, help="number of rows; with --from, for each of its rows; default: 1"),
    repeated("--vary", "FIELD=VALUES", "values of a field: topic=bread,soup or topic=@variable"),
    argument(
        "--sampler",
        choices=["product", "independent", "joint"],
        help="how values of several fields are combined; default: product",
    ),
    argument("--like", metavar="TABLE", help="real rows that --sampler joint draws from"),
    argument(
        "--where",
        metavar="EXPRESSION",
        help="combinations to keep, such as 'not (tone = dry and topic = soup)'; default: all",
    ),
    argument(
        "--from",
        dest="source",
        metavar="TABLE",
        help="one request for each row of a table, a generator or files ('data/*.jsonl')",
    ),
    argument("--first", type=int, metavar="N", help="only the first rows of --from; default: all"),
    argument("--system", help="the system prompt, or @variable"),
    argument("--examples", metavar="TABLE", help="rows to show as demonstrations"),
    argument("--shots", type=int, help="number of demonstrations in a prompt; default: 3"),
    argument(
        "--pick",
        choices=["fixed", "random", "nearest"],
        help="how demonstrations are chosen; default: fixed",
    ),
    argument(
        "--schema",
        metavar="SCHEMA",
        help="a JSON Schema or pydantic model: a variable or a .json file",
    ),
    argument("--labels", help="allowed answers: a,b,c or @variable"),
    argument("--regex", help="a pattern whose named groups become columns"),
    argument("--output", metavar="COLUMN", help="column for the text; default: text"),
    argument("--image", metavar="COLUMN", help="column of images, for models that take them"),
    argument("--tools", metavar="TOOLS", help="tools to declare: a variable or a .json file"),
    argument(
        "--repairs",
        type=int,
        metavar="N",
        help="times to ask again after an unreadable answer; default: 1 with --schema, else 0",
    ),
    argument("--recipe", metavar="RECIPE", help="generation method; %%synth recipes lists them"),
    repeated("--with", "ROLE=MODEL", "further model of a recipe; default: --model", dest="others"),
    argument(
        "--temperature",
        "-t",
        type=number_or_none(float),
        help="0 is greedy; none: not sent; default: SynthMagics.temperature",
    ),
    argument(
        "--top-p",
        type=number_or_none(float),
        help="nucleus mass; none: not sent; default: the model's",
    ),
    argument(
        "--max-tokens",
        type=number_or_none(int),
        help="per answer; none: not sent; default: SynthMagics.max_tokens",
    ),
    argument(
        "--seed",
        type=number_or_none(int),
        help="base of each row's own seed; none: not sent; default: SynthMagics.seed",
    ),
    repeated("--stop", "TEXT", "ends an answer", default=None),
    repeated("--extra", "NAME=VALUE", "a parameter of the model, such as top_k=40"),
    argument("--max-requests", type=int, help="stop before more requests; default: no limit"),
    argument("--max-tokens-total", type=int, help="stop before more tokens; default: no limit"),
    argument("--max-cost", type=float, help="stop before more US dollars; default: no limit"),
    argument(
        "--learned",
        metavar="LEARNED",
        help="keep only rows that this learned filter accepts: %%synth learn",
    ),
    argument("--no-truncated", action="store_true", help="reject answers cut at --max-tokens"),
    argument("--mark-truncated", action="store_true", help="add a column: whether it was cut"),
    argument("--reasoning", action="store_true", help="add a column: reasoning before the answer"),
    argument("--background", "-b", action="store_true", help="return at once; Stop works"),
    argument(
        "--batch",
        action="store_true",
        help="submit to the server's batch API at half the price; run again to collect",
    ),
    argument("--wait", action="store_true", help="with --batch: wait until all is answered"),
    argument(
        "--dry-run", action="store_true", help="show prompts and estimated cost, send nothing"
    ),
)
"""The arguments of every ``%%synth`` cell; a recipe adds its own."""


def cell_arguments(function: Any) -> Any:
    """Decorator of the magic: its help and its parser have :data:`ARGUMENTS`."""
    for declared in reversed(ARGUMENTS):
        function = with_default(declared)(function)
    return magic_arguments()(function)


def parser(
    prog: str, summary: str, arguments: Sequence[Any], value: Callable[[str], str] = str
) -> MagicArgumentParser:
    """A parser of arguments, whose help starts with ``prog`` and ``summary``.

    Parameters
    ----------
    value : what an argument's text stands for, such as the value of a variable.
    """
    result = MagicArgumentParser(
        prog, description=summary, add_help=False, formatter_class=HelpFormatter
    )
    for declared in map(with_default, arguments):
        options = dict(declared.kwds)
        if options.get("nargs") == "*":
            options.setdefault("default", [])  # else argparse calls it required in its messages
        if options.get("action") in (None, "append"):
            options["type"] = _reader(options.get("type", str), value)
        result.add_argument(*declared.args, **options)
    return result


def _reader(kind: Callable[[str], Any], value: Callable[[str], str]) -> Callable[[str], Any]:
    """What reads a text of argparse: what it stands for, as a value of some kind."""

    def read(text: str) -> Any:
        found = value(text)
        if kind is not str and found.startswith("@"):
            raise ArgumentTypeError(f"{found} is no variable that holds a number or a text")
        return kind(found)

    read.__name__ = kind.__name__  # in the message of argparse
    return read


def with_default(declared: Any) -> Any:
    """The argument with "default: none" in its help, if it is optional and its help has none."""
    help = declared.kwds.get("help") or ""
    takes_value = declared.args[0].startswith("-") and declared.kwds.get("action") != "store_true"
    if not takes_value or not help or "default" in help:
        return declared
    return argument(*declared.args, **{**declared.kwds, "help": f"{help}; default: none"})


def parse(
    parser: MagicArgumentParser, words: list[str], arguments: Sequence[Any], help: str
) -> Any:
    """The options that the words of a line set, by name.

    Raises
    ------
    UsageError
        If a word cannot be read; names it, the nearest known option, and ``help``.
    """
    known = [option for a in arguments for option in a.args if option.startswith("--")]
    words = _joined(words, arguments)
    for word in words:
        option = word.partition("=")[0]
        if option.startswith("--") and option not in known:
            raise UsageError(f"{unknown('option', option, known)} {help}")
    try:
        return parser.parse_args(words)
    except (Exception, SystemExit) as error:
        raise UsageError(f"{_plain(str(error))} {help}") from None


_DASHES = re.compile(r"(?!--$)-+([^A-Za-z-].*)?", re.DOTALL)
"""A word of dashes, or of dashes before what begins no option, such as ``---`` or ``-->``."""


def _joined(words: Sequence[str], arguments: Sequence[Any]) -> list[str]:
    """The words, with ``--option=---`` in place of ``--option ---``, which argparse refuses."""
    options = {
        option
        for a in arguments
        for option in a.args
        if option.startswith("-") and a.kwds.get("action") in (None, "append")
        if "nargs" not in a.kwds
    }
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in options and _DASHES.fullmatch(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


KINDS = {"int": "whole number", "float": "number"}


def _plain(message: str) -> str:
    """A message of argparse in plain English.

    >>> _plain("argument --n: invalid int value: 'two'")
    "expected a whole number for --n; got 'two'."
    >>> _plain("argument --pick: invalid choice: 'nearst' (choose from 'fixed', 'nearest')")
    "--pick 'nearst' not found; have 'fixed', 'nearest'. Did you mean 'nearest'?"
    >>> _plain("argument --stop: expected one argument")
    "--stop: expected a value; one that begins with '-' is written --stop=VALUE."
    """
    if found := re.fullmatch(r"argument \S*?(--?[\w-]+)\S*: expected one argument", message):
        name = found[1]
        return f"{name}: expected a value; one that begins with '-' is written {name}=VALUE."
    if found := re.fullmatch(r"argument (\S+): invalid (.+) value: (.*)", message, re.S):
        name, kind, value = found.groups()
        return f"expected a {KINDS.get(kind, kind)} for {name}; got {value}."
    if found := re.fullmatch(r"argument (\S+): invalid choice: '(.*)' \((.*)\)", message, re.S):
        name, value, choices = found.groups()
        known = [text.strip("'") for text in choices.removeprefix("choose from ").split(", ")]
        return unknown(name, value, filter(None, known))
    return f"{message.removeprefix('argument ')}."


def split(line: str) -> list[str]:
    """The words of a line, split as in a shell.

    Raises
    ------
    UsageError
        If a quotation mark is not closed.
    """
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{error} in: {line.strip()}") from None


def join(words: Sequence[str]) -> str:
    """The line that :func:`split` splits into these words."""
    return shlex.join(words)


def option_values(words: Sequence[str], option: str) -> list[str]:
    """The values of an option among the words of a line.

    >>> option_values(["h", "--recipe", "judge"], "--recipe")
    ['judge']
    """
    values = []
    for at, word in enumerate(words):
        if word.startswith(f"{option}="):
            values.append(word.partition("=")[2])
        elif word == option:
            values += words[at + 1 : at + 2]
    return values
