"""The sentences of reasons: template name -> English msgid, or a (singular, plural) pair.

Variants are named by a suffix: `.zero` where a count is 0, `.missing` where nothing is known.
{period} is one of the PERIODS, translated by itself, since "in the last 7 days" is inflected.
{span} is the value as a length of time, one of the SPANS.
"""

from __future__ import annotations

from collections.abc import Mapping

Msgid = str | tuple[str, str]

PERIODS: Mapping[str, tuple[str, str]] = {
    "days": ("in the last day", "in the last {n} days"),
    "hours": ("in the last hour", "in the last {n} hours"),
    "minutes": ("in the last minute", "in the last {n} minutes"),
}
SPANS: Mapping[str, tuple[str, str]] = {
    "days": ("{n} day", "{n} days"),
    "hours": ("{n} hour", "{n} hours"),
    "minutes": ("{n} minute", "{n} minutes"),
}
TEMPLATES: Mapping[str, Msgid] = {
    "count_window": "{label}: {value} {period}",
    "count_window.zero": "{label}: none {period}",
    "count_ever": "{label}: {value} so far",
    "count_ever.zero": "{label}: none so far",
    "days_since": "{label}: the latest {span} ago",
    "days_since.missing": "{label}: none so far",
    "count_all_window": ("{value} activity {period}", "{value} activities {period}"),
    "count_all_window.zero": "No activity {period}",
    "count_all_ever": ("{value} activity so far", "{value} activities so far"),
    "count_all_ever.zero": "No activity so far",
    "active_days": (
        "Active on {value} day of the last {days}",
        "Active on {value} days of the last {days}",
    ),
    "active_days.zero": "Not active on any of the last {days} days",
    "first_event": "First activity: {value}",
    "first_event.missing": "No activity yet",
    "last_event": "Latest activity: {value}",
    "last_event.missing": "No activity yet",
    "trend": "Activity of the last {short} days: {value} times the usual pace of {long} days",
    "trend.zero": "No activity in the last {short} days, some in the last {long}",
    "trend.missing": "Too little activity for a trend",
    "value_sum": "{label}: {value} {period}",
    "value_sum.zero": "{label}: none {period}",
    "value_max": "Largest amount: {value}",
    "value_max.missing": "No amount yet",
    "mean_gap_days": "{span} between activities on average",
    "mean_gap_days.missing": "Too few activities to tell how often they come",
    "decayed_count": "{label}: {value} (the older, the less it counts)",
    "decayed_count.zero": "{label}: none lately",
    "inbound_count": (
        "{value} activity by the lead {period}",
        "{value} activities by the lead {period}",
    ),
    "inbound_count.zero": "No activity by the lead {period}",
    "outbound_count": ("{value} contact by sales {period}", "{value} contacts by sales {period}"),
    "outbound_count.zero": "No contact by sales {period}",
    "n_campaigns": ("Reached by {value} campaign", "Reached by {value} campaigns"),
    "n_campaigns.zero": "Reached by no campaign",
    "n_people": ("{value} person involved", "{value} people involved"),
    "n_people.zero": "Nobody known to be involved",
    "days_since_first_event": "First activity {span} ago",
    "days_since_first_event.missing": "No activity yet",
    "days_since_last_event": "Latest activity {span} ago",
    "days_since_last_event.missing": "No activity yet",
    "first_week_count": (
        "{value} activity in the first week",
        "{value} activities in the first week",
    ),
    "first_week_count.zero": "No activity in the first week",
    "streak_days": ("Active on {value} day in a row", "Active on {value} days in a row"),
    "streak_days.zero": "Not active on consecutive days",
    "age_days": "A lead for {span}",
    "created_month": "Created in {value}",
    "created_weekday": "Created on a {value}",
    "created_hour": "Created between {value}:00 and {value}:59",
    "seniority": "Seniority: {value}",
    "seniority.missing": "Seniority not known",
    "department": "Department: {value}",
    "department.missing": "Department not known",
    "email_domain_kind": "Kind of e-mail address: {value}",
    "email_domain_kind.missing": "No e-mail address",
    "missing_count": ("{value} detail not known", "{value} details not known"),
    "missing_count.zero": "All details known",
    "attribute": "{label}: {value}",
    "attribute.missing": "{label}: not known",
    "known_since": "{label}: known for {span}",
    "known_since.missing": "{label}: not known yet",
}
FALLBACK = "{label}: {value}"
FALLBACK_MISSING = "{label}: not known"

FACT = "{rate} of past scores with this came before an opportunity (typical {typical}, {n} scores)"
LIMIT = "Limit of the scale"
REST = "Everything else"
TYPICAL = "Typical lead"
UNSTABLE = "The order of these reasons is uncertain"
ASSOCIATION = "An association seen in past leads, not a proven cause"
NOT_YET = "This lead was not there yet at that moment"
CHANGES: Mapping[str, str] = {
    "time": "time passing",
    "event": "new events",
    "edit": "edited facts",
    "model": "new model",
    "card": "new score card",
    "limit": LIMIT,
}
MESSAGES = tuple(
    dict.fromkeys([
        *TEMPLATES.values(), *PERIODS.values(), *SPANS.values(), FALLBACK_MISSING, FACT, LIMIT,
        REST, TYPICAL, UNSTABLE, ASSOCIATION, NOT_YET, *CHANGES.values(),
    ])
)  # fmt: skip
"""What a catalogue must hold for reasons, explanations and changes."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
