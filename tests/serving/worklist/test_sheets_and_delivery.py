import csv
import email
import email.policy
import io
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest

from serving.worklist.deliver import deliver, file_stem, for_owner
from serving.worklist.ranking import orders
from serving.worklist.sheet import guard, write_csv, write_excel
from serving.worklist.view import ReportView
from serving.worklist.view_figures import OwnerForecast
from serving.worklist.view_parts import Colleague

FORMULAS = [
    "=cmd|'/c calc'!A1",
    "+SUM(1)",
    "-2+3",
    "@SUM",
    "\t=1",
    "\r=1",
    "\x00=1",
    "＝1",
    " =1",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_bad_input_1_and_2_formulas_are_guarded_in_raw_bytes(
    text: str, view: ReportView, tmp_path: Path
) -> None:
    lead = replace(view.leads[0], name=text, lead_id=text)
    path = write_csv(replace(view, leads=(lead,)), "en", tmp_path / "a.csv")
    lead_id, name, *_ = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))[1]
    assert name.startswith("'")
    assert lead_id.startswith("'")
    assert b"\x00" not in path.read_bytes()
    sheet = openpyxl.load_workbook(
        write_excel(replace(view, leads=(lead,)), "en", tmp_path / "a.xlsx")
    )
    assert sheet["leads"]["B2"].data_type == "s"


def test_bad_input_3_numbers_and_ids_stay_as_they_are(view: ReportView, tmp_path: Path) -> None:
    lead = replace(view.leads[0], lead_id="-17", score=3)
    path = write_csv(replace(view, leads=(lead,)), "en", tmp_path / "a.csv")
    row = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))[1]
    assert (row[0], row[3]) == ("-17", "3")
    book = openpyxl.load_workbook(
        write_excel(replace(view, leads=(lead,)), "en", tmp_path / "a.xlsx")
    )
    assert book["leads"]["A2"].value == "-17"
    assert book["leads"]["D2"].value == 3
    assert guard("Acme Ltd") == "Acme Ltd"


def test_a_report_is_delivered_to_a_folder_by_owner_and_as_mail(
    view: ReportView, tmp_path: Path
) -> None:
    owners = sorted({lead.owner for lead in view.leads})
    paths = deliver(view, tmp_path, languages=("it", "fa"), owner_emails={owners[0]: "a@b.example"})
    assert len(paths) == 4 + 3 * len(owners)
    raw = (tmp_path / "owners" / f"{file_stem(owners[0])}.eml").read_bytes()
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["To"] == "a@b.example"
    [part] = message.iter_attachments()
    assert part.get_content_type() == "text/html"
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    first = next(
        view.leads[i]
        for i in orders(view.leads)["urgency"]
        if view.leads[i].owner == owners[0] and not view.leads[i].rule
    )
    link = f"https://leads.example.com/lead/{first.lead_id}"
    for body in (text, html):
        assert first.person in body
        assert link in body
    assert html.count("<tr>") == 10
    assert raw == (tmp_path / "owners" / f"{file_stem(owners[0])}.eml").read_bytes()
    again = deliver(view, tmp_path / "again", languages=("it", "fa"), owner_emails={})
    assert len(again) == len(paths)
    deliver(
        view, tmp_path / "same", languages=("it", "fa"), owner_emails={owners[0]: "a@b.example"}
    )
    assert (tmp_path / "same" / "owners" / f"{file_stem(owners[0])}.eml").read_bytes() == raw


def test_sheets_hold_dates_numbers_filters_and_no_stray_apostrophe(
    view: ReportView, tmp_path: Path
) -> None:
    path = write_csv(view, "en", tmp_path / "a.csv")
    head, *rows = csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig")))
    for lead, row in zip(view.leads, rows, strict=True):
        cells = dict(zip(head, row, strict=True))
        assert not any(cell.startswith("'") for cell in row)
        assert cells["rule"] == (lead.rule or "")
        assert cells["person"] == lead.person
        assert float(cells["amount"]) == lead.amount
        if lead.last_touch_at:
            touched = datetime.fromisoformat(cells["last_touch_at"] + "+00:00")
            assert touched <= datetime.fromisoformat(lead.last_touch_at)
    book = openpyxl.load_workbook(write_excel(view, "fa", tmp_path / "a.xlsx"))
    assert book.sheetnames == ["leads", "changes", "pipeline"]
    for sheet in book:
        assert sheet.auto_filter.ref.startswith("A1:")
    column = head.index("created_at") + 1
    assert isinstance(book["leads"].cell(2, column).value, datetime)


def test_an_address_cannot_smuggle_a_header(view: ReportView, tmp_path: Path) -> None:
    owner = view.leads[0].owner
    deliver(
        view, tmp_path, languages=("en",), owner_emails={owner: "a@b.example\r\nBcc: x@y.example"}
    )
    assert b"Bcc" not in (tmp_path / "owners" / f"{file_stem(owner)}.eml").read_bytes()


def test_an_owner_sees_only_own_leads(view: ReportView) -> None:
    owner = view.leads[0].owner
    assert view.forecast is not None
    owners = tuple(OwnerForecast(name, view.forecast.rows[0].total) for name in (owner, "another"))
    own = for_owner(replace(view, forecast=replace(view.forecast, owners=owners)), owner)
    assert {lead.owner for lead in own.leads} == {owner}
    assert set(own.week.calls) <= {lead.lead_id for lead in own.leads}
    assert own.forecast is not None
    assert own.forecast.owners == owners[:1]


def test_a_file_name_stays_in_its_folder() -> None:
    assert "/" not in file_stem("../../etc/passwd")
    assert file_stem("a/b") != file_stem("a b")


def test_an_owner_reads_of_the_own_leads_alone(view: ReportView) -> None:
    owner = view.week.owners[0].owner
    whole = replace(view, week=replace(view.week, per_owner=3))
    alone = replace(whole, leads=tuple(lead for lead in view.leads if lead.owner == owner))
    own = for_owner(whole, owner).week
    assert own == for_owner(alone, owner).week
    best = [lead for lead in alone.leads if not lead.off_list]
    assert own.calls == tuple(lead.lead_id for lead in best[:3])
    assert own.cut_off == best[2].score
    sums = [sum(lead.probability or 0 for lead in part) for part in (best[:3], best[3:])]
    assert [own.expected.value, own.left_behind.value] == pytest.approx(sums)


def test_an_owner_whose_leads_a_rule_takes_out_is_promised_nothing(view: ReportView) -> None:
    owner = view.week.owners[0].owner
    leads = tuple(
        replace(lead, rule="competitor") if lead.owner == owner else lead for lead in view.leads
    )
    own = for_owner(replace(view, leads=leads), owner).week
    assert (own.expected.high, own.left_behind.high, own.calls) == (0, 0, ())


def test_the_file_of_an_owner_names_no_lead_of_another(view: ReportView) -> None:
    owner, first = view.leads[0].owner, view.leads[0]
    assert first.detail is not None
    of_both = (
        Colleague("L-own", "Own Person", owner, None, 50),
        Colleague("L-other", "Other Person", "Somebody else", None, 90),
    )
    alike = tuple(replace(each, owner="Somebody else") for each in first.detail.similar)
    detail = replace(first.detail, similar=alike)
    leads = (replace(first, colleagues=of_both, detail=detail), *view.leads[1:])
    [mine, *_] = for_owner(replace(view, leads=leads), owner).leads
    assert [each.name for each in mine.colleagues] == ["Own Person"]
    assert mine.colleagues_leads == 1
    assert mine.detail is not None
    assert (mine.detail.similar, mine.detail.similar_others) == ((), len(alike))
