"""Sections of the project file that say what is done with the data: from scores to nights."""

from __future__ import annotations

import math
from typing import Final, Literal

from pydantic import (
    Field,
    field_validator,
)

from data.errors import InputError
from data.memory import memory_budget
from data.schema_types import (
    Column,
    Days,
    Duration,
    LeadCount,
    MemorySize,
    Moment,
    Money,
    NightDays,
    Points,
    Rule,
    Section,
    Share,
    Variable,
)


class Anchor(Section):
    """One point of the score card: this score means this probability."""

    score: Points = Field(default=50.0, ge=0, le=100)
    """The score."""
    probability: Share = Field(gt=0, lt=1, examples=[0.03])
    """The probability of conversion that it means."""


class ScoreSection(Section):
    """The frozen score card: every `points_to_double` points double the odds."""

    points_to_double: Points | None = Field(default=None, gt=0, le=50, examples=[10.0])
    """How many points double the odds. Left out: proposed by the first training, then kept."""
    anchor: Anchor | None = Field(default=None, examples=[{"score": 50, "probability": 0.03}])
    """Which score means which probability. Left out: 50 is the typical lead of the first
    champion's training."""
    bands: dict[str, Points] = Field(default={"A": 70, "B": 55, "C": 40})
    """The bands, each with its lowest score; what is below all of them is D."""
    hysteresis: Points = Field(default=2.0, ge=0, le=20)
    """How far a score must pass a border before the lead changes its band."""
    memory: str | None = Field(default=None, examples=["8GB"])
    """How much memory `score` and `night` may use: a company that needs more is scored in parts,
    with the same result. Left out: half of the machine's."""

    @field_validator("memory")
    @classmethod
    def _memory_is_a_size(cls, memory: str | None) -> str | None:
        if memory is not None:
            try:
                memory_budget(memory)
            except InputError as error:
                raise ValueError(str(error)) from None
        return memory

    @field_validator("bands")
    @classmethod
    def _bands_fall(cls, bands: dict[str, float]) -> dict[str, float]:
        cuts = [bands.get(name, math.nan) for name in ("A", "B", "C")]
        if len(bands) != 3 or not 100 >= cuts[0] > cuts[1] > cuts[2] > 0:
            raise ValueError(
                "bands are the least scores of A, B and C, falling from at most 100 to above 0; "
                "what lies under C is D: bands = { A = 70, B = 55, C = 40 }"
            )
        return bands


class Criterion(Section):
    """One weighted criterion of the ideal customer profile."""

    when: Rule = Field(examples=["employees between 20 and 500"])
    """The condition."""
    weight: float = 1.0
    """What it counts beside the other criteria."""
    label: str | None = Field(default=None, examples=["20 to 500 employees"])
    """Its words in the report. Left out: the condition itself, in words."""


class Stage(Section):
    """A stage of the funnel with criteria that marketing and sales share."""

    name: str = Field(examples=["prospect"])
    """The name of the stage."""
    when: Rule = Field(default="true", examples=["n_trial >= 1 or n_demo_request >= 1"])
    """The condition. A lead is at the highest stage whose condition holds."""
    label: str | None = Field(default=None, examples=["Prospect (MQL)"])
    """Its words in the report. Left out: the name."""
    content: tuple[str, ...] = Field(default=(), examples=[["Case study", "Price list"]])
    """What to send at this stage."""
    next_step: str | None = Field(default=None, examples=["Offer a guided trial"])
    """What to do next at this stage. Not said to a lead that has done it: a step that names a type
    of event (`"Offer a trial"`, type `trial`) is done where the lead has such an event."""


class DisqualifyRule(Section):
    """A rule that takes a lead out, with its stated reason; shown as a rule, never as a reason."""

    reason: str = Field(examples=["student"])
    """What is shown as the reason."""
    when: Rule = Field(examples=["job_title ilike '%student%'"])
    """The condition."""
    permanent: bool = False
    """It holds for good (opted out, competitor). Else a lead that comes back after a close is
    judged by what became known since."""


