"""Servers as they are: what they refuse, deny and ignore, and what becomes of the rows."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import EndpointError
from synthkit.core.models import Activity
from synthkit.core.types import Message, Request
from synthkit.models.openai import health
from synthkit.models.openai.model import Endpoint, endpoint
from synthkit.models.openai.refusals import refusal
from synthkit.models.openai.server import likely_base_url
from tests.server import Asked, Reply, Server, completion

PARAMETERS = ["temperature", "top_p", "max_tokens", "seed", "stop", "logprobs"]
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
ANA = json.dumps({"name": "Ana", "age": 3})


pytestmark = pytest.mark.usefixtures("quick")


def ask(session: sk.Session, model: Endpoint, n: int = 20, **options: Any) -> sk.Run:
    rows = pd.DataFrame({"x": range(n)})
    return sk.generate("Say {{ x }}.", rows=rows, model=model, session=session, **options)


def row(request: Asked) -> int:
    return int(request.prompt.strip("Say ."))


# What a refusal is about


def said(message: str, status: int = 400, **more: Any) -> str:
    return json.dumps({"error": {"message": message, **more}})


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (
            said(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                "'max_completion_tokens' instead.",
                param="max_tokens",
                code="unsupported_parameter",
            ),
            ["max_tokens"],
        ),
        (
            said(
                "Unsupported value: 'temperature' does not support 0.7 with this model. Only the "
                "default (1) value is supported.",
                param="temperature",
                code="unsupported_value",
            ),
            ["temperature"],
        ),
        (said("You are not allowed to request logprobs from this model"), ["logprobs"]),
        (said("`temperature` is deprecated for this model."), ["temperature"]),
        (said("temperature: Extra inputs are not permitted"), ["temperature"]),
        (said("`temperature` may only be set to 1 when thinking is enabled."), ["temperature"]),
        (said("invalid temperature: only 1 is allowed for this model"), ["temperature"]),
        (said("property 'seed' is unsupported"), ["seed"]),
        (
            said("The following are not supported: temperature, top_p, seed"),
            [*PARAMETERS[:2], "seed"],
        ),
        ("Malformed input request: #: extraneous key [seed] is not permitted", ["seed"]),
        (
            '{"code": "invalid argument", "error": "Model g does not support parameter stop."}',
            ["stop"],
        ),
        ('{"error": "Argument not supported on this model: stop"}', ["stop"]),
        (
            json.dumps(
                {"detail": [{"loc": ["body", "seed"], "msg": "extra fields not permitted"}]}
            ),
            ["seed"],
        ),
        (
            json.dumps(
                {
                    "object": "error",
                    "message": {
                        "detail": [
                            {
                                "type": "extra_forbidden",
                                "loc": ["body", "seed"],
                                "msg": "Extra inputs are not permitted",
                                "input": {"temperature": 1},
                            }
                        ]
                    },
                }
            ),
            ["seed"],
        ),
        (
            said(
                "[{'type': 'extra_forbidden', 'loc': ('body', 'logprobs'), 'msg': 'Extra inputs "
                "are not permitted', 'input': 1}]"
            ),
            ["logprobs"],
        ),
        (
            json.dumps(
                [{"error": {"message": 'Unknown name "seed": Cannot find field.', "code": 400}}]
            ),
            ["seed"],
        ),
        (
            json.dumps(
                {"error": {"cause": said("Unsupported value: 'seed'"), "message": "failed"}}
            ),
            ["seed"],
        ),
        (said("Validation error at #/seed: Extra inputs are not permitted"), ["seed"]),
        (said("['At body -> seed: Extra inputs are not permitted']"), ["seed"]),
        (said("invalid option provided: seed"), ["seed"]),
        (
            said("'logprobs' : property 'logprobs' is unsupported, did you mean 'top_p'?"),
            ["logprobs"],
        ),
        (said("temperature must be between 0 and 1"), []),
        (said("temperature cannot be greater than 2"), []),
        (said("max_tokens is too large: 5000. This model supports at most 4096"), []),
        (said("Please stop it: this content is not allowed"), []),
        (said("the prompt is too long"), []),
        ("", []),
        ("[" * 10_000, []),
    ],
)
def test_a_refused_parameter_is_told_from_a_wrong_value(body: str, refused: list[str]) -> None:
    assert refusal(400, body).unsupported(PARAMETERS) == refused


@pytest.mark.parametrize(
    "message",
    [
        "This response_format type is unavailable now",
        "response_format.type `json_schema` is unavailable now at line 1 column 1193",
        "'response_format.type' : value is not one of the allowed values ['text','json_object']",
        "This model does not support response format `json_schema`.",
        "Invalid schema for response_format 'row': In context=(), 'minLength' is not permitted.",
        "response_format: unknown variant `json_schema`, expected one of `json_object`, `regex`",
        "No endpoints found that support tool use",
        "tools param requires --jinja flag",
        "deepseek-reasoner does not support this tool_choice",
        "gemma:2b does not support tools",
        "tool_choice 'specified' is incompatible with thinking enabled",
        "Failed to initialize samplers: failed to parse grammar",
    ],
)
def test_a_refused_way_to_ask_for_a_schema_is_recognised(message: str) -> None:
    refused = refusal(400, said(message))
    assert refused.of_structured
    assert refused.unsupported(PARAMETERS) == []


@pytest.mark.parametrize(
    ("message", "content", "access"),
    [
        ("input flagged by moderation", True, False),
        ("The response was filtered due to Azure's content management policy.", True, False),
        ("The model `x` does not exist or you do not have access to it.", False, True),
        ("Your API key is not allowed to use this model", False, True),
        ("the content was blocked", True, False),
        ("your address is blocked", False, False),
        ("bad row", False, False),
    ],
)
def test_a_refused_prompt_is_told_from_a_refused_key(
    message: str, content: bool, access: bool
) -> None:
    refused = refusal(403, said(message))
    assert (refused.of_content, refused.of_access) == (content, access)


# Parameters that are refused


def refusing(*names: str, status: int = 400) -> Callable[[Asked], Reply | None]:
    """A server that names the first of these that it gets, in the words of OpenAI."""

    def script(request: Asked) -> Reply | None:
        for name in names:
            if name in request.json:
                words = f"Unsupported value: '{name}' is not supported with this model."
                detail = {"message": words, "param": name, "code": "unsupported_value"}
                return Reply(status, body={"error": detail})
        return None

    return script


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("temperature", {}),
        ("seed", {}),
        ("top_p", {"top_p": 0.9}),
        ("stop", {"stop": "END"}),
        ("logprobs", {"logprobs": True}),
    ],
)
@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_refused_parameter_is_left_out_and_said_once(
    name: str, options: dict[str, Any], status: int, session: sk.Session
) -> None:
    with Server(refusing(name, status=status)) as server:
        model = endpoint("m", base_url=server.base_url)
        with pytest.warns(RuntimeWarning, match=f"takes no {name}, so it is left out") as caught:
            run = ask(session, model, 30, **options)
        assert (len(run.table), server.count, len(caught)) == (30, 31, 1)
        assert name not in server.asked[-1].json
        # remembered, and said no more
        server.reset()
        assert len(ask(session, model, 40, **options).table) == 40
        assert server.count == 10


def test_several_refused_parameters_are_left_out_one_after_another(session: sk.Session) -> None:
    with Server(refusing("temperature", "seed", "max_tokens", "max_completion_tokens")) as server:
        model = endpoint("m", base_url=server.base_url)
        with pytest.warns(RuntimeWarning) as caught:
            run = ask(session, model, 20)
    assert len(run.table) == 20
    assert server.count == 20 + 4
    assert run.ledger.requests == server.count
    assert server.asked[-1].json.keys() == {"model", "messages"}
    assert sorted(str(w.message).split(" takes no ")[1].split(",")[0] for w in caught) == [
        "max_tokens",
        "seed",
        "temperature",
    ]


def test_the_key_is_that_of_what_was_asked(session: sk.Session) -> None:
    model = endpoint("m", base_url="http://127.0.0.1:9/v1")
    with Server(refusing("temperature")) as server:
        model = endpoint("m", base_url=server.base_url)
        with pytest.warns(RuntimeWarning, match="takes no temperature"):
            first = ask(session, model, 3)
    again = ask(session, endpoint("m", base_url=server.base_url), 3)
    assert (again.ledger.hits, list(again.table.id)) == (3, list(first.table.id))


@pytest.mark.parametrize("text", ["bread END soup", "<think>An END.</think>bread END soup"])
def test_a_stop_text_that_the_server_refuses_still_ends_the_answer(
    session: sk.Session, text: str
) -> None:
    def script(request: Asked) -> Reply | None:
        refused = refusing("stop")(request)
        return refused or Reply(body=completion(text))

    with Server(script) as server:
        model = endpoint("m", base_url=server.base_url)
        with pytest.warns(RuntimeWarning, match="cut at the stop texts here"):
            run = ask(session, model, 3, stop=["STOP", "END"])
    assert run.table.text.tolist() == ["bread"] * 3


def test_of_temperature_and_top_p_the_one_with_a_default_is_left_out(session: sk.Session) -> None:
    def script(request: Asked) -> Reply | None:
        if {"temperature", "top_p"} <= request.json.keys():
            words = "`temperature` and `top_p` cannot both be specified for this model."
            return Reply(400, error=words)
        return None

    with Server(script) as server:
        model = endpoint("m", base_url=server.base_url)
        with pytest.warns(RuntimeWarning, match="takes no temperature"):
            ask(session, model, 3, top_p=0.5)
    assert server.asked[-1].json["top_p"] == 0.5


def test_a_parameter_of_the_users_own_is_never_left_out(session: sk.Session) -> None:
    def script(request: Asked) -> Reply | None:
        return Reply(400, error="top_k: Extra inputs are not permitted")

    with Server(script) as server, pytest.raises(EndpointError, match="top_k: Extra inputs"):
        ask(session, endpoint("m", base_url=server.base_url), 40, extra={"top_k": 40})
    with Server(refusing("seed")) as server, pytest.raises(EndpointError, match="'seed' is not"):
        ask(session, endpoint("m", base_url=server.base_url), 40, extra={"seed": 1})


def test_a_word_of_a_prompt_in_a_refusal_leaves_nothing_out(session: sk.Session) -> None:
    def script(request: Asked) -> Reply | None:
        words = "the words 'temperature' and 'seed' are not allowed in a prompt"
        return Reply(400, error=words) if row(request) == 3 else None

    with Server(script) as server:
        model = endpoint("m", base_url=server.base_url)
        run = ask(session, model, 20)
    assert (len(run.table), run.rejects.x.tolist()) == (19, [3])
    assert model.known.dialect.left_out == set()


def test_null_in_extra_leaves_a_parameter_out(session: sk.Session) -> None:
    with Server() as server:
        extra = {"temperature": None, "seed": None}
        ask(session, endpoint("m", base_url=server.base_url), 1, extra=extra)
    assert server.asked[0].json.keys() == {"model", "messages", "max_tokens"}


@pytest.mark.parametrize(
    "words",
    [
        "System role not supported",
        "Developer instruction is not enabled for models/gemma-3-27b-it",
        "This model does not support system messages.",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "Only user and assistant roles are supported!",
    ],
)
def test_a_refused_system_turn_goes_into_the_users(words: str, session: sk.Session) -> None:
    def script(request: Asked) -> Reply | None:
        return Reply(400, error=words) if request.json["messages"][0]["role"] == "system" else None

    with Server(script) as server:
        model = endpoint("m", base_url=server.base_url)
        with pytest.warns(RuntimeWarning, match="takes no system turn"):
            run = ask(session, model, 10, system="Be brief.")
    assert (len(run.table), server.count) == (10, 11)
    assert server.asked[-1].json["messages"] == [
        {
            "role": "user",
            "content": f"Be brief.\n\n{server.asked[-1].prompt.split()[-2]} "
            f"{server.asked[-1].prompt.split()[-1]}",
        }
    ]


# Structured output


def following(way: str) -> Callable[[Asked], Reply | None]:
    """A server that takes one way to ask for a schema and refuses the stricter ones."""

    def script(request: Asked) -> Reply | None:
        asked = request.json.get("response_format", {}).get("type", "")
        if asked == "json_schema" and way != "json_schema":
            return Reply(400, error="This response_format type is unavailable now")
        if "tools" in request.json:
            if way != "tool":
                return Reply(400, error="this model does not support tools")
            call = {"function": {"name": "row", "arguments": ANA}, "type": "function", "id": "1"}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
            return Reply(body=completion("", message=message, finish_reason="tool_calls"))
        if asked == "json_object" and way == "prompt":
            return Reply(422, error="response_format is not supported")
        if not asked:
            assert '"integer"' in request.prompt
        return Reply(body=completion(ANA))

    return script


@pytest.mark.parametrize(
    ("way", "refused", "asked"),
    [
        ("json_schema", 0, "by response_format with the JSON Schema"),
        ("tool", 1, "by a forced tool call"),
        ("json_object", 2, "in JSON mode, with the schema in the prompt"),
        ("prompt", 3, "by the schema in the prompt alone"),
    ],
)
def test_a_schema_is_asked_for_in_the_strictest_way_that_the_server_takes(
    way: str, refused: int, asked: str, session: sk.Session
) -> None:
    with Server(following(way)) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = endpoint("m", base_url=server.base_url)
        run = ask(session, model, 20, schema=PERSON)
        assert run.table[["name", "age"]].values.tolist() == [["Ana", 3]] * 20
        assert server.count == 20 + refused
        assert {session.trace(id)[0].completion.how for id in run.table["id"]} == {
            f"structured output asked for {asked}"
        }
        server.reset()
        ask(session, model, 25, schema=PERSON)
        assert server.count == 5
    expected = 0 if way == "json_schema" else 1
    assert (
        len([w for w in caught if "structured output is asked for" in str(w.message)]) == expected
    )


@pytest.mark.parametrize(
    ("calls", "rows"),
    [
        ([("row", ANA)], 1),
        ([("functions.row:0", ANA)], 1),
        ([("row", json.dumps(ANA))], 1),
        ([("row", ANA), ("row", ANA)], 1),
        ([("row", ANA), ("row", ANA.replace("3", "4"))], 0),
        ([("row", ANA[:-4])], 0),
        ([("row", "")], 0),
    ],
)
def test_a_forced_tool_call_is_read_however_it_is_written(
    calls: list[tuple[str, str]], rows: int, session: sk.Session
) -> None:
    listed = [{"function": {"name": name, "arguments": given}} for name, given in calls]
    message = {"role": "assistant", "content": None, "tool_calls": listed}
    reply = Reply(body=completion("", message=message, finish_reason="tool_calls"))
    with Server(reply) as server:
        model = endpoint("m", provider="anthropic", base_url=server.base_url, api_key="k")
        model.known.adopt(model.known.dialect.lower(PERSON, only=False))
        model.known.said.add("tool")
        run = ask(session, model, 1, schema=PERSON)
    assert run.table[["name", "age"]].values.tolist() == [["Ana", 3]] * rows if rows else True
    assert (len(run.table), len(run.rejects)) == (rows, 1 - rows)


def test_a_schema_refused_without_a_word_of_why_is_asked_for_in_another_way(
    session: sk.Session,
) -> None:
    def script(request: Asked) -> Reply:
        if "response_format" in request.json:
            return Reply(400, error="Bad request")
        return Reply(body=completion(ANA))

    with Server(script) as server, pytest.warns(RuntimeWarning, match="by a forced tool call"):
        run = ask(session, endpoint("m", base_url=server.base_url), 5, schema=PERSON)
    assert (len(run.table), server.count) == (5, 6)


def test_a_schema_that_is_refused_alone_does_not_lower_the_others(session: sk.Session) -> None:
    def script(request: Asked) -> Reply | None:
        shape = request.json.get("response_format", {})
        if "minLength" in json.dumps(shape):
            words = "Invalid schema for response_format 'row': 'minLength' is not permitted."
            return Reply(400, error=words)
        return Reply(body=completion(ANA))

    odd = PERSON | {"properties": {"name": {"type": "string", "minLength": 1}}}
    with Server(script) as server:
        model = endpoint("m", base_url=server.base_url)
        with pytest.warns(RuntimeWarning, match="by a forced tool call"):
            assert len(ask(session, model, 3, schema=odd).table) == 3
        assert "tools" in server.asked[-1].json
        assert len(ask(session, model, 3, schema=PERSON).table) == 3
        assert server.asked[-1].json["response_format"]["type"] == "json_schema"


def test_a_server_that_ignores_the_schema_is_asked_in_another_way(session: sk.Session) -> None:
    def script(request: Asked) -> Reply | None:
        told = '"integer"' in json.dumps(request.json["messages"]).replace("\\", "")
        return Reply(body=completion(ANA if told else "A person called Ana."))

    with Server(script) as server:
        model = endpoint("m", base_url=server.base_url, concurrency=1)
        with pytest.warns(RuntimeWarning) as caught:
            run = ask(session, model, 20, schema=PERSON)
    assert [str(each.message).split("sent as ")[1].split(":")[0] for each in caught] == [
        "json_schema",
        "tool",
    ]
    assert len(run.table) >= 18


def test_one_answer_without_json_does_not_lower_the_way_for_others(session: sk.Session) -> None:
    def script(request: Asked) -> Reply | None:
        asked = request.json["messages"][0]["content"]
        return Reply(body=completion("I cannot say." if asked == "Say 7." else ANA))

    with Server(script) as server:
        model = endpoint("m", base_url=server.base_url, concurrency=1)
        run = ask(session, model, 20, schema=PERSON)
    assert (len(run.table), run.rejects.x.tolist()) == (19, [7])
    assert {asked.json["response_format"]["type"] for asked in server.asked} == {"json_schema"}


def test_a_schema_of_the_users_own_wins(session: sk.Session) -> None:
    with Server(Reply(body=completion(ANA))) as server:
        shape = {"response_format": {"type": "json_object"}}
        model = endpoint("m", base_url=server.base_url, extra_body=shape)
        ask(session, model, 1, schema=PERSON)
    assert server.asked[0].json["response_format"] == {"type": "json_object"}


LABELS = ["label", "other one"]


@pytest.mark.parametrize(
    "text", ['{"label": "other one"}', "other one", '```json\n{"label":"other one"}\n```']
)
def test_labels_are_constrained_where_the_server_can(text: str, session: sk.Session) -> None:
    with Server(Reply(body=completion(text))) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 3, labels=LABELS)
    assert run.table.label.tolist() == ["other one"] * 3
    (shape,) = {json.dumps(asked.json["response_format"]) for asked in server.asked}
    properties = json.loads(shape)["json_schema"]["schema"]["properties"]
    assert properties == {"label": {"type": "string", "enum": LABELS}}


def test_labels_are_asked_for_as_text_where_the_server_refuses(session: sk.Session) -> None:
    def script(request: Asked) -> Reply | None:
        if "response_format" in request.json:
            return Reply(400, error="response_format is not supported by this model")
        return Reply(body=completion("other one"))

    with Server(script) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 10, labels=LABELS)
    assert (len(run.table), server.count) == (10, 11)


@pytest.mark.parametrize("options", [{"max_tokens": 5}, {"logprobs": True}])
def test_labels_without_room_or_with_logprobs_are_bare(
    options: dict[str, Any], session: sk.Session
) -> None:
    pairs = {"content": [{"token": "other one", "logprob": -0.1}]}
    with Server(Reply(body=completion("other one", logprobs=pairs))) as server:
        ask(session, endpoint("m", base_url=server.base_url), 1, labels=LABELS, **options)
    assert "response_format" not in server.asked[0].json


# Rows that are denied, and servers that deny everything


@pytest.mark.parametrize("status", [400, 403, 404, 422, 451])
@pytest.mark.parametrize("bad", [0, 7])
@pytest.mark.parametrize("words", ["input flagged by moderation", "no"])
def test_a_denied_row_is_a_reject_and_all_others_are_rows(
    status: int, bad: int, words: str, session: sk.Session
) -> None:
    def script(request: Asked) -> Reply | None:
        return Reply(status, error=words, seconds=0.02) if row(request) == bad else None

    with Server(script) as server:
        model = endpoint("m", base_url=server.base_url, concurrency=4)
        for _ in range(3):
            run = ask(session, model, 40)
            assert (len(run.table), run.rejects.x.tolist(), len(run.pending)) == (39, [bad], 0)
        assert server.count == 42
    assert f"({status}): {words}" in run.rejects.reason[0]


@pytest.mark.parametrize(("seconds", "most"), [(0.05, 3), (0.5, 4)])
@pytest.mark.parametrize("status", [403, 404, 422])
def test_a_server_that_denies_every_request_costs_few(
    status: int, seconds: float, most: int, session: sk.Session
) -> None:
    with (
        Server(Reply(status, error="no", seconds=seconds)) as server,
        pytest.raises(EndpointError, match=rf"refused \({status}\): no") as caught,
    ):
        ask(session, endpoint("m", base_url=server.base_url), 40)
    assert server.count <= most
    assert len(caught.value.run.pending) == 40


@pytest.mark.parametrize("n", [1, 2])
def test_a_server_that_denies_all_of_few_rows_ends_the_run(n: int, session: sk.Session) -> None:
    with Server(Reply(403, error="no")) as server, pytest.raises(EndpointError, match="no"):
        ask(session, endpoint("m", base_url=server.base_url), n)
    assert server.count == n


def test_rows_denied_in_a_row_end_no_run_while_a_good_one_is_still_accepted(
    session: sk.Session,
) -> None:
    def script(request: Asked) -> Reply | None:
        return Reply(403, error="no") if 10 <= row(request) < 60 else None

    with Server(script) as server:
        run = ask(session, endpoint("m", base_url=server.base_url, concurrency=2), 100)
    assert (len(run.table), len(run.rejects)) == (50, 50)
    assert server.count <= 100 + 4  # a row that was accepted, after 8, 16 and 32 refusals


def test_a_server_that_denies_everything_half_way_ends_the_run(session: sk.Session) -> None:
    def script(request: Asked) -> Reply | None:
        return Reply(403, error="quota of the key is used up") if request.number >= 30 else None

    with Server(script, latency=0.01) as server:
        model = endpoint("m", base_url=server.base_url, concurrency=4)
        with pytest.raises(EndpointError, match="used up"):
            ask(session, model, 500)
        assert server.count < 60


# Addresses that are wrong, and answer 200


@pytest.mark.parametrize(
    "body",
    [
        {"error": "Unexpected endpoint or method. (POST /chat/completions)"},
        {"error": {"message": "Not Found"}},
        {"error": {"message": "no such path"}, "choices": None},
        {"detail": "Not Found"},
        {"message": "no Route matched with those values"},
        {"model": "m", "message": {"role": "assistant", "content": "Hi."}, "done": True},
        {"type": "message", "content": [{"type": "text", "text": "Hi."}]},
        "<!DOCTYPE html><html><body>Sign in</body></html>",
        "\ufeff  <html></html>",
        'data: {"id": "x"}\n\ndata: [DONE]',
        "OK",
        "",
        "null",
        [],
    ],
)
@pytest.mark.parametrize("seconds", [0.01, 0.4])
def test_an_address_that_does_not_speak_the_protocol_ends_the_run(
    body: Any, seconds: float, session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_quick = seconds < 0.2
    if is_quick:  # also where the tests are slow
        monkeypatch.setattr("synthkit.models.openai.scheduler.PROBES", ())
    with Server(Reply(body=body, seconds=seconds)) as server:
        address = server.base_url.removesuffix("/v1")
        with pytest.raises(EndpointError, match="Check base_url") as caught:
            ask(session, endpoint("m", base_url=address), 60)
    assert f"Did you mean base_url='{address}/v1'?" in str(caught.value)
    assert server.count <= (6 if is_quick else 12)
    assert len(caught.value.run.pending) == 60


@pytest.mark.parametrize(
    ("code", "kind"), [(502, "row"), (429, "row"), (400, "reject"), (401, "error")]
)
def test_an_error_with_a_code_in_an_answer_is_that_error(
    code: int, kind: str, session: sk.Session
) -> None:
    seen: list[int] = []

    def script(request: Asked) -> Reply | None:
        if row(request) or (seen and kind == "row"):
            return None
        seen.append(1)
        return Reply(body={"error": {"code": code, "message": "the upstream says so"}})

    with Server(script) as server:
        model = endpoint("m", base_url=server.base_url)
        if kind == "error":
            with pytest.raises(EndpointError, match="the upstream says so"):
                ask(session, model, 10)
            return
        run = ask(session, model, 10)
    assert len(run.table) == (10 if kind == "row" else 9)
    assert run.ledger.requests == server.count


@pytest.mark.parametrize(
    ("address", "likely"),
    [
        ("http://localhost:1234", "http://localhost:1234/v1"),
        ("http://localhost:11434/api", "http://localhost:11434/v1"),
        ("http://h:8000/v1/chat/completions", "http://h:8000/v1"),
        ("http://h/chat/completions", "http://h/v1"),
        ("https://openrouter.ai/v1", "https://openrouter.ai/api/v1"),
        ("https://api.groq.com", "https://api.groq.com/openai/v1"),
        ("https://api.x.ai/v1", ""),
        ("http://h/proxy/v1", ""),
        ("https://h/v1beta/openai", ""),
    ],
)
def test_the_address_that_was_meant_is_named(address: str, likely: str) -> None:
    assert likely_base_url(address) == likely


def test_a_404_names_the_address_that_was_meant(session: sk.Session) -> None:
    with Server(Reply(404, body={"detail": "Not Found"})) as server:
        address = server.base_url.removesuffix("/v1")
        with pytest.raises(EndpointError, match=f"Did you mean base_url='{address}/v1'"):
            ask(session, endpoint("m", base_url=address), 60)
    assert server.count <= 3


# Servers that ignore what was asked, and that load


def test_equal_texts_for_different_seeds_are_said_once(session: sk.Session) -> None:
    with Server(
        Reply(body=completion("The same long answer, whatever the seed may be, again."))
    ) as s:
        model = endpoint("m", base_url=s.base_url)
        with pytest.warns(RuntimeWarning, match="may ignore temperature and seed") as caught:
            sk.generate("Tell.", n=30, model=model, session=session)
    assert len(caught) == 1


@pytest.mark.parametrize("options", [{"temperature": 0}, {"labels": ["yes", "no"]}])
def test_equal_texts_that_were_asked_for_are_fine(
    options: dict[str, Any], session: sk.Session
) -> None:
    with Server(Reply(body=completion("yes"))) as server:
        model = endpoint("m", base_url=server.base_url)
        assert len(sk.generate("Tell.", n=30, model=model, session=session, **options).table) == 30


def test_missing_logprobs_are_said_once(session: sk.Session) -> None:
    with Server() as server:
        model = endpoint("m", base_url=server.base_url)
        with pytest.warns(RuntimeWarning, match="ignores logprobs=True") as caught:
            ask(session, model, 10, logprobs=True)
    assert len(caught) == 1


@pytest.fixture
def loading() -> Callable[[int, Any], Callable[[Asked], Reply | None]]:
    """A server whose first requests get a 503."""

    def make(times: int, body: Any) -> Callable[[Asked], Reply | None]:
        return lambda request: Reply(503, body=body) if request.number < times else None

    return make


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
        {"error": "Model m is currently loading", "estimated_time": 20.0},
        {"error": {"message": "the model is warming up"}},
    ],
)
def test_a_server_that_loads_its_model_is_waited_for(
    body: Any, session: sk.Session, loading: Any
) -> None:
    with Server(loading(8, body)) as server:
        model = endpoint("m", base_url=server.base_url)
        with pytest.warns(RuntimeWarning, match="loading its model"):
            run = ask(session, model, 20)
    assert (len(run.table), len(run.rejects), len(run.pending)) == (20, 0, 0)
    assert run.ledger.requests == server.count == 28


def test_a_pause_says_what_the_server_does(loading: Any) -> None:
    with Server(loading(2, {"error": {"message": "The server is overloaded"}})) as server:
        model = endpoint("m", base_url=server.base_url)
        request = Request((Message("user", "Hi."),))
        texts = [model.activity.text for _ in model.complete([request])]
        told = f"waiting: {server.base_url} answered 503: The server is overloaded"
    assert set(texts) == {"", told}
    assert (texts[-1], model.activity) == ("", Activity())


def test_an_overloaded_server_is_not_taken_for_a_loading_one(
    session: sk.Session, loading: Any
) -> None:
    with Server(loading(2, {"error": {"message": "The server is overloaded"}})) as server:
        assert len(ask(session, endpoint("m", base_url=server.base_url), 5).table) == 5


def test_a_server_that_loads_for_ever_leaves_rows_pending(
    session: sk.Session, loading: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "LOADING_SECONDS", 0.5)
    with Server(loading(10**6, {"error": {"message": "Loading model"}})) as server:
        model = endpoint("m", base_url=server.base_url)
        with pytest.warns(RuntimeWarning) as caught:
            run = ask(session, model, 20)
    assert len(run.pending) == 20
    assert ["loading" in str(caught[0].message), "pending" in str(caught[1].message)] == [True] * 2


def test_a_wait_that_is_too_long_ends_the_run_at_once(session: sk.Session) -> None:
    reply = Reply(429, error="daily limit", headers={"Retry-After": "43200"})
    with (
        Server(lambda request: reply if row(request) == 5 else None) as server,
        pytest.raises(EndpointError, match=r"daily limit \(it asks to wait 43200 s\)") as caught,
    ):
        ask(session, endpoint("m", base_url=server.base_url, concurrency=1), 20)
    assert len(caught.value.run.table) == 5


def test_a_row_that_is_throttled_for_ever_is_a_reject(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.5)

    def script(request: Asked) -> Reply | None:
        return Reply(429, error="slow down") if row(request) == 3 else Reply(seconds=0.02)

    with Server(script) as server:
        run = ask(session, endpoint("m", base_url=server.base_url, concurrency=2), 200)
    assert (len(run.table), run.rejects.x.tolist()) == (199, [3])
    assert "answered 429 to this request alone" in run.rejects.reason[0]
