"""Open leads -> what a conversion of each would bring."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.schema import Project
from data.tables import Tables
from models.amount_model import AmountModel
from models.predictor import Floats, Frame


def knows_amounts(project: Project) -> bool:
    """Tell whether payments say what a conversion brings."""
    return project.value.declared


def lead_worth(
    project: Project,
    tables: Tables,
    lead: NDArray[np.int64],
    amounts: AmountModel | None,
    features: Frame | None,
) -> Floats:
    """Give each lead's own amount; else what is learned from payments; else `report.value`.

    Returns (n,), NaN where nothing says it. An own amount of 0 or less says nothing.
    """
    flat = np.nan if project.report.value is None else project.report.value
    worth = np.full(len(lead), flat)
    if amounts is not None and features is not None:
        worth = amounts.expected(features)
    if "value" not in tables.display.columns:
        return worth
    own = tables.display["value"].to_numpy(np.float64, na_value=np.nan)[lead]
    return np.where(np.isfinite(own) & (own > 0), own, worth)
