"""The past of a report is built once, and says what a look at each week alone would say."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from data.clock import DAY
from data.tables import Snapshots
from features.build import build
from serving.past_weeks import HISTORY_WEEKS, WEEK, look_back
from serving.run_moment import RunMoment
from serving.write_reports import write_reports


def test_a_report_builds_the_past_of_its_leads_by_the_block(company, quiet, tmp_path, monkeypatch):
    """Last week, the won leads, the funnel; of the leads that Changes, the file and the live pages
    show the week without its events, and of the latter two the eight weeks before."""
    calls = []

    def counted(*given, **named):
        calls.append(given)
        return build(*given, **named)

    for module in [*sys.modules.values()]:
        for name, value in [*vars(module).items()]:
            if value is build and module.__name__ != __name__:
                monkeypatch.setattr(module, name, counted)
    write_reports(
        company.session,
        company.reading,
        company.model,
        RunMoment(company.reading.tables.observed_until, 0, "counted"),
        folder=tmp_path,
        languages=("en",),
        on_stage=quiet,
    )
    assert len(calls) == 8


@pytest.mark.parametrize("weeks", [1, 2, HISTORY_WEEKS])
def test_a_week_is_what_building_it_alone_gives(source, weeks):
    snapshots, catalogue = source.scored.snapshots, source.model.catalogue
    past = look_back(source.tables, snapshots, catalogue, range(1, HISTORY_WEEKS + 1), threads=1)
    rows, frame = past.at(weeks)
    then = Snapshots(snapshots.lead[rows], snapshots.as_of[rows] - weeks * WEEK)
    alone = build(source.tables, then, catalogue)
    pd.testing.assert_frame_equal(
        frame.to_pandas(), alone.to_pandas(), check_exact=True, check_categorical=False
    )
    created = source.tables.created_at[snapshots.lead]
    assert rows.tolist() == np.flatnonzero(created <= snapshots.as_of - weeks * 7 * DAY).tolist()


def test_only_the_weeks_that_were_built_can_be_looked_at(source):
    past = look_back(
        source.tables, source.scored.snapshots, source.model.catalogue, (2,), threads=1
    )
    with pytest.raises(ValueError, match="1 weeks ago was not built"):
        past.at(1)
    some = past.at(2)[0][:3]
    assert past.at(2, some)[0].tolist() == some.tolist()
