"""The events of several sources -> one set of feature events, sorted by lead and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data.clock import Micros
from data.errors import InputError
from data.ragged import is_known
from data.reading.event_columns import Coded, EventRows, rows_of_types
from data.tables import Events

_AT_A_TIME: Final = 1 << 20


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
        kept.append(SelectedRows(rows, None if good.all() else good))
    return _sorted(kept, len(ends_at))


@dataclass(frozen=True, slots=True)
class SelectedRows:
    """The rows of a source that are kept; `good` None for all of them."""

    rows: EventRows
    good: NDArray[np.bool_] | None

    def of(self, column: NDArray[Any]) -> NDArray[Any]:
        """Take the kept rows of one column of the source."""
        return column if self.good is None else column[self.good]


def _sorted(sources: list[SelectedRows], n_leads: int) -> Events:
    """Put sources together and sort them, one column after the other."""
    lead = _together([each.of(each.rows.lead) for each in sources], np.int32)
    at = _together([each.of(each.rows.at) for each in sources], np.int64)
    step = np.diff(lead)
    ordered = bool(((step > 0) | ((step == 0) & (np.diff(at) >= 0))).all())
    del step
    order = slice(None) if ordered else np.lexsort((at, lead))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(lead, minlength=n_leads))])
    del lead
    recorded = None
    if any(each.rows.recorded_at is not None for each in sources):
        recorded = _together([each.of(each.rows.known_at) for each in sources], np.int64)[order]
    kinds = _merged([(each, each.rows.type) for each in sources], order)
    channels = _merged([(each, each.rows.channel) for each in sources], order)
    campaigns = _merged([(each, each.rows.campaign) for each in sources], order)
    people = _merged([(each, each.rows.person) for each in sources], order)
    if len(channels.names) > 32_000:
        raise InputError(f"{len(channels.names):,} channels, at most 32,000")
    return Events(
        offsets=offsets,
        at=at[order],
        recorded_at=recorded,
        type=kinds.codes.astype(np.int16),
        channel=channels.codes.astype(np.int16),
        campaign=campaigns.codes,
        person=people.codes,
        direction=_together([each.of(each.rows.direction) for each in sources], np.int8)[order],
        value=_together([each.of(each.rows.value) for each in sources], np.float32)[order],
        type_names=kinds.names,
        channel_names=channels.names,
        campaign_names=campaigns.names,
        person_names=people.names,
    )


def _together(parts: list[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    """Copy parts behind each other."""
    return np.concatenate([np.empty(0, kind), *parts])


def _merged(sources: list[tuple[SelectedRows, Coded]], order: Any) -> Coded:
    """Give a column of several sources one code book: sorted names of those that still occur."""
    parts = [Coded(rows.of(coded.codes), coded.names) for rows, coded in sources]
    used = [
        [name for name, count in zip(part.names, _counts(part), strict=True) if count]
        for part in parts
    ]
    names = sorted(set().union(*used)) if used else []
    place = {name: i for i, name in enumerate(names)}
    codes = [
        np.array([*(place.get(name, -1) for name in part.names), -1], np.int32)[part.codes]
        for part in parts
    ]
    return Coded(_together(codes, np.int32)[order], tuple(names))


def _counts(coded: Coded) -> NDArray[np.int64]:
    """Count the rows of each name, some rows at a time: numpy makes them wide to count them."""
    counts = np.zeros(len(coded.names) + 1, np.int64)
    for start in range(0, len(coded.codes), _AT_A_TIME):
        codes = coded.codes[start : start + _AT_A_TIME] + 1
        counts += np.bincount(codes, minlength=len(counts))
    return counts[1:]
