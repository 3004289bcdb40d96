"""A model over a Ray cluster: ``core.models.Model``, with the rows that it has on one machine."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

from synthkit.core import ray_cluster
from synthkit.core.errors import ClusterError, UsageError, check_numbers, check_positive
from synthkit.core.models import Activity, Budget, Model, Price
from synthkit.core.types import Completion, Request
from synthkit.models.pool import SLOTS
from synthkit.models.ray.crew import Crew, Needs, connection
from synthkit.models.ray.run import ClusterRun
from synthkit.models.schemes import load_model, model_scheme
from synthkit.models.ticking import ticking

TICK_SECONDS = 0.05
SILENT_SECONDS = 2.0
"""If nothing has arrived for so long, the cluster is asked whether it is alive."""
GONE_SECONDS = 10.0
"""How long a cluster may be silent and not alive: a head may be restarted."""


class RayModel:
    """A model on the workers of a Ray cluster. Create one with :func:`over_ray`.

    It has the fingerprint of the model itself, so it answers from what that has answered before,
    and the other way round. Workers start at the first request and stay for further runs; they end
    with :meth:`unload`, with this object, and with the process, also if that is killed.
    """

    def __init__(
        self,
        load: Callable[[], Model],
        *,
        workers: int = 2,
        needs: Needs | None = None,
        address: str | None = None,
        variables: Sequence[str] = (),
        resends: int = 2,
    ) -> None:
        self.model = load()
        self.workers, self.resends = workers, resends
        self._load, self._needs, self._address = load, needs or Needs(), address
        self._variables = tuple(variables)
        self._crew: Crew | None = None
        self._runs: list[ClusterRun] = []
        self._lock = threading.Lock()
        self._doing = ""

    def __repr__(self) -> str:
        return f"RayModel({self.name!r}, workers={self.workers})"

    @property
    def name(self) -> str:
        """The name of the model that the workers hold."""
        return self.model.name

    @property
    def fingerprint(self) -> str:
        """That of the model that the workers hold."""
        return self.model.fingerprint

    @property
    def price(self) -> Price | None:
        """That of the model that the workers hold."""
        return self.model.price

    @property
    def reasoning_markers(self) -> Any:
        """Those of the model that the workers hold."""
        return getattr(self.model, "reasoning_markers", None)

    @property
    def budget(self) -> Budget:
        """The default budget of a run: that of the model that the workers hold."""
        return getattr(self.model, "budget", Budget())

    @property
    def slots(self) -> int:
        """The most requests that a worker has at once."""
        return int(getattr(self.model, "concurrency", SLOTS))

    @property
    def concurrency(self) -> int:
        """The most requests in flight: a killed process wastes no more."""
        return self.workers * self.slots

    @property
    def activity(self) -> Activity:
        """What its workers do, with a line for each node."""
        if self._doing:
            return Activity(self._doing)
        return Activity.together([run.activity for run in list(self._runs)])

    def unload(self) -> bool:
        """End the workers, unless a run uses them; whether there were any."""
        with self._lock:
            crew = self._crew
            if crew is None or self._runs:
                return False
            self._crew = None
        if connection(crew.ray) == crew.connection:
            crew.dismiss()
        return True

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """(position, completion) pairs as any worker finishes one; ``None`` while none does.

        Closing the iterator abandons the requests at the workers, and does not wait for them.

        Raises
        ------
        ClusterError
            If no cluster can be used, or it has ended.
        ModelError
            If the model on a worker cannot go on.
        """
        run = yield from self._begun(requests)
        heard = time.monotonic()
        waits = 0.0
        try:
            while not run.dispatch.done:
                pairs = run.step(waits)
                waits = 0.0 if pairs else TICK_SECONDS
                if not pairs:
                    yield None
                    if time.monotonic() - heard > SILENT_SECONDS:
                        heard = yield from self._checked(heard)
                    continue
                heard = time.monotonic()
                yield from pairs
        finally:
            self._runs.remove(run)
            run.close()

    def _begun(self, requests: Sequence[Request]) -> Generator[None, None, ClusterRun]:
        """A run over the workers; over new ones if they are unloaded before it uses them."""
        while True:
            crew = yield from self._ready()
            run = ClusterRun(
                crew,
                requests,
                slots=self.slots,
                resends=self.resends,
                fingerprint=self.fingerprint,
                variables=values_of(self._variables),
            )
            with self._lock:
                if self._crew is crew:
                    self._runs.append(run)
                    return run

    def _ready(self) -> Generator[None, None, Crew]:
        """The workers, started if there are none, with ticks meanwhile."""
        self._doing = "starting workers on the Ray cluster"
        try:
            return (yield from ticking(self._start))
        finally:
            self._doing = ""

    def _start(self) -> Crew:
        with self._lock:
            ray = ray_cluster.join(self._address)
            if self._crew is None or self._crew.connection != connection(ray):
                self._crew = Crew(ray, self._load, workers=self.workers, needs=self._needs)
            return self._crew

    def _checked(self, heard: float) -> Generator[None, None, float]:
        """When the cluster was last known to be alive; an error once that is too long ago."""
        alive = yield from ticking(ray_cluster.is_alive)
        if alive:
            return time.monotonic()
        if time.monotonic() - heard > GONE_SECONDS:
            raise ClusterError(
                "the Ray cluster has ended: its head, or the Ray of this machine, does not answer "
                f"for {time.monotonic() - heard:.0f} seconds. What was finished is kept: run the "
                "cell again, which starts Ray or joins it again."
            )
        return heard


@model_scheme("ray")
def over_ray(
    name: str,
    *,
    workers: int = 2,
    cpus: float = 1.0,
    gpus: float = 0.0,
    address: str | None = None,
    env: str | Sequence[str] = (),
    runtime_env: Mapping[str, Any] | None = None,
    resends: int = 2,
    **options: Any,
) -> RayModel:
    """Any other model, on the workers of a Ray cluster.

    Parameters
    ----------
    name : the spec of the model, such as ``smollm2``: ``"ray:smollm2"``, ``"ray:openai:NAME"``.
    workers : how many hold the model; each has its own ``max_batch`` or ``concurrency``.
    cpus, gpus : of each worker; half a GPU is 0.5.
    address : of the cluster: see :func:`synthkit.core.ray_cluster.join`.
    env : names of environment variables that the workers get from this process, such as that of a
        key; their values are sent to the workers, and neither shown nor logged.
    runtime_env : Ray's description of the environment on the nodes, such as ``{"pip": [...]}``. Do
        not put keys into it: Ray logs it.
    resends : how often a request is sent again after the worker that had it died.
    options : of the model.

    Raises
    ------
    UsageError
        If an option is out of its range, a key is given by its value, or a variable is not set.
    """
    check_positive(workers=workers)
    check_numbers(cpus=cpus, gpus=gpus, resends=resends)
    if min(cpus, gpus, resends) < 0:
        raise UsageError(
            f"cpus, gpus and resends must be at least 0; got {cpus}, {gpus} and {resends}."
        )
    if options.keys() & {"api_key", "ask_key"}:
        raise UsageError(
            "a key is not sent to a cluster by its value: put it into an environment variable, and "
            'give its name, api_key_env="NAME", env="NAME".'
        )
    variables = (env,) if isinstance(env, str) else tuple(env)
    values_of(variables)
    return RayModel(
        functools.partial(load_model, name, **options),
        workers=workers,
        needs=Needs(cpus, gpus, runtime_env),
        address=address,
        variables=variables,
        resends=int(resends),
    )


def values_of(variables: Sequence[str]) -> dict[str, str]:
    """The environment variables by name.

    Raises
    ------
    UsageError
        If one is not set.
    """
    missing = [name for name in variables if name not in os.environ]
    if missing:
        raise UsageError(
            f"expected env to name environment variables that are set; {missing[0]} is not. "
            "Give the name of a variable, never a key."
        )
    return {name: os.environ[name] for name in variables}
