"""The report as a person meets it: opened, read, searched, sorted, printed in a real browser."""

import io
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pypdf
import pytest

from serving.worklist.html import list_rows, render
from serving.worklist.view import ReportView
from tests.fakes.hostile_view import make_hostile_view

pytestmark = pytest.mark.chromium
PAGES = ("week", "movers", "leads", "l-L-00001", "funnel", "forecast", "trust", "experiment")
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
SIZES = {"desktop": (1280, 900), "phone": (360, 780)}


@dataclass
class Visit:
    """An open page and everything that went wrong on it."""

    page: Any
    context: Any
    faults: list[str] = field(default_factory=list)


def visit(browser: Any, file: Path, *, size: str = "desktop", scheme: str = "light") -> Visit:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    seen = Visit(page, context)
    page.on("console", lambda message: seen.faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: seen.faults.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (seen.faults.append("dialog"), dialog.dismiss()))
    page.on(
        "request",
        lambda request: (
            seen.faults.append(f"request: {request.url}")
            if not request.url.startswith(file.as_uri())
            else None
        ),
    )
    page.goto(file.as_uri())
    return seen


def open_at(page: Any, anchor: str) -> None:
    page.evaluate("at => { location.hash = at }", anchor)
    page.wait_for_function(
        "at => document.querySelector(at.startsWith('l-') ? '#slot article' : '#' + at + '.on')",
        arg=anchor,
    )


def sweep(seen: Visit) -> None:
    """Walk all pages: nothing overflows, every letter stands out, nothing goes wrong."""
    for anchor in PAGES:
        open_at(seen.page, anchor)
        wide, inside = seen.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= inside, f"{anchor} overflows: {wide} > {inside}"
        faint = seen.page.evaluate(CONTRAST)
        assert faint == [], f"{anchor}: {faint[:5]}"
    assert seen.faults == []


@pytest.fixture(scope="session")
def files(view: ReportView, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("report")
    paths = {}
    for language in ("en", "it", "fr", "fa"):
        paths[language] = folder / f"{language}.html"
        paths[language].write_text(render(view, language), encoding="utf-8")
    return paths


@pytest.mark.parametrize(
    ("language", "size", "scheme"), [("en", "desktop", "light"), ("fa", "phone", "dark")]
)
def test_every_page_fits_and_can_be_read(
    browser: Any, files: dict[str, Path], language: str, size: str, scheme: str
) -> None:
    seen = visit(browser, files[language], size=size, scheme=scheme)
    sweep(seen)
    seen.context.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("language", ["en", "it", "fr", "fa"])
def test_every_language_light_and_dark_on_desktop_and_phone(
    browser: Any, files: dict[str, Path], language: str, size: str, scheme: str
) -> None:
    seen = visit(browser, files[language], size=size, scheme=scheme)
    sweep(seen)
    seen.context.close()


def test_search_and_filters_narrow_the_list(
    browser: Any, files: dict[str, Path], view: ReportView
) -> None:
    seen = visit(browser, files["en"])
    page = seen.page
    open_at(page, "leads")
    name = view.leads[7].name
    page.fill("#find", name.upper())
    page.wait_for_function("() => document.querySelectorAll('#all tbody tr:not(.off)').length < 60")
    shown = page.locator("#all tbody tr:not(.off) th").all_inner_texts()
    assert shown
    assert all(name in text for text in shown)
    assert page.inner_text("#count") == f"{len(shown)} of 60 leads"
    page.fill("#find", "")
    page.select_option("#band", "0")
    page.wait_for_timeout(200)
    assert page.locator("#all tbody tr:not(.off)").count() == sum(x.band == "A" for x in view.leads)
    assert seen.faults == []
    seen.context.close()


def test_a_click_on_a_heading_sorts_by_it_and_says_so(
    browser: Any, files: dict[str, Path], view: ReportView
) -> None:
    seen = visit(browser, files["fa"])
    page = seen.page
    open_at(page, "leads")
    heading = page.locator("#all thead button").nth(1)
    heading.click()
    page.wait_for_function("() => document.querySelectorAll('#all th')[1].ariaSort === 'ascending'")
    names = page.locator("#all tbody th bdi:first-child").all_inner_texts()
    firsts = [name for name in names if name in {lead.name for lead in view.leads}]
    assert firsts == sorted((lead.name for lead in view.leads), key=str.casefold)
    assert page.locator("#all th").nth(1).get_attribute("aria-sort") == "ascending"
    heading.click()
    page.wait_for_function(
        "() => document.querySelectorAll('#all th')[1].ariaSort === 'descending'"
    )
    seen.context.close()


def test_the_keyboard_reaches_everything_in_reading_order(
    browser: Any, files: dict[str, Path]
) -> None:
    seen = visit(browser, files["en"])
    page = seen.page
    order = []
    for _ in range(10):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.getAttribute('href')"
            )
        )
    assert order[:4] == ["#main", "theme", "#week", "#movers"]
    assert order[9] == "plan"
    page.locator("nav a").nth(2).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#leads.on")
    seen.context.close()


