"""The transport against a stand-in server: framing, kept connections, TLS, proxies."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import socket
import ssl
import subprocess
import time
import zlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.models.openai import transport
from synthkit.models.openai.transport import BodyTooLong, Client, Response, StaleConnection
from tests.server import Asked, Reply, Server, completion, free_port

ASK = b'{"messages": [{"role": "user", "content": "hello"}]}'


def use(
    server_url: str, steps: Callable[[Client], Coroutine[Any, Any, Any]], **headers: str
) -> Any:
    """What ``steps`` returns, given a client that is closed afterwards."""

    async def main() -> Any:
        client = Client(server_url + "/chat/completions", headers, {})
        try:
            return await steps(client)
        finally:
            client.close()

    return asyncio.run(main())


def ask(server: Server, timeout: float = 10.0) -> Response:
    return use(server.base_url, lambda client: client.post(ASK, timeout))


def text(response: Response) -> str:
    return str(json.loads(response.body)["choices"][0]["message"]["content"])


@pytest.mark.parametrize("how", ["whole", "chunked", "until close", "drip", "silent close"])
def test_a_body_arrives_whole_however_it_is_framed(how: Any) -> None:
    with Server(Reply(how=how, body=completion("wörm " * 50))) as server:
        answer = ask(server)
    assert (answer.status, text(answer)) == (200, "wörm " * 50)


@pytest.mark.parametrize("how", ["gzip", "deflate"])
def test_a_body_that_is_compressed_unasked_is_read(how: str) -> None:
    whole = json.dumps(completion("wörm " * 50)).encode()
    compressed = (gzip if how == "gzip" else zlib).compress(whole)
    headers = {"Content-Encoding": how}
    with Server(Reply(body=compressed, headers=headers)) as server:
        assert text(ask(server)) == "wörm " * 50
    for broken in (compressed[:-9], whole, gzip.compress(b" " * (transport.MAX_BYTES + 1))):
        with (
            Server(Reply(body=broken, headers=headers)) as server,
            pytest.raises(ConnectionError, match="cannot be decompressed"),
        ):
            ask(server)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(how="cut"), "in the middle of the response"),
        (Reply(how="headers"), "in the middle of the response"),
        (Reply(how="nothing"), "without a response"),
        (Reply(how="raw", body=b"SSH-2.0-OpenSSH_9\r\n"), "not HTTP"),
        (Reply(how="raw", body=b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), "not HTTP"),
        (
            Reply(
                how="raw",
                body=b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi",
            ),
            "not HTTP",
        ),
        (
            Reply(how="raw", body=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            "in the middle of the response",
        ),
    ],
)
def test_a_broken_answer_is_an_oserror_that_says_how(reply: Reply, words: str) -> None:
    with Server(reply) as server, pytest.raises(ConnectionError, match=words):
        ask(server)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LINES = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 5000) for n in range(600))
FLOODS = {
    "headers": b"HTTP/1.1 200 OK\r\n" + LINES,
    "one header": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 3_000_000,
    "interim responses": b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,
    "a chunk's extension": CHUNKED + b"1;" + b"a" * 3_000_000,
    "trailers": CHUNKED + b"2\r\n{}\r\n0\r\n" + LINES,
    "no status line": b"y" * 3_000_000,
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_besides_the_body_is_cut_off(name: str) -> None:
    with (
        Server(Reply(how="raw", body=FLOODS[name] * 10)) as server,
        pytest.raises(ConnectionError, match=r"bytes of headers|not HTTP"),
    ):
        ask(server)


def test_a_body_in_chunks_of_one_byte_is_no_flood() -> None:
    body = json.dumps(completion("x" * 300_000)).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    with Server(Reply(how="raw", body=CHUNKED + chunks)) as server:
        assert text(ask(server)) == "x" * 300_000


def test_interim_answers_are_passed_over() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nX-Interim: yes\r\n\r\n"
    proper = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with Server(Reply(how="raw", body=interim + proper)) as server:
        answer = ask(server)
    assert (answer.status, answer.body, answer.headers) == (200, b"ok", {"content-length": "2"})


def test_ten_megabytes_arrive() -> None:
    with Server(Reply(body=completion("x" * 10_000_000))) as server:
        assert len(text(ask(server))) == 10_000_000


@pytest.mark.parametrize("how", ["whole", "until close"])
def test_an_answer_past_the_limit_is_dropped_early(how: Any) -> None:
    with Server(Reply(how=how, body=b"x" * 100_000_000)) as server, pytest.raises(BodyTooLong):
        ask(server)


def test_no_answer_in_time_is_a_timeout() -> None:
    with Server(Reply(how="hang")) as server, pytest.raises(TimeoutError):
        ask(server, timeout=0.1)


def test_no_connection_in_time_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.1)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        crowd = [socket.socket() for _ in range(4)]
        for sock in crowd:  # the backlog is full: further connections wait
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        with pytest.raises(TimeoutError, match="no connection to"):
            use(url, lambda client: client.post(ASK, 10.0))
        for sock in crowd:
            sock.close()


def test_connections_are_kept_and_used_again() -> None:
    async def steps(client: Client) -> None:
        for _ in range(5):
            await asyncio.gather(*(client.post(ASK, 10.0) for _ in range(4)))

    with Server(latency=0.02) as server:
        use(server.base_url, steps)
    assert (server.count, server.connections) == (20, 4)


@pytest.mark.parametrize(
    "reply", [Reply(headers={"Connection": "close"}), Reply(how="until close")]
)
def test_a_connection_that_the_server_ends_is_not_used_again(reply: Reply) -> None:
    async def steps(client: Client) -> int:
        for _ in range(3):
            await client.post(ASK, 10.0)
        return len(client.idle)

    with Server(reply) as server:
        assert use(server.base_url, steps) == 0
    assert server.connections == 3


def test_a_kept_connection_that_the_server_closed_is_replaced() -> None:
    async def steps(client: Client) -> None:
        await client.post(ASK, 10.0)
        await asyncio.to_thread(server.close_idle)
        await asyncio.sleep(0.05)
        await client.post(ASK, 10.0)

    with Server() as server:
        use(server.base_url, steps)
    assert (server.count, server.connections) == (2, 2)


def test_a_kept_connection_closed_as_it_is_written_to_is_stale_and_a_fresh_one_serves() -> None:
    async def steps(client: Client) -> Response:
        await client.post(ASK, 10.0)
        with pytest.raises(StaleConnection):
            await client.post(ASK, 10.0)
        return await client.post(ASK, 10.0, fresh=True)

    with Server([None, Reply(how="nothing"), None]) as server:
        assert use(server.base_url, steps).status == 200
    assert [asked.connection for asked in server.asked] == [0, 0, 1]


def test_an_answer_nobody_asked_for_is_not_taken_for_the_next_one() -> None:
    async def steps(client: Client) -> list[str]:
        bodies = [ASK.replace(b"hello", word) for word in (b"one", b"two", b"three")]
        return [text(await client.post(body, 10.0)) for body in bodies]

    with Server(lambda r: Reply(how="twice" if r.prompt == "one" else "whole")) as server:
        answers = use(server.base_url, steps)
    assert answers == ["Answer to: one", "Answer to: two", "Answer to: three"]


def test_a_farewell_on_an_idle_connection_is_not_taken_for_an_answer() -> None:
    farewell = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 3\r\n\r\nbye"
    ordinary = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hello")
        writer.write(ordinary)
        await asyncio.sleep(0.05)
        writer.write(farewell)
        await reader.read()
        writer.close()

    async def main() -> list[bytes]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = Client(f"http://127.0.0.1:{port}/", {}, {})
        bodies = []
        for _ in range(2):
            bodies.append((await client.post(ASK, 10.0)).body)
            await asyncio.sleep(0.1)
        client.close()
        server.close()
        await asyncio.sleep(0.01)
        return bodies

    assert asyncio.run(main()) == [b"ok", b"ok"]


def test_ipv6_loopback_is_reached() -> None:
    with Server(host="::1") as server:
        assert ask(server).status == 200
        assert server.asked[0].headers["host"] == f"[::1]:{server.port}"


def test_a_name_is_looked_up() -> None:
    with Server() as server:
        url = server.base_url.replace("127.0.0.1", "localhost")
        assert use(url, lambda client: client.post(ASK, 10.0)).status == 200


def test_headers_given_replace_ours_whatever_their_case() -> None:
    with Server() as server:
        headers = {"user-agent": "mine", "HOST": "elsewhere"}
        use(server.base_url, lambda client: client.post(ASK, 10.0), **headers)
    sent = server.asked[0].headers
    assert (sent["user-agent"], sent["host"]) == ("mine", "elsewhere")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and for api.test, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    names = "subjectAltName=IP:127.0.0.1,DNS:api.test"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=stand-in"]
    command += ["-addext", names, "-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_https_is_spoken_to_a_certificate_named_in_ssl_cert_file(
    certificate: tuple[Path, Path], tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps(client: Client) -> list[str]:
        return [text(await client.post(ASK, 10.0)) for _ in range(2)]

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with Server(tls=tls) as server:
        assert use(server.base_url, steps) == ["Answer to: hello"] * 2
    assert server.connections == 1


def test_a_certificate_nobody_vouches_for_is_refused(tls: ssl.SSLContext) -> None:
    with Server(tls=tls) as server, pytest.raises(ssl.SSLCertVerificationError):
        ask(server)
    assert server.count == 0


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the environment's proxies, and clears what it had."""

    def set_proxies(**proxies: str) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        for name, value in proxies.items():
            monkeypatch.setenv(name, value)

    return set_proxies


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_http_goes_through_the_environments_proxy(name: str, proxied: Callable[..., None]) -> None:
    with Server() as proxy:
        proxied(**{name: f"http://user:p%40ss@127.0.0.1:{proxy.port}"})
        use("http://api.test:81/v1", lambda client: client.post(ASK, 10.0))
    asked = proxy.asked[0]
    assert asked.path == "http://api.test:81/v1/chat/completions"
    assert asked.headers["host"] == "api.test:81"
    given = base64.b64decode(asked.headers["proxy-authorization"].removeprefix("Basic "))
    assert given == b"user:p@ss"


