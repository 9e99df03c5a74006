"""The live pages as a rep meets them, in a real browser: signed in, walked, answered, attacked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.worklist.view import ReportView
from tests.fakes.hostile_view import make_hostile_view
from tests.fakes.live_site import MADE_AT, PASSWORD, Site, listening, make_site
from tests.fakes.report_view import make_view

pytestmark = pytest.mark.chromium


@pytest.fixture(scope="module")
def whole() -> ReportView:
    return make_view(90, owners=3, top_per_owner=1000)


@pytest.fixture
def site(tmp_path: Path, whole: ReportView) -> Site:
    made = make_site(tmp_path, whole)
    made.add("boss", "manager")
    return made


@contextmanager
def signed_in(browser: Any, url: str, faults: list[str], **options: Any) -> Iterator[Any]:
    """Sign in, and note whatever goes wrong or leaves this host."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (faults.append("dialog"), dialog.dismiss()))
    page.on(
        "request",
        lambda sent: None if sent.url.startswith(url) else faults.append(f"request: {sent.url}"),
    )
    page.goto(url)
    page.fill("input[name=name]", "boss")
    page.fill("input[type=password]", PASSWORD)
    page.press("input[type=password]", "Enter")
    page.wait_for_url("**/today")
    yield page
    context.close()


def first_lead(page: Any) -> str:
    return str(page.get_attribute("#all tbody tr:first-child th a", "href")).partition("?")[0]


def test_a_rep_walks_the_list_answers_and_finds_it_changed(browser: Any, site: Site) -> None:
    faults: list[str] = []
    with listening(site.app) as url, signed_in(browser, url, faults) as page:
        page.select_option("select[name=band]", "B")
        page.wait_for_url("**band=B*")
        narrowed, first = page.url, first_lead(page)
        page.evaluate("scrollTo(0, 300)")
        page.click("#all tbody tr:nth-child(3) th a")
        page.wait_for_url("**/lead/**")
        page.keyboard.press("k")
        page.wait_for_function("at => location.pathname !== at", arg="")
        page.go_back()
        page.wait_for_load_state()
        while "/today" not in page.url:
            page.go_back()
            page.wait_for_load_state()
        assert page.url == narrowed
        assert page.input_value("select[name=band]") == "B"
        page.wait_for_function("scrollY > 200")
        page.click("#all tbody tr:first-child button[value=done]")
        page.wait_for_selector("#said:not(:empty)")
        assert "is off the list" in page.inner_text("#said")
        assert page.get_attribute("#said", "aria-live") == "polite"
        assert first_lead(page) != first
        page.reload()
        assert first_lead(page) != first
        page.goto(f"{url}/today")
        page.fill("#find", first.rpartition("/")[2])
        page.press("#find", "Enter")
        page.wait_for_url("**found=*")
        assert first.rpartition("/")[2] not in page.url
    assert faults == []


def test_a_newer_list_is_announced_and_shown_on_reload(
    browser: Any, site: Site, whole: ReportView
) -> None:
    faults: list[str] = []
    with listening(site.app) as url, signed_in(browser, url, faults) as page:
        page.click(".pager a[rel=next]")
        page.wait_for_url("**page=2**")
        about = replace(whole.about, run_id="next", as_of="2026-11-23T06:30:00+00:00")
        site.publish(replace(whole, about=about), MADE_AT + 1)
        page.goto(page.url.replace("page=2", "page=3"))
        assert page.is_visible("#newer")
        assert whole.about.run_id in page.url
        page.reload()
        page.wait_for_function("!location.search.includes('run=')")
        assert page.get_attribute("#newer", "data-run") == "next"
        assert not page.is_visible("#newer")
    assert faults == []


@pytest.mark.parametrize("size", [(1280, 900), (390, 800)])
def test_stored_script_runs_on_no_page_and_nothing_is_wider_than_the_screen(
    browser: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    hostile = make_hostile_view()
    site = make_site(tmp_path, hostile)
    site.add("boss", "manager")
    faults: list[str] = []
    screen = {"width": size[0], "height": size[1]}
    with listening(site.app) as url, signed_in(browser, url, faults, viewport=screen) as page:
        paths = ["/today", "/changes", "/pipeline", "/proof", "/model"]
        for number in range(1, 4):
            page.goto(f"{url}/today?page={number}")
            links = page.eval_on_selector_all(
                "#all tbody th a", "all => all.map(a => a.getAttribute('href'))"
            )
            paths += [f"/today?page={number}", *(link for link in links if len(link) < 2_000)]
        for path in dict.fromkeys(paths):
            page.goto(url + path)
            assert page.evaluate("window.hacked") is None
            assert page.locator("h1").count() >= 1, path
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path
        assert len(paths) > 40
    assert faults == []
