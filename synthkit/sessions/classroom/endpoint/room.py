"""Who may ask how much of a class's server, and what was asked: without a network."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from synthkit.models.openai.model import Endpoint
from synthkit.sessions.classroom.endpoint.turns import Turns

TEACHER = "teacher"
"""The name beside the token that has no cap, and with which the page of counts is opened."""


@dataclass(slots=True)
class Counts:
    """What one student has asked.

    Parameters
    ----------
    requests : answered ones, and those under way.
    refused : beyond the cap.
    failed : those that the server refused or did not answer, which do not count for the cap.
    waited : seconds in all until a turn came.
    """

    requests: int = 0
    refused: int = 0
    failed: int = 0
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class Room:
    """A class and its server.

    Parameters
    ----------
    model : what is behind the server; its key is sent nowhere else.
    cap : the most requests of a student.
    tokens : name -> token, of the students and the teacher.
    """

    model: Endpoint
    cap: int
    tokens: Mapping[str, str] = field(repr=False)
    turns: Turns = field(repr=False)
    counts: dict[str, Counts] = field(default_factory=dict, repr=False)

    def who(self, token: str) -> str:
        """The name that a token belongs to; empty if it belongs to nobody."""
        given = token.encode("utf-8", "surrogateescape")
        names = [n for n, own in self.tokens.items() if hmac.compare_digest(own.encode(), given)]
        return names[0] if names else ""

    def of(self, who: str) -> Counts:
        """The counts of a student."""
        return self.counts.setdefault(who, Counts())

    def admits(self, who: str, requests: int) -> bool:
        """Whether a student may ask so many requests more; they are counted then."""
        counts = self.of(who)
        if who != TEACHER and counts.requests + requests > self.cap:
            counts.refused += 1
            return False
        counts.requests += requests
        return True

    def take_back(self, who: str, requests: int) -> None:
        """Do not count requests that came to nothing."""
        self.of(who).requests -= requests
        self.of(who).failed += 1
