"""The project file as types: every section, every key, its default and its meaning.

One project file describes one data source and one conversion. `data.project.load_project` reads
it from TOML; frames given from Python use the same types. The text below a key, its unit and its
example are what the JSON Schema and the page that lists every key say of it. A key without an
example of its own is shown with its default.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from data.clock import parse_duration
from data.days import parse_days
from data.rules.expressions import checked

JSON_SCHEMA: Final = Path(__file__).with_name("project.schema.json")
"""The same as JSON Schema, with which editors complete and check a project file."""

Column = Annotated[str, Field(json_schema_extra={"format": "column"})]
"""The name of a column of the table at hand."""
Place = Annotated[str, Field(json_schema_extra={"format": "source"})]
"""A CSV or Parquet path, a glob, or a database URI."""
Moment = Annotated[str, Field(json_schema_extra={"format": "moment"})]
"""A date or a time, ISO or as `date_format` says."""
Variable = Annotated[str, Field(json_schema_extra={"format": "environment-variable"})]
"""The name of an environment variable."""
Points = Annotated[float, Field(json_schema_extra={"x-unit": "points"})]
Days = Annotated[int, Field(json_schema_extra={"x-unit": "days"})]
LeadCount = Annotated[int, Field(json_schema_extra={"x-unit": "leads"})]
Money = Annotated[float, Field(json_schema_extra={"x-unit": "currency"})]
Share = Annotated[float, Field(json_schema_extra={"x-unit": "share"})]

OneOrMany = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "type": "string",
            "format": "duration",
            "pattern": r"^\s*\d+(\.\d+)?\s*(s|min|h|d|w)\s*$",
        }
    ),
]
"""A length of time in microseconds; written "90d", "12h", "30min", "45s"."""
NightDays = Annotated[
    tuple[str, ...],
    BeforeValidator(parse_days),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "integer"},
                {
                    "type": "array",
                    "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                },
            ]
        }
    ),
]
"""Days of the month, weekdays, or a word for them."""
Rule = Annotated[str, AfterValidator(checked), Field(json_schema_extra={"format": "rule"})]
"""A condition in the safe expression language of data.rules.expressions."""


class Section(BaseModel):
    """A section of the project file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        validate_default=True,
        use_attribute_docstrings=True,
    )


class Source(Section):
    """Where a table is: a CSV or Parquet path, a glob, or a database URI with a query."""

    source: Place = Field(examples=["leads.csv"])
    """A CSV or Parquet file, a glob (`"touches-*.csv"`), or the URI of a database: `sqlite:///`,
    `duckdb:///`, `postgresql://`, `mysql://`. `${NAME}` is taken from the environment."""
    query: str | None = Field(default=None, examples=["select * from leads"])
    """What to select, where `source` is a database. It is run read only."""
    where: Rule | None = Field(default=None, examples=["stage <> 'duplicate'"])
    """Keep the rows for which this rule holds."""
    date_format: str | None = Field(default=None, examples=["%d/%m/%Y %H:%M"])
    """How times are written in this table, where they are not ISO."""
    delimiter: str | None = Field(default=None, examples=[";"])
    """What parts the columns of a CSV file. Left out: found by looking."""
    encoding: str = "utf-8"
    """How the letters of a CSV file are stored."""
    decimal: Literal[".", ","] = "."
    """What stands before the decimals of a number."""


