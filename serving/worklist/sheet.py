"""The list of leads -> CSV and Excel in which no text runs as a formula.

Text from a CRM that begins like a formula (`=`, `+`, `-`, `@`, their full-width forms, after any
control characters or blanks) is prefixed with an apostrophe. Numbers are never prefixed, nor ids
that are nothing but one: -3.2 stays a number, "-17" stays an id.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from markupsafe import Markup
from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from data.files import replacing, write_bytes
from serving.worklist.language import Words, words_of
from serving.worklist.safe_text import shown
from serving.worklist.view import ReportView
from serving.worklist.view_lead import ReportLead

Cell = str | int | float | datetime | None
MAX_LENGTH: Final = 2000
_FORMULA: Final = re.compile(
    r"^[\s\x00-\x1f\x7f\ufeff\u200b-\u200f]*[=+\-@\uff1d\uff0b\uff0d\uff20|%]"
)
_NUMBER: Final = re.compile(r"[+-]?[0-9]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_COLUMNS: Final = (
    *("lead_id", "name", "owner", "score", "band", "probability", "probability_low"),
    *("probability_high", "trend", "stage", "source", "reasons", "step", "rule", "last_touch_at"),
    *("back_at", "back_by", "closed_at", "closed_because"),
    *("person", "company", "title", "team", "email", "amount", "worth", "change", "lanes"),
    *("created_at", "crm_link"),
    *("answered", "answered_until", "answered_by", "answered_because"),
)
_WIDTHS: Final = {"name": 28, "owner": 20, "stage": 18, "reasons": 70, "step": 30, "lanes": 40}
_FORMATS: Final = {
    **dict.fromkeys(("probability", "probability_low", "probability_high"), "0.0%"),
    **dict.fromkeys(("amount", "worth"), "#,##0"),
}
_DATES: Final = "yyyy-mm-dd hh:mm"


def guard(text: str) -> str:
    """Prefix what a spreadsheet would run; drop control characters; cut at 2,000 characters.

    >>> guard("=1+1"), guard("\\tCR=1"), guard("Acme"), guard("\\uff1d1")
    ("'=1+1", "'CR=1", 'Acme', "'＝1")
    """
    risky = _FORMULA.match(text) is not None or text.startswith(("\t", "\r", "\x00"))
    kept = _CONTROL.sub("", text)
    kept = kept if len(kept) <= MAX_LENGTH else kept[: MAX_LENGTH - 1] + "…"
    return f"'{kept}" if risky else kept


def rows_of(view: ReportView, language: str) -> list[list[Cell]]:
    """Lay out the leads, best first, one row each, with the header first."""
    return list(_rows(view, view.leads, language))


def _rows(view: ReportView, leads: Iterable[ReportLead], language: str) -> Iterator[list[Cell]]:
    words = words_of(language)
    yield list(_COLUMNS)
    yield from (_row(lead, view, words) for lead in leads)


def write_csv(
    view: ReportView, language: str, path: Path, leads: Iterable[ReportLead] | None = None
) -> Path:
    """Write the list as CSV in UTF-8 with the byte order mark by which Excel knows it.

    `leads` stand in place of those that the view lists; they are read one by one and not kept.
    """
    rows = _rows(view, view.leads if leads is None else leads, language)
    with replacing(path) as part, part.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerows(
            [_in_csv(cell) for cell in row] for row in rows
        )
    return path


def write_excel(view: ReportView, language: str, path: Path) -> Path:
    """Write an Excel book of leads, changes and pipeline; text cells are text, never formulas.

    It holds the leads that the view lists; a last line says how many more there are.
    """
    book = Workbook()
    first = book.active
    assert isinstance(first, Worksheet)
    first.title = "leads"
    _fill(first, rows_of(view, language), language)
    if view.unlisted is not None:
        said = words_of(language).tn(
            "{n} more open lead is not listed here; leads.csv and the worklist on the web hold it.",
            "{n} more open leads are not listed here; leads.csv and the w"
            "orklist on the web hold them all.",
            view.unlisted.leads,
        )
        first.cell(first.max_row + 2, 1).value = guard(_without_tags(said))
    first.freeze_panes = "C2"
    for name, rows in (("changes", _changes(view)), ("pipeline", _pipeline(view))):
        if len(rows) > 1:
            _fill(book.create_sheet(name), rows, language)
    out = io.BytesIO()
    book.save(out)
    return write_bytes(path, out.getvalue())


def _fill(sheet: Worksheet, rows: Sequence[Sequence[Cell]], language: str) -> None:
    """Write a table with a bold head, a filter on every column, dates as dates."""
    sheet.sheet_view.rightToLeft = words_of(language).mirrored
    heads = [str(head) for head in rows[0]]
    for i, row in enumerate(rows, start=1):
        for j, value in enumerate(row, start=1):
            cell = sheet.cell(i, j)
            cell.value = value.replace(tzinfo=None) if isinstance(value, datetime) else value
            if isinstance(value, str):
                cell.data_type = "s"  # openpyxl reads "=…" as a formula otherwise, ids included
            if i == 1:
                cell.font = Font(bold=True)
            elif isinstance(value, datetime):
                cell.number_format = _DATES
            elif heads[j - 1] in _FORMATS:
                cell.number_format = _FORMATS[heads[j - 1]]
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(heads))}{max(len(rows), 2)}"
    for j, head in enumerate(heads, start=1):
        sheet.column_dimensions[get_column_letter(j)].width = _WIDTHS.get(head, 17)


def _changes(view: ReportView) -> list[list[Cell]]:
    """Lay out who moved within the week, largest first."""
    rows: list[list[Cell]] = [["lead_id", "name", "owner", "old", "new", "change", "cause", "band"]]
    by_id = {lead.lead_id: lead for lead in view.leads}
    movers = () if view.movers is None else (*view.movers.rises, *view.movers.falls)
    for x in sorted((x for x in movers if x.lead_id in by_id), key=lambda x: -abs(x.new - x.old)):
        lead = by_id[x.lead_id]
        band = f"{x.old_band} > {x.band}" if x.crossed else x.band or ""
        rows.append(
            [
                *(_id(x.lead_id), guard(shown(lead.name, MAX_LENGTH))),
                *(guard(shown(lead.owner, MAX_LENGTH)), x.old, x.new, x.new - x.old, x.cause),
                guard(band),
            ]
        )
    return rows


def _pipeline(view: ReportView) -> list[list[Cell]]:
    """Lay out stages, sources and the forecast by owner."""
    rows: list[list[Cell]] = [["figure", "name", "count", "low", "high", "money"]]
    if view.funnel is not None:
        rows += [
            ["stage", guard(stage.label), stage.leads, None, None, None]
            for stage in view.funnel.stages
        ]
        for source in view.funnel.sources:
            name = guard(shown(source.source, MAX_LENGTH))
            rows.append(["source", name, source.opportunities, None, None, source.value])
    if view.forecast is not None:
        for owner in view.forecast.owners:
            money = None if owner.money is None else owner.money.value
            name, deals = guard(shown(owner.owner, MAX_LENGTH)), owner.deals
            rows.append(["forecast", name, deals.value, deals.low, deals.high, money])
    return rows


def _id(lead_id: str) -> str:
    return lead_id if _NUMBER.fullmatch(lead_id) else guard(lead_id)


def _in_csv(cell: Cell) -> str | int | float | None:
    """Write a moment in UTC as spreadsheets read it."""
    return cell.strftime("%Y-%m-%d %H:%M") if isinstance(cell, datetime) else cell


def _moment(at: str | None) -> datetime | None:
    return None if not at else datetime.fromisoformat(at).astimezone(UTC)


def _row(lead: ReportLead, view: ReportView, words: Words) -> list[Cell]:
    labels = view.about.labels
    reasons = "; ".join(
        f"{_without_tags(words.reason(r, labels))} ({r.points:+d})" for r in lead.reasons
    )
    next_step = lead.shown_step
    step = _without_tags(words.phrase(next_step.phrase, labels)) if next_step else ""
    texts: Sequence[str] = (
        lead.trend or "",
        lead.stage or "",
        lead.source or "",
        reasons,
        step,
        lead.rule or "",
    )
    lanes = "; ".join(_without_tags(words.phrase(e.phrase, labels)) for e in lead.shown_lanes)
    people = (lead.person, lead.company, lead.title, lead.team, lead.email)
    link = view.about.crm_link
    return [
        _id(lead.lead_id),
        guard(shown(lead.name, MAX_LENGTH)),
        guard(shown(lead.owner, MAX_LENGTH)),
        lead.score,
        guard(lead.band or ""),
        *(
            None if p is None else round(p, 6)
            for p in (lead.probability, lead.probability_low, lead.probability_high)
        ),
        *(guard(text) for text in texts),
        _moment(lead.last_touch_at),
        *_comeback(lead),
        *(guard(shown(text, MAX_LENGTH)) for text in people),
        *(lead.amount, None if lead.worth is None else round(lead.worth), lead.change),
        guard(lanes),
        _moment(lead.created_at),
        link.replace("{lead_id}", quote(lead.lead_id, safe="", errors="replace")) if link else "",
        *_standing(lead),
    ]


def _comeback(lead: ReportLead) -> tuple[Cell, Cell, Cell, Cell]:
    """Say since when and by what a lead is back, when it was closed and why."""
    back = lead.back
    if back is None:
        return None, "", None, ""
    because = guard(back.closed_because or "")
    return _moment(back.back_at), guard(back.back_by or ""), _moment(back.closed_at), because


def _standing(lead: ReportLead) -> tuple[Cell, Cell, Cell, Cell]:
    """Say which answer keeps the lead off the list, until when, who gave it and why."""
    said = lead.standing
    if said is None:
        return "", None, "", ""
    return said.kind, _moment(said.until), guard(said.by), guard(said.reason)


def _without_tags(markup: object) -> str:
    """Strip the HTML tags of a sentence."""
    return Markup(str(markup)).striptags()  # trusted because the tags are stripped at once
