"""Reads the scores that a night has left: whole, or as if there were none."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_LOG = logging.getLogger(__name__)


def read_newest(
    path: Path, columns: Sequence[str] | None = None, *, lead: str | None = None
) -> pa.Table | None:
    """Read scores.parquet; None where there is none, or a damaged one, which the next replaces.

    With `lead` only the row of that lead is read, or none where it was not scored.
    """
    try:
        return pq.read_table(path, columns=columns) if lead is None else _row(path, columns, lead)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, pa.ArrowException):  # Arrow raises either where a file was cut or overwritten
        _LOG.warning("%s cannot be read and counts as absent", path)
        return None


def _row(path: Path, columns: Sequence[str] | None, lead: str) -> pa.Table:
    """Read ids, group by group, until the lead is there, then the other columns of its group."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, ["lead_id"])["lead_id"]
            row = pc.index(ids, pa.scalar(lead, ids.type)).as_py()
            if row >= 0:
                return file.read_row_group(group, columns).slice(row, 1)
        return file.schema_arrow.empty_table().select(columns or file.schema_arrow.names)
