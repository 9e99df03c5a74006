"""Reads the scores that a night has left: whole, or as if there were none."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_LOG = logging.getLogger(__name__)


def read_newest(path: Path, columns: Sequence[str] | None = None) -> pa.Table | None:
    """Read scores.parquet; None where there is none, or a damaged one, which the next replaces."""
    try:
        return pq.read_table(path, columns=columns)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, pa.ArrowException):  # Arrow raises either where a file was cut or overwritten
        _LOG.warning("%s cannot be read and counts as absent", path)
        return None
