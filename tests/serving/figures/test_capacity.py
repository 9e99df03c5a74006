"""The plan, its ranges and the profit curve on lists small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from serving.figures.capacity import capacities_of, expect_count, plan_calls, what_if
from serving.figures.counts import NO_SHOCK, cover_count, learn_shock

P = np.array([0.1, 0.5, 0.3, 0.8, 0.3])
OWNER = np.array(["Ann", "Bob", "Ann", "Bob", None], dtype=object)


def test_the_best_leads_fill_the_capacity() -> None:
    plan = plan_calls(P, 3, owner=OWNER)
    assert plan.rows.tolist() == [3, 1, 2]
    assert plan.expected.value == pytest.approx(1.6)
    assert (plan.left_behind.value, plan.n_left) == (pytest.approx(0.4), 2)
    assert [(s.owner, s.open_leads, s.calls) for s in plan.owners] == [
        ("Bob", 2, 2),
        ("Ann", 2, 1),
        ("", 1, 0),
    ]
    assert [s.left_behind.value for s in plan.owners] == pytest.approx([0, 0.1, 0.3])
    assert plan.owners[2].left_behind.low < 0.3 < plan.owners[2].left_behind.high


def test_the_disqualified_are_neither_called_nor_left_behind() -> None:
    plan = plan_calls(P, 2, order=np.array([1, 2, 4, 0]))
    assert plan.rows.tolist() == [1, 2]
    assert plan.n_left == 2


def test_nobody_to_call_is_an_empty_plan() -> None:
    plan = plan_calls(np.zeros(0), 10)
    assert (plan.expected.high, plan.n_left) == (0.0, 0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        plan_calls(np.array([1.2]), 1)


@pytest.mark.parametrize(("n", "p"), [(200, 0.3), (1000, 0.05), (60, 0.5), (30, 0.1), (400, 0.9)])
def test_the_range_without_shock_is_the_binomials(n: int, p: float) -> None:
    found = expect_count(np.full(n, p))
    assert found.low == pytest.approx(stats.binom.ppf(0.05, n, p), abs=1)
    assert found.high == pytest.approx(stats.binom.ppf(0.95, n, p), abs=1)


def test_a_shock_widens_the_range_as_past_forecasts_say() -> None:
    rng = np.random.default_rng(0)
    expected = np.full(200, 100.0)
    calm = learn_shock(expected, expected, rng.poisson(100, 200).astype(float))
    wild = learn_shock(expected, expected, rng.poisson(100 * rng.lognormal(-0.045, 0.3, 200)))
    assert calm.typical < 0.05
    assert wild.typical == pytest.approx(0.3, abs=0.05)
    narrow, wide = cover_count(100, 100, calm), cover_count(100, 100, wild)
    assert wide.high - wide.low > 2.5 * (narrow.high - narrow.low)
    blind = cover_count(100, 100, learn_shock(np.zeros(0), np.zeros(0), np.zeros(0)))
    assert blind.high - blind.low > wide.high - wide.low  # no past: the prior alone
    assert cover_count(0.0, 0.0, NO_SHOCK).high == 0


def test_profit_is_the_value_of_the_opportunities_less_the_cost_of_the_calls() -> None:
    best_first = np.sort(P)[::-1]
    expected = [best_first[:calls].sum() * 100.0 - calls * 20.0 for calls in (1, 3, 5)]
    table = what_if(P, [1, 3, 5], value=100.0, cost=20.0)
    assert [row.profit for row in table] == pytest.approx(expected)
    assert what_if(P, [2])[0].profit is None


def test_capacities_stop_at_all_leads() -> None:
    assert capacities_of(3, 5) == (1, 2, 3, 4, 5)
