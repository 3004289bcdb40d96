"""The dialect of a server: the parameters that it takes, and how it is asked for a schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from synthkit.core.hashing import digest

Structured = Literal["json_schema", "tool", "json_object", "prompt"]
LEVELS: tuple[Structured, ...] = ("json_schema", "tool", "json_object", "prompt")
"""Ways to ask for structured output, the strictest first: ``response_format`` with the schema, a
forced tool call, JSON mode with the schema in the prompt, and the schema in the prompt alone."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs from the protocol of OpenAI in the requests to one model of one server.

    Parameters
    ----------
    left_out : parameters that are not sent.
    renamed : (parameter, name on this server) pairs.
    structured : (schema, level) pairs, the schema as a digest, ``""`` for all; the level is a
        position in :data:`LEVELS`.
    """

    left_out: frozenset[str] = frozenset()
    renamed: frozenset[tuple[str, str]] = frozenset()
    structured: frozenset[tuple[str, int]] = frozenset()

    def __or__(self, other: Dialect) -> Dialect:
        """Both differences together."""
        return Dialect(
            self.left_out | other.left_out,
            self.renamed | other.renamed,
            self.structured | other.structured,
        )

    def name(self, parameter: str) -> str:
        """The name of a parameter on this server."""
        return dict(self.renamed).get(parameter, parameter)

    def level(self, schema: Mapping[str, Any]) -> int:
        """The position in :data:`LEVELS` of the way in which this schema is asked for."""
        if not self.structured:
            return 0
        return max(level for of, level in {*self.structured, ("", 0)} if of in ("", digest(schema)))

    def without(self, *parameters: str) -> Dialect:
        """Further parameters left out."""
        return self | Dialect(left_out=frozenset(parameters))

    def renaming(self, parameter: str, name: str) -> Dialect:
        """A parameter sent under another name."""
        return self | Dialect(renamed=frozenset({(parameter, name)}))

    def lower(self, schema: Mapping[str, Any], *, only: bool) -> Dialect:
        """The next way to ask for a schema: for this one ``only``, or for all."""
        pair = (digest(schema) if only else "", self.level(schema) + 1)
        return self | Dialect(structured=frozenset({pair}))


@dataclass(slots=True)
class KnownServer:
    """What former responses have taught about one model of one server; runs share it.

    Parameters
    ----------
    dialect : what it takes.
    good : a request that it has answered, if any.
    width : how many requests it may have at once, as the last run found.
    said : the kinds of warnings that were given.
    followed : ways to ask for a schema that an answer has followed.
    notices : warnings that the scheduler gives next.
    samples : prompt -> text -> the indices of its samples with that text, all as digests.
    """

    dialect: Dialect = field(default_factory=Dialect)
    good: Any = None
    width: float = 1.0
    said: set[str] = field(default_factory=set)
    followed: set[Structured] = field(default_factory=set)
    notices: list[str] = field(default_factory=list)
    samples: dict[str, dict[str, set[int]]] = field(default_factory=dict)

    def adopt(self, dialect: Dialect) -> None:
        """Take over a dialect that the server has accepted."""
        if dialect is not self.dialect and dialect != self.dialect:
            self.dialect = self.dialect | dialect

    def say(self, kind: str, text: str) -> None:
        """Give a warning, once for each kind."""
        if kind not in self.said:
            self.said.add(kind)
            self.notices.append(text)