def test_a_lead_page_opens_adds_up_and_takes_an_answer(
    browser: Any, files: dict[str, Path], view: ReportView
) -> None:
    seen = visit(browser, files["en"])
    page = seen.page
    page.locator("#calls a").first.click()
    page.wait_for_selector("#slot article")
    points = page.locator(".wf .wp").all_inner_texts()
    whole = [int(text.replace("\u2212", "-").replace("+", "")) for text in points if text.strip()]
    assert sum(whole[:-1]) == whole[-1] == view.leads[0].score
    page.fill("#because", 'it\'s a $(test); "x"')
    command = page.input_value("#command")
    assert command.endswith("""--because 'it'\\''s a $(test); "x"'""")
    assert shlex.split(command)[:2] == ["leadscore", "feedback"]
    assert shlex.split(command)[3:6] == [view.leads[0].lead_id, "wrong", "--because"]
    assert page.get_attribute("#mail", "href").startswith("mailto:?subject=")
    assert seen.faults == []
    seen.context.close()


def test_print_holds_every_row_of_the_top_n_of_each_owner(
    browser: Any, files: dict[str, Path], view: ReportView
) -> None:
    seen = visit(browser, files["en"])
    pdf = pypdf.PdfReader(io.BytesIO(seen.page.pdf(format="A4")))
    text = re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pdf.pages))
    printed = text[text.index("The best 10 leads of each owner") :]
    tops = [row.lead for row in list_rows(view) if row.kind == "top"]
    assert len(tops) == 30
    for row in tops:
        assert row.name in printed, row.name
    rests = {row.lead.name for row in list_rows(view) if row.kind == "rest"}
    listed = printed[: printed.index("Definitions that marketing")]
    assert not {name for name in rests - {lead.name for lead in tops} if name in listed}
    seen.context.close()


def test_a_hostile_world_executes_nothing_and_breaks_no_layout(
    browser: Any, tmp_path: Path
) -> None:
    view = make_hostile_view()
    file = tmp_path / "hostile.html"
    page_text = render(view, "fa")
    assert len(page_text) < 3_000_000
    file.write_text(page_text, encoding="utf-8")
    for size in SIZES:
        seen = visit(browser, file, size=size)
        page = seen.page
        for anchor in ("week", "movers", "leads", "trust"):
            open_at(page, anchor)
            wide, inside = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert wide <= inside, f"{anchor} {size}: {wide} > {inside}"
        for link in page.evaluate(
            "[...document.querySelectorAll('#all th a')].map(a => a.hash.slice(1))"
        ):
            page.evaluate("at => { location.hash = at }", link)
            page.wait_for_function("at => document.getElementById(at)", arg=link)
            wide, inside = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert wide <= inside, f"{link} {size}: {wide} > {inside}"
        assert page.evaluate("window.hacked") is None
        assert (
            page.evaluate(
                "document.querySelectorAll('main script, main img, main iframe, main style').length"
            )
            == 0
        )
        assert seen.faults == []
        seen.context.close()
