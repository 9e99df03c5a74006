"""The live pages for whoever reads, hears or types them: axe, keyboard, order of what is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.worklist.model_page import render_model_page
from serving.worklist.stored_pages import write_pages
from serving.worklist.view import ReportView
from tests.fakes.live_site import MADE_AT, PASSWORD, Site, listening, make_site
from tests.fakes.report_view import make_view
from tests.serving.worklist.test_model_page import CARD, drivers
from tests.serving.worklist.test_report_in_chromium import AXE_RULES

pytestmark = pytest.mark.chromium
PATHS = ("/today", "/changes", "/pipeline", "/proof", "/model", "/account")


@pytest.fixture(scope="module")
def whole() -> ReportView:
    return make_view(90, owners=3, top_per_owner=1000)


@pytest.fixture
def site(tmp_path: Path, whole: ReportView) -> Site:
    made = make_site(tmp_path, whole)
    model = {
        f"model-{language}": render_model_page(
            CARD, project="acme", version="7", drivers=drivers(), language=language
        )
        for language in ("en", "fa")
    }
    about = replace(whole.about, run_id="with a model", as_of="2027-01-01T06:00:00+00:00")
    view = replace(whole, about=about)
    write_pages(made.state.pages, view, view.leads, made_at=MADE_AT + 1, texts=model)
    return made


@contextmanager
def opened_by(
    browser: Any, site: Site, name: str, *, width: int = 1280, scheme: str = "light"
) -> Iterator[tuple[Any, str]]:
    """Open the pages in a browser and sign in."""
    with listening(site.app) as url:
        context = browser.new_context(viewport={"width": width, "height": 850}, color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(url)
        page.fill("input[name=name]", name)
        page.fill("input[type=password]", PASSWORD)
        page.press("input[type=password]", "Enter")
        page.wait_for_url("**/today")
        yield page, url
        context.close()


@pytest.mark.parametrize(
    ("language", "width", "scheme"),
    [
        ("en", 1280, "light"),
        ("fa", 390, "dark"),
        pytest.param("en", 390, "dark", marks=pytest.mark.slow),
        pytest.param("fa", 1280, "dark", marks=pytest.mark.slow),
        pytest.param("fa", 390, "light", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_no_barrier_on_any_live_page(
    browser: Any, site: Site, language: str, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    site.add("boss", "manager", language=language)
    with opened_by(browser, site, "boss", width=width, scheme=scheme) as (page, url):
        lead = page.get_attribute("#all tbody tr[data-i] th a", "href")
        page.goto(url + lead)
        card = page.get_attribute("a[href^='/card/']", "href")
        found = {}
        for path in (*PATHS, lead, card, "/login", "/lead/none"):
            if path == "/login":
                page.context.clear_cookies()
            page.goto(url + path)
            if path == "/account":
                page.click("summary")
            told = axe.run(page, options={"runOnly": AXE_RULES}).response["violations"]
            if told:
                found[path] = [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in told]
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{path} overflows: {wide}"
        assert found == {}, found


def test_a_lead_is_answered_by_keyboard_alone_and_the_answer_is_read_out(
    browser: Any, site: Site
) -> None:
    site.add("boss", "manager")
    with opened_by(browser, site, "boss") as (page, url):
        lead = page.get_attribute("#all tbody tr[data-i] th a", "href")
        page.goto(url + lead)
        order: list[str] = []
        for _ in range(120):
            page.keyboard.press("Tab")
            order.append(
                page.evaluate(
                    "(document.activeElement.name || document.activeElement.id || '') + ' '"
                    "+ (document.activeElement.value || document.activeElement.getAttribute('href')"
                    " || document.activeElement.tagName)"
                )
            )
            if "verdict done" in order[-1]:
                break
        assert order[0].endswith("#main")
        assert any("/account" in each for each in order[:3])
        assert "verdict done" in order[-1], order
        reads = page.evaluate(
            "[...document.querySelectorAll('h1, .ten dt, #said, .answers h2')].map("
            "e => e.id === 'said' ? 'said' : e.tagName)"
        )
        assert reads[0] == "said"  # announced, and no farther away than one heading
        assert reads.index("H1") < reads.index("DT") < reads.index("H2")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.value") == "snooze"
        page.keyboard.press("Enter")
        page.wait_for_selector("#said:not(:empty)")
        assert page.get_attribute("#said", "role") == "status"
        assert page.evaluate("document.activeElement !== document.body")
        page.keyboard.press("Shift+Tab")
        assert page.locator("#said button").count() == 1  # undo is within reach
        page.focus("#said button")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.locator("header + .banner.soft").count() == 0  # it is not snoozed any more


def test_the_slider_moves_the_line_and_its_place_is_in_the_address(
    browser: Any, site: Site
) -> None:
    site.add("boss", "manager")
    with opened_by(browser, site, "boss") as (page, url):
        rows = "[...document.querySelectorAll('#all tbody tr')].map(r => r.className)"
        page.focus("#plan")
        before = page.inner_text("#plan-says")
        page.evaluate(
            "p => { p = document.getElementById('plan'); p.value = 7;"
            " p.dispatchEvent(new Event('input')); p.dispatchEvent(new Event('change')) }"
        )
        page.wait_for_url("**calls=7*")
        assert page.inner_text("#plan-calls") == "7"
        assert page.inner_text("#plan-says") != before
        assert "cut-off" in page.inner_text("#plan-says")
        assert page.evaluate(rows).index("cut-line") == 7
        assert page.evaluate("document.activeElement.id") == "plan"
        page.keyboard.press("ArrowRight")
        page.wait_for_url("**calls=8*")
        page.wait_for_selector("#all tbody tr:nth-child(9).cut-line")
        page.reload()
        assert page.input_value("#plan") == "8"
        assert page.evaluate(rows).index("cut-line") == 8
        assert "calls=8" in page.get_attribute("#all tbody tr[data-i] th a", "href")
        page.goto(f"{url}/today?calls=8&order=value")
        assert page.evaluate(rows).index("cut-line") == 8
