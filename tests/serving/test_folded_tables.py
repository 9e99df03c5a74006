"""Rows that stand in columns of a frame of leads: a frame for each table, whatever a cell lacks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.project import check_project
from serving.raw_scorer import _unfolded

PROJECT = check_project(
    {
        "project": {"name": "acme"},
        "leads": {"source": "l.csv", "id": "id", "created_at": "at", "converted_at": "won"},
        "events": [{"source": "e.csv", "lead": "lead", "at": "at", "type": ["kind"]}],
        "conversion": {"horizon": "30d"},
    }
)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, []])
def test_a_missing_cell_is_no_rows(missing: object) -> None:
    rows = [{"at": "2026-01-01", "kind": "call"}]
    leads = pd.DataFrame({"id": ["a", "b", "c"], "events.0": [rows, missing, rows[0]]})
    events = _unfolded(leads, PROJECT)["events.0"]
    assert events["lead"].tolist() == ["a", "c"]
