"""Code, widgets and pages are written in plain English: these phrases stay out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import synthkit

PACKAGE = Path(synthkit.__file__).parent
ROOT = PACKAGE.parent
PHRASES = (
    # old forms
    "anew",
    "but for",
    "by lot",
    "forthwith",
    "hitherto",
    "it alone",
    "let go",
    "one's own",
    "of which nothing",
    "of whom",
    "reckoned",
    "shall",
    "such as are",
    "such as there",
    "that alone",
    "thereof",
    "whereof",
    "whose every",
    # clauses in the place of nouns
    "came of it",
    "came of them",
    "comes of it",
    "comes of them",
    "of what it is told",
    "of what they are told",
    "so that what",
    "what became of",
    "what came of",
    "what follows from",
    "what is asked of",
    "what the one",
    # phrases of earlier texts
    "above a jaccard",
    "as it came",
    "as like as",
    "asked by no one",
    "be defended",
    "fields multiply",
    "for true",
    "has over the other",
    "held against",
    "in the book",
    "is named, not written",
    "is surprised by",
    "is told once",
    "keys stand",
    "may be off",
    "often came true",
    "say it closer",
    "the nouns",
    "told apart",
    "whatever the case",
    "where from",
    "will do, without",
)
_BANNED = re.compile(rf"\b(?:{'|'.join(map(re.escape, PHRASES))})\b", re.IGNORECASE)
_JOINT = re.compile(r"""["'`]\s*\n\s*[+fr]*\s*["'`]|\s*\n\s*(?:#|//|\*)?\s*""")
"""Where a text goes on in the next line: of adjacent literals, or of a comment."""


def texts() -> Iterator[tuple[str, str]]:
    """(path, text) of each source file, page and notebook."""
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.ts"), PACKAGE / "evaluate" / "METRICS.md"]
    pages = ("README.md", "CHANGELOG.md", "tests/benchmarks/README.md")
    files += [PACKAGE / "ARCHITECTURE.md", *(ROOT / page for page in pages)]
    files += [*(ROOT / "notebooks").rglob("*.md"), *(ROOT / "notebooks").rglob("*.py")]
    for path in sorted(
        path for path in files if path.exists() and "node_modules" not in path.parts
    ):
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield str(path.relative_to(ROOT)), "\n\n".join("".join(c["source"]) for c in cells)


def banned(text: str) -> list[str]:
    """The banned phrases in a text, each with the words around it."""
    line = _JOINT.sub(" ", text)
    return [line[max(0, m.start() - 40) : m.end() + 40] for m in _BANNED.finditer(line)]


@pytest.mark.parametrize(("path", "text"), [pytest.param(*each, id=each[0]) for each in texts()])
def test_texts_are_plain_english(path: str, text: str) -> None:
    assert banned(text) == [], f"{path}: write it as the docs of scikit-learn or httpx would"


@pytest.mark.parametrize(
    "text",
    [
        "Rows that are\nlet go here.",
        "# the two are not told\n    # apart yet",
        '"only rows that can "\n    f"be defended"',
        "A metric. Where from: the paper.",
    ],
)
def test_a_banned_phrase_is_seen_across_lines(text: str) -> None:
    assert len(banned(text)) == 1


def test_words_that_contain_a_phrase_are_no_match() -> None:
    assert banned("Marshall outlet goods; a shallow copy. Two values are equal.") == []
