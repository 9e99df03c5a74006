"""The leads of a project in memory: one is found and cut out without going over the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data.labels import is_open
from data.part import part_of
from data.reading.read_tables import CrmData
from data.tables import Tables


@dataclass(frozen=True, slots=True)
class HeldLeads:
    """What was read of a project, with the row of each lead."""

    reading: CrmData
    rows: Mapping[str, int]

    @classmethod
    def of(cls, reading: CrmData) -> HeldLeads:
        """Index the leads of a reading."""
        ids = enumerate(reading.tables.lead_ids)
        return cls(reading, {str(lead): row for row, lead in ids})

    def cut(self, lead_id: str) -> Tables | None:
        """Cut a lead out, as the only one of its tables; None where it is not held."""
        row = self.rows.get(lead_id)
        return None if row is None else part_of(self.reading.tables, np.array([row]))

    def is_open(self, lead_id: str, as_of: int) -> bool:
        """Tell whether a lead that is held was open at a moment; True in static mode."""
        tables, outcomes = self.reading.tables, self.reading.outcomes
        row, moment = np.array([self.rows[lead_id]]), np.array([as_of])
        return tables.created_at is None or bool(is_open(tables, outcomes, row, moment)[0])
