"""A company small enough to be simulated thousands of times: leads, two event sources, outcomes.

A lead has a hidden interest that shows in its source, its size and its events; conversions come
with an exponential delay. Every week has its own luck (gamma, coefficient of variation .15) in the
number of leads and in how many of them convert.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import DAY, HOUR, MINUTE, NEVER

WEEK: Final = 7 * DAY
BASE: Final = 0.065
SPREAD: Final = 0.15
SOURCES: Final = ("search", "content", "social", "referral", "event", "campaign")
SOURCE_SHARES: Final = (0.30, 0.25, 0.18, 0.10, 0.09, 0.08)
SOURCE_EFFECTS: Final = (0.2, 0.0, -0.5, 0.9, 0.3, -0.3)
OWNERS: Final = ("Ann", "Bea", "Cem", "Dan", "Eva")
TYPES: Final = {"web": ("visit", "pricing", "demo"), "mail": ("open", "reply", "call")}
WEEKDAYS: Final = np.array([1.2, 1.2, 1.1, 1.1, 1.0, 0.25, 0.15])
HOURS: Final = np.array([0.2] * 7 + [1.0] + [3.0] * 10 + [1.5] * 3 + [0.6] * 3)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Company:
    """The tables of a company as frames; times are int64 microseconds, NEVER where there is none.

    `start` is a Monday.
    """

    leads: pd.DataFrame
    web: pd.DataFrame
    mail: pd.DataFrame
    start: int
    weeks: int

    def until(self, as_of: int) -> Company:
        """Give what an export at `as_of` holds."""
        leads = self.leads[self.leads["created"] < as_of]
        leads = leads.assign(
            converted=leads["converted"].where(leads["converted"] < as_of, NEVER),
            closed=leads["closed"].where(leads["closed"] < as_of, NEVER),
        )
        known = set(leads.index)
        cut = [
            frame[(frame["recorded"] < as_of) & frame["lead"].isin(known)]
            for frame in (self.web, self.mail)
        ]
        return replace(self, leads=leads, web=cut[0], mail=cut[1])


@dataclass(frozen=True)
class Wish:
    """How a company differs from a quiet one: conversions and effects from `day` on."""

    day: int = NEVER
    converting: float = 1.0
    whom: str = "all"
    effects: float = 1.0


def moments(rng: np.random.Generator, week_start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Draw a weekday and an hour of office life within each week: (n,) microseconds."""
    n = len(week_start)
    day = rng.choice(7, n, p=WEEKDAYS / WEEKDAYS.sum())
    hour = rng.choice(24, n, p=HOURS / HOURS.sum())
    return week_start + day * DAY + hour * HOUR + rng.integers(0, HOUR, n)


def make_company(
    seed: int,
    per_week: int,
    weeks: int,
    *,
    median_delay: float = 14.0,
    wish: Wish | None = None,
    events: bool = True,
) -> Company:
    """Simulate a company of so many leads a week; `wish` says what goes wrong in the world."""
    rng = np.random.default_rng([seed, per_week])
    wish = wish or Wish()
    start = pd.Timestamp("2025-01-06", tz="UTC").value // 1000
    luck = rng.gamma(1 / SPREAD**2, SPREAD**2, (2, weeks + 60))
    sizes = rng.poisson(per_week * luck[0, :weeks])
    week = np.repeat(np.arange(weeks), sizes)
    created = np.sort(moments(rng, start + week * WEEK))
    n = len(created)
    source = rng.choice(len(SOURCES), n, p=SOURCE_SHARES)
    size = np.exp(rng.normal(4.0, 1.0, n))
    interest = rng.normal(0, 1, n)
    sign = np.where(created >= wish.day, wish.effects, 1.0)
    fit = sign * (np.array(SOURCE_EFFECTS)[source] + 0.4 * (np.log(size) - 4.0) + 0.8 * interest)
    rate = np.log(2) / median_delay
    ceiling = BASE / (1 - np.exp(-rate * 90))
    later = created >= wish.day  # a change of effects leaves the level as it is
    means = [np.exp(fit[part]).mean() if part.any() else 1.0 for part in (~later, later)]
    chance = ceiling * np.exp(fit) / np.where(later, means[1], means[0])
    cohort = np.minimum((created - start) // WEEK, weeks - 1)
    chance = chance * luck[1, cohort]
    if wish.whom == "new":
        chance = np.where(created >= wish.day, chance * wish.converting, chance)
    delay = (np.minimum(rng.exponential(1 / rate, n), 3_000) * DAY).astype(np.int64)
    converted = np.where(rng.random(n) < np.minimum(chance, 0.95), created + delay, NEVER)
    if wish.whom == "all":
        if wish.converting < 1:
            lost = (converted >= wish.day) & (rng.random(n) > wish.converting)
            converted = np.where(lost, NEVER, converted)
        elif wish.converting > 1:
            more = np.where(
                rng.random(n) < np.minimum(chance * (wish.converting - 1), 0.95),
                created + (rng.exponential(1 / rate, n) * DAY).astype(np.int64),
                NEVER,
            )
            more = np.where(more >= wish.day, more, NEVER)
            converted = np.minimum(converted, more)
    closed = created + (rng.exponential(250, n) * DAY).astype(np.int64)
    closed = np.where(closed < converted, NEVER, closed)
    leads = pd.DataFrame(
        {
            "created": created,
            "source": np.array(SOURCES, object)[source],
            "owner": rng.choice(np.array(OWNERS, object), n),
            "size": np.round(size, 1),
            "email": [f"p{i}@c{i % 97}.example" for i in range(n)],
            "converted": converted,
            "closed": closed,
        },
        index=pd.Index([f"L{i:07d}" for i in range(n)], name="lead"),
    )
    ends = np.minimum(converted, closed)
    each = (3.0, 2.0) if events else (0.02, 0.02)
    web = _events(rng, leads, interest, ends, TYPES["web"], each[0])
    mail = _events(rng, leads, interest, ends, TYPES["mail"], each[1])
    return Company(leads, web, mail, start, weeks)


def _events(
    rng: np.random.Generator,
    leads: pd.DataFrame,
    interest: Floats,
    ends: NDArray[np.int64],
    types: tuple[str, ...],
    each: float,
) -> pd.DataFrame:
    """Draw the events of one source: more of the later types for interested leads."""
    counts = rng.poisson(each * np.exp(0.3 * interest))
    row = np.repeat(np.arange(len(leads)), counts)
    born = leads["created"].to_numpy()[row]
    later = born + (rng.exponential(20, len(row)) * DAY).astype(np.int64)
    at = moments(rng, (later - 4 * DAY) // WEEK * WEEK + 4 * DAY)  # the epoch was a Thursday
    at = np.maximum(at, born + MINUTE)
    strong = rng.random(len(row)) < 0.15 + 0.1 * (interest[row] > 0.5)
    kind = np.where(strong, rng.integers(1, 3, len(row)), 0)
    recorded = at + rng.integers(1, 20, len(row)) * MINUTE
    frame = pd.DataFrame(
        {
            "lead": leads.index.to_numpy()[row],
            "at": at,
            "recorded": recorded,
            "type": np.array(types, object)[kind],
        }
    )
    frame = frame[at < ends[row]]
    return frame.sort_values("at", kind="stable").reset_index(drop=True)


Change = Callable[[Company, int, np.random.Generator], Company]
"""A fault: the export of a company, the moment at which it began, and luck."""
