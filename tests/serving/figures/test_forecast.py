"""The forecast reads no future, adds up, keeps the model's word, and its range covers."""

from __future__ import annotations

import numpy as np
import pytest

from data.clock import DAY, NEVER
from data.incidence import estimate_incidence
from serving.figures.forecast import (
    LeadTimes,
    chance_by_age,
    expect,
    forecast,
    learn_open_shock,
)

NOW = 400 * DAY


def _lives(seed: int, *, shock: float = 0.0, days: int = 500) -> LeadTimes:
    """Make ten leads a day, each converting with hazard 0.02 * exp(-age / 20) a day."""
    rng = np.random.default_rng(seed)
    created = np.repeat(np.arange(days), rng.poisson(10, days)) + 0.5
    month = np.exp(rng.normal(-(shock**2) / 2, shock, days // 30 + 10))
    age = np.arange(120)
    hazard = 0.02 * np.exp(-age / 20) * month[((created[:, None] + age) // 30).astype(int)]
    day = (np.cumsum(hazard, axis=1) < rng.exponential(1, len(created))[:, None]).sum(axis=1)
    lost = rng.exponential(200, len(created))
    converts = np.where(day < 120, day + 0.25, np.inf)

    def moments(wait: np.ndarray, other: np.ndarray) -> np.ndarray:
        at = np.full(len(created), NEVER, dtype=np.int64)
        first = np.isfinite(wait) & (wait <= other)
        at[first] = ((created + np.where(first, wait, 0))[first] * DAY).astype(np.int64)
        return at

    return LeadTimes(
        (created * DAY).astype(np.int64), moments(converts, lost), moments(lost, converts)
    )


def _happened(times: LeadTimes, days: int) -> int:
    return int(((times.converted_at >= NOW) & (times.converted_at < NOW + days * DAY)).sum())


def test_what_is_expected_is_near_what_happens() -> None:
    times = _lives(6)
    found = forecast(times, NOW)
    for row in found.rows:
        assert row.total.value == pytest.approx(row.from_open.value + row.from_new.value)
        assert row.total.value == pytest.approx(_happened(times, row.days), rel=0.2)
        assert row.total.low <= _happened(times, row.days) <= row.total.high
    values = [row.total.value for row in found.rows]
    assert values == sorted(values)


def test_the_future_changes_nothing() -> None:
    times = _lives(1)
    cut = LeadTimes(
        times.created_at[times.created_at < NOW],
        np.where(times.converted_at < NOW, times.converted_at, NEVER)[times.created_at < NOW],
        np.where(times.disqualified_at < NOW, times.disqualified_at, NEVER)[times.created_at < NOW],
    )
    assert forecast(times, NOW) == forecast(cut, NOW)


def test_past_forecasts_knew_nothing_later_and_say_what_happened() -> None:
    times = _lives(2)
    found = forecast(times, NOW)
    past = next(each for each in found.past if each.days == 30)
    again = forecast(times, past.made_at).rows[0]
    assert again.total.value == pytest.approx(past.forecast.value)
    window = (times.converted_at >= past.made_at) & (times.converted_at < past.made_at + 30 * DAY)
    assert past.observed == int(window.sum())
    assert found.coverage(30).n == len([each for each in found.past if each.days == 30])


def test_leads_count_with_what_leads_of_their_age_did() -> None:
    """Nobody converts after 120 days: of ten thousand old leads next to nothing is expected."""
    times = _lives(3).known(NOW)
    old = expect(times, NOW, (30, 60), np.full(10_000, 300.0))
    assert 0 < old[30].open < old[60].open < 15
    young = expect(times, NOW, (30,), np.full(1_000, 10.0))[30]
    rate = 0.02 * 20 * (np.exp(-10 / 20) - np.exp(-40 / 20))
    assert young.open == pytest.approx(1_000 * -np.expm1(-rate), rel=0.15)
    assert young.open_variance > young.open  # the rate was learned from few


def test_a_lead_older_than_the_year_counts_with_the_rate_of_its_age() -> None:
    """One in ten converts at 500 days: only leads created before the year can show it."""
    created = np.arange(-600, 395, dtype=np.int64) * DAY
    late = np.arange(len(created)) % 10 == 0
    converted = np.where(late, created + 500 * DAY, NEVER)
    times = LeadTimes(created, converted, np.full(len(created), NEVER)).known(NOW)
    expected = expect(times, NOW, (30,), np.full(100, 480.0))[30]
    assert expected.open == pytest.approx(10, rel=0.3)


def test_what_was_remade_is_what_would_have_been_shown() -> None:
    """The parts too: past ranges are those of the forecast that a page of that day had."""
    times = _lives(2)
    past = [each for each in forecast(times, NOW).past if each.made_at > 240 * DAY]  # by months
    remade = {(each.made_at, each.days): each.forecast for each in past}
    assert len(remade) > 5
    for (made_at, days), shown in list(remade.items())[::3]:
        again = next(row for row in forecast(times, made_at).rows if row.days == days)
        assert (again.total.value, again.total.high) == pytest.approx((shown.value, shown.high))


def test_chances_grow_with_days_and_stay_chances() -> None:
    curve = estimate_incidence(np.array([1.0, 5, 9, 20, 30]), np.array([1, 0, 2, 1, 0]))
    ages = np.linspace(0, 40, 50)
    last = np.zeros(50)
    for days in (1.0, 10.0, 100.0):
        p = chance_by_age(curve, ages, days)
        assert ((p >= last - 1e-12) & (p <= 1)).all()
        last = p


def test_shocks_of_the_past_widen_the_range() -> None:
    calm, wild = forecast(_lives(4), NOW), forecast(_lives(4, shock=0.5), NOW)
    assert wild.rows[0].shock > 1.5 * calm.rows[0].shock
    assert calm.rows[0].shock < 0.15
    plans = [learn_open_shock(_lives(4, shock=shock), NOW, 30).typical for shock in (0.0, 0.5)]
    assert plans[1] > plans[0]


def test_little_or_no_history_is_a_wide_range_not_an_error() -> None:
    times = _lives(5)
    first = forecast(times, 10 * DAY)
    assert first.past == ()
    assert first.rows[0].total.low <= first.rows[0].total.value <= first.rows[0].total.high
    empty = forecast(times, 0)
    assert empty.rows[0].total.high == 0
    assert np.isnan(empty.coverage(30).value)


@pytest.mark.slow
def test_the_range_covers_nine_times_in_ten_under_common_shocks() -> None:
    held = []
    for seed in range(200):
        times = _lives(seed, shock=0.25)
        row = forecast(times, NOW, days=(30,)).rows[0]
        held.append(row.total.low <= _happened(times, 30) <= row.total.high)
    assert 0.85 <= np.mean(held) <= 0.95
