"""Tables of the pages in Markdown, written from the registries, the catalog and the errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from notebooks.website import features, lessons, messages
from notebooks.website.features import Feature
from synthkit.core.registry import PAPER
from synthkit.models.embedders import EMBEDDERS
from synthkit.models.hub.catalog_entries import CATALOG
from synthkit.models.hub.hub_models import HUB_MODELS
from synthkit.models.hub.sample_data import SAMPLES
from synthkit.models.openai.providers import PROVIDERS
from synthkit.models.schemes import MODEL_SCHEMES
from synthkit.notebook.arguments import ARGUMENTS, with_default
from synthkit.notebook.verbs._base import VERBS, parts

OPTION = re.compile(r"(--[\w-]+)")
NAME = re.compile(r"(?<!`)`([^`]+)`(?!`)")
"""A name of synthkit; other code stands between two backticks on each side."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; cells are Markdown.

    >>> print(table(["a", "b"], [["1", "x | y"]]))
    | a | b |
    |---|---|
    | 1 | x \\| y |
    """
    lines = [head, ["---"] * len(head), *rows]
    escaped = [[cell.replace("|", r"\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(
        f"| {' | '.join(line)} |" if n != 1 else f"|{'|'.join(line)}|"
        for n, line in enumerate(escaped)
    )


def code(text: str) -> str:
    """Text as code; nothing if there is none."""
    return f"`{text}`" if text else ""


def linked(name: str) -> str:
    """A name in Python, with a link to its place in the reference."""
    return f"{{py:obj}}`{name} <synthkit.{name}>`" if name else ""


def _prose(text: str) -> str:
    """A line of a docstring as Markdown."""
    return re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text).replace("``", "`")


def _papers(source: str) -> str:
    """The papers that a docstring cites, by their arXiv numbers, else by author and year."""
    found = dict.fromkeys(PAPER.findall(source))
    if found:
        return ", ".join(f"[{paper}](https://arxiv.org/abs/{paper})" for paper in found)
    first = re.match(r"[^()]*\(\d{4}\)", source)
    return f"{first[0]}." if first else ""


def holds(text: str, page: Path) -> str:
    """What the modules and names in the lines of ``text`` hold, one row for each."""
    found = {(each.home, *each.cell): each for line in text.splitlines() for each in held(line)}
    rows = [
        [
            "<br>".join([linked(each.python)] * bool(each.python) + [code(c) for c in each.cell]),
            " ".join(filter(None, [_prose(each.summary), _papers(each.source)])),
            lessons.links(each.lessons, page),
        ]
        for each in found.values()
    ]
    return table(["name", "what it gives", "lessons"], rows)


def held(line: str) -> list[Feature]:
    """The features that a line names: a line of a notebook, or modules and names in Python.

    A verb of which others are part, such as ``%synth class``, brings these along.
    """
    if line.startswith("%"):
        below = parts(line.removeprefix("%synth "))
        return [features.named(each) for each in [line, *(f"%synth {part}" for part in below)]]
    return [each for path in line.split() for each in features.within(path)]


def comparison(text: str, page: Path) -> str:
    """Lines ``feature | what has it``, with the lessons that use what is named there."""
    rows = []
    for line in text.strip().splitlines():
        theirs, ours = line.split(" | ")
        used = lessons.using(
            p for name in NAME.findall(ours) for p in features.named(name).patterns
        )
        rows.append([theirs, NAME.sub(_linked, ours), lessons.links(used, page)])
    return table(["DataDreamer", "synthkit", "lessons"], rows)


def _linked(match: re.Match[str]) -> str:
    return match[0] if match[1].startswith("%") else linked(match[1])


def errors() -> str:
    """Each error: what it means, what to do, and the messages that it comes with."""
    found = []
    for each in messages.classes():
        path = f"{each.__module__}.{each.__name__}"
        found.append(f"```{{eval-rst}}\n.. autoexception:: {path}\n   :show-inheritance:\n```\n")
        texts = [f"- {code(text)}" for text in messages.messages(each.__name__)]
        if texts:
            count = f"{len(texts)} messages" if len(texts) > 1 else "Its message"
            found += ["<details>", f"<summary>{count}</summary>\n", *texts, "\n</details>\n"]
    return "\n".join(found)


def magics() -> str:
    """The cell magic and each verb, with their arguments."""
    found = ["## %%synth", "Make a table of a prompt.", arguments(ARGUMENTS)]
    for name, listed in VERBS.listed().items():
        found += [f"## %synth {name}", _prose(listed.summary)]
        found.append(arguments(VERBS[name].all_arguments()))
    return "\n\n".join(found)


def arguments(declared: Sequence[Any]) -> str:
    """Arguments of a line, with their help."""
    rows = []
    for each in map(with_default, declared):
        words = {"default": None, "metavar": "", **each.kwds}
        choices = ", ".join(words.get("choices") or ())
        value = (
            "" if words.get("action") == "store_true" else words["metavar"] or choices or "VALUE"
        )
        shown = f"{each.args[0]} {value}" if each.args[0].startswith("-") else value
        help = words.get("help", "") % {**words, "choices": choices}
        rows.append([code(shown), OPTION.sub(r"`\1`", help)])
    return table(["argument", "meaning"], rows) if rows else ""


def command() -> str:
    """The command ``synthkit``, as its help explains it."""
    from synthkit.__main__ import _parser

    parser = _parser()
    (verbs,) = (each for each in parser._actions if isinstance(each.choices, dict))
    return "\n\n".join(f"```text\n{each.format_help()}```" for each in verbs.choices.values())


def catalog() -> str:
    """Models and embedders that come from the package registry."""
    rows = [
        [code(each.name), each.kind, _millions(each.parameters), each.licence, each.use]
        for each in CATALOG.values()
    ]
    return table(["name", "kind", "parameters", "licence", "what it is"], rows)


def hub_models() -> str:
    """Instruct models of the Hub with short names."""
    rows = [
        [
            code(each.name),
            f"[{each.repository}](https://huggingface.co/{each.repository})",
            _millions(each.parameters),
            each.licence,
            each.use,
        ]
        for each in HUB_MODELS.values()
    ]
    return table(["name", "repository", "parameters", "licence", "what it is like"], rows)


def schemes() -> str:
    """What stands before the colon of a model or an embedder."""
    kinds = [("model", MODEL_SCHEMES), ("embedder", EMBEDDERS)]
    rows = [
        [code(f"{name}:NAME"), kind, _prose(listed.summary)]
        for kind, registry in kinds
        for name, listed in registry.listed().items()
        if name not in (*CATALOG, "catalog")
    ]
    return table(["spec", "kind", "what it is"], rows)


def providers() -> str:
    """Servers with short names."""
    rows = [
        [
            code(f"{name}:NAME"),
            each.title,
            code(each.key_env) or "no key",
            code(each.base_url),
            "yes" if each.batch else "",
        ]
        for name, each in PROVIDERS.items()
    ]
    return table(["spec", "server", "key", "address", "`--batch`"], rows)


def samples() -> str:
    """Sample data."""
    rows = [[code(name), each.about, each.licence] for name, each in SAMPLES.items()]
    return table(["name", "rows", "licence"], rows)


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:,.0f} M".replace(",", "\u202f")


CATALOGS = {each.__name__: each for each in (catalog, hub_models, schemes, providers, samples)}
"""What ``{catalog} NAME`` shows."""
