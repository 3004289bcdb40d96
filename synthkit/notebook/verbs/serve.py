"""``%synth class serve``: one model server for a class, with a cap for each student."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.formatting import count
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.models.openai.model import Endpoint
from synthkit.notebook.context import Context
from synthkit.notebook.exercises.options import SERVE
from synthkit.notebook.verbs._base import argument, verb
from synthkit.notebook.verbs.classes import class_list
from synthkit.sessions.classroom.endpoint.room import TEACHER
from synthkit.sessions.classroom.endpoint.tokens import write_tokens

if TYPE_CHECKING:
    from synthkit.sessions.classroom.endpoint.serving import Serving

SERVING: list[Serving] = []
"""What this notebook serves; at most one."""


@verb(
    "class serve",
    argument("model", nargs="?", metavar="MODEL", help="as in %%synth model; default: show counts"),
    *(argument(*names, **keywords) for names, keywords in SERVE),
    argument("--stop", action="store_true", help="stop serving"),
)
def serve(context: Context, options: Any) -> StaticOutput:
    """Serve an endpoint to a class, fairly and with a cap; alone, show counts."""
    if options.stop:
        _stop()
        return static_table([], note="nothing is served")
    if options.model:
        if not options.students:
            raise UsageError("say who the class is: --students names.txt")
        model, students = context.model(options.model), class_list(context, options.students)
        SERVING.append(start(model, students, options))
        return summary(SERVING[-1], options.tokens)
    if not SERVING:
        raise UsageError("nothing is served here; %synth class serve MODEL --students names.txt")
    proxy = need("synthkit.sessions.classroom.endpoint.proxy", extra="notebook", why="to serve")
    table: StaticOutput = proxy.count_table(SERVING[-1].room)
    return table


def start(model: Any, students: list[str], options: Any) -> Serving:
    """Serve a model as the options of a line say, and write the tokens.

    What is served here so far ends when all has been checked.

    Raises
    ------
    UsageError
        If the model runs here, the port is taken, or the tokens cannot be written.
    """
    serving = need("synthkit.sessions.classroom.endpoint.serving", extra="notebook", why="to serve")
    if not isinstance(model, Endpoint):
        raise UsageError(f"{model.name} runs here; only a server's model can be served (openai:).")
    room = serving.open_room(model, students, cap=options.cap, at_once=options.at_once)
    # the port of what is served so far becomes free; another one must be free already
    ours = any(options.port in (None, each.port) for each in SERVING)
    serving.listening(options.host, 0 if ours else options.port).close()
    write_tokens(room.tokens, Path(options.tokens).expanduser())
    _stop()
    served: Serving = serving.Serving(room, host=options.host, port=options.port)
    return served


def summary(serving: Serving, tokens: str) -> StaticOutput:
    """Where a class is served, and where its tokens are; prints what students run."""
    print(f"students run, and paste their token:\n{serving.line}")  # whole, to be copied
    room = serving.room
    page = serving.base_url.removesuffix("v1")
    return static_table(
        [],
        name=room.model.name,
        note=f"served at {serving.base_url} to {count(len(room.tokens) - 1, 'student')}, "
        f"{count(room.cap, 'request')} each",
        notes=[
            f"tokens, one for each student: {tokens}",
            f"counts: {page} (password: the token of {TEACHER}), or %synth class serve",
            "it ends with this program, and counts with it; what students send is not encrypted",
        ],
    )


def _stop() -> None:
    while SERVING:
        SERVING.pop().stop()
