"""Where the parts of a large table are worked on: in this process, or on a Ray cluster.

All work on a large table is a function of a part, such as a shard, whose result is small or is
written to files. An executor computes it for many parts and returns the results in their order. So
the results are the same wherever the work is done.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from synthkit.core.errors import SynthkitError
from synthkit.core.extras import need
from synthkit.core.ray_cluster import join

Part = TypeVar("Part")
Result = TypeVar("Result")
OBJECT_STORE = 500_000_000
"""Bytes of memory for results on their way, of a cluster that is started here."""


class Executor(Protocol):
    """Computes a function of many parts."""

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """The results for all parts, in their order."""


class InProcess:
    """One part after the other, in this process."""

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """The results for all parts, in their order."""
        return map(function, parts)


@dataclass(frozen=True)
class OnRay:
    """Parts as rows of a Ray dataset, each a task of its own on any node of the cluster.

    All nodes must see the files of the table, and the folder of the result, under the same paths.
    The task of a worker that dies is run again by Ray.

    Parameters
    ----------
    address : of the cluster, as for :func:`synthkit.core.ray_cluster.join`.
    """

    address: str

    def map(self, function: Callable[[Part], Result], parts: Iterable[Part]) -> Iterator[Result]:
        """The results for all parts, in their order."""
        join(self.address, object_store=OBJECT_STORE)
        data = need("ray.data", extra="ray", why="to work on a cluster")
        cloudpickle = need("ray.cloudpickle", extra="ray", why="to work on a cluster")
        items = [{"part": cloudpickle.dumps(part)} for part in parts]
        if not items:
            return
        data.DataContext.get_current().enable_progress_bars = False
        _silence()
        rows = data.from_items(items, override_num_blocks=len(items))
        rows.context.execution_options.preserve_order = True
        for row in rows.map(_Task(cloudpickle.dumps(function))).iter_rows():
            result = pickle.loads(row["result"])
            if isinstance(result, SynthkitError):
                raise result
            yield result


class _Task:
    """A function of a row of a Ray dataset, for which errors of synthkit are results."""

    def __init__(self, work: bytes) -> None:
        self.work = work

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        from ray import cloudpickle

        try:
            result = pickle.loads(self.work)(pickle.loads(row["part"]))
        except SynthkitError as error:
            result = error
        return {"result": cloudpickle.dumps(result)}


def _silence() -> None:
    """Keep what Ray says of each dataset out of the cell, unless ``RAY_DATA_LOG_LEVEL`` is set."""
    if "RAY_DATA_LOG_LEVEL" not in os.environ:
        logging.getLogger("ray.data").setLevel(logging.WARNING)
        logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)


def executor(cluster: str) -> Executor:
    """The executor for an address of a Ray cluster, or for this process if there is none.

    Parameters
    ----------
    cluster : ``"local"`` for a new cluster on this machine, ``"auto"``, ``"HOST:PORT"`` of its
        head; empty for this process.
    """
    return OnRay(cluster) if cluster else InProcess()
