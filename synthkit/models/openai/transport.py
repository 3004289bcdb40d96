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

from synthkit.core.errors import UsageError

MOST_BYTES = 32 * 2**20
"""Longest answer that is read."""
CONNECT_SECONDS = 15.0
"""Longest wait for a connection, TLS included; an answer may take far longer."""


class Stale(ConnectionResetError):
    """A kept connection that the server closed, it seems, before it saw the request."""


class TooLong(ConnectionError):
    """An answer longer than what is read."""


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
        self._begin(tunnel=False)

    def _begin(self, tunnel: bool) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.response = Response()
        self.parts: list[bytes] = []
        self.length = 0
        self.begun = False
        self.in_body = False
        self.tunnel = tunnel

    async def ask(self, request: bytes, *, tunnel: bool = False) -> Response:
        """The answer to a request, given as the bytes to send.

        The answer that opens a ``tunnel`` ends with its headers: what follows is another protocol.
        """
        self._begin(tunnel)
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
        if self._answer is None or self._answer.done():
            self.close()  # what nobody asked for must not become the next request's answer
            return
        self.begun = True
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionError(f"the answer is not HTTP: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        self.alive = False
        sized = {"content-length", "transfer-encoding"} & self.response.headers.keys()
        if self.in_body and not sized and error is None:
            self.on_message_complete()  # a body that ends with the connection
        reason = "in the middle of the answer" if self.begun else "without an answer"
        self._fail(ConnectionResetError(f"the server closed the connection {reason}"))

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self._answer is not None and self._answer.done():
            self.alive = False  # a second answer to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self.response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self.response.status = self.parser.get_status_code()
        self.in_body = True
        if int(self.response.headers.get("content-length", 0)) > MOST_BYTES:
            self._fail(TooLong(f"the answer is longer than {MOST_BYTES} bytes"))
        elif self.tunnel and self.response.status >= 200:
            self._done()

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self.parts.append(data)
        self.length += len(data)
        if self.length > MOST_BYTES:
            self.parts.clear()
            self._fail(TooLong(f"the answer is longer than {MOST_BYTES} bytes"))

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self.response.status < 200:
            self.response = Response()  # the answer proper is still to come
            return
        self.alive = self.alive and self.parser.should_keep_alive()
        self._done()

    def _done(self) -> None:
        self.in_body = False
        self.response.body = b"".join(self.parts)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self.response)
        self.response = Response()

    def _fail(self, error: Exception) -> None:
        self.alive = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.transport.abort()


class Client:
    """Posts to one URL over as many connections as there are requests at once.

    Proxies are taken from the environment, as the ``openai`` SDK takes them; loopback addresses
    need none.

    Raises
    ------
    UsageError
        If the environment names a proxy that is not reached by plain HTTP.
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
        given = merged({"Host": target.netloc, "User-Agent": "synthkit"}, headers)
        if self.proxy is not None and not self.secure:
            path = f"http://{target.netloc}{path}"
            given |= _proxy_key(self.proxy)
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        self.head = "\r\n".join(lines).encode("latin-1") + b"\r\nContent-Length: "

    async def post(self, body: bytes, timeout: float, *, fresh: bool = False) -> Response:
        """The answer to a body, over a kept connection unless it must be a ``fresh`` one.

        Raises
        ------
        OSError
            If the connection fails or breaks off. ``TimeoutError``: after ``timeout`` seconds.
            ``Stale``: a kept connection was closed without a byte of answer, which is how a server
            that tires of waiting looks; a fresh one may do.
        """
        request = self.head + b"%d\r\n\r\n" % len(body) + body
        async with asyncio.timeout(timeout):
            while self.idle and not fresh:
                connection = self.idle.pop()
                if not connection.alive:
                    continue
                try:
                    return await self._ask(connection, request)
                except ConnectionResetError as error:
                    if connection.begun:
                        raise
                    raise Stale(str(error)) from None
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
        else:
            connection.close()
        return response

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._open()
        except TimeoutError:
            where = f"{self.host}:{self.port}"
            raise TimeoutError(f"no connection to {where} in {CONNECT_SECONDS:g} s") from None

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        if self.proxy is None:
            _, made = await loop.create_connection(
                Connection, self.host, self.port, ssl=self.context, happy_eyeballs_delay=0.25
            )
            return made
        _, made = await loop.create_connection(
            Connection, self.proxy.hostname or "", self.proxy.port or 80
        )
        if self.context is not None:
            try:
                await self._tunnel(made, self.proxy, self.context)
            except BaseException:
                made.close()
                raise
        return made

    async def _tunnel(
        self, connection: Connection, proxy: SplitResult, context: ssl.SSLContext
    ) -> None:
        """TLS through a proxy, by CONNECT."""
        where = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
        lines += [f"{name}: {value}" for name, value in _proxy_key(proxy).items()]
        request = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        answer = await connection.ask(request, tunnel=True)
        if answer.status != 200:
            raise ConnectionError(f"the proxy {proxy.hostname} answered {answer.status}")
        connection.transport = await asyncio.get_running_loop().start_tls(
            connection.transport, connection, context, server_hostname=self.host
        )


def merged(*given: Mapping[str, str]) -> dict[str, str]:
    """Headers from several mappings, whose names differ in more than case; later ones win.

    >>> merged({"User-Agent": "a", "Accept": "b"}, {"user-agent": "c"})
    {'user-agent': 'c', 'Accept': 'b'}
    """
    headers: dict[str, tuple[str, str]] = {}
    for mapping in given:
        headers |= {name.lower(): (name, value) for name, value in mapping.items()}
    return dict(headers.values())


def _proxy(target: SplitResult) -> SplitResult | None:
    host = target.hostname or ""
    if host in {"localhost", "127.0.0.1", "::1"}:
        return None
    import urllib.request  # a third of the time it takes to get ready, and seldom needed

    if urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    found = proxies.get(target.scheme) or proxies.get("all")
    if not found:
        return None
    proxy = urlsplit(found if "//" in found else f"http://{found}")
    if proxy.scheme != "http":
        raise UsageError(
            f"the proxy for {target.scheme}://{host} is a {proxy.scheme}:// one, and only http:// "
            "ones are spoken; change the environment's proxy, or put the host into NO_PROXY."
        )
    return proxy


def _proxy_key(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
