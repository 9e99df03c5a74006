"""Everything that the report shows, as plain typed values: language-free, JSON-able, no frames.

Whoever fills it computes the values; `serving.worklist.html.render` only translates and draws them.
Times are ISO 8601 text in UTC, rates are 0 to 1, points are whole. Text that came from a CRM
may contain anything: rendering cleans, escapes and isolates it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from serving.worklist.view_figures import (
    ExperimentPage,
    ForecastPage,
    FunnelPage,
    TrustPage,
    ValuePage,
)
from serving.worklist.view_lead import ReportLead
from serving.worklist.view_parts import Band
from serving.worklist.view_week import MoversPage, WeekPage


@dataclass(frozen=True, slots=True)
class About:
    """What the whole file is about: project, moment, model, and how to answer back.

    `labels` gives words for event types and columns: label -> words, or label -> language ->
    words (the project file's [report] labels). `project_file` is written into the feedback
    command; `contact` is the address of the mailto form (None: the reader's own choice).
    """

    project: str
    as_of: str
    model_version: str
    horizon_days: int
    title: str | None = None
    currency: str = "EUR"
    bands: Mapping[Band, float] = field(
        default_factory=lambda: {"A": 70.0, "B": 55.0, "C": 40.0}
    )  # lowest score of each band but the last
    typical_score: int | None = None  # the typical lead's score today
    points_to_double: float | None = None
    top_per_owner: int = 100
    project_file: str = "project.toml"
    contact: str | None = None
    labels: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)
    static: bool = False  # no creation time is known: no claim about time
    promises: bool = True  # False: the model learned from these leads as ones that did not convert
    ranked: bool = True  # False: every lead gets the base rate, so no lead comes before another
    run_id: str = ""
    crm_link: str | None = None  # the address of a lead in the CRM, with {lead_id}
    live_link: str | None = None  # where answers are given
    timezone: str = "UTC"  # of the project: all days and times are written in it
    band_margin: float = 0.0  # points past a border before a lead changes its band
    open_leads: int = 0  # the leads that all lists and figures of this report speak of


@dataclass(frozen=True, slots=True)
class Unlisted:
    """The open leads beyond those that a file lists: how many, by what the file counts of them."""

    leads: int
    ruled: int = 0  # taken out by a rule
    answered: int = 0  # kept off the list by an answer
    lanes: Mapping[str, int] = field(default_factory=dict)
    moved: int = 0  # their score is another than a week ago
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class ReportView:
    """The whole report. `leads` are open leads, best first; a page that is None is left out.

    They are all open leads, or where these are very many the first thousands; `unlisted` counts the
    others.
    """

    about: About
    leads: tuple[ReportLead, ...]
    week: WeekPage
    movers: MoversPage | None = None
    funnel: FunnelPage | None = None
    forecast: ForecastPage | None = None
    trust: TrustPage | None = None
    experiment: ExperimentPage | None = None
    value: ValuePage | None = None  # where amounts are known
    unlisted: Unlisted | None = None  # where not all leads are listed

    def to_dict(self) -> dict[str, object]:
        """Turn into plain dicts, lists, text and numbers, ready for json.dumps.

        `value` is there only where amounts are known, `unlisted` where not all leads are listed.
        """
        optional = ("value", "unlisted")
        return {k: v for k, v in asdict(self).items() if k not in optional or v is not None}
