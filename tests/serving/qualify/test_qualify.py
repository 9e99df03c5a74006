"""Qualification on four leads whose every answer can be checked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.clock import DAY, NEVER
from data.errors import InputError
from data.rules.expressions import parse
from data.schema import Project
from data.tables import Attribute, Events, Snapshots, Tables
from features.build import build
from features.catalogue import make_catalogue
from serving.qualify.criterion_words import word_criterion
from serving.qualify.engine import compile_rules, qualify
from serving.qualify.rule_facts import RuleFacts
from serving.worklist.language import words_of

NOW = 100 * DAY
IDS = ["competitor", "cold", "trial", "ready"]


def _events() -> Events:
    # (lead, day, type): type 0 ebook, 1 demo_request, 2 trial
    rows = [(1, 20, 0), (2, 95, 2), (3, 30, 1), (3, 90, 1), (3, 99, 1), (3, 100, 1), (3, 120, 1)]
    lead = np.array([row[0] for row in rows])
    n = len(rows)
    return Events(
        offsets=np.searchsorted(lead, np.arange(5)).astype(np.int64),
        at=np.array([row[1] * DAY for row in rows], dtype=np.int64),
        recorded_at=None,
        type=np.array([row[2] for row in rows], dtype=np.int16),
        channel=np.full(n, -1, np.int16),
        campaign=np.full(n, -1, np.int32),
        person=np.full(n, -1, np.int32),
        direction=np.zeros(n, np.int8),
        value=np.full(n, np.nan, np.float32),
        type_names=("E-book", "demo_request", "trial"),
        channel_names=(),
        campaign_names=(),
        person_names=(),
    )


TABLES = Tables(
    lead_ids=np.array(IDS, dtype=object),
    created_at=np.array([10, 20, 50, 30]) * DAY,
    recorded_at=None,
    account=np.full(4, -1, dtype=np.int64),
    attributes=(
        Attribute("employees", "number", np.array([500.0, 3.0, np.nan, 80.0])),
        Attribute(
            "industry", "category", np.array(["rival", "retail", "software", "software"], object)
        ),
        Attribute(
            "budget",
            "category",
            np.array(["known", "known", None, "known"], object),
            known_at=np.array([50 * DAY, 101 * DAY, NEVER, 60 * DAY]),
        ),
        Attribute(
            "role",
            "category",
            np.array(["boss", None, "user", "boss"], object),
            known_at=np.array([50 * DAY, NEVER, 70 * DAY, 100 * DAY]),
        ),
    ),
    events=_events(),
    display=pd.DataFrame({"channel": ["web", "event", None, "web"]}),
    observed_until=NOW,
)
SNAPSHOTS = Snapshots(np.arange(4), np.full(4, NOW))
SECTION: dict[str, object] = {
    "definition": "A person who decides agrees to a meeting.",
    "bant": {"budget": "budget", "authority": "role"},
    "icp": [
        {"when": "employees between 50 and 1000", "weight": 3, "label": "50 to 1,000 people"},
        {"when": "industry = 'software'", "weight": 1},
    ],
    "disqualify": [
        {"reason": "competitor", "when": "industry = 'rival'"},
        {"reason": "too small", "when": "employees < 2"},
    ],
    "levels": {
        "interest": {
            "high": "n_demo_request_90d >= 1",
            "medium": "n_trial_ever >= 1",
            "low": "true",
        }
    },
    "stages": [
        {"name": "lead", "content": ["a guide"], "next_step": "Invite to the webinar"},
        {
            "name": "prospect",
            "when": "interest in ('medium', 'high') and icp >= 50",
            "content": ["a case study", "the price list"],
            "next_step": "Ask about the budget",
        },
        {
            "name": "opportunity_ready",
            "when": "n_demo_request_90d >= 2 and budget_known "
            "and authority is known and score >= 60",
            "content": ["a tailored offer"],
            "next_step": "Agree a meeting",
        },
    ],
}


def _project(section: dict[str, object] = SECTION) -> Project:
    return Project.model_validate(
        {
            "project": {"name": "four"},
            "leads": {"source": "leads.csv", "id": "id", "created_at": "c", "converted_at": "o"},
            "conversion": {"horizon": "30d"},
            "qualification": section,
        }
    )


SCORED = {"score": np.array([90, 10, 50, 80])}


def test_each_lead_stands_where_its_criteria_say() -> None:
    found = qualify(TABLES, SNAPSHOTS, _project(), scored=SCORED)
    assert list(found.stage_names) == [None, "lead", "prospect", "prospect"]
    assert list(found.rule_reasons) == ["competitor", None, None, None]
    assert list(found.levels["interest"]) == ["low", "low", "medium", "high"]
    # unknown company size: half the weight of 3, and software's 1, of 4
    assert found.icp.tolist() == [75.0, 0.0, 62.5, 100.0]
    assert found.counts() == (("lead", 1), ("prospect", 2), ("opportunity_ready", 0))
    assert found.counts_by_rule() == (("competitor", 1), ("too small", 0))


def test_the_card_says_what_is_known_what_is_missing_and_what_to_do() -> None:
    card = qualify(TABLES, SNAPSHOTS, _project(), scored=SCORED).card(3)
    assert (card.stage, card.next_stage) == ("prospect", "opportunity_ready")
    assert [(a.question, a.value, a.known_at) for a in card.answers] == [
        ("budget", "known", 60 * DAY),
        ("authority", None, None),  # it became known at as_of itself: not before it
    ]
    assert [(str(gap.phrase), gap.unknown) for gap in card.missing] == [("authority ✓", False)]
    assert card.content == ("a case study", "the price list")
    assert card.next_step == "Ask about the budget"
    assert card.icp_match == 1.0
    assert card.icp[0] == ("50 to 1,000 people", True, 3.0)


def test_a_disqualified_lead_has_a_reason_and_no_next_step() -> None:
    card = qualify(TABLES, SNAPSHOTS, _project(), scored=SCORED).card(0)
    assert (card.stage, card.rule, card.rule_text) == (None, "competitor", "industry = 'rival'")
    assert (card.next_step, card.missing, card.content) == (None, (), ())


def test_later_the_same_lead_has_moved_on() -> None:
    later = Snapshots(np.array([3]), np.array([100 * DAY + 1]))
    found = qualify(TABLES, later, _project(), scored={"score": np.array([80])})
    assert list(found.stage_names) == ["opportunity_ready"]
    assert found.card(0).missing == ()


def test_events_count_strictly_before_as_of_and_inside_the_window() -> None:
    facts = RuleFacts(TABLES, SNAPSHOTS, _project())
    assert np.asarray(facts["n_demo_request_90d"]).tolist() == [0, 0, 0, 3]
    assert np.asarray(facts["n_demo_request_10d"]).tolist() == [0, 0, 0, 2]
    assert np.asarray(facts["n_e_book_ever"]).tolist() == [0, 1, 0, 0]
    assert np.asarray(facts["days_since_demo_request"]).tolist()[3] == 1.0
    assert np.asarray(facts["age_days"]).tolist() == [90, 80, 50, 70]


def test_a_rule_counts_an_event_type_in_each_of_its_spellings() -> None:
    names = ("trial", "Demo request", "demo_request")  # 2 trial is now a second spelling of 1
    twice = replace(TABLES, events=replace(TABLES.events, type_names=names))
    named = _project({"weights": dict.fromkeys(names, 1)})
    frame = build(twice, SNAPSHOTS, make_catalogue(twice, named))
    assert frame.to_pandas()["n_demo_request_ever"].tolist() == [0, 0, 0, 3]  # of one spelling
    for facts in (
        RuleFacts(twice, SNAPSHOTS, named),
        RuleFacts(twice, SNAPSHOTS, named, features=frame),
    ):
        assert np.asarray(facts["n_demo_request_ever"]).tolist() == [0, 0, 1, 3]
        assert np.asarray(facts["n_demo_request_20d"]).tolist() == [0, 0, 1, 2]
        assert np.asarray(facts["days_since_demo_request"]).tolist()[2:] == [5.0, 1.0]


def test_the_frame_has_one_row_per_lead_for_lists_and_the_crm() -> None:
    frame = qualify(TABLES, SNAPSHOTS, _project(), scored=SCORED).frame()
    assert frame["lead_id"].tolist() == IDS
    assert frame.loc[1, "missing"] == "interest: medium / high; icp ≥ 50"
    assert frame.loc[3, "budget"] == "known"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"disqualify": [{"reason": "low", "when": "score < 5"}]}, "rules come before the model"),
        ({"icp": [{"when": "employes > 3"}]}, "did you mean employees"),
        (
            {"stages": [{"name": "hot", "when": "n_demo_reqest_90d > 0"}]},
            r"stages\[0\].when \(hot\).*n_demo_request",
        ),
        ({"stages": [{"name": "hot", "when": "score > 3"}]}, "there is no 'score'"),
        ({"icp": [{"when": "industry > 3"}]}, "is no number at position 1"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused_with_its_key(
    change: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        qualify(TABLES, SNAPSHOTS, _project({**SECTION, "stages": [], **change}))


def test_a_call_is_refused_when_the_project_is_read() -> None:
    with pytest.raises(ValueError, match="calls are not allowed"):
        _project({"icp": [{"when": "system('rm')"}]})


def test_an_empty_section_says_nothing() -> None:
    found = qualify(TABLES, SNAPSHOTS, _project({}))
    assert list(found.stage_names) == [None] * 4
    assert np.isnan(found.icp).all()
    assert found.card(0).missing == ()


def test_definitions_are_printed_as_configured() -> None:
    criteria = qualify(TABLES, SNAPSHOTS, _project(), scored=SCORED).criteria
    assert criteria.definition.startswith("A person who decides")
    assert [str(phrase) for phrase in criteria.stages[2].criteria] == [
        "demo request (90 d) ≥ 2",
        "budget ✓",
        "authority ✓",
        "score ≥ 60",
    ]
    assert compile_rules(_project()).names() >= {"employees", "icp", "interest", "score"}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("n_trial >= 1 or n_demo_request_30d >= 2", "trial ≥ 1 / asked for a demo (30 d) ≥ 2"),
        ("(n_trial = 1 and open) or need_known", "trial: 1 + open ✓ / need ✓"),
        ("employees between 20 and 500", "employees: 20 – 500"),
        ("job_title ilike '%marketing%'", "job title: “marketing”"),
        ("job_title like 'a%b'", "job_title like 'a%b'"),
        ("not budget_known", "budget –"),
        ("optout = false", "optout –"),
        ("3 <= n", "n ≥ 3"),
        ("a / b > 2", "a / b > 2"),
        ("not (a > 2)", "not (a > 2)"),
    ],
)
def test_a_criterion_is_put_into_words(rule: str, words: str) -> None:
    labels = {"demo_request": "asked for a demo"}
    assert str(word_criterion(parse(rule), labels)) == words


def test_alternatives_are_translated_each() -> None:
    phrase = word_criterion(parse("budget_known or n_trial >= 2"), {})
    shown = str(words_of("it").phrase(phrase, {"trial": "prova gratuita"}))
    assert "prova gratuita" in shown
    assert " / " in shown
