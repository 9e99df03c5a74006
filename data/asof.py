"""The cut in time: what was known strictly before a moment, of events and of attributes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.clock import NEVER, Micros
from data.tables import Attribute, Changes, Events, Snapshots, Tables


def known_before(tables: Tables, t: int) -> Tables:
    """Cut tables at `t` microseconds: keep exactly what was known strictly before it.

    Leads created at or after `t` stay as rows (row numbers are identities) but lose everything that
    was known of them; `created_at == t` itself is knowledge.
    """
    return replace(
        tables,
        attributes=tuple(cut_attribute(attribute, t, tables) for attribute in tables.attributes),
        events=cut_events(tables.events, t),
        observed_until=min(tables.observed_until, t),
    )


def cut_events(events: Events, t: int) -> Events:
    """Keep the events with `at < t` and, where there is a second clock, `recorded_at < t`."""
    keep = events.at < t
    if events.recorded_at is not None:
        keep &= events.recorded_at < t
    if keep.all():
        return events
    before = np.concatenate([[0], np.cumsum(keep)])
    return replace(
        events,
        offsets=before[events.offsets],
        at=events.at[keep],
        recorded_at=None if events.recorded_at is None else events.recorded_at[keep],
        type=events.type[keep],
        channel=events.channel[keep],
        campaign=events.campaign[keep],
        person=events.person[keep],
        direction=events.direction[keep],
        value=events.value[keep],
    )


def cut_attribute(attribute: Attribute, t: int, tables: Tables) -> Attribute:
    """Keep what was known of an attribute strictly before `t`; later values become missing."""
    leads = np.arange(len(attribute.values))
    at = Snapshots(leads, np.full(len(leads), t, np.int64))
    values = values_at(attribute, at, tables)
    if attribute.known_at is not None:
        known = np.where(attribute.known_at < t, attribute.known_at, NEVER)
        return replace(attribute, values=values, known_at=known)
    if attribute.changes is not None:
        return replace(attribute, values=values, changes=_cut_changes(attribute.changes, t))
    return replace(attribute, values=values)


def _cut_changes(changes: Changes, t: int) -> Changes:
    """Drop the changes at or after `t`."""
    keep = changes.at < t
    before = np.concatenate([[0], np.cumsum(keep)])
    return Changes(before[changes.offsets], changes.at[keep], changes.old[keep], changes.new[keep])


def values_at(attribute: Attribute, snapshots: Snapshots, tables: Tables) -> NDArray[np.generic]:
    """Read an attribute at each snapshot: (n,) as known strictly before its as_of.

    A fixed value is known from the lead's creation on, that instant included; a dated one after
    its `known_at`; of a replayed one the newest change before as_of counts, before the first
    change its old value. Nothing is known before the lead exists.
    """
    lead, as_of = snapshots.lead, snapshots.as_of
    if attribute.changes is not None:
        values = _replayed(attribute, attribute.changes, lead, as_of)
    else:
        values = attribute.values[lead]
        if attribute.known_at is not None:
            values = blank(values, attribute.known_at[lead] >= as_of)
    return blank(values, ~exists(tables, lead, as_of))


def exists(tables: Tables, lead: NDArray[np.int64], as_of: Micros) -> NDArray[np.bool_]:
    """Tell whether a lead was there at as_of: created, and recorded, at that instant or before."""
    there = np.ones(len(lead), bool)
    if tables.created_at is not None:
        there &= tables.created_at[lead] <= as_of
    if tables.recorded_at is not None:
        there &= tables.recorded_at[lead] <= as_of
    return there


def _replayed(
    attribute: Attribute, changes: Changes, lead: NDArray[np.int64], as_of: Micros
) -> NDArray[np.generic]:
    """Find the last change before as_of by one sorted search over (lead, at)."""
    start, end = changes.offsets[lead], changes.offsets[lead + 1]
    found = _count_before(changes, start, end, as_of)
    values = attribute.values[lead].copy()
    after = found > start
    values[after] = changes.new[found[after] - 1]
    first = ~after & (end > start)  # all its changes lie ahead: the first one's old value holds
    values[first] = changes.old[start[first]]
    return values


def _count_before(
    changes: Changes, start: NDArray[np.int64], end: NDArray[np.int64], as_of: Micros
) -> NDArray[np.int64]:
    """Search in every lead's own stretch at once: the first position with at >= as_of."""
    low, high = start.copy(), end.copy()
    while (open_ := low < high).any():
        middle = (low + high) // 2
        earlier = open_ & (changes.at[np.minimum(middle, max(len(changes.at) - 1, 0))] < as_of)
        low = np.where(earlier, middle + 1, low)
        high = np.where(open_ & ~earlier, middle, high)
    return low


def blank(values: NDArray[np.generic], where: NDArray[np.bool_]) -> NDArray[np.generic]:
    """Make values missing: NaN for numbers, None for categories."""
    if not where.any():
        return values
    out = values.copy()
    if out.dtype == object:
        out[where] = np.array(None, dtype=object)
    else:
        out[where] = np.nan
    return out
