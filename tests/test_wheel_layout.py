"""The wheel as it is built: one top-level name, and imports that point into it."""

from __future__ import annotations

import ast
import re
import zipfile

import pytest

from hatch_build import FOLDERS, rewrite
from tests.on_the_wheel import ROOT, build_wheel

pytestmark = pytest.mark.checkout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel")))


def test_the_wheel_installs_one_name(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"leadscore"}


def test_every_module_and_data_file_of_the_folders_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    inside = {name.removeprefix("leadscore/") for name in wheel.namelist()}
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    wanted = {str(p.relative_to(ROOT)) for p in files if "__pycache__" not in p.parts}
    assert wanted <= inside


def test_the_predictor_is_byte_for_byte_that_of_the_checkout(wheel: zipfile.ZipFile) -> None:
    own = (ROOT / "models" / "predictor.py").read_bytes()
    assert wheel.read("leadscore/models/predictor.py") == own


def test_no_module_of_the_wheel_imports_a_folder_by_its_bare_name(wheel: zipfile.ZipFile) -> None:
    for name in wheel.namelist():
        if not name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(wheel.read(name))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            assert not [m for m in modules if m.partition(".")[0] in FOLDERS], name


def test_no_code_names_a_module_of_ours_in_a_string() -> None:
    named = re.compile(rf"({'|'.join(FOLDERS)})(\.[a-z_]+)+")
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    }
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                assert not (named.fullmatch(text) and text in modules - {"models.predictor"}), path


def test_tests_can_run_on_the_wheel() -> None:
    """They import no benchmark, and replace no attribute by a path that begins in the checkout."""
    by_path = re.compile(rf"""setattr\(\s*["']({"|".join(FOLDERS)})\.""")
    for path in sorted((ROOT / "tests").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert not by_path.search(text), path
        assert not re.search(r"^\s*(from|import) benchmarks\b", text, re.MULTILINE), path


def test_no_file_that_is_shipped_tells_people_to_run_a_module_of_the_checkout(
    wheel: zipfile.ZipFile,
) -> None:
    own_module = rf"python -m ({'|'.join(FOLDERS)})\b"
    for name in wheel.namelist():
        if not name.startswith("leadscore/"):
            continue
        assert not re.search(own_module, wheel.read(name).decode()), name


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("from data.tables import Events", "from leadscore.data.tables import Events"),
        ("from data import errors", "from leadscore.data import errors"),
        ("import models.predictor as p, json", "import leadscore.models.predictor as p, json"),
        ("from database import x  # data.tables", "from database import x  # data.tables"),
        (
            "if True:\n    from serving import demo",
            "if True:\n    from leadscore.serving import demo",
        ),
    ],
)
def test_imports_are_rewritten_and_nothing_else(source: str, written: str) -> None:
    assert rewrite(source) == written


def test_an_import_that_could_not_be_followed_is_refused() -> None:
    with pytest.raises(SyntaxError, match="cannot be moved below leadscore"):
        rewrite("import data.tables")
