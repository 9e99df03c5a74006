"""Tables and snapshots -> the feature frame, by one code path for training, batch and one lead."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from data.asof import exists
from data.tables import Events, Snapshots, Tables
from features import profile, walk
from features.frame import Catalogue, FeatureFrame, Levels
from features.plan import compile_plan, template_of

Codes = NDArray[np.int32]


class Builder:
    """Builds frames of one catalogue: what depends on the catalogue alone is compiled once.

    `number_at` is the column of each number by name. Many leads, one lead and a block of a store
    are the same call.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        """Compile the catalogue; ValueError where no template computes a column."""
        self.catalogue = catalogue
        self.number_at = {feature.name: i for i, feature in enumerate(catalogue.numbers)}
        self._plan = compile_plan(catalogue)
        self._of_leads = [
            (column, feature)
            for column, feature in enumerate(catalogue.numbers)
            if not template_of(feature).of_events
        ]
        self._read = catalogue.read_columns
        self._categories = [(each, template_of(each).code) for each in catalogue.categories]
        self._reads_leads = not all(template_of(each).of_events for each in catalogue.features)

    def build(self, tables: Tables, snapshots: Snapshots, *, threads: int = 1) -> FeatureFrame:
        """Build the frame: numbers (n, n_numbers) float32 and categories, rows as in `snapshots`.

        Only what was known strictly before each row's `as_of` is read; outcomes cannot be reached
        from here. Rows are the same whatever `threads` is.
        """
        order = _order(snapshots)
        rows = snapshots if order is None else snapshots.take(order)
        numbers = np.empty((len(rows), len(self.number_at)), np.float32)  # the kernel writes all
        codes = self.fill_events(tables.events, rows, tables.created_at, numbers, threads=threads)
        existing = np.empty(0, bool)
        if self._reads_leads:
            existing = exists(tables, rows.lead, rows.as_of)
            profile.fill_numbers(tables, rows, self._of_leads, self._read, existing, numbers)
        levels = tuple(
            profile.category(tables, rows, feature, existing)
            if code is None
            else Levels(feature.name, codes[:, code], tables.events.type_names)
            for feature, code in self._categories
        )
        frame = FeatureFrame(rows, self.catalogue, numbers, levels)
        if order is None:
            return frame
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return frame.take(back)

    def fill_events(
        self,
        events: Events,
        rows: Snapshots,
        created: NDArray[np.int64] | None,
        out: NDArray[np.float32],
        *,
        threads: int = 1,
    ) -> Codes:
        """Fill the event columns of `out` in place, and the others with NaN; rows are sorted.

        Returns the code matrix (n, 0 or 2), -1 for none.
        """
        codes = np.empty((len(rows), 2 if self._plan.codes else 0), np.int32)
        created_at = np.empty(0, np.int64) if created is None else created
        program, columns = self._plan.program(events), self._plan.columns(events)
        fill = walk.fill.for_steps(self._plan.steps(events, rows.lead))

        def run(bounds: tuple[int, int]) -> None:
            fill(
                program,
                columns,
                events.offsets,
                rows.lead,
                rows.as_of,
                bounds[0],
                bounds[1],
                created_at,
                out,
                codes,
            )

        ranges = [(0, len(rows))] if threads <= 1 else row_ranges(rows.lead, threads)
        if len(ranges) == 1:
            run(ranges[0])
        elif ranges:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(run, ranges))
        return codes


def build(
    tables: Tables, snapshots: Snapshots, catalogue: Catalogue, *, threads: int = 1
) -> FeatureFrame:
    """Build one frame of a catalogue, as `Builder.build` does."""
    return Builder(catalogue).build(tables, snapshots, threads=threads)


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
    if len(lead) < 2:
        return None
    same = lead[1:] == lead[:-1]
    if bool((lead[1:] >= lead[:-1]).all() and (as_of[1:] >= as_of[:-1])[same].all()):
        return None
    return np.lexsort((as_of, lead)).astype(np.int64)
