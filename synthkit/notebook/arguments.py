"""What may stand on a ``%%synth`` or ``%synth`` line, and what it means in this notebook."""

from __future__ import annotations

import json
import shlex
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from IPython.core.magic_arguments import MagicArgumentParser, argument, magic_arguments

from synthkit.core.errors import TableError, UsageError, unknown
from synthkit.core.types import Sampling
from synthkit.data import tables as table
from synthkit.prompts.templates import Examples
from synthkit.sessions.session import Session

ARGUMENTS = (
    argument("name", metavar="NAME", help="variable that gets the table; its run is NAME_run"),
    argument(
        "--model",
        "-m",
        metavar="MODEL",
        help="a model's variable, or its spec: smollm2, hf:..., openai:...",
    ),
    argument(
        "--n", type=int, help="rows in all; with --from, for each of its rows; 1 if not given"
    ),
    argument(
        "--vary",
        action="append",
        default=[],
        metavar="FIELD=VALUES",
        help="values of a field: topic=bread,service or topic=@variable; may be repeated",
    ),
    argument("--sampler", choices=["product", "independent", "joint"], help="see --vary"),
    argument("--like", metavar="TABLE", help="real rows that --sampler joint draws"),
    argument(
        "--where", metavar="EXPRESSION", help="which combinations may be; others are left out"
    ),
    argument("--from", dest="source", metavar="TABLE", help="one request for each row of a table"),
    argument("--system", help="the system prompt, or @variable"),
    argument("--examples", metavar="TABLE", help="rows to show as demonstrations"),
    argument("--shots", type=int, help="how many demonstrations are shown; 3 if not given"),
    argument("--pick", choices=["fixed", "random", "nearest"], help="which examples"),
    argument(
        "--schema",
        metavar="SCHEMA",
        help="a JSON Schema or pydantic model: a variable or a .json file",
    ),
    argument("--labels", help="the answer is one of these: a,b,c or @variable"),
    argument("--regex", help="a pattern whose named groups are the columns"),
    argument("--output", metavar="COLUMN", help="column for the text; 'text' if not given"),
    argument(
        "--repairs",
        type=int,
        metavar="N",
        help="ask again for an answer that cannot be read; once with --schema, else not",
    ),
    argument("--recipe", metavar="RECIPE", help="how rows are made; %%synth recipes lists them"),
    argument(
        "--with",
        dest="others",
        action="append",
        default=[],
        metavar="ROLE=MODEL",
        help="a further model of a recipe; may be repeated",
    ),
    argument("--temperature", "-t", type=float, help="0 is greedy"),
    argument("--top-p", type=float, help="nucleus mass"),
    argument("--max-tokens", type=int, help="most tokens in an answer"),
    argument("--seed", type=int, help="base of each row's own seed"),
    argument("--stop", action="append", metavar="TEXT", help="ends an answer; may be repeated"),
    argument("--extra", action="append", default=[], metavar="NAME=VALUE", help="e.g. top_k=40"),
    argument("--max-requests", type=int, help="stop before more requests are sent"),
    argument("--max-tokens-total", type=int, help="stop before more tokens are used"),
    argument("--max-cost", type=float, help="stop before more US dollars are spent"),
    argument(
        "--learned",
        metavar="NAME",
        help="keep what a filter learned from marks would: %%synth learn",
    ),
    argument("--background", "-b", action="store_true", help="return at once; Stop works"),
    argument("--dry-run", action="store_true", help="show the prompts and the cost, ask nothing"),
)


def cell_arguments(function: Any) -> Any:
    """``function`` with the options of ``%%synth`` in its help and its parser."""
    for one in reversed(ARGUMENTS):
        function = one(function)
    return magic_arguments()(function)


def parser(prog: str, what: str, arguments: Sequence[Any]) -> MagicArgumentParser:
    """A parser of the given arguments, with its help."""
    made = MagicArgumentParser(prog, description=what, add_help=False)
    for one in arguments:
        made.add_argument(*one.args, **one.kwds)
    return made


def parse(
    parser: MagicArgumentParser, words: list[str], arguments: Sequence[Any], help: str
) -> Any:
    """What the words of a line ask for, by name.

    Raises
    ------
    UsageError
        If they cannot be read; says which, with the nearest known option, and ``help``.
    """
    known = [option for one in arguments for option in one.args if option.startswith("--")]
    for word in words:
        option = word.partition("=")[0]
        if option.startswith("--") and option not in known:
            raise UsageError(f"{unknown('option', option, known)} {help}")
    try:
        return parser.parse_args(words)
    except (Exception, SystemExit) as error:
        raise UsageError(f"{error}. {help}") from None


def split(line: str) -> list[str]:
    """The words of a line, as a shell splits them.

    Raises
    ------
    UsageError
        If a quotation mark is left open.
    """
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{error} in: {line.strip()}") from None


def join(words: Sequence[str]) -> str:
    """The line that :func:`split` splits into these words."""
    return shlex.join(words)


