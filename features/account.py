"""Events of sibling leads -> what the others at the account did, strictly before each row.

A sibling's event counts from the moment at which it was known: the later of its two clocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, NEVER
from data.tables import Snapshots, Tables
from features.frame import Catalogue

TEMPLATES = ("account_leads", "account_events", "account_days_since")


def fill_numbers(
    tables: Tables,
    snapshots: Snapshots,
    catalogue: Catalogue,
    out: NDArray[np.float32],
    *,
    acts: Timeline | None = None,
) -> None:
    """Fill the account columns of `out` (n, k) in place; leads without an account get NaN.

    `acts` replaces the events of `tables` where those are read in parts.
    """
    wanted = [
        (column, feature)
        for column, feature in enumerate(catalogue.numbers)
        if feature.template in TEMPLATES
    ]
    if not wanted:
        return
    members = _members(tables.account, snapshots.lead)
    births = _births(tables, members)
    acts = _acts(tables, members) if acts is None else acts
    for column, feature in wanted:
        if feature.template == "account_leads":
            out[:, column] = births.count(tables.account, snapshots, 0)
        elif feature.template == "account_events":
            window = round(float(feature.params["days"]) * DAY)
            out[:, column] = acts.count(tables.account, snapshots, window)
        else:
            last = acts.last(tables.account, snapshots)
            out[:, column] = np.where(last == NEVER, np.nan, (snapshots.as_of - last) / DAY)


def _members(account: NDArray[np.int64], lead: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the leads of the accounts that the rows ask for and that have several."""
    return np.flatnonzero(shared(account) & np.isin(account, account[lead]))


def _births(tables: Tables, members: NDArray[np.int64]) -> Timeline:
    """Line up when the members came to be known."""
    born = np.zeros(len(tables), np.int64) if tables.created_at is None else tables.created_at
    if tables.recorded_at is not None:
        born = np.maximum(born, tables.recorded_at)
    return Timeline.of(members, born[members], tables.account)


def _acts(tables: Tables, members: NDArray[np.int64]) -> Timeline:
    """Line up when the events of the members came to be known; reads no others."""
    events = tables.events
    begin, each = events.offsets[members], np.diff(events.offsets)[members]
    past = np.cumsum(each)
    kept = np.arange(each.sum()) + np.repeat(begin - (past - each), each)
    known = events.at[kept]
    if events.recorded_at is not None:
        known = np.maximum(known, events.recorded_at[kept])
    return Timeline.of(np.repeat(members, each), known, tables.account)


def shared(account: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the leads whose account has another lead."""
    size = np.bincount(account[account >= 0], minlength=1)
    return (account >= 0) & (size[np.maximum(account, 0)] > 1)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Moments by account and by lead, each ascending, so that siblings' are a difference."""

    lead: NDArray[np.int64]  # in order of (account, at)
    at: NDArray[np.int64]
    start: NDArray[np.int64]  # (n_accounts + 1,)
    own_at: NDArray[np.int64]  # in order of (lead, at)
    own_start: NDArray[np.int64]  # (n_leads + 1,)

    @classmethod
    def of(
        cls, lead: NDArray[np.int64], at: NDArray[np.int64], account: NDArray[np.int64]
    ) -> Timeline:
        """Sort moments of leads (n,) by account and by lead."""
        by_account = np.lexsort((at, account[lead]))
        by_lead = np.lexsort((at, lead))
        return cls(
            lead[by_account],
            at[by_account],
            _starts(account[lead], int(account.max(initial=-1)) + 1),
            at[by_lead],
            _starts(lead, len(account)),
        )

    def count(
        self, account: NDArray[np.int64], rows: Snapshots, window: int
    ) -> NDArray[np.float64]:
        """Count the siblings' moments in [as_of - window, as_of); window 0 means ever."""
        in_account = _in_window(self.at, self.start, account[rows.lead], rows.as_of, window)
        own = _in_window(self.own_at, self.own_start, rows.lead, rows.as_of, window)
        return np.where(account[rows.lead] < 0, np.nan, in_account - own)

    def last(self, account: NDArray[np.int64], rows: Snapshots) -> NDArray[np.int64]:
        """Find the last moment of another lead strictly before as_of; NEVER where none."""
        last: NDArray[np.int64] = _last(
            self.at, self.lead, self.start, account[rows.lead], rows.lead, rows.as_of
        )
        return last


def _starts(group: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    start = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(group, minlength=n), out=start[1:])
    return start


@numba.njit(cache=True, nogil=True)
def _in_window(at, start, group, as_of, window):  # type: ignore[no-untyped-def]
    """Count each row's moments of its group in the window: (n,) float64."""
    out = np.zeros(len(group), np.float64)
    for r in range(len(group)):
        if group[r] >= 0:
            lo, hi = start[group[r]], start[group[r] + 1]
            end = np.searchsorted(at[lo:hi], as_of[r])
            out[r] = end
            if window > 0:
                out[r] -= np.searchsorted(at[lo:hi], as_of[r] - window)
    return out


@numba.njit(cache=True, nogil=True)
def _last(at, lead, start, group, rows, as_of):  # type: ignore[no-untyped-def]
    other = np.empty(len(at), np.int64)  # the newest entry before i that is of another lead
    for i in range(len(at)):
        if i == 0:
            other[i] = -1
        else:
            other[i] = i - 1 if lead[i - 1] != lead[i] else other[i - 1]
    out = np.full(len(rows), NEVER, np.int64)
    for r in range(len(rows)):
        if group[r] >= 0:
            lo, hi = start[group[r]], start[group[r] + 1]
            i = lo + np.searchsorted(at[lo:hi], as_of[r]) - 1
            if i >= lo and lead[i] == rows[r]:
                i = other[i]
            if i >= lo:
                out[r] = at[i]
    return out
