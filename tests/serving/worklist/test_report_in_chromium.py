"""The report as a person meets it: opened, read, searched, sorted, printed in a real browser."""

import io
import re
import shlex
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pypdf
import pytest

from serving.worklist.html import PRINTED, render
from serving.worklist.ranking import orders
from serving.worklist.view import ReportView
from tests.fakes.hostile_view import make_hostile_view

pytestmark = pytest.mark.chromium
PAGES = ("today", "changes", "l-L-00001", "pipeline", "proof")
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CONTRAST = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
SIZES = {"desktop": (1280, 900), "phone": (390, 780)}


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


def listed(page: Any) -> list[int]:
    """Read the places of the leads that the list shows."""
    return page.evaluate(
        "[...document.querySelectorAll('#all tbody tr[data-i]')].map(r => +r.dataset.i)"
    )


def settled(page: Any) -> None:
    """Wait in the page itself, behind its own timers: a busy machine delays both."""
    page.evaluate("new Promise(done => { setTimeout(done, 350) })")


@pytest.mark.parametrize("word", ["id", "email", "person", "title"])
def test_a_lead_is_found_by_its_id_address_name_and_title(
    browser: Any, files: dict[str, Path], view: ReportView, word: str
) -> None:
    seen = visit(browser, files["en"])
    lead = next(x for x in view.leads[20:] if x.title)
    typed = {"id": lead.lead_id, "email": lead.email, "person": lead.person, "title": lead.title}
    seen.page.fill("#find", typed[word].upper())
    seen.page.wait_for_selector("#clear:not([hidden])")
    found = [view.leads[i] for i in listed(seen.page)]
    if word in ("id", "email"):
        assert [x.lead_id for x in found] == [lead.lead_id]
    else:
        names = typed[word].split()
        assert found
        assert all(n in f"{x.person} {x.title}" for x in found for n in names)
    assert typed[word].upper() not in seen.page.evaluate("location.href")
    seen.context.close()


def test_an_exact_word_comes_first_and_no_word_is_found_inside_another(
    browser: Any, tmp_path: Path, view: ReportView
) -> None:
    called = ("Annabel Rossi", "Giovanna Verdi", "Anna Bianchi")
    leads = tuple(
        replace(lead, person=name, name="Acme", company="Acme", email="", title="")
        for lead, name in zip(view.leads[:3], called, strict=True)
    )
    file = tmp_path / "names.html"
    file.write_text(render(replace(view, leads=leads, movers=None), "en"), encoding="utf-8")
    seen = visit(browser, file)
    seen.page.fill("#find", "anna")
    seen.page.wait_for_selector("#clear:not([hidden])")
    assert [called[i] for i in listed(seen.page)] == ["Anna Bianchi", "Annabel Rossi"]
    seen.context.close()


def test_filters_stand_in_the_address_and_unknown_ones_are_ignored(
    browser: Any, files: dict[str, Path], view: ReportView
) -> None:
    seen = visit(browser, files["en"])
    page = seen.page
    page.select_option("[data-facet=band]", "A")
    settled(page)
    of_band = [i for i, x in enumerate(view.leads) if x.band == "A" and not x.rule]
    assert listed(page) == of_band[:25]
    assert page.evaluate("location.hash") == "#today?band=A"
    page.reload()
    settled(page)
    assert listed(page) == of_band[:25]
    page.evaluate("location.hash = '#today?owner=nobody&colour=red&band=A'")
    settled(page)
    assert page.locator("#today.on").count() == 1
    assert listed(page) == of_band[:25]
    page.evaluate("location.hash = '#nowhere?band=A'")
    settled(page)
    assert page.locator("#today.on").count() == 1
    assert seen.faults == []
    seen.context.close()


def test_the_theme_is_kept_over_a_reload(browser: Any, files: dict[str, Path]) -> None:
    seen = visit(browser, files["en"])
    seen.page.click("#theme")
    assert seen.page.evaluate("document.documentElement.dataset.theme") == "dark"
    seen.page.reload()
    assert seen.page.evaluate("document.documentElement.dataset.theme") == "dark"
    seen.context.close()


def test_back_restores_filters_search_and_the_place_on_the_page(
    browser: Any, files: dict[str, Path]
) -> None:
    seen = visit(browser, files["en"])
    page = seen.page
    page.select_option("#rank", "name")
    page.fill("#find", "example")
    settled(page)
    before = listed(page)
    assert len(before) == 25
    page.locator("#all tbody a.to").nth(11).scroll_into_view_if_needed()
    settled(page)
    y = page.evaluate("scrollY")
    assert y > 300
    page.locator("#all tbody a.to").nth(11).click()
    page.wait_for_selector("#slot article")
    assert page.evaluate("scrollY") == 0
    page.go_back()
    settled(page)
    assert listed(page) == before
    assert page.input_value("#find") == "example"
    assert abs(page.evaluate("scrollY") - y) < 3
    seen.context.close()


@pytest.mark.parametrize("rank", ["value", "urgency", "change", "name"])
def test_the_list_can_be_worked_in_several_orders(
    browser: Any, files: dict[str, Path], view: ReportView, rank: str
) -> None:
    seen = visit(browser, files["en"])
    seen.page.select_option("#rank", rank)
    settled(seen.page)
    wanted = [i for i in orders(view.leads)[rank] if not view.leads[i].rule]
    assert listed(seen.page) == wanted[:25]
    seen.page.click("#after")
    settled(seen.page)
    assert listed(seen.page) == wanted[25:50]
    assert seen.page.evaluate("location.hash") == f"#today?rank={rank}&p=2"
    seen.context.close()


