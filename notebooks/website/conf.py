"""Sphinx's configuration of the documentation site; README has the command that builds it."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from notebooks.website import lexer, reference, repository
from notebooks.website.directives import DIRECTIVES
from synthkit import __version__ as release

project = "synthkit"
copyright = "the synthkit contributors, Apache-2.0"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["website", "published", ".synthkit", "**/.synthkit", "**/.ipynb_checkpoints"]
show_warning_types = True
smartquotes_action = "D"  # dashes; quotation marks stay as they are typed

# notebooks are shown as they are stored
nb_execution_mode = "off"
nb_merge_streams = True
suppress_warnings = ["mystnb.unknown_mime_type"]  # plotly's JSON; the image beside it is shown
myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 3

autodoc_typehints = "none"
add_module_names = False
autodoc_member_order = "bysource"
autosummary_generate = False
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_attr_annotations = False

html_theme = "furo"
pygments_dark_style = "a11y-high-contrast-dark"
html_title = f"synthkit {release}"
html_static_path = ["static"]
templates_path = ["templates"]
html_copy_source = False
html_css_files = ["site.css"]
html_theme_options = {
    "source_repository": repository.ADDRESS,
    "source_branch": "main",
    "source_directory": "notebooks/",
}


def setup(app: object) -> None:
    """Add what Sphinx does not have by itself."""
    lexer.setup(app)
    reference.setup(app)
    repository.setup(app)
    for name, directive in DIRECTIVES.items():
        app.add_directive(name, directive)  # type: ignore[attr-defined]
