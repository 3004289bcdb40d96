"""Data sets of the Hub as rows: found by name, at one commit, and streamed by ``datasets``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import TableError
from synthkit.core.extras import need
from synthkit.models.hub import repository

SPEC = re.compile(
    r"hf:(?P<name>[\w.-]+/[\w.-]+|[\w.-]+)"
    r"(:(?P<first>[\w.+-]+))?(:(?P<second>[\w.+-]+))?(@(?P<revision>[\w./-]+))?"
)
FORM = "'hf:owner/name', 'hf:owner/name:SPLIT' or 'hf:owner/name:CONFIG:SPLIT', and '@COMMIT'"


@dataclass(frozen=True, slots=True)
class HubRows:
    """The rows of one split, not read yet; ``version`` says its commit and its split."""

    rows: Iterator[Mapping[str, Any]]
    version: str


def opened(spec: str) -> HubRows:
    """The rows of ``hf:owner/name``, ``hf:owner/name:SPLIT`` or ``hf:owner/name:CONFIG:SPLIT``.

    Without a split it is ``train``, or the only one. ``@COMMIT`` at the end names a commit, a
    branch or a tag, as for models. No code of a repository is run.

    Raises
    ------
    TableError
        If the Hub does not provide it, or there is no such configuration or split.
    """
    datasets: Any = need("datasets", extra="data", why="to read a data set of the Hub")
    parts = SPEC.fullmatch(spec)
    if parts is None:
        raise TableError(f"{spec!r} was expected to be {FORM}.")
    name, revision = parts["name"], parts["revision"] or "main"
    commit = repository.dataset_commit(name, revision)
    given = [part for part in (parts["first"], parts["second"]) if part]
    try:
        configs = datasets.get_dataset_config_names(name, revision=commit)
        config, split = _config_and_split(spec, given, configs)
        splits = datasets.load_dataset(name, config, revision=commit, streaming=True)
    except TableError:
        raise
    except Exception as error:  # of datasets, which raises many kinds
        raise TableError(f"{spec} cannot be read by datasets: {_line(error)}") from error
    names = list(splits)
    split = split or ("train" if "train" in names else names[0] if len(names) == 1 else "")
    if split not in names:
        raise TableError(
            f"{spec}: expected one of the splits {', '.join(names)}"
            + (f"; got {split!r}" if split else "")
            + f". Write {FORM}."
        )
    version = ", ".join([*([f"config {config}"] if config else []), split, f"commit {commit}"])
    return HubRows(_read(spec, splits[split]), version)


def _config_and_split(
    spec: str, given: list[str], configs: list[str]
) -> tuple[str | None, str | None]:
    """What the parts of a spec name: one part is a configuration if there is one of that name."""
    if len(given) == 2 or (given and given[0] in configs):
        if given[0] not in configs:
            raise TableError(
                f"{spec}: expected one of the configurations {', '.join(configs)}; got "
                f"{given[0]!r}."
            )
        return given[0], given[1] if len(given) == 2 else None
    if len(configs) > 1 and "default" not in configs:
        raise TableError(f"{spec} has the configurations {', '.join(configs[:20])}. Write {FORM}.")
    return None, given[0] if given else None


def _read(spec: str, split: Any) -> Iterator[Mapping[str, Any]]:
    at = 0
    try:
        for row in split:
            yield row
            at += 1
    except Exception as error:  # of a damaged file, or a connection that ends
        raise TableError(f"{spec}, after row {at}: {_line(error)}") from error


def _line(error: Exception) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"{type(error).__name__}: {text[:300]}"
