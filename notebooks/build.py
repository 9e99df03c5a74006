"""Readable sources -> notebooks without outputs: python notebooks/build.py

A source is plain Python: `# %% [markdown]` opens a cell of words (its lines are comments), `# %%`
a cell of code. A line such as `# %matplotlib inline` becomes a magic.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

FOLDER = Path(__file__).parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def build(source: str) -> nbformat.NotebookNode:
    """Turn one source into a notebook; the same source gives the same bytes."""
    cells = []
    for number, piece in enumerate(re.split(r"^# %%", source, flags=re.MULTILINE)[1:]):
        head, _, body = piece.partition("\n")
        text = body.strip("\n")
        if head.strip() == "[markdown]":
            cell = new_markdown_cell(re.sub(r"^# ?", "", text, flags=re.MULTILINE))
        else:
            cell = new_code_cell(re.sub(r"^# (%[a-z])", r"\1", text, flags=re.MULTILINE))
        cell["id"] = f"cell-{number:02d}"
        cells.append(cell)
    about = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return new_notebook(cells=cells, metadata=about)


def sources() -> dict[Path, Path]:
    """List the sources, each with the notebook that it becomes."""
    return {
        path: FOLDER / f"{path.stem}.ipynb" for path in sorted((FOLDER / "source").glob("*.py"))
    }


def main() -> None:
    """Write every notebook."""
    for source, notebook in sources().items():
        text = nbformat.writes(build(source.read_text(encoding="utf-8")))
        notebook.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