def test_no_proxy_and_loopback_go_straight(proxied: Callable[..., None]) -> None:
    proxied(HTTP_PROXY=f"http://127.0.0.1:{free_port()}", NO_PROXY="api.test")
    assert Client("http://api.test/v1", {}, {}).proxy is None
    assert Client("http://other.test/v1", {}, {}).proxy is not None
    with Server() as server:
        assert ask(server).status == 200


def test_a_proxy_of_another_kind_is_named(proxied: Callable[..., None]) -> None:
    proxied(ALL_PROXY="socks5://127.0.0.1:1080")
    with pytest.raises(UsageError, match=r"socks5:// one.*NO_PROXY"):
        Client("http://api.test/v1", {}, {})


class Tunnels:
    """A proxy that answers CONNECT, and then passes bytes on to one place, whatever was asked."""

    def __init__(self, port: int, answer: bytes) -> None:
        self.port, self.answer, self.heads = port, answer, list[bytes]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                target.write(data)
            target.close()

        try:
            await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
        except ConnectionError:
            pass  # the client dropped its end
        finally:
            far_writer.close()
            writer.close()


def through(tunnels: Tunnels, proxied: Callable[..., None]) -> list[str]:
    """What two requests to https://api.test are answered through the proxy."""

    async def main() -> list[str]:
        proxy = await asyncio.start_server(tunnels.serve, "127.0.0.1", 0)
        port = proxy.sockets[0].getsockname()[1]
        proxied(HTTPS_PROXY=f"http://user:secret@127.0.0.1:{port}")
        client = Client("https://api.test/v1/chat/completions", {"Authorization": "Bearer k"}, {})
        try:
            return [text(await client.post(ASK, 5.0)) for _ in range(2)]
        finally:
            client.close()
            proxy.close()
            await asyncio.sleep(0.05)

    return asyncio.run(main())


