"""Leads without creation times -> their order in time, where a column declares one."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import NEVER
from data.errors import InputError
from data.reading.read_job import ReadJob
from data.reading.sources import RawTable
from data.reading.values import instants, numbers


def order_in_time(
    job: ReadJob, raw: RawTable, order: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Rank the leads by the declared order ("#row": as they stand in the file), 0 the oldest.

    InputError where the column holds neither numbers nor dates, or a gap: text has no order in
    time.
    """
    column, project = job.project.project.order_by, job.project
    if column is None:
        return None
    if column == "#row":
        rank = np.arange(len(raw))
    else:
        keys = _order_keys(job, raw, column)
        absent = pd.isna(keys).to_numpy()
        if absent.any() and not job.lenient:
            raise raw.mistake(
                f"is missing ({int(absent.sum()):,} such rows), so that nothing says whether they "
                "come before or after the others",
                int(absent.argmax()),
                column,
                f"leave such rows out (where = '\"{column}\" is known'), or leave out order_by",
            )
        rank = keys.rank(method="dense", na_option="top").to_numpy().astype(np.int64) - 1
    if project.project.order == "desc":
        rank = rank.max() - rank
    return np.asarray(rank[order], dtype=np.int64)


def _order_keys(job: ReadJob, raw: RawTable, column: str) -> pd.Series[float]:
    """Read the column that orders rows as numbers, else as dates: NaN where missing."""
    try:
        return pd.Series(numbers(raw, column, job.project))
    except InputError:
        pass
    try:
        at = instants(raw, column, job)
    except InputError as error:
        raise InputError(
            f"orders the rows in time, but holds neither numbers nor dates: {error.cause}",
            file=raw.name,
            column=column,
            cure="name a column of dates (with their date_format) or of rising numbers in "
            "order_by, or leave it out: then the test rows are drawn at random",
        ) from None
    return pd.Series(at.astype(np.float64)).mask(at == NEVER)
