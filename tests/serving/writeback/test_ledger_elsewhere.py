"""A ledger that lies outside the state folder: it is found, and not made, by whoever looks in."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from data.errors import OutsideError
from serving.contamination import count_contamination
from serving.forget import forget_lead
from serving.upkeep.retention import clear_old
from serving.writeback.ledger_place import ledger_place
from tests.fakes.faults_run import EPOCH
from tests.serving.writeback.test_write_back import LEADS, night, project
from training.state import StatePaths


def test_whoever_looks_in_makes_no_ledger(tmp_path: Path) -> None:
    place, state = tmp_path / "elsewhere" / "sent.sqlite", StatePaths(tmp_path)
    there = project(ledger=str(place))
    count_contamination(state, there, frozenset(), frozenset(LEADS))
    clear_old(state, there, at=EPOCH)
    assert not place.parent.exists()
    assert night(tmp_path, 0, [10], ledger=str(place)).sent == 1
    assert not (tmp_path / "ledger.sqlite").exists()
    assert count_contamination(state, there, frozenset(LEADS), frozenset()).still_in_crm == 1


def test_a_forgotten_lead_is_in_no_table_of_it(tmp_path: Path) -> None:
    place, state = tmp_path / "elsewhere" / "sent.sqlite", StatePaths(tmp_path / "state")
    state.folder.mkdir()
    night(state.folder, 0, [10, 20], ledger=str(place))
    where = ledger_place(project(ledger=str(place)), state.folder)
    erased = forget_lead(state, "L001", ledger=where)
    assert (erased["sent.sqlite"], erased["audit entries with its id, kept"]) == (1, 1)
    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("SELECT lead FROM acknowledged").fetchall() == [("L000",)]
    place.write_bytes(b"no database at all")
    with pytest.raises(OutsideError, match=r"sent\.sqlite may hold the lead"):
        forget_lead(state, "L000", ledger=where)
