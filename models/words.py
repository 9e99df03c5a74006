"""Turns a reason into a sentence: English msgids with {placeholders}, filled by translators.

A template is one msgid or a (singular, plural) pair chosen by {value}. Variants are named by a
suffix: `.zero` where a count is 0, `.missing` where nothing is known. Unknown templates fall back
to "{label}: {value}". Values are put in by plain replacement: what stands in a lead's data is
never read as a format.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from models.points import Fact, Reason

Msgid = str | tuple[str, str]
Translate = Callable[[str], str]
Plural = Callable[[str, str, int], str]
Number = Callable[[int | float], str]

TEMPLATES: Mapping[str, Msgid] = {
    "count_window": (
        "{label}: {value} time in the last {days} days",
        "{label}: {value} times in the last {days} days",
    ),
    "count_window.zero": "{label}: not in the last {days} days",
    "count_ever": ("{label}: {value} time so far", "{label}: {value} times so far"),
    "count_ever.zero": "{label}: never so far",
    "days_since": ("{label}: {value} day ago", "{label}: {value} days ago"),
    "days_since.zero": "{label}: less than a day ago",
    "days_since.missing": "{label}: never so far",
    "count_all_window": (
        "{value} activity in the last {days} days",
        "{value} activities in the last {days} days",
    ),
    "count_all_window.zero": "No activity in the last {days} days",
    "count_all_ever": ("{value} activity so far", "{value} activities so far"),
    "count_all_ever.zero": "No activity so far",
    "active_days": (
        "Active on {value} day of the last {days}",
        "Active on {value} days of the last {days}",
    ),
    "active_days.zero": "Not active on any of the last {days} days",
    "n_channels": (
        "{value} channel used in the last {days} days",
        "{value} channels used in the last {days} days",
    ),
    "n_channels.zero": "No channel used in the last {days} days",
    "first_channel": "First channel: {value}",
    "first_channel.missing": "First channel not known",
    "last_channel": "Latest channel: {value}",
    "last_channel.missing": "Latest channel not known",
    "first_event": "First activity: {value}",
    "first_event.missing": "No first activity yet",
    "last_event": "Latest activity: {value}",
    "last_event.missing": "No latest activity yet",
    "trend": "Activity of the last {short} days against the last {long}: {value}",
    "trend.missing": "Too little activity for a trend",
    "value_sum": "{label}: {value} in the last {days} days",
    "value_sum.zero": "{label}: nothing in the last {days} days",
    "value_max": "{label}: {value} at most",
    "value_max.missing": "{label}: no amount yet",
    "mean_gap_days": (
        "{value} day between activities on average",
        "{value} days between activities on average",
    ),
    "mean_gap_days.missing": "Too few activities to tell how often they come",
    "decayed_count": "{label}: recent activity level {value}",
    "decayed_count.zero": "{label}: no recent activity",
    "inbound_count": (
        "{value} own activity in the last {days} days",
        "{value} own activities in the last {days} days",
    ),
    "inbound_count.zero": "No own activity in the last {days} days",
    "outbound_count": (
        "{value} contact by sales in the last {days} days",
        "{value} contacts by sales in the last {days} days",
    ),
    "outbound_count.zero": "No contact by sales in the last {days} days",
    "n_campaigns": ("Reached by {value} campaign", "Reached by {value} campaigns"),
    "n_campaigns.zero": "Reached by no campaign",
    "n_people": ("{value} person involved", "{value} people involved"),
    "n_people.zero": "Nobody known to be involved",
    "days_since_first_event": ("First activity {value} day ago", "First activity {value} days ago"),
    "days_since_first_event.zero": "First activity less than a day ago",
    "days_since_first_event.missing": "No activity yet",
    "days_since_last_event": (
        "Latest activity {value} day ago",
        "Latest activity {value} days ago",
    ),
    "days_since_last_event.zero": "Latest activity less than a day ago",
    "days_since_last_event.missing": "No activity yet",
    "first_week_count": (
        "{value} activity in the first week",
        "{value} activities in the first week",
    ),
    "first_week_count.zero": "No activity in the first week",
    "streak_days": ("Active {value} day in a row", "Active {value} days in a row"),
    "streak_days.zero": "Not active on consecutive days",
    "response_hours": ("Answered within {value} hour", "Answered within {value} hours"),
    "response_hours.zero": "Answered within the hour",
    "response_hours.missing": "No answer yet",
    "pair_after": "{second} after {first}",
    "pair_after.zero": "No {second} after {first}",
    "account_leads": ("{value} lead at the same company", "{value} leads at the same company"),
    "account_leads.zero": "No other lead at the same company",
    "account_events": (
        "{value} activity at the same company in the last {days} days",
        "{value} activities at the same company in the last {days} days",
    ),
    "account_events.zero": "No activity at the same company in the last {days} days",
    "account_days_since": (
        "Latest activity at the same company {value} day ago",
        "Latest activity at the same company {value} days ago",
    ),
    "account_days_since.zero": "Activity at the same company less than a day ago",
    "account_days_since.missing": "No activity at the same company yet",
    "age_days": ("Lead for {value} day", "Lead for {value} days"),
    "age_days.zero": "Lead for less than a day",
    "created_month": "Created in month {value}",
    "created_weekday": "Created on weekday {value}",
    "created_hour": "Created at {value} o'clock",
    "seniority": "Seniority: {value}",
    "seniority.missing": "Seniority not known",
    "department": "Department: {value}",
    "department.missing": "Department not known",
    "email_domain_kind": "E-mail address: {value}",
    "email_domain_kind.missing": "No e-mail address",
    "missing_count": ("{value} detail not known", "{value} details not known"),
    "missing_count.zero": "All details known",
    "attribute": "{label}: {value}",
    "attribute.missing": "{label}: not known",
    "known_since": ("{label}: known for {value} day", "{label}: known for {value} days"),
    "known_since.zero": "{label}: known since today",
    "known_since.missing": "{label}: not known yet",
}

FALLBACK = "{label}: {value}"
FALLBACK_MISSING = "{label}: not known"
FACT: Msgid = (
    "{rate} of such leads became opportunities (typical {typical}, {n} lead)",
    "{rate} of such leads became opportunities (typical {typical}, {n} leads)",
)
LIMIT = "Limit of the scale"
REST = "All other details"
TYPICAL = "Typical lead"
UNSTABLE = "The order of these reasons is uncertain"
ASSOCIATION = "An association seen in past leads, not a proven cause"
GRAMMAR = frozenset({"value", "days", "short", "long", "half_life", "n"})


def same(text: str) -> str:
    """Translate to English: leave the msgid as it is."""
    return text


def english_plural(one: str, many: str, n: int) -> str:
    """Choose the English form."""
    return one if n == 1 else many


def plain_number(value: int | float) -> str:
    """Write a number for a person: no trailing zeros, three figures at most after the point."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:.0f}"
    return str(int(value))


