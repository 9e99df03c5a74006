"""An event store and snapshots -> feature frames block by block, within bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.event_store import EventStore
from data.tables import Events, Snapshots, Tables
from features.build import Builder
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
    builder = Builder(catalogue)
    number = _numbers(store, tables)
    key = number[snapshots.lead]
    order = np.lexsort((snapshots.as_of, key)).astype(np.int64)
    sorted_key = key[order]
    for first, past in _ranges(store, int(sorted_key[-1]) + 1 if len(key) else 0, events_each):
        positions = order[np.searchsorted(sorted_key, first) : np.searchsorted(sorted_key, past)]
        if not len(positions):
            continue
        rows = snapshots.take(positions)
        events = _of_tables(store.read(first, past), number - first)
        yield positions, builder.build(replace(tables, events=events), rows, threads=threads)


def _of_tables(events: Events, number: NDArray[np.int64]) -> Events:
    """Give the events of a block to the leads of the tables, by their number in the block.

    Leads outside the block have no events.
    """
    leads = np.flatnonzero((number >= 0) & (number < len(events.offsets) - 1))
    held = events.take(number[leads])
    count = np.zeros(len(number), np.int64)
    count[leads] = np.diff(held.offsets)
    return replace(held, offsets=np.concatenate([[0], np.cumsum(count)]))


def _ranges(store: EventStore, end: int, events_each: int) -> Iterator[tuple[int, int]]:
    """Cut the lead numbers below `end` into ranges; those past the store have no events."""
    yield from store.ranges(events_each)
    for first in range(store.n_leads, end, _LEADS_WITHOUT_EVENTS):
        yield first, min(first + _LEADS_WITHOUT_EVENTS, end)


def _numbers(store: EventStore, tables: Tables) -> NDArray[np.int64]:
    """Find each lead's number in the store; leads without events get numbers past the last."""
    numbers = pd.Index(store.lead_ids()).get_indexer(pd.Index(tables.lead_ids)).astype(np.int64)
    absent = numbers < 0
    numbers[absent] = store.n_leads + np.arange(int(absent.sum()))
    return numbers
