"""Operations of a server, such as chat completions: the interface that the scheduler runs."""

from __future__ import annotations

from typing import Protocol, TypeVar

Input_contra = TypeVar("Input_contra", contravariant=True)
Output_co = TypeVar("Output_co", covariant=True)


class Operation(Protocol[Input_contra, Output_co]):
    """One kind of request to a server: how it is written, and how its response is read."""

    @property
    def url(self) -> str:
        """The address that requests are posted to."""

    def check(self, request: Input_contra) -> None:
        """Raise ``UsageError`` for a request that no server can do."""

    def body(self, request: Input_contra, form: str) -> bytes:
        """The JSON to post. A ``form`` is a variant of the protocol; ``""`` is the usual one."""

    def other_form(self, form: str, message: str) -> str:
        """The form to use after a refusal with this message; ``""`` if it would not help."""

    def read(self, data: bytes, seconds: float, tries: int) -> Output_co:
        """The answer in a response body; raises one of ``UNREADABLE`` if there is none."""

    def failed(self, reason: str, raw: str, tries: int) -> Output_co:
        """The answer that stands for a failed request."""