def render(
    reason: Reason,
    translate: Translate = same,
    number: Number = plain_number,
    plural: Plural | None = None,
) -> str:
    """Say a reason in words: "Visited pricing page: 3 times in the last 7 days".

    `translate` maps a msgid (and the words of labels and levels) to the language; `plural` is an
    ngettext, by default English forms that are then translated; `number` writes numbers.
    """
    value = reason.params.get("value")
    msgid = _choose(reason.template, value)
    shown = _shown(value)
    if isinstance(msgid, tuple):
        n = abs(int(shown)) if isinstance(shown, (int, float)) and shown == int(shown) else 2
        text = (
            plural(msgid[0], msgid[1], n)
            if plural
            else translate(english_plural(msgid[0], msgid[1], n))
        )
    else:
        text = translate(msgid)
    return _fill(text, {**reason.params, "value": shown}, translate, number)


def render_fact(
    fact: Fact,
    translate: Translate = same,
    number: Number = plain_number,
    plural: Plural | None = None,
) -> str:
    """Say the fact behind a reason: how many such leads became opportunities, counted."""
    one, many = FACT[0], FACT[1]
    text = plural(one, many, fact.n) if plural else translate(english_plural(one, many, fact.n))
    rate, typical = (f"{number(round(100 * share))} %" for share in (fact.rate, fact.typical))
    return _fill(text, {"rate": rate, "typical": typical, "n": fact.n}, same, number)


def _choose(template: str, value: object) -> Msgid:
    """Pick the variant of a template that fits the value."""
    if _is_missing(value):
        return TEMPLATES.get(f"{template}.missing", FALLBACK_MISSING)
    shown = _shown(value)
    if isinstance(shown, (int, float)) and shown == 0 and f"{template}.zero" in TEMPLATES:
        return TEMPLATES[f"{template}.zero"]
    return TEMPLATES.get(template, FALLBACK)


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _shown(value: object) -> str | int | float:
    """Round a value to what a person reads: whole from 10 up, else at most one decimal."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "" if _is_missing(value) else str(value)
    if math.isinf(value):
        return str(value)
    rounded = round(float(value), 0 if abs(value) >= 10 else 1)
    return int(rounded) if rounded.is_integer() else rounded


def _fill(text: str, params: Mapping[str, object], translate: Translate, number: Number) -> str:
    """Replace {names} once, left to right; what is put in is not looked at again."""

    def put(match: re.Match[str]) -> str:
        value = params.get(match.group(1))
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return number(value)
        if value is None:
            return match.group(0)
        return translate(str(value)) if match.group(1) not in GRAMMAR else str(value)

    return re.sub(r"\{(\w+)\}", put, text)
