"""A ReportView and a language -> one self-contained HTML file that opens without a network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from serving.worklist import charts, svg
from serving.worklist.language import Words, words_of
from serving.worklist.page_names import PageNames, rule_sentence
from serving.worklist.safe_text import for_script, isolated, shown, slug
from serving.worklist.view import ForecastRow, ReportLead, ReportView
from serving.worklist.view_parts import Comeback, ShownReason

HERE: Final = Path(__file__).parent
CHUNK: Final = 40
"""Full lead pages are stored compressed, this many to a chunk, and opened when first visited."""


def render(view: ReportView, language: str) -> str:
    """Render the report in a language; InputError where the language has no catalogue."""
    words = words_of(language)
    page = _Page(view, words)
    return page.render().encode("utf-8", "replace").decode()  # a lone surrogate cannot be encoded


@dataclass(frozen=True, slots=True)
class LeadRow:
    """A row of the list of all leads: rank, number of reasons shown, whether it is printed."""

    lead: ReportLead
    rank: int
    kind: str  # "top": printed; "rest": beyond the top N of its owner
    reasons: int


class _Page:
    """One report in one language while it is being rendered."""

    def __init__(self, view: ReportView, words: Words) -> None:
        self.view, self.words = view, words
        self.names = PageNames(view, words)
        self.leads = {lead.lead_id: lead for lead in view.leads}
        self.anchors = {
            lead.lead_id: slug(lead.lead_id, i)
            for i, lead in enumerate(view.leads)
            if lead.detail is not None
        }
        self.owners = sorted({lead.owner for lead in view.leads}, key=str.casefold)
        self.rows = list_rows(view)
        self.environment = make_environment()
        self.environment.filters["band"] = self._band_place
        self.environment.globals.update(self._globals())

    def render(self) -> str:
        """Fill the templates; the full lead pages go in as compressed chunks."""
        style, script = read_minified("style.css"), read_minified("app.js")
        return self.environment.get_template("base.html").render(
            css=Markup(style),  # our own file
            js=Markup(script),  # our own file
            csp=Markup(security_policy(style, script)),  # fixed text and hashes
            pages=self.names.pages(),
            chunks=self._chunks(),
            data=for_script(json.dumps(self._data(), ensure_ascii=False, separators=(",", ":"))),
            tops=[row for row in self.rows if row.kind == "top"],
            rest=self._rest(),
            calls=[self.leads[lead_id] for lead_id in self.view.week.calls],
            ruled=[lead for lead in self.view.leads if lead.rule],
            returned=returned(self.view.leads),
            columns=self.names.columns(),
            bands=self._bands(),
            owners=self.owners,
            plan=self._plan(),
            plan_start=self._plan_start(),
            plan_calls=Markup('<output id="plan-calls" for="plan">{}</output>').format(
                self.words.number(self.view.week.capacity)
            ),
        )

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
            "pct": w.percent,
            "signed": w.signed,
            "signed_pct": self._signed_percent,
            "date": w.date,
            "time": w.time,
            "money": lambda amount: w.money(amount, about.currency),
            "cents": lambda amount: w.cents(amount, about.currency),
            "hours": self.names.hours,
            "phrase": lambda phrase: w.phrase(phrase, about.labels),
            "say": self._say,
            "rule_sentence": lambda conversions: rule_sentence(conversions, w),
            "label": lambda text: isolated(w.label(text, about.labels)),
            "isolated": isolated,
            "shown": shown,
            "anchors": self.anchors,
            "by_id": self.leads,
            "charts": charts,
            "stage_bar": self._stage_bar(),
            "range_bar": self._range_bar,
            "family_bar": lambda points: svg.bar(
                0, points, -50, 50, "up" if points >= 0 else "down"
            ),
            "grid": self._grid,
            **self.names.tables(),
        }

    def _say(self, reason: ShownReason) -> Markup:
        return self.words.reason(reason, self.view.about.labels)

    def _signed_percent(self, share: float) -> Markup:
        plus = "\u200e+" if self.words.mirrored else "+"
        sign = plus if share > 0 else ""
        return Markup("{}{}").format(sign, self.words.percent(share, 1))

    def _bands(self) -> list[str]:
        cuts = self.view.about.bands
        named = sorted(cuts, key=lambda band: -cuts[band])
        seen = {lead.band for lead in self.view.leads if lead.band is not None}
        others = sorted(seen - set(named))
        return [*named, *others]

    def _band_place(self, band: str | None) -> int:
        """Number a band from 0, the best, to 3: the style sheet has a colour for each."""
        bands = self._bands()
        return min(bands.index(band), 3) if band in bands else 3

    def _chunks(self) -> list[str]:
        """Render the full lead pages and compress them, CHUNK to a piece."""
        template = self.environment.get_template("lead.html")
        detailed = [lead for lead in self.view.leads if lead.detail is not None]
        pages = [self._lead_page(template.render, lead) for lead in detailed]
        return [deflated("".join(pages[i : i + CHUNK])) for i in range(0, len(pages), CHUNK)]

    def _rest(self) -> str:
        """Render the rows beyond the top N of each owner, compressed; the list opens them."""
        rest = [row for row in self.rows if row.kind == "rest"]
        if not rest:
            return ""
        html = self.environment.get_template("rows.html").render(rows=rest)
        return deflated(f"<table><tbody>{html}</tbody></table>")

    def _lead_page(self, render_template: Callable[..., str], lead: ReportLead) -> str:
        detail = lead.detail
        assert detail is not None
        told = lead.score is not None
        rows = charts.waterfall(detail, lead.score or 0, self.view.about.bands) if told else ()
        reasons = (*detail.reasons_for, *detail.reasons_against)
        return render_template(lead=lead, waterfall=rows, reasons=reasons, scale=self._scale)

    @cached_property
    def _scale(self) -> Markup:
        """Write the bands over the waterfall, each at the score where it begins."""
        marks = sorted(self.view.about.bands.items(), key=lambda mark: mark[1])
        mirror = self.words.mirrored
        return Markup('<svg aria-hidden="true">{}</svg>').format(
            Markup("").join(
                Markup('<text x="{}%" y="80%" class="{}">{} {}</text>').format(
                    f"{100 - cut if mirror else cut:g}", "tm", band, self.words.number(cut)
                )
                for band, cut in marks
            )
        )

    def _data(self) -> dict[str, object]:
        """Collect what the script needs: anchors by chunk, sort keys, the what-if's sentences."""
        bands = self._bands()
        place = {owner: i for i, owner in enumerate(self.owners)}
        return {
            "anchors": list(self.anchors.values()),
            "chunk": CHUNK,
            "own": [place[row.lead.owner] for row in self.rows],
            "band": [place_of(row.lead.band, bands) for row in self.rows],
            "rest": [i for i, row in enumerate(self.rows) if row.kind == "rest"],
            "keys": sort_keys([row.lead for row in self.rows]),
            "count": self.words.message("{shown} of {all} leads"),
            "digits": str(self.words.digits("0123456789")),
            "plan": [[str(p["calls"]), str(p["says"])] for p in self._plan()],
            "project": self.view.about.project_file,
            "mail": self.view.about.contact or "",
            "subject": self.words.message("leadscore: about {lead}"),
        }

    def _plan(self) -> list[dict[str, object]]:
        w, currency = self.words, self.view.about.currency
        out: list[dict[str, object]] = []
        for p in self.view.week.plan:
            says = w.t(
                "{expected} opportunities expected ({low} to {high}), cut-off {score}.",
                expected=w.number(p.expected, 1),
                low=w.number(p.low),
                high=w.number(p.high),
                score=w.number(p.cut_off),
            )
            if p.profit is not None:
                says += " " + w.t("Profit {amount}.", amount=w.money(p.profit, currency))
            out.append({"calls": w.number(p.calls), "says": says})
        return out

    def _plan_start(self) -> int:
        plan, capacity = self.view.week.plan, self.view.week.capacity
        return min(range(len(plan)), key=lambda i: abs(plan[i].calls - capacity)) if plan else 0

    def _stage_bar(self) -> Callable[[int], Markup]:
        stages = self.view.funnel.stages if self.view.funnel else ()
        most = max((stage.leads for stage in stages), default=1)
        return lambda leads: svg.bar(0, leads, 0, most, "base")

    def _range_bar(self, row: ForecastRow) -> Markup:
        rows = self.view.forecast.rows if self.view.forecast else ()
        most = max(r.total.high for r in rows)
        return Markup(
            '<svg class="bar rangebar" viewBox="0 0 100 8" preserveAspectRatio="none"'
            ' aria-hidden="true"><rect class="open" width="{}" height="8"/><rect class="new" x="{}"'
            ' width="{}" height="8"/><rect class="range" x="{}" y="3" width="{}" height="2"/></svg>'
        ).format(
            *(
                f"{100 * value / (most or 1):.1f}"
                for value in (
                    row.from_open.value,
                    row.from_open.value,
                    row.from_new.value,
                    row.total.low,
                    row.total.high - row.total.low,
                )
            )
        )

    def _grid(self, cell: str) -> Markup:
        """Draw the fit x engagement grid with the lead's cell marked."""
        squares = []
        for i, fit in enumerate("ABCD"):
            for j in range(4):
                kind = "here" if cell == f"{fit}{j + 1}" else f"g{min(i + j, 6)}"
                squares.append(
                    Markup('<rect class="{}" x="{}" y="{}" width="22" height="14" rx="2"/>').format(
                        kind, 22 + j * 24, 2 + i * 16
                    )
                )
            squares.append(svg.text(12, 13 + i * 16, fit))
        squares += [svg.text(33 + j * 24, 79, self.words.number(j + 1)) for j in range(4)]
        label = self.words.attr("Fit and engagement: {cell}", cell=cell)
        return Markup(
            '<svg class="grid" viewBox="0 0 122 84" role="img" aria-label="{}">{}</svg>'
        ).format(label, Markup("").join(squares))


