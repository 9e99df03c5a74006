"""Turns a reason into a sentence, in the reader's language and the company's own words.

`sentence` chooses what is said: the msgid, and values as a person reads them. `render` fills it in
as plain text; the report fills the same sentence as HTML. Values are put in by plain replacement:
what stands in a lead's data is never read as a format.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from data.schema_steps import ACT, UNIT
from features.acts import ACTS, act_of, are_calls
from features.template_row import Msgid, Template
from features.templates import TEMPLATES
from models.explain import fixed_sentences as fixed
from models.explain.points import ScoreReason

SHORT_FORMS = {"it": "IT", "hr": "HR", "vp": "VP", "c_level": "C level"}
WORDED = frozenset({"label", "value", "act", "unit"})  # places that words are put into
SENTINEL = "—"

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Share:
    """A rate, 0 to 1, to be said in per cent."""

    rate: float


@dataclass(frozen=True, slots=True)
class HowMany:
    """A number of things, written with its thousands apart; another number may be a year."""

    n: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is to be said: `n` chooses the plural form, `values` fill the {places}.

    A value that is a sentence itself is a whole phrase, such as "twice" or "in the last 6 hours".
    """

    msgid: Msgid
    n: int = 2
    values: Mapping[str, Value | Share | HowMany | Sentence | None] | None = None


Values = Mapping[str, Value | Share | HowMany | Sentence | None]
_NOTHING = Sentence("")


def same(text: str) -> str:
    """Translate to English: leave the msgid as it is."""
    return text


def english_plural(one: str, many: str, n: int) -> str:
    """Choose the English form."""
    return one if n == 1 else many


def english_word(text: str) -> str:
    """Write a level or label: short forms in capitals, names_like_this in words, else as it is.

    >>> english_word("hr"), english_word("this_year"), english_word("A_SENT")
    ('HR', 'this year', 'A_SENT')
    """
    name = re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", text)
    return SHORT_FORMS.get(text, text.replace("_", " ") if name else text)


def plain_number(value: int | float) -> str:
    """Write a number for a person: thousands apart from 10,000 on, no trailing zeros."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:.0f}"
    whole = int(value)
    return f"{whole:,}" if abs(whole) >= 10_000 else str(whole)


def plain_count(n: int) -> str:
    """Write how many things there are, thousands apart.

    >>> plain_count(1099)
    '1,099'
    """
    return f"{n:,}"


def plain_percent(share: float) -> str:
    """Write a share in per cent, with one decimal under 10.

    >>> plain_percent(0.532), plain_percent(0.075)
    ('53%', '7.5%')
    """
    return f"{100 * share:.{1 if 0 < share < 0.0995 else 0}f}%"


@dataclass(frozen=True, slots=True)
class Speech:
    """A language of the reasons: msgids, plurals, words and numbers; English by default.

    `word` translates labels and levels. `names` are the event types and columns that the company
    has words of its own for, and with ACT and UNIT before them those it has sentences and units
    for: `word` is asked for these by name, not by our label.
    """

    message: Callable[[str], str] = same
    plural: Callable[[str, str, int], str] = english_plural
    word: Callable[[str], str] = english_word
    number: Callable[[int | float], str] = plain_number
    names: Collection[str] = ()
    percent: Callable[[float], str] = plain_percent
    count: Callable[[int], str] = plain_count

    def say(self, msgid: Msgid, n: int = 2) -> str:
        """Translate a msgid, in the plural form of `n` where it has one."""
        if isinstance(msgid, str):
            return self.message(msgid) if msgid else ""
        return self.plural(*msgid, n)

    def own(self, key: str) -> str:
        """Give the company's own words for a key; "" where it has none."""
        return self.word(key) if key in self.names else ""


ENGLISH = Speech()
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
    values |= {"times": _times(n), "when": _when(params), "span": _NOTHING}
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
    times = _NOTHING if n == 1 else _times(n)
    values: Values = {"event": event, "label": event, "times": times, "when": _NOTHING}
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
    when = _NOTHING if row.name == "count_ever" else _when(params)
    if row.is_duration:
        value = params.get("value")
        when, n = _ago(value) if isinstance(value, (int, float)) else _NOTHING, 1
    values: dict[str, Value | Share | HowMany | Sentence | None] = {**params, "when": when}
    values |= {"times": _NOTHING if row.is_duration else _times(n), "value": shown}
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
    rounded = round(float(value), 0 if abs(value) >= 10 else 1)
    return int(rounded) if rounded.is_integer() else rounded


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
        return _NOTHING
    named = {7: fixed.WEEK, 28: fixed.MONTH, 30: fixed.MONTH, 31: fixed.MONTH}
    return Sentence(named[int(days)]) if days in named else _time(fixed.PERIODS, days)


def _ago(days: float) -> Sentence:
    """Say how long ago something was."""
    if not math.isfinite(days):
        return _NOTHING
    return Sentence(fixed.JUST_NOW) if days * 1440 < 0.5 else _time(fixed.AGO, days)


def _time(words: Mapping[str, tuple[str, str]], days: float) -> Sentence:
    """Say a length of time in whole days, in hours where it is under a day, or in minutes."""
    for unit, each in (("days", 1.0), ("hours", 24.0)):
        if days * each >= 0.999:  # windows are stored as fractions of a day
            n = round(days * each)
            return Sentence(words[unit], n, {"n": n})
    n = max(round(days * 24 * 60), 1)
    return Sentence(words["minutes"], n, {"n": n})


def say(told: Sentence, speech: Speech = ENGLISH) -> str:
    """Fill a sentence as plain text and begin it with a capital."""
    text = _fill(told, speech)
    return capital(text) if speech.say(told.msgid, told.n).startswith("{") else text


def _fill(told: Sentence, speech: Speech) -> str:
    """Replace {names} once, left to right; what is put in is not looked at again."""
    template, values = speech.say(told.msgid, told.n), told.values or {}

    def put(match: re.Match[str]) -> str:
        name = match.group(1)
        value = values.get(name)
        if value is None:
            return match.group(0)
        if isinstance(value, Sentence):
            return _fill(value, speech)
        if isinstance(value, Share):
            return speech.percent(value.rate)
        if isinstance(value, HowMany):
            return speech.count(value.n)
        if isinstance(value, str):
            word = own_name(name, values, speech.names) or value
            return speech.word(word) if name in WORDED else value
        return speech.number(value)

    return re.sub(r"\{(\w+)\}", put, without_empty(template, values)).strip()


def without_empty(template: str, values: Mapping[str, object]) -> str:
    """Take places out of a sentence that say nothing, with the space beside them.

    >>> without_empty("Visited the site {when}", {"when": Sentence("")})
    'Visited the site'
    """
    for name, value in values.items():
        if value == _NOTHING:
            template = re.sub(rf" ?\{{{name}\}} ?", " ", template).strip()
    return template


def own_name(name: str, values: Mapping[str, object], names: Collection[str]) -> str | None:
    """Find the event type or column that a label stands for, where the company has a word for it.

    >>> own_name("label", {"label": "web visit", "event": "web_visit"}, {"web_visit"})
    'web_visit'
    """
    key = values.get("event") or values.get("column")
    return key if name == "label" and isinstance(key, str) and key in names else None


def capital(text: str) -> str:
    """Begin a sentence with a capital, unless the word has a spelling of its own.

    >>> capital("web visit"), capital("eBay")
    ('Web visit', 'eBay')
    """
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first == first.lower() else text
