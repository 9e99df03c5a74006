"""Touches by sales -> speed to first touch, missed follow-up, and contacts by group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, HOUR, NEVER, Micros
from data.tables import OUTBOUND, Outcomes, Snapshots, Tables
from serving.figures.funnel import Rate, rate_of

SPEED_LIMITS_HOURS = (1.0, 24.0, 72.0, 168.0)


@dataclass(frozen=True, slots=True)
class SpeedToTouch:
    """Speed to first touch of leads old enough to judge: hours; None where half are untouched.

    `by_speed` holds (upper limit in hours, None for later or never; conversion rate): an
    association only, because sales touch promising leads first.
    """

    leads: int
    median_hours: float | None
    quartile_hours: tuple[float | None, float | None]
    within_day: Rate
    untouched: int
    by_speed: tuple[tuple[float | None, Rate], ...]


@dataclass(frozen=True, slots=True)
class MissedLead:
    """A lead with a high score and no recent touch: days since the last, or since creation."""

    lead_id: str
    row: int
    score: float
    days: float
    touched: bool
    owner: str


@dataclass(frozen=True, slots=True)
class ContactShare:
    """One group of open leads: how many were touched recently, and its share of all touches."""

    group: str
    contacted: Rate
    touches: int
    share_of_touches: float
    share_of_leads: float


def touches_by_lead(tables: Tables, before: int) -> tuple[NDArray[np.int64], Micros]:
    """List the outbound events before a moment: (lead row, at) of each, by lead and time."""
    events = tables.events
    kept = (events.direction == OUTBOUND) & events.known_before(before)
    return events.lead[kept], events.at[kept]


def measure_speed(
    tables: Tables, outcomes: Outcomes, as_of: int, *, days: float = 90.0, settle_days: float = 7.0
) -> SpeedToTouch | None:
    """Measure leads created in the last `days`, at least `settle_days` ago; None in static mode."""
    created = tables.created_at
    if created is None or not (tables.events.direction == OUTBOUND).any():
        return None
    recent = (created >= as_of - int(days * DAY)) & (created < as_of - int(settle_days * DAY))
    lead, at = touches_by_lead(tables, as_of)
    first = np.full(len(tables), NEVER, dtype=np.int64)
    np.minimum.at(first, lead, at)
    wait = np.where(first == NEVER, np.inf, np.maximum(first - created, 0) / HOUR)[recent]
    if len(wait) == 0:
        return None
    converted = (outcomes.converted_at < as_of)[recent]
    low, middle, high = (_quantile(wait, share) for share in (0.25, 0.5, 0.75))
    return SpeedToTouch(
        leads=len(wait),
        median_hours=middle,
        quartile_hours=(low, high),
        within_day=rate_of(int((wait <= 24).sum()), len(wait)),
        untouched=int(np.isinf(wait).sum()),
        by_speed=_by_speed(wait, converted),
    )


def _quantile(wait: NDArray[np.float64], share: float) -> float | None:
    """Take the smallest wait that this share of leads does not exceed; None if never touched."""
    value = float(np.sort(wait)[min(int(np.ceil(share * len(wait))), len(wait)) - 1])
    return None if np.isinf(value) else value


def _by_speed(
    wait: NDArray[np.float64], converted: NDArray[np.bool_]
) -> tuple[tuple[float | None, Rate], ...]:
    rates: list[tuple[float | None, Rate]] = []
    lower = -np.inf
    for limit in (*SPEED_LIMITS_HOURS, np.inf):
        rows = (wait > lower) & (wait <= limit)
        rate = rate_of(int(converted[rows].sum()), int(rows.sum()))
        rates.append((None if np.isinf(limit) else limit, rate))
        lower = limit
    return tuple(rates)


def find_missed(
    tables: Tables,
    snapshots: Snapshots,
    score: NDArray[np.floating],
    *,
    threshold: float,
    days: float,
    skip: NDArray[np.bool_] | None = None,
) -> tuple[MissedLead, ...]:
    """Find open leads that score at least `threshold` and had no sales touch for `days`.

    `skip` leaves rows out (disqualified leads). Highest score first. Empty where no event is
    outbound: then touches are not recorded.
    """
    if not (tables.events.direction == OUTBOUND).any():
        return ()
    last = last_touch(tables, snapshots)
    touched = last != np.iinfo(np.int64).min
    created = tables.created_at
    start = snapshots.as_of if created is None else created[snapshots.lead]
    quiet = (snapshots.as_of - np.where(touched, last, start)) / DAY
    missed = (score >= threshold) & (quiet >= days)
    if skip is not None:
        missed &= ~skip
    rows = np.flatnonzero(missed)
    order = rows[np.lexsort((rows, -np.asarray(score, dtype=np.float64)[rows]))]
    owner = tables.display["owner"].to_numpy() if "owner" in tables.display.columns else None
    return tuple(
        MissedLead(
            str(tables.lead_ids[snapshots.lead[row]]),
            int(row),
            float(score[row]),
            float(quiet[row]),
            bool(touched[row]),
            ""
            if owner is None or owner[snapshots.lead[row]] is None
            else str(owner[snapshots.lead[row]]),
        )
        for row in order
    )


def last_touch(tables: Tables, snapshots: Snapshots) -> Micros:
    """Find the last outbound event known before each as_of: (n,), the smallest int64 if none.

    Snapshots may have moments of their own, one row per lead.
    """
    events = tables.events
    as_of = np.full(len(tables), np.iinfo(np.int64).min, dtype=np.int64)
    as_of[snapshots.lead] = snapshots.as_of
    lead = events.lead
    kept = (events.direction == OUTBOUND) & events.known_before(as_of)
    last = np.full(len(tables), np.iinfo(np.int64).min, dtype=np.int64)
    np.maximum.at(last, lead[kept], events.at[kept])
    return last[snapshots.lead]


def share_contacts(
    tables: Tables,
    snapshots: Snapshots,
    group: NDArray[np.object_],
    as_of: int,
    *,
    days: float = 30.0,
) -> tuple[ContactShare, ...]:
    """Count the touches of the last `days` by group (band, stage, source).

    Sales spend their time on a group with a far larger share of touches than of leads: if that
    is the lowest band, the targeting is wrong.
    """
    lead, at = touches_by_lead(tables, as_of)
    recent = lead[at >= as_of - int(days * DAY)]
    touches = np.bincount(recent, minlength=len(tables))[snapshots.lead]
    total = max(int(touches.sum()), 1)
    shares = []
    for name in dict.fromkeys(sorted(str(each) for each in group if each is not None)):
        rows = np.array([str(each) == name for each in group], dtype=bool)
        shares.append(
            ContactShare(
                name,
                rate_of(int((touches[rows] > 0).sum()), int(rows.sum())),
                int(touches[rows].sum()),
                float(touches[rows].sum() / total),
                float(rows.mean()),
            )
        )
    return tuple(shares)
