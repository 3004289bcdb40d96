"""A stand-in for an OpenAI-compatible server, which misbehaves as it is told.

In a test, in a thread of this process::

    with Server(latency=0.05) as server:
        model = endpoint("m", base_url=server.base_url)
        ...
    server.count, server.peak, server.asked[0].json, server.asked[0].headers

What it answers is a script: one :class:`Reply` for all, a list of them by arrival (the last one
stays), or a function of what was asked. ``None`` is the ordinary answer, a completion that repeats
the prompt::

    Server(script=[Reply(401, error="bad key"), None])
    Server(script=lambda asked: Reply(how="cut") if "7" in asked.prompt else None)

For a benchmark or a kernel, in a process of its own (:func:`spawn`), or from a shell::

    python tests/server.py --port 8123 --latency-ms 50 --max-inflight 32

``GET /stats`` then gives the counters, ``POST /reset`` sets them back.
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
    "raw",  # the body is all that is sent, status line and headers included; then closed
    "silent close",  # whole, and then closed without a word of it in the headers
    "twice",  # whole, and the same again, unasked
]


@dataclass(slots=True)
class Reply:
    """What to answer. ``seconds`` is the time it takes, the server's latency if ``None``."""

    status: int = 200
    body: bytes | str | Any = None
    error: str = ""
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    how: How = "whole"


@dataclass
class Asked:
    """A request as it came: ``number`` by arrival from 0, ``connection`` by the same count."""

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
    def prompt(self) -> str:
        """The text of the last message."""
        if "messages" in self.json:
            return str(self.json["messages"][-1]["content"])
        return str(self.json["prompt"])


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


class Server:
    """The server, in a thread of its own while the ``with`` block lasts.

    Parameters
    ----------
    script : what it answers; may be set anew at any time.
    latency : seconds an answer takes.
    max_inflight : more at once than this get a 429 with ``Retry-After: 1``.
    tls : serve HTTPS with this context.
    port : 0 for any that is free. Give a former server's to bring it back.

    Attributes
    ----------
    asked : all that was asked, in the order it came. ``count`` is how many.
    rejected, inflight, peak : 429s for ``max_inflight``; requests at work now, and at most.
    connections : how many were made; ``open`` how many are.
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
    ) -> None:
        self.script, self.latency, self.max_inflight = script, latency, max_inflight
        self.tls, self.host, self.port = tls, host, port
        self.reset()
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    def reset(self) -> None:
        self.asked: list[Asked] = []
        self.rejected = self.inflight = self.peak = 0

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
        """Drop everything, as a kill would. Harmless if it is down already."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = None
            self._loop.close()

    def close_idle(self) -> None:
        """Close all connections, as a server does that has waited long enough."""
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(10)

    async def _drop(self) -> None:
        for writer in list(self._writers):
            writer.close()

    def _main(self) -> None:
        self._loop.run_until_complete(self.serve())

    async def serve(self) -> None:
        """Serve until told to stop."""
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(
            self._connected, self.host, self.port, ssl=self.tls, limit=2**24, backlog=4096
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopping.wait()
        server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.02)  # for the transports to close their sockets

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        self._writers.add(writer)
        try:
            while await self._exchange(reader, writer, number):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass  # the client left, or the server is told to stop
        finally:
            self._writers.discard(writer)
            writer.transport.abort() if self.tls else writer.close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> bool:
        """Answer one request; whether the connection goes on."""
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
        now = time.perf_counter()
        asked = Asked(self.count, connection, method, path, headers, body, now)
        self.asked.append(asked)
        reply = self._reply(asked)
        if reply is None:
            self.rejected += 1
            crowd = Reply(429, error="Rate limit reached", headers={"Retry-After": "1"})
            return await self._send(writer, crowd)
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
        if reply.body is None and not reply.error:
            reply.body = completion(f"Answer to: {asked.prompt}")
        return await self._send(writer, reply) and headers.get("connection") != "close"

    def _reply(self, asked: Asked) -> Reply | None:
        """The reply to a request, or ``None`` for one too many at once."""
        if self.max_inflight is not None and self.inflight >= self.max_inflight:
            return None
        script = self.script
        if callable(script):
            script = script(asked)
        elif isinstance(script, Sequence):
            script = script[min(asked.number, len(script) - 1)]
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
        """End it at once. Harmless if it is down already."""
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
    """A port where nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def main() -> None:
    """Serve in this process until it is killed; the port is the first line of output."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--max-inflight", type=int)
    parser.add_argument("--slow-every", type=int, help="one in so many takes --slow-ms instead")
    parser.add_argument("--slow-ms", type=float, default=1000)
    parser.add_argument("--status", type=int, default=200, help="refuse everything with this one")
    given = parser.parse_args()

    def script(asked: Asked) -> Reply | None:
        if given.status != 200:
            return Reply(given.status, error="told to refuse")
        if given.slow_every and asked.number % given.slow_every == 0:
            return Reply(seconds=given.slow_ms / 1000)
        return None

    server = Server(
        script, latency=given.latency_ms / 1000, max_inflight=given.max_inflight, port=given.port
    )
    with server, suppress(KeyboardInterrupt):
        print(server.port, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
