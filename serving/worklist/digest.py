"""An owner's leads -> the ten lines of the morning's e-mail, as text and as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from serving.worklist.language import Words
from serving.worklist.ranking import orders
from serving.worklist.safe_text import shown
from serving.worklist.view import ReportView
from serving.worklist.view_lead import ReportLead

ROWS = 10


@dataclass(frozen=True, slots=True)
class DigestRow:
    """One lead of the e-mail; `link` is None where no address is configured."""

    score: str
    band: str
    who: str
    sentence: Markup
    step: Markup
    link: str | None


@dataclass(frozen=True, slots=True)
class Digest:
    """The e-mail of one owner."""

    owner: str
    title: Markup
    rows: tuple[DigestRow, ...]
    open_words: Markup
    direction: str
    language: str

    def text(self) -> str:
        """Write the mail for readers that show text alone."""
        lines = [*([f"{self.owner},", ""] if self.owner else []), self.title.striptags(), ""]
        for row in self.rows:
            lines.append(f"{row.score:>3} {row.band or ' '}  {row.who}")
            lines += [f"       {words.striptags()}" for words in (row.sentence, row.step) if words]
            lines += [f"       {row.link}"] if row.link else []
        return "\n".join(lines)

    def html(self) -> str:
        """Write the mail for readers that show HTML: no style sheet, no picture, no script."""
        rows = Markup("").join(
            Markup(
                '<tr><td valign="top"><b>{}</b> {}</td><td><b>{}</b><br>{}<br><b>{}</b>{}</td></tr>'
            ).format(row.score, row.band, row.who, row.sentence, row.step, self._link(row))
            for row in self.rows
        )
        page = Markup(
            '<!doctype html><html lang="{}" dir="{}"><head><meta charset="utf-8"><title>{}'
            "</title></head><body>{}<p>{}</p>"
            '<table cellpadding="6">{}</table></body></html>'
        )
        title = self.title.striptags()
        greeting = Markup("<p>{},</p>").format(self.owner) if self.owner else Markup("")
        return str(page.format(self.language, self.direction, title, greeting, self.title, rows))

    def _link(self, row: DigestRow) -> Markup:
        if row.link is None:
            return Markup("")
        return Markup(' · <a href="{}">{}</a>').format(row.link, self.open_words)


def make_digest(view: ReportView, owner: str, words: Words) -> Digest:
    """Choose the owner's ten most urgent leads: who asked first, then by lane and chance."""
    leads = view.leads
    urgent = [leads[i] for i in orders(leads)["urgency"] if not leads[i].off_list][:ROWS]
    return Digest(
        owner=shown(owner, 80),
        title=words.tn(
            "The lead to work first today:", "The {n} leads to work first today:", len(urgent)
        ),
        rows=tuple(_row(view, lead, words) for lead in urgent),
        open_words=words.t("Open"),
        direction=words.direction,
        language=words.language,
    )


def _row(view: ReportView, lead: ReportLead, words: Words) -> DigestRow:
    labels = view.about.labels
    who = [lead.person or lead.name, lead.title, lead.company or (lead.name if lead.person else "")]
    reason = next((r for r in lead.reasons if r.points > 0), None)
    if lead.shown_lanes:
        sentence = words.phrase(lead.shown_lanes[0].phrase, labels)
    else:
        sentence = words.reason(reason, labels) if reason is not None else Markup("")
    return DigestRow(
        score="" if lead.score is None else str(words.number(lead.score)),
        band=shown(lead.band or "", 10),
        who=", ".join(dict.fromkeys(shown(part, 60) for part in who if part)),
        sentence=sentence,
        step=words.phrase(lead.shown_step.phrase, labels) if lead.shown_step else Markup(""),
        link=_address(view, lead),
    )


def _address(view: ReportView, lead: ReportLead) -> str | None:
    """Link to the live page of the lead, else to the CRM."""
    lead_id = quote(lead.lead_id, safe="", errors="replace")
    if view.about.live_link:
        return f"{view.about.live_link.rstrip('/')}/lead/{lead_id}"
    return view.about.crm_link.replace("{lead_id}", lead_id) if view.about.crm_link else None
