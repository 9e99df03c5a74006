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
    """What was read of a project, with the last row of each lead: those of one stand together."""

    reading: CrmData
    last: Mapping[str, int]

    @classmethod
    def of(cls, reading: CrmData) -> HeldLeads:
        """Index the leads of a reading."""
        ids = enumerate(reading.tables.lead_ids)
        return cls(reading, {str(lead): row for row, lead in ids})

    def cut(self, lead_id: str) -> tuple[Tables, Outcomes] | None:
        """Cut a lead out, with all its episodes; None where it is not held."""
        if lead_id not in self.last:
            return None
        tables, outcomes, last = self.reading.tables, self.reading.outcomes, self.last[lead_id]
        past = tables.episodes
        rows = np.arange(last if past is None else last + 1 - past.number[last], last + 1)
        own = replace(
            outcomes,
            converted_at=outcomes.converted_at[rows],
            disqualified_at=outcomes.disqualified_at[rows],
        )
        return part_of(tables, rows), own
