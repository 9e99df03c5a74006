"""Leads without a clock, as training read them and as they come to be scored."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.clock import NEVER
from data.project import check_project
from data.reading.read_tables import read_tables
from data.tables import Snapshots
from features.build import build
from features.catalogue import make_catalogue

PROJECT = {
    "project": {"name": "t"},
    "leads": {"source": "a.csv", "id": "id", "converted": "y"},
    "conversion": {},
}
N = 200
PAST = pd.DataFrame(
    {
        "id": [f"i{i}" for i in range(N)],
        "y": ["yes" if i % 3 == 0 else "no" for i in range(N)],
        "size": [None if i % 5 == 0 else float(i % 7) for i in range(N)],
        "city": ["Rome", "Oslo", None, "Bari"] * (N // 4),
        "comment": [
            None if i % 9 == 0 else f"said {i}" for i in range(N)
        ],  # a text of its own each
    }
)


def test_a_column_that_training_left_out_changes_no_feature():
    project = check_project(PROJECT)
    tables, _ = read_tables(project, frames={"leads": PAST})
    kinds = {attribute.name: attribute.kind for attribute in tables.attributes}
    assert set(kinds) == {"size", "city"}
    catalogue = make_catalogue(tables, project)
    assert "missing_count" in {feature.name for feature in catalogue.features}
    coming = PAST.assign(shoe=[None] * (N - 1) + ["43"])
    again, _ = read_tables(project, frames={"leads": coming}, kinds=kinds)
    assert {"comment", "shoe"} <= {attribute.name for attribute in again.attributes}  # for rules
    rows = Snapshots(np.arange(N), np.zeros(N, np.int64))
    now, then = (build(each, rows, catalogue).to_pandas() for each in (again, tables))
    pd.testing.assert_frame_equal(now, then)


def test_leads_to_be_scored_may_have_an_empty_flag():
    project = check_project(PROJECT)
    coming = PAST.assign(y=[None] * (N - 1) + ["yes"])
    _, outcomes = read_tables(project, frames={"leads": coming}, kinds={}, lenient=True)
    assert (outcomes.converted_at == NEVER).sum() == N - 1
    assert outcomes.converted_at.min() == 0
