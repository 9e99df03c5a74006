"""How long conversions take -> the delay curve, what the horizon covers, where recording began.

The curve is estimated in data.incidence and compared here with the horizon of the project file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, NEVER, Micros, show
from data.incidence import Incidence, estimate_incidence, observe
from data.schema import Project
from data.tables import Outcomes, Tables

Floats = NDArray[np.float64]
ENOUGH: Final = 0.8
_HORIZONS: Final = (1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365, 540, 730)


@dataclass(frozen=True, slots=True)
class Truncation:
    """Since when conversions are recorded; older leads cannot be trusted as negatives."""

    first_at: int
    recorded_from: int
    n_older: int
    expected: float
    line: str


@dataclass(frozen=True, slots=True)
class DelayCurve:
    """Share of leads converted by age, and what the horizon makes of it.

    `covered` is the share of the conversions seen in the end that the horizon covers (NaN where
    none was seen); `advice_days` names the shortest usual horizon that covers 80 %.
    """

    incidence: Incidence
    horizon_days: float
    covered: float
    advice_days: float | None
    warnings: tuple[str, ...]


def delay_curve(tables: Tables, outcomes: Outcomes, project: Project) -> DelayCurve:
    """Estimate the curve from creation on, over leads whose conversions were recorded."""
    if tables.created_at is None:
        raise ValueError("time to convert needs leads.created_at")
    truncation = None
    if outcomes.recorded_from is None:
        truncation = detect_truncation(tables.created_at, outcomes)
    if truncation is not None:
        outcomes = replace(outcomes, recorded_from=truncation.recorded_from)
    days, cause, included = observe(tables, outcomes)
    ended = np.minimum(outcomes.converted_at, outcomes.disqualified_at)
    use = included & (ended >= tables.created_at)
    horizon, ages = (project.conversion.horizon or 0) / DAY, project.conversion.snapshots
    oldest = 0 if isinstance(ages, str) else max(ages)
    reach = horizon + (oldest / DAY if project.conversion.horizon_from == "as_of" else 0)
    curve = estimate_incidence(days[use], cause[use])
    return _compare_with_horizon(curve, horizon, reach, truncation)


def _compare_with_horizon(
    curve: Incidence, horizon: float, reach: float, truncation: Truncation | None
) -> DelayCurve:
    """Say what the horizon covers and which one would cover 80 %."""
    lines = [truncation.line] if truncation else []
    eventual = curve.plateau
    covered, advice = np.nan, None
    if eventual > 0:
        covered = float(curve.share_by(reach)) / eventual
        enough = [d for d in _HORIZONS if float(curve.share_by(d)) >= ENOUGH * eventual]
        advice = float(enough[0]) if enough else None
        if covered < ENOUGH:
            cure = f'; horizon = "{advice:.0f}d" would' if advice else ""
            lines.append(
                f"the horizon covers {covered:.0%} of eventual conversions, less than {ENOUGH:.0%}"
                f"{cure}"
            )
    return DelayCurve(curve, horizon, covered, advice, tuple(lines))


def detect_truncation(created: Micros, outcomes: Outcomes) -> Truncation | None:
    """Find whether conversions only start to be recorded at some date; None where nothing says so.

    Leads created before the first conversion should have converted as fast as those created after
    it. The hazard by age, estimated on the later leads, gives how many conversions the older
    leads should have had *before* that date. None was seen, by construction; where at least ten
    were expected (Poisson p < 5e-5), recording is taken to begin with that calendar month.
    """
    ok = (outcomes.converted_at != NEVER) & (outcomes.converted_at >= created)
    if ok.sum() < 20:
        return None
    first = int(outcomes.converted_at[ok].min())
    older = created < first
    if not older.any() or older.all():
        return None
    end = np.minimum(
        np.minimum(outcomes.converted_at, outcomes.disqualified_at), outcomes.observed_until
    )
    later = ~older & (created < outcomes.observed_until) & (end >= created)
    days, won = (
        (end[later] - created[later]) / DAY,
        ok[later] & (outcomes.converted_at[later] <= end[later]),
    )
    if won.sum() < 20:
        return None
    waited = np.minimum(first, end[older]) - created[older]
    expected = float(_cumulative_hazard(days, won, waited / DAY).sum())
    if expected < 10:
        return None
    month = np.datetime64(first, "us").astype("M8[M]")
    since = int(month.astype("M8[us]").astype(np.int64))
    n = int((created < since).sum())
    line = (
        f"no conversion is recorded before {show(first)[:10]}, where about {expected:.0f} were to "
        f"be expected: the {n:,} leads from before {month} cannot be trusted as negatives; "
        f'set conversion.recorded_from = "{month}-01"'
    )
    return Truncation(first, since, n, expected, line)


def _cumulative_hazard(days: Floats, won: NDArray[np.bool_], ask: Floats) -> Floats:
    """Estimate the cumulative hazard (Nelson-Aalen) and read it at `ask` days."""
    steps, row = np.unique(days, return_inverse=True)
    happened = np.bincount(row[won], minlength=len(steps))
    at_risk = len(days) - np.concatenate([[0], np.cumsum(np.bincount(row))[:-1]])
    total = np.cumsum(happened / at_risk)
    return np.asarray(np.append(0.0, total)[np.searchsorted(steps, ask, side="right")])
