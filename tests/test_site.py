"""The documentation site: its map is complete, its links lead somewhere, and it builds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from notebooks.website import features, messages, reference, tables
from synthkit.core.errors import UsageError

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "notebooks"
MAP = SOURCE / "pages" / "map.md"
LINK = re.compile(r"\]\((<[^>]*>|[^)\s]+)(?:\s+\"[^\"]*\")?\)")
CODE = re.compile(r"^```.*?^```|``.*?``|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}
"""What a browser loads by itself, by tag and attribute."""


def lines(directive: str) -> list[str]:
    """The lines of all blocks of a directive on the map."""
    text = MAP.read_text(encoding="utf-8")
    return [line for block in features.blocks(text, directive) for line in block.splitlines()]


def test_everything_registered_and_every_public_name_is_on_the_map() -> None:
    shown = {each.home for line in lines("has") for each in tables.held(line)}
    left_out = {
        each.python or each.cell[0]
        for home, each in features.features().items()
        if home not in shown
    }
    assert not left_out, "name these, or the module that they are in, in notebooks/pages/map.md"
    assert len(shown) > 200


def test_nothing_is_on_the_map_twice() -> None:
    shown = [(each.home, *each.cell) for line in lines("has") for each in tables.held(line)]
    assert sorted({each for each in shown if shown.count(each) > 1}) == []


@pytest.mark.parametrize("line", lines("compare"))
def test_what_stands_beside_a_feature_of_datadreamer_exists_or_is_missing(line: str) -> None:
    assert tables.comparison(line, MAP).count("\n") == 2
    assert tables.NAME.search(line.split(" | ")[1]) or re.search(
        r"\*\*missing\*\*|by itself|nothing is replaced|the same|plain", line
    )


@pytest.mark.parametrize(
    "name",
    ["recipes.zerogem", "%synth marc", "%%synth --vari", "%synth mark --no", "Session.tracing"],
)
def test_a_name_that_does_not_exist_is_refused_on_the_map(name: str) -> None:
    with pytest.raises(UsageError):
        features.named(name)


@pytest.mark.parametrize(
    ("name", "code", "uses"),
    [
        ("%synth mark", "%synth mark reviews", True),
        ("%synth mark", "%synth marks reviews", False),
        ("%%synth --n", "%%synth reviews --n 4", True),
        ("%%synth --n", "%%synth reviews --no-truncated", False),
        ("recipes.chain", "%%synth quiz --recipe chain --from topics", True),
        ("recipes.chain", "%%synth quiz --recipe chain_of_thought --from topics", False),
        ("curate.length", "sk.curate.length(least=5)", True),
        ("curate.length", "from synthkit.curate import deita, length", True),
        ("curate.length", "length = 5", False),
        ("Session.trace", "session.trace(row)", True),
    ],
)
def test_the_map_knows_what_a_lesson_uses(name: str, code: str, uses: bool) -> None:
    assert any(re.search(each, code) for each in features.named(name).patterns) == uses


def test_each_package_has_a_page_in_the_reference() -> None:
    pages = (SOURCE / "pages" / "api").glob("*.md")
    shown = re.findall(r"^```{public} (\S+)$", "\n".join(p.read_text() for p in pages), re.M)
    assert set(reference.packages()) <= set(shown)


def test_each_error_says_what_it_means_and_what_to_do() -> None:
    for each in messages.classes():
        meaning, _, action = str(each.__doc__).partition("\n\n")
        assert len(meaning) > 20, each
        assert len(action) > 60, each


def pages() -> list[Path]:
    """The pages and notebooks of the repository."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    return [ROOT / path for path in tracked.splitlines() if path.endswith((".md", ".ipynb"))]


def links(path: Path) -> list[str]:
    """The links in the text of a page, or of a notebook's cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return LINK.findall(CODE.sub("", text))


@pytest.mark.parametrize("path", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in pages()])
def test_links_of_pages_and_notebooks_lead_to_files_or_are_well_formed(path: Path) -> None:
    for link in links(path):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme == "https", link
            assert re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", parts.netloc), link
            assert not link.endswith((".", ",")), link
        elif parts.path:
            assert (path.parent / unquote(parts.path)).exists(), f"{link} leads nowhere"


def test_the_start_page_opens_binder_as_the_readme_does() -> None:
    (place,) = {link for link in links(SOURCE / "index.md") if "mybinder.org" in link}
    assert place in links(ROOT / "README.md")


class Page(HTMLParser):
    """The links of a page, what it loads, and the places that a link can lead to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.links, self.loaded, self.places = path, [], [], {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.places |= {str(named[name]) for name in ("id", "name") if named.get(name)}
        self.links += [str(named["href"])] if tag == "a" and named.get("href") else []
        self.loaded += [str(value) for name, value in attrs if (tag, name) in LOADED and value]


def broken(site: Path) -> Iterator[str]:
    """Links of the built site that lead nowhere, and what it would load from elsewhere."""
    built = {path: Page(path) for path in site.rglob("*.html")}
    for path, page in built.items():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loaded and parts.scheme != "data":
                    yield f"{path.name} loads {link}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{path.name}: no file {link}"
            elif target in built and unquote(parts.fragment) not in built[target].places:
                yield f"{path.name}: no place {link}"


def test_broken_links_and_foreign_scripts_of_a_site_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<script src="https://cdn.example.org/x.js"></script><h1 id="here">'
        '<a href="#here">1</a><a href="#there">2</a><a href="b.html">3</a><a href="https://x.org">4</a>'
    )
    assert sorted(broken(tmp_path)) == [
        "a.html loads https://cdn.example.org/x.js",
        "a.html: no file b.html",
        "a.html: no place #there",
    ]


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_all_its_links_lead_somewhere(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^sphinx-build (.+) build/site$", readme, re.M)
    run = [sys.executable, "-m", "sphinx", "-q", *command.split(), str(tmp_path)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(broken(tmp_path)) == []
    for notebook in SOURCE.rglob("*.ipynb"):
        assert (tmp_path / notebook.relative_to(SOURCE)).with_suffix(".html").exists()
    start = Page(tmp_path / "index.html")
    assert {"pages/install.html", "pages/map.html", "pages/troubleshooting.html"} <= {*start.links}
