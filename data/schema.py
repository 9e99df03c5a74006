"""The project file as types: every section, every key, its default and its meaning.

One project file describes one data source and one conversion. `data.project.load_project` reads
it from TOML; frames given from Python use the same types. The text below a key, its unit and its
example are what the JSON Schema and the page that lists every key say of it. A key without an
example of its own is shown with its default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import (
    Field,
    model_validator,
)

from data.schema_people import PeopleSection
from data.schema_steps import (
    ExperimentSection,
    NightSection,
    QualificationSection,
    ReportSection,
    RetentionSection,
    ScoreSection,
    TrainSection,
    Waiver,
    WriteBackSection,
)
from data.schema_tables import ConversionSection, EventsSection, LeadsSection, ValueSection
from data.schema_types import Moment, Section, Variable

JSON_SCHEMA: Final = Path(__file__).with_name("project.schema.json")
"""The same as JSON Schema, with which editors complete and check a project file."""


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
    root: str | None = Field(default=None, examples=["."])
    """The one folder whose files may be read, from the project file's own; `"."` is that itself.
    Left out: files may lie anywhere, and `check` names those outside."""
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
    people: PeopleSection = PeopleSection()
    retention: RetentionSection = RetentionSection()
    folder: str = "."

    @property
    def static(self) -> bool:
        """True where no creation time is known: no claim about time can be made."""
        return self.leads.created_at is None

    @property
    def without_clock(self) -> bool:
        """True where this file does not say either up to when something is known."""
        return self.static and self.project.observed_until is None

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
