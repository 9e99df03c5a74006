"""What is read block by block is what the whole says, bit for bit, its errors included."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.project import check_project, load_project
from data.reading import csv_files, event_parts, source_blocks
from data.reading.read_tables import CrmData, read_with_notes
from data.schema import Project
from data.store import csv_runs
from data.store.crm_store import CrmStore
from tests.fakes.growing_company import GrowingCompany
from tests.fakes.same_reading import assert_same

ROWS = 16
STEPS = ["append", "events before their lead", "delete", "edit", "another account", "touch"]


@pytest.fixture(autouse=True)
def _blocks_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_blocks, "WORTH_BLOCKS", 0)
    monkeypatch.setattr(source_blocks, "ROWS", ROWS)
    monkeypatch.setattr(csv_files, "_STREAM_BLOCK", 700)
    monkeypatch.setattr(csv_runs, "WORTH_KEEPING", 0)
    monkeypatch.setattr(csv_runs, "_PIECE_ROWS", ROWS)
    monkeypatch.setattr(csv_runs, "MOST_PIECES", 60)


def read_whole(project: Project) -> CrmData:
    usual, source_blocks.WORTH_BLOCKS = source_blocks.WORTH_BLOCKS, 1 << 60
    try:
        return read_with_notes(project)
    finally:
        source_blocks.WORTH_BLOCKS = usual


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 999), st.lists(st.sampled_from(STEPS), max_size=4))
def test_a_company_reads_the_same_in_blocks_as_whole_also_through_the_store(
    seed: int, steps: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        company = GrowingCompany.begin(Path(scratch), seed, n_leads=40)
        project, store = load_project(company.file), CrmStore(Path(scratch) / "store")
        for step in ["", *steps]:
            company.step(step)
            whole = read_whole(project)
            assert_same(read_with_notes(project), whole)
            assert_same(store.read(project), whole)  # built, or taken in
            assert_same(store.read(project), whole)  # out of the store


def company(folder: Path, events: pd.DataFrame, form: str = "csv", **section: object) -> Project:
    created = pd.date_range("2026-01-01", periods=20, freq="D").astype(str)
    leads = pd.DataFrame({"id": [f"{i:03d}" for i in range(20)], "created": created})
    leads.assign(won="").to_csv(folder / "leads.csv", index=False)
    if form == "csv":
        events.to_csv(folder / "e.csv", index=False)
    else:
        events.to_parquet(folder / "e.parquet", row_group_size=50)
    declared = {"source": f"e.{form}", "lead": "lead", "at": "at", "type": ["kind"], **section}
    return check_project(
        {
            "project": {"name": "acme"},
            "leads": {"source": "leads.csv", "id": "id", "created_at": "created",
                      "converted_at": "won"},
            "events": [declared],
            "conversion": {"horizon": "30d"},
            "folder": str(folder),
        }
    )  # fmt: skip


def events(n: int = 200) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "lead": [f"{i % 20:03d}" for i in range(n)],
            "at": [f"2026-02-{1 + i % 27:02d} 10:{i % 60:02d}:00" for i in range(n)],
            "kind": [("mail", "call", "visit")[i * 7 // 5 % 3] for i in range(n)],
            "part": [("start", "", "end")[i // 50 % 3] for i in range(n)],
            "who": [f"p{i}@x.example" if i % 3 else "" for i in range(n)],
            "sum": [str(i / 4) for i in range(n)],
        }
    )


def changed(column: str, rows: slice, value: object) -> pd.DataFrame:
    frame = events()
    frame[column] = frame[column].astype(object)
    frame.loc[rows, column] = value
    return frame


IN_BLOCKS = {
    "plain": (events(), {}),
    "joined types": (events(), {"type": ["kind", "part"]}),
    "fixed and joined types": (events(), {"type": ["=web", "part"], "channel": "=phone"}),
    "joined types of nobody": (changed("lead", slice(100, 150), "x"), {"type": ["kind", "part"]}),
    "people, amounts": (events(), {"person": "who", "value": "sum", "campaign": "part"}),
    "directions": (changed("part", slice(0, 200, 2), "in"), {"direction": "part"}),
    "other spellings": (changed("lead", slice(90, 120), "7"), {}),
    "a block of nobody's events": (changed("lead", slice(100, 160), "nobody"), {}),
    "some without a time or a type": (changed("kind", slice(0, 200, 40), ""), {}),
    "a column that is empty at first": (changed("who", slice(0, 100), ""), {"person": "who"}),
    "summer time": (changed("at", slice(60, 90), "2026-03-29 02:30:00"), {}),
}


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("case", IN_BLOCKS)
def test_each_kind_of_source_is_read_in_blocks_and_says_what_the_whole_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, form: str
) -> None:
    frame, section = IN_BLOCKS[case]
    project = company(tmp_path, frame, form, **section)
    project = project.model_copy(
        update={"project": project.project.model_copy(update={"timezone": "Europe/Rome"})}
    )
    whole = read_whole(project)
    sizes = []
    usual = event_parts.GatheredEvents.add

    def noted(self: event_parts.GatheredEvents, part: event_parts.EventPart) -> None:
        sizes.append(len(part.numbers["lead"]))
        usual(self, part)

    monkeypatch.setattr(event_parts.GatheredEvents, "add", noted)
    assert_same(read_with_notes(project), whole)
    assert len(sizes) > 5
    assert max(sizes) <= 2 * ROWS + 20


WHOLE = {
    "two spellings of time": changed("at", slice(150, 200), "2026-02-01T10:00:00+02:00"),
    "a wrong time": changed("at", slice(177, 178), "soon"),
    "nobody's events": changed("lead", slice(0, 200), "nobody"),
    "too few types": changed("kind", slice(0, 190), ""),
    "a wrong amount": changed("sum", slice(177, 178), "much"),
    "a zero byte": changed("kind", slice(177, 178), "a\0b"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_mistake_is_named_where_it_stands_in_the_file(tmp_path: Path, case: str) -> None:
    project = company(tmp_path, WHOLE[case], value="sum")
    with pytest.raises(InputError) as expected:
        read_whole(project)
    with pytest.raises(InputError) as found:
        read_with_notes(project)
    assert str(found.value) == str(expected.value)
    if "wrong" in case or "zero" in case:
        assert "e.csv, row 179" in str(found.value)


def test_ids_that_are_whole_numbers_in_some_blocks_alone_are_read_as_the_whole_reads_them(
    tmp_path: Path,
) -> None:
    frame = events().assign(lead=[float(i % 20) for i in range(200)])
    frame.loc[180, "lead"] = 2.5
    project = company(tmp_path, frame, "parquet")
    assert_same(read_with_notes(project), read_whole(project))


def test_a_ragged_row_far_down_is_named(tmp_path: Path) -> None:
    project = company(tmp_path, events())
    with (tmp_path / "e.csv").open("a") as file:
        file.write("001,2026-02-01,mail\n")
    with pytest.raises(InputError, match=r"e\.csv, row 202: has 3 fields, the header has 6"):
        read_with_notes(project)


def test_a_damaged_piece_of_a_large_file_is_read_anew(tmp_path: Path) -> None:
    company = GrowingCompany.begin(tmp_path / "crm", 3)
    project, store = load_project(company.file), CrmStore(tmp_path / "store")
    store.read(project)
    for path in store.folder.glob("*.parquet"):
        path.write_bytes(path.read_bytes()[:-9])
    company.append("touches", 5)
    assert_same(store.read(project).tables, read_whole(project).tables)
