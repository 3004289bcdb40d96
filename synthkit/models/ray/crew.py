"""The workers of a model on a Ray cluster: actors that stay between the runs."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from synthkit.core.errors import ClusterError
from synthkit.core.models import Model
from synthkit.models.ray.host import Host

CALLS = 32
"""Calls that a worker takes at a time: each run waits in one of them."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What each worker needs.

    Parameters
    ----------
    cpus, gpus : as Ray counts them; half a GPU is 0.5.
    runtime_env : Ray's description of the environment on the nodes.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    runtime_env: Mapping[str, Any] | None = None


@dataclass(eq=False, slots=True)
class Member:
    """A worker: an actor that holds the model."""

    name: str
    actor: Any = field(repr=False)
    node: str = ""
    is_ready: bool = False


class Crew:
    """Actors that each hold a model; one that died is replaced.

    Parameters
    ----------
    ray : the module, connected to a cluster.
    load : makes the model, on the node.

    Raises
    ------
    ClusterError
        If no node of the cluster has what a worker needs.
    """

    def __init__(
        self, ray: ModuleType, load: Callable[[], Model], *, workers: int, needs: Needs
    ) -> None:
        self.ray, self.connection = ray, connection(ray)
        _check_room(ray, needs)
        self._host = ray.remote(Host).options(
            num_cpus=needs.cpus,
            num_gpus=needs.gpus,
            max_concurrency=CALLS,
            max_restarts=0,
            runtime_env=dict(needs.runtime_env) if needs.runtime_env else None,
        )
        self._load = load
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self.members = [self._hire() for _ in range(workers)]

    def replace(self, member: Member) -> None:
        """Put a new worker in the place of one that died, unless another run has done that."""
        with self._lock:
            if member in self.members:
                self.members[self.members.index(member)] = self._hire()
        self.ray.kill(member.actor)  # one that cannot be reached may be alive

    def dismiss(self) -> None:
        """End the workers, and give back what they hold."""
        with self._lock:
            members, self.members = self.members, []
        for member in members:
            self.ray.kill(member.actor)

    def _hire(self) -> Member:
        return Member(f"worker {next(self._numbers)}", self._host.remote(self._load))


def connection(ray: ModuleType) -> tuple[str, str]:
    """What identifies the connection to a cluster: actors live as long as it does."""
    context = ray.get_runtime_context()
    return context.gcs_address, context.get_job_id()


def _check_room(ray: ModuleType, needs: Needs) -> None:
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(node.get("CPU", 0) >= needs.cpus and node.get("GPU", 0) >= needs.gpus for node in nodes):
        return
    have = "; ".join(
        f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes
    )
    raise ClusterError(
        f"each worker needs {needs.cpus:g} CPUs and {needs.gpus:g} GPUs, which no node of the Ray "
        f"cluster has: {have or 'no node is alive'}. Give the model smaller cpus or gpus."
    )
