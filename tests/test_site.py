"""The documentation site builds without a warning, and loads nothing over the network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

ROOT = Path(__file__).resolve().parents[1]
LOADED = re.compile(r"""(?:src|data|poster)\s*=\s*["']?(?:https?:)?//|url\(["']?(?:https?:)?//""")
LINKED = re.compile(r"""<link\b[^>]*\bhref=["'](?:https?:)?//""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it, but notebooks do not run: they have tests of their own."""
    pytest.importorskip("sphinx", reason="Sphinx is not installed: make .venv/.ready-dev")
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "--quiet", "-b", "html"]
    settings = ["-D", "nb_execution_mode=off", "-d", str(target / "read")]
    built = subprocess.run(
        [*command, *settings, "docs", str(target / "html")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return target / "html"


def test_nothing_is_loaded_from_the_network(site: Path) -> None:
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(pages) > 30
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not LOADED.search(text), page.name
        assert not LINKED.search(text), page.name


def test_every_page_is_in_llms_txt_with_its_first_words(site: Path) -> None:
    lines = (site / "llms.txt").read_text(encoding="utf-8").splitlines()
    listed = re.findall(r"\]\((_sources/[^)]+)\): \S", "\n".join(lines))
    sources = {path.relative_to(site).as_posix() for path in site.rglob("_sources/**/*.txt")}
    assert sources - set(listed) == {"_sources/index.md.txt"}
    assert set(listed) <= sources


def test_the_json_schema_and_the_openapi_document_can_be_downloaded(site: Path) -> None:
    assert {path.name for path in (site / "_downloads").rglob("*.json")} == {
        "project.schema.json",
        "openapi.json",
    }


def test_links_of_the_readme_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    assert len(links) > 10
    assert [each for each in links if "://" not in each and not (ROOT / each).exists()] == []
    assert len(text.splitlines()) < 150
