"""What is said in several places is the same: a run of the demo company, as its readers see it.

One run is written to every place at once: scores.parquet, the offline report, the sheets, what each
owner gets by file and by mail, and the live pages. Each is read by a parser of its own kind.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from data.project import load_project
from serving.lead_score import LeadScore
from serving.worklist.stored_pages import newest_run, opened_pages, run_file
from tests.fakes.live_site import open_site, visit
from tests.fakes.second_company import SecondCompany
from tests.serving.worklist import said_numbers as said
from tests.serving.worklist.said_numbers import WORDS, OfflineFile, Said
from training.state import StatePaths

LEADS = 900
CAPACITY = 120


@dataclass(frozen=True)
class Live:
    """The live pages as a manager sees them."""

    today: Any
    changes: Any
    pipeline: Any
    rows: dict[str, Said]
    leads: dict[str, Said]
    cards: dict[str, Said]


@dataclass(frozen=True)
class Renderings:
    """One run, read from every place it was written to."""

    night: dict[str, LeadScore]
    counted: dict[str, float]  # chances as leads that are not called add up
    offline: OfflineFile
    csv: list[dict[str, str]]
    excel: list[dict[str, Any]]
    pipeline_sheet: list[dict[str, Any]]
    changes_sheet: list[dict[str, Any]]
    of_owners: dict[str, list[dict[str, str]]]  # owner -> rows of the sheet
    owner_files: dict[str, OfflineFile]
    attached: dict[str, OfflineFile]
    mail_text: dict[str, Said]
    mail_html: dict[str, Said]
    live: Live

    def leads(self, place: str) -> dict[str, Said]:
        """Give what a place says of leads."""
        owners = self.owner_files.values()
        return {
            "scores.parquet": {lead: of_night(each) for lead, each in self.night.items()},
            "leads.csv": said.of_rows(list(self.csv)),
            "leads.xlsx": said.of_rows(self.excel),
            "sheets of owners": said.of_rows([r for rows in self.of_owners.values() for r in rows]),
            "rows of the file": dict(self.offline.rows),
            "lead pages of the file": dict(self.offline.leads),
            "rows of owners' files": {k: v for file in owners for k, v in file.rows.items()},
            "lead pages of owners' files": {k: v for f in owners for k, v in f.leads.items()},
            "mails, text": self.mail_text,
            "mails, HTML": self.mail_html,
            "live rows": self.live.rows,
            "live lead pages": self.live.leads,
            "cards": self.live.cards,
        }[place]


PLACES = (
    *("scores.parquet", "leads.xlsx", "sheets of owners", "rows of the file"),
    *("lead pages of the file", "rows of owners' files", "lead pages of owners' files"),
    *("mails, text", "mails, HTML", "live rows", "live lead pages", "cards"),
)
"""All places but leads.csv, with which they are compared."""
OF_EVERY_LEAD = ("scores.parquet", "leads.xlsx", "sheets of owners", "rows of the file")


def of_night(lead: LeadScore) -> Said:
    """Read what the stored run says of a lead, all its reasons."""
    return Said(
        score=str(lead.score),
        band=lead.band or "",
        chance=str(WORDS.percent(lead.probability or 0.0)),
        reasons=frozenset((reason.text, reason.points) for reason in lead.reasons),
    )


@pytest.fixture(scope="module")
def run(company: Any, tmp_path_factory: pytest.TempPathFactory) -> Renderings:
    folder = tmp_path_factory.mktemp("same") / "shop"
    state = company.session.state.folder
    shop = SecondCompany.make(company.file, state, folder, leads=LEADS, seed=23)
    text = shop.file.read_text(encoding="utf-8")
    link = '[report]\nlive_link = "https://leads.example.com"\n'
    shop.file.write_text(text.replace("[report]\n", link), encoding="utf-8")
    assert shop.run("score", "--accept").code == 0
    called = sorted(shop.night().values(), key=lambda lead: -(lead.probability or 0.0))
    done, snoozed, out = (lead.lead_id for lead in called[3:9:2])
    for words in ((done, "--done"), (snoozed, "--snooze", "14d"), (out, "--disqualify")):
        because = () if words[1] == "--done" else ("--because", "on leave")
        assert shop.run("feedback", *words, *because, "--by", "Ada").code == 0
    assert shop.run("score").code == 0
    reports = folder / "reports"
    answer = shop.run("report", "--lang", "en", "--deliver", "--out", reports)
    assert answer.code == 0, answer.err
    return read_run(shop, reports)


def read_run(shop: SecondCompany, reports: Path) -> Renderings:
    """Read every place that a run was written to."""
    rows = said.rows_of_csv(reports / "leads.csv")
    files, attached, of_text, of_html, sheets = {}, {}, {}, {}, {}
    for path in sorted((reports / "owners").glob("*.html")):
        sheet = said.rows_of_csv(path.with_suffix(".csv"))
        owner = sheet[0]["owner"]
        files[owner], sheets[owner] = OfflineFile.read(path.read_text("utf-8")), sheet
        text_part, html_part, report = said.of_mail(path.with_suffix(".eml"))
        attached[owner] = OfflineFile.read(report)
        of_text |= text_part
        of_html |= html_part
    book, pages = reports / "leads.xlsx", StatePaths(shop.state).pages
    with opened_pages(run_file(pages, newest_run(pages) or "")) as stored:
        counted = dict(stored.execute("select lead_id, counted from leads").fetchall())
    return Renderings(
        night=shop.night(),
        counted=counted,
        offline=OfflineFile.read((reports / "report-en.html").read_text("utf-8")),
        csv=rows,
        excel=[r for r in said.rows_of_excel(book, "leads") if r["lead_id"]],
        pipeline_sheet=said.rows_of_excel(book, "pipeline"),
        changes_sheet=said.rows_of_excel(book, "changes"),
        of_owners=sheets,
        owner_files=files,
        attached=attached,
        mail_text=of_text,
        mail_html=of_html,
        live=read_live(shop, [row["lead_id"] for row in rows]),
    )


def read_live(shop: SecondCompany, leads: list[str]) -> Live:
    """Walk through the live pages as a manager does: every page of the list, every lead."""
    site = open_site(load_project(shop.file), StatePaths(shop.state))
    site.add("boss", "manager")

    async def walk(client: httpx.AsyncClient) -> Live:
        async def page(path: str) -> Any:
            answer = await client.get(path)
            assert answer.status_code == 200, path
            return said.parse(answer.text)

        today, rows, of_leads, cards = await page("/today"), {}, {}, {}
        number, listed = 1, today
        while True:
            for row in listed.iter("tr"):
                if row.get("data-i") is not None:
                    link = next(row.iter("a")).get("href", "")
                    rows[said.lead_of(link)] = said.of_list_row(row)
            if not [a for a in listed.iter("a") if a.get("rel") == "next"]:
                break
            number += 1
            listed = await page(f"/today?page={number}")
        for lead in leads:
            whole = await page(f"/lead/{lead}")
            if said.by_class(whole, "chance"):
                of_leads[lead] = said.of_lead_page(whole)
        for lead in leads[::9]:
            whole = await page(f"/lead/{lead}")
            (link,) = [a for a in whole.iter("a") if a.get("href", "").startswith("/card/")]
            cards[lead] = said.of_lead_page(await page(link.get("href", "")))
        return Live(today, await page("/changes"), await page("/pipeline"), rows, of_leads, cards)

    found: Live = visit(site, "boss", walk)
    return found


@pytest.mark.parametrize("place", PLACES)
def test_every_place_says_the_same_of_a_lead(run: Renderings, place: str) -> None:
    sheet, found = run.leads("leads.csv"), run.leads(place)
    assert len(found) >= 25
    assert set(found) <= set(sheet)
    if place in OF_EVERY_LEAD:
        assert set(found) == set(sheet)
    for lead, each in found.items():
        expected = sheet[lead]
        for name in ("score", "band", "chance", "change", "step"):
            value = getattr(each, name)
            assert value is None or value == getattr(expected, name), (lead, name)
        if each.reasons is not None and expected.reasons is not None:
            listed = each.reasons <= expected.reasons  # a line of the list says one or two
            assert listed or each.reasons >= expected.reasons, lead


def test_reasons_are_the_same_line_by_line_wherever_all_are_told(run: Renderings) -> None:
    night, told = run.leads("scores.parquet"), 0
    for place in ("lead pages of the file", "live lead pages", "cards"):
        for lead, each in run.leads(place).items():
            assert each.reasons == night[lead].reasons, (place, lead)
            told += len(each.reasons or ())
    assert told > 1_000


@pytest.mark.parametrize(
    "place", ["lead pages of the file", "lead pages of owners' files", "live lead pages", "cards"]
)
def test_the_points_shown_add_up_to_the_score_shown(run: Renderings, place: str) -> None:
    for lead, each in run.leads(place).items():
        assert each.points is not None
        assert sum(each.points) == int(each.score or ""), lead


def test_the_stored_points_add_up_too(run: Renderings) -> None:
    for lead in run.night.values():
        reasons = sum(reason.points for reason in lead.reasons)
        parts = (lead.typical, reasons, lead.unseen_points, lead.rest_points, lead.limit_points)
        assert sum(part or 0 for part in parts) == lead.score, lead.lead_id


def test_the_whole_list_is_the_same_live_on_paper_and_in_sheets(run: Renderings) -> None:
    off = {row["lead_id"] for row in run.csv if row["rule"] or row["answered"]}
    in_order = [row["lead_id"] for row in run.csv]
    assert list(run.live.rows) == [lead for lead in in_order if lead not in off]
    assert list(run.offline.lead_ids) == in_order
    assert [row["lead_id"] for row in run.excel] == in_order
    assert off == {lead for lead, out in zip(in_order, run.offline.data["out"], strict=True) if out}


COUNTED = ("open leads", "ruled", "answered", "moved", "unchanged", "calls", "back")


def counts_of_sheet(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Count the rows of a sheet."""
    plain = [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
    to_work = [row for row in plain if not row["rule"] and not row["answered"]]
    counts = {
        "open leads": len(plain),
        "ruled": sum(bool(row["rule"]) for row in plain),
        "answered": sum(bool(row["answered"]) for row in plain),
        "moved": sum(row["change"] not in ("", "0") for row in to_work),
        "unchanged": sum(row["change"] == "0" for row in to_work),
        "calls": min(CAPACITY, len(to_work)),
        "back": sum(bool(row["back_at"]) for row in to_work),
    }
    return {name: str(WORDS.number(n)) for name, n in counts.items()}


def counts_of_pages(today: Any, changes: Any) -> dict[str, str]:
    """Take the same counts from pages."""
    found = {**said.of_today(today), **said.of_changes(changes)}
    found["back"] = found.get("lane-back", "0")
    return {name: found[name] for name in COUNTED}


@pytest.mark.parametrize("place", ["leads.xlsx", "the file", "live", "scores.parquet"])
def test_every_place_counts_the_same_leads(run: Renderings, place: str) -> None:
    expected = counts_of_sheet(list(run.csv))
    night = run.night.values()
    found = {
        "leads.xlsx": lambda: counts_of_sheet(run.excel),
        "the file": lambda: counts_of_pages(run.offline.page, run.offline.page),
        "live": lambda: counts_of_pages(run.live.today, run.live.changes),
        "scores.parquet": lambda: {
            "open leads": str(WORDS.number(len(night))),
            "ruled": str(sum(lead.rule is not None for lead in night)),
            "answered": str(sum(lead.standing is not None for lead in night)),
        },
    }[place]()
    assert found == {name: expected[name] for name in found}
    assert expected["answered"] == "3"
    assert int(expected["ruled"]) > 0


def test_live_and_file_say_the_same_of_today_of_changes_and_of_the_pipeline(
    run: Renderings,
) -> None:
    paper, live = run.offline.page, run.live
    assert said.of_today(paper) == said.of_today(live.today)
    assert said.of_changes(paper) == said.of_changes(live.changes)
    assert said.of_movers(paper) == said.of_movers(live.changes)
    assert said.of_pipeline(paper) == said.of_pipeline(live.pipeline)
    assert said.table(paper, "By owner") == said.table(live.pipeline, "By owner")


def test_what_the_calls_bring_is_the_sum_of_their_chances(run: Renderings) -> None:
    off = {row["lead_id"] for row in run.csv if row["rule"] or row["answered"]}
    chances = [run.night[row["lead_id"]].probability or 0.0 for row in run.csv]
    worked = [p for p, row in zip(chances, run.csv, strict=True) if row["lead_id"] not in off]
    assert worked == sorted(worked, reverse=True)
    figures = said.figures(said.by_id(run.offline.page, "today"))  # type: ignore[arg-type]
    expected, left = (
        figures[next(name for name in figures if start in name)].partition(" | ")[0]
        for start in ("opportunities expected", "left behind")
    )
    exact = sum(worked[:CAPACITY])
    assert expected == str(WORDS.number(exact, 0 if exact >= 10 else 1))
    rest = [row["lead_id"] for row in run.csv if row["lead_id"] not in off][CAPACITY:]
    behind = sum(run.counted[lead] for lead in rest)
    assert left == str(WORDS.number(behind, 0 if behind >= 10 else 1))


def test_lanes_hold_as_many_leads_as_the_list_narrowed_to_them(run: Renderings) -> None:
    lanes = run.offline.data["facets"]["lane"]
    out = run.offline.data["out"]
    narrowed = Counter(
        lanes["values"][place]
        for places, off in zip(lanes["of"], out, strict=True)
        for place in places
        if not off
    )
    today = said.of_today(run.live.today)
    shown = {name[5:]: int(n) for name, n in today.items() if name.startswith("lane-")}
    assert shown == dict(narrowed)
    assert len(shown) >= 2


def test_a_file_of_an_owner_counts_what_the_sheet_of_the_owner_holds(run: Renderings) -> None:
    assert set(run.owner_files) == {row["owner"] for row in run.csv}
    by_owner = {row[0]: row for row in said.table(run.offline.page, "By owner")}
    for owner, file in run.owner_files.items():
        rows = run.of_owners[owner]
        counts, pages = counts_of_sheet(rows), counts_of_pages(file.page, file.page)
        for name in ("open leads", "ruled", "answered", "moved", "unchanged", "back"):
            assert pages[name] == counts[name], (owner, name)
        assert by_owner[owner][-1] == counts["open leads"]
        assert run.attached[owner].rows == file.rows
        assert [row for row in run.csv if row["owner"] == owner] == rows


def test_the_pipeline_of_the_book_is_that_of_the_pages(run: Renderings) -> None:
    pages = said.of_pipeline(run.offline.page)
    for row in run.pipeline_sheet:
        name = str(row["name"]).lower()
        if row["figure"] == "stage":
            assert pages[f"stage {name}"] == str(WORDS.number(row["count"]))
        elif row["figure"] == "source":
            assert pages[f"source {name}"].endswith(f" {WORDS.number(row['count'])} opportunities")
        else:
            cells = pages[f"forecast of {row['name']}"].split(" | ")
            assert cells[0] == str(WORDS.tenths(row["count"]))
            assert cells[1] == f"{WORDS.number(row['low'])} to {WORDS.number(row['high'])}"
            if row["money"] is not None:
                assert cells[2] == str(WORDS.money(row["money"], "EUR"))
    assert Counter(row["figure"] for row in run.pipeline_sheet)["forecast"] >= 2


def test_parts_of_the_forecast_add_up_as_they_are_shown(run: Renderings) -> None:
    pages = said.of_pipeline(run.live.pipeline)
    number = lambda name: Decimal(pages[name].split(" | ")[0].replace(",", ""))  # noqa: E731
    for days in ("30 days", "60 days", "90 days"):
        parts = number(f"{days}: from open leads") + number(f"{days}: from leads to come")
        assert number(f"{days}: all") == parts
    owners = [n for n in pages if n.startswith("forecast of ") and n != "forecast of All owners"]
    assert len(owners) >= 2
    assert number("forecast of All owners") == sum(map(number, owners))
    assert number("forecast of All owners") == number("90 days: from open leads")
    money = {name: re.sub(r"[^\d]", "", pages[name].split(" | ")[2]) for name in owners}
    total = re.sub(r"[^\d]", "", pages["forecast of All owners"].split(" | ")[2])
    assert sum(map(int, money.values())) == int(total)


def test_the_sheet_of_changes_says_what_the_page_of_changes_says(run: Renderings) -> None:
    sheet = said.of_rows(list(run.csv))
    movers = said.of_movers(run.live.changes)
    shown = {scores for scores, _ in movers.values()}
    for row in run.changes_sheet:
        assert str(row["new"]) == sheet[row["lead_id"]].score
        assert said.points_of(str(row["change"])) == sheet[row["lead_id"]].change
        assert row["new"] - row["old"] == row["change"]
    assert len(shown) > 5
