"""Sections of the project file that say what the data are: leads, events, conversions, payments."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
    model_validator,
)

from data.schema_types import (
    Column,
    DecimalSign,
    Duration,
    Moment,
    OneOrMany,
    Place,
    Rule,
    Section,
    Share,
    Source,
)


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
    person: OneOrMany = Field(default=(), examples=[["first_name", "last_name"]])
    """The person to call; several columns are joined. Shown before the name, never a feature."""
    company: Column | None = Field(default=None, examples=["company"])
    """The company of that person, in words. Shown, never a feature."""
    team: Column | None = Field(default=None, examples=["sales_team"])
    """The team of the owner, by which the report can be narrowed."""
    owner: Column | None = Field(default=None, examples=["rep"])
    """Who works on the lead."""
    owner_email: Column | None = Field(default=None, examples=["rep_email"])
    """The address of the owner, to which the draft of `report --deliver` is written."""
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
    decimal: DecimalSign = "."
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
