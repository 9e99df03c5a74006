"""What reasons say beside the sentences of features.templates: periods, facts, parts of a change.

{period} is one of the PERIODS, translated by itself, since "in the last 7 days" is inflected.
{span} is the value as a length of time, one of the SPANS.
"""

from __future__ import annotations

from collections.abc import Mapping

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
FALLBACK = "{label}: {value}"
FALLBACK_MISSING = "{label}: not known"

FACT = "{rate} of past scores with this came before an opportunity (typical {typical}, {n} scores)"
LIMIT = "Limit of the scale"
REST = "Everything else"
TYPICAL = "Typical lead"
UNSTABLE = "The order of these reasons is uncertain"
ASSOCIATION = "An association seen in past leads, not a proven cause"
RULES = "Rules, not learned: points that people set count until outcomes are known"
RULES_UPDATED = "Rules, updated by {n} outcomes: too few yet to prove a model"
NOT_YET = "This lead was not there yet at that moment"
CHANGES: Mapping[str, str] = {
    "time": "time passing",
    "event": "new events",
    "edit": "edited facts",
    "model": "new model",
    "card": "new score card",
    "limit": LIMIT,
}