def returned(leads: Sequence[ReportLead]) -> list[tuple[ReportLead, Comeback]]:
    """List the leads that came back, the latest first; not those a rule or an answer keeps off."""
    listed = [lead for lead in leads if not lead.rule and lead.standing is None]
    back = [(lead, lead.back) for lead in listed if lead.back is not None]
    return sorted(back, key=lambda pair: (pair[1].back_at, pair[0].lead_id), reverse=True)


def list_rows(view: ReportView) -> list[LeadRow]:
    """Rank the leads; the first `top_per_owner` of each owner are the rows that print."""
    seen: dict[str, int] = {}
    rows, rank = [], 0
    for lead in view.leads:
        rank += 0 if lead.rule or lead.standing else 1
        seen[lead.owner] = seen.get(lead.owner, 0) + 1
        top = seen[lead.owner] <= view.about.top_per_owner
        rows.append(LeadRow(lead, rank, "top" if top else "rest", 3 if top else 2))
    return rows


def deflated(html: str) -> str:
    """Compress a piece of the page (zlib, base64); the browser inflates it when it is needed."""
    return base64.b64encode(zlib.compress(html.encode("utf-8", "replace"), 9)).decode()


def sort_keys(leads: Sequence[ReportLead]) -> list[list[int] | None]:
    """Rank every sortable column, so that the script compares whole numbers and never text."""

    def ranks(values: Sequence[tuple[object, ...] | str | float]) -> list[int]:
        order = {value: i for i, value in enumerate(sorted(set(values)))}
        return [order[value] for value in values]

    return [
        list(range(len(leads))),
        ranks([lead.name[:200].casefold() for lead in leads]),
        ranks([lead.owner[:200].casefold() for lead in leads]),
        ranks([_falling(lead.score) for lead in leads]),
        ranks([_falling(lead.probability) for lead in leads]),
        None,
        ranks([lead.last_touch_at or "" for lead in leads]),
    ]


def place_of(band: str | None, bands: Sequence[str]) -> int:
    """Number a band by its place in a list; -1 for a lead without one."""
    return -1 if band is None else bands.index(band)


def _falling(value: float | None) -> float:
    """Sort the largest first, and what is held back last."""
    return 1.0 if value is None else -value


def security_policy(style: str, script: str) -> str:
    """Write the content security policy: nothing is loaded, only this style and script run."""

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        f"default-src 'none'; style-src 'sha256-{digest(style)}'; "
        f"script-src 'sha256-{digest(script)}'; base-uri 'none'; form-action 'none'"
    )


def make_environment() -> Environment:
    """Make the environment of the templates: values are escaped, unknown names are errors."""
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
    )


def read_minified(name: str) -> str:
    """Read a file of this folder without its comments and indentation."""
    text = (HERE / name).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())