def test_the_line_of_the_capacity_moves_through_the_list(
    browser: Any, files: dict[str, Path]
) -> None:
    seen = visit(browser, files["en"])
    page = seen.page
    for calls in (3, 11):
        page.evaluate(
            "n => { const p = document.getElementById('plan'); p.value = n;"
            " p.dispatchEvent(new Event('input', { bubbles: true })) }",
            calls,
        )
        settled(page)
        lines = page.evaluate(
            "[...document.querySelectorAll('#all tbody tr')].map(r => r.className)"
        )
        assert lines.index("cut-line") == calls
        assert page.inner_text("#plan-calls") == str(calls)
    assert "expected" in page.inner_text("#plan-says")
    assert page.evaluate("location.hash") == "#today?calls=11"
    seen.context.close()


def test_j_and_k_walk_from_lead_to_lead_in_the_order_of_the_list(
    browser: Any, files: dict[str, Path], view: ReportView
) -> None:
    seen = visit(browser, files["en"])
    page = seen.page
    page.locator("#all tbody a.to").first.click()
    page.wait_for_selector("#slot article")
    with_page = [x.lead_id for x in view.leads if x.detail is not None and not x.rule]
    for key, place in (("j", 1), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        page.wait_for_function(
            "id => document.querySelector('#slot article').dataset.id === id", arg=with_page[place]
        )
    seen.context.close()


def test_the_tab_of_the_page_is_on_screen_on_a_phone(browser: Any, files: dict[str, Path]) -> None:
    for language in ("en", "fr", "fa"):
        seen = visit(browser, files[language], size="phone")
        for anchor in ("today", "changes", "pipeline", "proof"):
            open_at(seen.page, anchor)
            box = seen.page.locator("nav a[aria-current]").bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
        seen.context.close()


def test_the_marks_of_the_scale_do_not_overprint_on_a_phone(
    browser: Any, files: dict[str, Path]
) -> None:
    seen = visit(browser, files["en"], size="phone")
    open_at(seen.page, "l-L-00001")
    boxes = seen.page.evaluate(
        "[...document.querySelectorAll('.wscale text')].map(t => t.getBoundingClientRect())"
        ".map(b => [b.left, b.right]).sort((a, b) => a[0] - b[0])"
    )
    assert len(boxes) == 3
    assert all(a[1] <= b[0] for a, b in pairwise(boxes))
    seen.context.close()


@pytest.mark.parametrize(
    ("language", "size", "scheme"), [("en", "desktop", "light"), ("fa", "phone", "dark")]
)
def test_axe_finds_no_barrier(
    browser: Any, files: dict[str, Path], language: str, size: str, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    seen = visit(browser, files[language], size=size, scheme=scheme)
    for anchor in PAGES:
        open_at(seen.page, anchor)
        found = axe.run(seen.page, options={"runOnly": AXE_RULES})
        told = [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found.response["violations"]]
        assert told == [], f"{anchor}: {told}"
    seen.context.close()


def test_what_is_pressed_is_large_enough_for_a_thumb(browser: Any, files: dict[str, Path]) -> None:
    seen = visit(browser, files["en"], size="phone")
    for anchor in PAGES:
        open_at(seen.page, anchor)
        small = seen.page.evaluate(
            "[...document.querySelectorAll('button, select, input, summary, nav a, .door,"
            " .walk a, .crumb a')].filter(e => e.checkVisibility() && !e.closest('.skip'))"
            ".map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect().height])"
            ".filter(e => e[1] < 43.5)"
        )
        assert small == [], anchor
    seen.context.close()


def test_the_keyboard_reaches_everything_in_reading_order(
    browser: Any, files: dict[str, Path]
) -> None:
    seen = visit(browser, files["en"])
    page = seen.page
    order = []
    for _ in range(60):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.getAttribute('href')"
            )
        )
    assert order[:4] == ["#main", "theme", "#today", "#changes"]
    assert order.index("find") < order.index("rank") < order.index("plan")
    page.locator("nav a").nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#changes.on")
    seen.context.close()


def test_a_lead_page_opens_adds_up_and_takes_an_answer(
    browser: Any, files: dict[str, Path], view: ReportView
) -> None:
    seen = visit(browser, files["en"])
    page = seen.page
    page.locator("#all tbody a.to").first.click()
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


def test_print_is_today_and_proof_on_eight_pages_at_most(
    browser: Any, files: dict[str, Path], view: ReportView
) -> None:
    for language in ("en", "fa"):
        seen = visit(browser, files[language])
        pdf = pypdf.PdfReader(io.BytesIO(seen.page.pdf(format="A4")))
        assert len(pdf.pages) <= 8
        seen.context.close()
    seen = visit(browser, files["en"])
    pdf = pypdf.PdfReader(io.BytesIO(seen.page.pdf(format="A4")))
    text = re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pdf.pages))
    first = [lead for lead in view.leads if not lead.rule][:PRINTED]
    assert [lead.lead_id for lead in first if lead.person not in text] == []
    assert "What each band promised" in text
    assert "Definitions that marketing" not in text
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
        for anchor in ("today", "changes", "pipeline", "proof"):
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
