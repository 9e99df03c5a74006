"""Tables and a moment -> what was known strictly before it, of events and of attributes.

The rule itself is data.ragged.is_known; features/walk.py cuts events by it for each row.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.clock import NEVER, Micros
from data.ragged import is_known
from data.tables import Attribute, Changes, Snapshots, Tables


def known_before(tables: Tables, as_of: int | Micros) -> Tables:
    """Cut tables at `as_of`: keep exactly what was known strictly before it.

    `as_of` is one moment, or (n_leads,) each lead's own. Leads created after it stay as rows (row
    numbers are identities) but lose everything that was known of them; `created_at == as_of`
    itself is knowledge.
    """
    moments = np.broadcast_to(np.asarray(as_of, np.int64), len(tables))
    last = int(np.max(as_of, initial=np.iinfo(np.int64).min))
    return replace(
        tables,
        attributes=tuple(_attribute_as_of(each, moments, tables) for each in tables.attributes),
        events=tables.events.as_of(as_of),
        observed_until=min(tables.observed_until, last),
    )


def known_since_back(tables: Tables) -> Tables:
    """Cut the past of leads that came back: keep what became known since their episode opened.

    What holds since a lead's creation stays; dated answers and changes of an earlier episode are
    missing until they are given anew.
    """
    created = tables.created_at
    if created is None or not (tables.episode > 1).any():
        return tables
    since = np.where(tables.episode > 1, created, np.iinfo(np.int64).min)
    return replace(
        tables,
        attributes=tuple(_attribute_since(each, since) for each in tables.attributes),
        events=tables.events.keep(~tables.events.known_before(since)),
    )


def _attribute_since(attribute: Attribute, since: Micros) -> Attribute:
    """Keep what became known of an attribute at each lead's moment or later."""
    if attribute.known_at is not None:
        past = is_known(attribute.known_at, None, since)
        return replace(
            attribute,
            values=blank(attribute.values, past),
            known_at=np.where(past, NEVER, attribute.known_at),
        )
    if attribute.changes is None:
        return attribute
    changes = attribute.changes
    ended = np.flatnonzero(changes.count_before(np.arange(len(since)), since))
    kept = changes.keep(~changes.known_before(since))
    start, end = kept.offsets[ended], kept.offsets[ended + 1]
    over = np.isin(np.arange(len(since)), ended[start == end])
    first = np.isin(np.arange(len(kept)), start[start < end])
    return replace(
        attribute,
        values=blank(attribute.values, over),
        changes=replace(kept, old=blank(kept.old, first)),
    )


def _attribute_as_of(attribute: Attribute, as_of: Micros, tables: Tables) -> Attribute:
    """Keep what was known of an attribute before each lead's moment; later values are missing."""
    values = values_at(attribute, Snapshots(np.arange(len(as_of)), as_of), tables)
    if attribute.known_at is not None:
        known = is_known(attribute.known_at, None, as_of)
        return replace(
            attribute, values=values, known_at=np.where(known, attribute.known_at, NEVER)
        )
    if attribute.changes is not None:
        return replace(attribute, values=values, changes=attribute.changes.as_of(as_of))
    return replace(attribute, values=values)


def values_at(
    attribute: Attribute,
    snapshots: Snapshots,
    tables: Tables,
    *,
    existing: NDArray[np.bool_] | None = None,
) -> NDArray[np.generic]:
    """Read an attribute at each snapshot: (n,) as known strictly before its as_of.

    A fixed value is known from the lead's creation on, that instant included; a dated one after
    its `known_at`; of a replayed one the newest change before as_of counts, before the first
    change its old value. Nothing is known before the lead exists; `existing` is what `exists` says
    of the snapshots, where the caller knows it already.
    """
    lead, as_of = snapshots.lead, snapshots.as_of
    if attribute.changes is not None:
        values = _replayed(attribute, attribute.changes, lead, as_of)
    else:
        values = attribute.values[lead]
        if attribute.known_at is not None:
            values = blank(values, ~is_known(attribute.known_at[lead], None, as_of))
    return blank(values, ~(exists(tables, lead, as_of) if existing is None else existing))


def exists(tables: Tables, lead: NDArray[np.int64], as_of: Micros) -> NDArray[np.bool_]:
    """Tell whether a lead existed at as_of: created, and recorded, at that instant or before."""
    known = np.ones(len(lead), bool)
    if tables.created_at is not None:
        known &= tables.created_at[lead] <= as_of
    if tables.recorded_at is not None:
        known &= tables.recorded_at[lead] <= as_of
    return known


def _replayed(
    attribute: Attribute, changes: Changes, lead: NDArray[np.int64], as_of: Micros
) -> NDArray[np.generic]:
    """Read the value that the last change before as_of left."""
    start, end = changes.offsets[lead], changes.offsets[lead + 1]
    earlier = changes.count_before(lead, as_of)
    values = attribute.values[lead].copy()
    after = earlier > 0
    values[after] = changes.new[(start + earlier)[after] - 1]
    first = ~after & (end > start)  # all its changes lie ahead: the first one's old value holds
    values[first] = changes.old[start[first]]
    return values


def last_change(attribute: Attribute, snapshots: Snapshots) -> Micros:
    """Find the moment of the last change strictly before each as_of: (n,), NEVER where none."""
    changes = attribute.changes
    assert changes is not None
    earlier = changes.count_before(snapshots.lead, snapshots.as_of)
    last = np.full(len(snapshots), NEVER, np.int64)
    changed = earlier > 0
    last[changed] = changes.at[(changes.offsets[snapshots.lead] + earlier)[changed] - 1]
    return last


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
