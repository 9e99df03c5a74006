"""The leads of a project in memory: one is found and cut out without going over the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from data.part import part_of
from data.reading.read_tables import CrmData
from data.tables import Outcomes, Tables


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

    def cut(self, lead_id: str) -> tuple[Tables, Outcomes] | None:
        """Cut a lead out, as the only one of its tables; None where it is not held."""
        if lead_id not in self.rows:
            return None
        row, outcomes = np.array([self.rows[lead_id]]), self.reading.outcomes
        own = replace(
            outcomes,
            converted_at=outcomes.converted_at[row],
            disqualified_at=outcomes.disqualified_at[row],
        )
        return part_of(self.reading.tables, row), own
