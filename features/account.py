"""Events of sibling leads -> what the others at the account did, strictly before each row.

A sibling's event counts from the moment at which it was known: the later of its two clocks.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, NEVER
from data.tables import Snapshots, Tables
from features.frame import Catalogue

TEMPLATES = ("account_leads", "account_events", "account_days_since")


def fill_numbers(
    tables: Tables, snapshots: Snapshots, catalogue: Catalogue, out: NDArray[np.float32]
) -> None:
    """Fill the account columns of `out` (n, k) in place; leads without an account get NaN."""
    wanted = [
        (column, feature)
        for column, feature in enumerate(catalogue.numbers)
        if feature.template in TEMPLATES
    ]
    if not wanted:
        return
    siblings = _Siblings(tables)
    for column, feature in wanted:
        if feature.template == "account_leads":
            out[:, column] = siblings.leads(snapshots)
        elif feature.template == "account_events":
            days = float(feature.params["days"])
            out[:, column] = siblings.events(snapshots, round(days * DAY))
        else:
            out[:, column] = siblings.days_since(snapshots)


class _Siblings:
    """Events and births of leads by account, each sorted by the moment of being known."""

    def __init__(self, tables: Tables) -> None:
        events, account = tables.events, tables.account
        self.account = account
        n_accounts = int(account.max(initial=-1)) + 1
        size = np.bincount(account[account >= 0], minlength=n_accounts)
        shared = np.zeros(len(account), bool)
        shared[account >= 0] = size[account[account >= 0]] > 1
        lead = np.repeat(np.arange(len(account)), np.diff(events.offsets))
        kept = np.flatnonzero(shared[lead])
        known = events.at[kept]
        if events.recorded_at is not None:
            known = np.maximum(known, events.recorded_at[kept])
        self.event_lead, self.event_at, self.event_start = _by_account(
            lead[kept], known, account, n_accounts
        )
        born = np.zeros(len(account), np.int64)
        if tables.created_at is not None:
            born = tables.created_at
        if tables.recorded_at is not None:
            born = np.maximum(born, tables.recorded_at)
        member = np.flatnonzero(shared)
        self.born_lead, self.born_at, self.born_start = _by_account(
            member, born[member], account, n_accounts
        )

    def leads(self, snapshots: Snapshots) -> NDArray[np.float64]:
        return np.asarray(
            _count(self.account, self.born_lead, self.born_at, self.born_start, snapshots.lead,
                   snapshots.as_of, np.int64(0))
        )  # fmt: skip

    def events(self, snapshots: Snapshots, window: int) -> NDArray[np.float64]:
        return np.asarray(
            _count(self.account, self.event_lead, self.event_at, self.event_start, snapshots.lead,
                   snapshots.as_of, np.int64(window))
        )  # fmt: skip

    def days_since(self, snapshots: Snapshots) -> NDArray[np.float64]:
        last = _last(self.account, self.event_lead, self.event_at, self.event_start,
                     snapshots.lead, snapshots.as_of)  # fmt: skip
        return np.where(last == NEVER, np.nan, (snapshots.as_of - last) / DAY)


def _by_account(
    lead: NDArray[np.int64], at: NDArray[np.int64], account: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    order = np.lexsort((at, account[lead]))
    start = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(account[lead], minlength=n), out=start[1:])
    return lead[order].astype(np.int64), at[order], start


@numba.njit(cache=True, nogil=True)
def _count(account, lead, at, start, rows, as_of, window):  # type: ignore[no-untyped-def]
    """Count the account's entries of other leads in [as_of - window, as_of); 0 means ever."""
    out = np.empty(len(rows), np.float64)
    for r in range(len(rows)):
        group = account[rows[r]]
        if group < 0:
            out[r] = np.nan
            continue
        lo, hi = start[group], start[group + 1]
        end = lo + np.searchsorted(at[lo:hi], as_of[r])
        begin = lo if window == 0 else lo + np.searchsorted(at[lo:end], as_of[r] - window)
        n = 0
        for i in range(begin, end):
            if lead[i] != rows[r]:
                n += 1
        out[r] = n
    return out


@numba.njit(cache=True, nogil=True)
def _last(account, lead, at, start, rows, as_of):  # type: ignore[no-untyped-def]
    """Find when another lead of the account was last known to act before as_of."""
    out = np.full(len(rows), NEVER, np.int64)
    for r in range(len(rows)):
        group = account[rows[r]]
        if group < 0:
            continue
        lo, hi = start[group], start[group + 1]
        i = lo + np.searchsorted(at[lo:hi], as_of[r]) - 1
        while i >= lo and lead[i] == rows[r]:
            i -= 1
        if i >= lo:
            out[r] = at[i]
    return out
