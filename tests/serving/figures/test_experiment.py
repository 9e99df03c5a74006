"""Power by the textbook, assignment by hash, analysis against estimates made another way."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from data.errors import InputError
from data.schema_steps import ExperimentSection
from serving.figures.experiment import analyse, assign, compare_arms, draw, look, valid_radius
from serving.figures.power import power_of, size_test, smallest_lift


@pytest.mark.parametrize(
    ("base", "treated", "textbook"),
    [(0.08, 0.09, 12_200), (0.08, 0.10, 3_200), (0.08, 0.12, 880), (0.10, 0.15, 686)],
)
def test_power_agrees_with_the_textbook_within_two_percent(
    base: float, treated: float, textbook: int
) -> None:
    assert size_test(base, treated).control == pytest.approx(textbook, rel=0.02)


def test_clusters_inflate_the_sample() -> None:
    alone, accounts = size_test(0.08, 0.10), size_test(0.08, 0.10, cluster_size=4, icc=0.1)
    assert accounts.design_effect == pytest.approx(1.3)
    assert accounts.control == pytest.approx(1.3 * alone.control, rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.02, 0.4), st.floats(0.01, 0.2), st.floats(0.5, 3), st.floats(0.6, 0.95))
def test_the_sample_size_has_the_power_it_promises(
    base: float, lift: float, ratio: float, power: float
) -> None:
    size = size_test(base, base + lift, ratio=ratio, power=power)
    reached = power_of(base, base + lift, size.control, size.treated)
    assert power - 1e-6 <= reached <= power + 0.03  # whole leads are a little more
    found = smallest_lift(base, size.control, size.treated, power=power)
    assert found == pytest.approx(lift, rel=0.06)


def test_a_test_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="no number of leads"):
        size_test(0.1, 0.1)
    with pytest.raises(ValueError, match="base is between 0 and 1"):
        size_test(8, 10)
    assert smallest_lift(0.5, 3, 3) is None


def test_assignment_is_the_same_every_night_and_the_random_arm_is_permanent() -> None:
    leads = [f"L{i}" for i in range(20_000)]
    section = ExperimentSection(random_arm=0.1, arms={"control": 1, "score": 3})
    first, second = assign(leads, section, name="spring"), assign(leads, section, name="autumn")
    assert (assign(leads[::-1], section, name="spring")[::-1] == first).all()
    assert ((first == "random") == (second == "random")).all()
    assert (first == "random").mean() == pytest.approx(0.1, abs=0.01)
    assert (first == "score").mean() == pytest.approx(0.9 * 0.75, abs=0.015)
    both = (first != "random") & (first == "score")
    assert (second[both] == "score").mean() == pytest.approx(0.75, abs=0.02)  # shuffled anew
    other = ExperimentSection(random_arm=0.1, salt="other")
    assert ((assign(leads, other, name="spring") == "random") & (first == "random")).mean() < 0.02


def test_leads_of_an_account_share_an_arm() -> None:
    accounts = np.repeat([f"A{i}" for i in range(50)], 4)
    arms = assign(accounts, ExperimentSection(), name="x").reshape(50, 4)
    assert (arms == arms[:, :1]).all()


def test_the_draw_is_pinned_for_ever() -> None:
    assert draw(["L1", "L2"], "leadscore", "random").tolist() == pytest.approx(PINNED)


PINNED = [0.6802894763280317, 0.547128446961114]


def test_an_arm_called_random_is_refused() -> None:
    with pytest.raises(InputError, match="set random_arm"):
        assign(["a"], ExperimentSection(arms={"random": 1.0}), name="x")


def _world(
    seed: int, n: int = 4000, effect: float = 0.05
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    treated = rng.random(n) < 0.5
    p = np.clip(0.2 + 0.12 * x + effect * treated, 0.01, 0.99)
    frame = pd.DataFrame({"x": x, "source": rng.choice(["web", "fair"], n)})
    return frame, treated, (rng.random(n) < p).astype(int)


def test_the_plain_estimate_is_the_two_sample_one() -> None:
    _, treated, y = _world(0)
    found = analyse(y, treated).plain
    a, b = y[treated], y[~treated]
    assert found.value == pytest.approx(a.mean() - b.mean())
    welch = stats.ttest_ind(a, b, equal_var=False)
    ci = welch.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((ci.low, ci.high), abs=1e-5)
    assert found.p_value == pytest.approx(welch.pvalue, rel=0.05)


def test_adjustment_narrows_the_range_and_stays_unbiased() -> None:
    gaps, narrower = [], []
    for seed in range(60):
        frame, treated, y = _world(seed, n=1500)
        result = analyse(y, treated, covariates=frame)
        assert result.adjusted is not None
        gaps.append(result.adjusted.value - 0.05)
        narrower.append(result.adjusted.standard_error < result.plain.standard_error)
    assert abs(np.mean(gaps)) < 3 * np.std(gaps) / np.sqrt(60) + 0.002
    assert np.mean(narrower) == 1.0


def test_looking_every_week_errs_no_more_than_promised() -> None:
    wrong_valid = wrong_plain = 0
    moments = np.arange(0.1, 1.01, 0.1)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        treated, y, at = rng.random(2000) < 0.5, rng.random(2000) < 0.2, rng.random(2000)
        looks = look(y.astype(int), treated, at, moments, planned=2000)
        wrong_valid += any(not each.low <= 0 <= each.high for each in looks)
        plain = [analyse(y[at <= m].astype(int), treated[at <= m]).plain for m in moments]
        wrong_plain += any(each.p_value < 0.05 for each in plain)
    assert wrong_valid <= 14  # 5 % of 200, and two standard errors
    assert wrong_plain > 25  # which is why


def test_the_always_valid_range_costs_little_at_the_planned_end() -> None:
    assert 1.959 < valid_radius(1.0, 1000, 1000) < 3.2


def test_clusters_widen_the_range() -> None:
    rng = np.random.default_rng(3)
    accounts = np.repeat(np.arange(300), 5)
    shift = rng.normal(0, 0.25, 300)[accounts]
    treated = (np.arange(300) % 2 == 0)[accounts]
    y = (rng.random(1500) < np.clip(0.3 + shift, 0.02, 0.98)).astype(int)
    alone, grouped = analyse(y, treated).plain, analyse(y, treated, clusters=accounts).plain
    assert grouped.standard_error > 1.15 * alone.standard_error
    assert grouped.value == pytest.approx(alone.value)


@pytest.mark.real_data
def test_the_effect_of_an_email_on_visits_agrees_with_a_plain_two_sample_estimate() -> None:
    folder = os.environ.get("LEADSCORE_DATA")
    if not folder:
        pytest.skip("set LEADSCORE_DATA to the folder of the data sets")
    frame = pd.read_csv(Path(folder) / "hillstrom" / "hillstrom.csv.gz")
    covariates = frame[["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]]
    found = compare_arms(
        frame["visit"].to_numpy(),
        frame["segment"].to_numpy(dtype=object),
        "No E-Mail",
        covariates=covariates,
    )
    for arm, result in found.items():
        a = frame.loc[frame["segment"] == arm, "visit"].to_numpy()
        b = frame.loc[frame["segment"] == "No E-Mail", "visit"].to_numpy()
        ci = stats.ttest_ind(a, b, equal_var=False).confidence_interval(1 - 0.05 / 2)
        assert (result.plain.low, result.plain.high) == pytest.approx((ci.low, ci.high), abs=1e-5)
        assert result.adjusted is not None
        assert result.plain.low < result.adjusted.value < result.plain.high
        assert result.adjusted.standard_error < result.plain.standard_error


def test_looks_at_accounts_are_as_wide_as_the_analysis_of_accounts() -> None:
    rng = np.random.default_rng(4)
    accounts = np.repeat(np.arange(200), 5)
    shift = rng.normal(0, 0.6, 200)[accounts]
    treated, at = (np.arange(200) % 2 == 0)[accounts], rng.random(1000)
    y = (rng.random(1000) < np.clip(0.3 + shift, 0.02, 0.98)).astype(int)
    looks = look(y, treated, at, np.array([0.001, 0.5, 1.0]), clusters=accounts)
    end = analyse(y, treated, clusters=accounts).always_valid
    assert len(looks) == 2, "two accounts an arm are needed"
    assert (looks[-1].low, looks[-1].high) == (end.low, end.high)
    alone = look(y, treated, at, np.array([0.5]))[0]
    assert looks[0].high - looks[0].low > 1.1 * (alone.high - alone.low)


def test_an_arm_without_spread_is_not_known_exactly() -> None:
    treated = np.arange(100) >= 50
    none = analyse(np.zeros(100), treated)
    assert none.plain.low < -0.02 < 0.02 < none.plain.high
    assert none.always_valid.low < none.plain.low
    one = analyse(np.r_[np.zeros(200), 1.0], np.arange(201) == 200)
    assert one.plain.p_value > 0.01
    assert one.plain.low < 0.5


def test_an_arm_of_one_account_proves_nothing() -> None:
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(200):
        accounts = np.repeat(np.arange(21), 10)
        rates = rng.beta(2, 8, 21)
        y = (rng.random(210) < rates[accounts]).astype(float)
        found += analyse(y, accounts == 20, clusters=accounts).plain.p_value < 0.05
    assert found <= 20
