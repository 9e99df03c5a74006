"""A viewer and an address -> one page of the worklist, from what the night stored.

The templates are those of the offline file. Nothing is computed but what stands on the page: a
few rows are read, told in the viewer's language, and forgotten.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, get_args
from urllib.parse import quote, urlencode

from markupsafe import Markup

from data.clock import iso
from serving.people.viewer import Viewer
from serving.worklist.html import LANE_SHOWN, ReportPage, calls_shown
from serving.worklist.language import Words, words_in, words_of
from serving.worklist.list_query import ListChoice
from serving.worklist.page_files import clean, make_environment
from serving.worklist.ranking import LeadRow
from serving.worklist.safe_text import isolated
from serving.worklist.scoped_pages import ScopedPages
from serving.worklist.view import ReportView
from serving.worklist.view_figures import ExperimentPage, FunnelPage, TrustPage
from serving.worklist.view_lead import ReportLead
from serving.worklist.view_week import MoversPage, WeekPage

Nothing = Literal["lead", "list", "page", "company"]
"""Why there is no page: no such lead, no list yet, no such page, a page that a rep does not see."""
PAGE: Final = 25
FURTHEST: Final = 100_000
PATHS: Final[Mapping[str, str]] = {
    "today": "/today",
    "changes": "/changes",
    "pipeline": "/pipeline",
    "proof": "/proof",
    "model": "/model",
}
LANES: Final = ("answer", "cold", "hot", "back")
COMPANY_PAGES: Final = ("/pipeline", "/proof", "/model")
"""Pages about the whole company: a rep sees his own leads alone."""


@dataclass(frozen=True, slots=True)
class PageState:
    """What an address says: the run, the list's choice, its page; the secret form of a search."""

    run: str | None = None
    choice: ListChoice = field(default_factory=ListChoice)
    page: int = 1
    found: str = ""
    calls: int | None = None  # where the line of the capacity is; None: as many as planned

    def query(self, **changes: object) -> str:
        """Write the state as the query of an address, "" for none."""
        named: dict[str, object] = {
            **self.choice.values,
            "order": self.choice.order if self.choice.order != "chance" else "",
            "found": self.found,
            "calls": self.calls or "",
            "page": self.page if self.page > 1 else "",
            "run": self.run or "",
            **changes,
        }
        given = {key: str(value) for key, value in named.items() if value not in ("", None)}
        return f"?{urlencode(given)}" if given else ""