class Names:
    """The notebook's variables and the session's tables, by the names a line uses."""

    def __init__(
        self, variables: Mapping[str, Any], session: Session, hidden: Container[str] = ()
    ) -> None:
        self.variables, self.session = variables, session
        self.public = {
            name: value
            for name, value in variables.items()
            if not name.startswith("_") and name not in hidden
        }

    def table(self, name: str) -> Any:
        """The table in a variable, or kept in the session under that name."""
        name = name.removeprefix("@")
        if name in self.variables:
            table.kind(self.variables[name])
            return self.variables[name]
        if name in self.session.names():
            return self.session.load(name)
        here = [*self.tables(), *self.session.names()]
        raise TableError(unknown("table", name, dict.fromkeys(here)))

    def tables(self) -> list[str]:
        """The names of the variables that hold tables."""
        return [name for name, value in self.public.items() if _is_table(value)]

    def models(self) -> list[str]:
        """The names of the variables that hold models."""
        return [
            name
            for name, value in self.public.items()
            if hasattr(value, "complete") and hasattr(value, "fingerprint")
        ]

    def value(self, name: str) -> Any:
        """The value of ``name``, or of ``table.column``."""
        head, _, field = name.partition(".")
        if head not in self.variables:
            raise UsageError(unknown("variable", head, self.public))
        found = self.variables[head]
        return table.column(found, field) if field else found

    def values(self, text: str) -> Any:
        """The values in ``a,b,c``, or those of ``@variable`` or ``@table.column``."""
        if not text.startswith("@"):
            return [part.strip() for part in text.split(",") if part.strip()]
        found = self.value(text[1:])
        if isinstance(found, Mapping):  # values that depend on another field's
            return found
        if isinstance(found, str) or not hasattr(found, "__iter__"):
            raise UsageError(f"{text} must hold a list of values; got {type(found).__name__}.")
        return found.tolist() if hasattr(found, "tolist") else list(found)

    def text(self, text: str | None) -> str | None:
        """``text`` itself, or what ``@variable`` holds."""
        if text is None or not text.startswith("@"):
            return text
        return str(self.value(text[1:]))

    def schema(self, text: str | None) -> Any:
        """The schema in a variable or a .json file."""
        if text is None:
            return None
        name = text.removeprefix("@")
        if name.isidentifier():
            return self.value(name)
        try:
            return json.loads(Path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"--schema {text}: expected a variable or a .json file: {error}."
            ) from None


def _is_table(value: Any) -> bool:
    try:
        return table.kind(value) is not None and not isinstance(value, list | dict)
    except TableError:
        return False


def vary(pairs: list[str], names: Names) -> dict[str, Any]:
    """Field -> values, from ``field=a,b`` and ``field=@variable``."""
    found: dict[str, Any] = {}
    for pair in pairs:
        field, equals, values = pair.partition("=")
        if not equals or not field.strip().isidentifier():
            raise UsageError(f"--vary {pair}: expected FIELD=a,b,c or FIELD=@variable.")
        if field in found:
            raise UsageError(f"--vary {field} is given twice; write its values in one.")
        found[field.strip()] = names.values(values.strip())
    return found


def said(words: Sequence[str], option: str) -> str | None:
    """The value of an option among the words of a line."""
    for at, word in enumerate(words):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option and at + 1 < len(words):
            return words[at + 1]
    return None


def role(pair: str) -> tuple[str, str]:
    """Role and model, from ``role=model``."""
    name, equals, model = pair.partition("=")
    if not equals or not name.strip() or not model.strip():
        raise UsageError(f"--with {pair}: expected ROLE=MODEL.")
    return name.strip(), model.strip()


def sampling(options: Any, defaults: Sampling) -> Sampling:
    """The sampling that a line asks for; what it leaves out is as in ``defaults``."""
    given = {
        name: getattr(options, name) if getattr(options, name) is not None else default
        for name, default in defaults.payload().items()
        if name in ("temperature", "top_p", "max_tokens", "seed", "stop")
    }
    return Sampling(**given, extra=dict(defaults.extra) | settings(options.extra))


def settings(pairs: list[str]) -> dict[str, Any]:
    """Name -> value, from ``name=value``; a value that is JSON is read as such."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"expected NAME=VALUE; got {pair!r}.")
        found[name.strip()] = plain(value)
    return found


def plain(value: str) -> Any:
    """A number, list or the like if ``value`` is JSON; the text itself if not."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def examples(options: Any, names: Names) -> Examples | None:
    """The demonstrations that a line asks for."""
    if options.examples is None:
        return None
    shown = names.table(options.examples)
    embed = None
    if options.pick == "nearest":
        from synthkit.models.embedders import load_embedder

        embed = load_embedder("wordllama").embed
    seed = options.seed or 0
    return Examples(
        table=shown,
        k=3 if options.shots is None else options.shots,
        pick=options.pick or "fixed",
        seed=seed,
        embed=embed,
    )
