"""A kind of company, size and seed -> the tables of a CRM, and the truth apart from them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.clock import DAY, HOUR, NEVER
from data.errors import InputError
from data.world.crm import Life, write_frames
from data.world.kinds import (
    ACTS,
    BANT,
    BANT_RATES,
    FIRST_ACT_SHARES,
    FIRST_ACTS,
    KINDS,
    WorldConstants,
    WorldKind,
)
from data.world.people import make_people
from data.world.process import Floats, simulate
from data.world.truth import Truth

# share of a day's acts before each hour: people act in office hours, a little in the evening
_HOURS = np.array([0.2] * 7 + [1.0] + [3.0] * 10 + [1.5] * 3 + [0.6] * 3)
CLOCK: Floats = np.concatenate([[0.0], np.cumsum(_HOURS) / _HOURS.sum()])


@dataclass(frozen=True, slots=True)
class World:
    """The tables as a CRM would export them, by name, and the truth that none of them holds."""

    kind: WorldKind
    frames: Mapping[str, pd.DataFrame]
    truth: Truth
    observed_until: int
    horizon: int


def make_world(
    kind: WorldKind,
    n_leads: int,
    seed: int,
    *,
    months: int = 12,
    drift: float = 0.0,
    late_share: float = 0.02,
    base_rate: float | None = None,
    start: str = "2025-11-01",
) -> World:
    """Simulate a CRM of `n_leads` created over `months` from `start` (UTC).

    `drift` in units of the push moves mix, effects and level over the period; `late_share` of the
    acts are recorded days after they happened; `base_rate` is the share of leads that convert
    within the horizon of the kind (default: the kind's, between 5 and 11 %).
    """
    if kind not in KINDS:
        raise InputError(
            f"unknown kind of company: {kind!r}", cure=f"choose one of {', '.join(KINDS)}"
        )
    if n_leads < 1 or months < 1:
        raise InputError("a world needs at least one lead and one month")
    constants = KINDS[kind]
    began = pd.Timestamp(start, tz="UTC")
    first = began.value // 1000
    until = (began + pd.DateOffset(months=months)).value // 1000
    rng = np.random.default_rng([seed, 0])
    created = _creation(rng, n_leads, first, until)
    people = make_people(constants, n_leads, (created - first) / (until - first), drift, seed)
    push, shares = _calibrate(people.fit, constants, base_rate or constants.base_rate)
    rates = constants.rates
    first_types = np.array([ACTS.index(act) for act in FIRST_ACTS])
    key = ACTS.index(constants.key_act)
    simulated = simulate(
        np.random.default_rng([seed, 2]),
        push,
        shares,
        (until - created) / DAY,
        rates,
        key,
        FIRST_ACT_SHARES,
        first_types,
        BANT_RATES,
        len(BANT),
    )
    life = _on_the_clock(simulated, created, until)
    ids = np.array([f"L{row:07d}" for row in range(n_leads)], dtype=object)
    frames = write_frames(constants, ids, created, people, life, until, late_share, seed)
    leads = pd.DataFrame({"lead_id": ids, "fit": people.fit, "push": push})
    leads[["p_cold", "p_curious", "p_engaged", "p_hot"]] = shares
    truth = Truth(
        leads=leads,
        effects=people.effects,
        created_at=created,
        rates=rates,
        first_shares=FIRST_ACT_SHARES,
        first_types=first_types,
        key=key,
        bant_rates=BANT_RATES,
        offsets=np.searchsorted(life.lead, np.arange(n_leads + 1)),
        act_at=life.at,
        act_type=life.act,
        answer=life.answer,
        answer_at=life.answer_at,
        answer_age=life.answer_age,
        clock=CLOCK,
    )
    return World(kind, frames, truth, until, constants.horizon_days * DAY)


def project_file(kind: str) -> Path:
    """Find the project file of a kind of company; examples/ links to it."""
    return Path(__file__).with_name("projects") / f"{kind}.toml"


def write_world(
    world: World, folder: str | Path, *, project: str | Path | None = None, csv: bool = False
) -> None:
    """Write each table into `folder` under the name that the example project file expects.

    `project` (see `project_file`) is copied beside them, so that it can be used as it is. The
    truth is not written.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for name, frame in world.frames.items():
        if csv:
            frame.to_csv(place / f"{name}.csv", index=False)
        else:
            frame.to_parquet(place / f"{name}.parquet", index=False)
    if project is not None:
        shutil.copyfile(project, place / Path(project).name)


def _creation(rng: np.random.Generator, n: int, first: int, until: int) -> np.ndarray:
    """Draw creation times in office hours, sorted, with a mild growth over the period."""
    share = rng.beta(1.15, 1.0, n)
    day = first // DAY + np.floor(share * ((until - first) // DAY)).astype(np.int64)
    hour = np.interp(rng.random(n), CLOCK, np.linspace(0, 24, len(CLOCK)))
    return np.sort(day * DAY + (hour * HOUR).astype(np.int64))


def _calibrate(fit: Floats, kind: WorldConstants, base_rate: float) -> tuple[Floats, Floats]:
    """Shift the push until the mean true probability at creation is the base rate (bisection)."""
    sample = fit[:: max(1, len(fit) // 1500)]
    low, high = -8.0, 8.0
    for _ in range(30):
        middle = (low + high) / 2
        if _mean_probability(sample + middle, kind) < base_rate:
            low = middle
        else:
            high = middle
    push = fit + (low + high) / 2
    return push, first_state(push)


def first_state(push: Floats) -> Floats:
    """Give the shares of the four states at creation, (n, 4)."""
    logits = np.array([1.2, 0.6, -0.6, -1.8]) + np.outer(push, [-0.25, 0.0, 0.3, 0.5])
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)


def _mean_probability(push: Floats, kind: WorldConstants) -> float:
    """Average the true probability of conversion within the horizon at the moment of creation."""
    n = len(push)
    truth = Truth(
        leads=pd.DataFrame({"lead_id": np.arange(n).astype(object), "push": push}).join(
            pd.DataFrame(first_state(push), columns=["p_cold", "p_curious", "p_engaged", "p_hot"])
        ),
        effects=pd.DataFrame(),
        created_at=np.zeros(n, np.int64),
        rates=kind.rates,
        first_shares=FIRST_ACT_SHARES,
        first_types=np.array([ACTS.index(a) for a in FIRST_ACTS]),
        key=ACTS.index(kind.key_act),
        bant_rates=BANT_RATES,
        offsets=np.zeros(n + 1, np.int64),
        act_at=np.empty(0, np.int64),
        act_type=np.empty(0, np.int64),
        answer=np.empty((n, 0), np.int8),
        answer_at=np.empty((n, 0), np.int64),
        answer_age=np.empty((n, 0)),
        clock=CLOCK,
    )
    ids = np.arange(n).astype(object)
    return float(truth.probability(ids, 0, kind.horizon_days * DAY).mean())


def _on_the_clock(simulated: tuple[np.ndarray, ...], created: np.ndarray, until: int) -> Life:
    """Turn days of age into microseconds UTC, by the hours at which people act, and sort."""
    lead, act, day, moment, state, outcome, outcome_age, answer, answer_age, _ = simulated
    at = created[lead] + day * DAY + _within_day(created[lead], moment)
    kept = at < until
    order = np.lexsort((at[kept], lead[kept]))
    outcome_at = _moments(created, outcome_age)
    answer_at = _moments(created[:, None], answer_age)
    unseen = answer_at >= until
    return Life(
        lead=lead[kept][order],
        act=act[kept][order],
        at=at[kept][order],
        state=state[kept][order],
        outcome=np.where(outcome_at < until, outcome, 0).astype(np.int8),
        outcome_at=np.where(outcome_at < until, outcome_at, NEVER),
        answer=np.where(unseen, -1, answer).astype(np.int8),
        answer_at=np.where(unseen, NEVER, answer_at),
        answer_age=np.where(unseen, math.inf, answer_age),
    )


def _moments(created: np.ndarray, age: Floats) -> np.ndarray:
    known = np.isfinite(age)
    whole = np.floor(np.where(known, age, 0.0))
    at = created + whole.astype(np.int64) * DAY
    at = at + _within_day(np.broadcast_to(created, age.shape), np.where(known, age, 0.0) - whole)
    return np.where(known, at, NEVER)


def _within_day(created: np.ndarray, moment: Floats) -> np.ndarray:
    """Place the share `moment` of a day's acts: microseconds after the day of age began."""
    hours = np.linspace(0.0, 1.0, len(CLOCK))
    starts = created % DAY / DAY
    reached = np.interp(starts, hours, CLOCK) + moment
    ends = np.floor(reached) + np.interp(np.mod(reached, 1.0), CLOCK, hours)
    return np.clip(np.round((ends - starts) * DAY), 0, DAY - 1).astype(np.int64)
