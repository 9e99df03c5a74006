"""Tables of many leads -> tables of a few of them, so that one lead costs what one lead holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.tables import Attribute, Changes, Events, Tables

Rows = NDArray[np.int64]


def part_of(tables: Tables, rows: Rows) -> Tables:
    """Cut out the leads `rows` (ascending): lead i of the part is lead rows[i].

    Accounts and the names of events are numbered anew, those that occur only. What no feature
    reads (`display`) is left out.
    """
    return replace(
        tables,
        lead_ids=tables.lead_ids[rows],
        created_at=None if tables.created_at is None else tables.created_at[rows],
        recorded_at=None if tables.recorded_at is None else tables.recorded_at[rows],
        account=_renumbered(tables.account[rows])[0],
        attributes=tuple(_attribute(attribute, rows) for attribute in tables.attributes),
        events=_events(tables.events, rows),
        display=pd.DataFrame(index=pd.RangeIndex(len(rows))),
        order=None if tables.order is None else tables.order[rows],
    )


def _attribute(attribute: Attribute, rows: Rows) -> Attribute:
    known, changes = attribute.known_at, attribute.changes
    return replace(
        attribute,
        values=attribute.values[rows],
        known_at=None if known is None else known[rows],
        changes=None if changes is None else _changes(changes, rows),
    )


def _changes(changes: Changes, rows: Rows) -> Changes:
    offsets, picks = _stretches(changes.offsets, rows)
    return Changes(offsets, changes.at[picks], changes.old[picks], changes.new[picks])


def _events(events: Events, rows: Rows) -> Events:
    offsets, picks = _stretches(events.offsets, rows)
    kinds, type_names = _recoded(events.type[picks], events.type_names)
    channel, channel_names = _recoded(events.channel[picks], events.channel_names)
    campaign, campaign_names = _recoded(events.campaign[picks], events.campaign_names)
    person, person_names = _recoded(events.person[picks], events.person_names)
    return Events(
        offsets, events.at[picks],
        None if events.recorded_at is None else events.recorded_at[picks],
        kinds.astype(np.int16), channel.astype(np.int16), campaign.astype(np.int32),
        person.astype(np.int32), events.direction[picks], events.value[picks],
        type_names, channel_names, campaign_names, person_names,
    )  # fmt: skip


def _stretches(offsets: Rows, rows: Rows) -> tuple[Rows, Rows]:
    """Find what the leads own: (their offsets, positions in order)."""
    start, count = offsets[rows], offsets[rows + 1] - offsets[rows]
    own = np.concatenate([[0], np.cumsum(count)])
    return own, np.repeat(start - own[:-1], count) + np.arange(own[-1])


def _recoded(codes: NDArray[np.integer], names: tuple[str, ...]) -> tuple[Rows, tuple[str, ...]]:
    """Number the names that occur: (codes, names)."""
    new, kept = _renumbered(codes)
    return new, tuple(names[code] for code in kept.tolist())


def _renumbered(codes: NDArray[np.integer]) -> tuple[Rows, NDArray[np.integer]]:
    """Number codes from 0 in their order, -1 stays: (new codes, old code of each)."""
    kept, new = np.unique(codes, return_inverse=True)
    none = int(len(kept) > 0 and kept[0] < 0)
    return (new - none).astype(np.int64), kept[none:]
