"""A sentence and a language -> plain text: words, numbers and plurals as it has them.

Values are put in by plain replacement: what stands in a lead's data is never read as a format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from features.template_row import Msgid

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
NOTHING = Sentence("")
"""A phrase that says nothing: its place is taken out of the sentence."""


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


def rounded(value: float) -> int | float:
    """Round to what a person reads: whole from 10 up, else at most one decimal."""
    shown = round(float(value), 0 if abs(value) >= 10 else 1)
    return int(shown) if shown.is_integer() else shown


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


def say(told: Sentence, speech: Speech = ENGLISH) -> str:
    """Fill a sentence as plain text and begin it with a capital."""
    text = _fill(told, speech)
    return capital(text) if speech.say(told.msgid, told.n).startswith("{") else text


def without_empty(template: str, values: Mapping[str, object]) -> str:
    """Take places out of a sentence that say nothing, with the space beside them.

    >>> without_empty("Visited the site {when}", {"when": Sentence("")})
    'Visited the site'
    """
    for name, value in values.items():
        if value == NOTHING:
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
