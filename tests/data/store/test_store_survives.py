"""What happens to the store: read twice, grown, damaged, killed, used at once, not writable."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.project import load_project
from data.reading import csv_files, read_tables
from data.reading.read_tables import read_with_notes
from data.store import crm_store, csv_runs, sealed
from data.store.crm_store import DAMAGED, CrmStore
from tests.fakes.growing_company import GrowingCompany
from tests.fakes.same_reading import assert_same

ROOT = Path(__file__).parents[3]
READ = """
import sys
from pathlib import Path
from data.project import load_project
from data.store.crm_store import CrmStore
file, folder = map(Path, sys.argv[1:])
print(len(CrmStore(folder).read(load_project(file)).tables.events))
"""


@pytest.fixture
def company(tmp_path: Path) -> GrowingCompany:
    return GrowingCompany.begin(tmp_path / "crm", 3)


@pytest.fixture
def store(tmp_path: Path) -> CrmStore:
    return CrmStore(tmp_path / "store")


def test_unchanged_sources_are_not_read_again(company, store, monkeypatch) -> None:
    project = load_project(company.file)
    first = store.read(project)
    monkeypatch.setattr(crm_store, "read_with_notes", lambda *_, **__: pytest.fail("read"))
    assert_same(store.read(project), first)
    company.write("touches")  # the same bytes, written again
    assert_same(store.read(project), first)


def test_of_a_grown_file_only_the_tail_is_parsed(company, store, monkeypatch) -> None:
    monkeypatch.setattr(csv_runs, "WORTH_KEEPING", 0)
    monkeypatch.setattr(sealed, "_HEAD", 64)
    project = load_project(company.file)
    store.read(project)
    company.append("touches", 5)
    read: list[str] = []
    usual = csv_files.read_csv

    def noted(path: Path, **how):
        read.append(path.name)
        return usual(path, **how)

    monkeypatch.setattr(csv_files, "read_csv", noted)
    monkeypatch.setattr(csv_runs, "read_csv", noted)
    crm = store.read(project)
    assert read == ["tail.csv"]
    assert_same(crm, read_with_notes(project))


def test_a_file_that_is_named_twice_counts_as_often_as_it_is_named(company, store) -> None:
    project = load_project(company.file)
    once = len(store.read(project).tables.events)
    for _ in range(3):
        company.write("touches")
        assert len(store.read(project).tables.events) == once


@pytest.mark.parametrize("harm", ["cut", "zeros", "gone", "garbage", "flipped"])
def test_a_damaged_store_is_thrown_away_and_built_again(company, store, harm) -> None:
    project = load_project(company.file)
    whole = store.read(project)
    for path in sorted(store.folder.iterdir()):
        if path.name == "lock":
            continue
        raw = path.read_bytes()
        if harm == "gone":
            path.unlink()
        else:
            middle = len(raw) // 2
            path.write_bytes(
                {
                    "cut": raw[:middle],
                    "zeros": bytes(len(raw)),
                    "garbage": b"x" * 50,
                    "flipped": raw[:middle] + bytes([raw[middle] ^ 255]) + raw[middle + 1 :],
                }[harm]
            )
        again = store.read(project)
        assert_same(again.tables, whole.tables)
        assert set(again.notes) - set(whole.notes) <= {DAMAGED}
        assert_same(store.read(project), whole)


def test_damage_is_said(company, store) -> None:
    project = load_project(company.file)
    store.read(project)
    (store.folder / "store.json").write_text("{")
    assert DAMAGED in store.read(project).notes


def test_others_may_not_enter_and_find_no_address_in_it(company, store, monkeypatch) -> None:
    monkeypatch.setattr(csv_runs, "WORTH_KEEPING", 0)
    store.read(load_project(company.file))
    assert store.folder.stat().st_mode & 0o077 == 0
    held = b"".join(path.read_bytes() for path in store.folder.iterdir())
    assert b"@x.example" not in held
    assert b"Rossi" not in held


def test_what_is_not_declared_is_not_kept(company, store) -> None:
    crm = store.read(load_project(company.file))
    assert "phone" not in {each.name for each in crm.tables.attributes}


def test_files_of_others_in_its_folder_stay(company, store, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    mine = [shelf / name for name in ("notes.txt", "leads.parquet", "a.json")]
    for path in mine:
        path.write_text("mine")
    store.folder.symlink_to(shelf)  # a store on another disk
    project = load_project(company.file)
    store.read(project)
    company.append("touches", 3)
    store.read(project)
    (store.folder / "store.json").write_text("{")
    store.read(project)
    assert store.erase()
    assert {path.name for path in shelf.iterdir()} == {"lock", *(path.name for path in mine)}


@pytest.mark.checkout
def test_a_killed_reading_leaves_the_old_store(company, store) -> None:
    project = load_project(company.file)
    before = store.read(project)
    for wait in (0.4, 0.8, 1.2):
        company.append("touches", 3)
        command = [sys.executable, "-c", READ, company.file, store.folder]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert_same(store.read(project), read_with_notes(project))
    assert len(store.read(project).tables.events) >= len(before.tables.events)
    assert not (store.folder / "unfinished").exists()


@pytest.mark.checkout
def test_two_processes_at_once_read_the_same(company, store) -> None:
    command = [sys.executable, "-c", READ, company.file, store.folder]
    at_once = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = {process.communicate()[0] for process in at_once}
    events = len(read_with_notes(load_project(company.file)).tables.events)
    assert said == {f"{events}\n"}


def test_an_erased_store_holds_nothing_and_is_built_again(company, store) -> None:
    project = load_project(company.file)
    whole = store.read(project)
    assert store.erase() > 5
    assert [path.name for path in store.folder.iterdir()] == ["lock"]
    assert_same(store.read(project), whole)


def test_a_folder_that_cannot_be_written_is_done_without(company, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    project = load_project(company.file)
    crm = CrmStore(tmp_path / "file" / "store").read(project)
    assert_same(crm, read_with_notes(project))


def test_what_a_database_answers_is_compared_by_its_content(company, store, monkeypatch) -> None:
    with sqlite3.connect(company.folder / "crm.sqlite") as database:
        company.tables["leads"].to_sql("leads", database, index=False)
    database.close()
    text = company.file.read_text()
    source = 'source = "sqlite:///crm.sqlite"\nquery = "select * from leads"'
    company.file.write_text(text.replace('source = "leads.csv"', source))
    project = load_project(company.file)
    first = store.read(project)
    monkeypatch.setattr(crm_store, "read_with_notes", lambda *_, **__: pytest.fail("read"))
    assert_same(store.read(project), first)
    monkeypatch.setattr(crm_store, "read_with_notes", read_tables.read_with_notes)
    with sqlite3.connect(company.folder / "crm.sqlite") as database:
        database.execute("delete from leads where lead_id = 'L000'")
    database.close()
    assert len(store.read(project).tables) < len(first.tables)
