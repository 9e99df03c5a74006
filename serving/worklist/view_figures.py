"""The figures as the report shows them: funnel, forecast, trust, experiment, customer value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

from serving.worklist.phrase import Phrase
from serving.worklist.view_parts import Band, Interval, Point, RepClaims


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


Doubt = Literal["flat", "steep", "low", "high"]
"""Percentages too close together, too far apart, too low, too high."""
TrustCase = Literal[
    "trust", "mostly", "care", Doubt, "unproven", "ordered", "ordered off", "off", "rules", "base"
]


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

    verdict: Literal["trust", "care", "unproven", "rules", "base"]
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
    doubt: Doubt | None = None  # which way percentages are off over all scores together

    @property
    def case(self) -> TrustCase:
        """Give the one answer that the badge, the first sentence and the page itself all say."""
        off = not all(band.kept for band in self.bands)
        ordered = self.auc is not None and self.auc.low > 0.5
        if self.verdict == "care" and self.doubt is not None:
            return self.doubt
        if self.verdict == "trust" and off:
            return "mostly"
        if self.verdict != "unproven":
            return self.verdict
        if off:
            return "ordered off" if ordered else "off"
        return "ordered" if ordered else "unproven"


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
    treated: str  # the arm whose rate stands first in the difference
    control: str
    difference: Interval
    p_value: float | None = None
    power: float | None = None
    needed_per_arm: int | None = None
    looks: tuple[Point, ...] = ()  # x day, y difference with its always-valid range
    finished: bool = False
    warnings: tuple[Phrase, ...] = ()
    adjusted: bool = False  # for what was known of the leads before
    leads_a_week: float | None = None  # that both arms together got so far

    @property
    def more_weeks(self) -> int | None:
        """Weeks at the pace so far until each arm has the leads that are needed; None: not known.

        The smaller arm is the one that takes longest.
        """
        leads = {row.arm: row.leads for row in self.arms}
        both = [leads.get(arm, 0) for arm in (self.treated, self.control)]
        if self.needed_per_arm is None or not self.leads_a_week or not min(both):
            return None
        pace = self.leads_a_week * min(both) / sum(both)
        return max(ceil((self.needed_per_arm - min(both)) / pace), 0)


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
