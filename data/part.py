"""Tables of many leads -> tables of a few of them, or of those of some buckets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.buckets import buckets_of
from data.tables import Events, Outcomes, Tables

Rows = NDArray[np.int64]
Codes = NDArray[Any]
"""Of whole numbers, -1 for none."""
MOST_UNUSED: Final = 4
"""Codes for each row, above which they are sorted and not looked up."""


def part_of(tables: Tables, rows: Rows) -> Tables:
    """Cut out the leads `rows` (ascending): lead i of the part is lead rows[i].

    Accounts and the names of events are renumbered, keeping only those that occur.
    """
    taken = replace(
        tables,
        lead_ids=tables.lead_ids[rows],
        created_at=None if tables.created_at is None else tables.created_at[rows],
        recorded_at=None if tables.recorded_at is None else tables.recorded_at[rows],
        account=tables.account[rows],
        attributes=tuple(attribute.take(rows) for attribute in tables.attributes),
        events=_renamed(tables.events.take(rows)),
        display=tables.display.take(rows).reset_index(drop=True),
        order=None if tables.order is None else tables.order[rows],
        episodes=None if tables.episodes is None else tables.episodes.take(rows),
    )
    return renumbered_leads(taken)


def renumbered_leads(tables: Tables) -> Tables:
    """Renumber accounts, and the leads of episodes, so that no code is larger than the part."""
    account, episodes = renumbered(tables.account)[0], tables.episodes
    if episodes is not None:
        episodes = replace(episodes, lead=renumbered(episodes.lead)[0])
    return replace(tables, account=account, episodes=episodes)


def outcomes_of(outcomes: Outcomes, rows: Rows) -> Outcomes:
    """Cut out what became of the leads `rows` (ascending)."""
    return replace(
        outcomes,
        converted_at=outcomes.converted_at[rows],
        disqualified_at=outcomes.disqualified_at[rows],
        payments=None if outcomes.payments is None else outcomes.payments.take(rows),
    )


def buckets_of_rows(tables: Tables) -> NDArray[np.uint8]:
    """Find the bucket of each row, by its account's id where it has one: (n_rows,)."""
    accounts = tables.display["account"] if "account" in tables.display.columns else None
    return buckets_of(
        pa.array(tables.lead_ids, pa.string()),
        None if accounts is None else pa.array(accounts.to_numpy(object), pa.string()),
    )


def _renamed(events: Events) -> Events:
    """Renumber types, channels, campaigns and people, keeping only those that occur."""
    kinds, type_names = _recoded(events.type, events.type_names)
    channel, channel_names = _recoded(events.channel, events.channel_names)
    campaign, campaign_names = _recoded(events.campaign, events.campaign_names)
    person, person_names = _recoded(events.person, events.person_names)
    return replace(
        events,
        type=kinds,
        channel=channel,
        campaign=campaign,
        person=person,
        type_names=type_names,
        channel_names=channel_names,
        campaign_names=campaign_names,
        person_names=person_names,
    )


def _recoded(codes: Codes, names: tuple[str, ...]) -> tuple[Codes, tuple[str, ...]]:
    """Renumber the names that occur: (codes, names)."""
    new, kept = renumbered(codes)
    return new, tuple(names[code] for code in kept.tolist())


def renumbered(codes: Codes) -> tuple[Codes, NDArray[np.integer]]:
    """Renumber codes from 0 in ascending order, -1 stays: (new codes, old code of each)."""
    high = int(codes.max(initial=-1))
    if high > MOST_UNUSED * max(len(codes), 1):  # a table would be larger than what it renumbers
        kept, new = np.unique(codes, return_inverse=True)
        none = int(kept[0] < 0)
        return (new - none).astype(codes.dtype), kept[none:]
    occurs = np.zeros(high + 2, np.bool_)
    occurs[codes] = True  # -1 is the last place
    kept = np.flatnonzero(occurs[:-1])
    if len(kept) == high + 1:
        return codes, kept
    table = np.full(high + 2, -1, codes.dtype)
    table[kept] = np.arange(len(kept))
    return table[codes], kept
