"""Does the forecast's 90 % range hold 90 % of the time? Simulated cohorts, then bpi2012's weeks.

Each simulated cohort is a CRM of its own: 20 months of leads, and shocks that all leads of a month
share (hazard and arrivals); nearly all that will convert do so within half a year, and most stay
open for ever. One forecast is made from each, so that cohorts are independent, and compared with
what then happened. A small company has a tenth of the leads.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from data.clock import DAY, NEVER
from serving.figures.counts import cover_count
from serving.figures.forecast import LeadTimes, expect, forecast

DAYS = (30, 60, 90)
WATCHED = 540  # days of history before the forecast
AFTER = 90  # days that follow it
LIFE = 240  # a lead's days at risk
COMPANIES = {"usual company": 1.0, "small company": 0.1}


def simulate(rng: np.random.Generator, size: float = 1.0) -> LeadTimes:
    """Make leads with hidden propensities; hazards share a shock by calendar month."""
    total = WATCHED + AFTER
    months = total // 30 + 2
    spread = rng.uniform(0.15, 0.35)  # common deviation of a month's hazard
    shock = np.exp(rng.normal(-(spread**2) / 2, spread, months))
    arrivals = size * rng.uniform(4, 12) * np.exp(rng.normal(-0.005, 0.1, months))
    per_day = rng.poisson(arrivals[np.arange(total) // 30])
    created = np.repeat(np.arange(total), per_day) + rng.uniform(0, 1, per_day.sum())
    ratio = np.exp(rng.normal(-0.5, 1.0, len(created)))
    scale, pace = rng.uniform(0.05, 0.2), rng.uniform(15, 50)
    age = np.arange(LIFE)
    base = scale * (np.exp(-age / pace) - np.exp(-(age + 1) / pace))
    month = ((created[:, None] + age) // 30).astype(int).clip(max=months - 1)
    passed = np.cumsum(ratio[:, None] * base * shock[month], axis=1)
    converts = _first_passage(passed, rng.exponential(1.0, len(created)), rng)
    drops = _first_passage(
        np.broadcast_to(np.cumsum(np.full(LIFE, 0.004)), passed.shape),
        rng.exponential(1.0, len(created)),
        rng,
    )
    end = np.minimum(converts, drops)
    converted = np.where((converts <= drops) & np.isfinite(end), created + end, np.inf)
    lost = np.where((drops < converts) & np.isfinite(end), created + end, np.inf)
    return LeadTimes(*(_micros(moment) for moment in (created, converted, lost)))


def _first_passage(
    passed: np.ndarray, threshold: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Find the day on which the cumulative hazard passes the threshold; inf if never."""
    day = (passed < threshold[:, None]).sum(axis=1)
    return np.where(day < passed.shape[1], day + rng.uniform(0, 1, len(day)), np.inf)


def _micros(days: np.ndarray) -> np.ndarray:
    known = np.isfinite(days)
    micros = np.full(len(days), NEVER, dtype=np.int64)
    micros[known] = (days[known] * DAY).astype(np.int64)
    return micros


def run_cohorts(n: int, seed: int) -> pd.DataFrame:
    """Forecast from n worlds: one row per world, number of days and way of forecasting."""
    rows = []
    now = WATCHED * DAY
    for world in range(n):
        for name, size in COMPANIES.items():
            times = simulate(np.random.default_rng([seed, world]), size)
            known = times.known(now)
            result, plain = forecast(times, now, days=DAYS), expect(known, now, DAYS)
            for row in result.rows:
                hit = (times.converted_at >= now) & (times.converted_at < now + row.days * DAY)
                old = times.created_at < now
                truth = {"total": int(hit.sum()), "open": int((hit & old).sum())}
                truth["new"] = truth["total"] - truth["open"]
                parts = {"total": row.total, "open": row.from_open, "new": row.from_new}
                rows += [_row(name, row.days, part, each, truth) for part, each in parts.items()]
                chance = plain[row.days].total
                bare = cover_count(chance, chance)
                rows.append(_row(f"{name}, Poisson", row.days, "total", bare, truth))
    return pd.DataFrame(rows)


