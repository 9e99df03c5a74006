"""The newest run that was kept, for whoever asks about one lead: answers, bands, margins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from serving.lead_score import MONEY_COLUMNS, LeadScore, lead_scores
from serving.loaded_model import LoadedModel
from serving.newest_scores import CUTS, read_newest

_SOMETIMES = ("assumed", *MONEY_COLUMNS)
COLUMNS = [field.name for field in fields(LeadScore) if field.name not in _SOMETIMES]


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run as scores.parquet holds it; `margins` are those of the leads that show their score."""

    as_of: int
    model_version: str
    margins: NDArray[np.float64]
    cuts: Mapping[str, float]  # the least score of each band
    _table: pa.Table

    @classmethod
    def read(cls, path: Path) -> KeptRun | None:
        """Read the newest run; None where none was kept, or by a version with other columns."""
        table = read_newest(path)
        if table is None or not table.num_rows:
            return None
        if [name for name in table.column_names if name not in MONEY_COLUMNS] != COLUMNS:
            return None
        return cls(
            table["as_of"][0].cast(pa.int64()).as_py(),
            table["model_version"][0].as_py(),
            table["margin"].drop_null().to_numpy(),
            json.loads((table.schema.metadata or {}).get(CUTS, b"{}")),
            table,
        )

    def __len__(self) -> int:
        """Count the leads that show their score."""
        return len(self.margins)

    def is_of(self, model: LoadedModel) -> bool:
        """Tell whether this model scored the run, with bands cut where they are now."""
        return self.model_version == model.version and self.cuts == dict(model.scorer.card.bands)

    def answer(self, lead_id: str) -> LeadScore | None:
        """Give the answer of that night about a lead; None where it was not scored."""
        row = pc.index(self._table["lead_id"], pa.scalar(lead_id)).as_py()
        return None if row < 0 else lead_scores(self._table.slice(row, 1))[0]

    def open_by_band(self) -> dict[str, int]:
        """Count the leads of each band."""
        counts = pc.value_counts(self._table["band"].drop_null().combine_chunks()).to_pylist()
        return {each["values"]: each["counts"] for each in counts}

    def band(self, lead_id: str, cuts: Mapping[str, float]) -> str | None:
        """Name the band that a lead had; None where it had none, or bands were cut elsewhere."""
        if self.cuts != dict(cuts):
            return None
        row = pc.index(self._table["lead_id"], pa.scalar(lead_id)).as_py()
        return None if row < 0 else self._table["band"][row].as_py()


def margins_of(path: Path, version: str) -> NDArray[np.float64]:
    """Read the margins of the newest run, and nothing else of it; none of another model's run."""
    table = read_newest(path, ["model_version", "margin"])
    if table is None or not table.num_rows or table["model_version"][0].as_py() != version:
        return np.empty(0)
    return np.asarray(table["margin"].drop_null().to_numpy(), np.float64)
