import gc
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from data.errors import InputError
from features.acts import ACTS
from models.explain.points import ScoreReason
from models.explain.sentences import render as say_reason
from models.explain.speech import Speech
from serving.worklist import word_catalogues
from serving.worklist.html import render
from serving.worklist.language import Words, words_in, words_of
from serving.worklist.locale.jalali import from_gregorian
from serving.worklist.phrase import Phrase
from serving.worklist.proof_words import proof_sentences
from serving.worklist.view import ReportView
from serving.worklist.view_parts import ShownReason
from serving.worklist.word_catalogues import languages
from tests.serving.worklist.messages import collect, problems, template_file


@pytest.mark.parametrize("language", [name for name in languages() if name != "en"])
def test_no_message_is_untranslated_broken_or_unused(language: str) -> None:
    assert problems(language) == []


def test_the_template_file_holds_exactly_the_messages_of_the_report() -> None:
    def keys(catalogue: object) -> set[object]:
        return {(m.context, m.id) for m in catalogue if m.id}  # type: ignore[attr-defined]

    assert keys(template_file()) == keys(collect())


def test_the_languages_are_english_italian_french_and_persian() -> None:
    assert set(languages()) >= {"en", "it", "fr", "fa"}


def test_a_language_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, view: ReportView
) -> None:
    text = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    (tmp_path / "de.po").write_text(text + 'msgid "Today"\nmsgstr "Heute"\n')
    monkeypatch.setattr(word_catalogues, "FOLDER", tmp_path)
    words_of.cache_clear()
    try:
        assert "Heute" in render(view, "de")
    finally:
        words_of.cache_clear()


@pytest.fixture
def polish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Words]:
    """A catalogue with three plural forms, one of them not translated yet."""
    forms = "nplurals=3; plural=n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2;"
    (tmp_path / "pl.po").write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Plural-Forms: {forms}\\n"\n\n'
        'msgid "{n} day"\nmsgid_plural "{n} days"\n'
        'msgstr[0] "{n} dzień"\nmsgstr[1] "{n} dni"\nmsgstr[2] ""\n\n'
        'msgctxt "word"\nmsgid "open"\nmsgstr "otwarty"\n\n'
        'msgid "open"\nmsgstr "otwórz"\n'
    )
    monkeypatch.setattr(word_catalogues, "FOLDER", tmp_path)
    words_of.cache_clear()
    yield words_of("pl")
    words_of.cache_clear()


@pytest.mark.parametrize(
    ("n", "text"), [(1, "1 dzień"), (2, "2 dni"), (22, "22 dni"), (5, "5 days")]
)
def test_plurals_follow_the_catalogue_and_a_missing_form_is_english(
    polish: Words, n: int, text: str
) -> None:
    assert polish.tn("{n} day", "{n} days", n).striptags() == text


def test_a_word_and_a_message_of_the_same_english_are_two_entries(polish: Words) -> None:
    assert (polish.word("open"), polish.message("open")) == ("otwarty", "otwórz")
    assert (polish.word("shut"), polish.message("shut"), polish.message("")) == ("shut", "shut", "")


@pytest.mark.parametrize("language", languages())
def test_a_language_is_loaded_in_a_moment(language: str) -> None:
    words_of.cache_clear()
    gc.collect()  # what other tests left is not to be collected while the language is loaded
    started = time.process_time()
    words_of(language)
    assert time.process_time() - started < 0.2


def test_an_unknown_language_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=f"choose one of {', '.join(languages())}"):
        words_of("xx")


NUMBERS = [
    ("en", 12345.6, "12,345.6"),
    ("it", 12345.6, "12.345,6"),
    ("fr", 12345.6, "12\u202f345,6"),
    ("fa", 12345.6, "۱۲٬۳۴۵٫۶"),
]


@pytest.mark.parametrize(("language", "value", "shown"), NUMBERS)
def test_numbers_are_written_as_the_language_writes_them(
    language: str, value: float, shown: str
) -> None:
    assert str(words_of(language).number(value, 1)) == shown


