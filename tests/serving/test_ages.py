"""Open leads far older than any snapshot are pointed out, before and after scoring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from data.clock import DAY
from data.project import check_project
from data.tables import Snapshots
from serving.lead_ages import say_older


def project(snapshots: Any) -> Any:
    return check_project(
        {
            "project": {"name": "t"},
            "leads": {"source": "x.csv", "id": "id", "created_at": "at", "converted_at": "won"},
            "conversion": {"horizon": "60d", "snapshots": snapshots},
        }
    )


@pytest.mark.parametrize(
    ("snapshots", "ages", "said"),
    [
        (["1d", "30d"], [10, 61, 700], "2 of 3 open leads are more than twice as old"),
        (["1d", "30d"], [10, 60, 20], None),
        (["1d", "30d"], [10] * 9 + [700], None),  # one in ten
        (["1d", "480d"], [10, 61, 700], None),
        ("monthly", [10, 61, 700], None),  # leads of every age are learnt from
    ],
)
def test_many_leads_beyond_the_oldest_snapshot_are_said(
    snapshots: Any, ages: list[int], said: str | None
) -> None:
    n, now = len(ages), 1000 * DAY
    created = now - np.array(ages, np.int64) * DAY
    found = say_older(project(snapshots), created, Snapshots(np.arange(n), np.full(n, now)))
    assert found is None if said is None else said in str(found)


def test_where_a_flag_tells_who_converted_no_further_age_is_advised() -> None:
    leads = {"source": "x.csv", "id": "id", "created_at": "at", "converted": "won"}
    flagged = check_project(
        {"project": {"name": "t"}, "leads": leads, "conversion": {"horizon": "60d"}}
    )
    old = Snapshots(np.arange(3), np.full(3, 1000 * DAY))
    said = say_older(flagged, np.full(3, 300 * DAY, np.int64), old)
    assert said is not None
    assert "disqualified_at" in said
    assert "snapshot" not in said
