"""A company that is taken in slice by slice is, in each part and whole, what a new reading says."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.buckets import Part
from data.errors import InputError
from data.part import buckets_of_rows
from data.project import load_project
from data.reading import csv_files, source_blocks
from data.reading.read_tables import CrmData, read_with_notes
from data.schema import Project
from data.store import csv_runs, slices, write_groups
from data.store.crm_store import CrmStore
from data.store.cut_leads import take_rows
from data.tables import Kind
from tests.fakes.growing_company import GrowingCompany
from tests.fakes.same_reading import assert_same

COUNTRIES = """[[leads.join]]
source = "countries.csv"
on = "country"
fixed = ["population"]
"""
STEPS = ["append", "events before their lead", "delete", "edit", "another account", "touch"]


@pytest.fixture(autouse=True)
def _small_companies_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "WORTH_A_SLICE", 1)
    monkeypatch.setattr(source_blocks, "WORTH_BLOCKS", 0)
    monkeypatch.setattr(source_blocks, "ROWS", 16)
    monkeypatch.setattr(csv_files, "_STREAM_BLOCK", 700)
    monkeypatch.setattr(csv_runs, "WORTH_KEEPING", 0)
    monkeypatch.setattr(csv_runs, "_PIECE_ROWS", 16)
    monkeypatch.setattr(write_groups, "_IDS_EACH", 7)


def begin(folder: Path, seed: int, n_leads: int = 60) -> GrowingCompany:
    """A growing company without returning leads and payments, which all leads decide together."""
    company = GrowingCompany.begin(folder, seed, n_leads=n_leads)
    text = company.file.read_text().replace('reopen = "any inbound"\n', "")
    text = text.replace("[[leads.join]]", f"{COUNTRIES}[[leads.join]]", 1)
    (folder / "countries.csv").write_text("country,population\nFR,68\nIT,59\nDE,84\n")
    company.file.write_text(text[: text.index("[value]")])
    return company


def read_whole(project: Project, kinds: dict[str, Kind]) -> CrmData:
    usual, source_blocks.WORTH_BLOCKS = source_blocks.WORTH_BLOCKS, 1 << 60
    try:
        return read_with_notes(project, kinds=kinds)
    finally:
        source_blocks.WORTH_BLOCKS = usual


def said_alike(crm: CrmData) -> CrmData:
    """Notes in one order: slices say them as they meet them."""
    return replace(crm, notes=tuple(sorted(crm.notes)))


@pytest.fixture
def sliced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the slices that are read."""
    read: list[int] = []
    usual = slices.read_all

    def counted(job: slices.ReadJob) -> CrmData:
        crm = usual(job)
        read.append(len(crm.tables))
        return crm

    monkeypatch.setattr(slices, "read_all", counted)
    return read


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 999), st.lists(st.sampled_from(STEPS), max_size=3), st.sampled_from([2, 5]))
def test_slices_are_the_whole(seed: int, steps: list[str], of: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        company = begin(Path(scratch), seed)
        project = load_project(company.file)
        store = CrmStore(Path(scratch) / "store")
        for step in ["", *steps]:
            company.step(step)
            kinds = {a.name: a.kind for a in read_with_notes(project).tables.attributes}
            whole = said_alike(read_whole(project, kinds))
            buckets = buckets_of_rows(whole.tables)
            for number in range(of, 0, -1):
                rows = np.flatnonzero(Part(number, of).holds(buckets))
                part = store.read(project, kinds, part=Part(number, of))
                assert_same(said_alike(part), take_rows(whole, rows))
            assert_same(said_alike(store.read(project, kinds)), whole)
            lead = str(whole.tables.lead_ids[len(buckets) // 2])
            around = store.read(project, kinds, lead=lead)
            own = buckets[whole.tables.lead_ids == lead][0]
            assert_same(said_alike(around), take_rows(whole, np.flatnonzero(buckets == own)))


def test_every_lead_is_in_one_slice(tmp_path: Path, sliced: list[int]) -> None:
    company = begin(tmp_path, 3)
    project = load_project(company.file)
    whole = read_with_notes(project)
    kinds = {a.name: a.kind for a in whole.tables.attributes}
    CrmStore(tmp_path / "store").read(project, kinds, part=Part(2, 4))
    assert len(sliced) == 4
    assert sum(sliced) == len(whole.tables)
    assert max(sliced) < 0.6 * sum(sliced)


def test_a_slice_lies_sealed_on_the_disk_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = begin(tmp_path, 4)
    project, store = load_project(company.file), tmp_path / "store"
    kinds = {a.name: a.kind for a in read_with_notes(project).tables.attributes}
    usual, seen = slices.read_all, list[bytes]()

    def look(job: slices.ReadJob) -> CrmData:
        seen.extend(path.read_bytes() for path in (store / "unfinished" / "dealt").iterdir())
        return usual(job)

    monkeypatch.setattr(slices, "read_all", look)
    CrmStore(store).read(project, kinds, part=Part(1, 3))
    assert seen
    assert not [piece for piece in seen if b"@" in piece and b"example" in piece]
    assert not (store / "unfinished").exists()


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("leads", "created_at", "yesterday"),
        ("leads", "created_at", "2024-02-03T10:00:00+02:00"),
        ("leads", "lead_id", "L003"),
        ("leads", "lead_id", ""),
        ("touches", "at", "soon"),
        ("touches", "sum", "much"),
        ("deals", "won_at", "1900-01-01"),
        ("history", "changed_at", ""),
    ],
)
def test_what_the_whole_refuses_is_refused_with_its_words(
    tmp_path: Path, table: str, column: str, value: str
) -> None:
    company = begin(tmp_path, 5)
    project = load_project(company.file)
    kinds = {a.name: a.kind for a in read_with_notes(project).tables.attributes}
    rows = company.tables[table].astype(object)
    row = next(i for i, lead in enumerate(rows["lead_id"]) if lead not in ("nobody", "L003"))
    rows.loc[rows.index[row], column] = value
    company.tables[table] = rows
    company.write(table)
    with pytest.raises(InputError) as whole:
        read_whole(project, kinds)
    with pytest.raises(InputError) as part:
        CrmStore(tmp_path / "store").read(project, kinds, part=Part(1, 3))
    assert str(part.value) == str(whole.value)


def test_what_all_leads_decide_together_is_read_whole(tmp_path: Path, sliced: list[int]) -> None:
    company = GrowingCompany.begin(tmp_path, 6)  # leads return, and payments go to their episodes
    project = load_project(company.file)
    kinds = {a.name: a.kind for a in read_with_notes(project).tables.attributes}
    store = CrmStore(tmp_path / "store")
    for _ in range(2):  # read, then out of the store
        assert store.read(project, kinds, part=Part(1, 3)).whole == "leads return (reopen)"
    assert not sliced


def test_ids_that_are_written_in_several_ways_are_found_by_the_whole(
    tmp_path: Path, sliced: list[int]
) -> None:
    company = begin(tmp_path, 8)
    touches = company.tables["touches"]
    touches.loc[touches.index[touches["lead_id"] == "L003"][0], "lead_id"] = " L003"
    company.write("touches")
    project = load_project(company.file)
    kinds = {a.name: a.kind for a in read_with_notes(project).tables.attributes}
    whole = read_whole(project, kinds)
    part = CrmStore(tmp_path / "store").read(project, kinds, part=Part(1, 3))
    assert not sliced
    assert any("spell the id otherwise" in note for note in part.notes)
    assert part.whole == "ids are written in several ways"
    assert_same(
        replace(part, whole=""),
        take_rows(whole, np.flatnonzero(Part(1, 3).holds(buckets_of_rows(whole.tables)))),
    )


def test_a_store_on_a_full_disk_reads_the_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = begin(tmp_path, 7)
    project = load_project(company.file)
    whole = read_with_notes(project)
    kinds = {a.name: a.kind for a in whole.tables.attributes}
    monkeypatch.setattr(Path, "write_bytes", full)
    part = CrmStore(tmp_path / "store").read(project, kinds, part=Part(1, 3))
    rows = np.flatnonzero(Part(1, 3).holds(buckets_of_rows(whole.tables)))
    monkeypatch.undo()
    assert part.tables.lead_ids.tolist() == whole.tables.lead_ids[rows].tolist()
    assert "the store can't be written" in part.notes[-1]
    shutil.rmtree(tmp_path / "store")


def full(_path: Path, _data: bytes) -> int:
    raise OSError(28, "No space left on device")
