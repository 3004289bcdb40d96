"""Dialogues between two roles, each played by a model (CAMEL, arXiv 2303.17760)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Message, Reject, Request, Sampling, Steps
from synthkit.prompts import parsing
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe
from synthkit.recipes._cell_sections import sections
from synthkit.recipes._conversations import alternating, conversation_cells, single_turn

BEGIN = "Begin the conversation."
"""The user message that asks the first role to start."""


@recipe
def dialogue(
    prompt: str,
    *,
    rows: Table = None,
    roles: Mapping[str, str] | None = None,
    turns: int = 4,
    sampling: Sampling = Sampling(),
) -> Recipe:
    r"""Conversations between two roles that take turns.

    Each role sees its own turns as the assistant's and those of the other role as the user's. This
    is the role play of CAMEL (arXiv 2303.17760) with a fixed number of turns, without its task
    planner. Each role may be played by a model of its own:
    ``generate(..., others={"guide": model})``.

    The columns are ``messages``, dicts of ``role`` and ``content`` ready for chat fine-tuning,
    where the first role is the user and the second the assistant, and ``turns``, their number. A
    conversation that lacks a turn is rejected, with the turns before it.

    Parameters
    ----------
    prompt : two ``--- role NAME`` lines, each with that role's system prompt below it. Text before
        the first of them is the opening, the first turn of the first role; without an opening, that
        role is asked to begin. All are templates, and may use the columns of ``rows``.
    roles : further roles: name -> system prompt.
    turns : how many turns, the opening included.

    Raises
    ------
    UsageError
        If there are not exactly two roles, or fewer than two turns.

    Examples
    --------
    >>> recipe = dialogue("Hello!\n--- role guest\nYou ask for {{ dish }}.\n"
    ...                   "--- role waiter\nYou are a waiter.", rows=[{"dish": "soup"}])
    >>> recipe.roles, str(recipe.requests)
    (('guest', 'waiter'), '1 to 3')
    """
    if turns < 2:
        raise UsageError(f"a dialogue has two turns or more; got {turns}.")
    opening, systems = _opening_and_roles(prompt, roles or {})
    names = tuple(systems)
    openings = [single_turn("the opening", opening, rows)] if opening.strip() else []
    first, second = (
        single_turn(f"the role {name!r}", text, rows) for name, text in systems.items()
    )

    def steps(row: parsing.Cells) -> Steps[Outcome]:
        system_prompts = (first.ask(row), second.ask(row))
        texts = [template.ask(row) for template in openings]
        while len(texts) < turns:
            speaker = len(texts) % 2
            heard = texts if speaker else [BEGIN, *texts]
            messages = (Message("system", system_prompts[speaker]), *alternating(heard))
            request = Request(messages, sampling, to=names[speaker])
            spoken = yield from ask(request, parsing.text())
            if isinstance(spoken, Reject):
                reason = f"turn {len(texts) + 1}, {names[speaker]}: {spoken.reason}"
                return replace(spoken, reason=reason, cells=conversation_cells(texts))
            texts.append(spoken["text"])
        return conversation_cells(texts)

    return per_row(
        steps,
        rows,
        name="dialogue",
        columns=("messages", "turns"),
        requests=Bounds(1, turns - len(openings)),
        roles=names,
        prompt=prompt,
    )


def _opening_and_roles(prompt: str, roles: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The opening, and the system prompts of the two roles by name."""
    opening, in_prompt = sections(prompt, "role")
    for name, (rest, _) in in_prompt.items():
        if rest:
            raise PromptError(f"a '--- role NAME' line has only a name; {name} has {rest!r} too.")
        if name in roles:
            raise PromptError(f"the role {name!r} is both in the prompt and in roles=.")
    systems = {name: text for name, (_, text) in in_prompt.items()} | dict(roles)
    if len(systems) != 2:
        raise UsageError(
            "a dialogue has two roles, each a '--- role NAME' line with its system prompt below; "
            f"got {', '.join(map(repr, systems)) or 'none'}."
        )
    return opening, systems
