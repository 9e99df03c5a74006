"""A guessed outcome -> when leads converted by it, the horizon and the ages that cover them."""

from __future__ import annotations

from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, NEVER, Micros, show
from data.delay import detect_truncation
from data.labels import TOO_OLD, TOO_OLD_SHARE
from data.reading.clock_checks import MAX_EARLY_LABELS
from data.sketch.guess import (
    EventOutcome,
    ExportGuess,
    Outcome,
    TableOutcome,
    span_of,
)
from data.sketch.looks import ColumnLook
from data.sketch.outcomes import DateOutcome, StageOutcome
from data.sketch.table_links import child_time, event_type, lead_column
from data.tables import Outcomes

_HORIZONS: Final = (7, 14, 30, 60, 90, 180, 365)
_USUAL: Final = 90
_ENOUGH: Final = 0.8
_AGES: Final = (1, 7, 14, 30, 60)
"""Ages in days from which every company learns."""
_LATEST: Final = 0.999
"""Share of moments up to the last that counts: a typing error lies beyond it."""
MAX_NAMED: Final = 100
"""Leads that a `where` may leave out by their ids."""


def converted_at(outcome: Outcome | None, export: ExportGuess) -> Micros | None:
    """Find when each row of the leads converted: (rows,) NEVER where not; None if undated."""
    match outcome:
        case DateOutcome():
            return outcome.column.times()
        case StageOutcome():
            closed = outcome.closed
            return None if closed is None else np.where(outcome.rows(), closed.times(), NEVER)
        case TableOutcome():
            rows = np.ones(outcome.file.rows, bool)
            if outcome.stage is not None:
                rows = np.isin(outcome.stage.texts().astype(str), outcome.won)
            return _first_of_lead(outcome.lead, outcome.at, rows, export)
        case EventOutcome():
            lead, kind = lead_column(outcome.file, export.ids), event_type(outcome.file, export.ids)
            assert lead is not None
            assert kind is not None
            rows = kind.texts().astype(str) == outcome.word
            return _first_of_lead(lead, child_time(outcome.file), rows, export)
    return None


def _first_of_lead(
    lead: ColumnLook, at: ColumnLook, rows: NDArray[np.bool_], export: ExportGuess
) -> Micros:
    """Find the first moment among `rows` of another table for each row of the leads."""
    first: dict[str, int] = {}
    for name, moment in zip(lead.texts()[rows], at.times()[rows].tolist(), strict=True):
        key = str(name).lstrip("0")
        first[key] = min(moment, first.get(key, NEVER))
    ids = export.ids.texts() if export.ids.cells is not None else np.empty(0, object)
    return np.array([first.get(str(name).lstrip("0"), NEVER) for name in ids], np.int64)


def propose_horizon(outcome: Outcome | None, export: ExportGuess) -> tuple[int, str]:
    """Propose days of a horizon, with the reason: 90 where they cover 80 % and history is long."""
    created = export.created[0]
    longest = max(7.0, span_of(created) / 2)
    at = converted_at(outcome, export)
    fitting = [days for days in _HORIZONS if days <= longest]
    if at is None or not len(at) or not (at != NEVER).any():
        days = _USUAL if _USUAL in fitting else fitting[-1]
        return days, "CHOOSE: within how long after creation a lead must convert; no date says"
    began = created.times()
    known = (at != NEVER) & (began != NEVER) & (at >= began)
    delays = (at[known] - began[known]) / DAY
    cover = {days: float((delays < days).mean()) if len(delays) else 0.0 for days in fitting}
    enough = [days for days in fitting if cover[days] >= _ENOUGH]
    days = _USUAL if _USUAL in enough else (enough or fitting[-1:])[0]
    return days, f"CHOOSE: {cover[days]:.0%} of the conversions seen came within {days} days"


def propose_ages(outcome: Outcome | None, export: ExportGuess, horizon: int) -> list[str]:
    """Propose the ages of leads to learn from: half as old as nearly all open leads are, or older.

    `check` warns of open leads more than twice as old as the oldest. Ages double as long as leads
    of twice a `horizon` in days more were seen: some are decided before the test begins.
    """
    began = export.created[0].times()
    at = converted_at(outcome, export)
    logs = [child_time(look).times() for look in (*export.events, *export.deals)]
    moments = np.concatenate([each[each != NEVER] for each in (began, *logs)])
    end = float(np.quantile(moments, _LATEST, method="lower")) if len(moments) else 0.0
    is_open = (began != NEVER) & ~_ended(outcome, len(began))
    if at is not None and len(at) == len(began):
        is_open &= at == NEVER
    ages = (end - began[is_open]) / DAY
    needed = float(np.quantile(ages, 1 - TOO_OLD_SHARE)) / TOO_OLD if len(ages) else 0.0
    seen = (end - float(began.min())) / DAY
    chosen = list(_AGES)
    while chosen[-1] < needed and 2 * chosen[-1] + 2 * horizon <= seen:
        chosen.append(2 * chosen[-1])
    last = min(ceil(needed / 30) * 30, int(seen) - horizon)
    if last > chosen[-1]:
        chosen = [*(days for days in chosen if days in _AGES or 1.5 * days <= last), last]
    return [f"{days}d" for days in chosen]


def _ended(outcome: Outcome | None, n: int) -> NDArray[np.bool_]:
    """Mark the rows of leads that say that the lead is over, lost or won: (n,)."""
    match outcome:
        case DateOutcome() if outcome.lost is not None:
            return outcome.lost.known()
        case StageOutcome() if outcome.closed is not None:
            over = outcome.column.among([*outcome.won, *outcome.lost])
            return over | outcome.closed.known() if outcome.closed_alone else over
    return np.zeros(n, bool)


def propose_recorded_from(outcome: Outcome | None, export: ExportGuess) -> tuple[str, str] | None:
    """Propose since when conversions are recorded: (day, reason), if older leads lack them."""
    at = converted_at(outcome, export)
    began = export.created[0].times()
    if at is None or len(at) != len(began):
        return None
    known = began != NEVER
    last = max(int(each[each != NEVER].max(initial=0)) for each in (at, began))
    ends = Outcomes(at[known], np.full(int(known.sum()), NEVER), last + 1)
    found = detect_truncation(began[known], ends)
    if found is None:
        return None
    day = show(found.recorded_from)[:10]
    return day, f"check: {found.n_older:,} leads are older, and none of them converted before it"


def early_rows(outcome: Outcome | None, export: ExportGuess) -> NDArray[np.bool_] | None:
    """Mark rows of leads that convert before their creation, if they are too many to be read.

    A conversion dated by its day alone may fall on the day of creation.
    """
    at = converted_at(outcome, export)
    if at is None or not export.created or not len(at):
        return None
    began = export.created[0].times()
    both = (at != NEVER) & (began != NEVER)
    same_day = (at % DAY == 0) & (at // DAY == began // DAY)
    early = both & (at < began) & ~same_day
    return early if early.sum() > max(1, MAX_EARLY_LABELS * both.sum()) else None
