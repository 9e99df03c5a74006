"""Converted leads and what they paid -> the model of amounts that goes into the artifact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY
from data.customers import UNITS, choose_window, observed_for, paid_within
from data.schema import Project
from data.tables import Outcomes, Tables
from models.amount_model import PROVEN, AmountModel
from models.fit.amounts import LEAST, fit_amounts
from models.note import Note
from models.predictor import Floats
from training.dataset import Dataset


@dataclass(frozen=True, slots=True)
class LearnedAmounts:
    """The model of amounts, None where too little was paid, and what is to be said of it."""

    model: AmountModel | None
    notes: tuple[str, ...]


def learn_amounts(
    project: Project, tables: Tables, outcomes: Outcomes, dataset: Dataset, *, seed: int
) -> LearnedAmounts:
    """Learn from customers observed for the whole window, each as last seen before it converted."""
    if not project.value.declared or outcomes.payments is None:
        return LearnedAmounts(None, ())
    window = choose_window(outcomes, project.value.within)
    snapshots = dataset.labelled.snapshots
    mature = (observed_for(outcomes) >= window)[snapshots.lead] & (dataset.y > 0)
    rows = np.flatnonzero(mature)
    last = np.append(np.diff(snapshots.lead[rows]) != 0, True)[: len(rows)]  # sorted by lead, time
    rows = rows[last]
    lead = snapshots.lead[rows]
    paid = paid_within(outcomes, window)[lead] / UNITS
    model = fit_amounts(
        dataset.rows(rows),
        paid,
        dataset.groups[rows],
        dataset.frame.catalogue,
        within_days=window / DAY,
        currency=project.report.currency,
        seed=seed,
    )
    said = _say(model, len(rows), int((paid > 0).sum()), window)
    return LearnedAmounts(model, (*said, *_compare(tables, lead, paid)))


def _compare(tables: Tables, lead: NDArray[np.int64], paid: Floats) -> list[Note]:
    """Say how far what customers paid is from the amounts that they had as leads."""
    if "value" not in tables.display.columns:
        return []
    own = tables.display["value"].to_numpy(np.float64, na_value=np.nan)[lead]
    both = np.isfinite(own) & (own > 0)
    if both.sum() < LEAST:
        return []
    ratio = float(paid[both].sum() / own[both].sum())
    if 0.8 <= ratio <= 1.25:
        return []
    return [Note("customers paid {ratio:.0%} of the amounts that they had as leads", ratio=ratio)]


def _say(model: AmountModel | None, customers: int, paying: int, window: int) -> list[Note]:
    seen = {"paying": paying, "customers": customers, "days": window / DAY}
    if model is None:
        return [
            Note(
                "amounts are not learned: {paying:,} of {customers:,} customers observed for "
                "{days:,.0f} days after their conversion paid, at least {least} are needed",
                least=LEAST,
                **seen,
            )
        ]
    said = [
        Note(
            "amounts: learned from what {paying:,} of {customers:,} customers observed for "
            "{days:,.0f} days after their conversion paid in that time",
            **seen,
        )
    ]
    if not model.proven:
        said.append(
            Note(
                "ranges of amounts rest on fewer than {proven} customers who paid: where 90 % is "
                "promised, expect at least 80 %",
                proven=PROVEN,
            )
        )
    return said
