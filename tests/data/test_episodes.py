"""A closed lead that comes back is a new episode, labelled, grouped and cut in time as one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.asof import known_before
from data.clock import DAY, NEVER
from data.errors import InputError
from data.incidence import CENSORED, CONVERTED, DISQUALIFIED, observe
from data.labels import label, make_snapshots, open_snapshots
from data.project import check_project
from data.reading.read_tables import CrmData, read_with_notes
from data.schema import Project
from features.build import build
from features.catalogue import make_catalogue
from serving.experiment_arms import assign_leads
from serving.newest_scores import read_bands
from serving.past_weeks import look_back
from training.audit.windows import maturity
from training.dataset import groups_of, make_dataset

STAMP = pa.timestamp("us", "UTC")
START = pd.Timestamp("2026-01-01")
Happened = tuple[str, float, str]
"""A lead, a day after the start, and a type of event."""


def project(**conversion: Any) -> Project:
    return check_project(
        {
            "project": {"name": "back", "observed_until": "2026-12-01"},
            "leads": {"source": "-", "id": "id", "created_at": "created", "fixed": ["country"]},
            "events": [
                {
                    "source": "-",
                    "lead": "id",
                    "at": "at",
                    "recorded_at": "recorded",
                    "type": ["type"],
                    "outbound": ["call"],
                    "outcome": ["lost", "unqualified"],
                }
            ],
            "conversion": {
                "event": "won",
                "horizon": "30d",
                "snapshots": ["0d", "7d"],
                "reopen": ["demo"],
                **conversion,
            },
        }
    )


def read(
    happened: list[Happened], given: Project, late: dict[Happened, float] | None = None
) -> CrmData:
    happened = [*happened, ("Z", 1, "won"), ("Z", 1, "demo"), ("Z", 1, "lost")]
    ids = sorted({lead for lead, _, _ in happened})
    leads = pd.DataFrame({"id": ids, "created": START, "country": "IT"})
    events = pd.DataFrame(happened, columns=["id", "day", "type"])
    recorded = [(late or {}).get(each, each[1]) for each in happened]
    events["at"] = START + pd.to_timedelta(events.pop("day"), "D")
    events["recorded"] = START + pd.to_timedelta(recorded, "D")
    return read_with_notes(given, frames={"leads": leads, "events.0": events})


def days(at: np.ndarray) -> list[float | None]:
    start = START.value // 1000
    return [None if each == NEVER else (int(each) - start) / DAY for each in at]


def episodes(crm: CrmData) -> list[tuple[str, float | None, float | None, float | None]]:
    """List (lead, opened, converted, disqualified), in days; Z is there so that all types occur."""
    opened, won = days(crm.tables.created_at), days(crm.outcomes.converted_at)
    lost = days(crm.outcomes.disqualified_at)
    rows = zip(crm.tables.lead_ids, opened, won, lost, strict=True)
    return [row for row in rows if row[0] != "Z"]


def test_a_closed_lead_that_asks_for_a_demo_is_open_again() -> None:
    crm = read([("A", 5, "lost"), ("A", 60, "demo"), ("A", 70, "call")], project())
    assert episodes(crm) == [("A", 0, None, 5), ("A", 60, None, None)]
    open_now = open_snapshots(crm.tables, crm.outcomes, crm.outcomes.observed_until)
    assert open_now.lead.tolist() == [1]
    assert any("1 of 2 leads came back" in note for note in crm.notes)


def test_without_reopen_a_closed_lead_stays_closed() -> None:
    crm = read([("A", 5, "lost"), ("A", 60, "demo")], project(reopen="never"))
    assert crm.tables.episodes is None
    assert episodes(crm) == [("A", 0, None, 5)]


def test_a_conversion_labels_only_the_episode_it_falls_in() -> None:
    given = project(snapshots=["0d"])
    crm = read([("A", 5, "lost"), ("A", 10, "demo"), ("A", 20, "won")], given)
    snapshots = make_snapshots(crm.tables, crm.outcomes, given)
    labelled = label(snapshots, crm.tables, crm.outcomes, given)
    assert labelled.y.tolist() == [0, 1, 1]
    assert days(labelled.closes_at) == [30, 40, 30]  # closed early, yet mature at its horizon


def test_a_conversion_between_two_episodes_belongs_to_none_and_that_is_said() -> None:
    crm = read([("A", 5, "lost"), ("A", 20, "won"), ("A", 40, "demo")], project())
    assert episodes(crm) == [("A", 0, None, 5)]  # a customer does not come back as a lead
    assert any("belong to no episode" in note for note in crm.notes)


def test_with_repeat_a_customer_comes_back() -> None:
    crm = read([("A", 5, "won"), ("A", 40, "demo"), ("A", 45, "won")], project(repeat=True))
    assert episodes(crm) == [("A", 0, 5, None), ("A", 40, 45, None)]
    past = crm.tables.episodes
    assert past is not None
    assert past.conversions.tolist() == [0, 1, 0]
    assert past.reason.tolist() == [None, "converted", None]


@pytest.mark.parametrize(
    ("happened", "conversion"),
    [
        ([("A", 5, "lost"), ("A", 5, "demo")], {}),  # not after the close
        ([("A", 5, "lost"), ("A", 15, "demo")], {"quiet": "30d"}),  # too soon
        ([("A", 5, "lost"), ("A", 15, "call")], {"reopen": "any inbound"}),  # sales calls
        ([("A", 5, "lost"), ("A", 15, "won"), ("A", 15, "demo")], {}),  # with a conversion
        ([("A", 5, "lost"), ("A", 15, "unqualified")], {"reopen": "any inbound"}),
        ([("A", 5, "won"), ("A", 15, "demo")], {}),  # reopened after conversion
    ],
)
def test_what_does_not_open_an_episode(
    happened: list[Happened], conversion: dict[str, Any]
) -> None:
    assert len(episodes(read(happened, project(**conversion)))) == 1


def test_any_inbound_event_opens_one_where_the_project_says_so() -> None:
    crm = read([("A", 5, "lost"), ("A", 15, "webinar")], project(reopen="any inbound"))
    assert len(episodes(crm)) == 2


def test_a_close_counts_from_when_it_was_recorded() -> None:
    lost = ("A", 5, "lost")
    crm = read([lost, ("A", 8, "demo"), ("A", 20, "demo")], project(), late={lost: 10.0})
    assert episodes(crm) == [("A", 0, None, 10), ("A", 20, None, None)]


def test_the_reason_of_a_close_is_that_of_the_close_recorded_first() -> None:
    lost = ("A", 5, "lost")
    given = project()
    crm = read([lost, ("A", 6, "unqualified"), ("A", 20, "demo")], given, late={lost: 8.0})
    past = crm.tables.episodes
    assert past is not None
    assert (days(past.closed_at)[1], past.reason[1]) == (6, "unqualified")
    waiting = read([lost, ("A", 20, "demo")], given, late={lost: 30.0})
    assert episodes(waiting) == [("A", 0, None, 30)]  # nobody knew that it was closed


def test_the_conversion_event_itself_never_opens_an_episode() -> None:
    given = project(reopen=["won", "demo"])
    crm = read([("A", 5, "lost"), ("A", 20, "won")], given)
    assert episodes(crm) == [("A", 0, None, 5)]
    inbound = project(reopen="any inbound")
    crm = read([("A", 5, "lost"), ("A", 20, "won"), ("A", 20, "visit")], inbound)
    assert episodes(crm) == [("A", 0, None, 5)]


def test_every_snapshot_of_every_episode_weighs_the_same() -> None:
    happened: list[Happened] = []
    for i in range(60):
        happened += [(f"L{i:02}", 1 + i, "lost"), (f"L{i:02}", 150 + i, "demo")]
        happened += [(f"L{i:02}", 155 + i, "won")] if i % 2 else []
    given = project()
    crm = read(happened, given)
    snapshots = make_snapshots(crm.tables, crm.outcomes, given)
    pairs = list(zip(snapshots.lead.tolist(), snapshots.as_of.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))  # each once: weight 1
    ages = Counter(
        (int(crm.tables.episode[lead]), (at - int(crm.tables.created_at[lead])) // DAY)
        for lead, at in pairs
    )
    assert ages[1, 0] == 61
    assert ages[2, 0] == 60


def test_features_know_the_past_and_stay_cut_in_time() -> None:
    many = [(f"L{i:02}", day, word) for i in range(20) for day, word in ((5, "lost"), (60, "demo"))]
    given = project()
    crm = read(many, given)
    catalogue = make_catalogue(crm.tables, given)
    snapshots = make_snapshots(crm.tables, crm.outcomes, given).take(np.arange(4))
    frame = build(crm.tables, snapshots, catalogue).to_pandas()
    assert frame["times_closed"].tolist() == [0, 1, 1, 0]
    assert frame["days_since_closed"].round().tolist()[1:3] == [55, 62]
    assert frame["closed_because"].tolist()[1:3] == ["lost", "lost"]
    assert frame["n_demo_ever"].tolist() == [0, 0, 1, 0]  # it opens the episode, and is history
    cut = known_before(crm.tables, int(snapshots.as_of[2]))
    again = build(cut, snapshots.take(np.array([2])), catalogue).to_pandas()
    pd.testing.assert_frame_equal(frame.iloc[[2]].reset_index(drop=True), again)


def log_since(day: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write 400 leads, one a day, lost after 10 days and back after 20; the log begins late."""
    ids = [f"L{i:03}" for i in range(400)]
    leads = pd.DataFrame({"id": ids, "created": START + pd.to_timedelta(range(400), "D")})
    rows = [
        (lead, i + after, word)
        for i, lead in enumerate(ids)
        for after, word in ((10, "lost"), (20, "demo"), (25, "won" if i % 3 else "lost"))
        if i + after >= day
    ]
    events = pd.DataFrame(rows, columns=["id", "day", "type"])
    events["at"] = events["recorded"] = START + pd.to_timedelta(events.pop("day"), "D")
    return leads.assign(country="IT"), events.assign(extra="")


