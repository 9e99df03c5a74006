"""Columns in the order of time -> the same, where a level's first lead is coded as new.

A page, a campaign or a rep that nobody has seen before is not like the rare ones of the past: in
time order, new ones keep coming, and what awaits the lead of a new one is seen in the leads that
were the first of an earlier one. Those are coded `NEW`, as they looked when they came, so that
training learns the effect that an unseen level gets at scoring.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.fit.encoders import Ints, TrainingColumns
from models.predictor import NEW

SHARE, LEAST = 0.01, 10
"""Of the newer half's rows: from here on a column's levels count as still arriving."""


def mark_arrivals(
    columns: TrainingColumns, times: NDArray[Any], groups: Ints | None
) -> TrainingColumns:
    """Code as `NEW` the rows of the first lead of each level, where new levels keep arriving.

    `times` (n,) order the rows; rows of one group (`groups`, n: a lead or an account) are first
    together. Columns whose newer half has hardly any firsts stay as they are.
    """
    order = np.argsort(times, kind="stable")
    leads = np.arange(columns.n) if groups is None else groups
    newer = np.zeros(columns.n, dtype=bool)
    newer[order[columns.n // 2 :]] = True
    codes = dict(columns.codes)
    for name, known in columns.codes.items():
        first = _of_first_lead(known[order], leads[order])[np.argsort(order)]
        arriving = int(np.sum(first & newer))
        if arriving >= max(LEAST, SHARE * newer.sum()):
            codes[name] = np.where(first, NEW, known)
    return replace(columns, codes=codes)


def _of_first_lead(codes: Ints, leads: Ints) -> NDArray[np.bool_]:
    """Mark the rows, in time order, that belong to the first lead that had their level: (n,)."""
    table = pd.DataFrame({"level": codes, "lead": leads})
    first_lead = table.groupby("level")["lead"].transform("first")
    first: NDArray[np.bool_] = (table["lead"].eq(first_lead) & table["level"].ge(0)).to_numpy()
    return first