class ProjectSection(Section):
    """Name, time zone, end of observation and the words that mean missing."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", examples=["acme"])
    """Names the state folder and the registered model: letters, digits, `_`, `.` and `-`."""
    timezone: str = "UTC"
    """How times without an offset are read."""
    observed_until: Moment | None = Field(default=None, examples=["2026-11-01"])
    """The end of what the sources hold. Left out: the last time in them, which is printed."""
    missing: tuple[str, ...] = Field(default=("",), examples=[["", "Select"]])
    """The words that mean missing."""
    date_format: str | None = Field(default=None, examples=["%d/%m/%Y"])
    """How times are written in all tables that do not say it themselves, where they are not ISO."""
    order_by: str | None = Field(default=None, examples=["Lead Number"])
    """Static mode: a column that grows with time, or `"#row"` where rows stand in time order."""
    order: Literal["asc", "desc"] = "asc"
    """Whether `order_by` grows (`"asc"`) or falls (`"desc"`) with time."""
    language: str = "en"
    """The language of reasons in scores, in the CRM and in `explain`: `en`, `it`, `fr`, `fa`."""
    state: str | None = Field(default=None, examples=["/var/lib/leadscore/acme"])
    """The folder of registry, ledger and scores. Left out: `.leadscore/` and the name, where
    leadscore runs."""


class NetworkSection(Section):
    """The hosts that the product may talk to; nothing else is reached."""

    allow: tuple[str, ...] = Field(default=(), examples=[["crm.example.com", "db:5433"]])
    """Hosts, or host and port. A host alone allows each of its ports."""


class ArtifactSection(Section):
    """Signatures of models; the keys come from the environment, the first one signs."""

    signed: bool = False
    """Refuse models that none of the keys has signed."""
    key: Variable = "LEADSCORE_SIGNING_KEY"
    """The environment variable that holds the keys, parted by blanks."""


class History(Source):
    """Field history as CRMs export it: one row per change; the value at as_of is replayed."""

    lead: Column = "lead_id"
    """The column with the lead, or with the key of the joined table."""
    field: Column = "field"
    """The column that names what changed."""
    old: Column = "old"
    """The column with the value before."""
    new: Column = "new"
    """The column with the value after."""
    at: Column = "changed_at"
    """The column that says when."""


class Attributes(Source):
    """Columns that may be features: fixed at creation, dated, or with a history."""

    fixed: tuple[Column, ...] = Field(default=(), examples=[["industry", "country"]])
    """Columns that are known when the lead is created and never change."""
    known_at: dict[str, Column] = Field(default={}, examples=[{"budget": "budget_known_at"}])
    """Columns that are filled in later, each with the column that says since when."""
    history: tuple[History, ...] = ()
    """Tables of changes, from which the value at any moment is replayed."""
    exclude: tuple[Column, ...] = Field(default=(), examples=[["owner_comment"]])
    """Columns that shall never be features."""


class Join(Attributes):
    """Accounts, contacts: attributes found by key."""

    on: Column = Field(examples=["account_id"])
    """The column of the leads that holds the key."""
    key: Column | None = Field(default=None, examples=["id"])
    """The column of this table that holds the key. Left out: the same name."""
    prefix: str | None = Field(default=None, examples=["account_"])
    """Put before the names of its columns. Left out: the name of the file and `_`."""


class LeadsSection(Attributes):
    """One row per lead."""

    id: Column = Field(examples=["lead_id"])
    """The column that names a lead; no value occurs twice."""
    created_at: Column | None = Field(default=None, examples=["created_at"])
    """When the lead came. Left out: static mode, in which nothing is claimed about time."""
    converted_at: Column | None = Field(default=None, examples=["opportunity_at"])
    """When the lead converted; blank where it has not."""
    converted: Column | None = Field(default=None, examples=["Converted"])
    """A flag that says that the lead converted, not when: it is looked at as it was created."""
    converted_values: tuple[str, ...] = Field(
        default=("1", "true", "yes", "y", "won", "sì", "si", "oui", "ja", "بله"),
        examples=[["Closed Won", "Won"]],
    )
    """The words of `converted` that mean yes; capitals make no difference."""
    disqualified_at: Column | None = Field(default=None, examples=["closed_at"])
    """When the lead was closed without a conversion."""
    recorded_at: Column | None = Field(default=None, examples=["imported_at"])
    """When the row of the lead came into the CRM, where that is later than `created_at`."""
    account: Column | None = Field(default=None, examples=["account_id"])
    """The company of the lead: leads of one company stay in one fold."""
    name: OneOrMany = Field(default=(), examples=["company"])
    """What the report calls the lead; several columns are joined, such as first and last name."""
    owner: Column | None = Field(default=None, examples=["rep"])
    """Who works on the lead."""
    channel: Column | None = Field(default=None, examples=["source"])
    """Where the lead came from; figures per source use it."""
    email: Column | None = Field(default=None, examples=["email"])
    """The e-mail address: its domain can be a feature, the address cannot."""
    title: Column | None = Field(default=None, examples=["job_title"])
    """The job title: level and department are read from it."""
    value: Column | None = Field(default=None, examples=["expected_amount"])
    """What the lead is worth if it converts, in the currency of the report."""
    repeated: Literal["first", "last"] | None = Field(default=None, examples=["last"])
    """Which row of a repeated id counts. Left out: a repeated id is an error."""
    join: tuple[Join, ...] = ()
    """Tables with more about a lead, found by key."""


class EventsSection(Source):
    """One source of events: timestamped acts of or towards a lead."""

    lead: Column = Field(examples=["lead_id"])
    """The column with the lead."""
    at: Column = Field(examples=["touch_at"])
    """The column that says when it happened."""
    recorded_at: Column | None = Field(default=None, examples=["ingested_at"])
    """When the event came into the system: it counts from then on, not before."""
    type: OneOrMany = Field(examples=[["touch_type"]])
    """The column, or columns, that say what happened; or one fixed word, written `"=webinar"`."""
    channel: Column | None = Field(default=None, examples=["channel"])
    """The column with the channel."""
    value: Column | None = Field(default=None, examples=["minutes"])
    """A column with a number whose sums become features."""
    campaign: Column | None = Field(default=None, examples=["campaign"])
    """The column with the campaign."""
    person: Column | None = Field(default=None, examples=["contact_id"])
    """The column with the person of the lead who acted."""
    direction: str | None = Field(default=None, examples=["direction"])
    """The column that says inbound or outbound; or `"=inbound"` for all."""
    outbound: tuple[str, ...] = Field(default=(), examples=[["sales_call", "sales_email"]])
    """Types that sales does towards the lead."""
    outcome: tuple[str, ...] = Field(default=(), examples=[["declined", "cancelled"]])
    """Types that end a lead: it is disqualified, and they are never features."""
    ignore: tuple[str, ...] = Field(default=(), examples=[["contract_sent"]])
    """Types that are neither features nor outcome."""


class ConversionSection(Section):
    """What counts as a conversion: an event, a table of opportunities, or a column of leads."""

    event: OneOrMany = Field(default=(), examples=["opportunity_created"])
    """The type of event that is a conversion: it and all after it are outcome, not features."""
    source: Place | None = Field(default=None, examples=["opportunities.csv"])
    """A table of opportunities: the first one of a lead is its conversion."""
    query: str | None = Field(
        default=None, examples=["select lead_id, created_at from opportunities"]
    )
    """What to select, where `source` is a database."""
    lead: Column | None = Field(default=None, examples=["lead_id"])
    """The column of the table of opportunities with the lead."""
    at: Column | None = Field(default=None, examples=["created_at"])
    """The column of the table of opportunities that says when."""
    where: Rule | None = Field(default=None, examples=["stage <> 'duplicate'"])
    """Keep the opportunities for which this rule holds."""
    date_format: str | None = Field(default=None, examples=["%d/%m/%Y"])
    """How times are written in the table of opportunities, where they are not ISO."""
    delimiter: str | None = Field(default=None, examples=[";"])
    """What separates its columns. Left out: found in the file."""
    encoding: str = "utf-8"
    """How its text is encoded; a byte-order mark wins."""
    horizon: Duration | None = Field(default=None, examples=["90d"])
    """How far ahead a conversion counts. Needed, but in static mode."""
    horizon_from: Literal["as_of", "created"] = "as_of"
    """Count the horizon from the moment of scoring, or from the creation of the lead."""
    snapshots: tuple[Duration, ...] | Literal["weekly", "monthly"] = Field(
        default=("0s",),  # type: ignore[arg-type]
        examples=[["1d", "7d", "30d"]],
    )
    """The ages at which past leads are looked at for training; or each `"weekly"`, `"monthly"`
    date on which they were open."""
    recorded_from: Moment | None = Field(default=None, examples=["2025-12-01"])
    """Conversions were recorded from here on: older leads are left out."""
    reopen: OneOrMany = Field(default=(), examples=["any inbound", ["demo_request"]])
    """The types of event that bring a closed lead back, in an episode of its own; or
    `"any inbound"`: whatever the lead does. Left out, or `"never"`: closed leads stay closed."""
    quiet: Duration = Field(default="0s", examples=["30d"])  # type: ignore[assignment]
    """How long after its close such an event must come to bring a lead back."""
    repeat: bool = False
    """A lead that converted can come back as well: repeat purchase."""
    closes_from: Moment | None = Field(default=None, examples=["2025-12-01"])
    """Closes were recorded from here on: how often an older lead was closed is not known, so it is
    missing and not 0. Left out: found in the data."""
    expected_rate: Share | None = Field(default=None, gt=0, lt=1, examples=[0.03])
    """The share of leads that is expected to convert within the horizon, asked for until outcomes
    say it. Left out: 3 % is assumed."""

    @property
    def reopens(self) -> bool:
        """Whether a closed lead can come back."""
        return self.reopen not in ((), ("never",))

    @model_validator(mode="after")
    def _reopens_by_events(self) -> ConversionSection:
        if len(self.reopen) > 1 and (word := {"never", "any inbound"} & set(self.reopen)):
            raise ValueError(f'reopen = "{min(word)}" stands alone, without event types')
        keys = {"quiet": self.quiet, "repeat": self.repeat, "closes_from": self.closes_from}
        for key, given in keys.items():
            if given and not self.reopens:
                raise ValueError(f'{key} needs reopen, for instance reopen = "any inbound"')
        return self

    @model_validator(mode="after")
    def _one_definition(self) -> ConversionSection:
        if self.event and self.source:
            raise ValueError("conversion is one of: event, source; both are given")
        if self.source and not (self.lead and self.at):
            raise ValueError("a table of opportunities needs the columns `lead` and `at`")
        return self


class ValueSection(Section):
    """What customers paid from their conversion on: outcome, never a feature."""

    event: OneOrMany = Field(default=(), examples=[["payment", "refund"]])
    """The types of event whose amounts are money: what a lead paid, and when."""
    source: Place | None = Field(default=None, examples=["payments.csv"])
    """A table of payments, one row each, where they are no events."""
    query: str | None = Field(default=None, examples=["select lead_id, paid_at, amount from paid"])
    """What to select, where `source` is a database."""
    lead: Column | None = Field(default=None, examples=["lead_id"])
    """The column of the table of payments with the lead."""
    at: Column | None = Field(default=None, examples=["paid_at"])
    """The column of the table of payments that says when it was paid."""
    recorded_at: Column | None = Field(default=None, examples=["booked_at"])
    """When the payment came into the system: it counts from then on, not before."""
    where: Rule | None = Field(default=None, examples=["status <> 'draft'"])
    """Keep the payments for which this rule holds."""
    date_format: str | None = Field(default=None, examples=["%d/%m/%Y"])
    """How times are written in the table of payments, where they are not ISO."""
    delimiter: str | None = Field(default=None, examples=[";"])
    """What separates its columns. Left out: found in the file."""
    encoding: str = "utf-8"
    """How its text is encoded; a byte-order mark wins."""
    decimal: Literal[".", ","] = "."
    """What stands before the decimals of its amounts."""
    amount: Column | None = Field(default=None, examples=["amount"])
    """The column with the amount, of payments or of events; what is paid back is negative. Left
    out: the `value` of the events."""
    type: Column | None = Field(default=None, examples=["kind"])
    """The column of the table of payments with the words of `refund`."""
    refund: OneOrMany = Field(default=(), examples=[["refund"]])
    """The types of event, or the words of `type`, whose amounts are paid back, whatever their
    sign."""
    currency: Column | None = Field(default=None, examples=["currency"])
    """The column with the currency; only that of `report.currency` is read, another is refused."""
    within: Duration | None = Field(default=None, examples=["365d"])
    """How long after its conversion what a customer pays counts as its value. Left out: as long as
    half of the customers have been observed, a year at most; shorter where money comes earlier."""

    @property
    def declared(self) -> bool:
        """Whether anything says what customers paid."""
        return bool(self.event) or self.source is not None

    @model_validator(mode="after")
    def _one_source(self) -> ValueSection:
        if self.event and self.source:
            raise ValueError("what customers paid is one of: event, source; both are given")
        if self.source and not (self.lead and self.at and self.amount):
            raise ValueError("a table of payments needs the columns `lead`, `at` and `amount`")
        given = self.model_dump(exclude_defaults=True)
        if given and not self.declared:
            raise ValueError("needs `event` (types of events) or `source` (a table of payments)")
        if self.source and self.refund and not self.type:
            raise ValueError("refund needs `type`, the column that holds these words")
        if stray := set(self.refund) - set(self.event) if self.event else set():
            raise ValueError(f"refund names {min(stray)!r}, which `event` does not")
        return self


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
    bands: dict[str, Points] = {"A": 70, "B": 55, "C": 40}
    """The bands, each with its lowest score; what is below all of them is D."""
    hysteresis: Points = Field(default=2.0, ge=0, le=20)
    """How far a score must pass a border before the lead changes its band."""

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
    """What to do next at this stage."""


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
    fields: dict[str, str] = Field(default={}, examples=[{"score": "Lead_Score__c"}])
    """Our names, each with the field of the CRM. Left out: the standard names."""
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


class ReportSection(Section):
    """Languages, capacity, and what leads are worth and cost."""

    languages: tuple[str, ...] = ("en",)
    """One report is written for each: `en`, `it`, `fr`, `fa`."""
    capacity_per_week: LeadCount = Field(default=100, ge=1)
    """How many leads the team can work in a week."""
    top_per_owner: LeadCount = Field(default=100, ge=1)
    """How many leads of each owner get a page."""
    recipients: dict[str, str] = Field(default={}, examples=[{"Ada Rossi": "ada@example.com"}])
    """Owners, each with the address of the draft that `report --deliver` writes."""
    untouched_days: Days = Field(default=7, ge=1)
    """A high score without a sales touch for so long is listed as missed."""
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
    labels: dict[str, str | dict[str, str]] = Field(
        default={},
        examples=[{"ebook": "e-book downloads", "trial": {"en": "trials", "it": "prove"}}],
    )
    """Words for event types and columns; one text, or one per language."""


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
    """The 0/1 column with the outcome of a finished experiment. Left out: conversion."""
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


class Project(Section):
    """The whole project file; `folder` is where relative paths start."""

    project: ProjectSection
    leads: LeadsSection
    conversion: ConversionSection
    network: NetworkSection = NetworkSection()
    artifact: ArtifactSection = ArtifactSection()
    events: tuple[EventsSection, ...] = ()
    value: ValueSection = ValueSection()
    score: ScoreSection = ScoreSection()
    qualification: QualificationSection = QualificationSection()
    waivers: tuple[Waiver, ...] = ()
    train: TrainSection = TrainSection()
    write_back: WriteBackSection = WriteBackSection()
    report: ReportSection = ReportSection()
    experiment: ExperimentSection = ExperimentSection()
    night: NightSection = NightSection()
    folder: str = "."

    @property
    def static(self) -> bool:
        """True where no creation time is known: no claim about time can be made."""
        return self.leads.created_at is None

    @model_validator(mode="after")
    def _conversion_is_defined_once(self) -> Project:
        leads, conversion = self.leads, self.conversion
        given = {
            "conversion.event": bool(conversion.event),
            "conversion.source": conversion.source is not None,
            "leads.converted_at": leads.converted_at is not None,
            "leads.converted": leads.converted is not None,
        }
        named = [name for name, is_given in given.items() if is_given]
        if len(named) != 1:
            raise ValueError(
                "conversion is defined by exactly one of "
                f"{', '.join(given)}; found {', '.join(named) or 'none'}"
            )
        if not self.static and leads.converted is not None and conversion.snapshots != (0,):
            raise ValueError(
                "leads.converted says that a lead converted, not when, so that leads can only be "
                'seen as they were created: leave out conversion.snapshots (["0s"]), or use '
                "leads.converted_at"
            )
        if conversion.reopens and (self.static or leads.converted is not None):
            raise ValueError(
                "conversion.reopen needs leads.created_at, and a time of conversion: without "
                "them nothing comes back"
            )
        if self.value.declared and self.static:
            raise ValueError("value needs leads.created_at: without it nothing is before or after")
        if not self.static and conversion.horizon is None:
            raise ValueError('conversion.horizon is needed, for instance horizon = "90d"')
        return self
