"""A language -> its sentences, numbers, dates and direction, all safe to show."""

from __future__ import annotations

import gettext
import math
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError, dates, numbers
from markupsafe import Markup, escape

from data.errors import InputError
from models.explain.sentences import event_sentence, fact_sentence, sentence
from models.explain.speech import (
    SENTINEL,
    WORDED,
    HowMany,
    Sentence,
    Share,
    Speech,
    capital,
    english_word,
    own_name,
    rounded,
    without_empty,
)
from models.explain.speech import Values as SentenceValues
from models.note import Note
from serving.worklist.locale import jalali
from serving.worklist.phrase import Phrase, Scalar
from serving.worklist.safe_text import in_attribute, isolated, shown
from serving.worklist.word_catalogues import languages, translations_of
from serving.worklist.written_numbers import digits_of, written_number, written_percent

if TYPE_CHECKING:
    from serving.worklist.view_parts import ShownReason, TimelineEvent

Labels = Mapping[str, str | Mapping[str, str]]


@lru_cache(maxsize=16)
def words_of(language: str) -> Words:
    """Load a language; InputError where there is no catalogue for it."""
    if language not in languages():
        raise InputError(
            f"there is no catalogue for the language {shown(language)!r}",
            cure=f"choose one of {', '.join(languages())}, or add locale/<language>.po",
        )
    try:
        return Words(language, Locale.parse(language), translations_of(language))
    except (UnknownLocaleError, ValueError) as error:
        raise InputError(f"is no language: {language!r}", cure="name the file it.po") from error


@lru_cache(maxsize=64)
def words_in(words: Words, zone: str) -> Words:
    """Give the same words with days and times in a zone."""
    return replace(words, zone=ZoneInfo(zone))


def refuse_unknown(languages: Iterable[str]) -> None:
    """Load each language before long work begins; InputError names the first unknown one."""
    for language in languages:
        words_of(language)