def _row(
    name: str, days: int, part: str, count: object, truth: dict[str, int]
) -> dict[str, object]:
    low, high, value = count.low, count.high, count.value  # type: ignore[attr-defined]
    return {
        "forecast": name,
        "days": days,
        "part": part,
        "held": low <= truth[part] <= high,
        "width": (high - low) / max(value, 1.0),
        "bias": truth[part] / max(value, 1e-9),
    }


def run_bpi2012(folder: Path) -> pd.DataFrame:
    """Forecast offers (A_ACCEPTED) of the next 7 and 14 days from every week of bpi2012."""
    events = pd.read_csv(
        folder / "bpi2012" / "events.csv.gz", usecols=["case", "event", "timestamp"]
    )
    cases = pd.read_csv(folder / "bpi2012" / "applications.csv", usecols=["case", "reg_date"])
    at = pd.to_datetime(events["timestamp"], utc=True, format="ISO8601")
    events["at"] = at.dt.as_unit("us").astype("int64")
    created = pd.to_datetime(cases["reg_date"], utc=True, format="ISO8601").dt.as_unit("us")

    def first(names: list[str]) -> np.ndarray:
        first_at = events[events["event"].isin(names)].groupby("case")["at"].min()
        return cases["case"].map(first_at).fillna(-1).astype("int64").replace(-1, NEVER).to_numpy()

    times = LeadTimes(
        created.astype("int64").to_numpy(),
        first(["A_ACCEPTED"]),
        first(["A_DECLINED", "A_CANCELLED"]),
    )
    until = int(times.created_at.max())  # the extract holds no registration after this one
    result = forecast(times, until, days=(7, 14), step_days=7.0)
    return pd.DataFrame(
        {
            "made on": [pd.Timestamp(each.made_at, unit="us").date() for each in result.past],
            "days": [each.days for each in result.past],
            "expected": [round(each.forecast.value) for each in result.past],
            "low": [each.forecast.low for each in result.past],
            "high": [each.forecast.high for each in result.past],
            "observed": [each.observed for each in result.past],
            "held": [each.held for each in result.past],
        }
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1,000 cohorts instead of 240")
    n = 1000 if parser.parse_args().full else 240
    frame = run_cohorts(n, seed=8)
    table = frame.groupby(["forecast", "part", "days"]).agg(
        coverage=("held", "mean"), width=("width", "mean"), bias=("bias", "mean")
    )
    print(
        f"{n} simulated cohorts with common shocks; width of the range / expected; "
        "bias: happened / expected"
    )
    print(table.round(3).to_string())
    verdicts = []
    for days in DAYS:
        for name in COMPANIES:
            covered = float(table.loc[(name, "total", days), "coverage"])
            most = 0.95 if name == "usual company" else 1.0  # few come in whole numbers
            bar = f"0.85 to {most}"
            verdicts.append((0.85 <= covered <= most, f"{name}, {days} d", covered, bar))
    data = os.environ.get("LEADSCORE_DATA")
    if data:
        weeks = run_bpi2012(Path(data))
        print("\nbpi2012, offers, forecasts made every week from what was known then")
        print(weeks.to_string(index=False))
        for days, group in weeks.groupby("days"):
            held, n_weeks = int(group["held"].sum()), len(group)
            low, high = stats.binomtest(held, n_weeks).proportion_ci(method="wilson")
            print(f"{days} d: {held} of {n_weeks} ranges held (95 % {low:.2f} to {high:.2f})")
    else:
        print("\nbpi2012 skipped: set LEADSCORE_DATA to the folder of the data sets")
    for met, name, covered, bar in verdicts:
        word = "met" if met else "missed"
        print(f"{word}  coverage of the 90 % range, {name}  {covered:.3f}  {bar}")
    return 0 if all(met for met, *_ in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
