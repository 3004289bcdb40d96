"""A stand-in for an OpenAI-compatible server that misbehaves on demand.

In a test, in a thread of this process::

    with Server(latency=0.05) as server:
        model = endpoint("m", base_url=server.base_url)
        ...
    server.count, server.peak, server.asked[0].json, server.asked[0].headers

Its answers are a script: one :class:`Reply` for all requests, a list of them by arrival (the last
one is repeated), or a function of the request. ``None`` is the ordinary answer: a completion that
repeats the prompt, or an embedding of each input::

    Server(script=[Reply(401, error="bad key"), None])
    Server(script=lambda asked: Reply(how="cut") if "7" in asked.prompt else None)

For a benchmark or a kernel, in a process of its own (:func:`spawn`), or from a shell::

    python tests/server.py --port 8123 --latency-ms 50 --max-inflight 32

``GET /stats`` then gives the counters, ``POST /reset`` resets them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

How = Literal[
    "whole",  # with its length
    "chunked",  # in chunks
    "until close",  # without a length: the body ends with the connection
    "drip",  # with its length, some bytes at a time
    "cut",  # with its length, and closed in the middle of the body
    "headers",  # closed after the headers
    "nothing",  # closed before a byte of answer
    "hang",  # no answer until the client leaves
    "raw",  # the body is the whole response, status line and headers included; then closed
    "silent close",  # whole, then closed, which the headers do not announce
    "twice",  # whole, and then once more
]


@dataclass(slots=True)
class Reply:
    """A response. ``seconds`` is the time it takes, the server's latency if ``None``."""

    status: int = 200
    body: bytes | str | Any = None
    error: str = ""
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    how: How = "whole"


@dataclass
class Asked:
    """A received request; ``number`` and ``connection`` count requests and connections from 0."""

    number: int
    connection: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_empty(self) -> bool:
        """Whether it asks nothing, as Curator does for the headers of the response."""
        return self.path.endswith("/completions") and self.json.get("messages") == []

    @property
    def prompt(self) -> str:
        """The text of the last message, the raw prompt, or the embedded texts."""
        if "messages" in self.json:
            content = self.json["messages"][-1]["content"]
            if isinstance(content, list):
                return "".join(part["text"] for part in content if part["type"] == "text")
            return str(content)
        return str(self.json.get("prompt") or " ".join(self.json["input"]))


Script = Reply | None | Sequence[Reply | None] | Callable[[Asked], Reply | None]


def completion(text: str, **choice: Any) -> dict[str, Any]:
    """The body of an ordinary answer."""
    words = len(text.split())
    return {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
                "logprobs": None,
            }
            | choice
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": words, "total_tokens": 7 + words},
    }


def embeddings(texts: Sequence[str], dimensions: int = 8) -> dict[str, Any]:
    """The body of an ordinary answer of ``/embeddings``: counts of letters, the last text first."""
    data = []
    for at, text in enumerate(texts):
        vector = [0.0] * dimensions
        for letter in text:
            vector[ord(letter) % dimensions] += 1.0
        data.append({"object": "embedding", "index": at, "embedding": vector})
    return {"object": "list", "data": data[::-1], "model": "m", "usage": {"prompt_tokens": 7}}


MODELS = Reply(body={"object": "list", "data": [{"id": "m", "object": "model"}]})
"""A list of models."""