@dataclass(frozen=True, eq=False)
class Words:
    """Sentences, numbers and dates of one language; every method returns text safe to show."""

    language: str
    locale: Locale
    translations: gettext.NullTranslations
    zone: tzinfo = UTC  # in which days and times are written

    @cached_property
    def direction(self) -> str:
        """Give "rtl" or "ltr"."""
        return str(self.locale.text_direction)

    @property
    def mirrored(self) -> bool:
        """True where charts read from right to left."""
        return self.direction == "rtl"

    def message(self, text: str) -> str:
        """Translate a msgid; the English itself where the catalogue does not have it."""
        return self.translations.gettext(text) if text else ""

    def t(self, text: str, **params: object) -> Markup:
        """Translate and fill: values that are not Markup are cleaned, escaped and isolated."""
        return self.fill(self.message(text), params)

    def fill(self, text: str, values: Mapping[str, object]) -> Markup:
        """Fill a translated sentence: values that are not Markup are escaped and isolated."""
        filled = {name: isolated(value) for name, value in values.items()}
        # as a plain string: Markup has a formatter in Python, to escape what is Markup already
        return Markup(str(escape(text)).format_map(_DashWhereMissing(filled)))

    def attr(self, text: str, **params: object) -> str:
        """Translate and fill for an attribute: plain text, values isolated by characters."""
        filled = {name: in_attribute(_plain(value)) for name, value in params.items()}
        return self.message(text).format_map(_DashWhereMissing(filled))

    def tn(self, one: str, many: str, n: int, **params: object) -> Markup:
        """Translate with the plural form of `n`; {n} is `n` in the language's digits."""
        return self.t(self.translations.ngettext(one, many, n), n=self.number(n), **params)

    def note(self, note: str) -> Markup:
        """Translate a note on a model, its figures written with as many decimals; others isolated.

        Models that were made by earlier versions have notes that are text alone.
        """
        if not isinstance(note, Note):
            return isolated(note)
        parts = []
        for literal, name, how, _ in string.Formatter().parse(self.message(note.msgid)):
            parts.append(escape(literal))
            if name is not None:
                parts.append(self._noted(note.values[name], how or ""))
        return Markup("").join(parts)

    def _noted(self, value: str | int | float, how: str) -> Markup:
        if isinstance(value, str):
            return self.note(value)
        places = re.search(r"\.(\d+)", how)
        decimals = int(places[1]) if places else 0 if isinstance(value, int) else 2
        written = self.percent(value, decimals) if "%" in how else self.number(value, decimals)
        plus = "\u200e+" if self.mirrored else "+"
        return Markup("{}{}").format(plus, written) if "+" in how and value > 0 else written

    def phrase(self, phrase: Phrase, labels: Labels) -> Markup:
        """Translate a phrase: a sentence of the product, or a text in the company's own words."""
        text, n = self.message(phrase.text), phrase.params.get("n")
        if phrase.many and isinstance(n, int):
            text = self.translations.ngettext(phrase.text, phrase.many, n)
        if not phrase.params and text == phrase.text:
            return isolated(self.label(phrase.text, labels))
        if phrase.params.get("times") == "":
            text = without_empty(text, {"times": Sentence("")})
        return self.fill(text, self._values(phrase.params, labels))

    def reason(self, reason: ShownReason, labels: Labels) -> Markup:
        """Write a reason by its template and the lead's own values."""
        speech = self.speech(labels)
        return self._sentence(sentence(reason.template, reason.params, speech), speech, first=True)

    def event(self, event: TimelineEvent, labels: Labels) -> Markup:
        """Say what an event of the timeline was: "Sales called twice"."""
        by = {"inbound": "lead", "outbound": "sales"}.get(event.direction, "")
        return self._event(event.label, by, 1 + len(event.earlier), labels, first=True)

    def act(self, event: str, labels: Labels) -> Markup:
        """Say what an event was, within a sentence: "asked for a demo"."""
        return self._event(event, "", 1, labels, first=False)

    def _event(self, event: str, by: str, n: int, labels: Labels, *, first: bool) -> Markup:
        speech = self.speech(labels)
        sentence = event_sentence(event, by, n, speech)
        ours = not speech.say(sentence.msgid, sentence.n).startswith("{")
        said = self._sentence(sentence, speech, first=first)
        return Markup(said[:1].lower() + said[1:]) if ours and not first else said  # as it was

    def fact(self, reason: ShownReason, labels: Labels) -> Markup:
        """Write the fact behind a reason: what became of past leads with the same."""
        fact = reason.fact
        if fact is None:
            return Markup("")
        sentence = fact_sentence(reason.template, reason.params, fact.rate, fact.typical, fact.n)
        return self._sentence(sentence, self.speech(labels), first=True)

    def speech(self, labels: Labels) -> Speech:
        """Give the same words and numbers without markup, for terminals and files."""
        return Speech(
            message=self.message,
            plural=self.translations.ngettext,
            word=lambda text: self.label(text, labels),
            number=lambda value: str(self.figure(value)),
            names=labels.keys(),
            percent=lambda share: str(self.percent(share)),
            count=lambda n: str(self.number(n)),
        )

    def _sentence(self, sentence: Sentence, speech: Speech, *, first: bool = False) -> Markup:
        """Fill a sentence of reasons; its phrases, and the first word, are ours to write."""
        values = sentence.values or {}
        text = without_empty(speech.say(sentence.msgid, sentence.n), values)
        filled = {name: self._value_of(name, values, speech) for name in values}
        start = re.match(r"\{(\w+)\}", text)
        if first and start and start[1] in filled:
            value = filled[start[1]]
            begun = capital(str(value))
            filled[start[1]] = Markup(begun) if isinstance(value, Markup) else begun  # as it was
        return self.fill(text, filled)

    def _value_of(self, name: str, values: SentenceValues, speech: Speech) -> object:
        """Write one value of a sentence: a phrase, a figure, or words that are not ours."""
        value = values[name]
        if isinstance(value, Sentence):
            return self._sentence(value, speech)
        if isinstance(value, Share):
            return self.percent(value.rate)
        if isinstance(value, HowMany):
            return self.number(value.n)
        if isinstance(value, (int, float)):
            return self.figure(value)
        word = own_name(name, values, speech.names) or value or SENTINEL
        return speech.word(word) if name in WORDED else word

    def label(self, text: str, labels: Labels) -> str:
        """Name an event type, column or state by the project's own words, else the catalogue's."""
        own = labels.get(text)
        if isinstance(own, Mapping):
            own = own.get(self.language, own.get("en"))
        return str(own) if own is not None else self.word(text)

    def word(self, text: str) -> str:
        """Translate a word of the product's vocabulary; any other text stays as it is."""
        plain = english_word(text)
        for word in (text, plain):
            translated = self.translations.pgettext("word", word)
            if translated != word:
                return translated
        return plain

    def _values(
        self, params: Mapping[str, Scalar | Phrase | None], labels: Labels
    ) -> dict[str, object]:
        out: dict[str, object] = {}
        for name, value in params.items():
            if isinstance(value, Phrase):
                out[name] = self.phrase(value, labels)
                continue
            short = _short(value)
            key = params.get("event") or params.get("column")
            if name in ("label", "fact") and isinstance(key, str) and key in labels:
                short = key
            out[name] = (
                self.number(short, 1)
                if isinstance(short, (int, float))
                else " / ".join(self.label(each, labels) for each in short.split(" / "))
            )
        return out

    def digits(self, text: str) -> Markup:
        """Write digits and percent signs as the language does, and minus signs as U+2212."""
        return Markup(text.translate(digits_of(self.locale.language, self.mirrored)))

    def number(self, value: float, decimals: int = 0) -> Markup:
        """Write a number with at most so many decimals, grouped as the language groups."""
        pattern = "#,##0" + ("." + "#" * decimals if decimals else "")
        return self.digits(written_number(float(value), pattern, str(self.locale)))

    def tenths(self, value: float) -> Markup:
        """Write a number with one decimal always, so that those of a column stand in line."""
        return self.digits(written_number(float(value), "#,##0.0", str(self.locale)))

    def figure(self, value: float) -> Markup:
        """Write a value of a lead: grouped from 10,000 on, since 2008 may be a year."""
        if abs(value) >= 10_000:
            return self.number(value, 1)
        return self.digits(written_number(float(value), "0.#", str(self.locale)))

    def signed(self, value: int) -> Markup:
        """Write points with their sign, zero without."""
        plus = "\u200e+" if self.mirrored else "+"  # the sign stands left of the digits
        return Markup("{}{}").format(plus, self.number(value)) if value > 0 else self.number(value)

    def percent(self, share: float, decimals: int | None = None) -> Markup:
        """Write a share as a percentage; by default one decimal under 10 % and close to 100 %.

        100 % is written of the whole alone: a chance of .9997 is 99.9 %.
        """
        finely = 0 < abs(share) < 0.0995 or 0.995 <= share < 1
        if decimals is None and 0.9995 <= share < 1:
            share = 0.999
        places = decimals if decimals is not None else int(finely)
        return self.digits(written_percent(float(share), places, str(self.locale)))

    def money(self, amount: float, currency: str) -> Markup:
        """Write an amount without cents in its currency."""
        text = numbers.format_currency(
            round(amount),
            currency,
            locale=self.locale,
            currency_digits=False,
            format=self.locale.currency_formats["standard"].pattern.replace("0.00", "0"),
            numbering_system="default",
        )
        return self._isolated_amount(text)

    def cents(self, amount: float, currency: str) -> Markup:
        """Write an amount to the cent in its currency."""
        text = numbers.format_currency(
            round(amount, 2) + 0.0,  # -0.0 is 0
            currency,
            locale=self.locale,
            currency_digits=False,
            numbering_system="default",
        )
        return self._isolated_amount(text)

    def _isolated_amount(self, text: str) -> Markup:
        """Isolate an amount: two side by side in a text from right to left would change places."""
        amount = f"\u2066{text}\u2069" if self.mirrored else text
        return self.digits(str(escape(amount)))

    def date(self, at: str, style: str = "medium") -> Markup:
        """Write the day of an ISO timestamp: "medium", or "short" without the year."""
        return self._date(at, style)

    @lru_cache(maxsize=16_384)  # noqa: B019  # one Words per language and zone lives so long
    def _date(self, at: str, style: str) -> Markup:
        moment = _moment(at, self.zone)
        if self.locale.language == "fa":
            return self.digits(jalali.format_date(moment.date(), style))
        if style == "short":
            return self.digits(dates.format_skeleton("MMMd", moment, locale=self.locale))
        return self.digits(dates.format_date(moment, style, locale=self.locale))

    def time(self, at: str) -> Markup:
        """Write day and time of an ISO timestamp, in the zone of these words."""
        moment = _moment(at, self.zone)
        clock = dates.format_time(moment, "short", locale=self.locale, tzinfo=self.zone)
        return Markup("{} {}").format(self.date(at), self.digits(clock))


class _DashWhereMissing(dict[str, object]):
    """Values of placeholders; a missing one is an em dash, so that a report never fails over it."""

    def __missing__(self, key: str) -> str:
        return "—"


def _short(value: Scalar | None) -> str | int | float:
    """Round to what a person reads; a dash for what is not known."""
    if isinstance(value, str) or value is None:
        return value or SENTINEL
    return rounded(value) if math.isfinite(value) else SENTINEL


def _plain(value: object) -> str:
    return value.unescape() if isinstance(value, Markup) else str(value)


def _moment(at: str, zone: tzinfo) -> datetime:
    """Read an ISO timestamp into a zone; a day alone is that day everywhere."""
    moment = datetime.fromisoformat(at)
    if len(at) == len("2026-01-31"):
        return moment.replace(tzinfo=zone)
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(zone)