def test_https_goes_through_a_tunnel_of_the_proxy(
    certificate: tuple[Path, Path],
    tls: ssl.SSLContext,
    proxied: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with Server(tls=tls) as server:
        tunnels = Tunnels(server.port, b"HTTP/1.1 200 Connection established\r\n\r\n")
        assert through(tunnels, proxied) == ["Answer to: hello"] * 2
    (head,) = tunnels.heads
    assert head.startswith(b"CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in head
    assert b"Bearer" not in head
    assert server.asked[0].path == "/v1/chat/completions"


def test_a_proxy_that_refuses_a_tunnel_is_named(
    tls: ssl.SSLContext, proxied: Callable[..., None]
) -> None:
    with Server(tls=tls) as server:
        tunnels = Tunnels(server.port, b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
        with pytest.raises(ConnectionError, match=r"the proxy 127.0.0.1 answered 407") as caught:
            through(tunnels, proxied)
    assert "secret" not in str(caught.value)


def test_cancelling_a_request_drops_its_connection() -> None:
    async def steps(client: Client) -> None:
        task = asyncio.ensure_future(client.post(ASK, 10.0))
        while not server.count:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    def script(request: Asked) -> Reply:
        return Reply(how="hang")

    with Server(script) as server:
        use(server.base_url, steps)
        until = time.monotonic() + 5
        while server.open and time.monotonic() < until:
            time.sleep(0.01)
        assert server.open == 0
