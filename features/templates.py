"""Every kind of feature in one table: how it is computed, named, described, and what changes it.

A new feature that an operation of the kernel can compute is one row here and its sentence in the
catalogues of words (serving/worklist/locale). A new operation is code in features/kernel.py or a
trail in features/trails.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from data.tables import INBOUND, OUTBOUND, Events, Kind
from features import kernel, trails

Msgid = str | tuple[str, str]
"""An English sentence, or its singular and plural; {places} are filled in."""
Params = Mapping[str, str | int | float]
Effect = Literal["one more", "just now", "known now"]
Actor = Literal["type", "anybody", "lead", "sales"]

HALF_LIVES: Final = (3.0, 14.0)  # days
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What the default catalogue is made for: the events and the windows in days."""

    events: Events
    windows: tuple[float, ...]


Over = Callable[[Scope], Iterator[Params]]
"""The parameters of each column that the default catalogue has of a template."""


@dataclass(frozen=True, slots=True)
class TemplateColumns:
    """How the default catalogue names the columns of a template.

    `name` and `label` are patterns with the places {type} and {key} (an event type in words and as
    part of a name), {span} (a window or half-life), {short} and {long}. `about` is the {label} of
    the sentence. For columns of an event type, `factor` and `about` are taken from the type.
    """

    name: str
    label: str
    over: Over
    factor: str = "activity"
    about: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """How the event kernel computes a column: its operation, and the trail that this reads."""

    kind: int
    trail: int = 0


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of feature. The sentence has variants for a count of 0 and for a missing value.

    `operation` (numbers) or `code` (categories: the column of the kernel's code matrix) says how
    the kernel computes it; without either, features/profile.py reads it from the lead. `effect`
    says what one more event of `actor` does to the value, where that is certain. `length` is the
    days in one unit, where the value is a length of time; `names` are what values from `first` on
    are called. `zero_is_absent`: 0 says that nothing happened, which is never a strength.
    `by_sales`: sales can change it. `vague`: true but abstract, so other reasons are shown first.
    `each_value`: past outcomes are counted by value, not by range.
    """

    name: str
    sentence: Msgid
    zero: Msgid = ""
    missing: Msgid = ""
    kind: Kind = "number"
    unit: str = ""
    operation: Operation | None = None
    code: int | None = None
    columns: TemplateColumns | None = None
    effect: Effect | None = None
    actor: Actor = "type"
    length: float | None = None
    first: int = 0
    names: tuple[str, ...] = ()
    zero_is_absent: bool = False
    by_sales: bool = False
    vague: bool = False
    each_value: bool = False

    @property
    def of_events(self) -> bool:
        """Whether it is computed from events alone."""
        return self.operation is not None or self.code is not None


def once(_: Scope) -> Iterator[Params]:
    """One column, always."""
    yield {}


def each_window(scope: Scope) -> Iterator[Params]:
    """One column for each window."""
    for days in scope.windows:
        yield {"days": days}


def longest_window(scope: Scope) -> Iterator[Params]:
    """One column, for the longest window."""
    yield {"days": max(scope.windows, default=30.0)}


def windows_of_a_week(scope: Scope) -> Iterator[Params]:
    """One column for each window of a week or more, and for 28 days where one is longer."""
    active = {days for days in scope.windows if days >= 7}
    if active and max(active) >= 28:
        active.add(28.0)
    for days in sorted(active):
        yield {"days": days}


def short_and_long(scope: Scope) -> Iterator[Params]:
    """One column that compares the shortest window with 28 days, where it is shorter."""
    if scope.windows and max(scope.windows) >= 28 and min(scope.windows) < 28:
        yield {"short": min(scope.windows), "long": 28.0}


def each_half_life(_: Scope) -> Iterator[Params]:
    """One column for each half-life, over events of any type."""
    for days in HALF_LIVES:
        yield {"event": "", "half_life": days}


def where(condition: Callable[[Events], bool], over: Over) -> Over:
    """The same columns, where the events have what they need."""
    return lambda scope: over(scope) if condition(scope.events) else iter(())


def _has_direction(direction: int) -> Callable[[Events], bool]:
    return lambda events: bool((events.direction == direction).any())


def _has_amounts(events: Events) -> bool:
    return bool(np.isfinite(events.value).any())


_ROWS: Final = (
    # by event type
    Template(
        "count_window",
        "{label}: {value} {period}",
        zero="{label}: none {period}",
        unit="events",
        operation=Operation(kernel.COUNTED),
        zero_is_absent=True,
        effect="one more",
        columns=TemplateColumns("n_{key}_{span}", "{type} in {span}", each_window),
    ),
    Template(
        "count_ever",
        "{label}: {value} so far",
        zero="{label}: none so far",
        unit="events",
        operation=Operation(kernel.COUNTED),
        zero_is_absent=True,
        effect="one more",
        columns=TemplateColumns("n_{key}_ever", "{type} ever", once),
    ),
    Template(
        "days_since",
        "{label}: the latest {span} ago",
        missing="{label}: none so far",
        unit="days",
        operation=Operation(kernel.DATED),
        length=1.0,
        effect="just now",
        columns=TemplateColumns("days_since_{key}", "days since {type}", once),
    ),
    # all events together
    Template(
        "count_all_window",
        ("{value} activity {period}", "{value} activities {period}"),
        zero="No activity {period}",
        unit="events",
        operation=Operation(kernel.ALL),
        zero_is_absent=True,
        effect="one more",
        actor="anybody",
        columns=TemplateColumns(
            "n_events_{span}", "events in {span}", each_window, about="activity"
        ),
    ),
    Template(
        "count_all_ever",
        ("{value} activity so far", "{value} activities so far"),
        zero="No activity so far",
        unit="events",
        operation=Operation(kernel.ALL),
        zero_is_absent=True,
        effect="one more",
        actor="anybody",
        columns=TemplateColumns("n_events_ever", "events ever", once, about="activity"),
    ),
    Template(
        "active_days",
        (
            "Active on {value} day of the last {days}",
            "Active on {value} days of the last {days}",
        ),
        zero="Not active on any of the last {days} days",
        unit="days",
        operation=Operation(kernel.ACTIVE, trails.DAYS),
        zero_is_absent=True,
        columns=TemplateColumns(
            "n_active_days_{span}", "active days in {span}", windows_of_a_week, about="active days"
        ),
    ),
    Template(
        "days_since_first_event",
        "First activity {span} ago",
        missing="No activity yet",
        unit="days",
        operation=Operation(kernel.SINCE_FIRST),
        length=1.0,
        columns=TemplateColumns("days_since_first_event", "days since the first event", once),
    ),
    Template(
        "days_since_last_event",
        "Latest activity {span} ago",
        missing="No activity yet",
        unit="days",
        operation=Operation(kernel.SINCE_LAST),
        length=1.0,
        effect="just now",
        actor="anybody",
        columns=TemplateColumns("days_since_last_event", "days since the last event", once),
    ),
    Template(
        "mean_gap_days",
        "{span} between activities on average",
        missing="Too few activities to tell how often they come",
        unit="days",
        operation=Operation(kernel.MEAN_GAP),
        length=1.0,
        columns=TemplateColumns("mean_gap_days", "mean days between events", once),
    ),
    Template(
        "first_week_count",
        ("{value} activity in the first week", "{value} activities in the first week"),
        zero="No activity in the first week",
        unit="events",
        operation=Operation(kernel.LEVEL, trails.WEEK),
        zero_is_absent=True,
        columns=TemplateColumns("n_first_week", "events in the first week", once),
    ),
    Template(
        "streak_days",
        ("Active on {value} day in a row", "Active on {value} days in a row"),
        zero="Not active on consecutive days",
        unit="days",
        operation=Operation(kernel.LEVEL, trails.STREAK),
        zero_is_absent=True,
        columns=TemplateColumns("streak_days", "active days in a row", once),
    ),
    Template(
        "decayed_count",
        "{label}: {value} (the older, the less it counts)",
        zero="{label}: none lately",
        unit="events",
        operation=Operation(kernel.DECAY),
        zero_is_absent=True,
        vague=True,
        columns=TemplateColumns(
            "activity_decayed_{span}", "recent activity", each_half_life, about="recent activity"
        ),
    ),
    Template(
        "trend",
        "Activity of the last {short} days: {value} times the usual pace of {long} days",
        zero="No activity in the last {short} days, some in the last {long}",
        missing="Too little activity for a trend",
        unit="ratio",
        operation=Operation(kernel.TREND),
        vague=True,
        columns=TemplateColumns(
            "trend_{short:g}_{long:g}d",
            "activity against its usual pace",
            short_and_long,
            about="trend of activity",
        ),
    ),
    Template(
        "first_event",
        "First activity: {value}",
        missing="No activity yet",
        kind="category",
        code=0,
        columns=TemplateColumns(
            "first_event", "first event", where(lambda e: len(e.type_names) > 1, once)
        ),
    ),
    Template(
        "last_event",
        "Latest activity: {value}",
        missing="No activity yet",
        kind="category",
        code=1,
        columns=TemplateColumns(
            "last_event", "last event", where(lambda e: len(e.type_names) > 1, once)
        ),
    ),
    # who acts, amounts, campaigns, people
    Template(
        "inbound_count",
        ("{value} activity by the lead {period}", "{value} activities by the lead {period}"),
        zero="No activity by the lead {period}",
        unit="events",
        operation=Operation(kernel.DIFFERENCE, trails.INBOUND),
        zero_is_absent=True,
        effect="one more",
        actor="lead",
        columns=TemplateColumns(
            "n_inbound_{span}",
            "inbound in {span}",
            where(_has_direction(INBOUND), each_window),
            "inbound",
            "inbound",
        ),
    ),
    Template(
        "outbound_count",
        ("{value} contact by sales {period}", "{value} contacts by sales {period}"),
        zero="No contact by sales {period}",
        unit="events",
        operation=Operation(kernel.DIFFERENCE, trails.OUTBOUND),
        by_sales=True,
        effect="one more",
        actor="sales",
        columns=TemplateColumns(
            "n_outbound_{span}",
            "outbound in {span}",
            where(_has_direction(OUTBOUND), each_window),
            "outbound",
            "outbound",
        ),
    ),
    Template(
        "value_sum",
        "{label}: {value} {period}",
        zero="{label}: none {period}",
        operation=Operation(kernel.DIFFERENCE, trails.VALUE),
        zero_is_absent=True,
        columns=TemplateColumns(
            "value_sum_{span}",
            "amounts in {span}",
            where(_has_amounts, longest_window),
            "value",
            "amounts",
        ),
    ),
    Template(
        "value_max",
        "Largest amount: {value}",
        missing="No amount yet",
        operation=Operation(kernel.LEVEL, trails.LARGEST),
        columns=TemplateColumns(
            "value_max", "largest amount", where(_has_amounts, once), "value", "amount"
        ),
    ),
    Template(
        "n_campaigns",
        ("Reached by {value} campaign", "Reached by {value} campaigns"),
        zero="Reached by no campaign",
        unit="campaigns",
        operation=Operation(kernel.LEVEL, trails.CAMPAIGNS),
        columns=TemplateColumns(
            "n_campaigns",
            "campaigns",
            where(lambda e: len(e.campaign_names) > 1, once),
            "campaigns",
        ),
    ),
    Template(
        "n_people",
        ("{value} person involved", "{value} people involved"),
        zero="Nobody known to be involved",
        unit="people",
        operation=Operation(kernel.LEVEL, trails.PEOPLE),
        zero_is_absent=True,
        columns=TemplateColumns(
            "n_people", "people", where(lambda e: len(e.person_names) > 1, once), "people"
        ),
    ),
    # the lead itself
    Template("attribute", "{label}: {value}", missing="{label}: not known"),
    Template(
        "known_since",
        "{label}: known for {span}",
        missing="{label}: not known yet",
        unit="days",
        length=1.0,
        by_sales=True,
        effect="known now",
    ),
    Template(
        "missing_count",
        ("{value} detail not known", "{value} details not known"),
        zero="All details known",
        unit="fields",
        by_sales=True,
    ),
    Template("age_days", "A lead for {span}", unit="days", length=1.0),
    Template(
        "created_month", "Created in {value}", unit="month", first=1, names=MONTHS, each_value=True
    ),
    Template(
        "created_weekday", "Created on a {value}", unit="weekday", names=WEEKDAYS, each_value=True
    ),
    Template(
        "created_hour", "Created between {value}:00 and {value}:59", unit="hour", each_value=True
    ),
    Template("seniority", "Seniority: {value}", missing="Seniority not known", kind="category"),
    Template("department", "Department: {value}", missing="Department not known", kind="category"),
    Template(
        "email_domain_kind",
        "Kind of e-mail address: {value}",
        missing="No e-mail address",
        kind="category",
    ),
)

TEMPLATES: Final[Mapping[str, Template]] = {row.name: row for row in _ROWS}
BY_TYPE: Final = tuple(row for row in _ROWS if row.columns and "{key}" in row.columns.name)
"""Templates of which every event type has columns."""
OF_ALL: Final = tuple(row for row in _ROWS if row.columns and row not in BY_TYPE)
"""Templates that look at the events of all types together."""
