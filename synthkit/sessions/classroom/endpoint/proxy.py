"""The class's server: an OpenAI-compatible proxy over tornado, which Jupyter brings, and httpx2."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx2
from tornado import httpserver, web

from synthkit.core.formatting import count
from synthkit.core.static_output import static_table
from synthkit.models.openai.transport import MAX_BYTES, merge_headers
from synthkit.sessions.classroom.endpoint.room import TEACHER, Room

PATHS = "chat/completions|completions|embeddings"
"""What students may ask for; files, jobs and the rest of an account are not theirs."""
USED_UP = "insufficient_quota"
"""The code of a refusal that clients take for final."""
CONNECT_SECONDS = 15.0
REFRESH_SECONDS = 5
KEY_REFUSED = (401, 403)


class Handler(web.RequestHandler):
    """What all answers share: who asks, and refusals in the form of OpenAI."""

    room: Room
    client: httpx2.AsyncClient

    def initialize(self, room: Room, client: httpx2.AsyncClient) -> None:
        """Called by tornado."""
        self.room, self.client = room, client

    def who(self) -> str:
        """The name of the person whose token the request has; empty if there is none."""
        scheme, _, given = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":  # as browsers send it: the name does not matter
            with suppress(ValueError):
                given = base64.b64decode(given).decode().partition(":")[2]
        return self.room.who(given.strip())

    def refuse(self, status: int, message: str, code: str = "") -> None:
        """Answer an error."""
        self.set_status(status)
        detail = {"message": message, "type": code or "class_endpoint", "param": None, "code": code}
        self.finish({"error": detail})

    def write_error(self, status_code: int, **_: Any) -> None:
        """Called by tornado, for an error of its own or of this module."""
        self.refuse(status_code, f"the class's server could not answer ({self._reason})")

    def log_exception(self, *_: Any) -> None:
        """Called by tornado; its words may have what was sent."""


class Ask(Handler):
    """A request of a student, which is passed on in turn."""

    work: asyncio.Future[None] | None = None

    async def post(self, path: str) -> None:
        """Called by tornado."""
        self.work = asyncio.ensure_future(self.answer(path))
        with suppress(asyncio.CancelledError):  # the student has left
            await self.work

    def on_connection_close(self) -> None:
        """Called by tornado."""
        if self.work is not None:
            self.work.cancel()

    async def answer(self, path: str) -> None:
        """Pass a request on if its student may ask, and the answer back."""
        room, who = self.room, self.who()
        if not who:
            self.refuse(401, "the token is not one of this class; ask the teacher for yours.")
            return
        try:
            body = json.loads(self.request.body)
            requests = _answers(body)
        except (ValueError, TypeError, AttributeError, RecursionError):
            self.refuse(400, "expected a JSON object with a model and messages.")
            return
        if body.get("model") != room.model.name:
            self.refuse(404, f"the class's model is {room.model.name!r}.", "model_not_found")
        elif not room.admits(who, requests):
            self.set_header("x-should-retry", "false")
            used = f"{who} has used {room.of(who).requests} of {count(room.cap, 'request')}"
            self.refuse(429, f"{used}; ask the teacher for more.", USED_UP)
        else:
            # written again: of a name that is there twice, the server might read the other value
            await self.ask(who, path, json.dumps(body).encode(), requests)

    async def ask(self, who: str, path: str, body: bytes, requests: int) -> None:
        """Wait for a turn, and send the request; one that the server refuses does not count."""
        room, began, sent = self.room, time.monotonic(), False
        try:
            async with room.turns.turn(who):
                room.of(who).waited += time.monotonic() - began
                sent = True
                if await self.passed_on(path, body):
                    return
        except httpx2.HTTPError as error:  # its words may have what was sent
            if self._headers_written:
                self.detach().close()  # the student's client sees that the answer is cut
                return
            self.refuse(502, f"the server behind does not answer ({type(error).__name__}).")
        except asyncio.CancelledError:
            if not sent:
                room.take_back(who, requests)
            raise
        room.take_back(who, requests)

    async def passed_on(self, path: str, body: bytes) -> bool:
        """Answer what the server behind answers; whether that is no refusal."""
        server = self.room.model.server
        accept = {"Accept": self.request.headers.get("Accept", "*/*")}
        async with self.client.stream(
            "POST",
            f"{server.address}/{path}",
            params=dict(server.query) or None,
            headers=merge_headers(server.headers, accept),
            content=body,
        ) as response:
            status, kind = response.status_code, response.headers.get("Content-Type", "")
            if status in KEY_REFUSED:
                why = f"the server refuses the API key of this class ({status}); tell the teacher."
                self.refuse(403, why, "class_key")
                return False
            self.set_status(status)
            for name in ("Content-Type", "Retry-After"):
                if name in response.headers:
                    self.set_header(name, server.redact(response.headers[name]))
            if status < 400 and kind.startswith("text/event-stream"):
                async for lines in _lines(response.aiter_bytes()):
                    self.write(server.redactor.redact_body(lines))
                    await self.flush()
                self.finish()
                return True
            answer = await response.aread()
            if status < 400:
                self.finish(server.redactor.redact_body(answer))
                return True
            self.finish(server.redact(answer.decode("utf-8", "replace")))
            return False


def _answers(body: dict[str, Any]) -> int:
    """How many answers a request asks for, each of which counts.

    >>> _answers({"n": 2}), _answers({"prompt": ["a", "b"], "best_of": 3})
    (2, 6)
    """
    prompts = body.get("prompt")
    if not isinstance(prompts, list) or (prompts and isinstance(prompts[0], int)):  # tokens
        prompts = [prompts]
    answers = max(1, int(body.get("n") or 1), int(body.get("best_of") or 1))
    return answers * max(1, len(prompts))


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines as they come, so that no key is cut in two; the rest at the end."""
    rest = b""
    async for chunk in chunks:
        lines, end, rest = (rest + chunk).rpartition(b"\n")
        if end:
            yield lines + end
        if len(rest) > MAX_BYTES:
            raise httpx2.ReadError("the line is too long")
    if rest:
        yield rest


