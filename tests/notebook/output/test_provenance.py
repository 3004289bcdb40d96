"""The provenance of a row, in the panel of a table and by ``%synth trace``."""

from __future__ import annotations

import pytest

import synthkit as sk
from synthkit.core.types import Completion, Message, Request, ToolCall
from synthkit.notebook.output.provenance import of_id
from synthkit.notebook.verbs.sessions import _parts

REQUEST = Request((Message("user", "Who?"),), schema={"type": "object"})


@pytest.mark.parametrize("how", ["structured output asked for by a forced tool call", ""])
def test_it_says_how_the_model_was_asked_or_ran(session: sk.Session, how: str) -> None:
    key = REQUEST.key("m")
    answer = Completion("{}", tool_calls=(ToolCall("look_up", {"word": "soup"}),), how=how)
    session.store.completions.put(key, REQUEST.payload("m"), answer)
    assert session.store.completions.get([key]) == {key: answer}
    shown = {part.label: part.value for part in of_id(session, key[:16], {})}
    assert shown.get("how", "") == how
    traced = {part["part"]: part["value"] for part in _parts(session.trace(key)[0], session.store)}
    assert traced.get("how", "") == how
    assert traced["tool call"] == shown["tool call"] == 'look_up({"word": "soup"})'
