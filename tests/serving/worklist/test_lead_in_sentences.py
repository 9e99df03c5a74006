"""A lead's page in sentences: what happened, grouped; families that unfold; counts as counts."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from data.clock import DAY
from data.tables import INBOUND, OUTBOUND, Events, Tables
from features.acts import act_of
from models.explain.sentences import event_sentence
from models.explain.speech import say
from serving.worklist.language import words_of
from serving.worklist.pages.act_phrases import act_phrase, ago, answer_to, contact_by
from serving.worklist.pages.lead_history import timeline
from serving.worklist.view import ReportView
from serving.worklist.view_parts import ShownFact, ShownReason, TimelineEvent
from serving.worklist.waterfall_chart import waterfall_by_family

AT = "2026-11-01T09:00:00+00:00"


def tables_of(days: list[int], types: list[str], directions: list[int]) -> Tables:
    """Make the tables of one lead with these events, oldest first."""
    n, names = len(days), tuple(dict.fromkeys(types))
    events = Events(
        offsets=np.array([0, n]),
        at=np.array(days, np.int64) * DAY,
        recorded_at=None,
        type=np.array([names.index(each) for each in types], np.int16),
        channel=np.full(n, -1, np.int16),
        campaign=np.full(n, -1, np.int32),
        person=np.full(n, -1, np.int32),
        direction=np.array(directions, np.int8),
        value=np.full(n, np.nan, np.float32),
        type_names=names,
        channel_names=(),
        campaign_names=(),
        person_names=(),
    )
    return Tables(
        lead_ids=np.array(["L1"], object),
        created_at=np.array([0]),
        recorded_at=None,
        account=np.full(1, -1, np.int64),
        attributes=(),
        events=events,
        display=pd.DataFrame({"name": ["x"]}),
        observed_until=40 * DAY,
    )


@pytest.mark.parametrize(
    ("event", "direction", "n", "said"),
    [
        ("pricing_page", "inbound", 1, "Looked at the prices"),
        ("web_visit", "inbound", 3, "Visited the site 3 times"),
        ("sales_call", "outbound", 1, "Sales called"),
        ("call: no answer", "outbound", 2, "Did not answer the phone twice"),
        ("no_show", "unknown", 1, "Did not come to the meeting"),
        ("form_submission", "inbound", 1, "Sent a form"),
        ("x9 code", "outbound", 1, "X9 code (by sales)"),
        ("x9 code", "inbound", 2, "X9 code: twice"),
    ],
)
def test_an_event_is_a_sentence_with_a_verb(event, direction, n, said) -> None:
    earlier = (AT,) * (n - 1)
    shown = words_of("en").event(TimelineEvent(AT, event, direction, earlier=earlier), {})
    assert re.sub("<[^>]*>", "", shown) == said
    by = {"inbound": "lead", "outbound": "sales"}.get(direction, "")
    assert say(event_sentence(event, by, n)) == said


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("it", "Il commerciale ha chiamato 3 volte"),
        ("fr", "Le commercial a appelé 3 fois"),
        ("fa", "۳ بار فروش تماس گرفت"),
    ],
)
def test_the_same_sentence_is_idiomatic_elsewhere(language, said) -> None:
    event = TimelineEvent(AT, "sales_call", "outbound", earlier=(AT, AT))
    assert re.sub("<[^>]*>", "", words_of(language).event(event, {})) == said


def test_a_company_says_its_own_events_in_its_own_sentences() -> None:
    labels = {"act of x9": {"en": "Handed in the application"}, "x9": "application"}
    event = TimelineEvent(AT, "x9", "inbound", earlier=(AT,))
    text = re.sub("<[^>]*>", "", words_of("en").event(event, labels))
    assert text == "Handed in the application twice"


def test_events_alike_in_a_row_are_one_line_and_no_event_is_lost() -> None:
    days = [1, 2, 3, 20, 21, 22, 23, 24]
    types = ["web_visit", "web_visit", "web_visit", "web_visit", "call", "call", "call", "form"]
    inbound = [INBOUND] * 4 + [OUTBOUND, OUTBOUND, INBOUND, INBOUND]
    tables = tables_of(days, types, inbound)
    lines = timeline(tables, 0, 30 * DAY)
    told = [(line.label, line.direction, 1 + len(line.earlier)) for line in lines]
    assert told == [
        ("form", "inbound", 1),
        ("call", "inbound", 1),
        ("call", "outbound", 2),
        ("web_visit", "inbound", 1),
        ("web_visit", "inbound", 3),
    ]
    assert sum(n for _, _, n in told) == len(days)
    assert len(timeline(tables, 0, 22 * DAY)) == 3  # what comes later is not known yet


def test_a_question_and_its_answer_are_said_with_verbs() -> None:
    words = words_of("en")
    act = act_phrase({}, "demo_request", "lead", ago(4))
    assert act is not None
    assert str(act) == "Asked for a demo 4 days ago"
    assert re.sub("<[^>]*>", "", words.phrase(act, {})) == str(act)
    today = act_phrase({}, "chat", "lead", ago(0))
    assert str(today) == "Wrote in the chat today"
    assert act_phrase({}, "x9", "lead", ago(1)) is None
    own = act_phrase({"x9": {"en": "Handed it in"}}, "x9", "lead", ago(1))
    assert own is not None
    said = words.phrase(own, {"act of x9": {"en": "Handed it in"}})
    assert re.sub("<[^>]*>", "", said) == "Handed it in yesterday"
    for event in ("demo_request", "form", "chat", "email_reply", "phone", "quote_request"):
        assert "{label}" not in answer_to(event).text
    assert answer_to("x9").text == "Answer first: {label}"
    assert contact_by("sales_call").text == "Call"


@pytest.mark.parametrize("language", ["en", "it", "fr", "fa"])
def test_no_sentence_of_an_act_has_a_hole(language) -> None:
    for days in (0, 1, 2, 40):
        act = act_phrase({}, "demo_request", "lead", ago(days))
        assert act is not None
        assert "—" not in words_of(language).phrase(act, {})


def test_counts_have_their_thousands_apart_and_years_have_not() -> None:
    fact = ShownFact(0.46, 0.075, 12_099)
    reason = ShownReason("x", "fit", "attribute", {"label": "built", "value": 2008}, 3, fact=fact)
    words = words_of("en")
    assert "12,099 cases" in words.fact(reason, {})
    small = ShownReason(
        "x", "fit", "attribute", {"label": "x", "value": 2}, 3, fact=ShownFact(0.4, 0.1, 1099)
    )
    assert "1,099 cases" in words.fact(small, {})
    assert "2008" in words.reason(reason, {})
    many = ShownReason("activity", "engagement", "count_all_ever", {"value": 1234}, 3)
    assert "1,234 activities" in words.reason(many, {})


def test_families_unfold_to_lines_that_add_up_to_the_score(view: ReportView) -> None:
    seen = 0
    for lead in view.leads:
        if lead.detail is None or lead.score is None:
            continue
        drawn = waterfall_by_family(lead.detail, lead.score, view.about.bands, lead.families)
        for family in drawn.families:
            assert sum(row.points for row in family.lines) == family.points
            assert family.points == lead.families[family.family]
        lines = [row.points for family in drawn.families for row in family.lines]
        others = [row.points for row in drawn.ends[:-1]]
        assert drawn.typical.points + sum(lines) + sum(others) == drawn.ends[-1].points
        assert drawn.ends[-1].points == lead.score
        told = {row.reason for family in drawn.families for row in family.lines} - {None}
        count = len(lead.detail.reasons_for) + len(lead.detail.reasons_against)
        assert told == set(range(count))
        seen += 1
    assert seen > 10


def test_names_of_events_are_read_whole() -> None:
    assert act_of("form_submission") == "form"
    assert act_of("meeting_scheduled", "sales") == "meeting_agreed"
    assert act_of("newsletter", "sales") == "sales_newsletter"
    assert act_of("missed_payment") == ""
    assert np.unique([act_of("special_offer_page_view")]).tolist() == ["web_visit"]
