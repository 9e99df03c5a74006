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

from features.templates import TEMPLATES, Msgid, Template
from models.explain.fixed_sentences import FACT, FALLBACK, FALLBACK_MISSING, PERIODS, SPANS
from models.explain.points import ObservedRate, ScoreReason

SHORT_FORMS = {"it": "IT", "hr": "HR", "vp": "VP", "c_level": "C level"}
WORDED = frozenset({"label", "value"})  # places that words are put into
SENTINEL = "—"

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time as it is said: a plural msgid of PERIODS or SPANS, and its {n}."""

    msgid: tuple[str, str]
    n: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is to be said: `n` chooses the plural form, `values` fill the {places}."""

    msgid: Msgid
    n: int
    values: Mapping[str, Value | Period | None]


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


@dataclass(frozen=True, slots=True)
class Speech:
    """A language of the reasons: msgids, plurals, words and numbers; English by default.

    `word` translates labels and levels. `names` are the event types and columns that the company
    has words of its own for: `word` is asked for these by name, not by our label.
    """

    message: Callable[[str], str] = same
    plural: Callable[[str, str, int], str] = english_plural
    word: Callable[[str], str] = english_word
    number: Callable[[int | float], str] = plain_number
    names: Collection[str] = ()

    def say(self, msgid: Msgid, n: int = 2) -> str:
        """Translate a msgid, in the plural form of `n` where it has one."""
        return self.message(msgid) if isinstance(msgid, str) else self.plural(*msgid, n)


ENGLISH = Speech()
_ANY = Template("", FALLBACK)  # what a model of another version may bring


def sentence(template: str, params: Mapping[str, Value | None]) -> Sentence:
    """Choose what is said of a value: the variant of its template, lengths of time, names."""
    row = TEMPLATES.get(template, _ANY)
    value = params.get("value")
    shown = _shown(row, value)
    msgid = _choose(row, shown)
    n = abs(shown) if isinstance(shown, int) else 2
    window, length = params.get("days"), _length(row, value)
    times = {
        "period": _time(PERIODS, window) if isinstance(window, (int, float)) else None,
        "span": None if length is None else _time(SPANS, length),
    }
    return Sentence(msgid, n, {**params, "value": shown, **times})


def render(reason: ScoreReason, speech: Speech = ENGLISH) -> str:
    """Say a reason in words: "Visits to the pricing page: 3 in the last 7 days"."""
    chosen = sentence(reason.template, reason.params)
    return _fill(speech.say(chosen.msgid, chosen.n), chosen.values, speech)


def render_fact(fact: ObservedRate, speech: Speech = ENGLISH) -> str:
    """Say the fact behind a reason: how many such leads became opportunities, counted."""
    rate, typical = (
        f"{speech.number(round(100 * share))} %" for share in (fact.rate, fact.typical)
    )
    values: dict[str, Value | Period | None] = {"rate": rate, "typical": typical, "n": fact.n}
    return _fill(speech.say(FACT), values, speech)


def _choose(row: Template, shown: Value) -> Msgid:
    """Pick the variant of a sentence that fits the value; what cannot be said is not known."""
    if shown == SENTINEL:
        return row.missing or FALLBACK_MISSING
    return row.zero if shown == 0 and row.zero else row.sentence


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


def _length(row: Template, value: object) -> float | None:
    """Read a value as a length of time in days, where it is one."""
    if not row.is_duration or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _time(words: Mapping[str, tuple[str, str]], days: float) -> Period:
    """Say a length of time in whole days, in hours where it is under a day, or in minutes."""
    for unit, each in (("days", 1.0), ("hours", 24.0)):
        if days * each >= 0.999:  # windows are stored as fractions of a day
            return Period(words[unit], round(days * each))
    return Period(words["minutes"], max(round(days * 24 * 60), 1))


def _fill(template: str, values: Mapping[str, Value | Period | None], speech: Speech) -> str:
    """Replace {names} once, left to right; what is put in is not looked at again."""

    def put(match: re.Match[str]) -> str:
        name = match.group(1)
        value = values.get(name)
        if value is None:
            return match.group(0)
        if isinstance(value, Period):
            text = speech.say(value.msgid, value.n).replace("{n}", speech.number(value.n))
        elif isinstance(value, str):
            word = own_name(name, values, speech.names) or value
            text = speech.word(word) if name in WORDED else value
        else:
            text = speech.number(value)
        return capital(text) if match.start() == 0 else text

    return re.sub(r"\{(\w+)\}", put, template)


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
