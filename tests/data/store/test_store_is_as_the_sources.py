"""What comes out of the store is what the sources say, bit for bit, whatever happened to them."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.buckets import Part
from data.errors import InputError
from data.part import buckets_of_rows, outcomes_of, part_of
from data.project import load_project
from data.reading.read_tables import CrmData, read_with_notes
from data.store import csv_runs, sealed, write_groups
from data.store.crm_store import CrmStore
from tests.fakes.growing_company import GrowingCompany
from tests.fakes.same_reading import assert_same

STEPS = ["append", "events before their lead", "delete", "edit", "another account", "touch"]


@pytest.fixture(autouse=True)
def _small_companies_have_many_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_groups, "_ROWS_EACH", 4)
    monkeypatch.setattr(write_groups, "_IDS_EACH", 7)
    monkeypatch.setattr(csv_runs, "WORTH_KEEPING", 0)
    monkeypatch.setattr(sealed, "_HEAD", 64)
    monkeypatch.setattr(csv_runs, "MOST_PIECES", 3)


def cut(whole: CrmData, rows: np.ndarray) -> CrmData:
    return replace(
        whole, tables=part_of(whole.tables, rows), outcomes=outcomes_of(whole.outcomes, rows)
    )


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 999), st.lists(st.sampled_from(STEPS), max_size=5))
def test_what_was_taken_in_step_by_step_is_what_a_new_reading_says(
    seed: int, steps: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        company = GrowingCompany.begin(Path(scratch), seed)
        project = load_project(company.file)
        store = CrmStore(Path(scratch) / "store")
        for step in ["", *steps]:
            company.step(step)
            rebuilt = read_with_notes(project)
            assert_same(store.read(project), rebuilt)  # built, or taken in
            assert_same(store.read(project), rebuilt)  # out of the store
            kinds = {a.name: a.kind for a in rebuilt.tables.attributes}
            assert_same(store.read(project, kinds), read_with_notes(project, kinds=kinds))


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 999), st.sampled_from([1, 2, 7, 64, 256]))
def test_parts_are_the_whole_cut_by_bucket(seed: int, of: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        company = GrowingCompany.begin(Path(scratch), seed)
        project = load_project(company.file)
        store = CrmStore(Path(scratch) / "store")
        whole = store.read(project)
        assert whole.tables.episodes is not None
        assert whole.outcomes.payments is not None
        buckets, seen = buckets_of_rows(whole.tables), 0
        for number in range(1, of + 1):
            part = store.read(project, part=Part(number, of))
            rows = np.flatnonzero(Part(number, of).holds(buckets))
            assert_same(part, cut(whole, rows))
            seen += len(part.tables)
        assert seen == len(whole.tables)
        for lead in whole.tables.lead_ids[::9].tolist():
            around = store.read(project, lead=lead)
            own = buckets[whole.tables.lead_ids == lead][0]
            assert_same(around, cut(whole, np.flatnonzero(buckets == own)))


def test_an_unknown_lead_is_refused(tmp_path: Path) -> None:
    company = GrowingCompany.begin(tmp_path, 1)
    store, project = CrmStore(tmp_path / "store"), load_project(company.file)
    for _ in range(2):  # from the sources, then out of the store
        with pytest.raises(InputError, match="no such lead: 'L9999'"):
            store.read(project, lead="L9999")
