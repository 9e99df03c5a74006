"""A ReportView -> files to hand over: the report, one per owner, e-mails for a mailer, sheets.

Everything is written into one folder; nothing is sent and nothing is reached over a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from data.files import write_bytes, write_text
from serving.worklist.digest import make_digest
from serving.worklist.html import render
from serving.worklist.language import words_of
from serving.worklist.own_week import own_lead, own_week
from serving.worklist.safe_text import shown
from serving.worklist.sheet import write_csv, write_excel
from serving.worklist.view import ReportView, Unlisted
from serving.worklist.view_lead import ReportLead
from serving.worklist.view_week import WeekPage


class LeadsOfOwners(Protocol):
    """All open leads, for views that do not list them all."""

    def lines(self, owner: str | None = None) -> Iterator[ReportLead]:
        """Give the line of every lead, or of every one of an owner."""
        ...

    def of_owner(self, owner: str) -> tuple[tuple[ReportLead, ...], Unlisted | None]:
        """Give the leads that the file of an owner lists, and count the others."""
        ...


REPORTS: Final = ("report-*.html", "leads.csv", "leads.xlsx", "owners/*.*")
"""The files of a folder of reports that list leads."""


def deliver(
    view: ReportView,
    folder: Path,
    *,
    languages: Sequence[str],
    owner_emails: Mapping[str, str] | None = None,
    every: LeadsOfOwners | None = None,
) -> list[Path]:
    """Write the report of all, the report, sheets and e-mail of each owner; return the paths.

    `owner_emails` maps owners to addresses; the e-mail of an owner without one has no `To`:
    a person fills it in. The first language is that of e-mails and sheets. Where the view does not
    list all leads, `every` gives the others: CSV sheets list them all.
    """
    more = every if view.unlisted is not None else None
    first = languages[0]
    written = [
        write_text(folder / f"report-{language}.html", render(view, language))
        for language in languages
    ]
    written += [
        write_csv(view, first, folder / "leads.csv", None if more is None else more.lines()),
        write_excel(view, first, folder / "leads.xlsx"),
    ]
    owners = {lead.owner for lead in view.leads}
    for owner in sorted(owners if more is None else {each.owner for each in view.week.owners}):
        name, of_owner = file_stem(owner), None if more is None else more.of_owner(owner)
        own = for_owner(
            view if of_owner is None else _listing(view, *of_owner),
            owner,
            None if more is None else more.lines(owner),
        )
        page = render(own, first)
        written += [
            write_text(folder / "owners" / f"{name}.html", page),
            write_csv(
                own,
                first,
                folder / "owners" / f"{name}.csv",
                None if more is None else more.lines(owner),
            ),
            write_bytes(
                folder / "owners" / f"{name}.eml",
                email(own, owner, page, first, (owner_emails or {}).get(owner)),
            ),
        ]
    return written


def _listing(
    view: ReportView, leads: tuple[ReportLead, ...], unlisted: Unlisted | None
) -> ReportView:
    """Put these leads in place of those of a view."""
    return replace(view, leads=leads, unlisted=unlisted)


def for_owner(
    view: ReportView, owner: str, lines: Iterable[ReportLead] | None = None
) -> ReportView:
    """Keep what concerns one owner: leads, calls, movers, forecast; funnel and trust stay whole.

    Of others' leads of the same company, and of similar ones, their number alone stays. `lines` are
    all open leads of the owner, where the view does not list them all.
    """
    leads = tuple(_alone(lead) for lead in view.leads if lead.owner == owner)
    of_owner = {lead.lead_id for lead in leads}
    week = _week_of(view, owner, leads if lines is None else lines)
    movers = None
    if view.movers is not None:
        there = [lead for lead in leads if lead.old_score is not None and not lead.off_list]
        moved, rest = sum(lead.change != 0 for lead in there), view.unlisted or Unlisted(0)
        movers = replace(
            view.movers,
            rises=tuple(mover for mover in view.movers.rises if mover.lead_id in of_owner),
            falls=tuple(mover for mover in view.movers.falls if mover.lead_id in of_owner),
            unchanged=len(there) - moved + rest.unchanged,
            moved=moved + rest.moved,
        )
    forecast = view.forecast and replace(
        view.forecast, owners=tuple(o for o in view.forecast.owners if o.owner == owner)
    )
    return replace(view, leads=leads, week=week, movers=movers, forecast=forecast)


def _week_of(view: ReportView, owner: str, lines: Iterable[ReportLead]) -> WeekPage:
    """Plan the owner's calls, as the live page of one who sees these leads alone does."""
    to_work, n = [], 0
    for lead in lines:
        n += 1
        if not lead.off_list:
            to_work.append(own_lead(lead, view.about.as_of))
    return own_week(view.week, to_work, {owner: n})


def _alone(lead: ReportLead) -> ReportLead:
    """Leave out what a lead's page says of leads of other owners."""
    known = tuple(each for each in lead.colleagues if each.owner == lead.owner)
    lead = replace(lead, colleagues=known, colleagues_leads=len(lead.colleagues) - len(known))
    if lead.detail is None:
        return lead
    similar = tuple(each for each in lead.detail.similar if each.owner == lead.owner)
    others = len(lead.detail.similar) - len(similar)
    detail = replace(lead.detail, similar=similar, similar_others=others, missing_roles=())
    return replace(lead, detail=detail)


def email(view: ReportView, owner: str, page: str, language: str, to: str | None) -> bytes:
    """Write an .eml: ten leads in text and HTML, the report attached. Same view, same bytes."""
    words = words_of(language)
    message = EmailMessage(policy=SMTP)
    title = shown(view.about.title or view.about.project, 80)
    message["Subject"] = f"{title}: {words.message('Today')}"
    message["From"] = "leadscore@localhost.invalid"
    if to is not None and re.fullmatch(r"[^\s@<>,;]+@[^\s@<>,;]+", to):
        message["To"] = to
    message["Date"] = format_datetime(datetime.fromisoformat(view.about.as_of).astimezone(UTC))
    message["X-Unsent"] = "1"  # mailers open it as a draft
    digest = make_digest(view, owner, words)
    message.set_content(digest.text())
    message.add_alternative(digest.html(), subtype="html")
    message.add_attachment(
        page.encode(), maintype="text", subtype="html", filename=f"report-{language}.html"
    )
    boundary = sha256(page.encode()).hexdigest()[:32]
    message.set_boundary(f"leadscore-{boundary}")
    next(message.iter_parts()).set_boundary(f"leadscore-text-{boundary}")
    return message.as_bytes()


def file_stem(owner: str) -> str:
    """Name a file after an owner, whatever the name holds: letters, digits, a short hash.

    >>> file_stem("Ana Petrov"), file_stem("../etc")[:4]
    ('ana-petrov-fb412c', 'etc-')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", owner.lower()).strip("-")[:40]
    return f"{plain or 'owner'}-{sha256(owner.encode()).hexdigest()[:6]}"