class BantSection(Section):
    """The columns that answer need, budget, authority and timing."""

    need: Column | None = Field(default=None, examples=["need"])
    """The column that says what the lead needs."""
    budget: Column | None = Field(default=None, examples=["budget"])
    """The column that says whether there is a budget."""
    authority: Column | None = Field(default=None, examples=["authority"])
    """The column that says whether the person decides."""
    timing: Column | None = Field(default=None, examples=["timing"])
    """The column that says by when."""


class QualificationSection(Section):
    """Stages, ideal customer, BANT, disqualification and content, as the company defines them."""

    stages: tuple[Stage, ...] = ()
    """The stages of the funnel, the lowest first."""
    icp: tuple[Criterion, ...] = ()
    """The ideal customer profile, criterion by criterion."""
    bant: BantSection = BantSection()
    """Need, budget, authority, timing."""
    disqualify: tuple[DisqualifyRule, ...] = ()
    """Rules that take leads out."""
    levels: dict[str, dict[str, Rule]] = Field(
        default={}, examples=[{"interest": {"high": "n_trial >= 1", "low": "true"}}]
    )
    """Levels shown beside the stage: for each, words with a condition; the first that holds."""
    weights: dict[str, Points] | None = Field(
        default=None, examples=[{"icp": 20, "answer": 4, "demo_request": 10}]
    )
    """Points of the rule that scores before outcomes are known, ten of which double the odds: of
    `icp`, the whole profile met; `answer`, each BANT answer known; `senior`, a senior title;
    `silence`, every 30 days without an event; and of event types by name. What is left out has its
    default. Given, even as `{}`, what is learned later begins from the rule."""
    definition: str | None = Field(default=None, examples=["A person who decides, and a budget."])
    """What an opportunity is here, in words, printed in the report."""


class Waiver(Section):
    """A quarantined column let through by a person who signs for it."""

    column: Column = Field(examples=["expected_amount"])
    """The column."""
    detector: str = Field(examples=["S1"])
    """The detector that quarantined it, as `check` names it."""
    owner: str = Field(min_length=2, examples=["Ada Rossi"])
    """Who signs."""
    reason: str = Field(min_length=8, examples=["filled in by the form at creation"])
    """Why the column may be used all the same."""
    date: Moment = Field(examples=["2026-11-01"])
    """When it was signed."""


class TrainSection(Section):
    """Seed, threads, budget, segments and what must not be used or shown."""

    seed: int = 0
    """The same seed gives the same model, byte for byte."""
    threads: int = Field(default=0, ge=0)
    """How many threads train; 0 is all cores."""
    budget: Duration = Field(default="0s", examples=["10min"])  # type: ignore[assignment]
    """Time for tuning; `"0s"` takes the recipe as it is."""
    memory: MemorySize | None = Field(default=None, examples=["8GB"])
    """How much memory training may use; left out: half of the machine's. Where not all leads fit,
    it learns from all that converted and a sample of the others."""
    learner: Literal["auto", "logistic"] = "auto"
    """`"logistic"` trains regularised logistic regression alone."""
    test_share: Share = Field(default=0.2, gt=0, lt=0.9)
    """How much of the snapshots, the newest ones, is kept for the evaluation."""
    split: Literal["time", "random"] = "time"
    """Static mode: `"random"` where rows stand in no order."""
    windows: tuple[Days, ...] = (7, 30, 90)
    """How far back features look."""
    segments: tuple[Column, ...] = Field(default=(), examples=[["source"]])
    """Columns whose levels get figures of their own in the evaluation."""
    answers: bool = True
    """What reps answered to scores is a dated fact to learn from, known since it was said, and
    judged by the leak audit as a column is; `false` leaves it out."""
    sensitive: tuple[Column, ...] = Field(default=(), examples=[["gender"]])
    """Columns that no reason may show."""


