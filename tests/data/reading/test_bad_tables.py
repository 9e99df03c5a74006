"""Tables that cannot be right are refused in one line: file, row, column, cause, cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.labels import label, make_snapshots
from data.project import check_project
from data.reading.read_tables import read_tables, read_with_notes
from data.schema import Project

LEADS = "id,created,won,size\nA1,2024-01-01,2024-02-01,5\nA2,2024-01-02,,6\nA3,2024-01-03,,7\n"
EVENTS = "lead,at,kind\nA1,2024-01-05,visit\nA2,2024-01-06,visit\nA3,2024-03-06,mail\n"


def project(folder: Path, **more: Any) -> Project:
    raw: dict[str, Any] = {
        "project": {"name": "t"},
        "leads": {
            "source": "leads.csv",
            "id": "id",
            "created_at": "created",
            "converted_at": "won",
            "fixed": ["size"],
        },
        "events": [{"source": "events.csv", "lead": "lead", "at": "at", "type": "kind"}],
        "conversion": {"horizon": "30d"},
        "folder": str(folder),
    }
    for key, value in more.items():
        raw[key] = {**raw[key], **value} if isinstance(value, dict) else value
    return check_project(raw)


def read(folder: Path, rows: str = LEADS, acts: str = EVENTS, /, **more: Any) -> Any:
    (folder / "leads.csv").write_text(rows, encoding="utf-8")
    (folder / "events.csv").write_text(acts, encoding="utf-8")
    return read_with_notes(project(folder, **more))


def test_good_tables_are_read_and_the_end_of_observation_is_the_last_timestamp(
    tmp_path: Path,
) -> None:
    reading = read(tmp_path)
    assert reading.tables.lead_ids.tolist() == ["A1", "A2", "A3"]
    assert reading.tables.observed_until == pd.Timestamp("2024-03-06").value // 1000 + 1
    assert any("read as UTC" in note for note in reading.notes)


def test_directions_are_read_in_several_languages_and_other_words_are_said(tmp_path: Path) -> None:
    acts = "lead,at,kind,way\nA1,2024-01-05,x,Uscita\nA1,2024-01-06,x,ein\nA2,2024-01-07,x,links\n"
    source = {"source": "events.csv", "lead": "lead", "at": "at", "type": "kind"}
    reading = read(tmp_path, LEADS, acts, events=[{**source, "direction": "way"}])
    assert reading.tables.events.direction.tolist() == [1, 0, -1]
    assert any("column way: 'links' says neither" in note for note in reading.notes)


@pytest.mark.parametrize(
    ("leads", "events", "more", "expected"),
    [
        ("", EVENTS, {}, ["leads.csv: is empty"]),
        ("id,created,won,size\n", EVENTS, {}, ["leads.csv", "no rows"]),
        (LEADS, "lead,at,kind\n", {}, ["events.csv", "no rows"]),
        (LEADS.replace("created", "creatd"), EVENTS, {}, ["column created", "mean 'creatd'"]),
        (LEADS.replace("A2,", "A1,"), EVENTS, {}, ["row 3, column id", "already stands in row 2"]),
        (LEADS.replace("A2,", ","), EVENTS, {}, ["row 3, column id: id is missing"]),
        (LEADS.replace("2024-01-02", "soon"), EVENTS, {}, ["row 3, column created", "'soon'"]),
        (LEADS.replace("2024-01-02", ""), EVENTS, {}, ["row 3, column created: is missing"]),
        (LEADS.replace("2024-01-02", "0001-01-01"), EVENTS, {}, ["row 3", "outside 1970 to 2200"]),
        (LEADS.replace("2024-01-02", "9999-12-31"), EVENTS, {}, ["row 3", "outside 1970 to 2200"]),
        (
            LEADS.replace("2024-01-02", "1704153600000"),
            EVENTS,
            {},
            ["is no timestamp: '1704153600000'", "correct the cell"],
        ),
        (LEADS.replace("2024-01-02", "2024-01-02T00:00:00Z"), EVENTS, {}, ["has no UTC offset"]),
        (
            LEADS.replace("2024-02-01", "2023-02-01") + "A4,2024-01-03,2023-01-01,7\n",
            EVENTS,
            {},
            ["row 2, column created", "converts before it is created", "2 of 2"],
        ),
        (LEADS, EVENTS.replace("2024", "2023"), {}, ["events.0", "3 of 3 events lie before"]),
        (LEADS, EVENTS.replace("A", "B"), {}, ["events.csv, column lead", "none of 3 rows"]),
        (LEADS, EVENTS.replace("kind", "kinds"), {}, ["column kind: column not found", "'kinds'"]),
        (LEADS, EVENTS, {"leads": {"fixed": ["sise"]}}, ["column sise", "did you mean 'size'"]),
        (
            LEADS,
            EVENTS,
            {"leads": {"converted_at": None}, "conversion": {"event": "mial"}},
            ["no event has the type 'mial'", "did you mean 'mail'"],
        ),
        (LEADS, EVENTS, {"project": {"observed_until": "soon"}}, ["observed_until", "soon"]),
        (
            LEADS,
            EVENTS,
            {"leads": {"created_at": None, "converted_at": None, "converted": "won"}},
            ["leads.created_at: is needed where events are declared"],
        ),
    ],
)
def test_each_bad_table_is_one_line(
    tmp_path: Path, leads: str, events: str, more: dict[str, Any], expected: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, leads, events, **more)
    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in message
    assert str(tmp_path) not in message
    for part in expected:
        assert part in message


def test_one_timestamp_in_the_far_future_does_not_end_the_observation(tmp_path: Path) -> None:
    rows = "".join(f"A1,2024-01-{i % 28 + 1:02d},visit\n" for i in range(3_000))
    late = f"lead,at,kind\n{rows}A1,2099-01-01,visit\nA1,2024-01-07,visit\n"
    with pytest.raises(InputError, match=r"days after all others.*observed_until") as caught:
        read(tmp_path, LEADS, late)
    assert caught.value.file == "events.csv"
    assert (caught.value.row, caught.value.column) == (3_002, "at")


@pytest.mark.parametrize(("pause", "noted"), [(1, True), (20, False)])
def test_a_timestamp_some_months_after_all_others_is_noted_by_file_row_and_column(
    tmp_path: Path, pause: int, noted: bool
) -> None:
    days = np.datetime64("2024-01-03") + np.arange(30) * pause
    rows = "".join(f"A1,{day},visit\n" for day in days)
    late = days[-1] + 50
    notes = read(tmp_path, LEADS, f"lead,at,kind\n{rows}A1,{late},visit\n").notes
    said = f"events.csv, row 32, column at: the last timestamp {late} 00:00:00 UTC lies 50 days"
    assert any(said in note and "declare project.observed_until" in note for note in notes) == noted


def test_what_is_odd_but_not_wrong_is_noted_with_counts(tmp_path: Path) -> None:
    events = EVENTS + "B9,2024-01-06,visit\nA1,2023-12-06,visit\nA1,,visit\nA1,2024-01-07,\n"
    notes = "\n".join(read(tmp_path, LEADS, events).notes)
    assert "1 of 7 rows belong to no lead" in notes
    assert "1 events lie before their lead's creation" in notes
    assert "1 events without a time" in notes
    assert "1 events without a type" in notes


def test_events_and_conversions_after_a_declared_end_are_forgotten(tmp_path: Path) -> None:
    reading = read(tmp_path, project={"observed_until": "2024-01-06"})
    assert len(reading.tables.events) == 1
    assert (reading.outcomes.converted_at == np.iinfo(np.int64).max).all()


def test_a_flag_that_is_missing_is_refused_in_training(tmp_path: Path) -> None:
    static = {"leads": {"created_at": None, "converted_at": None, "converted": "y", "fixed": []}}
    frame = pd.DataFrame({"id": ["a", "b", "c"], "y": ["yes", None, "no"], "x": [1, 2, 3]})
    given = project(tmp_path, events=[], conversion={"horizon": None}, **static)
    with pytest.raises(InputError, match="leads, row 2, column y: flag is missing"):
        read_tables(given, frames={"leads": frame})
    tables, outcomes = read_tables(given, frames={"leads": frame.drop(columns="y")})
    assert label(make_snapshots(tables, outcomes, given), tables, outcomes, given).y.sum() == 0


def test_a_frame_that_replaces_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"frame 'event' replaces nothing; known: .*events\.0"):
        read_tables(project(tmp_path), frames={"event": pd.DataFrame()})


def test_a_few_leads_are_read_as_the_many_were(tmp_path: Path) -> None:
    reading = read(tmp_path)
    kinds = {attribute.name: attribute.kind for attribute in reading.tables.attributes}
    one = pd.DataFrame({"id": ["N1"], "created": ["2024-02-01"]})
    tables, outcomes = read_tables(
        project(tmp_path), frames={"leads": one}, kinds=kinds, lenient=True
    )
    assert len(tables.events) == 0
    assert tables.attribute("size").kind == "number"
    assert np.isnan(tables.attribute("size").values[0])
    assert outcomes.converted_at[0] == np.iinfo(np.int64).max