@pytest.mark.parametrize(
    ("begins", "declared", "since"),
    [(0, None, 0), (200, None, 181), (0, "2026-04-11", 100)],  # found by month, or as declared
)
def test_before_closes_are_known_how_often_a_lead_was_closed_is_missing_and_not_zero(
    begins: int, declared: str | None, since: int
) -> None:
    given = project(**({} if declared is None else {"closes_from": declared}))
    given = given.model_copy(
        update={"project": given.project.model_copy(update={"observed_until": "2027-06-01"})}
    )
    leads, events = log_since(begins)
    crm = read_with_notes(given, frames={"leads": leads, "events.0": events})
    catalogue = make_catalogue(crm.tables, given)
    feature = next(f for f in catalogue.features if f.name == "times_closed")
    assert feature.label == f"times closed before, known since {_day(since)}"
    snapshots = make_snapshots(crm.tables, crm.outcomes, given)
    frame = build(crm.tables, snapshots, catalogue).to_pandas()
    past = crm.tables.episodes
    assert past is not None
    old = past.began_at[snapshots.lead] < START.value // 1000 + since * DAY
    assert old.any() == (since > 0)
    assert frame["times_closed"].isna().tolist() == old.tolist()
    first = past.number[snapshots.lead] == 1
    assert (frame.loc[first & ~old, "times_closed"] == 0).all()
    assert (frame.loc[~first & ~old, "times_closed"] >= 1).all()
    said = [note for note in crm.notes if "closes are known from" in note]
    assert [f"from {_day(since)} on" in note for note in said] == [True] * (since > 0)


