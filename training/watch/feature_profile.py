"""Training rows -> how each feature was spread at each age of a lead, kept with the model.

Recent rows are compared with training rows of the same ages, so that older open leads are not
taken for other leads. The two halves of training, older and newer, say how much a feature moves
by itself. It holds counts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.explain.observed_rates import Groups, LevelGroups, ObservedRates
from models.fit.row_weights import weighted_quantile, weights_or_ones

Floats = NDArray[np.float64]

AGE_EDGES: Final = (1, 3, 7, 14, 30, 60, 90, 120, 180, 365)
"""Days; a lead of exactly one of them belongs to the older group."""
N_AGES: Final = len(AGE_EDGES) + 1


@dataclass(frozen=True, slots=True)
class FeatureProfile:
    """Counts of training rows by feature: (2 halves, n_ages, n_groups), older half first.

    The groups are those of `ObservedRates`; levels that it does not hold share the last but one,
    missing values have the last. `rows_per_lead` says how many rows count as one.
    """

    counts: Mapping[str, Floats]
    rows_per_lead: float

    def to_dict(self) -> dict[str, Any]:
        """Write what `from_dict` reads."""
        counts = {name: table.astype(int).tolist() for name, table in self.counts.items()}
        return {"rows_per_lead": self.rows_per_lead, "counts": counts}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> FeatureProfile:
        """Read a profile."""
        counts = {str(k): np.array(v, np.float64) for k, v in raw["counts"].items()}
        return cls(counts, float(raw["rows_per_lead"]))


def make_feature_profile(
    frame: pd.DataFrame,
    facts: ObservedRates,
    *,
    age_days: Floats,
    order: NDArray[np.int64],
    leads: NDArray[np.int64],
    row_weights: Floats | None = None,
) -> FeatureProfile:
    """Count training rows: ages (n,) days, `order` their position in time, `leads` their leads.

    `row_weights` (n,) say how often each row counts; None: once.
    """
    ages = age_groups(age_days)
    weights = weights_or_ones(row_weights, len(order))
    middle = weighted_quantile(order.astype(np.float64), [0.5], weights)[0] if len(order) else 0.0
    half = (order >= middle).astype(np.int64)
    counts = {}
    for name, groups in facts.table.items():
        if name in frame:
            code, k = place(frame[name], groups)
            cell = (half * N_AGES + ages) * k + code
            table = np.bincount(cell, weights, minlength=2 * N_AGES * k).round()
            counts[name] = table.astype(np.float64).reshape(2, N_AGES, k)
    return FeatureProfile(counts, len(leads) / max(1, len(np.unique(leads))))


def age_groups(age_days: Floats) -> NDArray[np.int64]:
    """Put ages into groups: (n,) codes."""
    return np.searchsorted(np.array(AGE_EDGES) - 1e-6, age_days, "right").astype(np.int64)


def place(column: pd.Series[Any], groups: Groups) -> tuple[NDArray[np.int64], int]:
    """Find the group of each value: (codes (n,), number of groups)."""
    if isinstance(groups, LevelGroups):
        code_of = {level: i for i, level in enumerate(sorted(groups.levels))}  # as in any file
        k = len(code_of) + 2
        codes, levels = pd.factorize(column)
        table = np.array([*(code_of.get(str(level), k - 2) for level in levels), k - 1], np.int64)
        return table[codes], k
    values = column.to_numpy(np.float64)
    k = len(groups.bins) + 1
    bins = np.searchsorted(np.array(groups.edges), values, "right")
    return np.where(np.isnan(values), k - 1, bins).astype(np.int64), k


def expected_counts(reference: Floats, n_by_age: Floats) -> tuple[Floats, float, Floats]:
    """Say how rows of these ages should be spread: (shares, rows behind them, ages used).

    `reference` is (n_ages, n_groups). Ages that training hardly saw are left out.
    """
    rows = reference.sum(axis=1)
    used = (rows >= 30) & (n_by_age > 0)
    if not used.any():
        return np.zeros(reference.shape[1]), 0.0, used.astype(np.float64)
    weight = n_by_age[used] / n_by_age[used].sum()
    shares = weight @ (reference[used] / rows[used][:, None])
    behind = 1.0 / float(np.sum(weight**2 / rows[used]))
    return shares, behind, used.astype(np.float64)
