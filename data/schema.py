"""The project file as types: every section, every key, its default and its meaning.

One project file describes one data source and one conversion. `data.project.load_project` reads
it from TOML; frames given from Python use the same types.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from data.clock import parse_duration
from data.rules.expressions import checked

OneOrMany = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]
Duration = Annotated[int, BeforeValidator(parse_duration)]
"""A length of time in microseconds; written "90d", "12h", "30min", "45s"."""
Rule = Annotated[str, AfterValidator(checked)]
"""A condition in the safe expression language of data.rules.expressions."""


class Section(BaseModel):
    """A section of the project file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, validate_default=True
    )


class Source(Section):
    """Where a table is: a CSV or Parquet path, a glob, or a database URI with a query."""

    source: str
    query: str | None = None
    where: Rule | None = None  # a filter in the safe expression language
    date_format: str | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."


class ProjectSection(Section):
    """Name, time zone, end of observation and the words that mean missing."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    timezone: str = "UTC"
    observed_until: str | None = None
    missing: tuple[str, ...] = ("",)
    date_format: str | None = None
    order_by: str | None = None
    order: Literal["asc", "desc"] = "asc"
    language: str = "en"
    state: str | None = None  # folder of registry, ledger and scores; default .leadscore/<name>


class NetworkSection(Section):
    """The hosts that the product may talk to; nothing else is reached."""

    allow: tuple[str, ...] = ()


class ArtifactSection(Section):
    """Signatures of models; the keys come from the environment, the first one signs."""

    signed: bool = False  # refuse models that none of the keys has signed
    key: str = "LEADSCORE_SIGNING_KEY"  # the environment variable that holds the keys


class History(Source):
    """Field history as CRMs export it: one row per change; the value at as_of is replayed."""

    lead: str = "lead_id"  # or the key of the joined table
    field: str = "field"
    old: str = "old"
    new: str = "new"
    at: str = "changed_at"


class Attributes(Source):
    """Columns that may be features: fixed at creation, dated, or with a history."""

    fixed: tuple[str, ...] = ()  # known at creation and never changed
    known_at: dict[str, str] = {}  # column -> the column that says when it became known
    history: tuple[History, ...] = ()
    exclude: tuple[str, ...] = ()


class Join(Attributes):
    """Accounts, contacts: attributes found by key."""

    on: str  # the column in leads
    key: str | None = None  # the column in this table; default: the same name
    prefix: str | None = None  # put before column names; default: the file's stem and "_"


class LeadsSection(Attributes):
    """One row per lead."""

    id: str
    created_at: str | None = None  # left out: static mode, no claim about time
    converted_at: str | None = None
    converted: str | None = None  # a flag: that a lead converted, not when
    converted_values: tuple[str, ...] = (
        "1",
        "true",
        "yes",
        "y",
        "won",
        "sì",
        "si",
        "oui",
        "ja",
        "بله",
    )
    disqualified_at: str | None = None
    recorded_at: str | None = None
    account: str | None = None
    name: str | None = None
    owner: str | None = None
    channel: str | None = None
    email: str | None = None
    title: str | None = None
    value: str | None = None
    join: tuple[Join, ...] = ()


class EventsSection(Source):
    """One source of events: timestamped acts of or towards a lead."""

    lead: str
    at: str
    recorded_at: str | None = None
    type: OneOrMany  # column(s); or a fixed word, written "=webinar"
    channel: str | None = None
    value: str | None = None
    campaign: str | None = None
    person: str | None = None
    direction: str | None = None  # a column, or "=inbound" / "=outbound"
    outbound: tuple[str, ...] = ()  # types that sales does towards the lead
    outcome: tuple[str, ...] = ()  # types that end a lead: disqualified, never features
    ignore: tuple[str, ...] = ()  # types that are neither features nor outcome


class ConversionSection(Section):
    """What counts as a conversion: an event, a table of opportunities, or a column of leads."""

    event: OneOrMany = ()
    source: str | None = None
    query: str | None = None
    lead: str | None = None
    at: str | None = None
    where: Rule | None = None
    date_format: str | None = None
    horizon: Duration | None = None
    horizon_from: Literal["as_of", "created"] = "as_of"
    snapshots: tuple[Duration, ...] | Literal["weekly", "monthly"] = ("0s",)  # type: ignore[assignment]
    recorded_from: str | None = (
        None  # conversions were recorded from here on; older leads are left out
    )
    reopen: OneOrMany = ()  # event types that bring a closed lead back; "any inbound"; "never"
    quiet: Duration = "0s"  # type: ignore[assignment]  # how long after its close an event counts
    repeat: bool = False  # a converted lead comes back as well: repeat purchase

    @property
    def reopens(self) -> bool:
        """Whether a closed lead can come back."""
        return self.reopen not in ((), ("never",))

    @model_validator(mode="after")
    def _reopens_by_events(self) -> ConversionSection:
        if len(self.reopen) > 1 and (word := {"never", "any inbound"} & set(self.reopen)):
            raise ValueError(f'reopen = "{min(word)}" stands alone, without event types')
        for key, given in (("quiet", self.quiet), ("repeat", self.repeat)):
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


class Anchor(Section):
    """One point of the score card: this score means this probability."""

    score: float = Field(default=50.0, ge=0, le=100)
    probability: float = Field(gt=0, lt=1)


class ScoreSection(Section):
    """The frozen score card: every `points_to_double` points double the odds."""

    points_to_double: float | None = Field(default=None, gt=0, le=50)
    anchor: Anchor | None = None
    bands: dict[str, float] = {"A": 70, "B": 55, "C": 40}
    hysteresis: float = Field(default=2.0, ge=0, le=20)


class Criterion(Section):
    """One weighted criterion of the ideal customer profile."""

    when: Rule
    weight: float = 1.0
    label: str | None = None


class Stage(Section):
    """A stage of the funnel with criteria that marketing and sales share."""

    name: str
    when: Rule = "true"
    label: str | None = None
    content: tuple[str, ...] = ()  # what to send or do at this stage
    next_step: str | None = None


class DisqualifyRule(Section):
    """A rule that takes a lead out, with its stated reason; shown as a rule, never as a reason."""

    reason: str
    when: Rule


class BantSection(Section):
    """The columns that answer need, budget, authority and timing."""

    need: str | None = None
    budget: str | None = None
    authority: str | None = None
    timing: str | None = None


class QualificationSection(Section):
    """Stages, ideal customer, BANT, disqualification and content, as the company defines them."""

    stages: tuple[Stage, ...] = ()  # lowest first; the highest whose criteria hold is the stage
    icp: tuple[Criterion, ...] = ()
    bant: BantSection = BantSection()
    disqualify: tuple[DisqualifyRule, ...] = ()
    levels: dict[
        str, dict[str, Rule]
    ] = {}  # interest = {high = "…", low = "true"}: first that holds
    definition: str | None = None  # what an opportunity is here, in words, printed in the report


class Waiver(Section):
    """A quarantined column let through by a person who signs for it."""

    column: str
    detector: str
    owner: str = Field(min_length=2)
    reason: str = Field(min_length=8)
    date: str


class TrainSection(Section):
    """Seed, threads, budget, segments and what must not be used or shown."""

    seed: int = 0
    threads: int = Field(default=0, ge=0)  # 0: all cores
    budget: Duration = "0s"  # type: ignore[assignment]  # time for tuning; 0 takes the recipe as it is
    learner: Literal["auto", "logistic"] = "auto"  # logistic: regularised logistic regression alone
    test_share: float = Field(default=0.2, gt=0, lt=0.9)
    split: Literal["time", "random"] = "time"  # random only in static mode
    windows: tuple[int, ...] = (7, 30, 90)  # days, look-back of features
    segments: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()


class WriteBackSection(Section):
    """The CRM, its fields, and when a changed score is worth sending."""

    crm: str = "sqlite"  # sqlite, postgresql, mysql, tryton, salesforce, hubspot, dataverse, files
    url: str | None = (
        None  # database, host or folder; default: the embedded CRM in the state folder
    )
    credentials: str | None = None  # the environment variable that holds user:password or a token
    entity: str = "leads"
    key: str = "lead_id"
    fields: dict[str, str] = {}  # our name -> the field of the CRM; empty: the standard names
    min_points: float = Field(default=1.0, ge=0)
    max_age_days: int = Field(default=30, ge=1)
    compare_with_crm: bool = False
    override: str | None = None  # a field of the CRM: a lead where a person set it is not written
    batch: int = Field(default=100, ge=1, le=10_000)
    requests_per_second: float = Field(default=10.0, gt=0)
    ledger: str | None = None  # default: SQLite in the state folder; or postgresql://…


class ReportSection(Section):
    """Languages, capacity, and what leads are worth and cost."""

    languages: tuple[str, ...] = ("en",)
    capacity_per_week: int = Field(default=100, ge=1)
    top_per_owner: int = Field(default=100, ge=1)
    recipients: dict[str, str] = {}  # owner -> e-mail address, for the drafts of --deliver
    untouched_days: int = Field(default=7, ge=1)  # a high score without a sales touch for so long
    value: float | None = None  # of an opportunity, where no column says
    currency: str = "EUR"
    cost_per_contact: float | None = None
    cost_per_lead: dict[str, float] = {}  # by source
    title: str | None = None
    labels: dict[str, str | dict[str, str]] = {}  # event type or column -> words, or by language


class ExperimentSection(Section):
    """The random arm against which the score is measured."""

    unit: Literal["lead", "account"] = "lead"
    random_arm: float = Field(default=0.0, ge=0, le=0.5)
    arms: dict[str, float] = {}
    salt: str = "leadscore"
    start: str | None = None
    outcome: str | None = None
    arm: str | None = None  # the column that holds the arm of a finished experiment


class Project(Section):
    """The whole project file; `folder` is where relative paths start."""

    project: ProjectSection
    leads: LeadsSection
    conversion: ConversionSection
    network: NetworkSection = NetworkSection()
    artifact: ArtifactSection = ArtifactSection()
    events: tuple[EventsSection, ...] = ()
    score: ScoreSection = ScoreSection()
    qualification: QualificationSection = QualificationSection()
    waivers: tuple[Waiver, ...] = ()
    train: TrainSection = TrainSection()
    write_back: WriteBackSection = WriteBackSection()
    report: ReportSection = ReportSection()
    experiment: ExperimentSection = ExperimentSection()
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
        if not self.static and conversion.horizon is None:
            raise ValueError('conversion.horizon is needed, for instance horizon = "90d"')
        return self
