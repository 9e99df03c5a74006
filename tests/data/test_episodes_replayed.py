"""Replay with episodes: whatever the files say at or after a moment, the rows of then stay."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data.clock import DAY
from data.labels import open_snapshots
from data.reading.read_tables import CrmData, read_with_notes
from data.schema import Project
from features.build import build
from features.catalogue import make_catalogue
from features.frame import Catalogue
from tests.data.test_episodes import START, project

TYPES = ("lost", "unqualified", "won", "demo", "call", "visit")
Written = tuple[str, int, str, int]
"""A lead, the day of an event, its type, and how many days later it was recorded."""

LATE = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "C"]),
        st.integers(1, 60),
        st.sampled_from(TYPES),
        st.integers(0, 6),
    ),
    min_size=1,
    max_size=24,
    unique_by=lambda each: each[:3],
)


def prompt(rows: list[Written]) -> list[Written]:
    """Let conversions be recorded at once."""
    return [(lead, day, word, 0 if word == "won" else late) for lead, day, word, late in rows]


def read(rows: list[Written], given: Project) -> CrmData:
    """Read leads A to C, and Z of the first days, from whom all types are known at every moment."""
    rows = [*rows, *(("Z", 0, word, 0) for word in TYPES)]
    leads = pd.DataFrame({"id": ["A", "B", "C", "Z"], "created": START, "country": "IT"})
    leads.loc[3, "created"] -= pd.Timedelta(days=1)
    events = pd.DataFrame(rows, columns=["id", "day", "type", "late"])
    late = events.pop("late") + events["day"]
    events["at"] = START + pd.to_timedelta(events.pop("day"), "D")
    events["recorded"] = START + pd.to_timedelta(late, "D")
    return read_with_notes(given, frames={"leads": leads, "events.0": events})


def rows_at(crm: CrmData, day: int, catalogue: Catalogue) -> dict[tuple[str, int], tuple[object]]:
    """Write out the features of each (lead, episode) that is open on a day, with its opening."""
    as_of = START.value // 1000 + day * DAY
    now = open_snapshots(crm.tables, crm.outcomes, as_of)
    frame = build(crm.tables, now, catalogue).to_pandas().astype(object)
    frame["opened"] = crm.tables.created_at[now.lead]
    ids, number = crm.tables.lead_ids[now.lead], crm.tables.episode[now.lead]
    cells = frame.where(frame.notna(), None).itertuples(index=False, name=None)
    return dict(zip(zip(ids, number.tolist(), strict=True), cells, strict=True))


def known(rows: list[Written], day: int) -> list[Written]:
    return [row for row in rows if row[1] + row[3] < day]


def catalogue_of(given: Project) -> Catalogue:
    happened = [("A", 5, "lost", 0), ("A", 20, "demo", 0)]
    crm = read([*happened, *(("B", 2, word, 0) for word in TYPES[3:])], given)
    catalogue = make_catalogue(crm.tables, given)
    assert {"times_closed", "closed_because"} <= {f.name for f in catalogue.features}
    return catalogue


@settings(max_examples=200, deadline=None)
@given(LATE, LATE, st.integers(1, 61), st.sampled_from([0, 3]), st.booleans())
def test_what_is_written_later_changes_no_episode_of_then(
    rows: list[Written], other: list[Written], day: int, quiet: int, repeat: bool
) -> None:
    given = project(quiet=f"{quiet}d", repeat=repeat)
    catalogue = catalogue_of(given)
    rows, other = prompt(rows), prompt(other)
    past = known(rows, day)
    taken = {row[:3] for row in past}
    future = [row for row in other if row[1] + row[3] >= day and row[:3] not in taken]
    then = rows_at(read(rows, given), day, catalogue)
    assert rows_at(read(past, given), day, catalogue) == then  # deleted
    assert rows_at(read([*past, *future], given), day, catalogue) == then  # replaced


@settings(max_examples=100, deadline=None)
@given(LATE, st.integers(1, 61))
def test_a_conversion_recorded_late_takes_rows_away_and_alters_none(
    rows: list[Written], day: int
) -> None:
    """What a customer did before the conversion was recorded is in no row of training."""
    given = project()
    catalogue = catalogue_of(given)
    whole = rows_at(read(rows, given), day, catalogue)
    then = rows_at(read(known(rows, day), given), day, catalogue)
    assert {key: then[key] for key in whole} == whole


def test_what_was_written_earlier_shows() -> None:
    given = project()
    catalogue = catalogue_of(given)
    rows = [("A", 5, "lost", 0), ("A", 20, "demo", 0), ("A", 22, "visit", 0)]
    then = rows_at(read(rows, given), 30, catalogue)
    for changed in (
        rows[1:],  # never closed: it is still its first episode
        [("A", 5, "unqualified", 0), *rows[1:]],
        [("A", 6, "lost", 0), *rows[1:]],
        [("A", 5, "lost", 2), *rows[1:]],
        [rows[0], ("A", 21, "demo", 0), rows[2]],
        rows[:2],
    ):
        assert rows_at(read(changed, given), 30, catalogue) != then
    assert np.array_equal(list(then), [("A", 2), ("B", 1), ("C", 1)])
