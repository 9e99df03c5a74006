"""A ledger that lies outside the state folder: it is found, and not made, by whoever looks in."""

from __future__ import annotations

from pathlib import Path

from serving.contamination import count_contamination
from serving.upkeep.retention import clear_old
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