@dataclass(frozen=True, slots=True)
class LiveLinks:
    """Links of the live pages: addresses that carry the list's choice and the run."""

    state: PageState

    def page(self, key: str) -> str:
        """Give the address of a page, by its anchor in the file."""
        return PATHS[key]

    def lead(self, lead_id: str) -> str | None:
        """Give the address of a lead's page."""
        return f"/lead/{quote(lead_id, safe='')}{self.state.query()}"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: who looks, at which state of the list, at which files of the service."""

    viewer: Viewer
    state: PageState
    static: Mapping[str, str]
    newest: tuple[str, int]  # the run that a page opened now would show, and when it was made
    here: str = "/today"  # where an answer goes back to
    signs_out: bool = True  # False where a proxy signs people in
    now: str = ""  # ISO 8601 UTC
    card: Callable[[str], str | None] = lambda _: None  # a lead's card, for a frame in the CRM


class LivePage:
    """The pages of one run for one visit; every method gives one page, or None for no such page."""

    def __init__(self, pages: ScopedPages, visit: Visit) -> None:
        self.pages, self.visit = pages, visit
        self.words: Words = words_in(words_of(visit.viewer.language), pages.about.timezone)
        self.state = replace(visit.state, run=pages.about.run_id)

    def today(self) -> str:
        """Render the list: whom to call, narrowed and ordered as the address says."""
        state, pages = self.state, self.pages
        start = PAGE * (state.page - 1)
        leads, total = pages.rows(state.choice, start, PAGE)
        week = pages.week(state.choice)
        calls = min(state.calls or week.capacity, week.plan[-1].calls if week.plan else FURTHEST)
        beyond = pages.beyond(state.choice, calls, leads) if week.plan else frozenset()
        plain = state.page == 1 and not state.choice.values and not state.choice.words
        lanes = {key: pages.lane(key, LANE_SHOWN) for key in LANES} if plain else {}
        drawers = pages.drawers() if plain else []
        listed = [lead for found, _ in lanes.values() for lead in found]
        view = self._view(
            [*leads, *listed, *drawers],
            week=week,
            trust=pages.company(TrustPage),
            unlisted=pages.beyond_drawers(drawers) if plain else None,
        )
        page = self._report(view)
        return self._page(
            "live_today.html",
            "today",
            page,
            tops=[LeadRow(lead, start + i + 1, start + i) for i, lead in enumerate(leads)],
            lanes=page.lanes({key: lane for key, lane in lanes.items() if lane[0]}),
            total=total,
            first=start,
            last=max(1, -(-total // PAGE)),
            calls=calls,
            plan_calls=calls_shown(self.words, calls),
            plan_data=json.dumps(page.plan_data(), ensure_ascii=False),
            cut_off=pages.cut_off(calls) if state.choice.order == "chance" else None,
            beyond=beyond,
            cut_at=_cut_at(leads, beyond) if not state.choice.words else None,
            narrowed=bool(state.choice.values or state.choice.words),
            facets=page.filters(pages.choices()),
            ranks=[each for each in page.names.ranks() if pages.whole or each[0] != "company"],
        )

    def lead(self, lead_id: str, *, card: bool = False) -> str | None:
        """Render a lead's page, or its card alone; None where the viewer sees no such lead."""
        lead = self.pages.lead(lead_id)
        if lead is None or lead.detail is None:
            return None
        before, after = (None, None) if card else self.pages.beside(self.state.choice, lead_id)
        page = self._report(self._view([lead], movers=self.pages.company(MoversPage)))
        return self._page(
            "card.html" if card else "live_lead.html",
            "today",
            page,
            before=before and page.links.lead(before),
            after=after and page.links.lead(after),
            list_href=f"/today{self.state.query()}",
            card=None if card else self.visit.card(lead_id),
            **page.lead_values(lead),
        )

    def changes(self) -> str | None:
        """Render what moved; None where the run knows no past."""
        found = self.pages.movers()
        if found is None:
            return None
        view = self._view(found[1], movers=found[0])
        return self._page("live_part.html", "changes", self._report(view), part="changes.html")

    def pipeline(self) -> str | None:
        """Render the funnel and the forecast of the whole company."""
        pages = self.pages
        view = self._view([], funnel=pages.company(FunnelPage), forecast=pages.forecast())
        view = replace(view, week=pages.week(), value=pages.value())
        return self._page("live_part.html", "pipeline", self._report(view), part="pipeline.html")

    def proof(self) -> str | None:
        """Render whether the scores can be trusted, and the experiment."""
        trust, trial = self.pages.company(TrustPage), self.pages.company(ExperimentPage)
        if trust is None and trial is None:
            return None
        view = self._view([], trust=trust, experiment=trial)
        return self._page("live_part.html", "proof", self._report(view), part="proof.html")

    def model(self) -> str | None:
        """Give the data scientist's page, with our own style sheet in place of its own."""
        html = self.pages.text(f"model-{self.words.language}") or self.pages.text("model-en")
        if html is None:
            return None
        html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html, count=1)
        link = f'<link rel="stylesheet" href="{self.visit.static["style.css"]}">'
        return re.sub("<style>.*?</style>", link, html, count=1, flags=re.DOTALL)

    def _view(self, leads: Sequence[ReportLead], **pages: object) -> ReportView:
        week = pages.pop("week", None) or self.pages.company(WeekPage)
        return ReportView(
            self.pages.about,
            tuple({lead.lead_id: lead for lead in leads}.values()),
            week,  # type: ignore[arg-type]
            **pages,  # type: ignore[arg-type]
        )

    def _report(self, view: ReportView) -> ReportPage:
        return ReportPage(view, self.words, LiveLinks(self.state))

    def _page(self, template: str, current: str, page: ReportPage, **values: object) -> str:
        return page.part(
            template,
            pages=self._menu(),
            current=current,
            viewer=self.visit.viewer,
            state=self.state,
            static=self.visit.static,
            here=self.visit.here,
            signs_out=self.visit.signs_out,
            open_leads=self.pages.count(),
            now=self.visit.now or self.pages.about.as_of,
            newer=self.visit.newest[0] != self.pages.about.run_id,
            newest_says=newest_says(self.words, self.visit.newest[1]),
            **values,
        )

    def _menu(self) -> list[tuple[str, object]]:
        t = self.words.t
        menu: list[tuple[str, object]] = [("today", t("Today")), ("changes", t("Changes"))]
        if self.visit.viewer.role != "rep":
            menu += [("pipeline", t("Pipeline")), ("proof", t("Proof")), ("model", t("Model"))]
        return menu


def _cut_at(leads: Sequence[ReportLead], beyond: Collection[str]) -> int | None:
    """Find the row before which the calls end; None where that is on another page."""
    first = next((i for i, lead in enumerate(leads) if lead.lead_id in beyond), 0)
    return first or None


def newest_says(words: Words, made_at: int) -> str:
    """Say that there is a newer list."""
    return words.attr("New list since {time}: show it", time=words.time(iso(made_at)))


def render_nothing(title: str, language: str, why: str | Nothing, static: Mapping[str, str]) -> str:
    """Render a page that says why there is none; it reads nothing that is stored."""
    words = words_of(language)
    said = nothing_words(words)[why] if why in get_args(Nothing) else isolated(why)
    text = (
        make_environment()
        .get_template("live_nothing.html")
        .render(w=words, t=words.t, title=isolated(title), said=said, static=static)
    )
    return clean(text)


def nothing_words(words: Words) -> Mapping[str, Markup]:
    """Say why there is no page."""
    t = words.t
    return {
        "lead": t("There is no such lead among yours."),
        "list": t("There is no list yet."),
        "page": t("There is no such page."),
        "company": t("This page is about the whole company."),
    }
