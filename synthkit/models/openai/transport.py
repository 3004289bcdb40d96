"""HTTP/1.1 requests to one address: asyncio transports and httptools, the parser of uvicorn.

This client is our own because none that was measured in its place keeps its behaviour and its
cost (``tests/benchmarks/endpoint.py``: 500 posts of 50 ms, 64 in flight, Python 3.11). CPU of a
post: 0.09 ms here, 0.13 ms with pyreqwest 0.15, 0.21 ms with aiohttp 3.14. Time of a run of
synthkit as a multiple of bare aiohttp: 1.3 here, 1.2 with pyreqwest, 2.0 with aiohttp (1.5 without
its import, which takes 0.13 s of CPU). pyreqwest leaves cancelled requests running at the server,
rejects self-signed certificates (rustls: CaUsedAsEndEntity), and aborted 5 of 80 processes as they
exited. aiohttp takes a message that arrives on an idle connection for the next response.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

import httptools

from synthkit.core.errors import UsageError

MAX_BYTES = 32 * 2**20
"""Longest response body that is read."""
MAX_OTHER_BYTES = 2**20
"""Most bytes of a response besides its body: interim responses, headers and trailers."""
CONNECT_SECONDS = 15.0
"""Longest wait for a connection, TLS included; a response may take far longer."""


class StaleConnection(ConnectionResetError):
    """A kept connection closed without a response, so the server may not have seen the request."""


class BodyTooLong(ConnectionError):
    """A response is longer than :data:`MAX_BYTES`, or too long besides its body."""


@dataclass(slots=True)
class Response:
    """A response: its status, headers by lower-case name, and whole body."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Connection(asyncio.Protocol):
    """One connection, which carries one request at a time."""

    transport: Any

    def __init__(self) -> None:
        self.alive = True
        self._begin(tunnel=False)
        self._answer.cancel()  # nothing is awaited yet

    def _begin(self, tunnel: bool) -> None:
        self._answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.parser = httptools.HttpResponseParser(self)
        self.response = Response()
        self.parts: list[bytes] = []
        self.length = 0
        self.received = 0
        self.begun = False
        self.in_body = False
        self.tunnel = tunnel

    async def send(self, request: bytes, *, tunnel: bool = False) -> Response:
        """The response to a request, given as the bytes to send.

        The response that opens a ``tunnel`` ends with its headers; another protocol follows.
        """
        self._begin(tunnel)
        self.transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close the connection at once, and with it the request in flight."""
        self.alive = False
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self._answer.done():
            self.close()  # unrequested data must not become the next response
            return
        self.begun = True
        self.received += len(data)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionError(f"the response is not HTTP: {error}"))
            return
        # small chunks take a few times as many bytes as the part of the body in them
        if self.received > MAX_OTHER_BYTES + 8 * self.length:
            self._fail(
                BodyTooLong(f"the response has more than {MAX_OTHER_BYTES} bytes of headers")
            )

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        self.alive = False
        sized = {"content-length", "transfer-encoding"} & self.response.headers.keys()
        if self.in_body and not sized and error is None:
            self.on_message_complete()  # a body that ends with the connection
        reason = "in the middle of the response" if self.begun else "without a response"
        self._fail(ConnectionResetError(f"the server closed the connection {reason}"))

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self._answer.done():
            self.alive = False  # a second response to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        if self.in_body:
            return  # a trailer, of which nobody asks
        self.response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self.response.status = self.parser.get_status_code()
        self.in_body = True
        if int(self.response.headers.get("content-length", 0)) > MAX_BYTES:
            self._fail(BodyTooLong(f"the response is longer than {MAX_BYTES} bytes"))
        elif self.tunnel and self.response.status >= 200:
            self._done()

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self.parts.append(data)
        self.length += len(data)
        if self.length > MAX_BYTES:
            self.parts.clear()
            self._fail(BodyTooLong(f"the response is longer than {MAX_BYTES} bytes"))

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self.response.status < 200:
            self.response = Response()  # an interim response; the final one follows
            self.in_body = False
            return
        self.alive = self.alive and self.parser.should_keep_alive()
        self._done()

    def _done(self) -> None:
        self.in_body = False
        try:
            self.response.body = self._decoded(b"".join(self.parts))
        except (zlib.error, ValueError) as error:
            self._fail(ConnectionError(f"the response cannot be decompressed: {error}"))
        if not self._answer.done():
            self._answer.set_result(self.response)
        self.response = Response()

    def _decoded(self, body: bytes) -> bytes:
        """A body without its compression, which some proxies use unasked."""
        if self.response.headers.get("content-encoding", "").lower() not in ("gzip", "deflate"):
            return body
        stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # of either kind
        whole = stream.decompress(body, MAX_BYTES)
        if not stream.eof:
            raise ValueError("it is cut, or longer than expected")
        return whole

    def _fail(self, error: Exception) -> None:
        self.alive = False
        if not self._answer.done():
            self._answer.set_exception(error)
        self.transport.abort()


class Client:
    """Requests to one URL, by one method, over as many connections as there are requests at once.

    The proxy comes from the environment, as in the ``openai`` SDK; loopback addresses need none.

    Raises
    ------
    UsageError
        If the environment names a proxy that is not an ``http://`` one.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        *,
        method: str = "POST",
    ) -> None:
        target = urlsplit(url)
        self.host = target.hostname or ""
        self.secure = target.scheme == "https"
        self.port = target.port or (443 if self.secure else 80)
        self.proxy = _proxy(target)
        self.idle: list[Connection] = []
        self.context = ssl.create_default_context() if self.secure else None
        path = (target.path or "/") + (f"?{urlencode(query)}" if query else "")
        headers = merge_headers({"Host": target.netloc, "User-Agent": "synthkit"}, headers)
        if self.proxy is not None and not self.secure:
            path = f"http://{target.netloc}{path}"
            headers |= _proxy_key(self.proxy)
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self.head = "\r\n".join(lines).encode("latin-1") + b"\r\nContent-Length: "

    async def post(
        self,
        body: bytes,
        timeout: float,
        *,
        fresh: bool = False,
        sending: Callable[[], None] = lambda: None,
    ) -> Response:
        """The response to a body, over a kept connection, or over a ``fresh`` one.

        Parameters
        ----------
        sending : is called whenever the request is sent, once there is a connection.

        Raises
        ------
        OSError
            If the connection fails or breaks off. ``TimeoutError``: after ``timeout`` seconds.
            ``StaleConnection``: a kept connection closed without a byte of response, as it does
            when the server's idle timeout ends; try a fresh one.
        """
        request = self.head + b"%d\r\n\r\n" % len(body) + body
        async with asyncio.timeout(timeout):
            while self.idle and not fresh:
                connection = self.idle.pop()
                if not connection.alive:
                    continue
                try:
                    return await self._send(connection, request, sending)
                except ConnectionResetError as error:
                    if connection.begun:
                        raise
                    raise StaleConnection(str(error)) from None
            return await self._send(await self._connect(), request, sending)

    def close(self) -> None:
        """Close the idle connections."""
        while self.idle:
            self.idle.pop().close()

    async def _send(
        self, connection: Connection, request: bytes, sending: Callable[[], None]
    ) -> Response:
        sending()
        try:
            response = await connection.send(request)
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
            # the race between the addresses of a name may lose a socket if it is cancelled
            is_address = ":" in self.host or self.host[-1:].isdigit()
            delay = None if is_address else 0.25
            _, connection = await loop.create_connection(
                Connection, self.host, self.port, ssl=self.context, happy_eyeballs_delay=delay
            )
            return connection
        _, connection = await loop.create_connection(
            Connection, self.proxy.hostname or "", self.proxy.port or 80
        )
        if self.context is not None:
            try:
                await self._tunnel(connection, self.proxy, self.context)
            except BaseException:
                connection.close()
                raise
        return connection

    async def _tunnel(
        self, connection: Connection, proxy: SplitResult, context: ssl.SSLContext
    ) -> None:
        """Start TLS through a proxy, by CONNECT."""
        where = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
        lines += [f"{name}: {value}" for name, value in _proxy_key(proxy).items()]
        request = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        response = await connection.send(request, tunnel=True)
        if response.status != 200:
            raise ConnectionError(f"the proxy {proxy.hostname} answered {response.status}")
        connection.transport = await asyncio.get_running_loop().start_tls(
            connection.transport, connection, context, server_hostname=self.host
        )


def merge_headers(*mappings: Mapping[str, str]) -> dict[str, str]:
    """Headers of several mappings, compared without regard to case; later ones win.

    >>> merge_headers({"User-Agent": "a", "Accept": "b"}, {"user-agent": "c"})
    {'user-agent': 'c', 'Accept': 'b'}
    """
    headers: dict[str, tuple[str, str]] = {}
    for mapping in mappings:
        headers |= {name.lower(): (name, value) for name, value in mapping.items()}
    return dict(headers.values())


def _proxy(target: SplitResult) -> SplitResult | None:
    host = target.hostname or ""
    if host in {"localhost", "127.0.0.1", "::1"}:
        return None
    import urllib.request  # slow to import, and seldom needed

    if urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    setting = proxies.get(target.scheme) or proxies.get("all")
    if not setting:
        return None
    proxy = urlsplit(setting if "//" in setting else f"http://{setting}")
    if proxy.scheme != "http":
        raise UsageError(
            f"the proxy for {target.scheme}://{host} is a {proxy.scheme}:// one; only http:// "
            "proxies are supported. Change the environment's proxy, or add the host to NO_PROXY."
        )
    return proxy


def _proxy_key(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
