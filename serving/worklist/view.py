"""Everything that the report shows, as plain typed values: language-free, JSON-able, no frames.

Whoever fills it computes the values; `serving.worklist.html.render` only translates and draws them.
Times are ISO 8601 text in UTC, rates are 0 to 1, points are whole. Text that came from a CRM
may contain anything: rendering cleans, escapes and isolates it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

from serving.worklist.phrase import Phrase
from serving.worklist.view_parts import (
    Band,
    CardAnswer,
    Cause,
    Colleague,
    Comeback,
    CriterionMatch,
    Feedback,
    Interval,
    LaneEntry,
    NextStep,
    PastScore,
    Point,
    RepClaims,
    ShownChangeLine,
    ShownReason,
    ShownStanding,
    SimilarLead,
    TimelineEvent,
    Trend,
)

NOTHING: Final = Interval(0.0, 0.0, 0.0)


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
    run_id: str = ""
    crm_link: str | None = None  # the address of a lead in the CRM, with {lead_id}
    live_link: str | None = None  # where answers are given
    timezone: str = "UTC"  # of the project: all days and times are written in it
    open_leads: int = 0  # the leads that all lists and figures of this report speak of


@dataclass(frozen=True, slots=True)
class LeadDetail:
    """The full page of a lead: the waterfall and everything around it.

    typical + sum of reasons + unseen_points + rest_points + limit_points == the lead's score, in
    whole numbers. `reasons_for` and `reasons_against` are largest first.
    """

    typical: int
    reasons_for: tuple[ShownReason, ...]
    reasons_against: tuple[ShownReason, ...]
    rest_points: int = 0
    limit_points: int = 0
    answers: tuple[CardAnswer, ...] = ()
    icp: tuple[CriterionMatch, ...] = ()
    icp_match: float | None = None  # 0 to 1
    history: tuple[PastScore, ...] = ()  # oldest first
    timeline: tuple[TimelineEvent, ...] = ()  # newest first
    similar: tuple[SimilarLead, ...] = ()
    similar_others: int = 0  # similar leads of colleagues, whom this viewer does not see
    content: tuple[str, ...] = ()  # what to send at this stage, in the company's words
    missing_for_next: tuple[Phrase, ...] = ()  # what the next stage still asks for
    next_stage: str | None = None
    rescored: NextStep | None = None  # the act of sales that scores highest, scored again for real
    levels: Mapping[str, str] = field(default_factory=dict)  # named levels: interest -> high
    feedback: tuple[Feedback, ...] = ()  # what reps answered back, newest first
    unstable: bool = False  # other seeds would name other reasons
    low_information: bool = False  # no events yet
    rule_text: str | None = None  # the condition of the rule that took the lead out
    changes: tuple[ShownChangeLine, ...] | None = None  # since a week ago; None: it is newer
    missing_roles: tuple[Phrase, ...] = ()  # who of the company is not known yet
    unseen_points: int = 0  # of what is not known or not seen


@dataclass(frozen=True, slots=True)
class ReportLead:
    """One open lead as the lists show it; `detail` is None beyond the top N of its owner.

    `reasons` are the few that the list shows, largest absolute points first; `rule` is the
    stated reason where a rule of the company takes the lead out (it has neither rank nor band
    then). Where a score is `withheld` it is None, with everything that would tell of it.
    """

    lead_id: str
    name: str
    owner: str
    score: int | None
    band: Band | None
    probability: float | None
    probability_low: float | None
    probability_high: float | None
    percentile: float | None = 0.0
    trend: Trend | None = "new"
    source: str | None = None
    account: str | None = None
    stage: str | None = None
    grid: str = ""  # fit x engagement, "A1" to "D4"
    families: Mapping[str, int] = field(default_factory=dict)  # fit, engagement, … -> points
    reasons: tuple[ShownReason, ...] = ()
    step: NextStep | None = None
    last_touch_at: str | None = None  # by sales
    created_at: str | None = None
    rule: str | None = None
    detail: LeadDetail | None = None
    withheld: str | None = None  # the arm of an experiment that works without scores
    back: Comeback | None = None  # where it was closed before
    standing: ShownStanding | None = None  # why it is off the list, by a rep's answer
    ended: ShownStanding | None = None  # why it was, until what it did lately
    person: str = ""  # whom to call
    company: str = ""
    title: str = ""
    team: str = ""
    email: str = ""
    amount: float | None = None  # its own, in the report's currency
    worth: float | None = None  # chance times what its conversion would bring
    old_score: int | None = None  # a week ago
    old_band: Band | None = None
    weeks: tuple[int, ...] = ()  # its scores of the last eight weeks, oldest first
    lanes: tuple[LaneEntry, ...] = ()
    colleagues: tuple[Colleague, ...] = ()  # other open leads of its company
    colleagues_leads: int = 0  # more of them, of owners whom this viewer does not see

    @property
    def off_list(self) -> bool:
        """Tell whether a rule or a rep's answer keeps it off the list."""
        return self.rule is not None or self.standing is not None

    @property
    def shown_lanes(self) -> tuple[LaneEntry, ...]:
        """Give the lanes in which it is shown; none while an answer keeps it off the list."""
        return () if self.off_list else self.lanes

    @property
    def shown_step(self) -> NextStep | None:
        """Give the next step that is shown; none while the lead is off the list."""
        return None if self.off_list else self.step

    @property
    def change(self) -> int | None:
        """Points since a week ago; None where there is no score of then."""
        if self.score is None or self.old_score is None:
            return None
        return self.score - self.old_score

    @property
    def crossed(self) -> bool:
        """Tell whether the lead changed its band within the week, by more than chance."""
        return self.trend in ("rising", "falling") and self.old_band not in (None, self.band)