class WriteBackSection(Section):
    """The CRM, its fields, and when a changed score is worth sending."""

    crm: str = "sqlite"
    """`sqlite`, `postgresql`, `mysql`, `tryton`, `salesforce`, `hubspot`, `dataverse`, `files` or
    `rest`."""
    url: str | None = Field(default=None, examples=["https://acme.my.salesforce.com"])
    """The database, host or file. Left out: the embedded CRM in the state folder."""
    credentials: Variable | None = Field(default=None, examples=["ACME_CRM_TOKEN"])
    """The environment variable that holds `user:password` or a token."""
    entity: str = "leads"
    """The table or the kind of record that is written."""
    key: str = "lead_id"
    """The field of the CRM that holds our id of the lead."""
    fields: dict[str, str] = Field(
        default={},
        examples=[{"score": "Lead_Score__c", "band": "Lead_Band__c", "as_of": "Scored_As_Of__c"}],
    )
    """Our names, each with the field of the CRM. Left out: the standard names. `disposition`, what
    reps answered (done, snoozed, disqualified), is written only where it stands here."""
    min_points: Points = Field(default=1.0, ge=0)
    """Send a score that moved by at least so much; a new band is always sent."""
    max_age_days: Days = Field(default=30, ge=1)
    """Send a score again when what the CRM holds is older."""
    compare_with_crm: bool = False
    """Read what the CRM holds also for scores that did not change, and mend what differs."""
    override: str | None = Field(default=None, examples=["manual_score"])
    """A field of the CRM: a lead where a person filled it is not written."""
    permanent_overrides: bool = False
    """It holds for good. Else what stands there is disregarded once the lead, closed, comes back,
    until a person sets it anew."""
    batch: LeadCount = Field(default=100, ge=1, le=10_000)
    """How many leads go into one request. Left out: what suits the CRM."""
    requests_per_second: float = Field(default=10.0, gt=0)
    """How fast a cloud CRM is asked."""
    ledger: str | None = Field(default=None, examples=["postgresql://db.example.com/ledger"])
    """Where it is noted what was sent. Left out: SQLite in the state folder."""


class ReportTarget(Section):
    """What the team is to win, beside which the forecast stands."""

    deals: float | None = Field(default=None, gt=0, examples=[60])
    """How many opportunities."""
    money: Money | None = Field(default=None, gt=0, examples=[400_000])
    """How much they are to bring, in the currency of the report."""
    days: Literal[30, 60, 90] = 90
    """Within how many days from the report."""


OwnWords = str | dict[str, str]
"""One text, or one per language."""
ACT: Final = "act of "
UNIT: Final = "unit of "
"""Before an event type: the keys of its act and its unit in `ReportSection.words`."""


class ReportSection(Section):
    """Languages, capacity, and what leads are worth and cost."""

    languages: tuple[str, ...] = ("en",)
    """One report is written for each: `en`, `it`, `fr`, `fa`."""
    capacity_per_week: LeadCount = Field(default=100, ge=1)
    """How many leads the team can work in a week."""
    capacity_per_owner: LeadCount | None = Field(default=None, ge=1, examples=[25])
    """How many leads one owner can work in a week: whom a rep's page and file name. Left out: an
    even share of what the team can work."""
    top_per_owner: LeadCount = Field(default=100, ge=1)
    """How many leads of each owner get a page."""
    recipients: dict[str, str] = Field(default={}, examples=[{"Ada Rossi": "ada@example.com"}])
    """Owners, each with the address of the draft that `report --deliver` writes."""
    untouched_days: Days = Field(default=7, ge=1)
    """A high score without a sales touch for so long is listed as missed."""
    rep_figures: bool = False
    """Hold also each rep's own answers against what happened, in teams of five reps and more."""
    value: Money | None = Field(default=None, examples=[9000])
    """What an opportunity is worth, where neither a column nor [value] says it."""
    currency: str = "EUR"
    """The currency of all amounts; a project has one."""
    cost_per_contact: Money | None = Field(default=None, examples=[12])
    """What it costs to work a lead."""
    cost_per_lead: dict[str, Money] = Field(default={}, examples=[{"search": 45, "referral": 10}])
    """What a lead of each source costs."""
    title: str | None = Field(default=None, examples=["Leads of Acme"])
    """The title of the report."""
    crm_link: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s<>\"'`{}]+(\{lead_id\}[^\s<>\"'`{}]*)+$",
        examples=["https://crm.example.com/leads/{lead_id}"],
    )
    """The address of a lead in the CRM; `{lead_id}` stands for its id."""
    live_link: str | None = Field(
        default=None, pattern=r"^https?://[^\s<>\"'`{}]+$", examples=["https://leads.example.com/"]
    )
    """Where `leadscore serve` shows the live pages: the file names it as the place to answer."""
    answer_first: tuple[str, ...] = Field(default=(), examples=[["demo_request", "form", "chat"]])
    """Types of events that wait for an answer by sales. Left out: inbound types whose name says so
    (demo, request, form, chat, reply, phone)."""
    target: ReportTarget = ReportTarget()
    """What the team is to win, beside which the forecast stands."""
    labels: dict[str, OwnWords] = Field(
        default={},
        examples=[{"ebook": "e-book downloads", "trial": {"en": "trials", "it": "prove"}}],
    )
    """Words for event types, columns and their values; one text, or one per language."""
    acts: dict[str, OwnWords] = Field(
        default={},
        examples=[{"LC_77": "demo_request", "signed": {"en": "Signed the NDA"}}],
    )
    """What was done, by event type: an act that leadscore knows, or your own sentence in the past
    tense, one text or one per language; how often and when is added."""
    units: dict[str, str] = Field(default={}, examples=[{"phone": "minutes", "quote": "EUR"}])
    """The unit of the `value` of events, by event type: minutes, hours, seconds, days, pages, or
    a word of your own."""

    @property
    def words(self) -> dict[str, OwnWords]:
        """Give labels, acts and units in one table, as every text of reasons asks for them."""
        acts = {ACT + name: words for name, words in self.acts.items()}
        return {**self.labels, **acts, **{UNIT + name: unit for name, unit in self.units.items()}}


