"""What reasons say beside the sentences of features.templates and features.acts.

{when} is one of PERIODS, AGO or WHEN, {span} one of SPANS, {amount} one of AMOUNTS, {times} "once",
"twice" or TIMES: each a whole phrase that a translation may put anywhere in its sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WEEK: Final = "this week"
MONTH: Final = "this month"
LATELY: Final = "in recent weeks"
JUST_NOW: Final = "just now"
ONCE: Final = "once"
TWICE: Final = "twice"
TIMES: Final = ("{n} time", "{n} times")
PERIODS: Final[Mapping[str, tuple[str, str]]] = {
    "days": ("in the last day", "in the last {n} days"),
    "hours": ("in the last hour", "in the last {n} hours"),
    "minutes": ("in the last minute", "in the last {n} minutes"),
}
AGO: Final[Mapping[str, tuple[str, str]]] = {
    "days": ("{n} day ago", "{n} days ago"),
    "hours": ("{n} hour ago", "{n} hours ago"),
    "minutes": ("{n} minute ago", "{n} minutes ago"),
}
SPANS: Final[Mapping[str, tuple[str, str]]] = {
    "days": ("{n} day", "{n} days"),
    "hours": ("{n} hour", "{n} hours"),
    "minutes": ("{n} minute", "{n} minutes"),
}
AMOUNTS: Final[Mapping[str, tuple[str, str]]] = {
    **SPANS,
    "seconds": ("{n} second", "{n} seconds"),
    "pages": ("{n} page", "{n} pages"),
}
AMOUNT: Final = "{n} {unit}"
NO_UNIT: Final = "a total of {n}"
ON_CALLS: Final = "{amount} on calls {when}"
SPENT_ON: Final = "{amount} {when} ({label})"
OWN_ACT: Final = ("{act} {when}", "{act} {times} {when}")
HAPPENED: Final = ("{label}", "{label}: {times}")
BY_SALES: Final = ("{label} (by sales)", "{label} (by sales): {times}")

FALLBACK: Final = "{label}: {value}"
FALLBACK_MISSING: Final = "{label}: not known"
FACTS: Final[Mapping[str, str]] = {
    name: f"{who} convert {{rate}} of the time; typical {{typical}} ({{n}} cases)"
    for name, who in {
        "active": "Leads this active",
        "quiet": "Leads this quiet",
        "done": "Leads that did this as often",
        "done at": "Leads that did this as recently",
        "not done": "Leads that have not done this",
        "contacted": "Leads contacted as much as this",
        "range": "Leads in the same range",
        "same": "Leads of this kind",
        "unknown": "Leads where this is not known",
    }.items()
}

LIMIT: Final = "Limit of the scale"
LIMIT_AT: Final = "Limit of the scale (would be {score})"
REST: Final = "Everything else"
UNSEEN: Final = "Not known or not seen"
TYPICAL: Final = "Typical lead"
UNSTABLE: Final = "The order of these reasons is uncertain"
ASSOCIATION: Final = "An association seen in past leads, not a proven cause"
RULES: Final = "Rules, not learned: points that people set count until outcomes are known"
BASE_RATE: Final = "Not learned: every lead gets the base rate, and the order of leads says nothing"
RULES_UPDATED: Final = "Rules, updated by {n} outcomes: too few yet to prove a model"
NOT_YET: Final = "This lead was not there yet at that moment"
NOT_KEPT: Final = "No score of that time is kept: today's model scores what was known then"
TOGETHER: Final = "read together with {what}"
CHANGES: Final[Mapping[str, str]] = {
    "time": "time passing",
    "event": "new events",
    "edit": "edited facts",
    "model": "new model",
    "card": "new score card",
    "limit": LIMIT,
}