class Other(Handler):
    """Any other address."""

    def prepare(self) -> None:
        """Called by tornado."""
        self.refuse(404, f"expected /v1/models or one of /v1/{PATHS.replace('|', ', /v1/')}.")


class Models(Handler):
    """The list of models, which has one: clients ask for it to see whether the server is there."""

    def get(self) -> None:
        """Called by tornado."""
        if not self.who():
            self.refuse(401, "the token is not one of this class; ask the teacher for yours.")
            return
        self.finish({"object": "list", "data": [{"id": self.room.model.name, "object": "model"}]})


class Page(Handler):
    """The counts of all students, for the teacher."""

    def get(self) -> None:
        """Called by tornado."""
        if self.who() != TEACHER:
            self.set_header("WWW-Authenticate", 'Basic realm="token of the teacher"')
            self.refuse(401, "the teacher's token opens this page.")
            return
        refresh = f'<meta charset="utf-8"><meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
        self.finish(f"{refresh}<title>Class</title>{count_table(self.room).html}")


def count_table(room: Room) -> Any:
    """The counts of a class as a static table."""
    waiting = room.turns.waiting
    rows = [
        {
            "student": who,
            "requests": counts.requests,
            "of": "" if who == TEACHER else room.cap,
            "waiting": waiting.get(who, 0),
            "mean wait": round(counts.waited / counts.requests, 2) if counts.requests else "",
            "failed": counts.failed,
            "refused": counts.refused,
        }
        for who, counts in sorted(room.counts.items())
    ]
    total = sum(counts.requests for counts in room.counts.values())
    note = f"{count(total, 'request')} of {count(len(room.tokens) - 1, 'student')}"
    notes = ["wait: seconds until a turn; failed ones are not counted; refused: beyond the cap"]
    return static_table(rows, note=note, notes=notes if rows else [])


async def serve(room: Room, listening: socket.socket, stopping: asyncio.Event) -> None:
    """Serve a class on an open socket until told to stop."""
    timeout = httpx2.Timeout(room.model.server.timeout, connect=CONNECT_SECONDS)
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(timeout=timeout, limits=limits) as client:
        given = {"room": room, "client": client}
        routes = [
            (rf"/v1/({PATHS})", Ask, given),
            (r"/v1/models", Models, given),
            (r"/", Page, given),
        ]
        application = web.Application(
            routes,
            default_handler_class=Other,
            default_handler_args=given,
            log_function=lambda handler: None,
        )
        server = httpserver.HTTPServer(application, max_body_size=MAX_BYTES)
        server.add_sockets([listening])
        await stopping.wait()
        server.stop()
        await server.close_all_connections()
