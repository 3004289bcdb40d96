"""No secret that is sent to a server reaches the store, a bundle, a repr, a trace or an error."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import synthkit as sk
from synthkit.core.errors import SynthkitError, UsageError
from synthkit.core.types import Message, Request, Sampling
from synthkit.models.openai import health
from synthkit.models.openai.model import Endpoint, endpoint
from tests.server import Asked, Reply, Server

SECRET = "MARKERmm+/0123456789"
PATH_SECRET = "MARKERpp0123456789"
MODELS: dict[str, dict[str, Any]] = {
    "a key": {"api_key": SECRET},
    "a header": {"default_headers": {"X-Account": SECRET}},
    "a password": {"default_headers": {"Authorization": "Basic bWU6TUFSS0VSMDEyMzQ1Njc4OQ=="}},
    "a parameter": {"default_query": {"api-key": SECRET}},
    "a signature": {"default_query": {"sig": SECRET, "v": 2}},
    "a nested parameter": {"default_query": {"auth": {"password": SECRET}}},
    "a body": {"extra_body": {"api_key": SECRET}},
    "a nested body": {"extra_body": {"a": [{"authentication": {"type": "x", "key": SECRET}}]}},
    "a path": {"_path": f"/{PATH_SECRET}/v1"},
    "sampling": {"_extra": {"user": "ann", "user_token": SECRET}},
    "nested sampling": {"_extra": {"tools_auth": {"credentials": [SECRET]}}},
}
LEAKS = ("MARKER", "TUFSS0VS")


def echo(status: int) -> Any:
    """A server that repeats all that it got, as it is and percent-encoded."""

    def script(asked: Asked) -> Reply:
        got = "\n".join(f"{name}: {value}" for name, value in asked.headers.items())
        got = f"{got}\n{asked.path}\n{asked.body.decode()}"
        got += "\n" + quote(got, safe="")
        if status == 200:
            message = {"role": "assistant", "content": got}
            return Reply(200, {"choices": [{"message": message, "finish_reason": "stop"}]})
        return Reply(status, error=got)

    return script


def no_leak(*texts: Any) -> None:
    for text in map(str, texts):
        for leak in LEAKS:
            assert leak not in text, text[max(0, text.index(leak) - 60) :][:120]


def connected(server: Server, way: dict[str, Any]) -> tuple[Endpoint, Sampling]:
    options = {name: value for name, value in way.items() if not name.startswith("_")}
    base = server.base_url.replace("/v1", way.get("_path", "/v1"))
    model = endpoint("m", base_url=base, max_retries=0, **options)
    return model, Sampling(extra=way.get("_extra", {}))


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize("name", MODELS)
def test_a_secret_is_sent_and_found_nowhere_else(
    name: str, status: int, session: sk.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FIRST_WAIT", 0.001)
    with Server(echo(status)) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model, sampling = connected(server, MODELS[name])
        no_leak(repr(model), model.fingerprint, model.url, model.server, repr(sampling))
        try:
            run = sk.generate(
                "Say {{ x }}.", rows={"x": [1, 2]}, model=model, session=session, name="t",
                sampling=sampling,
            )  # fmt: skip
        except SynthkitError as error:
            response: Any = getattr(error, "response", None)
            if response is not None:
                no_leak(response.text, response.request.url, getattr(error, "body", ""))
            no_leak(repr(error), error, error.args)
            run = error.run
        assert server.asked
        assert any(leak in str(server.asked[0].__dict__) for leak in LEAKS) or PATH_SECRET in str(
            server.asked[0].path
        )
    no_leak(*(warning.message for warning in caught))
    if run is not None:
        no_leak(run, run.table.to_csv(), run.rejects.to_csv(), run.pending.to_csv(), run.ledger)
        for id in run.table["id"]:
            no_leak(*session.trace(id))
    for file in (session.export(tmp_path / "out.zip"), *session.folder.rglob("*")):
        if file.is_file():
            no_leak(content(file))


def content(file: Path) -> str:
    if file.suffix != ".zip":
        return file.read_bytes().decode("latin-1")
    with zipfile.ZipFile(file) as bundle:
        return "".join(bundle.read(name).decode("latin-1") for name in bundle.namelist())


def test_secrets_tell_fingerprints_apart() -> None:
    ways = [{"extra_body": {"a": {"password": password}}} for password in ("", "one111", "two222")]
    ways += [{"default_query": {"sig": "one111"}}, {"default_query": {"sig": "two222"}}]
    prints = [endpoint("m", base_url="http://h/v1", **way).fingerprint for way in ways]
    prints += [endpoint("m", base_url=f"http://h/key/{n}23456/v1").fingerprint for n in (1, 2)]
    assert len(set(prints)) == 7
    again = endpoint("m", base_url="http://h/v1", **ways[1]).fingerprint
    assert again == prints[1]


def test_a_fingerprint_without_a_secret_is_as_it_was() -> None:
    model = endpoint(
        "m",
        base_url="https://h/v1/projects/p-123456/endpoints/1234567890123456789",
        default_query={"api-version": "2026-01-01"},
        extra_body={"top_k": 5, "prompt_cache_key": "soups", "provider": {"order": ["A"]}},
    )
    assert json.loads(model.fingerprint) == {
        "base_url": "https://h/v1/projects/p-123456/endpoints/1234567890123456789",
        "extra_body": {"top_k": 5, "prompt_cache_key": "soups", "provider": {"order": ["A"]}},
        "model": "m",
        "query": {"api-version": "2026-01-01"},
    }


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "http://h/v1?api_key=MARKER-012345"},
        {"base_url": "htp://h/v1?api_key=MARKER-012345"},
        {"base_url": "http://h/v1#token=MARKER-012345"},
        {"base_url": "http://me:MARKER-012345@h/v1"},
        {"base_url": "http://h:0/MARKER0123456789/v1"},
        {"base_url": "http://h/v1", "api_key_env": "sk-MARKER0123456789"},
        {"base_url": "http://h/v1", "default_headers": {"X-Key": "MARKER\n0123456789"}},
    ],
)
def test_settings_that_are_refused_are_shown_without_their_secret(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        endpoint("m", **options)
    no_leak(caught.value)


def test_a_placeholder_is_not_sent_in_place_of_its_secret() -> None:
    stored = Sampling(extra={"user_token": SECRET}).payload()["extra"]
    request = Request((Message("user", "Hi."),), Sampling(extra=stored))
    with Server() as server:
        with pytest.raises(UsageError, match="Give it again"):
            list(endpoint("m", base_url=server.base_url).complete([request]))
        assert server.count == 0


CODES = "\x1b[31mred\x1b[0m \x1b]8;;http://evil\x07link\x1b]8;;\x07 \x9b1mbold \u202egnp.exe\u2066"
PLAIN = "red link bold gnp.exe"


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_words_of_a_server_have_no_control_codes(
    status: int, escaped: bool, session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FIRST_WAIT", 0.001)
    body = json.dumps({"error": {"message": CODES}}, ensure_ascii=escaped)
    script = Reply(status, body=body)
    words = ""
    with (
        Server(lambda asked: script if asked.prompt != "Say 1." else None) as server,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        model = endpoint("m", base_url=server.base_url, max_retries=0, concurrency=1)
        try:
            run = sk.generate("Say {{ x }}.", rows={"x": [1, 2]}, model=model, session=session)
            words = str([*run.rejects.reason, *(warning.message for warning in caught)])
        except SynthkitError as error:
            words = str(error)
    assert PLAIN in words


def test_a_secret_on_a_line_is_not_stored(session: sk.Session) -> None:
    from synthkit.notebook.names import without_secrets

    for word in (
        "user_token=MARKER0123",
        '\'a={"password": "MARKER 1"}\'',
        "k=sk-MARKER0123456789",
    ):
        for line in (f"t --extra {word} --n 2", f"t --extra={word} --n 2"):
            shown = without_secrets(line)
            no_leak(shown)
            assert "[secret:" in shown
            assert "--n 2" in shown
