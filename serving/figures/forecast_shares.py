"""Probabilities and ages of open leads -> how much each counts where opportunities are added up.

A model knows the ages of the snapshots that it learned from. Leads that are older count together
with what leads of their ages did in the last year; their scores say whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY
from data.incidence import Incidence
from data.schema import Project
from data.tables import Outcomes, Snapshots, Tables
from features.catalogue import oldest_age
from serving.figures.forecast import ages_of, chance_by_age, estimate_curve, read_lead_times

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AgedLeads:
    """Open leads by their ages, and what is left of the horizon, (n,) days, beside the curve."""

    curve: Incidence
    ages: Floats
    left: Floats

    @classmethod
    def of(
        cls, tables: Tables, outcomes: Outcomes, project: Project, snapshots: Snapshots
    ) -> AgedLeads:
        """Estimate the curve as of the snapshots, of which there is at least one."""
        ages, as_of = ages_of(tables, snapshots), int(snapshots.as_of.max())
        left = np.full(len(ages), (project.conversion.horizon or 0) / DAY)
        if project.conversion.horizon_from == "created":
            left = np.maximum(left - ages, 0.0)
        known = read_lead_times(tables, outcomes).known(as_of)
        return cls(estimate_curve(known, as_of), ages, left)

    def within(self, days: Floats | float) -> Floats:
        """Give the chance by age to convert within so many days: (n,)."""
        return chance_by_age(self.curve, self.ages, days)


def count_old_by_age(
    tables: Tables, outcomes: Outcomes, project: Project, snapshots: Snapshots, probability: Floats
) -> Floats:
    """Give each open lead's chance within the horizon to count with: (n,), like `probability`."""
    oldest = oldest_age(project)
    if oldest is None or not outcomes.timed or tables.created_at is None:
        return probability
    old = ages_of(tables, snapshots) > oldest / DAY
    if not old.any():
        return probability
    leads = AgedLeads.of(tables, outcomes, project, snapshots)
    expected = float(leads.within(leads.left)[old].sum())
    promised = max(float(probability[old].sum()), 1e-9)
    return np.where(old, np.minimum(probability * (expected / promised), 1.0), probability)


def share_out(
    tables: Tables,
    outcomes: Outcomes,
    project: Project,
    snapshots: Snapshots,
    counted: Floats,
    expected: Mapping[int, float],
) -> dict[int, Floats]:
    """Share out among open leads what is `expected` in so many days: (n,) chances for each.

    Each takes part by its chance within the horizon, (n,) `counted`, and by how much of that its
    age leaves for these days.
    """
    if not len(snapshots):
        return dict.fromkeys(expected, counted)
    leads = AgedLeads.of(tables, outcomes, project, snapshots)
    at_horizon = leads.within(leads.left)
    known = at_horizon > 0
    shares = {}
    for days, total in expected.items():
        within = leads.within(float(days))
        part = np.where(known, counted * within / np.where(known, at_horizon, 1.0), within)
        shares[days] = np.minimum(part * (total / max(float(part.sum()), 1e-9)), 1.0)
    return shares