def _day(number: int) -> str:
    return str(START + pd.Timedelta(days=number))[:10]


def test_one_lead_asked_for_by_itself_has_the_history_that_the_model_knows() -> None:
    given = project(closes_from="2026-04-11")
    leads, events = log_since(0)
    crm = read_with_notes(given, frames={"leads": leads, "events.0": events})
    catalogue = make_catalogue(crm.tables, given)
    for lead, times in (("L050", None), ("L150", 0)):
        mine, its = leads["id"] == lead, (events["id"] == lead) & (events["type"] != "lost")
        plain = project()
        one = read_with_notes(
            plain, frames={"leads": leads[mine], "events.0": events[its]}, lenient=True
        )
        row = make_snapshots(one.tables, one.outcomes, plain).take(np.array([0]))
        alone = build(one.tables, row, catalogue).to_pandas()["times_closed"].iloc[0]
        assert (None if np.isnan(alone) else alone) == times


def test_a_lead_stays_on_one_side_of_the_cut_with_all_its_episodes() -> None:
    happened: list[Happened] = []
    for i in range(60):
        happened += [(f"L{i:02}", 1 + i, "lost"), (f"L{i:02}", 150 + i, "demo")]
        happened += [(f"L{i:02}", 155 + i, "won")] if i % 2 else []
    given = project()
    crm = read(happened, given)
    dataset = make_dataset(given, crm.tables, crm.outcomes, threads=1)
    groups = groups_of(crm.tables, dataset.labelled)
    assert not set(groups[dataset.cut.train]) & set(groups[dataset.cut.test])
    assert len(np.unique(groups)) == 61
    verdicts = maturity(dataset.labelled, crm.tables, crm.outcomes, given)
    assert not [v for v in verdicts if v.severity == "structural" and "record" not in v.reason]


def test_a_planted_episode_after_a_conversion_stops_training() -> None:
    happened = [(f"L{i:02}", 40 * (i % 2) + 5, "won") for i in range(20)]
    happened += [(lead, 100, "demo") for lead, _, _ in happened]
    planted, given = read(happened, project(repeat=True)), project()
    labelled = label(
        make_snapshots(planted.tables, planted.outcomes, given),
        planted.tables,
        planted.outcomes,
        given,
    )
    verdicts = list(maturity(labelled, planted.tables, planted.outcomes, given))
    assert [v.severity for v in verdicts if "after their lead converted" in v.reason] == [
        "structural"
    ]


