"""What is older than [retention] allows goes; the newest run and the chain of the log stay."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from data.clock import DAY
from data.errors import OutsideError
from data.project import load_project
from serving.upkeep.retention import clear_old
from serving.writeback.audit_log import append, entries, trim
from serving.writeback.ledger import Ledger
from serving.writeback.ledger_store import SqliteStore
from tests.serving.upkeep.conftest import Kept

NOW = 1_795_000_000_000_000  # 18 November 2026


def test_old_runs_go_and_the_newest_stays_however_old(kept: Kept) -> None:
    for stamp in ("20240101T020000Z-aa", "20250101T020000Z-bb", "20261101T020000Z-cc"):
        (kept.paths.runs / stamp).mkdir()
    (kept.paths.runs / "kept by hand").mkdir()
    (kept.paths.runs / ".20230101T020000Z-dd.gone").mkdir()
    project = load_project(kept.file)
    assert clear_old(kept.paths, project, at=NOW)["runs"] == 2
    names = sorted(path.name for path in kept.paths.runs.iterdir())
    assert names == ["20261101T020000Z-cc", "20261128T212622Z-707dbb15", "kept by hand"]
    assert clear_old(kept.paths, project, at=NOW + 3000 * DAY)["runs"] == 1
    assert (kept.paths.runs / "20261128T212622Z-707dbb15").is_dir()


@pytest.fixture
def log(tmp_path: Path):
    with closing(SqliteStore(tmp_path / "ledger.sqlite")) as store:
        Ledger(store, "crm")
        for day in range(10):
            with store.transaction():
                append(store, {"at": day * DAY, "written": [day]})
        yield store


def test_a_log_that_was_cleared_can_still_be_checked(log: SqliteStore) -> None:
    assert trim(log, before=4 * DAY, at=20 * DAY) == 4
    kept = [entry.get("written") for entry in entries(log)]
    assert kept == [[4], [5], [6], [7], [8], [9], None]
    assert trim(log, before=4 * DAY, at=21 * DAY) == 0
    assert trim(log, before=8 * DAY, at=22 * DAY) == 4
    assert len(list(entries(log))) == 4
    assert trim(log, before=10**18, at=23 * DAY) == 3
    assert len(list(entries(log))) == 2  # the newest one is never cleared


def test_a_start_that_nobody_cleared_shows(log: SqliteStore) -> None:
    trim(log, before=4 * DAY, at=20 * DAY)
    with log.transaction():  # somebody removes one entry more, and moves the anchor
        log.execute("DELETE FROM audit WHERE seq = 4")
        log.execute("UPDATE audit SET body = '' WHERE seq = 5")
    with pytest.raises(OutsideError, match="the audit log was cut"):
        list(entries(log))
    with pytest.raises(OutsideError):
        trim(log, before=10 * DAY, at=20 * DAY)


def test_what_was_acknowledged_for_past_episodes_goes_and_the_newest_stays(
    log: SqliteStore, tmp_path: Path, kept: Kept
) -> None:
    row = "INSERT INTO acknowledged VALUES ('crm', ?, 'h', 1, 'A', 0, '1', ?, NULL, '{}', 0, ?, 0)"
    for lead, at, episode in (("a", 0, 1), ("a", 0, 2), ("b", 0, 1), ("c", NOW, 1), ("c", NOW, 2)):
        log.execute(row, (lead, at, episode))
    paths = type(kept.paths)(tmp_path)
    cleared = clear_old(paths, load_project(kept.file), at=NOW)
    assert cleared == {"past episodes": 1, "audit entries": 9}
    left = log.execute("SELECT lead, episode FROM acknowledged ORDER BY lead, episode")
    assert left == [("a", 2), ("b", 1), ("c", 1), ("c", 2)]
