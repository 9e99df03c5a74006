"""The promotion gate: expected loss decides, movers may object, nothing else does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from models.predictor import ModelFacts
from models.winners import is_stand_in
from training.gate import FIRST, PairedLoss, compare_losses, compare_movers, judge
from training.publish import unseen_rows
from training.stand_in import choose_stand_in


@pytest.mark.parametrize(
    ("change", "error", "conversions", "promoted"),
    [
        (-0.07, 0.05, 10, True),  # the November of the issue: better, far from significant
        (0.01, 0.03, 10, True),  # a little worse by chance: a retrain is usually a little better
        (0.10, 0.03, 10, False),
        (0.30, 0.10, 8, False),  # something broke
        (-0.002, 0.002, 500, True),
        (0.02, 0.004, 150, False),
        (0.0, 0.0, 0, True),  # the same model, or nothing to tell them apart
    ],
)
def test_a_challenger_is_promoted_where_the_expected_loss_falls(
    change, error, conversions, promoted
):
    assert (PairedLoss(change, error, conversions).expected() < 0) is promoted


@given(st.floats(-0.5, 0.5), st.floats(0, 0.2), st.floats(0.001, 0.3), st.integers(1, 3000))
def test_a_worse_measurement_never_lowers_the_expected_loss(change, more, error, conversions):
    known = PairedLoss(change, error, conversions)
    assert replace(known, change=change + more).expected() >= known.expected() - 1e-12


def test_rows_of_one_group_count_once():
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.1).astype(float)
    old, new = (
        np.full(400, 0.1),
        np.clip(0.1 + 0.05 * (y - 0.1) + rng.normal(0, 0.02, 400), 0.01, 1),
    )
    once = compare_losses(y, old, new, np.arange(400))
    thrice = compare_losses(*(np.tile(a, 3) for a in (y, old, new, np.arange(400))))
    assert (thrice.change, thrice.error) == pytest.approx((once.change, once.error), rel=1e-9)
    assert thrice.conversions == once.conversions == int(y.sum())


def test_without_a_conversion_the_error_is_not_taken_for_none():
    y, old, new = np.zeros(200), np.full(200, 0.05), np.full(200, 0.03)
    assert compare_losses(y, old, new, np.arange(200)).error > 0.1


def overconfident(seed: int, n: int = 3000) -> tuple[np.ndarray, ...]:
    """Draw outcomes, a champion twice too sure of itself, the truth as challenger, and moves."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-2.5, 1.2, n)
    y = (rng.random(n) < expit(log_odds)).astype(float)
    champion = expit(-2.5 + 2 * (log_odds + 2.5))
    cuts = (-3.5, -2.5, -1.5)
    moved = np.searchsorted(cuts, log_odds) - np.searchsorted(cuts, logit(champion))
    return y, champion, expit(log_odds), moved


@pytest.mark.parametrize("seed", range(5))
def test_movers_do_not_contradict_a_perfect_challenger_of_an_overconfident_champion(seed):
    y, champion, truth, moved = overconfident(seed)
    decision = judge(y, champion, truth, moved=moved, groups=np.arange(len(y)))
    assert decision.promote, decision.sentence


def test_movers_object_where_those_moved_up_do_worse_than_promised():
    y, champion, truth, moved = overconfident(1)
    movers = compare_movers(y, champion, -moved, np.arange(len(y)))
    assert movers.contradict
    decision = judge(y, champion, truth, moved=-moved, groups=np.arange(len(y)))
    assert not decision.promote
    assert "rows that change band" in decision.sentence


@pytest.mark.parametrize("moved", [[0, 0, 0, 0], [1, 1, 0, 0], [0, -1, 0, -1]])
def test_an_empty_group_of_movers_is_no_contradiction(moved):
    y, p = np.array([0.0, 1.0, 0.0, 1.0]), np.full(4, 0.5)
    movers = compare_movers(y, p, np.array(moved), np.arange(4))
    assert not movers.contradict
    assert (movers.up, movers.down) == (moved.count(1), moved.count(-1))


def test_a_few_movers_without_a_conversion_contradict_nothing():
    """Promised .3 and .1, none converted: chance, though every difference has the same sign."""
    y, p = np.zeros(12), np.r_[np.full(6, 0.3), np.full(6, 0.1)]
    assert not compare_movers(y, p, np.r_[np.ones(6), -np.ones(6)], np.arange(12)).contradict


def test_the_first_champion_is_promoted_and_says_that_there_was_none():
    assert FIRST.promote
    assert FIRST.sentence == "there was no champion before"


def chosen(y: np.ndarray, **test: np.ndarray) -> str:
    return choose_stand_in(y, test, np.arange(len(y)))


def test_the_stand_in_is_the_best_that_is_clearly_better_than_the_base_rate():
    y, _, truth, _ = overconfident(0)
    prior = np.full(len(y), y.mean())
    halfway = expit((logit(truth) + logit(prior)) / 2)
    assert chosen(y, prior=prior, rule=halfway, logistic=truth) == "logistic"
    assert chosen(y, prior=prior, rule=truth, logistic=halfway) == "rule"
    assert chosen(y, prior=prior, rule=halfway) == "rule"
    assert chosen(y, prior=prior, logistic=halfway, recency=truth) == "recency"
    assert chosen(y[:60], prior=prior[:60], logistic=halfway[:60]) == "prior"


def test_beside_a_model_that_clearly_learns_the_best_of_the_simpler_stands_in():
    """Found by a new user: the base rate, the worst row of the screen, stood in for it."""
    y, _, truth, _ = overconfident(0)
    few, prior = slice(200), np.full(len(y), y.mean())
    half = np.where(np.arange(len(y)) % 2 == 0, truth, prior)
    y, prior, half, p = y[few], prior[few], half[few], truth[few]
    assert chosen(y, prior=prior, logistic=half) == "prior"
    assert chosen(y, prior=prior, logistic=half, model=p) == "logistic"
    assert chosen(y, prior=prior, logistic=prior, model=p) == "prior"


def test_on_noise_the_base_rate_stands_in():
    rng = np.random.default_rng(3)
    picked = 0
    for _ in range(400):
        y = (rng.random(150) < 0.1).astype(float)
        prior = np.full(150, 0.1)
        noise = [expit(logit(prior) + rng.normal(0, scale, 150)) for scale in (0.1, 0.4)]
        picked += chosen(y, prior=prior, rule=noise[0], logistic=noise[1]) != "prior"
    assert picked <= 4


def test_rows_from_before_the_champion_learned_are_not_judged_on():
    rows, order = np.array([2, 3, 4]), np.array([0, 1, 2, 3, 4]) * 10
    assert unseen_rows(rows, order, 30).tolist() == [3, 4]
    assert unseen_rows(rows, order, 0).tolist() == [2, 3, 4]
    assert unseen_rows(rows, order, None).tolist() == [2, 3, 4]


@pytest.mark.parametrize(
    ("learner", "stands_in"), [("constant", True), ("rule", True), ("linear", False)]
)
def test_base_rate_and_rule_stand_in_until_a_model_is_proven(learner, stands_in):
    assert is_stand_in(ModelFacts(learner=learner)) is stands_in
