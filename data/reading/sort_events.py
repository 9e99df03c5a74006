"""The events of several sources -> one set of feature events, sorted by lead and time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.clock import Micros
from data.errors import InputError
from data.ragged import is_known
from data.reading.event_columns import Coded, EventRows, rows_of_types
from data.tables import Events


def assemble(
    sources: list[EventRows], conversion: tuple[str, ...], ends_at: Micros, until: int | None
) -> Events:
    """Sort the feature events of all sources by (lead, at), ties in source order.

    Outcome and ignored types are left out, and so is everything at or after a lead's end
    (`ends_at`, (n_leads,)): it is outcome as well. Only the event's own clock decides; one
    that was recorded after the end is known at no snapshot. Events at or after
    `until` are left out.
    """
    kept = []
    for rows in sources:
        out = (*conversion, *rows.section.outcome, *rows.section.ignore)
        good = ~rows_of_types(rows, out) & (rows.at < ends_at[rows.lead])
        if until is not None:
            good &= is_known(rows.at, rows.recorded_at, until)
        kept.append(rows if good.all() else rows.take(good))
    return _sorted(kept, len(ends_at))


def _sorted(sources: list[EventRows], n_leads: int) -> Events:
    """Put sources together and sort them."""
    lead = np.concatenate([np.empty(0, np.int32), *(rows.lead for rows in sources)])
    at = np.concatenate([np.empty(0, np.int64), *(rows.at for rows in sources)])
    step = np.diff(lead)
    ordered = bool(((step > 0) | ((step == 0) & (np.diff(at) >= 0))).all())
    order = np.arange(len(lead)) if ordered else np.lexsort((at, lead))
    recorded = None
    if any(rows.recorded_at is not None for rows in sources):
        parts = (rows.at if rows.recorded_at is None else rows.recorded_at for rows in sources)
        recorded = np.concatenate(list(parts))[order]
    kinds = _merged([rows.type for rows in sources], order)
    channels = _merged([rows.channel for rows in sources], order)
    campaigns = _merged([rows.campaign for rows in sources], order)
    people = _merged([rows.person for rows in sources], order)
    if len(channels.names) > 32_000:
        raise InputError(f"{len(channels.names):,} channels, at most 32,000")
    return Events(
        offsets=np.concatenate([[0], np.cumsum(np.bincount(lead, minlength=n_leads))]),
        at=at[order],
        recorded_at=recorded,
        type=kinds.codes.astype(np.int16),
        channel=channels.codes.astype(np.int16),
        campaign=campaigns.codes,
        person=people.codes,
        direction=np.concatenate([np.empty(0, np.int8), *(r.direction for r in sources)])[order],
        value=np.concatenate([np.empty(0, np.float32), *(r.value for r in sources)])[order],
        type_names=kinds.names,
        channel_names=channels.names,
        campaign_names=campaigns.names,
        person_names=people.names,
    )


def _merged(parts: list[Coded], order: NDArray[np.int64]) -> Coded:
    """Give several sources one code book: sorted names of those that still occur."""
    used = []
    for part in parts:
        counts = np.bincount(part.codes[part.codes >= 0], minlength=len(part.names))
        used.append([name for name, count in zip(part.names, counts, strict=True) if count])
    names = sorted(set().union(*used)) if used else []
    place = {name: i for i, name in enumerate(names)}
    codes = [
        np.array([*(place.get(name, -1) for name in part.names), -1], np.int32)[part.codes]
        for part in parts
    ]
    joined = np.concatenate([np.empty(0, np.int32), *codes])
    return Coded(joined[order], tuple(names))
