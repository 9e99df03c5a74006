from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.worklist.view import ReportView
from tests.fakes.report_view import make_view

CHROMIUM = Path("/usr/bin/chromium")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def view() -> ReportView:
    return make_view(60, owners=3, top_per_owner=10)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Open Chromium for the tests of one file: an open one keeps an event loop running."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        yield opened
        opened.close()
