"""Every class has a name of its own, and so has every file, so that a search finds one place."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("data", "features", "models", "training", "serving", "leadscore")
PATHS = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
SHARED_STEMS = {"__init__", "__main__", "reader", "writer"}
"""A package has its `__init__`, a connector its reader and writer."""

pytestmark = pytest.mark.checkout


def repeated(places: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Keep the names that stand in more than one place."""
    return {name: where for name, where in places.items() if len(where) > 1}


def test_every_class_of_the_product_has_a_name_of_its_own() -> None:
    places: dict[str, list[str]] = {}
    for path in PATHS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert repeated(places) == {}


def test_every_file_of_the_product_has_a_name_of_its_own() -> None:
    places: dict[str, list[str]] = {}
    for path in PATHS:
        inside = path.relative_to(ROOT)
        if path.stem not in SHARED_STEMS and inside.parts[:2] != ("serving", "cli"):
            places.setdefault(path.stem, []).append(str(inside))
    assert repeated(places) == {}
