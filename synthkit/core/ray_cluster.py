"""A Ray cluster: joined by its address, or started on this machine; quiet, without telemetry.

Ray keeps one connection for each process. Work that is spread over a cluster calls :func:`join`
first, so that everything in a notebook shares that connection.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from synthkit.core.errors import ClusterError, UsageError
from synthkit.core.extras import need

DEFAULTS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ray ends the process of a driver whose head has been gone for a minute: the notebook's kernel
    "RAY_gcs_rpc_server_reconnect_timeout_s": str(30 * 24 * 3600),
}
"""Environment variables for Ray, unless the user has set them: no usage statistics are sent."""
STARTS = 2
"""Tries to start a cluster: on a busy machine, Ray gives its own processes too little time, and
their files are in memory the second time."""
ANSWER_SECONDS, JOIN_SECONDS = 1.0, 10.0
"""How long an address may take to accept a connection; Ray itself tries for half a minute."""

_lock = threading.Lock()
_joined = ""
"""The address that :func:`join` used for the present connection; empty if there is none."""


def join(
    address: str | None = None,
    *,
    cpus: int | None = None,
    gpus: int | None = None,
    object_store: int | None = None,
) -> ModuleType:
    """The module ``ray``, connected to a cluster.

    A connection that the process has already is used, also one that the notebook made by
    ``ray.init``. One whose head has ended is given up for a new one.

    Parameters
    ----------
    address : ``"HOST:PORT"`` of the head, ``"auto"`` for the cluster that this machine belongs to,
        ``"local"`` for a new one on this machine, which ends with this process; by default what
        the environment variable ``RAY_ADDRESS`` names, else ``"local"``.
    cpus, gpus : of a cluster that is started; by default those of this machine.
    object_store : bytes of memory for objects of a cluster that is started; Ray's default is 30% of
        the memory.

    Raises
    ------
    MissingExtra
        If ray is not installed.
    ClusterError
        If no cluster answers at the address, or none can be started.
    UsageError
        If this process is connected to another cluster.
    """
    global _joined
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    with _lock, _handlers_kept():
        ray = need("ray", extra="ray", why="to spread work over a cluster")
        if ray.is_initialized() and _joined and not is_alive():
            _leave(ray)
        if ray.is_initialized():
            _check_same(ray, address)
            return ray
        where = address or os.environ.get("RAY_ADDRESS") or "local"
        sizes = {"num_cpus": cpus, "num_gpus": gpus, "object_store_memory": object_store}
        _connect(ray, where, sizes)
        _joined = where
    return ray


def leave() -> None:
    """Close the connection that :func:`join` made; a cluster that it started ends."""
    with _lock:
        if _joined:
            _leave(need("ray", extra="ray", why="to spread work over a cluster"))


def is_alive() -> bool:
    """Whether the head of the cluster answers, and counts this machine as one of its nodes."""
    import ray

    context = ray.get_runtime_context()
    if not _answers(context.gcs_address, ANSWER_SECONDS):
        return False
    own = context.get_node_id()
    return any(node["Alive"] and node["NodeID"] == own for node in ray.nodes())


def _answers(address: str, seconds: float) -> bool:
    """Whether something takes connections at ``HOST:PORT``."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()
    except (OSError, ValueError):
        return False
    return True


def _leave(ray: ModuleType) -> None:
    global _joined
    _joined = ""
    ray.shutdown()


def _check_same(ray: ModuleType, address: str | None) -> None:
    present = ray.get_runtime_context().gcs_address
    if address not in (None, "auto", _joined, present):
        raise UsageError(
            f"expected the Ray cluster at {address!r}, but this process is connected to the one at "
            f"{present}, and Ray allows one at a time. Call ray.shutdown() before, or leave the "
            "address out."
        )


def _connect(ray: ModuleType, where: str, sizes: dict[str, int | None]) -> None:
    if ":" in where and "://" not in where and not _answers(where, JOIN_SECONDS):
        raise ClusterError(_message(where, TimeoutError("nothing answers there")))
    options: dict[str, Any] = {"address": where, "log_to_driver": False, "logging_level": "error"}
    if where == "local":
        options |= {"include_dashboard": False} | sizes
    for left in reversed(range(STARTS if where == "local" else 1)):
        try:
            ray.init(**options)
            return
        except Exception as error:  # Ray raises plain exceptions as well
            ray.shutdown()
            if not left:
                raise ClusterError(_message(where, error)) from error


def _message(where: str, error: Exception) -> str:
    reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    if where == "local":
        return (
            f"Ray could not be started on this machine ({reason}). A busy machine may need "
            'more time: start it in a terminal, "ray start --head", and use address="auto".'
        )
    return (
        f"no Ray cluster can be joined at {where!r} ({reason}). Expected HOST:PORT of its head, "
        'with the same versions of Ray and Python; "ray status" in a terminal of a node '
        "tells whether it runs. Without an address, one is started on this machine."
    )


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Keep what this process does with errors and on SIGTERM: Ray puts its own handlers there.

    Its handler of errors tells the head, and never ends where the head is gone.
    """
    hook = sys.excepthook
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM) if in_main else None
    try:
        yield
    finally:
        sys.excepthook = hook
        if in_main:
            signal.signal(signal.SIGTERM, before)
