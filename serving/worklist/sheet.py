"""The list of leads -> CSV and Excel in which no text runs as a formula.

Text from a CRM that begins like a formula (`=`, `+`, `-`, `@`, their full-width forms, after any
control characters or blanks) is prefixed with an apostrophe. Numbers are never prefixed, nor ids
that are nothing but one: -3.2 stays a number, "-17" stays an id.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from markupsafe import Markup
from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from data.files import write_bytes
from serving.worklist.language import Words, words_of
from serving.worklist.safe_text import shown
from serving.worklist.view import ReportLead, ReportView

Cell = str | int | float | None
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
    *("answered", "answered_until", "answered_by", "answered_because"),
)


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
    words = words_of(language)
    return [list(_COLUMNS), *(_row(lead, view, words) for lead in view.leads)]


def write_csv(view: ReportView, language: str, path: Path) -> Path:
    """Write the list as CSV in UTF-8 with the byte order mark by which Excel knows it."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows_of(view, language))
    return write_bytes(path, text.getvalue().encode("utf-8-sig"))


def write_excel(view: ReportView, language: str, path: Path) -> Path:
    """Write the list as an Excel book; text cells are text, never formulas."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = "leads"
    sheet.sheet_view.rightToLeft = words_of(language).mirrored
    for i, row in enumerate(rows_of(view, language), start=1):
        for j, value in enumerate(row, start=1):
            cell = sheet.cell(i, j)
            cell.value = value
            if isinstance(value, str):
                cell.data_type = "s"  # openpyxl reads "=…" as a formula otherwise, ids included
            if i == 1:
                cell.font = Font(bold=True)
    sheet.freeze_panes = "C2"
    for j, width in enumerate(
        (16, 28, 20, 8, 7, 12, 12, 12, 10, 18, 14, 70, 30, 16, *(22,) * 9), start=1
    ):
        sheet.column_dimensions[get_column_letter(j)].width = width
    out = io.BytesIO()
    book.save(out)
    return write_bytes(path, out.getvalue())


def _row(lead: ReportLead, view: ReportView, words: Words) -> list[Cell]:
    labels = view.about.labels
    reasons = "; ".join(
        f"{_without_tags(words.reason(r, labels))} ({r.points:+d})" for r in lead.reasons
    )
    step = _without_tags(words.phrase(lead.step.phrase, labels)) if lead.step else ""
    texts: Sequence[str] = (
        lead.trend or "",
        lead.stage or "",
        lead.source or "",
        reasons,
        step,
        lead.rule or "",
        lead.last_touch_at or "",
        *_comeback(lead),
        *_standing(lead),
    )
    return [
        lead.lead_id if _NUMBER.fullmatch(lead.lead_id) else guard(lead.lead_id),
        guard(shown(lead.name, MAX_LENGTH)),
        guard(shown(lead.owner, MAX_LENGTH)),
        lead.score,
        guard(lead.band or ""),
        *(
            None if p is None else round(p, 6)
            for p in (lead.probability, lead.probability_low, lead.probability_high)
        ),
        *(guard(text) for text in texts),
    ]


def _comeback(lead: ReportLead) -> tuple[str, str, str, str]:
    """Say since when and by what a lead is back, when it was closed and why."""
    back = lead.back
    if back is None:
        return "", "", "", ""
    return back.back_at, back.back_by or "", back.closed_at, back.closed_because or ""


def _standing(lead: ReportLead) -> tuple[str, str, str, str]:
    """Say which answer keeps the lead off the list, until when, who gave it and why."""
    said = lead.standing
    return ("", "", "", "") if said is None else (said.kind, said.until or "", said.by, said.reason)


def _without_tags(markup: object) -> str:
    """Strip the HTML tags of a sentence."""
    return Markup(str(markup)).striptags()  # trusted because the tags are stripped at once
