"""``%synth push``: a table, splits or a trained model to the Hub, with its card."""

from __future__ import annotations

from typing import Any

from synthkit.notebook.context import Context
from synthkit.notebook.names import named_splits, words
from synthkit.notebook.verbs._base import argument, verb
from synthkit.sessions.model_facts import is_trained


@verb(
    argument(
        "table",
        metavar="TABLE",
        help="a table; several, A,B, as splits; or the variable of a trained model",
    ),
    argument("repository", metavar="OWNER/NAME", help="on the Hub; created if it is not there"),
    argument("--send", action="store_true", help="send it; else only show what would be sent"),
    argument("--public", action="store_true", help="create a public repository; default: private"),
    argument("--over", action="store_true", help="replace files with other content"),
    argument(
        "--despite-findings", action="store_true", help="send secrets and personal data as well"
    ),
)
def push(context: Context, options: Any) -> Any:
    """Push a table, splits or a model to the Hub with its card; shows it first."""
    names = [name.removeprefix("@") for name in words(options.table)]
    what = context.variables.get(names[0]) if len(names) == 1 else None
    if not is_trained(what):
        parts = {name: context.names.table(name) for name in names}
        what = named_splits(parts) if len(names) > 1 else parts[names[0]]
    push = context.session.push(what, options.repository, private=not options.public)
    if not options.send:
        return push.shown
    url = push.send(overwrite=options.over, despite_findings=options.despite_findings)
    print(f"pushed: {url}")
    return None
