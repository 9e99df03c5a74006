"""An event store and snapshots -> feature frames block by block, within bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import NEVER
from data.store import EventStore
from data.tables import Snapshots, Tables
from features.build import assemble
from features.frame import Catalogue, FeatureFrame

_LEADS_WITHOUT_EVENTS = 200_000  # per block


def build_blocks(
    store: EventStore,
    tables: Tables,
    snapshots: Snapshots,
    catalogue: Catalogue,
    *,
    events_each: int = 2_000_000,
    threads: int = 1,
) -> Iterator[tuple[NDArray[np.int64], FeatureFrame]]:
    """Yield (positions in `snapshots`, their frame), the rows that `build` would make.

    Events come from the store, everything else from `tables`, whose own events are not read.
    Memory holds one block of about `events_each` events and its rows.
    """
    number = _numbers(store, tables)
    key = number[snapshots.lead]
    order = np.lexsort((snapshots.as_of, key)).astype(np.int64)
    sorted_key = key[order]
    for first, past in _ranges(store, int(sorted_key[-1]) + 1 if len(key) else 0, events_each):
        positions = order[np.searchsorted(sorted_key, first) : np.searchsorted(sorted_key, past)]
        if not len(positions):
            continue
        rows = snapshots.take(positions)
        local = Snapshots(key[positions] - first, rows.as_of)
        created = None
        if tables.created_at is not None:
            created = np.full(past - first, NEVER, np.int64)
            created[local.lead] = tables.created_at[rows.lead]
        events = store.read(first, past)
        frame = assemble(tables, rows, catalogue, events, local, created, threads=threads)
        yield positions, frame


def _ranges(store: EventStore, end: int, events_each: int) -> Iterator[tuple[int, int]]:
    """Cut the lead numbers below `end` into ranges; those past the store have no events."""
    yield from store.ranges(events_each)
    for first in range(store.n_leads, end, _LEADS_WITHOUT_EVENTS):
        yield first, min(first + _LEADS_WITHOUT_EVENTS, end)


def _numbers(store: EventStore, tables: Tables) -> NDArray[np.int64]:
    """Find each lead's number in the store; leads without events get numbers past the last."""
    found = pd.Index(store.lead_ids()).get_indexer(pd.Index(tables.lead_ids)).astype(np.int64)
    absent = found < 0
    found[absent] = store.n_leads + np.arange(int(absent.sum()))
    return found
