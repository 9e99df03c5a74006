"""A ReportView and a language -> one self-contained HTML file that opens without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol
from urllib.parse import quote

from markupsafe import Markup

from serving.worklist import charts, svg
from serving.worklist.language import Words, words_in, words_of
from serving.worklist.list_data import facet_values, list_data, plans_of, words_to_search
from serving.worklist.page_files import (
    clean,
    deflated,
    read_minified,
    security_policy,
    shared_environment,
)
from serving.worklist.page_names import PageNames, rule_sentence
from serving.worklist.proof_words import badges, experiment_sentence, proof_sentences
from serving.worklist.ranking import in_lane, list_rows
from serving.worklist.safe_text import for_script, isolated, shown, slug
from serving.worklist.view import ReportView, Unlisted
from serving.worklist.view_figures import ForecastRow
from serving.worklist.view_lead import ReportLead
from serving.worklist.view_parts import ShownReason
from serving.worklist.view_week import MOST_MOVERS, Mover
from serving.worklist.waterfall_chart import band_scale, waterfall_by_family

CHUNK: Final = 40
"""Full lead pages are stored compressed, this many to a chunk, and opened when first visited."""
ROWS: Final = 100
"""Rows of the list are stored compressed too, this many to a chunk."""
PRINTED: Final = 50
"""The first rows of the list stand in the file itself: they print, and show without script."""
LANE_SHOWN: Final = 4


def render(view: ReportView, language: str) -> str:
    """Render the report in a language; InputError where the language has no catalogue."""
    words = words_of(language)
    return clean(ReportPage(view, words).render())


ShownLane = tuple[str, Markup, Markup, Sequence[ReportLead], int]
ShownFilter = tuple[str, Markup, Markup, list[tuple[str, str]]]


class PageLinks(Protocol):
    """Where links of a page lead to: an address of a page, and of a lead."""

    def page(self, key: str) -> str:
        """Give the address of a page, by its anchor in the file."""
        ...

    def lead(self, lead_id: str) -> str | None:
        """Give the address of a lead's page; None where it has none."""
        ...


@dataclass(frozen=True, slots=True)
class FileLinks:
    """Links of the self-contained file: anchors."""

    anchors: Mapping[str, str]

    def page(self, key: str) -> str:
        """Give the anchor of a page."""
        return f"#{key}"

    def lead(self, lead_id: str) -> str | None:
        """Give the anchor of a lead's page."""
        return f"#{self.anchors[lead_id]}" if lead_id in self.anchors else None