class Server:
    """The server, in a thread of its own while the ``with`` block lasts.

    Parameters
    ----------
    script : its answers; may be replaced at any time.
    latency : seconds until a response.
    max_inflight : further requests in flight get a 429 with ``Retry-After: 1``.
    tls : serve HTTPS with this context.
    port : 0 for any free one; that of a former server to bring it back.
    lists : the reply to who asks for the list of models; 404 if not given.

    Attributes
    ----------
    asked : all requests in order of arrival, without those of ``listed``; ``count`` is their
        number.
    listed : how often the list of models was asked for.
    rejected, inflight, peak : 429s for ``max_inflight``; requests in flight now, and at most.
    answered : responses of status 200; ``unread`` of them were ready when the client had left.
    connections : connections ever made; ``open`` is the number of present ones.
    """

    def __init__(
        self,
        script: Script = None,
        *,
        latency: float = 0.0,
        max_inflight: int | None = None,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        lists: Reply | None = None,
    ) -> None:
        self.script, self.latency, self.max_inflight = script, latency, max_inflight
        self.lists = lists
        self.tls, self.host, self.port = tls, host, port
        self.reset()
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    def reset(self) -> None:
        self.asked: list[Asked] = []
        self.rejected = self.inflight = self.peak = self.answered = self.unread = self.listed = 0

    @property
    def count(self) -> int:
        return len(self.asked)

    @property
    def open(self) -> int:
        return len(self._writers)

    @property
    def prompts(self) -> list[str]:
        return [asked.prompt for asked in self.asked]

    @property
    def base_url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}/v1"

    def __enter__(self) -> Server:
        self._thread = threading.Thread(target=self._main, name="stand-in", daemon=True)
        self._thread.start()
        if not self._ready.wait(30):
            raise TimeoutError("the stand-in server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close everything at once, as a kill would. Does nothing if it is down."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = None
            self._loop.close()

    def close_idle(self) -> None:
        """Close all connections, as a server does after its idle timeout."""
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(10)

    async def _drop(self) -> None:
        for writer in list(self._writers):
            writer.close()

    def _main(self) -> None:
        self._loop.run_until_complete(self.serve())

    async def serve(self) -> None:
        """Serve until stopped."""
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(
            self._connected, self.host, self.port, ssl=self.tls, limit=2**24, backlog=4096
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for _ in range(5):  # until the connections just accepted have a task that closes them
            await asyncio.sleep(0.002)
        for writer in list(self._writers):
            writer.transport.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)  # for the transports to close their sockets

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        self._writers.add(writer)
        try:
            while await self._exchange(reader, writer, number):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass  # the client left, or the server stops
        finally:
            self._writers.discard(writer)
            writer.transport.abort() if self.tls else writer.close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> bool:
        """Answer one request; whether the connection stays open."""
        line = await reader.readline()
        if not line:
            return False
        method, path, _ = line.decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while (line := await reader.readline()).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if path in ("/stats", "/reset"):
            if path == "/reset":
                self.reset()
            return await self._send(writer, Reply(body=self.stats()))
        if method == "GET" and path.endswith("/models"):
            self.listed += 1
            return await self._send(writer, self.lists or Reply(404, error="no list"))
        now = time.perf_counter()
        asked = Asked(self.count, connection, method, path, headers, body, now)
        self.asked.append(asked)
        reply = self._reply(asked)
        if reply is None:
            self.rejected += 1
            refusal = Reply(429, error="Rate limit reached", headers={"Retry-After": "1"})
            return await self._send(writer, refusal)
        self.inflight += 1
        self.peak = max(self.peak, self.inflight)
        try:
            seconds = self.latency if reply.seconds is None else reply.seconds
            if reply.how == "hang":
                await reader.read()
                return False
            if seconds:
                await asyncio.sleep(seconds)
        finally:
            self.inflight -= 1
        if reply.status == 200:
            self.answered += 1
            self.unread += reader.at_eof()
        if reply.body is None and not reply.error:
            if asked.path.endswith("/embeddings"):
                reply.body = embeddings(asked.json["input"], asked.json.get("dimensions", 8))
            else:
                reply.body = completion(f"Answer to: {asked.prompt}")
        return await self._send(writer, reply) and headers.get("connection") != "close"

    def _reply(self, request: Asked) -> Reply | None:
        """The reply to a request, or ``None`` if too many are in flight."""
        if self.max_inflight is not None and self.inflight >= self.max_inflight:
            return None
        script = self.script
        if callable(script):
            script = script(request)
        elif isinstance(script, Sequence):
            script = script[min(request.number, len(script) - 1)]
        return Reply(**{name: getattr(script, name) for name in _FIELDS}) if script else Reply()

    async def _send(self, writer: asyncio.StreamWriter, reply: Reply) -> bool:
        body = reply.body
        if reply.error:
            detail = {"message": reply.error, "type": reply.code or "stand_in", "code": reply.code}
            body = {"error": detail}
        if isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if reply.how == "nothing":
            return False
        if reply.how == "raw":
            writer.write(body)
            await writer.drain()
            return False
        head = {"Content-Type": "application/json", "x-request-id": "stand-in"} | reply.headers
        if reply.how == "chunked":
            head["Transfer-Encoding"] = "chunked"
        elif reply.how != "until close":
            head["Content-Length"] = str(len(body))
        lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {head[name]}" for name in head)]
        start = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        if reply.how == "chunked":
            parts = [body[i : i + 7] for i in range(0, len(body), 7)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        elif reply.how == "cut":
            body = body[: len(body) // 2]
        elif reply.how == "headers":
            body = b""
        elif reply.how == "twice":
            body += start + body
        elif reply.how == "drip":
            for i in range(0, len(start + body), 29):
                writer.write((start + body)[i : i + 29])
                await writer.drain()
                await asyncio.sleep(0.005)
            return True
        writer.write(start + body)
        await writer.drain()
        closing = reply.how in ("cut", "headers", "until close", "silent close")
        return not closing and reply.headers.get("Connection") != "close"

    def stats(self) -> dict[str, Any]:
        """The counters, as ``GET /stats`` gives them."""
        span = self.asked[-1].at - self.asked[0].at if self.asked else 0.0
        return {
            "requests": self.count,
            "rejected": self.rejected,
            "answered": self.answered,
            "unread": self.unread,
            "peak_inflight": self.peak,
            "connections": self.connections,
            "distinct_prompts": len({asked.body for asked in self.asked}),
            "span_s": span,
        }


_FIELDS = tuple(Reply.__dataclass_fields__)


@dataclass(slots=True)
class Spawned:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=10) as answer:
            return dict(json.load(answer))

    def reset(self) -> None:
        address = f"http://127.0.0.1:{self.port}/reset"
        with urllib.request.urlopen(address, data=b"", timeout=10) as answer:
            answer.read()

    def kill(self) -> None:
        """Kill the process. Does nothing if it is down."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def spawn(*options: str) -> Iterator[Spawned]:
    """A server in a process of its own, such as ``spawn("--latency-ms", "50")``."""
    command = [sys.executable, __file__, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        yield (spawned := Spawned(process, port))
        spawned.kill()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def main() -> None:
    """Serve in this process until it is killed; prints the port as the first line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--max-inflight", type=int)
    parser.add_argument("--slow-every", type=int, help="every N-th request takes --slow-ms")
    parser.add_argument("--slow-ms", type=float, default=1000)
    parser.add_argument("--lists", action="store_true", help="give the list of models")
    parser.add_argument("--status", type=int, default=200, help="the status of every response")
    options = parser.parse_args()

    def script(request: Asked) -> Reply | None:
        if request.is_empty:
            return Reply(400, error="messages is empty")
        if options.status != 200:
            return Reply(options.status, error="told to refuse")
        if options.slow_every and request.number % options.slow_every == 0:
            return Reply(seconds=options.slow_ms / 1000)
        return None

    server = Server(
        script,
        latency=options.latency_ms / 1000,
        max_inflight=options.max_inflight,
        port=options.port,
        lists=MODELS if options.lists else None,
    )
    with server, suppress(KeyboardInterrupt):
        print(server.port, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
