"""Reasons: whole points that add up, words that fit the value, and what is never shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.facts import Facts, make_facts
from models.points import Fact, points_per_log_odds, whole_points
from models.predictor import LeadScorer
from models.reason_rows import reason_rows
from models.reasons import Reason, ReasonRules, explain, reason_table, reason_tables, stability
from models.words import TEMPLATES, render, render_fact

BETA = {"kind": "beta", "a": 0.7, "b": 1.3, "c": 0.2}
BLEND = {
    "kind": "blend",
    "weight": 0.5,
    "first": {"kind": "logistic", "slope": 1.0, "intercept": 0.0},
    "second": {"kind": "points", "margins": [-3, 0, 3], "probabilities": [0.05, 0.3, 0.9]},
}
STEEP = {"points_to_double": 30.0, "anchor_score": 60.0, "anchor_probability": 0.2, "bands": {}}


@pytest.mark.parametrize("calibration", [None, BETA, BLEND])
@pytest.mark.parametrize("card", [None, STEEP])
def test_whole_points_add_up_to_the_shown_score_on_every_row(
    handmade: Any, leads: Any, calibration: Any, card: Any
) -> None:
    parts, texts = handmade
    parts = {
        **parts,
        "calibration": calibration or parts["calibration"],
        "card": card or parts["card"],
    }
    scorer = LeadScorer(parts, texts)
    frame, _ = leads(5000, 3)
    points = reason_table(scorer, frame).points
    assert np.array_equal(
        points.typical + points.by_factor.sum(axis=1) + points.limit, points.score
    )
    assert np.array_equal(points.score, scorer.score(frame).score)
    shown = points.points_for.sum(axis=1) + points.points_against.sum(axis=1)
    assert np.array_equal(points.typical + shown + points.rest + points.limit, points.score)
    exact = scorer.score(frame).score_exact
    unclipped = (exact > 0) & (exact < 100)
    assert (points.limit[unclipped] == 0).all()
    assert (points.limit[exact > 103] < 0).all()
    assert (np.abs(points.by_factor - points.exact) < 2).all()


def test_explanations_add_up_and_hold_at_most_five_each_way(scorer: LeadScorer, leads: Any) -> None:
    frame, y = leads(800, 3)
    facts = make_facts(frame, y, scorer.features)
    found = explain(scorer, frame, lead_ids=[f"L{i}" for i in range(800)], facts=facts)
    for e in found:
        assert len(e.reasons_for) <= 5 >= len(e.reasons_against)
        assert all(reason.points >= 1 for reason in e.reasons_for)
        assert all(reason.points <= -1 for reason in e.reasons_against)
        listed = sum(r.points for r in e.reasons_for + e.reasons_against)
        assert e.typical + listed + e.rest_points + e.limit_points == e.score
        assert e.typical + sum(e.families.values()) + e.limit_points == e.score
        assert e.grid[0] in "ABCD"
        assert e.grid[1] in "1234"
        order = [r.points for r in e.reasons_for]
        assert order == sorted(order, reverse=True)


def test_a_bending_calibration_shares_points_as_aumann_and_shapley_do(
    handmade: Any, leads: Any
) -> None:
    parts, texts = handmade
    scorer = LeadScorer({**parts, "calibration": BETA}, texts)
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


def test_pieces_of_a_large_frame_give_the_same_table(scorer: LeadScorer, leads: Any) -> None:
    frame, _ = leads(1000, 6)
    whole = reason_table(scorer, frame).points
    for piece, table in reason_tables(scorer, frame, rows=300):
        assert np.array_equal(table.points.by_factor, whole.by_factor[piece])
        assert np.array_equal(table.points.feature_for, whole.feature_for[piece])


def test_nothing_missing_and_no_absent_activity_is_ever_a_strength(
    scorer: LeadScorer, leads: Any
) -> None:
    frame, _ = leads(3000, 9)
    for e in explain(scorer, frame, lead_ids=[str(i) for i in range(3000)], with_stability=False):
        for reason in e.reasons_for:
            assert reason.params["value"] is not None
            assert not (reason.template == "count_window" and reason.params["value"] == 0)


def test_sensitive_and_identity_like_factors_are_never_shown(
    scorer: LeadScorer, leads: Any
) -> None:
    frame, _ = leads(500, 9)
    rules = ReasonRules(sensitive=frozenset({"country"}), identity=frozenset({"size"}))
    for e in explain(scorer, frame, lead_ids=[str(i) for i in range(500)], rules=rules):
        factors = {r.factor for r in e.reasons_for + e.reasons_against}
        assert factors.isdisjoint({"country", "size"})
        listed = sum(r.points for r in e.reasons_for + e.reasons_against)
        assert e.typical + listed + e.rest_points + e.limit_points == e.score


def test_what_sales_can_change_is_marked(scorer: LeadScorer, leads: Any) -> None:
    frame, _ = leads(500, 9)
    rules = ReasonRules(changeable=frozenset({"call"}))
    marks = {
        r.factor: r.changeable
        for e in explain(scorer, frame, lead_ids=[str(i) for i in range(500)], rules=rules)
        for r in e.reasons_for + e.reasons_against
    }
    assert marks["budget"]
    assert not marks["size"]
    assert marks.get("calls", True)


def test_two_halves_of_an_ensemble_say_how_stable_reasons_are(
    scorer: LeadScorer, handmade: Any, leads: Any
) -> None:
    frame, _ = leads(400, 2)
    overlap = stability(scorer, frame)
    assert set(np.round(overlap * 3)) <= {0.0, 1.0, 2.0, 3.0}
    assert overlap.mean() > 0.7
    alone = LeadScorer({**handmade[0], "forest": None})
    assert (stability(alone, frame) == 1).all()


def test_facts_are_counted_on_rows_and_small_groups_are_none() -> None:
    frame = pd.DataFrame(
        {"n": [0.0] * 60 + [3.0] * 40 + [np.nan] * 5, "k": ["a"] * 100 + ["b"] * 5}
    )
    y = np.array([0] * 45 + [1] * 15 + [1] * 20 + [0] * 20 + [1] * 5)
    features = [{"name": "n", "kind": "number"}, {"name": "k", "kind": "category"}]
    facts = Facts.from_json(make_facts(frame, y, features).to_json())
    typical = 40 / 105
    assert facts.find("n", 0.0) == Fact(0.25, 60, typical)
    assert facts.find("n", 3.0) == Fact(0.5, 40, typical)
    assert facts.find("n", None) is None
    assert facts.find("k", "a") == Fact(0.35, 100, typical)
    assert facts.find("k", "b") is None
    assert facts.find("unknown", 1.0) is None


def reason(template: str, **params: Any) -> Reason:
    return Reason("f", "fit", 3, 3.2, template, params)


@pytest.mark.parametrize(
    ("template", "params", "words"),
    [
        ("count_window", {"label": "Visited pricing", "value": 3.0, "days": 7},
         "Visited pricing: 3 times in the last 7 days"),
        ("count_window", {"label": "Visited pricing", "value": 1.0, "days": 30},
         "Visited pricing: 1 time in the last 30 days"),
        ("count_window", {"label": "Visited pricing", "value": 0.0, "days": 7},
         "Visited pricing: not in the last 7 days"),
        ("days_since", {"label": "Demo", "value": None}, "Demo: never so far"),
        ("days_since", {"label": "Demo", "value": 2.34}, "Demo: 2.3 days ago"),
        ("attribute", {"label": "Employees", "value": 1200.0}, "Employees: 1200"),
        ("attribute", {"label": "Country", "value": "{label}"}, "Country: {label}"),
        ("attribute", {"label": "Country", "value": None}, "Country: not known"),
        ("response_hours", {"label": "x", "value": 26.4}, "Answered within 26 hours"),
        ("age_days", {"label": "x", "value": 12.0}, "Lead for 12 days"),
        ("no_such_template", {"label": "Thing", "value": 4.0}, "Thing: 4"),
        ("no_such_template", {"label": "Thing", "value": None}, "Thing: not known"),
    ],
)  # fmt: skip
def test_a_reason_is_said_with_the_leads_own_values(
    template: str, params: dict[str, Any], words: str
) -> None:
    assert render(reason(template, **params)) == words


def test_words_are_translated_and_numbers_written_by_the_language() -> None:
    french = {
        "{label}: {value} times in the last {days} days":
            "{label} : {value} fois ces {days} derniers jours",
        "Pricing": "Tarifs",
    }  # fmt: skip
    said = render(
        reason("count_window", label="Pricing", value=3.0, days=7),
        translate=lambda text: french.get(text, text), number=lambda n: f"<{n}>",
    )  # fmt: skip
    assert said == "Tarifs : <3> fois ces <7> derniers jours"
    plural = render(
        reason("count_window", label="Pricing", value=3.0, days=7),
        plural=lambda one, many, n: f"{n}|{one if n == 1 else many}",
    )
    assert plural == "3|Pricing: 3 times in the last 7 days"


def test_a_fact_is_said_with_its_size() -> None:
    assert render_fact(Fact(0.64, 412, 0.21)) == (
        "64 % of such leads became opportunities (typical 21 %, 412 leads)"
    )


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_both_forms_of_a_template_name_the_same_values(name: str) -> None:
    import re

    msgid = TEMPLATES[name]
    if isinstance(msgid, tuple):
        one, many = (set(re.findall(r"\{(\w+)\}", form)) for form in msgid)
        assert one == many
        assert "value" in one
    else:
        assert msgid


def test_reason_rows_say_what_explanations_say(scorer: LeadScorer, leads: Any) -> None:
    frame, y = leads(600, 3)
    facts = make_facts(frame, y, scorer.features)
    rows = reason_rows(
        reason_table(scorer, frame), frame, facts=facts, say=render, say_fact=render_fact
    ).to_pylist()
    found = explain(scorer, frame, lead_ids=[str(i) for i in range(600)], facts=facts)
    for row, explanation in zip(rows, found, strict=True):
        expected = [
            {"factor": r.factor, "family": r.family, "points": r.points, "text": render(r),
             "fact": render_fact(r.fact) if r.fact else None}
            for r in explanation.reasons_for + explanation.reasons_against
        ]  # fmt: skip
        assert row == expected
