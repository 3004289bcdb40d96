"""A class's server in a thread of this process, which ends with it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

from synthkit.core.errors import UsageError, check_positive
from synthkit.models.openai.model import Endpoint
from synthkit.sessions.classroom.assignment import checked_names
from synthkit.sessions.classroom.endpoint.proxy import serve
from synthkit.sessions.classroom.endpoint.room import TEACHER, Room
from synthkit.sessions.classroom.endpoint.tokens import tokens_of
from synthkit.sessions.classroom.endpoint.turns import Turns
from synthkit.sessions.classroom.room import PORTS


def open_room(
    model: Endpoint, students: Sequence[str], *, cap: int = 200, at_once: int | None = None
) -> Room:
    """A class that may ask a model.

    Parameters
    ----------
    cap : the most requests of each student.
    at_once : requests that are under way at the server at the same time; that of the model if not
        given.

    Raises
    ------
    UsageError
        If a name occurs twice or is the teacher's, or a number is below 1.
    """
    check_positive(cap=cap, at_once=at_once)
    names = checked_names(students)
    if TEACHER in names:
        raise UsageError(f"{TEACHER!r} is the name beside the token without a cap; choose another.")
    tokens = tokens_of([TEACHER, *names], model.server.api_key)
    return Room(model, cap, tokens, Turns(at_once or model.concurrency))


class Serving:
    """A server that answers until it is stopped.

    Parameters
    ----------
    host : the address to listen at; all addresses of this machine by default.
    port : the first free one of :data:`~synthkit.sessions.classroom.room.PORTS` by default.

    Raises
    ------
    UsageError
        If the port is taken.
    """

    def __init__(self, room: Room, *, host: str = "", port: int | None = None) -> None:
        self.room, self.host = room, host
        self._socket = listening(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._main, name="synthkit-class", daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        """The address that students give."""
        return f"http://{self.host or _own_address()}:{self.port}/v1"

    @property
    def line(self) -> str:
        """The line with which a student loads the model."""
        model = self.room.model
        return (
            f"%synth model class_model openai:{model.name} --base-url {self.base_url} "
            f"--proxy-of {model.server.origin} --ask-key"
        )

    def stop(self) -> None:
        """Stop answering, and end the thread. Doing it twice does nothing."""
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def wait(self) -> None:
        """Wait until it is stopped."""
        while self._thread.is_alive():
            self._thread.join(1.0)

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(serve(self.room, self._socket, self._stopping))
        finally:
            self._loop.close()


def listening(host: str, port: int | None) -> socket.socket:
    """A socket that listens at a port, or at the first free one.

    Raises
    ------
    UsageError
        If no port can be used.
    """
    for each in PORTS if port is None else {port} & set(range(1 << 16)):
        with suppress(OSError):
            server = socket.create_server((host, each), backlog=1024)
            server.setblocking(False)
            return server
    which = f"port {port}" if port is not None else f"a port from {PORTS[0]} to {PORTS[-1]}"
    raise UsageError(f"{which} cannot be used at {host or 'this machine'}; give another: --port N.")


def _own_address() -> str:
    """The address of this machine in its network; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return "127.0.0.1"
