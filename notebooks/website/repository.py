"""Links of pages to files of the repository: to their page on the site, else to the file's source.

A page that is written elsewhere, such as the README, is included here. Its relative links are
those of its own folder.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from notebooks.website.lessons import Lesson

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "notebooks"
ADDRESS = "https://github.com/synthkit/synthkit/"
BINDER = "https://mybinder.org/v2/gh/synthkit/synthkit/main"
PAGES = {
    "CHANGELOG.md": "pages/changelog.md",
    "README.md": "pages/guide.md",
    "synthkit/ARCHITECTURE.md": "pages/extending.md",
    "synthkit/evaluate/METRICS.md": "pages/metrics.md",
    "tests/benchmarks/README.md": "pages/measured.md",
}
"""Pages of the repository -> the pages of the site that include them."""
LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s#]+)(?=[)#])")
"""The path of a relative link in Markdown."""


def relinked(text: str, origin: Path, page: Path) -> str:
    """The text of a file as ``page`` includes it, with its relative links resolved.

    >>> relinked("[metrics](evaluate/METRICS.md)", ROOT / "synthkit/x.md", SOURCE / "pages/x.md")
    '[metrics](metrics.md)'
    """

    def resolve(match: re.Match[str]) -> str:
        path = Path(os.path.normpath(origin.parent / match[1]))
        inside = path.relative_to(ROOT).as_posix()
        target = SOURCE / PAGES[inside] if inside in PAGES else path
        if not target.exists():
            return match[1]  # Sphinx says so
        if not target.is_relative_to(SOURCE):
            return f"{ADDRESS}blob/main/{inside}"
        return Path(os.path.relpath(target, page.parent)).as_posix()

    return LINK.sub(resolve, text)


def _include_read(app: Any, relative_path: Path, parent: str, content: list[str]) -> None:
    """Resolve the links of an included page."""
    origin = Path(os.path.normpath(SOURCE / relative_path))
    # ``parent`` of myst-parser 5.2 is a name without its folder
    content[0] = relinked(content[0], origin, Path(app.env.doc2path(app.env.docname)))


def _lesson(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Tell the template of a lesson's page where the lesson can be run."""
    path = SOURCE / f"{page}.ipynb"
    if path.exists():
        place = f"{BINDER}?urlpath=lab/tree/notebooks/{page}.ipynb"
        context["binder"] = place if Lesson(path).in_binder else ""
        context["notebook"] = f"{ADDRESS}blob/main/notebooks/{page}.ipynb"


def setup(app: Any) -> None:
    """Resolve the links of included pages, and link lessons to where they run."""
    app.connect("include-read", _include_read)
    app.connect("html-page-context", _lesson)