@pytest.mark.parametrize(
    ("language", "said"), [("en", "6.2%"), ("it", "6,2%"), ("fa", "\u06f6\u066b\u06f2\u066a")]
)
def test_percent_signs_are_those_of_the_language(language: str, said: str) -> None:
    assert words_of(language).percent(0.062) == said


def test_dates_follow_the_calendar_of_the_language() -> None:
    assert str(words_of("it").date("2026-11-22T06:30:00+00:00")) == "22 nov 2026"
    assert str(words_of("fa").date("2026-11-22T06:30:00+00:00")) == "۱ آذر ۱۴۰۵"


JALALI = [
    (date(2026, 3, 21), (1405, 1, 1)),
    (date(2025, 3, 20), (1403, 12, 30)),
    (date(2021, 3, 21), (1400, 1, 1)),
    (date(1979, 2, 11), (1357, 11, 22)),
]


@pytest.mark.parametrize(("day", "persian"), JALALI)
def test_known_days_of_the_persian_calendar(day: date, persian: tuple[int, int, int]) -> None:
    assert from_gregorian(day) == persian


@given(st.dates(date(1950, 1, 1), date(2090, 1, 1)))
def test_the_persian_calendar_has_no_hole_between_a_day_and_the_next(day: date) -> None:
    (y, m, d), (y2, m2, d2) = (
        from_gregorian(day),
        from_gregorian(date.fromordinal(day.toordinal() + 1)),
    )
    assert (y2, m2, d2) in {(y, m, d + 1), (y, m + 1, 1), (y + 1, 1, 1)}


def test_a_reason_takes_the_plural_of_its_language() -> None:
    reason = ShownReason("own", "engagement", "n_people", {"label": "x", "value": 1, "days": 7}, 5)
    assert str(words_of("it").reason(reason, {})) == "1 persona è coinvolta"
    many = replace(reason, params={**reason.params, "value": 3})
    assert str(words_of("it").reason(many, {})) == "3 persone sono coinvolte"


SAID = {
    "en": ("Asked for a demo this week", "Asked for a demo twice this week"),
    "it": (
        "Ha chiesto una demo questa settimana",
        "Ha chiesto una demo due volte questa settimana",
    ),
    "fr": ("A demandé une démo cette semaine", "A demandé une démo deux fois cette semaine"),
    "fa": ("این هفته یک بار درخواست نمایش محصول داد", "این هفته دو بار درخواست نمایش محصول داد"),
}


@pytest.mark.parametrize("language", languages())
def test_an_act_is_a_whole_sentence_in_every_language(language: str) -> None:
    params = {"event": "demo_request", "label": "demo request", "days": 7, "value": 1}
    one = ShownReason("demo", "engagement", "count_window", params, 5)
    two = replace(one, params={**params, "value": 2})
    said = tuple(str(words_of(language).reason(r, {})) for r in (one, two))
    assert said == SAID[language]


@pytest.mark.parametrize("language", [name for name in languages() if name != "en"])
def test_no_act_is_said_in_english_in_another_language(language: str) -> None:
    speech = words_of(language).speech({})
    for name, act in ACTS.items():
        for msgid in (act.did, act.did_not, act.never):
            assert speech.say(msgid, 3) != Speech().say(msgid, 3), name


def test_a_company_gives_its_own_words_to_its_events() -> None:
    reason = ShownReason("x", "fit", "count_ever", {"event": "x9", "label": "x9", "value": 2}, 1)
    labels = {"x9": {"en": "site visits", "fr": "visites"}}
    assert "Visites" in str(words_of("fr").reason(reason, labels))


def test_days_and_windows_are_said_in_the_language() -> None:
    day = ShownReason("calendar", "context", "created_weekday", {"label": "x", "value": 5.0}, 1)
    assert "sabato" in str(words_of("it").reason(day, {}))
    hours = {"label": "chat", "value": 2, "days": 0.25}
    brief = ShownReason("chat", "engagement", "count_window", hours, 1)
    assert "ces 6 dernières heures" in str(words_of("fr").reason(brief, {}))


