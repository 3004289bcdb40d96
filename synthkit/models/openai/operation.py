"""Operations of a server, such as chat completions: the interface that the scheduler runs."""

from __future__ import annotations

from typing import Protocol, TypeVar

from synthkit.models.openai.dialect import Dialect, KnownServer
from synthkit.models.openai.refusals import Refusal

Input_contra = TypeVar("Input_contra", contravariant=True)
Output_co = TypeVar("Output_co", covariant=True)


class Operation(Protocol[Input_contra, Output_co]):
    """One kind of request to a server: how it is written, and how its response is read."""

    @property
    def known(self) -> KnownServer:
        """What former responses have taught about the server."""

    @property
    def member(self) -> str:
        """The beginning of a member that every answer of the protocol has."""

    @property
    def url(self) -> str:
        """The address that requests are posted to."""

    def check(self, request: Input_contra) -> None:
        """Raise ``UsageError`` for a request that no server can do."""

    def body(self, request: Input_contra, dialect: Dialect) -> bytes:
        """The JSON to post."""

    def adapted(self, request: Input_contra, dialect: Dialect, refusal: Refusal) -> Dialect | None:
        """The dialect to try after a refusal; ``None`` if no other would help."""

    def read(
        self, request: Input_contra, dialect: Dialect, data: bytes, seconds: float, tries: int
    ) -> Output_co:
        """The answer in a response body; raises one of ``UNREADABLE`` if there is none."""

    def failed(self, reason: str, raw: str, tries: int) -> Output_co:
        """The answer that stands for a failed request."""
