"""What a manager reads on the live pages, in a real browser: places, directions, what shows."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pypdf
import pytest

from serving.worklist.view import ReportView
from serving.worklist.view_parts import Interval
from tests.fakes.live_site import Site, listening, make_site
from tests.fakes.report_view import make_view
from tests.serving.worklist.test_live_in_chromium import signed_in

pytestmark = pytest.mark.chromium
PHONE = {"width": 375, "height": 800}


@pytest.fixture(scope="module")
def whole() -> ReportView:
    view = make_view(90, owners=3, top_per_owner=1000)
    assert view.forecast is not None
    rows = [replace(row, money=Interval(883_613, 621_566, 1_167_791)) for row in view.forecast.rows]
    return replace(view, forecast=replace(view.forecast, rows=tuple(rows)))


def site_in(language: str, folder: Path, view: ReportView) -> Site:
    site = make_site(folder, view)
    site.add("boss", "manager", language=language)
    return site


@pytest.mark.parametrize(("language", "first"), [("en", "left"), ("fa", "right")])
def test_the_expected_amount_stands_before_its_range(
    browser: Any, tmp_path: Path, whole: ReportView, language: str, first: str
) -> None:
    faults: list[str] = []
    site = site_in(language, tmp_path, whole)
    with listening(site.app) as url, signed_in(browser, url, faults) as page:
        page.goto(f"{url}/pipeline")
        boxes = page.eval_on_selector_all(
            ".fore li p:not(.bignum)",
            "all => all.map(p => ['b', '.quiet'].map(e => p.querySelector(e))"
            ".map(e => e.getBoundingClientRect()))",
        )
        assert len(boxes) == len(whole.forecast.rows)
        for amount, extent in boxes:
            if first == "left":
                assert amount["right"] <= extent["left"]
            else:
                assert amount["left"] >= extent["right"]
    assert faults == []


@pytest.mark.parametrize("language", ["en", "fa"])
def test_a_phone_shows_chance_amount_and_worth_once_and_no_rank(
    browser: Any, tmp_path: Path, whole: ReportView, language: str
) -> None:
    faults: list[str] = []
    site = site_in(language, tmp_path, whole)
    with (
        listening(site.app) as url,
        signed_in(browser, url, faults, viewport=PHONE) as page,
    ):
        page.goto(f"{url}/today?order=value")
        row = page.locator("#all tbody tr").first
        assert not row.locator(".rank").is_visible()
        values = row.locator("td.p")
        assert values.is_visible()
        chance = values.inner_text().split()[0]
        assert row.inner_text().count(chance) == 1
        assert values.locator("small").count() == 2
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert faults == []


def test_a_printed_lead_begins_on_the_first_page(
    browser: Any, tmp_path: Path, whole: ReportView
) -> None:
    faults: list[str] = []
    site = site_in("en", tmp_path, whole)
    with listening(site.app) as url, signed_in(browser, url, faults) as page:
        page.goto(f"{url}/lead/L-00001")
        name = page.inner_text("h1")
        first = pypdf.PdfReader(io.BytesIO(page.pdf(format="A4"))).pages[0].extract_text()
        assert name.split()[-1] in first
    assert faults == []


def test_a_lead_that_is_answered_says_so_without_a_reload(
    browser: Any, tmp_path: Path, whole: ReportView
) -> None:
    faults: list[str] = []
    site = site_in("en", tmp_path, whole)
    with listening(site.app) as url, signed_in(browser, url, faults) as page:
        page.goto(f"{url}/lead/L-00002")
        page.click("#answer button[value=done]")
        page.wait_for_selector("#lead .banner:has-text('done on')")
        assert page.inner_text("#said").startswith("Stored:")
        page.click("#answer button[value=undo]")
        page.wait_for_selector("#lead .banner:has-text('done on')", state="detached")
    assert faults == []