def test_a_level_written_like_a_name_is_found_among_the_words() -> None:
    assert words_of("it").word("this_year") == words_of("it").word("this year") != "this year"
    assert words_of("en").word("this_year") == "this year"
    assert words_of("en").word("it") == "IT"


def test_a_year_is_not_grouped_and_a_large_amount_is() -> None:
    for value, text in ((2008.0, "2008"), (15000.0, "15.000")):
        said = ShownReason("f", "fit", "attribute", {"label": "x", "value": value}, 1)
        assert text in str(words_of("it").reason(said, {}))


def test_plain_speech_says_what_the_report_says() -> None:
    labels = {
        "x9": {"en": "site visits", "fa": "بازدید"},
        "act of x8": {"en": "Signed <b>", "fa": "امضا کرد"},
        "unit of x7": "minutes",
    }
    for event, template in (("x9", "count_window"), ("x8", "count_window"), ("x7", "value_sum")):
        params = {"event": event, "events": event, "label": event, "value": 2, "days": 7}
        if template == "value_sum":
            del params["event"]
        model = ScoreReason("f", "engagement", 3, 3.0, template, params)
        for language in languages():
            words = words_of(language)
            markup = words.reason(ShownReason("f", "engagement", template, params, 3), labels)
            plain = Markup(markup).striptags()
            assert plain == say_reason(model, words.speech(labels))


def test_values_that_are_not_ours_are_isolated_and_never_read_as_a_format() -> None:
    text = str(words_of("en").phrase(Phrase("{n} open", {"n": "{0.__class__}<b>"}), {}))
    assert text == "<bdi>{0.__class__}&lt;b&gt;</bdi> open"


def test_days_and_times_are_those_of_the_project_and_a_day_alone_stays_that_day() -> None:
    rome, york = (words_in(words_of("en"), zone) for zone in ("Europe/Rome", "America/New_York"))
    late = "2026-11-22T23:30:00+00:00"
    assert rome.time(late) == "Nov 23, 2026 12:30\u202fAM"
    assert york.time(late) == "Nov 22, 2026 6:30\u202fPM"
    assert york.date("2026-11-22") == "Nov 22, 2026"


def test_the_report_names_its_zone_once(view: ReportView) -> None:
    page = render(replace(view, about=replace(view.about, timezone="Asia/Tehran")), "en")
    assert page.count("All times are those of") == 1


def test_no_chance_is_written_as_certain():
    words = words_of("en")
    said = [str(words.percent(share)) for share in (0.082, 0.5, 0.994, 0.9968, 0.9997, 1.0)]
    assert said == ["8.2%", "50%", "99%", "99.7%", "99.9%", "100%"]


def test_no_band_is_said_to_keep_its_promise_before_outcomes_can_tell(view: ReportView) -> None:
    assert view.trust is not None
    proven = replace(view, trust=replace(view.trust, verdict="trust"))
    kept = tuple(band for band in view.trust.bands if band.kept)
    unproven = replace(view, trust=replace(view.trust, verdict="unproven", bands=kept))
    words = words_of("en")
    said, not_said = (" ".join(proof_sentences(v, words)) for v in (proven, unproven))
    assert "promise" in said.lower()
    assert "promise" not in not_said.lower()


@pytest.mark.parametrize("language", ["en", "it", "fr", "fa"])
def test_nothing_is_zero_without_a_sign_whatever_was_written_before(language: str) -> None:
    words = words_of(language)
    for zero, write in (
        (words.number(0), words.number),
        (words.tenths(0), words.tenths),
        (words.percent(0.0), words.percent),
    ):
        assert [write(value) for value in (-0.0, 0.0, -0.0, -1e-9)][:3] == [zero] * 3
    assert words.number(-0.04, 1) == words.number(0)
