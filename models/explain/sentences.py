"""Turns a reason into a sentence, in the reader's language and the company's own words.

`sentence` chooses what is said: the msgid, and values as a person reads them. `render` fills it in
as plain text; the report fills the same sentence as HTML.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from data.schema_steps import ACT, UNIT
from features.acts import ACTS, act_of, are_calls
from features.template_row import Msgid, Template
from features.templates import TEMPLATES
from models.explain import fixed_sentences as fixed
from models.explain.points import ScoreReason
from models.explain.speech import (
    ENGLISH,
    NOTHING,
    SENTINEL,
    HowMany,
    Sentence,
    Share,
    Speech,
    Value,
    Values,
    rounded,
    say,
)

_ANY = Template("", fixed.FALLBACK)  # what a model of another version may bring


def sentence(
    template: str, params: Mapping[str, Value | None], speech: Speech = ENGLISH
) -> Sentence:
    """Choose what is said of a value: by its act, template and size, lengths of time in words."""
    row = TEMPLATES.get(template, _ANY)
    value = params.get("value")
    shown = _shown(row, value)
    n = abs(shown) if isinstance(shown, int) else 2
    if row.of_events and isinstance(params.get("event"), str) and params["event"]:
        return _of_type(row, params, shown, n, speech)
    values: dict[str, Value | Share | HowMany | Sentence | None] = {**params, "value": shown}
    if row.unit == "events" and isinstance(shown, int):
        values["value"] = HowMany(shown)
    values |= {"times": _times(n), "when": _when(params), "span": NOTHING}
    if row.is_duration and isinstance(value, (int, float)) and math.isfinite(value):
        values |= {"span": _time(fixed.SPANS, value), "when": _ago(value)}
    if row.name == "attribute" and (unit := speech.own(UNIT + str(params.get("column")))):
        values["value"] = _amount(shown, unit) or shown
    if "{amount}" in row.sentence and shown != SENTINEL:
        return _of_amount(row, params, shown, values, speech)
    return Sentence(_choose(row, shown, params), n, values)


def render(reason: ScoreReason, speech: Speech = ENGLISH) -> str:
    """Say a reason in words: "Asked for a demo twice this week"."""
    return say(sentence(reason.template, reason.params, speech), speech)


def fact_sentence(
    template: str, params: Mapping[str, Value | None], rate: float, typical: float, n: int
) -> Sentence:
    """Say how many of the past leads with the same reason became opportunities, counted."""
    values: Values = {"rate": Share(rate), "typical": Share(typical), "n": HowMany(n)}
    return Sentence(fixed.FACTS[_crowd(TEMPLATES.get(template, _ANY), params)], 2, values)


def event_sentence(event: str, by: str, n: int, speech: Speech = ENGLISH) -> Sentence:
    """Say what an event was, `n` times: "Sales called twice"; by "lead", "sales", "" if unknown.

    The company's own sentence comes first, then that of the act; else the type is named.
    """
    own = speech.own(ACT + event)
    act = ACTS.get(own or act_of(event, by))
    times = NOTHING if n == 1 else _times(n)
    values: Values = {"event": event, "label": event, "times": times, "when": NOTHING}
    if act is not None:
        return Sentence(act.did, n, values)
    if own:
        return Sentence(fixed.OWN_ACT, n, {**values, "act": ACT + event})
    return Sentence(fixed.BY_SALES if by == "sales" else fixed.HAPPENED, n, values)


def render_fact(reason: ScoreReason, speech: Speech = ENGLISH) -> str | None:
    """Say the fact behind a reason, in words; None where it has none."""
    fact = reason.fact
    if fact is None:
        return None
    told = fact_sentence(reason.template, reason.params, fact.rate, fact.typical, fact.n)
    return say(told, speech)


def say_limit(would_be: int, speech: Speech = ENGLISH) -> str:
    """Name the points that the ends of the scale took, with the score that would be."""
    return say(Sentence(fixed.LIMIT_AT, 2, {"score": would_be}), speech)


def _of_type(
    row: Template, params: Mapping[str, Value | None], shown: Value, n: int, speech: Speech
) -> Sentence:
    """Say how often or when something of one event type happened: an act, or else a label."""
    event, by = str(params["event"]), str(params.get("by") or "")
    own = speech.own(ACT + event)
    act = ACTS.get(own or ("other" if params.get("pooled") else act_of(event, by)))
    never = shown == SENTINEL or (shown == 0 and row.name == "count_ever")
    when = NOTHING if row.name == "count_ever" else _when(params)
    if row.is_duration:
        value = params.get("value")
        when, n = _ago(value) if isinstance(value, (int, float)) else NOTHING, 1
    values: dict[str, Value | Share | HowMany | Sentence | None] = {**params, "when": when}
    values |= {"times": NOTHING if row.is_duration else _times(n), "value": shown}
    if never or (shown == 0 and not row.is_duration):
        if act is None:
            chosen = (row.missing if row.is_duration else row.zero) or fixed.FALLBACK_MISSING
            return Sentence(chosen, n, values)
        return Sentence(act.never if never else act.did_not, n, values)
    if act is None and own:
        return Sentence(fixed.OWN_ACT, n, {**values, "act": ACT + event})
    return Sentence(row.sentence if act is None else act.did, n, values)


def _of_amount(
    row: Template,
    params: Mapping[str, Value | None],
    shown: Value,
    values: Values,
    speech: Speech,
) -> Sentence:
    """Say how much was spent: with the unit of its event types, and what they are."""
    types = [name for name in str(params.get("events") or "").split("\n") if name]
    units = {speech.own(UNIT + name) for name in types}
    unit = units.pop() if len(units) == 1 else ""
    if shown == 0 and row.zero:
        return Sentence(row.zero, 2, values)
    amount = _amount(shown, unit)
    if amount is None:
        amount = shown if row.name == "value_max" else Sentence(fixed.NO_UNIT, 2, {"n": shown})
    values = {**values, "amount": amount}
    if row.name == "value_sum" and types:
        if unit and are_calls(frozenset(act_of(name) for name in types)):
            return Sentence(fixed.ON_CALLS, 2, values)
        if len(types) <= 3:
            named = [speech.own(name) or speech.word(name) for name in types]
            return Sentence(fixed.SPENT_ON, 2, {**values, "label": " / ".join(named)})
    return Sentence(row.sentence, 2, values)


def _amount(shown: Value, unit: str) -> Value | Sentence | None:
    """Say a number with its unit: 7 minutes, 12 EUR; None where it has none."""
    if not unit or isinstance(shown, str):
        return None
    if unit not in fixed.AMOUNTS:
        return Sentence(fixed.AMOUNT, 2, {"n": shown, "unit": unit})
    n = round(float(shown))
    return Sentence(fixed.AMOUNTS[unit], n, {"n": n})


def _choose(row: Template, shown: Value, params: Mapping[str, Value | None]) -> Msgid:
    """Pick the variant of a sentence that fits the value; what cannot be said is not known."""
    if shown == SENTINEL:
        return row.missing or fixed.FALLBACK_MISSING
    if shown == 0 and row.zero:
        return row.zero
    level = params.get("level")
    if row.cuts and isinstance(shown, (int, float)):
        level = sum(shown >= cut for cut in row.cuts)
    return row.levels[int(level)] if row.levels and isinstance(level, int) else row.sentence


def _crowd(row: Template, params: Mapping[str, Value | None]) -> str:
    """Name the past leads that a fact counts: those that did the same, or have the same value."""
    value = params.get("value")
    none = value is None or _shown(row, value) == 0  # as it is said: .04 is 0
    if row.columns is not None and "{key}" in row.columns.name:
        if value is None or (none and row.zero_is_absent):
            return "not done"
        if str(params.get("by")) == "sales":
            return "contacted"
        return "done at" if row.is_duration else "done"
    if row.by_sales and row.of_events:
        return "contacted"
    general = row.columns is not None and row.columns.factor == "activity"
    if general and row.kind == "number":
        return "quiet" if none else "active"
    if value is None:
        return "unknown"
    return "same" if isinstance(value, str) or row.cycle else "range"


def _shown(row: Template, value: object) -> Value:
    """Write a value as a person reads it: whole from 10 up, else with one decimal."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return SENTINEL if value is None or value == "" else str(value)
    if not math.isfinite(value):
        return SENTINEL
    if row.names:
        place = int(value) - row.first
        return row.names[place] if 0 <= place < len(row.names) else SENTINEL
    return rounded(value)


