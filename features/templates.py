"""Every kind of feature in one table: how it is computed, named, described, and what changes it.

A new feature that an operation of the kernel can compute is one row here and its sentence in the
catalogues of words (serving/worklist/locale). A new operation is code in features/kernel.py or a
trail in features/trails.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np

from data.tables import INBOUND, OUTBOUND, Events
from features import kernel, trails
from features.template_row import (
    Operation,
    Template,
    TemplateColumns,
    each_half_life,
    each_window,
    longest_window_with_amounts,
    short_and_long,
    windows_of_a_week,
    with_amounts,
)

ACTIVE: Final = (
    "Much less active than usual {when}",
    "Less active than usual {when}",
    "About as active as usual {when}",
    "More active than usual {when}",
    "Much more active than usual {when}",
)
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _has_direction(direction: int) -> Callable[[Events], bool]:
    return lambda events: bool((events.direction == direction).any())


def _has_amounts(events: Events) -> bool:
    return bool(np.isfinite(events.value).any())


def _has_types(events: Events) -> bool:
    return len(events.type_names) > 1


# What the rows of a family have in common.
_events = partial(Template, unit="events", zero_is_absent=True)
_days = partial(Template, unit="days", is_duration=True)
_active_days = partial(Template, unit="days", zero_is_absent=True)
_categories = partial(Template, kind="category")

_ROWS: Final = (
    # by event type
    _events(
        "count_window",
        "{label}: {times} {when}",
        TemplateColumns("n_{key}_{span}", "{type} in {span}", each_window),
        Operation(kernel.COUNTED),
        zero="{label}: none {when}",
        effect="one more",
    ),
    _events(
        "count_ever",
        "{label}: {times}",
        TemplateColumns("n_{key}_ever", "{type} ever"),
        Operation(kernel.COUNTED),
        zero="{label}: none so far",
        effect="one more",
    ),
    _days(
        "days_since",
        "{label}: the latest {when}",
        TemplateColumns("days_since_{key}", "days since {type}"),
        Operation(kernel.DATED),
        missing="{label}: none so far",
        effect="just now",
    ),
    # all events together
    _events(
        "count_all_window",
        ("{value} activity {when}", "{value} activities {when}"),
        TemplateColumns("n_events_{span}", "events in {span}", each_window, "activity"),
        Operation(kernel.ALL),
        zero="Nothing happened {when}",
        effect="one more",
        actor="anybody",
    ),
    _events(
        "count_all_ever",
        ("{value} activity since the beginning", "{value} activities since the beginning"),
        TemplateColumns("n_events_ever", "events ever", about="activity"),
        Operation(kernel.ALL),
        zero="Nothing has happened yet",
        effect="one more",
        actor="anybody",
    ),
    _active_days(
        "active_days",
        "Active on {value} of the last {days} days",
        TemplateColumns(
            "n_active_days_{span}", "active days in {span}", windows_of_a_week, "active days"
        ),
        Operation(kernel.ACTIVE, trails.DAYS),
        zero="Not active on any of the last {days} days",
    ),
    _days(
        "days_since_first_event",
        "The first activity was {when}",
        TemplateColumns("days_since_first_event", "days since the first event"),
        Operation(kernel.SINCE_FIRST),
        missing="Nothing has happened yet",
    ),
    _days(
        "days_since_last_event",
        "The latest activity was {when}",
        TemplateColumns("days_since_last_event", "days since the last event"),
        Operation(kernel.SINCE_LAST),
        missing="Nothing has happened yet",
        effect="just now",
        actor="anybody",
    ),
    _days(
        "mean_gap_days",
        "Something happens every {span} on average",
        TemplateColumns("mean_gap_days", "mean days between events"),
        Operation(kernel.MEAN_GAP),
        missing="Too little has happened to say how often it does",
    ),
    _events(
        "first_week_count",
        ("{value} activity in the first week", "{value} activities in the first week"),
        TemplateColumns("n_first_week", "events in the first week"),
        Operation(kernel.LEVEL, trails.WEEK),
        zero="Nothing happened in the first week",
    ),
    _active_days(
        "streak_days",
        ("Active on {value} day in a row", "Active on {value} days in a row"),
        TemplateColumns("streak_days", "active days in a row"),
        Operation(kernel.LEVEL, trails.STREAK),
        zero="Not active on consecutive days",
    ),
    _events(
        "decayed_count",
        "Was active {when}",
        TemplateColumns(
            "activity_decayed_{span}", "recent activity", each_half_life, "recent activity"
        ),
        Operation(kernel.DECAY),
        zero="Was not active {when}",
        levels=ACTIVE,
    ),
    Template(
        "trend",
        "About as active as usual {when}",
        TemplateColumns(
            "trend_{short:g}_{long:g}d",
            "activity against its usual pace",
            short_and_long,
            "trend of activity",
        ),
        Operation(kernel.TREND),
        zero="Gone quiet {when}",
        levels=ACTIVE,
        cuts=(0.5, 0.8, 1.25, 2.0),
        missing="Too little has happened to see a trend",
        unit="ratio",
    ),
    _categories(
        "first_event",
        "First activity: {value}",
        TemplateColumns("first_event", "first event"),
        code=0,
        missing="Nothing has happened yet",
        needs=_has_types,
    ),
    _categories(
        "last_event",
        "Latest activity: {value}",
        TemplateColumns("last_event", "last event"),
        code=1,
        missing="Nothing has happened yet",
        needs=_has_types,
    ),
    # who acts, amounts, campaigns, people
    _events(
        "inbound_count",
        ("Was active {when}", "Was active {times} {when}"),
        TemplateColumns("n_inbound_{span}", "inbound in {span}", each_window, "inbound"),
        Operation(kernel.DIFFERENCE, trails.INBOUND),
        zero="Was not active {when}",
        needs=_has_direction(INBOUND),
        effect="one more",
        actor="lead",
    ),
    Template(
        "outbound_count",
        ("Sales got in touch {when}", "Sales got in touch {times} {when}"),
        TemplateColumns(
            "n_outbound_{span}", "outbound in {span}", each_window, "outbound", "outbound"
        ),
        Operation(kernel.DIFFERENCE, trails.OUTBOUND),
        zero="Sales has not been in touch {when}",
        unit="events",
        needs=_has_direction(OUTBOUND),
        effect="one more",
        actor="sales",
        by_sales=True,
    ),
    Template(
        "value_sum",
        "{amount} {when}",
        TemplateColumns(
            "value_sum_{span}",
            "amounts in {span}",
            longest_window_with_amounts,
            "amounts",
            "value",
        ),
        Operation(kernel.DIFFERENCE, trails.VALUE),
        zero="No time or money spent {when}",
        zero_is_absent=True,
        needs=_has_amounts,
    ),
    Template(
        "value_max",
        "Up to {amount} at a time",
        TemplateColumns("value_max", "largest amount", with_amounts, "amount", "value"),
        Operation(kernel.LEVEL, trails.LARGEST),
        missing="No time or money spent yet",
        needs=_has_amounts,
    ),
    Template(
        "n_campaigns",
        ("Reached by {value} campaign", "Reached by {value} campaigns"),
        TemplateColumns("n_campaigns", "campaigns", factor="campaigns"),
        Operation(kernel.LEVEL, trails.CAMPAIGNS),
        zero="Reached by no campaign",
        unit="campaigns",
        needs=lambda events: len(events.campaign_names) > 1,
    ),
    Template(
        "n_people",
        ("{value} person is involved", "{value} people are involved"),
        TemplateColumns("n_people", "people", factor="people"),
        Operation(kernel.LEVEL, trails.PEOPLE),
        zero="Nobody is known to be involved",
        unit="people",
        zero_is_absent=True,
        needs=lambda events: len(events.person_names) > 1,
    ),
    # the lead itself
    Template("private", "Details that are kept private", missing="Details that are kept private"),
    Template("attribute", "{label}: {value}", missing="{label}: not known"),
    _days(
        "known_since",
        "{label}: known for {span}",
        missing="{label}: not known yet",
        effect="known now",
        by_sales=True,
    ),
    Template(
        "missing_count",
        ("{value} detail is not known", "{value} details are not known"),
        zero="All details are known",
        unit="fields",
        by_sales=True,
    ),
    Template(
        "times_closed",
        ("Was closed once before", "Was closed {times} before"),
        zero="Was never closed before",
        missing="Not known to have been closed before",
        unit="times",
        zero_is_absent=True,
    ),
    _days(
        "days_since_closed",
        "Was last closed {when}",
        missing="Not known to have been closed before",
    ),
    _categories(
        "closed_because",
        "Closed before because of: {value}",
        missing="Not known to have been closed before",
    ),
    _days("age_days", "Has been a lead for {span}"),
    Template("created_month", "Created in {value}", unit="month", first=1, names=MONTHS, cycle=12),
    Template("created_weekday", "Created on a {value}", unit="weekday", names=WEEKDAYS, cycle=7),
    Template("created_hour", "Created between {value}:00 and {value}:59", unit="hour", cycle=24),
    _categories("seniority", "Seniority: {value}", missing="Seniority not known"),
    _categories("department", "Department: {value}", missing="Department not known"),
    _categories(
        "email_domain_kind", "Kind of e-mail address: {value}", missing="No e-mail address"
    ),
)

TEMPLATES: Final[Mapping[str, Template]] = {row.name: row for row in _ROWS}
BY_TYPE: Final = tuple(row for row in _ROWS if row.columns and "{key}" in row.columns.name)
"""Templates of which every event type has columns."""
OF_ALL: Final = tuple(row for row in _ROWS if row.columns and row not in BY_TYPE)
"""Templates that look at the events of all types together."""
