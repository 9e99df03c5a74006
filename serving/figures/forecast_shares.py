"""Probabilities and ages of open leads -> how much each counts where opportunities are added up.

A model knows the ages of the snapshots that it learned from. Leads that are older count together
with what leads of their ages did in the last year; their scores say whose it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY
from data.schema import Project
from data.tables import Outcomes, Snapshots, Tables
from features.catalogue import oldest_age
from serving.figures.forecast import ages_of, chance_by_age, estimate_curve, read_lead_times

Floats = NDArray[np.float64]


def count_old_by_age(
    tables: Tables, outcomes: Outcomes, project: Project, snapshots: Snapshots, probability: Floats
) -> Floats:
    """Give each open lead's chance within the horizon to count with: (n,), like `probability`."""
    oldest = oldest_age(project)
    if oldest is None or not outcomes.timed or tables.created_at is None:
        return probability
    ages = ages_of(tables, snapshots)
    old = ages > oldest / DAY
    if not old.any():
        return probability
    by_age = _chances(tables, outcomes, project, snapshots, None)
    promised = max(float(probability[old].sum()), 1e-9)
    return np.where(old, np.minimum(probability * (by_age[old].sum() / promised), 1.0), probability)


def share_out(
    tables: Tables,
    outcomes: Outcomes,
    project: Project,
    snapshots: Snapshots,
    counted: Floats,
    days: int,
    expected: float,
) -> Floats:
    """Share out among open leads what they are expected to bring in so many days: (n,) chances.

    Each takes part by its chance within the horizon, (n,) `counted`, and by how much of that its
    age leaves for these days.
    """
    if not len(snapshots):
        return counted
    within = _chances(tables, outcomes, project, snapshots, days)
    at_horizon = _chances(tables, outcomes, project, snapshots, None)
    known = at_horizon > 0
    part = np.where(known, counted * within / np.where(known, at_horizon, 1.0), within)
    return np.minimum(part * (expected / max(float(part.sum()), 1e-9)), 1.0)


def _chances(
    tables: Tables, outcomes: Outcomes, project: Project, snapshots: Snapshots, days: int | None
) -> Floats:
    """Give the chance by age within so many days, by default what is left of the horizon: (n,)."""
    ages, as_of = ages_of(tables, snapshots), int(snapshots.as_of.max())
    curve = estimate_curve(read_lead_times(tables, outcomes).known(as_of), as_of)
    left = np.full(len(ages), float(days or 0))
    if days is None:
        left = np.full(len(ages), (project.conversion.horizon or 0) / DAY)
        if project.conversion.horizon_from == "created":
            left = np.maximum(left - ages, 0.0)
    return chance_by_age(curve, ages, left)
