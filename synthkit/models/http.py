"""HTTP/1.1 posts to one address, close to the wire: asyncio's transports, llhttp's parser.

A run makes thousands of small requests to one server, and the client's CPU is what limits it. A
post here costs about a third of one through a general client (``tests/benchmarks/endpoint.py``).
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

import httptools

MOST_BYTES = 64 * 2**20
"""Longest answer that is read."""


@dataclass(slots=True)
class Response:
    """An answer: status, headers by lower-case name, and the whole body."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Connection(asyncio.Protocol):
    """One connection, with one request at a time on it."""

    transport: Any

    def __init__(self) -> None:
        self.alive = True
        self._answer: asyncio.Future[Response] | None = None
        self._begin()

    def _begin(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.response = Response()
        self.parts: list[bytes] = []
        self.length = 0
        self.begun = False
        self.in_body = False

    async def ask(self, request: bytes) -> Response:
        """The answer to a request, given as the bytes to send."""
        self._begin()
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Drop the connection and whatever is under way on it."""
        self.alive = False
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self.begun = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"the answer is not HTTP: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        self.alive = False
        sized = {"content-length", "transfer-encoding"} & self.response.headers.keys()
        if self.in_body and not sized and error is None:
            self.on_message_complete()  # a body that ends with the connection
        reason = "in the middle of the answer" if self.begun else "without an answer"
        self._fail(ConnectionResetError(f"the server closed the connection {reason}"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self.response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self.response.status = self.parser.get_status_code()
        self.in_body = True

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self.parts.append(data)
        self.length += len(data)
        if self.length > MOST_BYTES:
            self._fail(ConnectionError(f"the answer is longer than {MOST_BYTES} bytes"))

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self.response.status < 200:
            return
        self.in_body = False
        self.alive = self.alive and self.parser.should_keep_alive()
        self.response.body = b"".join(self.parts)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self.response)

    def _fail(self, error: Exception) -> None:
        self.alive = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.transport.abort()


class Client:
    """Posts to one URL over as many connections as there are requests at once.

    Proxies are taken from the environment, as the ``openai`` SDK takes them.
    """

    def __init__(self, url: str, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        target = urlsplit(url)
        self.host = target.hostname or ""
        self.secure = target.scheme == "https"
        self.port = target.port or (443 if self.secure else 80)
        self.proxy = _proxy(target)
        self.idle: list[Connection] = []
        self.context = ssl.create_default_context() if self.secure else None
        path = (target.path or "/") + (f"?{urlencode(query)}" if query else "")
        given = {"Host": target.netloc.rpartition("@")[2], "User-Agent": "synthkit"} | dict(headers)
        if self.proxy is not None and not self.secure:
            path = f"http://{given['Host']}{path}"
            given |= _proxy_key(self.proxy)
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        self.head = "\r\n".join(lines).encode("latin-1") + b"\r\nContent-Length: "

    async def post(self, body: bytes, timeout: float) -> Response:
        """The answer to a body.

        Raises
        ------
        OSError
            If the connection fails or breaks off. ``TimeoutError``: after ``timeout`` seconds.
        """
        request = self.head + b"%d\r\n\r\n" % len(body) + body
        async with asyncio.timeout(timeout):
            while self.idle:
                connection = self.idle.pop()
                try:
                    if connection.alive:
                        return await self._ask(connection, request)
                except ConnectionResetError:
                    if connection.begun:
                        raise
                    # The server closed an idle connection as we wrote to it: take another.
            return await self._ask(await self._connect(), request)

    def close(self) -> None:
        """Close the idle connections."""
        while self.idle:
            self.idle.pop().close()

    async def _ask(self, connection: Connection, request: bytes) -> Response:
        try:
            response = await connection.ask(request)
        except BaseException:
            connection.close()
            raise
        if connection.alive:
            self.idle.append(connection)
        return response

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        if self.proxy is None:
            _, made = await loop.create_connection(
                Connection, self.host, self.port, ssl=self.context, happy_eyeballs_delay=0.25
            )
            return made
        _, made = await loop.create_connection(
            Connection, self.proxy.hostname or "", self.proxy.port or 8080
        )
        if self.context is not None:
            await self._tunnel(made, self.context)
        return made

    async def _tunnel(self, connection: Connection, context: ssl.SSLContext) -> None:
        """TLS through a proxy, by CONNECT."""
        assert self.proxy is not None
        where = f"{self.host}:{self.port}"
        lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
        lines += [f"{name}: {value}" for name, value in _proxy_key(self.proxy).items()]
        answer = await connection.ask("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
        if answer.status != 200:
            connection.close()
            raise ConnectionError(f"the proxy {self.proxy.hostname} answered {answer.status}")
        connection.transport = await asyncio.get_running_loop().start_tls(
            connection.transport, connection, context, server_hostname=self.host
        )


def _proxy(target: SplitResult) -> SplitResult | None:
    host = target.hostname or ""
    if host in {"localhost", "127.0.0.1", "::1"}:
        return None
    import urllib.request  # a third of the time it takes to get ready, and seldom needed

    if urllib.request.proxy_bypass(host):
        return None
    found = urllib.request.getproxies().get(target.scheme)
    return urlsplit(found if "//" in found else f"http://{found}") if found else None


def _proxy_key(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
