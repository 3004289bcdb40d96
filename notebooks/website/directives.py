"""Directives of the pages: what each writes is read off the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from notebooks.website import citation, lessons, reference, tables


def directive(write: Callable[[str, Path], str]) -> type[SphinxDirective]:
    """A directive that puts Markdown in its place, written from its argument and its lines."""

    class Written(SphinxDirective):
        has_content = True
        optional_arguments = 1
        final_argument_whitespace = True

        def run(self) -> list[nodes.Node]:
            page = Path(self.env.doc2path(self.env.docname))
            text = write("\n".join([*self.arguments, *self.content]), page)
            return self.parse_text_to_nodes(text, allow_section_headings=True)

    return Written


DIRECTIVES = {
    "lessons": directive(lambda _, page: lessons.menu()),
    "public": directive(
        lambda package, page: f"```{{eval-rst}}\n{reference.listing(package)}\n```"
    ),
    "has": directive(tables.holds),
    "compare": directive(tables.comparison),
    "magics": directive(lambda _, page: tables.magics()),
    "command": directive(lambda _, page: tables.command()),
    "errors": directive(lambda _, page: tables.errors()),
    "citation": directive(lambda _, page: citation.page()),
    "catalog": directive(lambda name, page: tables.CATALOGS[name]()),
}
