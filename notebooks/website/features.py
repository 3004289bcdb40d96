"""Everything that synthkit offers, read off its registries and public names, for the map."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from notebooks.website import lessons, reference
from notebooks.website.lessons import Lesson
from synthkit.core.errors import UsageError, unknown
from synthkit.core.registry import Listed, Registry
from synthkit.curate.filters.registry import FILTERS
from synthkit.evaluate.registry import METRICS
from synthkit.models.embedders import EMBEDDERS
from synthkit.models.schemes import MODEL_SCHEMES
from synthkit.notebook.arguments import ARGUMENTS
from synthkit.notebook.verbs._base import VERBS
from synthkit.plots.registry import PLOTS
from synthkit.recipes._base import RECIPES

FORMS: list[tuple[Registry[Any], str, str]] = [
    (RECIPES, "--recipe {}", r"--recipe[ =]{}\b"),
    (FILTERS, "--{}", r"%synth filter[^\n]* --{}\b"),
    (METRICS, "--metric {}", r"--metric[ =]['\"]?{}\b"),
    (PLOTS, "%synth plot {}", r"%synth plot {}\b"),
    (MODEL_SCHEMES, "--model {}", r"(?:--model|%synth model \w+|load_model\(['\"])[ =]*{}\b"),
    (EMBEDDERS, "--embedder {}", r"(?:--embedder|load_embedder\(['\"])[ =]*{}\b"),
    (VERBS, "%synth {}", r"%synth {}\b"),
]
"""Registry, how a line names what is in it, and the pattern of such a line."""
PACKAGES = ("recipes", "curate", "evaluate", "plots", "train", "share", "parquet", "models")
"""Packages whose public names are on the map."""


@dataclass
class Feature:
    """Something that a user can name.

    Parameters
    ----------
    home : where it is defined, such as ``synthkit.curate.filters.text.length``.
    python : its public name, such as ``curate.length``; may be empty.
    cell : how a line of a notebook names it; may be empty.
    summary : the first line of its docstring.
    source : the paper that its docstring cites; may be empty.
    patterns : of code that uses it.
    shown : patterns of outputs that show it.
    """

    home: str
    python: str = ""
    cell: list[str] = field(default_factory=list)
    summary: str = ""
    source: str = ""
    patterns: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    @property
    def lessons(self) -> list[Lesson]:
        """The lessons that use it."""
        return lessons.using(self.patterns, self.shown)


def _python_pattern(name: str) -> str:
    """Code that uses a public name: by its package, or imported."""
    package, _, attribute = f"sk.{name}".rpartition(".")
    package = re.escape(package.removeprefix("sk."))
    imported = rf"from synthkit(?:\.\w+)* import [^\n]*\b{attribute}\b"
    return rf"\b{package}\.{attribute}\b|{imported}"


@cache
def features() -> dict[str, Feature]:
    """All of them by where they are defined, in the order of their registries and packages."""
    found: dict[str, Feature] = {}
    for registry, form, pattern in FORMS:
        for name, listed in registry.listed().items():
            feature = found.setdefault(f"{listed.module}.{listed.attribute}", Feature(""))
            feature.cell.append(
                form.format(f"'{name}'" if registry is METRICS and " " in name else name)
            )
            feature.patterns.append(pattern.format(re.escape(name)))
            feature.shown += [rf"\b{re.escape(name)}\b"] * (registry is METRICS)
            feature.summary, feature.source = listed.summary, listed.references
    for package in PACKAGES:
        module = importlib.import_module(f"synthkit.{package}")
        for name in reference.names(f"synthkit.{package}"):
            value = getattr(module, name)
            if callable(value) and hasattr(value, "__qualname__"):
                feature = found.setdefault(f"{value.__module__}.{value.__qualname__}", Feature(""))
                listed = Listed(name, "", inspect.getdoc(value) or "")
                feature.python = feature.python or f"{package}.{name}"
                feature.summary, feature.source = listed.summary, listed.references
                feature.patterns.append(_python_pattern(f"{package}.{name}"))
    for home, feature in found.items():
        feature.home = home
    return found


def within(path: str) -> list[Feature]:
    """The features that a module, a package or a single name of synthkit holds.

    Raises
    ------
    UsageError
        If it holds none.

    Examples
    --------
    >>> [feature.python for feature in within("evaluate.metrics.mauve")]
    ['evaluate.mauve']
    """
    home = f"synthkit.{path}"
    found = [
        each
        for each in features().values()
        if each.python == path or each.home == home or each.home.startswith(f"{home}.")
    ]
    if not found:
        known = [each.python for each in features().values() if each.python]
        raise UsageError(unknown("feature", path, known))
    return found


def named(text: str) -> Feature:
    """What a text on the map names: a verb, an option of a line, or a name in Python.

    Raises
    ------
    UsageError
        If there is no such thing.

    Examples
    --------
    >>> named("%synth mark").summary[:19], named("%%synth --n").summary[:14]
    ('Judge rows or pairs', 'Number of rows')
    >>> named("Session.trace").python
    'Session.trace'
    """
    magic, _, rest = text.partition(" ")
    if magic == "%%synth":
        return _option(text, rest, ARGUMENTS, "%%synth")
    if magic == "%synth":
        verb, _, option = rest.partition(" --")
        found = [each for each in features().values() if f"%synth {verb}" in each.cell]
        if not found:
            raise UsageError(unknown("verb", verb, VERBS))
        if not option:
            return found[0]
        return _option(text, f"--{option}", VERBS[verb].all_arguments(), f"%synth {verb}")
    for each in features().values():
        if each.python == text:
            return each
    value = _attribute(text)
    summary = (inspect.getdoc(value) or "").partition("\n")[0]
    method = text.removeprefix("Session.")
    pattern = rf"\bsession\.{method}\(" if method != text else _python_pattern(text)
    return Feature(f"synthkit.{text}", text, [], summary, "", [pattern])


def _option(text: str, option: str, arguments: Any, magic: str) -> Feature:
    """An option of a magic; a word after it is one of its values."""
    name = option.partition(" ")[0]
    known = {each: argument for argument in arguments for each in argument.args}
    if not option:
        return Feature("", "", [text], "", "", [rf"^{magic}\b"])
    if name not in known:
        raise UsageError(unknown(f"option of {magic}", name, known))
    summary = re.sub(r"(--[\w-]+)", r"`\1`", known[name].kwds.get("help", "").replace("%%", "%"))
    pattern = rf"{magic}[^\n]* {re.escape(option)}(?![\w-])"
    return Feature("", "", [text], summary[:1].upper() + summary[1:], "", [pattern])


def _attribute(path: str) -> Any:
    """The value of a dotted name below ``synthkit``."""
    parts = path.split(".")
    value, place = importlib.import_module("synthkit"), "synthkit"
    for part in parts:
        place = f"{place}.{part}"
        try:
            value = getattr(value, part)
        except AttributeError:
            try:
                value = importlib.import_module(place)
            except ImportError:
                raise UsageError(f"synthkit.{path} does not exist: there is no {place}.") from None
    return value


def blocks(text: str, directive: str) -> Iterator[str]:
    """The contents of the blocks ```` ```{directive} ```` in a page."""
    for match in re.finditer(rf"^```{{{directive}}}\n(.*?)^```$", text, re.M | re.S):
        yield match[1]
