"""Variants: the prompts that a lab compares, each with its sampling and its earlier versions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Sampling


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a variant: a prompt template and the sampling."""

    prompt: str
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, slots=True)
class Variant:
    """A prompt under comparison.

    Parameters
    ----------
    key : its letter; never used for another variant.
    name : its name; empty for the letter alone.
    versions : all its versions, the oldest first; none is ever removed.
    at : the index of the current version.
    deleted : whether it is hidden; it can be restored.
    """

    key: str
    name: str = ""
    versions: tuple[Version, ...] = (Version(""),)
    at: int = 0
    deleted: bool = False

    @property
    def prompt(self) -> str:
        """The current prompt template."""
        return self.versions[self.at].prompt

    @property
    def sampling(self) -> Sampling:
        """The current sampling."""
        return self.versions[self.at].sampling

    @property
    def title(self) -> str:
        """Letter and name."""
        return f"{self.key} {self.name}".strip()

    def edited(self, version: Version) -> Variant:
        """The variant with a new current version, or with an earlier one if it is the same.

        >>> a = Variant("A", versions=(Version("Be brief."),)).edited(Version("Be kind."))
        >>> a.at, a.edited(Version("Be brief.")).at, len(a.versions)
        (1, 0, 2)
        """
        if version in self.versions:
            return replace(self, at=self.versions.index(version))
        return replace(self, versions=(*self.versions, version), at=len(self.versions))

    def back(self, at: int) -> Variant:
        """The variant with an earlier version as the current one.

        Raises
        ------
        UsageError
            If there is no version with that index.
        """
        if not 0 <= at < len(self.versions):
            raise UsageError(f"{self.title} has versions 0 to {len(self.versions) - 1}; got {at}.")
        return replace(self, at=at)

    def body(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return {
            "key": self.key,
            "name": self.name,
            "versions": [[version.prompt, version.sampling.payload()] for version in self.versions],
            "at": self.at,
            "deleted": self.deleted,
        }


def from_body(body: Mapping[str, Any]) -> Variant:
    """The variant that :meth:`Variant.body` describes.

    >>> variant = Variant("A", "shorter")
    >>> from_body(variant.body()) == variant
    True
    """
    versions = tuple(Version(prompt, Sampling(**draws)) for prompt, draws in body["versions"])
    return Variant(body["key"], body["name"], versions, body["at"], body["deleted"])


def merged(saved: Iterable[Variant], own: Iterable[Variant]) -> list[Variant]:
    """The saved variants, with the variants and versions that only this view of the lab has.

    >>> a, b = Variant("A"), Variant("B")
    >>> [each.key for each in merged([a, b], [a])], len(merged([a.edited(Version("x"))], [a]))
    (['A', 'B'], 1)
    """
    variants = {variant.key: variant for variant in saved}
    for variant in own:
        known = variants.setdefault(variant.key, variant)
        new = [version for version in variant.versions if version not in known.versions]
        variants[variant.key] = replace(known, versions=(*known.versions, *new))
    return list(variants.values())


def next_key(taken: Collection[str]) -> str:
    """The first letter, or pair of letters, that is not taken.

    >>> next_key(["A", "B"])
    'C'
    """
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    keys: list[str] = [*letters, *(a + b for a in letters for b in letters)]
    for key in keys:
        if key not in taken:
            return key
    raise UsageError("a lab holds at most 702 variants; start another one.")
