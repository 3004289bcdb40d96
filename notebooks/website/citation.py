"""BibTeX of what ``CITATION.cff`` names: synthkit itself, and the survey behind the map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parents[1] / "pages" / "CITATION.cff"


def citation() -> dict[str, Any]:
    """The contents of ``CITATION.cff``."""
    return dict(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def bibtex(entry: dict[str, Any], key: str) -> str:
    """An entry in BibTeX.

    >>> person = {"family-names": "Li", "given-names": "Ada"}
    >>> print(bibtex({"type": "article", "title": "On X", "authors": [person], "year": 2024}, "li"))
    @article{li,
      title = {{On X}},
      author = {Li, Ada},
      year = {2024}
    }
    """
    fields = {
        "title": f"{{{entry['title']}}}",
        "author": " and ".join(map(_name, entry["authors"])),
        "year": entry.get("year"),
        "version": entry.get("version"),
        "url": entry.get("repository-code") or entry.get("url"),
    }
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
    return f"@{entry['type']}{{{key},\n{lines}\n}}"


def _name(author: dict[str, str]) -> str:
    if "name" in author:
        return f"{{{author['name']}}}"
    return f"{author['family-names']}, {author['given-names']}"


def page() -> str:
    """Both entries in Markdown."""
    found = citation()
    (survey,) = found["references"]
    entries = [(found, "synthkit"), (survey, "long2024survey")]
    return "\n\n".join(f"```bibtex\n{bibtex(*each)}\n```" for each in entries)
