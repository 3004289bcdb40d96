"""Images before a prompt, and tools whose calls come back as data."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.core.types import Request
from tests.server import Asked, Reply, Server, completion

LOOK_UP = {
    "name": "look_up",
    "parameters": {
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
    },
}


def png(shade: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + bytes([shade])


def test_a_server_is_sent_the_image_of_each_row(session: sk.Session, tmp_path: Path) -> None:
    file = tmp_path / "soup.png"
    file.write_bytes(png(0))
    photos = ["https://example.org/a.png", str(file), png(9), {"bytes": png(50), "path": None}]
    with Server(lambda request: Reply(body=completion("Soup."))) as server:
        model = sk.load_model("openai:m", base_url=server.base_url)
        rows = [{"photo": photo} for photo in [*photos, None]]
        run = sk.generate("What is it?", rows=rows, image="photo", model=model, session=session)
        sent = [asked.json["messages"][-1]["content"] for asked in server.asked]
    assert run.table["text"].tolist() == ["Soup."] * 5
    urls = {
        content[0]["image_url"]["url"]: content[1] for content in sent if isinstance(content, list)
    }
    data = ["data:image/png;base64," + base64.b64encode(png(n)).decode() for n in (0, 9, 50)]
    assert set(urls) == {photos[0], *data}
    assert all(part == {"type": "text", "text": "What is it?"} for part in urls.values())
    assert sent.count("What is it?") == 1


def test_the_same_image_is_asked_about_once_and_another_again(
    session: sk.Session, tmp_path: Path
) -> None:
    file, fake = tmp_path / "soup.png", sk.Fake("Soup.")

    def ask() -> sk.Run:
        rows = [{"photo": str(file)}]
        return sk.generate("What?", rows=rows, image="photo", model=fake, session=session)

    file.write_bytes(png(0))
    ask()
    moved = tmp_path / "bread.png"
    moved.write_bytes(png(0))
    rows = [{"photo": str(moved)}]
    sk.generate("What?", rows=rows, image="photo", model=fake, session=session)
    assert len(fake.asked) == 1
    file.write_bytes(png(1))
    trace = session.trace(ask().table["id"][0])
    assert len(fake.asked) == 2
    (identity,) = trace[0].request["messages"][0][2]
    assert identity["type"] == "image/png"


@pytest.mark.parametrize(
    ("photo", "words"),
    [("no.png", "cannot be read"), (b"%PDF-1.7", "PNG, JPEG"), (7, "expected an image")],
)
def test_what_is_no_image_is_refused(session: sk.Session, photo: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        sk.generate(
            "What?", rows=[{"photo": photo}], image="photo", model=sk.Fake(), session=session
        )


def called(*calls: tuple[str, str], content: str | None = None) -> dict[str, Any]:
    listed = [{"id": "1", "function": {"name": name, "arguments": text}} for name, text in calls]
    message = {"role": "assistant", "content": content, "tool_calls": listed}
    return completion("") | {"choices": [{"message": message, "finish_reason": "tool_calls"}]}


def test_calls_of_tools_come_back_as_data(session: sk.Session) -> None:
    replies = {
        "0": called(("look_up", '{"word": "soup"}'), ("look_up", '{"word": "bread"}')),
        "1": completion("It is warm."),
        "2": called(("look_up", '{"word": 3}')),
        "3": called(("fetch", "{}")),
        "4": called(("look_up", "soup")),
    }

    def reply(request: Asked) -> Reply:
        assert request.json["tools"] == [{"type": "function", "function": LOOK_UP}]
        return Reply(body=replies[request.prompt])

    with Server(reply) as server:
        model = sk.load_model("openai:m", base_url=server.base_url)
        rows = [{"i": i} for i in range(5)]
        run = sk.generate("{{ i }}", rows=rows, tools=[LOOK_UP], model=model, session=session)
        again = sk.generate("{{ i }}", rows=rows, tools=[LOOK_UP], model=model, session=session)
    calls = [{"name": "look_up", "arguments": {"word": word}} for word in ("soup", "bread")]
    assert run.table["tool_calls"].tolist() == again.table["tool_calls"].tolist() == [calls, []]
    assert run.table["text"].tolist() == ["", "It is warm."]
    reasons = run.rejects["reason"].tolist()
    assert "does not follow the schema at word" in reasons[0]
    assert reasons[1] == "calls 'fetch', which is none of the tools look_up"
    assert reasons[2] == "calls look_up with arguments that are no JSON object"


def test_tools_are_a_part_of_the_request(session: sk.Session) -> None:
    plain = sk.Fake("Warm.")
    for tools in (None, [LOOK_UP], [LOOK_UP | {"description": "Looks a word up."}]):
        sk.generate("Say it.", tools=tools, model=plain, session=session)
    assert len(plain.asked) == 3
    assert len({request.key("m") for request in plain.asked}) == 3
    assert Request(plain.asked[0].messages).payload("m").get("tools") is None


@pytest.mark.parametrize(
    "tools", [[{"parameters": {}}], [LOOK_UP, LOOK_UP], ["look_up"], LOOK_UP, "look_up"]
)
def test_a_bad_declaration_is_refused(session: sk.Session, tools: Any) -> None:
    with pytest.raises(UsageError):
        sk.generate("Say it.", tools=tools, model=sk.Fake(), session=session)