class ReportPage:
    """One report in one language while it is being rendered: the whole file, or a part of it."""

    def __init__(self, view: ReportView, words: Words, links: PageLinks | None = None) -> None:
        words = words_in(words, view.about.timezone)
        self.view, self.words = view, words
        self.names = PageNames(view, words)
        self.leads = {lead.lead_id: lead for lead in view.leads}
        self.anchors = {
            lead.lead_id: slug(lead.lead_id, i)
            for i, lead in enumerate(view.leads)
            if lead.detail is not None
        }
        self.links: PageLinks = FileLinks(self.anchors) if links is None else links
        self.rows = list_rows(view)
        self.known = self._globals()

    def render(self) -> str:
        """Fill the templates; the full lead pages go in as compressed chunks."""
        style = read_minified("style.css")
        script = "\n".join(map(read_minified, ("what_if.js", "app.js")))
        return self._fill(
            "base.html",
            css=Markup(style),  # our own file
            js=Markup(script),  # our own file
            csp=Markup(security_policy(style, script)),  # fixed text and hashes
            pages=self.names.pages(),
            chunks=self._chunks(),
            data=for_script(json.dumps(self._data(), ensure_ascii=False, separators=(",", ":"))),
            row_chunks=self._row_chunks(),
            words=deflated(words_to_search(self.view.leads)),
            **self.page_values(),
        )

    def page_values(self) -> dict[str, object]:
        """Give what the templates of the pages take."""
        return {
            "tops": [row for row in self.rows if not row.lead.off_list][:PRINTED],
            "ruled": [lead for lead in self.view.leads if lead.rule],
            "unlisted": self.view.unlisted or Unlisted(0),
            "now": self.view.about.as_of,
            "current": "",
            "lanes": self._lanes(),
            "facets": self._facets(),
            "ranks": self.names.ranks(),
            "badge": self._badge(),
            "proofs": proof_sentences(self.view, self.words),
            "trial_says": experiment_sentence(self.view.experiment, self.words),
            "badge_kind": self.view.trust.verdict if self.view.trust else "",
            "change_groups": self._change_groups(),
            "calls": self.view.week.capacity,
            "plan_calls": calls_shown(self.words, self.view.week.capacity),
        }

    def part(self, template: str, **values: object) -> str:
        """Fill one template with this report and some values more."""
        return clean(self._fill(template, **{**self.page_values(), **values}))

    def _fill(self, template: str, **values: object) -> str:
        return shared_environment().get_template(template).render(**self.known, **values)

    def lead_values(self, lead: ReportLead) -> dict[str, object]:
        """Give what the template of a lead's page takes."""
        detail = lead.detail
        assert detail is not None
        score, bands = lead.score, self.view.about.bands
        rows = None
        if score is not None:  # it is not withheld
            rows = waterfall_by_family(detail, score, bands, lead.families)
        reasons = (*detail.reasons_for, *detail.reasons_against)
        return {
            "lead": lead,
            "waterfall": rows,
            "reasons": reasons,
            "scale": band_scale(bands, self.words),
        }

    def _globals(self) -> dict[str, object]:
        w, about = self.words, self.view.about
        return {
            "view": self.view,
            "about": about,
            "w": w,
            "t": w.t,
            "tn": w.tn,
            "attr": w.attr,
            "num": w.number,
            "tenths": w.tenths,
            "pct": w.percent,
            "signed": w.signed,
            "signed_pct": self._signed_percent,
            "signed_points": self._signed_points,
            "date": w.date,
            "time": w.time,
            "money": lambda amount: w.money(amount, about.currency),
            "cents": lambda amount: w.cents(amount, about.currency),
            "hours": self.names.hours,
            "phrase": lambda phrase: w.phrase(phrase, about.labels),
            "say": self._say,
            "said_event": lambda event: w.event(event, about.labels),
            "act": lambda event: w.act(event, about.labels),
            "say_fact": lambda reason: w.fact(reason, about.labels),
            "rule_sentence": lambda conversions: rule_sentence(conversions, w),
            "label": lambda text: isolated(w.label(text, about.labels)),
            "isolated": isolated,
            "shown": shown,
            "band_place": self._band_place,
            "anchors": self.anchors,
            "live": not isinstance(self.links, FileLinks),
            "href": lambda lead: self.links.lead(lead.lead_id),
            "page_href": self.links.page,
            "by_id": self.leads,
            "charts": charts,
            "stage_bar": self._stage_bar(),
            "range_bar": self._range_bar(),
            "spark": lambda lead: charts.sparkline(lead.weeks, self.words),
            "crm": self._crm,
            "lane_titles": self.names.lanes(),
            **self.names.tables(),
        }

    def _say(self, reason: ShownReason) -> Markup:
        return self.words.reason(reason, self.view.about.labels)

    def _signed_percent(self, share: float) -> Markup:
        plus = "\u200e+" if self.words.mirrored else "+"
        sign = plus if share > 0 else ""
        return Markup("{}{}").format(sign, self.words.percent(share, 1))

    def _signed_points(self, difference: float) -> Markup:
        """Write a difference of two rates in percentage points."""
        plus = "\u200e+" if self.words.mirrored else "+"
        number = self.words.number(100 * difference, 1)
        return Markup("{}{}").format(plus if difference > 0 else "", number)

    @cached_property
    def _bands(self) -> list[str]:
        cuts = self.view.about.bands
        named = sorted(cuts, key=lambda band: -cuts[band])
        seen = {lead.band for lead in self.view.leads if lead.band is not None}
        others = sorted(seen - set(named))
        return [*named, *others]

    def _band_place(self, band: str | None) -> int:
        """Number a band from 0, the best, to 3: the style sheet has a colour for each."""
        bands = self._bands
        return min(bands.index(band), 3) if band in bands else 3

    def _chunks(self) -> list[str]:
        """Render the full lead pages and compress them, CHUNK to a piece."""
        detailed = [lead for lead in self.view.leads if lead.detail is not None]
        pages = [self._fill("lead.html", **self.lead_values(lead)) for lead in detailed]
        return [deflated("".join(pages[i : i + CHUNK])) for i in range(0, len(pages), CHUNK)]

    def _row_chunks(self) -> list[str]:
        """Render the rows of the list and compress them; the list opens those that it shows."""
        chunks = [self.rows[i : i + ROWS] for i in range(0, len(self.rows), ROWS)]
        html = [self._fill("rows.html", rows=rows) for rows in chunks]
        return [deflated(f"<table><tbody>{rows}</tbody></table>") for rows in html]

    def _lanes(self) -> list[ShownLane]:
        """Fill the lanes that have leads."""
        every = {key: in_lane(key, self.view.leads) for key in self.names.lanes()}
        more = {} if self.view.unlisted is None else self.view.unlisted.lanes
        counts = {key: len(leads) + more.get(key, 0) for key, leads in every.items()}
        return self.lanes(
            {k: (leads[:LANE_SHOWN], counts[k]) for k, leads in every.items() if leads}
        )

    def lanes(self, listed: Mapping[str, tuple[Sequence[ReportLead], int]]) -> list[ShownLane]:
        """Word lanes: key, title, what they are, the first leads, how many there are."""
        titles, whys = self.names.lanes(), self.names.lane_reasons(self.view.week.missed_days)
        return [(key, titles[key], whys[key], leads, n) for key, (leads, n) in listed.items()]

    def _facets(self) -> list[ShownFilter]:
        bands = self._bands
        return self.filters(
            {key: facet_values(key, self.view.leads, bands) for key in self.names.facets()}
        )

    def filters(self, values_of: Mapping[str, Sequence[str]]) -> list[ShownFilter]:
        """Word the filters that can narrow the list: key, title, word for all, values."""
        said: dict[str, Mapping[str, str]] = {
            "trend": self.names.trends(),
            "lane": self.names.lanes(),
        }
        out = []
        for key, (title, every) in self.names.facets().items():
            values, words = values_of[key], said.get(key)
            if len(values) > 1 or key == "lane":
                labelled = [(v, words[v] if words else self._option(key, v)) for v in values]
                out.append((key, title, every, labelled))
        return out

    def _option(self, facet: str, value: str) -> str:
        """Word a value of a filter: a text of the CRM, or a word of the product."""
        if facet == "band":
            return self.words.attr("Band {band}", band=value)
        labels = self.view.about.labels
        return shown(self.words.label(value, labels) if facet in ("stage", "source") else value)

    def _badge(self) -> Markup | None:
        """Say in a few words how far the scores can be trusted."""
        trust = self.view.trust
        if trust is None:
            return None
        return badges(self.words)[trust.case]

    def _change_groups(self) -> list[tuple[str, Markup, Markup, list[Mover]]]:
        """Group the movers by cause; those that crossed into another band come first."""
        movers = self.view.movers
        if movers is None:
            return []
        largest = (*movers.rises[:MOST_MOVERS], *movers.falls[:MOST_MOVERS])
        every = [x for x in largest if x.lead_id in self.leads]
        every.sort(key=lambda x: (not x.crossed, -abs(x.new - x.old), x.lead_id))
        groups = []
        for key, (title, why) in self.names.causes().items():
            listed = [x for x in every if x.cause == key]
            if listed:
                groups.append((key, title, why, listed))
        return groups

    def _data(self) -> dict[str, object]:
        """Collect what the script needs: anchors by chunk, the list, sentences to fill."""
        message = self.words.message
        return {
            "anchors": list(self.anchors.values()),
            "places": [i for i, lead in enumerate(self.view.leads) if lead.lead_id in self.anchors],
            "chunk": CHUNK,
            "rows": ROWS,
            "printed": PRINTED,
            **list_data(self.view, self._bands),
            **self.plan_data(),
            "count": message("{shown} of {all} leads"),
            "at": message("{first} to {last} of {all}"),
            "cut": message("{n} calls end here"),
            "project": self.view.about.project_file,
            "mail": self.view.about.contact or "",
            "subject": message("leadscore: about {lead}"),
        }

    def plan_data(self) -> dict[str, object]:
        """Collect what the slider of the capacity says: plans by order, sentences to fill."""
        message = self.words.message
        return {
            "plans": plans_of(self.view.week),
            "currency": self.view.about.currency,
            "expected": message("{expected} opportunities expected ({low} to {high})."),
            "cutoff": message("The cut-off is a score of {score}."),
            "worth": message("They are expected to bring {amount} ({low} to {high})."),
            "profit": message("Profit {amount}."),
        }

    def _stage_bar(self) -> Callable[[int], Markup]:
        stages = self.view.funnel.stages if self.view.funnel else ()
        most = max((stage.leads for stage in stages), default=1)
        return lambda leads: svg.bar(0, leads, 0, most, "base")

    def _range_bar(self) -> Callable[[ForecastRow], Markup]:
        rows = self.view.forecast.rows if self.view.forecast else ()
        most = max((row.total.high for row in rows), default=1)
        return lambda row: charts.forecast_bar(row, most)

    def _crm(self, lead: ReportLead) -> str | None:
        """Link to the lead in the CRM, its id escaped."""
        link = self.view.about.crm_link
        return (
            link.replace("{lead_id}", quote(lead.lead_id, safe="", errors="replace"))
            if link
            else None
        )


def calls_shown(words: Words, calls: int) -> Markup:
    """Write the number that the slider of the capacity stands at."""
    return Markup('<output id="plan-calls" for="plan">{}</output>').format(words.number(calls))
