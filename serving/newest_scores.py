"""Reads what nights have left of scores: whole, or as if there were none."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.tables import Tables

CUTS: Final = b"leadscore.bands"
"""The entry of the metadata of scores.parquet that holds the least score of each band."""
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


def read_bands(
    path: Path,
    *,
    until: int,
    cuts: Mapping[str, float] | None = None,
    tables: Tables | None = None,
    lead: str | None = None,
) -> dict[str, str] | None:
    """Read the bands of a run as of `until` or before, or that of one lead; None: there was none.

    Given `tables`, those of their leads alone.

    Bands of a later moment would look ahead: no lead had them at `until`. Bands that were cut
    elsewhere than at `cuts` are none either: an edit of the project file takes effect at once. Nor
    are those of leads that came back since, as `tables` say: an episode starts without a band.
    """
    table = read_newest(path, ["lead_id", "band", "as_of"], lead=lead)
    if table is None:
        return None
    recorded = (table.schema.metadata or {}).get(CUTS)
    if cuts is not None and recorded is not None and json.loads(recorded) != dict(cuts):
        return None
    if not table.num_rows:
        return {}
    as_of = table["as_of"][0].cast(pa.int64()).as_py()
    if as_of > until:
        return None
    back = set() if tables is None else tables.back_between(as_of, until)
    if tables is not None:
        own = pa.array(tables.lead_ids, pa.string())
        table = table.filter(pc.is_in(table["lead_id"].cast(pa.string()), value_set=own))
    pairs = zip(table["lead_id"].to_pylist(), table["band"].to_pylist(), strict=True)
    return {lead: band for lead, band in pairs if band is not None and lead not in back}


def first_scored(runs: Path) -> int | None:
    """Find when scores were first available: the time of the first run that holds any, or None.

    A run made today as of a past moment was not available then.
    """
    for path in sorted(runs.glob("*/scores.parquet")):  # run ids begin with their moment
        kept = read_newest(path, ["as_of", "scored_at"])
        if kept is not None and kept.num_rows:
            return max(int(column[0].cast(pa.int64()).as_py()) for column in kept.columns)
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