class ExperimentSection(Section):
    """The random arm against which the score is measured."""

    unit: Literal["lead", "account"] = "lead"
    """What is assigned to an arm."""
    random_arm: Share = Field(default=0.0, ge=0, le=0.5)
    """The share of leads that are worked in random order, whatever the score says."""
    arms: dict[str, Share] = Field(default={}, examples=[{"control": 0.5, "score": 0.5}])
    """The arms with their shares. Left out: half `control`, half `score`."""
    salt: str = "leadscore"
    """Another salt makes another assignment."""
    start: Moment | None = Field(default=None, examples=["2026-11-01"])
    """Leads from here on count."""
    outcome: Column | None = Field(default=None, examples=["visit"])
    """The column of yes and no (the words of `converted_values`) with the outcome of a finished
    experiment. Left out: conversion."""
    arm: Column | None = Field(default=None, examples=["segment"])
    """The column that holds the arm of a finished experiment. Left out: the assignment."""
    control: Literal["as before", "random order"] = "as before"
    """The order of leads whose score is held back; `"as before"` is newest first."""


class NightSection(Section):
    """What `leadscore night` does around the scoring, and on which days it retrains."""

    pull: bool = True
    """Read first what is new in the CRM, where the leads are what `leadscore pull` writes."""
    write_back: bool = True
    """Send the scores to the CRM, as `[write_back]` says."""
    reports: bool = True
    """Write the report and the model page in every language of `[report]`."""
    deliver: bool = False
    """Also CSV and Excel, and for each owner a report, a CSV and a draft e-mail with the calls."""
    monitor: bool = True
    """Look for what is wrong with data and model."""
    retrain: NightDays = Field(default=("1", "15"), examples=["monday"])
    """The days on which a new model is trained after the scores are sent: days of the month,
    `"monday"` to `"sunday"`, `"daily"`, `"monthly"` (the first) or `"never"`. A day on which no
    night ran is made up for by the next one."""
    out: str | None = Field(default=None, examples=["/srv/www/leads"])
    """The folder of the reports. Left out: `report/` in the state folder."""
    metrics: str | None = Field(
        default=None, examples=["/var/lib/node_exporter/textfile/leadscore.prom"]
    )
    """The file of figures for Prometheus. Left out: `night.prom` in the state folder."""


class RetentionSection(Section):
    """How long the state folder keeps what is past; each night clears what is older."""

    runs: Duration = Field(default="400d", examples=["400d"])  # type: ignore[assignment]
    """Scores and features of past runs, from which `explain --since` tells what changed."""
    audit: Duration = Field(default="1100d", examples=["1100d"])  # type: ignore[assignment]
    """Entries of the audit log of `write-back`, cleared once a month; the rest of the chain can
    still be checked."""
    ledger: Duration = Field(default="400d", examples=["400d"])  # type: ignore[assignment]
    """What the CRM acknowledged for earlier episodes of a lead; that of the newest stays."""
