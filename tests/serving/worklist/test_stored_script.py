"""Whatever stands in a field of the CRM is text: on pages, in the file, the mail and the sheets."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import httpx
import openpyxl
import pytest
from fastapi.routing import APIRoute

from serving.http.application import Metrics, make_routes
from serving.people.sign_in_page import render_sign_in
from serving.worklist import view_parts as p
from serving.worklist.deliver import deliver
from serving.worklist.html import render
from serving.worklist.view import ReportView
from tests.fakes.hostile_view import spoil
from tests.fakes.live_site import make_site, visit
from tests.fakes.report_pages import AS_OF
from tests.fakes.report_view import make_view

SCRIPTS = (
    "<script>alert(1)</script>",
    "\"'></script></style></template><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}<b>",
)
FORMULA = "=cmd|'/c calc'!A1"
MOMENT = AS_OF.isoformat()


def made(text: str) -> ReportView:
    """Make a view in which all texts are this one, answers and comebacks too."""
    view = make_view(12, owners=2, top_per_owner=100)
    first, second, *others = view.leads
    said = p.ShownStanding("snoozed", MOMENT, MOMENT, "by", "why", 1, MOMENT, "event", MOMENT)
    feedback = (p.Feedback(MOMENT, "note", "why", "by", 50, False),)
    assert first.detail is not None
    first = replace(
        first,
        standing=said,
        back=p.Comeback(MOMENT, "form", MOMENT, "why", 1),
        detail=replace(first.detail, feedback=feedback),
    )
    second = replace(second, ended=replace(said, kind="done"))
    spoiled: ReportView = spoil(replace(view, leads=(first, second, *others)), text)
    return spoiled


class Structure(HTMLParser):
    """Counts elements with the names of their attributes, and where they lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: Counter[tuple[str, ...]] = Counter()
        self.places: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found[tag, *sorted(name for name, _ in attrs)] += 1
        self.places |= {
            re.match(r"[a-z]*:|", value or "", re.IGNORECASE)[0]  # type: ignore[index]
            for name, value in attrs
            if name in ("href", "src", "action", "formaction", "xlink:href")
        }


def pages_of(folder: Path, text: str) -> dict[str, str]:
    """Write everything that people read of a spoiled view: name -> HTML."""
    view = made(text)
    site = make_site(folder / "state", view, clock=lambda: 1_800_000_000_000_000)
    site.add("boss", "manager")
    app = make_routes(site.service, Metrics(), 0, site.authenticator)
    paths = [r.path for r in app.routes if isinstance(r, APIRoute) and "GET" in r.methods]
    lead_ids = [lead.lead_id for lead in view.leads[:3]]

    async def walk(client: httpx.AsyncClient) -> dict[str, str]:
        read = {}
        for path in (each for each in paths if not each.startswith(("/v1", "/oidc"))):
            for lead_id in lead_ids if "{" in path else lead_ids[:1]:
                answer = await client.get(re.sub(r"\{[^}]*\}", lead_id, path))
                if "text/html" in answer.headers.get("content-type", ""):
                    read[f"{path} {lead_id}"] = answer.text
        card = re.search(r'href="(/card/[^"]*)"', read[f"/lead/{{lead_id:path}} {lead_ids[0]}"])
        assert card is not None
        read["card"] = (await client.get(card[1].replace("&amp;", "&"))).text
        found = await client.post("/search", data={"words": text})
        read["search"] = (await client.get(found.headers["location"])).text
        return read

    pages: dict[str, str] = visit(site, "boss", walk)
    deliver(view, folder / "out", languages=("en",))
    mails = sorted((folder / "out" / "owners").glob("*.eml"))
    for number, mail in enumerate(mails):
        message = email.message_from_bytes(mail.read_bytes(), policy=email.policy.default)
        body = message.get_body(("html",))
        assert body is not None
        pages[f"mail {number}"] = body.get_content()
    pages["file"] = render(view, "en")
    for mode in ("local", "oidc", "proxy"):
        pages[f"sign-in {mode}"] = render_sign_in(
            text, "en", sign_in=mode, problem="wrong", name=text, goes_to=text, provider=text
        )
    return pages


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Structure]:
    pages = pages_of(tmp_path_factory.mktemp("harmless"), "words")
    return {name: Structure(page) for name, page in pages.items()}


@pytest.mark.parametrize("text", SCRIPTS)
def test_no_field_adds_an_element_an_attribute_or_an_address(
    harmless: dict[str, Structure], tmp_path: Path, text: str
) -> None:
    pages = pages_of(tmp_path, text)
    assert pages.keys() == harmless.keys()
    for name, page in pages.items():
        found = Structure(page)
        assert found.found == harmless[name].found, name
        assert found.places <= {"", "https:", "mailto:", "tel:"}, name
        assert not any(a.startswith("on") for _, *attributes in found.found for a in attributes)


def test_no_field_is_a_formula_in_any_sheet(tmp_path: Path) -> None:
    deliver(made(FORMULA), tmp_path, languages=("en",))
    sheets = sorted(tmp_path.rglob("*.csv"))
    cells = [
        cell
        for path in sheets
        for row in csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig")))
        for cell in row
    ]
    assert sum(cell.startswith("'=cmd") for cell in cells) > 50
    risky = [cell for cell in cells if re.match(r"[=+\-@\t\r]", cell)]
    assert [cell for cell in risky if not re.fullmatch(r"-?[0-9.]+", cell)] == []
    book = openpyxl.load_workbook(tmp_path / "leads.xlsx")
    kinds = Counter(cell.data_type for sheet in book for row in sheet.rows for cell in row)
    assert kinds["f"] == 0
    assert kinds["s"] > 100
