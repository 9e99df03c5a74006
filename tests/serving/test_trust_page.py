"""Can I trust it?: the one answer counts leads, and is taken from figures, not from sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serving.worklist.pages.trust_page import _unknowns, _verdict
from training.model_card import ModelCard


def figure(metric: str, value: float, error: float) -> dict[str, Any]:
    low, high = value - 2 * error, value + 2 * error
    return {
        "metric": metric,
        "model": "model",
        "value": value,
        "error": error,
        "low": low,
        "high": high,
    }


CARD = ModelCard(
    trained_until=0,
    train_rows=9000,
    train_conversions=900,
    test_rows=3000,
    test_conversions=310,
    test_leads=800,
    test_leads_converted=120,
    horizon_days=90.0,
    metrics=[figure("slope", 1.0, 0.1), figure("intercept", 0.0, 0.1)],
    verdicts=[],
    bands=[{"kept": True}],
    tenths=[],
    curve=[],
    slices=[],
    capacity=[],
    drift=[],
    gains={},
    candidates={},
    dropped={},
    notes=[],
)


def test_five_snapshots_of_a_conversion_are_one_outcome_to_check_a_promise_with() -> None:
    few = replace(CARD, test_leads_converted=62)
    assert _verdict(CARD) == "trust"
    assert _verdict(few) == "unproven"
    assert [u.params for u in _unknowns(few, 0, 0)][1:] == [{"n": 62}]
    assert len(_unknowns(CARD, 0, 0)) == 1
    assert len(_unknowns(CARD, 46, 9)) == 3


def test_a_card_from_before_leads_were_counted_is_judged_by_its_rows() -> None:
    assert _verdict(replace(CARD, test_leads=0, test_leads_converted=0)) == "trust"


def test_a_level_that_training_set_right_is_no_broken_promise() -> None:
    note = "z +2.4: all probabilities were moved by +0.20 in log-odds"
    assert _verdict(replace(CARD, notes=[note])) == "trust"


@pytest.mark.parametrize(("level", "verdict"), [(0.29, "trust"), (-0.31, "care")])
def test_a_level_that_moved_after_training_is_said(level: float, verdict: str) -> None:
    metrics = [CARD.metrics[0], figure("intercept", level, 0.1)]
    assert _verdict(replace(CARD, metrics=metrics)) == verdict