@pytest.mark.parametrize(
    ("conversion", "words"),
    [
        ({"reopen": "never", "quiet": "3d"}, "quiet needs reopen"),
        ({"reopen": [], "repeat": True}, "repeat needs reopen"),
        ({"reopen": ["never", "demo"]}, "stands alone"),
        ({"reopen": ["dmeo"]}, "did you mean 'demo'"),
    ],
)
def test_rules_that_mean_nothing_are_refused(conversion: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read([("A", 5, "lost"), ("A", 60, "demo"), ("A", 60, "won")], project(**conversion))


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["A", "B"]),
        st.integers(1, 40).map(float),
        st.sampled_from(["lost", "unqualified", "won", "demo", "call", "visit"]),
    ),
    min_size=1,
    max_size=14,
    unique_by=lambda each: (each[0], each[1], each[2]),
)


@settings(max_examples=200, deadline=None)
@given(EVENTS, st.sampled_from([0, 3]), st.booleans())
def test_episodes_are_what_a_diary_kept_day_by_day_says(
    happened: list[Happened], quiet: int, repeat: bool
) -> None:
    given = project(quiet=f"{quiet}d", repeat=repeat)
    assert episodes(read(happened, given)) == diary(happened, quiet, repeat=repeat)


def diary(
    happened: list[Happened], quiet: int, *, repeat: bool
) -> list[tuple[str, float | None, float | None, float | None]]:
    """Go through each lead's days in order, as a person would."""
    out = []
    for lead in sorted({lead for lead, _, _ in happened}):
        opened: float | None = 0
        closed, customer = None, False
        for day in sorted({at for name, at, _ in happened if name == lead}):
            words = {word for name, at, word in happened if (name, at) == (lead, day)}
            if opened is None and "demo" in words and "won" not in words:
                assert closed is not None
                if day >= closed + quiet and (repeat or not customer):
                    opened = day
            if opened is not None and words & {"won", "lost", "unqualified"}:
                won = "won" in words
                out.append((lead, opened, day if won else None, None if won else day))
                opened, closed = None, day
            customer |= "won" in words
        if opened is not None:
            out.append((lead, opened, None, None))
    return out


def test_a_horizon_from_creation_counts_from_the_opening_of_the_episode() -> None:
    given = project(snapshots=["0d"], horizon_from="created")
    crm = read([("A", 5, "lost"), ("A", 60, "demo"), ("A", 80, "won")], given)
    labelled = label(
        make_snapshots(crm.tables, crm.outcomes, given), crm.tables, crm.outcomes, given
    )
    assert labelled.y.tolist() == [0, 1, 1]
    assert days(labelled.closes_at) == [30, 90, 30]


def test_the_delay_curve_counts_each_episode_from_its_opening_and_closes_it_at_its_end() -> None:
    happened = [("A", 5, "lost"), ("A", 60, "demo"), ("A", 70, "won"), ("B", 4, "lost")]
    crm = read([*happened, ("B", 90, "demo")], project())
    lived, cause, included = observe(crm.tables, crm.outcomes)
    until = (crm.outcomes.observed_until - START.value // 1000) / DAY
    assert included.all()
    assert list(zip(lived.tolist(), cause.tolist(), strict=True)) == [
        (5, DISQUALIFIED),
        (10, CONVERTED),
        (4, DISQUALIFIED),
        (until - 90, CENSORED),  # B, which is open again
        (1, CONVERTED),  # Z
    ]


def test_a_lead_that_is_back_has_no_week_before_its_episode_opened() -> None:
    crm = read([("A", 5, "lost"), ("A", 60, "demo")], project())
    as_of = START.value // 1000 + 65 * DAY
    now = open_snapshots(crm.tables, crm.outcomes, as_of)
    catalogue = make_catalogue(crm.tables, project())
    past = look_back(crm.tables, now, catalogue, (2,), threads=1)
    assert len(past.at(2)[0]) == 0  # so its trend is "new"


def test_a_lead_that_is_back_keeps_no_band_of_its_earlier_episode(tmp_path: Path) -> None:
    crm = read([("A", 5, "lost"), ("A", 60, "demo"), ("B", 7, "call")], project())
    run = START.value // 1000 + 4 * DAY
    columns = {"lead_id": ["A", "B"], "band": ["A", "C"], "as_of": pa.array([run] * 2, STAMP)}
    pq.write_table(pa.table(columns), tmp_path / "scores.parquet")

    def bands(day: int) -> dict[str, str] | None:
        until = START.value // 1000 + day * DAY
        return read_bands(tmp_path / "scores.parquet", until=until, tables=crm.tables)

    assert (bands(59), bands(60)) == ({"A": "A", "B": "C"}, {"B": "C"})


def test_a_lead_that_comes_back_keeps_its_arm() -> None:
    crm = read([("A", 5, "lost"), ("A", 60, "demo"), ("B", 7, "call")], project())
    assert len(crm.tables) == 4
    arms = assign_leads(crm.tables, project())
    assert arms["lead_id"].tolist() == ["A", "B", "Z"]
