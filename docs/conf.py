"""The site of `make docs`: the pages of this folder, the model zoo and the records, as Sphinx
builds them from the repository. They are plain Markdown; what only a site has is added here.
"""

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from docs import findings  # noqa: E402

# Rooms of the navigation, each with its pages in this folder, or from the top of the repository.
ROOMS = {
    "Start": ["install", "first_hour", "report", "notebooks/detection", "notebooks/segmentation"],
    "Train": ["data", "detection", "segmentation", "devices", "reliability", "comparison"],
    "Use": ["weights", "predicting", "export", "deploying", "speed", "integrations"],
    "Understand": ["how_it_works", "family", "differences", "recipes", "/MODEL_ZOO"],
    "Look up": ["commands", "config_keys", "api", "patches"],
    "Help": ["troubleshooting", "migration", "/CHANGELOG"],
    "Records": [f"/benchmarks/results/{path.stem}" for path in
                sorted((ROOT / "benchmarks/results").glob("*.md"))],
}

project = html_title = "resnest_dense"
root_doc = "docs/index"
include_patterns = ["docs/*.md", "docs/notebooks/*.ipynb", "MODEL_ZOO.md", "CHANGELOG.md",
                    "benchmarks/results/*.md"]
exclude_patterns = [".*", "build", "output", "results"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxarg.ext"]

myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "build/notebooks")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_output_stderr = "remove"  # warnings of libraries; what fails is shown all the same

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
napoleon_custom_sections = ["Shape"]
smartquotes = False  # which would turn the dashes of options

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sphinx = html_show_copyright = False
highlight_language = "sh"
pygments_style, pygments_dark_style = "friendly", "monokai"


def add_to_pages(app: Sphinx, page: str, source: list[str]) -> None:
    """The navigation, and what the checks of data find."""
    source[0] = source[0].replace(findings.MARK, findings.render())
    if page == "docs/commands":  # without "Named Arguments" in the list beside the page
        source[0] = f"---\ntocdepth: 4\n---\n{source[0]}"
    if page == root_doc:
        for room, pages in ROOMS.items():
            paths = (path if path.startswith("/") else f"/docs/{path}" for path in pages)
            source[0] += "\n\n".join(["", "```{toctree}\n:hidden:\n:caption: " + room, "\n".join(
                paths), "```\n"])


def finish(app: Sphinx, error: Exception | None) -> None:
    """The address of the folder leads to the home page; no page needs the network."""
    if error is not None:
        return
    site = Path(app.outdir)
    (site / "index.html").write_text(
        f'<meta http-equiv="refresh" content="0; url={root_doc}.html">\n', encoding="utf-8")
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        if outside := re.findall(r'<(?:script|img|link|iframe)\b[^>]*"(?:https?:)?//[^"]+"', text):
            raise SphinxError(f"{path} needs the network: {outside[0]}")


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_to_pages)
    app.connect("build-finished", finish)