def _times(n: int) -> Sentence:
    """Say how often: once, twice, 3 times."""
    if n in (1, 2):
        return Sentence(fixed.ONCE if n == 1 else fixed.TWICE)
    return Sentence(fixed.TIMES, n, {"n": n})


def _when(params: Mapping[str, Value | None]) -> Sentence:
    """Say the window or half-life that a value looks back on, in the words of a calendar."""
    half_life = params.get("half_life")
    if isinstance(half_life, (int, float)):
        return Sentence(fixed.WEEK if half_life <= 3 else fixed.LATELY)
    days = params.get("days", params.get("short"))
    if not isinstance(days, (int, float)):
        return NOTHING
    named = {7: fixed.WEEK, 28: fixed.MONTH, 30: fixed.MONTH, 31: fixed.MONTH}
    return Sentence(named[int(days)]) if days in named else _time(fixed.PERIODS, days)


def _ago(days: float) -> Sentence:
    """Say how long ago something was."""
    if not math.isfinite(days):
        return NOTHING
    return Sentence(fixed.JUST_NOW) if days * 1440 < 0.5 else _time(fixed.AGO, days)


def _time(words: Mapping[str, tuple[str, str]], days: float) -> Sentence:
    """Say a length of time in whole days, in hours where it is under a day, or in minutes."""
    for unit, each in (("days", 1.0), ("hours", 24.0)):
        if days * each >= 0.999:  # windows are stored as fractions of a day
            n = round(days * each)
            return Sentence(words[unit], n, {"n": n})
    n = max(round(days * 24 * 60), 1)
    return Sentence(words["minutes"], n, {"n": n})
