"""One run over the workers: requests go out, completions come in, dead workers are replaced."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from synthkit.core.environment import warn
from synthkit.core.errors import ClusterError, ModelError
from synthkit.core.models import Activity
from synthkit.core.types import Completion, Request
from synthkit.models.ray.crew import Crew, Member
from synthkit.models.ray.dispatch import Dispatch
from synthkit.models.ray.host import Greeting, News, Part

LISTEN_SECONDS = 1.0
"""How long a call to a worker waits for its next completion."""
FAILED_STARTS = 3
"""After so many workers in a row died before they had their model, the run ends."""
MOST_NODES = 8
"""The nodes whose lines are shown; the others are counted."""

Pairs = list[tuple[int, Completion]]


class ClusterRun:
    """One run of a model over its workers.

    Parameters
    ----------
    fingerprint : that of the model in this process; a worker with another one is refused.
    variables : environment variables that are set at the workers.
    """

    def __init__(
        self,
        crew: Crew,
        requests: Sequence[Request],
        *,
        slots: int,
        resends: int,
        fingerprint: str,
        variables: Mapping[str, str],
    ) -> None:
        self.crew, self.ray = crew, crew.ray
        self.fingerprint, self.variables = fingerprint, dict(variables)
        self.dispatch: Dispatch[Member] = Dispatch(requests, slots=slots, resends=resends)
        self.stream = uuid.uuid4().hex
        self.calls: dict[Any, Member] = {}
        self.greeted: set[Member] = set()
        self.ready: list[Member] = []
        self.listening: dict[Member, Any] = {}
        self.activities: dict[Member, Activity] = {}
        self.written: Counter[str] = Counter()
        """The completions of this run by node."""
        self.failed_starts = 0

    def step(self, seconds: float) -> Pairs:
        """Send what can be sent, and give what has arrived; wait for it so many seconds.

        Raises
        ------
        ModelError
            If the model cannot be had on a node, or cannot go on.
        ClusterError
            If workers die one after the other before they have their model.
        """
        for member in self.crew.members:
            if member not in self.greeted:
                self.greeted.add(member)
                self.calls[member.actor.greet.remote(self.variables)] = member
        parts = self.dispatch.parts(self.ready)
        for member in self.ready:
            if member in parts or (
                member not in self.listening and self.dispatch.aboard.get(member)
            ):
                self._exchange(member, parts.get(member, []))
        return [pair for call in self._finished(seconds) for pair in self._received(call)]

    def close(self) -> None:
        """Abandon what is under way, at all workers."""
        for member in self.ready:
            with suppress(Exception):  # of a cluster that has ended
                member.actor.stop.remote(self.stream)

    @property
    def activity(self) -> Activity:
        """What the workers do: in words until one has its model, then a line for each node."""
        if not self.ready:
            return Activity(f"waiting for {len(self.crew.members)} workers of the Ray cluster")
        doing = Activity.together(list(self.activities.values()))
        rows = sum(map(len, self.dispatch.aboard.values()))
        generating = any(not activity.text for activity in self.activities.values())
        return Activity("" if generating else doing.text, rows, doing.tokens, self._lines())

    def _lines(self) -> tuple[str, ...]:
        nodes: dict[str, list[Member]] = {}
        for member in self.ready:
            nodes.setdefault(member.node, []).append(member)
        lines = []
        for node, members in sorted(nodes.items()):
            rows = sum(len(self.dispatch.aboard.get(member, ())) for member in members)
            count = f"{len(members)} worker{'s' if len(members) > 1 else ''}"
            lines.append(f"{node}: {count}, {rows:,} under way, {self.written[node]:,} done")
        more = len(lines) - MOST_NODES
        return (*lines[:MOST_NODES], f"{more} more nodes") if more > 0 else tuple(lines)

    def _exchange(self, member: Member, part: Part) -> None:
        """Send requests; one call to each worker waits for its next completion."""
        waits = member not in self.listening
        seconds = LISTEN_SECONDS if waits else 0.0
        call = member.actor.exchange.remote(self.stream, part, seconds)
        self.calls[call] = member
        if waits:
            self.listening[member] = call

    def _finished(self, seconds: float) -> list[Any]:
        """The calls that have ended."""
        if not self.calls:
            return []
        ended, others = self.ray.wait(list(self.calls), num_returns=1, timeout=seconds)
        if ended and others:
            ended += self.ray.wait(others, num_returns=len(others), timeout=0)[0]
        return list(ended)

    def _received(self, call: Any) -> Pairs:
        member = self.calls.pop(call, None)
        if member is None:  # of a worker that has died meanwhile
            return []
        if self.listening.get(member) == call:
            del self.listening[member]
        errors = self.ray.exceptions
        try:
            answer = self.ray.get(call)
        except errors.RayTaskError as error:
            reason = str(error.cause or error).strip()
            raise ClusterError(
                f"{member.name} failed ({reason}). The nodes need the synthkit and the packages of "
                'this process; runtime_env={"pip": [...]} installs them there.'
            ) from error
        except errors.RayError as error:
            return self._died(member, error)
        if isinstance(answer, Greeting):
            self._met(member, answer)
            return []
        return self._news(member, answer)

    def _met(self, member: Member, greeting: Greeting) -> None:
        if greeting.error is not None:
            raise self._from(greeting.node, greeting.error)
        if greeting.fingerprint != self.fingerprint:
            raise ModelError(
                f"the model on {greeting.node} is not the one here: it has the fingerprint "
                f"{greeting.fingerprint}, and {self.fingerprint} was expected. Put the same files "
                "on all nodes."
            )
        member.node, member.is_ready, self.failed_starts = greeting.node, True, 0
        self.ready.append(member)

    def _news(self, member: Member, news: News) -> Pairs:
        self.activities[member] = news.activity
        pairs = []
        for position, done in news.completions:
            if self.dispatch.take(member, position):
                how = ": ".join(filter(None, (f"{member.name} on {member.node}", done.how)))
                tries = done.tries + self.dispatch.deaths[position]
                pairs.append((position, replace(done, how=how, tries=tries)))
        self.written[member.node] += len(pairs)
        if news.error is not None:
            raise self._from(member.node, news.error)
        return pairs

    def _died(self, member: Member, error: Exception) -> Pairs:
        """Replace a worker; its requests are sent again, or given up."""
        why = reason(error)
        self.calls = {call: other for call, other in self.calls.items() if other is not member}
        self.activities.pop(member, None)
        self.listening.pop(member, None)
        if member in self.ready:
            self.ready.remove(member)
        if not member.is_ready:
            self.failed_starts += 1
            if self.failed_starts >= FAILED_STARTS:
                raise ClusterError(
                    f"{self.failed_starts} workers in a row died before they had their model: {why}"
                )
        lost = len(self.dispatch.aboard.get(member, ()))
        given_up = self.dispatch.died(member, why)
        again = lost - len(given_up)
        where = f" on {member.node}" if member.node else ""
        warn(f"{member.name}{where} died and is replaced; {again} requests are sent again: {why}")
        self.crew.replace(member)
        return given_up

    @staticmethod
    def _from(node: str, error: BaseException) -> BaseException:
        """The error of a worker, which names its node."""
        if hasattr(error, "add_note"):
            error.add_note(f"on the node {node}")
        return error


def reason(error: Exception) -> str:
    """Why a worker died, in a sentence of Ray's, which writes many lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if "cause" in line.lower() or "died" in line.lower()]
    return (causes or lines or [type(error).__name__])[-1][:300]