@dataclass(frozen=True, slots=True)
class OwnerWeek:
    """One owner's share of the week: leads to call, opportunities expected from them and others."""

    owner: str
    open_leads: int
    calls: int
    expected: Interval
    left_behind: Interval = NOTHING


@dataclass(frozen=True, slots=True)
class MissedFollowUp:
    """A high score without a sales touch: days since the last one, or since creation if none."""

    lead_id: str
    days: int
    touched: bool


@dataclass(frozen=True, slots=True)
class TouchSpeed:
    """Speed to first touch over recent leads: hours, shares 0 to 1, conversion by speed.

    `by_speed`: (upper limit in hours or None for later, leads, conversion rate).
    """

    leads: int
    median_hours: float | None
    within_day: float
    untouched: int
    by_speed: tuple[tuple[float | None, int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One band: its open leads, how many sales touched lately, its share of leads and touches."""

    band: Band
    leads: int
    contacted: Interval
    share_of_leads: float
    share_of_touches: float


@dataclass(frozen=True, slots=True)
class PlanPoint:
    """One capacity and what it brings: the what-if under the call list.

    `money` is the sum of chance times amount, None where amounts are not known of all; `profit`
    is that without the cost of the contacts, None where no cost is given.
    """

    calls: int
    cut_off: int
    expected: float
    low: float
    high: float
    profit: float | None = None
    money: Interval | None = None


@dataclass(frozen=True, slots=True)
class WeekPage:
    """Whom to call: `calls` are lead ids in calling order, at most `capacity`."""

    capacity: int
    cut_off: int | None
    calls: tuple[str, ...]
    expected: Interval
    left_behind: Interval
    newest_first: float | None = None  # expected opportunities from as many newest leads
    owners: tuple[OwnerWeek, ...] = ()
    missed: tuple[MissedFollowUp, ...] = ()
    missed_days: int = 7
    speed: TouchSpeed | None = None
    plan: tuple[PlanPoint, ...] = ()
    contacts: tuple[ContactRow, ...] = ()  # who is contacted, best band first
    contact_days: int = 30
    touches_known: bool = True  # False: no event says that sales acted
    plan_by_value: tuple[PlanPoint, ...] = ()
    plan_by_urgency: tuple[PlanPoint, ...] = ()
    best_calls: int | None = None  # calls by value after which profit falls
    best_profit: float | None = None
    cost_per_contact: float | None = None
    own: bool = False  # planned among the leads of one owner, or of some
    per_owner: int | None = None  # calls a week of one owner; None: as many as of the team
    shock: tuple[tuple[float, float], ...] = ()
    """How far all leads may move together: standard deviations, each with its weight."""


@dataclass(frozen=True, slots=True)
class Mover:
    """A lead whose score moved, mostly by `cause`; the lines add up to new - old."""

    lead_id: str
    old: int
    new: int
    lines: tuple[ShownChangeLine, ...]
    cause: Cause = "intent"
    old_band: Band | None = None
    band: Band | None = None

    @property
    def crossed(self) -> bool:
        """Tell whether the lead changed its band."""
        return self.old_band != self.band


MOST_MOVERS: Final = 60
"""Rises that a page lists, and falls; the night finds the largest ten of each owner."""


@dataclass(frozen=True, slots=True)
class MoversPage:
    """The largest rises and falls since `since` (ISO UTC), `days` days ago."""

    since: str
    rises: tuple[Mover, ...]
    falls: tuple[Mover, ...]
    unchanged: int = 0
    days: int = 7
    moved: int = 0  # leads whose score is another than then


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage: how many leads reached it, the rate from the stage before, median days to it."""

    name: str
    label: str
    leads: int
    rate: Interval | None = None
    median_days: float | None = None
    definition: tuple[Phrase, ...] = ()  # its criteria, all of which must hold
    episodes: int | None = None  # each return of a lead counted; None where none came back


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source: what it brought; value, cost in the report's currency, None if not given."""

    source: str
    leads: int
    prospects: int
    opportunities: int
    rate: Interval
    median_days: float | None = None
    value: float | None = None
    cost: float | None = None
    episodes: int | None = None  # each return of a lead counted; None where none came back

    @property
    def return_on_cost(self) -> float | None:
        """Divide value by cost; None where either is unknown."""
        return self.value / self.cost if self.value is not None and self.cost else None


@dataclass(frozen=True, slots=True)
class FunnelPage:
    """Leads, prospects, opportunities, by stage and source, and the definitions behind them.

    `time_to_convert`: x days, y share converted by then (Kaplan-Meier, with its range).
    `disqualified`: (stated reason, leads). `icp`: the criteria as configured.
    """

    stages: tuple[StageRow, ...]
    sources: tuple[SourceRow, ...] = ()
    time_to_convert: tuple[Point, ...] = ()
    median_days: float | None = None
    definition: str = ""  # what an opportunity is here, in the company's words
    disqualified: tuple[tuple[str, int], ...] = ()
    icp: tuple[tuple[str, float], ...] = ()
    leads: int = 0
    episodes: int | None = None  # each return of a lead counted; None where none came back
    since: str = ""  # ISO UTC: leads that came from then on are counted
    skipped: int = 0  # conversions of leads that stood below the last stage
    outside: int = 0  # leads at no stage: a rule takes them out, or the first is not met


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """Opportunities within `days`: all, from leads open today, from leads yet to come.

    Values are rounded to tenths, money to whole units: the parts add up to their sum as shown.
    """

    days: int
    total: Interval
    from_open: Interval
    from_new: Interval
    money: Interval | None = None  # of all of them, where amounts are known
    money_of_open: Interval | None = None


@dataclass(frozen=True, slots=True)
class OwnerForecast:
    """What an owner's open leads are expected to bring, in deals and in money."""

    owner: str
    deals: Interval
    money: Interval | None = None


@dataclass(frozen=True, slots=True)
class TargetRow:
    """What the team is to win, beside what is expected: deals or money."""

    kind: Literal["deals", "money"]
    target: float
    expected: Interval


@dataclass(frozen=True, slots=True)
class PastForecast:
    """A forecast that has come due: made_on (ISO), its range, and what happened."""

    made_on: str
    forecast: Interval
    observed: int


@dataclass(frozen=True, slots=True)
class ForecastPage:
    """What to expect; `coverage` is the share of past forecasts whose range held the truth."""

    rows: tuple[ForecastRow, ...]
    level: float = 0.9
    past: tuple[PastForecast, ...] = ()
    coverage: float | None = None
    simulated_coverage: float | None = None
    simulated_cohorts: int = 0
    owners: tuple[OwnerForecast, ...] = ()
    owner_days: int = 90
    targets: tuple[TargetRow, ...] = ()

    @property
    def of_all_owners(self) -> ForecastRow | None:
        """The row that the owners' figures add up to; None where some owners are not shown."""
        row = next((row for row in self.rows if row.days == self.owner_days), None)
        shown = sum(owner.deals.value for owner in self.owners)
        return row if row is not None and abs(shown - row.from_open.value) < 0.05 else None


@dataclass(frozen=True, slots=True)
class BandRow:
    """A band's promise against what happened to `scores` test scores (Wilson interval)."""

    band: Band
    scores: int
    promised: float
    observed: Interval

    @property
    def kept(self) -> bool:
        """Say whether the promise lies in the range of what happened."""
        return self.observed.low <= self.promised <= self.observed.high


@dataclass(frozen=True, slots=True)
class GainsCurve:
    """Share of conversions caught (y) by share of leads worked (x), both 0 to 1."""

    name: Literal["model", "newest", "rule", "random", "logistic", "prior"]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class LastList:
    """The list of calls of a week ago, as it was stored then, and what became of its leads."""

    made_on: str
    calls: int
    expected: float  # opportunities promised within the horizon
    touched: int
    converted: int
    lost: int
    still_open: int


@dataclass(frozen=True, slots=True)
class TrustPage:
    """Can I trust it? `verdict` is the one answer, decided by whoever fills the view.

    `reliability`: x promised, y observed, with Wilson range and n. `unknowns`: sentences about
    what the model does not know. Rates 0 to 1, over `tested_scores`: a lead is scored at several
    ages, so these are more than the leads.
    """

    verdict: Literal["trust", "care", "unproven", "rules"]
    model_version: str
    trained_at: str | None
    trained_leads: int
    trained_conversions: int
    tested_leads: int
    tested_conversions: int
    tested_scores: int
    bands: tuple[BandRow, ...]
    reliability: tuple[Point, ...]
    gains: tuple[GainsCurve, ...]
    auc: Interval | None = None
    log_loss_skill: Interval | None = None  # 1 - log loss / log loss of the prior
    top_share: float = 0.1
    top_captured: float | None = None  # conversions caught in the top share
    base_rate: float | None = None
    model_age_days: int | None = None
    data_until: str | None = None
    unknowns: tuple[Phrase, ...] = ()
    shaped_by_scores: bool = False  # training data were worked by earlier scores
    reps: RepClaims | None = None  # reps' answers against the model
    last_list: LastList | None = None


@dataclass(frozen=True, slots=True)
class ArmRow:
    """One arm of an experiment: leads, conversions, the rate with its interval."""

    arm: str
    leads: int
    conversions: int
    rate: Interval


@dataclass(frozen=True, slots=True)
class ExperimentPage:
    """An experiment, running or done: arms, difference, and whether it can already tell."""

    name: str
    unit: Literal["lead", "account"]
    started_on: str
    arms: tuple[ArmRow, ...]
    difference: Interval
    p_value: float | None = None
    power: float | None = None
    needed_per_arm: int | None = None
    looks: tuple[Point, ...] = ()  # x day, y difference with its always-valid range
    finished: bool = False
    warnings: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """Customers of a source, or new ones of a month (the ISO day it begins, "" for those before).

    `paid` is exact; `value` is what one of a source pays on average, those of a month together.
    """

    name: str
    customers: int
    paid: float
    value: Interval | None


@dataclass(frozen=True, slots=True)
class ValuePage:
    """What customers paid, and what open leads are expected to bring, in the report's currency.

    `value` of a row is what is paid within `within_days` of the conversion, None where nothing is
    predicted. `proven` tells that enough customers paid for its ranges. `expected` holds the leads
    whose score is shown.
    """

    customers: int
    paid: float
    sources: tuple[CustomerRow, ...]
    months: tuple[CustomerRow, ...]
    within_days: int | None
    proven: bool
    expected: Mapping[str, float] = field(default_factory=dict)
    expected_total: float | None = None


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
