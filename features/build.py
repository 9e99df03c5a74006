"""Tables and snapshots -> the feature frame, by one code path for training, batch and one lead."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.tables import Events, Snapshots, Tables
from features import profile, walk
from features.frame import Catalogue, FeatureFrame
from features.plan import CODE_TEMPLATES, compile_plan

Codes = NDArray[np.int32]


def build(
    tables: Tables, snapshots: Snapshots, catalogue: Catalogue, *, threads: int = 1
) -> FeatureFrame:
    """Build the frame: numbers (n, n_numbers) float32 and categories, rows as in `snapshots`.

    Only what was known strictly before each row's `as_of` is read; outcomes cannot be reached
    from here. Rows are the same whatever `threads` is.
    """
    order = _order(snapshots)
    rows = snapshots if order is None else snapshots.take(order)
    frame = assemble(
        tables, rows, catalogue, tables.events, rows, tables.created_at, threads=threads
    )
    if order is None:
        return frame
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    categories = tuple(values.take(back) for values in frame.categories)
    return FeatureFrame(snapshots, catalogue, frame.numbers[back], categories)


def assemble(
    tables: Tables,
    rows: Snapshots,
    catalogue: Catalogue,
    events: Events,
    event_rows: Snapshots,
    created: NDArray[np.int64] | None,
    *,
    threads: int = 1,
) -> FeatureFrame:
    """Build sorted rows: `event_rows` and `created` number the leads as `events` does.

    `events` may be a part of all events (a lead range of a store).
    """
    numbers = np.empty((len(rows), len(catalogue.numbers)), np.float32)  # the kernel writes all
    codes = fill_events(events, event_rows, created, catalogue, numbers, threads=threads)
    profile.fill_numbers(tables, rows, catalogue, numbers)
    categories = []
    for feature in catalogue.categories:
        if feature.template in CODE_TEMPLATES:
            column = codes[:, CODE_TEMPLATES.index(feature.template)]
            levels = pd.Index(events.type_names, dtype=object)
            categories.append(pd.Categorical.from_codes(column, categories=levels))
        else:
            categories.append(profile.category(tables, rows, feature))
    return FeatureFrame(rows, catalogue, numbers, tuple(categories))


def fill_events(
    events: Events,
    rows: Snapshots,
    created: NDArray[np.int64] | None,
    catalogue: Catalogue,
    out: NDArray[np.float32],
    *,
    threads: int = 1,
) -> Codes:
    """Fill the event columns of `out` in place, and the others with NaN.

    Returns the code matrix (n, 0 or 2), -1 for none.
    """
    plan = compile_plan(catalogue)
    codes = np.empty((len(rows), 2 if plan.codes else 0), np.int32)
    born = np.empty(0, np.int64) if created is None else created
    program, columns = plan.program(events), plan.columns(events)

    def run(bounds: tuple[int, int]) -> None:
        walk.fill(
            program, columns, events.offsets, rows.lead, rows.as_of, bounds[0], bounds[1], born,
            out, codes,
        )  # fmt: skip

    ranges = row_ranges(rows.lead, threads)
    if len(ranges) == 1:
        run(ranges[0])
    elif ranges:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, ranges))
    return codes


def row_ranges(lead: NDArray[np.int64], threads: int) -> list[tuple[int, int]]:
    """Cut rows into about `threads` equal ranges, never within a lead."""
    n = len(lead)
    cuts = [0]
    for part in range(1, max(threads, 1)):
        row = n * part // threads
        while 0 < row < n and lead[row] == lead[row - 1]:
            row += 1
        cuts.append(row)
    cuts.append(n)
    return [(lo, hi) for lo, hi in pairwise(cuts) if hi > lo]


def _order(snapshots: Snapshots) -> NDArray[np.int64] | None:
    """Find the order by (lead, as_of); None where rows stand in it already."""
    lead, as_of = snapshots.lead, snapshots.as_of
    same = lead[1:] == lead[:-1]
    if bool((lead[1:] >= lead[:-1]).all() and (as_of[1:] >= as_of[:-1])[same].all()):
        return None
    return np.lexsort((as_of, lead)).astype(np.int64)
