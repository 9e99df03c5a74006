"""How long conversions take -> the delay curve, the horizon's share, since when they are recorded.

The curve is the Aalen-Johansen estimate (1978): a disqualified lead can convert no more, an open
one is censored at the end of observation. Without disqualification it is 1 - Kaplan-Meier (1958).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, NEVER, Micros, show
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
    """Share of leads converted, disqualified and still open by age, steps ascending.

    `covered` is the share of the conversions seen in the end that the horizon covers (NaN where
    none was seen); `advice` names the shortest usual horizon in days that covers 80 %.
    """

    days: Floats
    converted: Floats
    disqualified: Floats
    still_open: Floats
    at_risk: NDArray[np.int64]
    horizon_days: float
    covered: float
    advice_days: float | None
    warnings: tuple[str, ...]

    def share_by(self, days: float | Floats) -> Floats:
        """Read the share converted by an age in days."""
        at = np.searchsorted(self.days, days, side="right")
        return np.asarray(np.append(0.0, self.converted)[at])


def delay_curve(tables: Tables, outcomes: Outcomes, project: Project) -> DelayCurve:
    """Estimate the curve from creation on, over leads whose conversions were recorded."""
    if tables.created_at is None:
        raise ValueError("time to convert needs leads.created_at")
    since = outcomes.recorded_from
    found = detect_truncation(tables.created_at, outcomes) if since is None else None
    since = found.recorded_from if found else since
    created = tables.created_at
    end = np.minimum(outcomes.converted_at, outcomes.disqualified_at)
    use = (created < outcomes.observed_until) & (end >= created)
    if since is not None:
        use &= created >= since
    horizon = (project.conversion.horizon or 0) / DAY
    age = (project.conversion.snapshots, project.conversion.horizon_from)
    reach = horizon + (
        max(age[0]) / DAY if age[1] == "as_of" and not isinstance(age[0], str) else 0
    )
    seen = end < outcomes.observed_until
    watched = np.where(seen, np.minimum(end, NEVER - 1), outcomes.observed_until) - created
    cause = np.where(~seen, 0, np.where(outcomes.converted_at <= outcomes.disqualified_at, 1, 2))
    steps = _aalen_johansen(watched[use] / DAY, cause[use])
    curve = DelayCurve(*steps, horizon, np.nan, None, ())
    return _judged(curve, reach, found)


def _aalen_johansen(
    days: Floats, cause: NDArray[np.int64]
) -> tuple[Floats, Floats, Floats, Floats, NDArray[np.int64]]:
    """Estimate cumulative incidence: (days, converted, disqualified, still open, at risk)."""
    steps, row = np.unique(days.astype(np.float64), return_inverse=True)
    won = np.bincount(row[cause == 1], minlength=len(steps))
    lost = np.bincount(row[cause == 2], minlength=len(steps))
    ended = np.bincount(row, minlength=len(steps))
    at_risk = len(days) - np.concatenate([[0], np.cumsum(ended)[:-1]]).astype(np.int64)
    still_open = np.cumprod(1 - (won + lost) / np.maximum(at_risk, 1))
    before = np.concatenate([[1.0], still_open[:-1]])
    shares = [np.cumsum(before * part / np.maximum(at_risk, 1)) for part in (won, lost)]
    keep = (won + lost) > 0
    floats = (np.asarray(part[keep], np.float64) for part in (*shares, still_open))
    converted, disqualified, remaining = floats
    return steps[keep], converted, disqualified, remaining, at_risk[keep]


def _judged(curve: DelayCurve, reach: float, found: Truncation | None) -> DelayCurve:
    """Say what the horizon covers and which one would cover 80 %."""
    lines = [found.line] if found else []
    eventual = float(curve.converted[-1]) if len(curve.converted) else 0.0
    covered, advice = np.nan, None
    if eventual > 0:
        covered = float(curve.share_by(reach)) / eventual
        late = [d for d in _HORIZONS if float(curve.share_by(d)) >= ENOUGH * eventual]
        advice = float(late[0]) if late else None
        if covered < ENOUGH:
            cure = f'; horizon = "{advice:.0f}d" would' if advice else ""
            lines.append(
                f"the horizon covers {covered:.0%} of eventual conversions, less than {ENOUGH:.0%}"
                f"{cure}"
            )
    return DelayCurve(
        curve.days,
        curve.converted,
        curve.disqualified,
        curve.still_open,
        curve.at_risk,
        curve.horizon_days,
        covered,
        advice,
        tuple(lines),
    )


def detect_truncation(created: Micros, outcomes: Outcomes) -> Truncation | None:
    """Find whether conversions only start to be recorded at some date; None where nothing says so.

    Leads that were there before the first conversion should have converted at the pace of the
    leads created after it. From the later leads the hazard by age is learnt, and with it how
    many conversions the older leads should have shown *before* that date. Where at least ten
    were expected, none by construction seen (Poisson p < 5e-5), recording is taken to begin with
    that calendar month.
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
