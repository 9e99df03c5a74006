"""Every notebook runs from a fresh kernel, is stored without outputs, and is as its source says."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
import warnings
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def name_of(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_stored_notebook_has_no_outputs(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_is_what_its_source_says(path: Path) -> None:
    spec = importlib.util.spec_from_file_location("notebooks_build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    source = (FOLDER / "source" / f"{path.stem}.py").read_text(encoding="utf-8")
    built = nbformat.writes(builder.build(source)).rstrip("\n") + "\n"
    assert path.read_text(encoding="utf-8") == built


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_imports_of_ours_the_package_alone(path: Path) -> None:
    tree = ast.parse((FOLDER / "source" / f"{path.stem}.py").read_text(encoding="utf-8"))
    found = {
        alias.name
        for each in ast.walk(tree)
        if isinstance(each, ast.Import)
        for alias in each.names
    }
    found |= {str(each.module) for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
    theirs = {"matplotlib.pyplot", "numpy", "pandas", "shap"}
    assert found - theirs - set(sys.stdlib_module_names) == {"leadscore"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_runs_without_an_error(path: Path) -> None:
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    pytest.importorskip("shap", reason="shap is not installed")
    with warnings.catch_warnings():  # the kernel's transport warns of itself
        warnings.simplefilter("ignore")
        from nbclient import NotebookClient

        book = nbformat.read(path, as_version=4)
        before = os.environ.get("OMP_NUM_THREADS")
        os.environ["OMP_NUM_THREADS"] = before or "1"
        NotebookClient(
            book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
        ).execute()
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error"]
