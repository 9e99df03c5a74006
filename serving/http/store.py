"""The leads of a project, held in memory: one of them is found and cut out at its own price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.part import part_of
from data.read import Reading
from data.tables import Tables


@dataclass(frozen=True, slots=True)
class HeldLeads:
    """What was read of a project; `by_account` lists its leads account by account."""

    tables: Tables
    rows: Mapping[str, int]
    by_account: NDArray[np.int64]
    accounts: NDArray[np.int64]  # the account of each of these, ascending

    @classmethod
    def of(cls, reading: Reading) -> HeldLeads:
        """Index the leads of a reading."""
        tables = reading.tables
        order = np.argsort(tables.account, kind="stable")
        rows = {str(lead): row for row, lead in enumerate(tables.lead_ids)}
        return cls(tables, rows, order, tables.account[order])

    def cut(self, lead_id: str, *, siblings: bool) -> tuple[Tables, int] | None:
        """Cut a lead out: (its tables, its row there); None where it is not held.

        With `siblings` the other leads of its account are there as well.
        """
        row = self.rows.get(lead_id)
        if row is None:
            return None
        account = self.tables.account[row]
        wanted = np.array([row])
        if siblings and account >= 0:
            first, past = np.searchsorted(self.accounts, [account, account + 1])
            wanted = self.by_account[first:past]  # rows ascend: the sort was stable
        return part_of(self.tables, wanted), int(np.searchsorted(wanted, row))
