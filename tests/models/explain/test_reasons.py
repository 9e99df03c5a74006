"""Reasons: whole points that add up, words that fit the value, and what is never shown."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.schema_steps import ACT, UNIT
from features.template_row import Msgid
from models.explain.observed_rates import NumberGroups, ObservedRates, make_facts
from models.explain.points import (
    MOST_LINES,
    Explanation,
    ObservedRate,
    ScoreReason,
    _count_lines,
    _largest_remainder,
    points_per_log_odds,
    whole_points,
)
from models.explain.reason_rows import reason_rows
from models.explain.reason_rules import ReasonRules, is_changeable
from models.explain.reasons import contributions_of, reason_table, stability
from models.explain.sentences import render, render_fact
from models.explain.speech import Speech
from models.predictor import (
    BetaCalibration,
    BlendCalibration,
    CalibrationPoints,
    FeatureColumn,
    LeadScorer,
    LevelsTerm,
    LinearPart,
    LogisticCalibration,
    NumberTerm,
    ScoreCard,
)
from tests.fakes.explained import explain
from tests.serving.worklist.messages import sentences

BETA = BetaCalibration(0.7, 1.3, 0.2)
BLEND = BlendCalibration(
    0.5,
    LogisticCalibration(1.0, 0.0),
    CalibrationPoints(np.array([-3.0, 0.0, 3.0]), np.array([0.05, 0.3, 0.9])),
)
STEEP = ScoreCard(30.0, 60.0, 0.2, {})


@pytest.mark.parametrize("calibration", [None, BETA, BLEND])
@pytest.mark.parametrize("card", [None, STEEP])
def test_whole_points_add_up_to_the_shown_score_on_every_row(
    handmade: Any, leads: Any, calibration: Any, card: Any
) -> None:
    parts, texts = handmade
    parts = replace(parts, calibration=calibration or parts.calibration, card=card or parts.card)
    scorer = LeadScorer(parts, texts)
    frame, _ = leads(5000, 3)
    points = reason_table(scorer, frame).points
    assert np.array_equal(
        points.typical + points.by_factor.sum(axis=1) + points.limit, points.score
    )
    assert np.array_equal(points.score, scorer.score(frame).score)
    shown = points.line_points.sum(axis=1) + points.unseen + points.rest
    assert np.array_equal(points.typical + shown + points.limit, points.score)
    exact = scorer.score(frame).score_exact
    unclipped = (exact > 0) & (exact < 100)
    assert (points.limit[unclipped] == 0).all()
    assert (points.limit[exact > 103] < 0).all()
    assert (np.abs(points.by_factor - points.exact) < 2).all()


def test_explanations_add_up_and_hold_at_most_fourteen_lines(
    scorer: LeadScorer, leads: Any
) -> None:
    frame, y = leads(800, 3)
    facts = make_facts(frame, y, scorer.features)
    found = explain(scorer, frame, lead_ids=[f"L{i}" for i in range(800)], facts=facts)
    for e in found:
        assert len(e.reasons) <= MOST_LINES
        assert all(reason.points >= 1 for reason in e.reasons_for)
        assert all(reason.points <= -1 for reason in e.reasons_against)
        assert line_sum(e) == e.score
        assert e.typical + sum(e.families.values()) + e.limit_points == e.score
        assert e.grid[0] in "ABCD"
        assert e.grid[1] in "1234"
        order = [r.points for r in e.reasons_for]
        assert order == sorted(order, reverse=True)


def line_sum(e: Explanation) -> int:
    """Add up every line of an explanation."""
    lines = sum(reason.points for reason in e.reasons)
    return e.typical + lines + e.unseen_points + e.rest_points + e.limit_points


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.sampled_from((0.2, 1.0, 4.0)))
@settings(max_examples=60, deadline=None)
def test_the_rest_is_none_of_the_three_largest_lines_whatever_the_points(
    seed: int, n_factors: int, spread: float
) -> None:
    """Even where sixty factors of one point each cannot all have a line."""
    parts = np.random.default_rng(seed).normal(0.4, spread, n_factors)
    whole = np.zeros(n_factors, np.int64)
    _largest_remainder(parts, round(parts.sum()), whole)
    order = np.array(sorted(np.flatnonzero(whole), key=lambda k: -abs(whole[k])), np.int64)
    shown = _count_lines(order, len(order), whole, int(whole.sum()))
    rest = int(whole[order[shown:]].sum())
    largest = np.abs(whole[order[:shown]])
    assert rest == 0 or abs(rest) < largest[2]
    assert shown <= MOST_LINES or abs(whole[order[MOST_LINES:]].sum()) >= largest[2]


def test_every_contribution_can_be_listed_and_adds_up(scorer: LeadScorer, leads: Any) -> None:
    frame, y = leads(50, 3)
    facts = make_facts(frame, y, scorer.features)
    for row in range(50):
        one = frame.iloc[[row]]
        [told] = explain(scorer, one, lead_ids=["x"], facts=facts)
        every = contributions_of(scorer, one, reason_table(scorer, one, facts=facts))
        assert told.typical + sum(r.points for r in every) + told.limit_points == told.score
        points = {r.factor: r.points for r in every}
        assert all(points[r.factor] == r.points for r in told.reasons)
        assert len(points) == len(every)


def test_a_bending_calibration_shares_points_as_aumann_and_shapley_do(
    handmade: Any, leads: Any
) -> None:
    parts, texts = handmade
    scorer = LeadScorer(replace(parts, calibration=BETA), texts)
    frame, _ = leads(20, 4)
    found = scorer.contributions(frame, by="factor")
    scale = points_per_log_odds(scorer, found.base, found.margin)
    t = (np.arange(4000) + 0.5) / 4000  # the path from the typical lead to this one
    for r in range(20):
        m = found.base + t * (found.margin[r] - found.base)
        slope = (scorer.log_odds(m + 1e-5) - scorer.log_odds(m - 1e-5)) / 2e-5
        assert scale[r] == pytest.approx(slope.mean() * 10 / np.log(2), rel=1e-5)
    at_base = points_per_log_odds(scorer, found.base, np.array([found.base, found.base + 1e-6]))
    assert at_base[0] == pytest.approx(at_base[1], rel=1e-4)


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=12), st.integers(-1, 1))
def test_largest_remainder_gives_whole_points_of_the_right_sum(
    parts: list[float], off: int
) -> None:
    exact = np.array([[p if abs(p) > 1e-6 else 0.5 for p in parts]])
    total = np.array([round(exact.sum()) + off])
    whole = whole_points(exact, total)
    assert whole.sum() == total[0]
    assert np.abs(whole - exact).max() < 2.5


def test_rounding_is_what_a_person_expects() -> None:
    assert whole_points(np.array([[1.6, 1.6, -0.2, 0.0]]), np.array([3])).tolist() == [[2, 1, 0, 0]]


def test_nothing_missing_and_no_absent_activity_is_ever_a_strength(
    scorer: LeadScorer, leads: Any
) -> None:
    frame, _ = leads(3000, 9)
    for e in explain(scorer, frame, lead_ids=[str(i) for i in range(3000)], with_stability=False):
        for reason in e.reasons_for:
            assert reason.params["value"] is not None
            assert not (reason.template == "count_window" and reason.params["value"] == 0)


def stating(handmade: Any, **facts: tuple[str, ...]) -> LeadScorer:
    """Give the model with what was stated about it."""
    parts, texts = handmade
    return LeadScorer(replace(parts, meta=replace(parts.meta, **facts)), texts)


def test_sensitive_and_identity_like_factors_are_never_shown(handmade: Any, leads: Any) -> None:
    frame, _ = leads(500, 9)
    scorer = stating(handmade, sensitive=("country",), identity=("size",))
    for e in explain(scorer, frame, lead_ids=[str(i) for i in range(500)]):
        factors = {r.factor for r in e.reasons_for + e.reasons_against}
        assert factors.isdisjoint({"country", "size"})
        assert line_sum(e) == e.score


def test_what_sales_can_change_is_marked(handmade: Any, leads: Any) -> None:
    frame, _ = leads(500, 9)
    scorer = stating(handmade, changeable=("call",))
    marks = {
        r.factor: r.changeable
        for e in explain(scorer, frame, lead_ids=[str(i) for i in range(500)])
        for r in e.reasons_for
    }
    assert marks["budget"]
    assert not marks.get("size")
    assert marks.get("calls", True)


def test_two_halves_of_an_ensemble_say_how_stable_reasons_are(
    scorer: LeadScorer, handmade: Any, leads: Any
) -> None:
    frame, _ = leads(400, 2)
    overlap = stability(scorer, frame)
    assert set(np.round(overlap * 3)) <= {0.0, 1.0, 2.0, 3.0}
    assert overlap.mean() > 0.7
    alone = LeadScorer(replace(handmade[0], forest=None))
    assert (stability(alone, frame) == 1).all()


def test_facts_are_counted_on_rows_and_small_groups_are_none() -> None:
    frame = pd.DataFrame(
        {"n": [0.0] * 60 + [3.0] * 40 + [np.nan] * 5, "k": ["a"] * 100 + ["b"] * 5}
    )
    y = np.array([0] * 45 + [1] * 15 + [1] * 20 + [0] * 20 + [1] * 5)
    features = [
        FeatureColumn("n", "number", "engagement", "n", "n", "count_ever", {}),
        FeatureColumn("k", "category", "fit", "k", "k", "attribute", {}),
    ]
    facts = ObservedRates.from_json(make_facts(frame, y, features).to_json())
    typical = 40 / 105
    assert facts.find("n", 0.0) == ObservedRate(0.25, 60, typical)
    assert facts.find("n", 3.0) == ObservedRate(0.5, 40, typical)
    assert facts.find("n", None) is None
    assert facts.find("k", "a") == ObservedRate(0.35, 100, typical)
    assert facts.find("k", "b") is None
    assert facts.find("unknown", 1.0) is None


def test_directions_of_many_values_are_those_of_the_facts_of_each(
    scorer: LeadScorer, leads: Any
) -> None:
    frame, y = leads(2000, 9)
    facts = make_facts(frame, y, scorer.features)
    seen = set()
    for feature in scorer.features:
        name = feature.name
        if feature.kind == "category":
            levels = list(frame[name].cat.categories)
            found = facts.level_directions(name, levels)
            values: list[Any] = [*levels, None]
        else:
            values = [None if np.isnan(v) else float(v) for v in frame[name]]
            found = facts.directions(name, frame[name].to_numpy(np.float64)).tolist()
        each = [facts.find(name, value) for value in values]
        assert found == [fact.direction if fact else 0 for fact in each]
        seen |= set(found)
    assert seen == {-1, 0, 1}
    assert facts.directions("unknown", np.zeros(2)).tolist() == [0, 0]


def reason(template: str, **params: Any) -> ScoreReason:
    return ScoreReason("f", "fit", 3, 3.2, template, params)


@pytest.mark.parametrize(
    ("template", "params", "words"),
    [
        ("count_window", {"label": "visits", "value": 3.0, "days": 7}, "Visits: 3 times this week"),
        (
            "count_window",
            {"label": "visits", "value": 1.0, "days": 1},
            "Visits: once in the last day",
        ),
        (
            "count_window",
            {"label": "visits", "value": 2.0, "days": 0.25},
            "Visits: twice in the last 6 hours",
        ),
        (
            "count_all_window",
            {"label": "x", "value": 1.0, "days": 15 / 1440},
            "1 activity in the last 15 minutes",
        ),
        (
            "count_window",
            {"label": "eBay clicks", "value": 0.0, "days": 7},
            "eBay clicks: none this week",
        ),
        ("days_since", {"label": "demo", "value": None}, "Demo: none so far"),
        ("days_since", {"label": "demo", "value": 2.94}, "Demo: the latest 3 days ago"),
        ("days_since", {"label": "demo", "value": 0.25}, "Demo: the latest 6 hours ago"),
        ("days_since", {"label": "demo", "value": 0.0}, "Demo: the latest just now"),
        (
            "mean_gap_days",
            {"label": "x", "value": 1 / 1440 * 9.6},
            "Something happens every 10 minutes on average",
        ),
        ("known_since", {"label": "budget", "value": 1.2}, "Budget: known for 1 day"),
        ("created_weekday", {"label": "x", "value": 5.0}, "Created on a Saturday"),
        ("created_month", {"label": "x", "value": 12.0}, "Created in December"),
        ("created_month", {"label": "month", "value": 13.0}, "Month: not known"),
        ("days_since", {"label": "demo", "value": math.inf}, "Demo: none so far"),
        ("attribute", {"label": "country", "value": ""}, "Country: not known"),
        ("created_hour", {"label": "x", "value": 9.0}, "Created between 9:00 and 9:59"),
        ("department", {"label": "x", "value": "it"}, "Department: IT"),
        ("attribute", {"label": "founded year", "value": 2008.0}, "Founded year: 2008"),
        ("attribute", {"label": "amount", "value": 15000.0}, "Amount: 15,000"),
        (
            "decayed_count",
            {"label": "recent activity", "value": 0.6, "half_life": 14},
            "Was active in recent weeks",
        ),
        ("attribute", {"label": "Employees", "value": 1200.0}, "Employees: 1200"),
        ("attribute", {"label": "Country", "value": "{label}"}, "Country: {label}"),
        ("attribute", {"label": "Country", "value": None}, "Country: not known"),
        ("private", {}, "Details that are kept private"),
        ("age_days", {"label": "x", "value": 12.0}, "Has been a lead for 12 days"),
        ("no_such_template", {"label": "Thing", "value": 4.0}, "Thing: 4"),
        ("no_such_template", {"label": "Thing", "value": None}, "Thing: not known"),
    ],
)
def test_a_reason_is_said_with_the_leads_own_values(
    template: str, params: dict[str, Any], words: str
) -> None:
    assert render(reason(template, **params)) == words


@pytest.mark.parametrize(
    ("template", "params", "words"),
    [
        (
            "count_window",
            {"event": "demo_request", "value": 2.0, "days": 7},
            "Asked for a demo twice this week",
        ),
        (
            "count_window",
            {"event": "demo_request", "value": 1.0, "days": 30},
            "Asked for a demo this month",
        ),
        (
            "count_window",
            {"event": "demo_request", "value": 0.0, "days": 14},
            "Has not asked for a demo in the last 14 days",
        ),
        ("count_ever", {"event": "web_visit", "value": 1.0}, "Visited the site"),
        ("count_ever", {"event": "Web Visit", "value": 5.0}, "Visited the site 5 times"),
        ("count_ever", {"event": "chat", "value": 0.0}, "Has never used the chat"),
        ("days_since", {"event": "pricing_page", "value": 3.0}, "Looked at the prices 3 days ago"),
        ("days_since", {"event": "pricing_page", "value": None}, "Has never looked at the prices"),
        (
            "count_window",
            {"event": "call", "by": "sales", "value": 3.0, "days": 7},
            "Sales called 3 times this week",
        ),
        (
            "count_window",
            {"event": "call", "by": "lead", "value": 1.0, "days": 7},
            "Called us this week",
        ),
        (
            "count_window",
            {"event": "other events", "pooled": 1, "value": 2.0, "days": 7},
            "Something else happened twice this week",
        ),
        (
            "decayed_count",
            {"half_life": 3.0, "value": 4.1, "level": 4},
            "Much more active than usual this week",
        ),
        (
            "decayed_count",
            {"half_life": 14.0, "value": 0.0, "level": 0},
            "Was not active in recent weeks",
        ),
        ("trend", {"short": 7, "long": 28, "value": 0.6}, "Less active than usual this week"),
        (
            "value_sum",
            {"events": "phone\nsales_call", "days": 30, "value": 7.3},
            "7 minutes on calls this month",
        ),
        ("value_sum", {"events": "trial", "days": 30, "value": 1.2}, "1 minute this month (trial)"),
        ("value_sum", {"events": "quote", "days": 30, "value": 12.5}, "12 EUR this month (quote)"),
        ("value_sum", {"days": 30, "value": 7.3}, "A total of 7.3 this month"),
        ("value_max", {"events": "trial", "value": 50.0}, "Up to 50 minutes at a time"),
        ("value_max", {"value": 50.0}, "Up to 50 at a time"),
        (
            "attribute",
            {"column": "age", "label": "age of the firm", "value": 3.0},
            "Age of the firm: 3 years",
        ),
        (
            "count_window",
            {"event": "signed", "value": 2.0, "days": 7},
            "Signed the NDA twice this week",
        ),
        (
            "count_window",
            {"event": "LC_77", "value": 2.0, "days": 7},
            "Asked for a demo twice this week",
        ),
    ],
)
def test_acts_units_and_levels_are_said_as_whole_sentences(
    template: str, params: dict[str, Any], words: str
) -> None:
    own = {
        **{UNIT + name: "minutes" for name in ("phone", "sales_call", "trial")},
        UNIT + "quote": "EUR",
        UNIT + "age": "years",
        ACT + "signed": "Signed the NDA",
        ACT + "LC_77": "demo_request",
    }
    speech = Speech(word=lambda text: own.get(text, text), names=own)
    assert render(reason(template, **{"label": "x", **params}), speech) == words


def test_words_are_translated_and_numbers_written_by_the_language() -> None:
    french = {
        "{label}: {times} {when}": "{label} : {times} {when}",
        "pricing": "tarifs",
        "x9": "pages de tarifs",
    }
    speech = Speech(
        message=lambda text: french.get(text, text),
        word=lambda text: french.get(text, text),
        plural=lambda one, _many, n: f"{{n}} {one[4:]} ({n})",
        number=lambda n: f"<{n}>",
        names={"x9"},
    )
    said = reason("count_window", label="pricing", value=3.0, days=14, event="x8")
    assert render(said, speech) == "Tarifs : <3> time (3) <14> he last day (14)"
    own = reason("count_window", label="pricing", event="x9", value=3.0, days=7)
    assert render(own, speech) == "Pages de tarifs : <3> time (3) this week"


@pytest.mark.parametrize(
    ("template", "params", "who"),
    [
        ("decayed_count", {"value": 4.1}, "Leads this active"),
        ("count_all_window", {"value": 0.0, "days": 7}, "Leads this quiet"),
        ("count_ever", {"event": "demo_request", "value": 2.0}, "Leads that did this as often"),
        ("count_ever", {"event": "demo_request", "value": 0.0}, "Leads that have not done this"),
        ("count_ever", {"event": "call", "by": "sales", "value": 2.0}, "Leads contacted as much"),
        ("attribute", {"value": "software"}, "Leads of this kind"),
        ("attribute", {"value": 250.0}, "Leads in the same range"),
        ("attribute", {"value": None}, "Leads where this is not known"),
    ],
)
def test_a_fact_names_the_leads_that_it_counts(
    template: str, params: dict[str, Any], who: str
) -> None:
    told = replace(reason(template, **params), fact=ObservedRate(0.53, 59, 0.075))
    said = render_fact(told)
    assert said is not None
    assert said.startswith(who)
    assert said.endswith("convert 53% of the time; typical 7.5% (59 cases)")
    assert render_fact(reason(template, **params)) is None


@pytest.mark.parametrize(
    ("rate", "n", "direction"),
    [(0.64, 412, 1), (0.05, 412, -1), (0.21, 412, 0), (0.213, 40_000, 0), (0.25, 31, 0)],
)
def test_a_fact_points_somewhere_where_it_is_not_chance_and_reads_differently(
    rate: float, n: int, direction: int
) -> None:
    assert ObservedRate(rate, n, 0.21).direction == direction


def test_no_fact_contradicts_its_reason_and_none_is_lost_by_it(
    scorer: LeadScorer, leads: Any
) -> None:
    frame, y = leads(3000, 6)
    facts = make_facts(frame, y, scorer.features)
    ids = [str(i) for i in range(3000)]
    with_facts = explain(scorer, frame, lead_ids=ids, facts=facts)
    without = explain(scorer, frame, lead_ids=ids)
    shown = 0
    for one, other in zip(with_facts, without, strict=True):
        mine = one.reasons_for + one.reasons_against
        shown += sum(r.fact is not None for r in mine)
        assert all(r.fact is None or r.fact.direction * r.points > 0 for r in mine)
        assert [(r.factor, r.points) for r in mine] == [
            (r.factor, r.points) for r in other.reasons_for + other.reasons_against
        ]
    assert shown > 3000


def test_a_feature_whose_fact_agrees_speaks_for_its_factor(handmade: Any) -> None:
    """Recency was a weakness and the count a strength; facts say the count is none."""
    parts, _ = handmade
    terms = tuple(
        NumberTerm(name, center=0.0, scale=1.0, coef=coef, missing=0.0, mean=0.0)
        for name, coef in (("n_pricing_7d", -0.3), ("days_since_pricing", -0.02))
    )
    line = LinearPart(0.0, terms)
    scorer = LeadScorer(replace(parts, forest=None, linear=line, encoders=()))
    columns = {f.name: [1.0] for f in scorer.features if f.kind == "number"}
    frame = pd.DataFrame(columns | {"industry": ["i1"], "country": ["c1"]})
    frame["n_pricing_7d"], frame["days_since_pricing"] = 2.0, 9.0
    better = NumberGroups((1.0,), ((500, 0.1), (500, 0.5)), (0, 0.0))
    facts = ObservedRates({"n_pricing_7d": better}, 0.2)
    alone = explain(scorer, frame, lead_ids=["a"])[0].reasons_against[0]
    told = explain(scorer, frame, lead_ids=["a"], facts=facts)[0].reasons_against[0]
    assert alone.template == "count_window"
    assert told.template == "days_since"
    assert told.points == alone.points


def test_rules_hide_by_name_factor_and_column() -> None:
    params = {"column": "job_title"}
    feature = FeatureColumn("seniority", "category", "fit", "rank", "x", "attribute", params)
    for name in ("seniority", "rank", "job_title"):
        assert ReasonRules(sensitive=frozenset({name})).hides(feature)
        assert ReasonRules(identity=frozenset({name})).hides(feature)
    assert not ReasonRules(changeable=frozenset({"rank"})).hides(feature)


def test_a_word_that_means_nothing_is_never_a_strength(handmade: Any) -> None:
    parts, _ = handmade
    term = LevelsTerm("industry", {"None": 2.0, "i1": 2.0}, other=0.0, missing=0.0, mean=0.0)
    line = LinearPart(0.0, (term,))
    scorer = LeadScorer(replace(parts, forest=None, encoders=(), linear=line))
    columns = {f.name: [1.0] * 2 for f in scorer.features if f.kind == "number"}
    frame = pd.DataFrame(columns | {"industry": ["None", "i1"], "country": ["c1"] * 2})
    nothing, something = explain(scorer, frame, lead_ids=["a", "b"])
    assert nothing.reasons_for == ()
    assert nothing.unseen_points == something.reasons_for[0].points > 0


@pytest.mark.parametrize("msgid", list(sentences()))
def test_both_forms_of_a_template_name_the_same_values(msgid: Msgid) -> None:
    """Only "once" need not be said: "Asked for a demo this week"."""
    import re

    if isinstance(msgid, tuple):
        one, many = (set(re.findall(r"\{(\w+)\}", form)) for form in msgid)
        assert one | ({"times"} & many) == many
        assert {"value", "times"} & many
    else:
        assert msgid


def test_reason_rows_say_what_explanations_say(scorer: LeadScorer, leads: Any) -> None:
    frame, y = leads(600, 3)
    frame["days_since_pricing"] *= np.random.default_rng(0).choice([1e-4, 0.03, 1.0], len(frame))
    facts = make_facts(frame, y, scorer.features)
    table = reason_table(scorer, frame, facts=facts)
    rows = reason_rows(table, frame, say=render, say_fact=render_fact).to_pylist()
    found = explain(scorer, frame, lead_ids=[str(i) for i in range(600)], facts=facts)
    for row, explanation in zip(rows, found, strict=True):
        expected = [
            {
                "factor": r.factor,
                "family": r.family,
                "points": r.points,
                "text": render(r),
                "fact": render_fact(r),
            }
            for r in explanation.reasons_for + explanation.reasons_against
        ]
        assert row == expected


def test_leads_that_read_the_same_have_each_their_own_fact(scorer: LeadScorer, leads: Any) -> None:
    """What became of past leads is known up to 10.1 days, and 9.9 reads like 10.3."""
    frame, _ = leads(600, 3)
    frame["days_since_pricing"] = np.resize([9.9, 10.0, 10.3], len(frame))
    known = {"days_since_pricing": NumberGroups((), ((500, 0.9),), (0, 0.0), 0.0, 10.1)}
    facts = ObservedRates(known, 0.5)
    table = reason_table(scorer, frame, facts=facts)
    rows = reason_rows(table, frame, say=render, say_fact=render_fact).to_pylist()
    found = explain(scorer, frame, lead_ids=[str(i) for i in range(600)], facts=facts)
    for row, explanation in zip(rows, found, strict=True):
        said = [(render(r), render_fact(r)) for r in explanation.reasons]
        assert [(r["text"], r["fact"]) for r in row] == said
    told = [r["fact"] for row in rows for r in row if "10 days ago" in r["text"]]
    assert None in told
    assert any(told)


def test_acts_of_sales_that_stand_against_a_lead_are_nothing_to_change() -> None:
    """Found by a manager: the pencil told a rep to get in touch less often."""
    feature = FeatureColumn(
        "touches", "number", "engagement", "touches", "touches", "outbound_count", {"days": 90}
    )
    assert is_changeable(feature, (), value=7.0, points=2)
    assert is_changeable(feature, (), value=0.0, points=-3)
    assert not is_changeable(feature, (), value=7.0, points=-1)
