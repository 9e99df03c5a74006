"""Rows of one past that two nights read: doubled, repaired, imported, late, or at another hour."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.clock import DAY, HOUR
from data.feeds import feed_of
from training.watch.breach import Breach
from training.watch.night_checks import check_night
from training.watch.night_profile import NightProfile

START = pd.Timestamp("2026-01-05", tz="UTC").value // 1000
WEEKS = 40
END = START + WEEKS * 7 * DAY


def rows_at(seed: int, a_day: float, since: int = START, until: int = END) -> np.ndarray:
    """Draw the moments of rows in office hours, Saturdays and Sundays too."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(a_day * (until - since) / DAY)
    day = rng.integers(since // DAY, until // DAY, n)
    return np.sort(day * DAY + 8 * HOUR + rng.integers(0, 10 * HOUR, n))


def night(events: np.ndarray, as_of: int = END, leads: np.ndarray | None = None) -> NightProfile:
    born = rows_at(1, 8) if leads is None else leads
    feeds = (feed_of("leads.csv", born), feed_of("touches.csv", events))
    return NightProfile(as_of, as_of, "1", feeds, {}, {}, (), 0, 100.0)


def found(now: np.ndarray, then: np.ndarray, a_day: float = 30) -> list[Breach]:
    """Compare a night with the one before; leads and new rows came in between."""
    as_of = END + DAY
    fresh = rows_at(5, a_day, END, as_of)
    born = np.concatenate([rows_at(1, 8), rows_at(6, 8, END, as_of)])
    tonight = night(np.sort(np.concatenate([now, fresh])), as_of, born)
    return check_night(tonight, night(then), declared_end=True)


@pytest.mark.parametrize("a_day", [2, 30, 2_000])
@pytest.mark.parametrize("times", [2, 3])
def test_events_that_are_there_twice_are_named_and_stop_the_night(a_day, times):
    rows = rows_at(0, a_day)
    (breach,) = found(np.repeat(rows, times), rows)
    assert breach.check == "extract"
    assert breach.cause.startswith("touches.csv")
    assert breach.cause.endswith(f"each row is there {times} times")
    assert "ran twice" in breach.cure


def test_the_last_weeks_twice_are_named_too():
    rows = rows_at(0, 30)
    late = rows[rows >= END - 20 * DAY]
    (breach,) = found(np.sort(np.concatenate([rows, late])), rows)
    assert "of the 28 days" in breach.cause
    assert breach.cause.endswith("each row is there 2 times")


def test_a_join_that_repeats_rows_unevenly_stops_the_night():
    rows = rows_at(0, 30)
    fan = np.random.default_rng(2).integers(1, 4, len(rows))
    (breach,) = found(np.repeat(rows, fan), rows)
    assert "or are there twice" in breach.cause


@pytest.mark.parametrize("a_day", [2, 30, 2_000])
def test_after_a_night_of_doubled_rows_the_repaired_ones_are_told_from_a_cut(a_day):
    rows = rows_at(0, a_day)
    (breach,) = found(rows, np.repeat(rows, 2))
    assert breach.cause.endswith("in nearly every hour the last run had 2 times as many")
    assert "accept tonight's" in breach.cure
    half = rows[: len(rows) // 2]
    (cut,) = found(half, rows)
    assert cut.cause.endswith("the extract is cut")


@pytest.mark.parametrize("a_day", [0.3, 2, 30, 2_000])
@pytest.mark.parametrize("seed", range(5))
def test_quiet_nights_late_rows_and_history_read_for_the_first_time_go_through(a_day, seed):
    rows = rows_at(seed, a_day)
    rng = np.random.default_rng(seed)
    known = rows[rng.random(len(rows)) < 0.97]  # the others arrive a day late
    recent = rows[rows >= END - 60 * DAY]
    odd = np.array([START + DAY])  # lies before them all
    assert found(rows, rows, a_day) == []
    assert found(rows, known, a_day) == []
    assert found(rows, recent, a_day) == []  # the months before are imported
    assert found(np.sort([*odd, *rows]), np.sort([*odd, *recent]), a_day) == []
    assert found(rows, rows[:0], a_day) == []  # the source is new


def test_a_source_of_last_week_that_is_still_read_backwards_goes_through():
    rows = rows_at(0, 30, END - 9 * DAY)
    part = rows[np.random.default_rng(0).random(len(rows)) < 0.5]
    assert found(rows, part) == []


@pytest.mark.parametrize("a_day", [2, 30, 2_000])
@pytest.mark.parametrize("hours", [-6, -1, 1, 2, 9])
def test_a_clock_that_moved_since_the_last_night_is_named(a_day, hours):
    rows = rows_at(0, a_day)
    (breach,) = found(rows + hours * HOUR, rows)
    assert breach.check == "clock"
    assert f"touches.csv: its clock moved by {hours:+d} hours" in breach.cause
    assert "time zone" in breach.cure


def test_a_zone_of_which_the_summer_lies_elsewhere_is_named():
    rows = rows_at(0, 30)
    berlin = pd.DatetimeIndex(pd.to_datetime(rows, unit="us")).tz_localize(
        "Europe/Berlin", nonexistent="shift_forward", ambiguous=True
    )
    read = berlin.tz_convert("UTC").tz_localize(None).as_unit("us").asi8
    (breach,) = found(np.sort(read), rows)
    assert breach.cause.startswith("touches.csv: its clock moved by -2 hours")


def test_the_clock_of_few_rows_says_nothing():
    rows = rows_at(0, 0.05)
    assert found(rows + 9 * HOUR, rows) == []


def test_a_night_that_is_kept_compares_alike():
    rows = rows_at(0, 30)
    kept = NightProfile.from_dict(night(rows).to_dict())
    twice = night(np.repeat(rows, 2), END + DAY)
    assert [b.check for b in check_night(twice, kept, declared_end=True)] == ["extract"]
