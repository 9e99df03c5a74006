"""The documentation site: `make docs` builds it offline, and a warning is an error."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

project = "leadscore"
author = "The leadscore project"
version = release = version_of("leadscore")
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_design",
]
exclude_patterns = ["decisions"]
html_theme = "pydata_sphinx_theme"
html_title = "leadscore"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_sidebars = {"benchmarks": []}
html_context = {"default_mode": "auto"}
html_show_sphinx = False
html_show_sourcelink = False
html_theme_options: dict[str, Any] = {
    "show_prev_next": False,
    "secondary_sidebar_items": {"**": ["page-toc"], "benchmarks": []},
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copyright = author
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
python_maximum_signature_line_length = 72


def copy_notebooks() -> None:
    """Copy the notebooks, which have a folder of their own, to where Sphinx reads pages."""
    target = DOCS / "notebooks"
    target.mkdir(exist_ok=True)
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        shutil.copy(notebook, target)


def write_llms_txt(app: Sphinx, error: Exception | None) -> None:
    """Write llms.txt: every page in plain Markdown, with its title and first words."""
    if error is not None or app.builder.name != "html":
        return
    index = app.env.get_doctree("index")
    lines = ["# leadscore", "", f"> {_first_words(index)}"]
    for section in ("tutorials", "how-to", "reference", "explanation", "notebooks", "benchmarks"):
        pages = [page for page in sorted(app.env.found_docs) if page.partition("/")[0] == section]
        lines += ["", f"## {section.capitalize()}", ""]
        for page in pages:
            source = f"_sources/{app.env.doc2path(page, base=False)}.txt"
            words = _first_words(app.env.get_doctree(page))
            lines.append(f"- [{app.env.titles[page].astext()}]({source}): {words}")
    (Path(app.outdir) / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _first_words(page: nodes.document) -> str:
    first = next(iter(page.findall(nodes.paragraph)), None)
    return "" if first is None else " ".join(first.astext().split())


def setup(app: Sphinx) -> None:
    """Register what is written after the pages."""
    app.connect("build-finished", write_llms_txt)


copy_notebooks()
