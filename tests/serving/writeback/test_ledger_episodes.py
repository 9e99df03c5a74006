"""The ledger's key has the episode of a lead: a return starts afresh, an old message never wins."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.durations import DAY
from data.errors import InputError, OutsideError
from serving.forget import forget_lead
from serving.writeback import ledger_tables
from serving.writeback.ledger import Ledger
from serving.writeback.ledger_store import SqliteStore
from serving.writeback.write_back import WriteBackResult, write_back
from tests.fakes.faults_run import EPOCH, write_scores
from tests.serving.writeback.test_write_back import crm, project
from training.state import StatePaths

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "state_2026_11.tar.xz"


def night(
    state: Path, day: int, score: int, episode: int, *, min_points: float = 1.0, **section: object
) -> WriteBackResult:
    path = state / f"scores{day}-{episode}.parquet"
    write_scores(path, ["A"], [score], EPOCH + day * DAY)
    table = pq.read_table(path).append_column("episode", pa.array([episode]))
    pq.write_table(table, path)
    given = project(min_points=min_points, **section)
    return write_back(path, given, state, now=EPOCH + (day + 1) * DAY, run_id=f"run-{day}")


def shown(state: Path) -> object:
    return crm(state, "SELECT score FROM leads")[0][0]


def ledger_of_then(folder: Path) -> Path:
    """Unpack the ledger that the code of November 2026 wrote, before it knew of episodes."""
    with tarfile.open(FIXTURE) as archive:
        archive.extract("demo/state/ledger.sqlite", folder, filter="data")
    (folder / "state").mkdir()
    return Path(shutil.move(folder / "demo/state/ledger.sqlite", folder / "state"))


def acknowledged(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT crm, lead, hash, score, as_of, digest FROM acknowledged ORDER BY lead"
        ).fetchall()


def test_a_ledger_of_then_gains_the_episode_and_its_old_file_is_kept(tmp_path: Path) -> None:
    path = ledger_of_then(tmp_path)
    before = acknowledged(path)
    store = SqliteStore(path)
    last = Ledger(store, str(before[0][0])).last_acknowledged("", "\U0010ffff")
    store.close()
    assert len(before) == len(last) > 100
    assert {each.episode for each in last.values()} == {1}
    assert acknowledged(path) == before == acknowledged(path.with_suffix(".v1.sqlite"))


def test_a_forgotten_lead_leaves_the_kept_file_too(tmp_path: Path) -> None:
    path = ledger_of_then(tmp_path)
    lead = str(acknowledged(path)[0][1])
    SqliteStore(path).close()
    store = SqliteStore(path)
    Ledger(store, "any")
    store.close()
    erased = forget_lead(StatePaths(path.parent), lead)
    assert (erased["ledger.sqlite"], erased["ledger.v1.sqlite"]) == (1, 1)
    assert lead not in {row[1] for row in acknowledged(path.with_suffix(".v1.sqlite"))}


def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ledger_of_then(tmp_path)
    before = acknowledged(path)
    with monkeypatch.context() as patched:
        patched.setattr(ledger_tables, "VERSION", None)  # refused: not null
        store = SqliteStore(path)
        with pytest.raises(OutsideError):
            Ledger(store, "any")
        store.close()
    assert acknowledged(path) == before
    store = SqliteStore(path)
    Ledger(store, "any")
    store.close()
    assert acknowledged(path) == before


def test_a_ledger_of_a_later_version_is_refused(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ledger.sqlite")
    Ledger(store, "any")
    store.execute("UPDATE ledger_version SET version = 9")
    with pytest.raises(InputError, match="version 9"):
        Ledger(store, "any")
    store.close()


def test_the_score_of_a_returning_lead_is_sent_however_near_it_is(tmp_path: Path) -> None:
    night(tmp_path, 0, 60, 1, min_points=5)
    assert night(tmp_path, 1, 61, 1, min_points=5).sent == 0
    assert (night(tmp_path, 2, 61, 2, min_points=5).sent, shown(tmp_path)) == (1, 61)


def test_a_late_message_of_an_old_episode_never_overwrites(tmp_path: Path) -> None:
    night(tmp_path, 0, 60, 1)
    night(tmp_path, 5, 70, 2)
    late = night(tmp_path, 9, 20, 1)  # a later run on an older extract: the lead is not back there
    assert (late.sent, late.stale, shown(tmp_path)) == (0, 1, 70)


def test_what_waits_of_an_old_episode_gives_way_to_the_new_one(tmp_path: Path) -> None:
    night(tmp_path, 0, 60, 1)
    crm(tmp_path, "CREATE TRIGGER full BEFORE UPDATE ON leads BEGIN SELECT RAISE(ABORT, 'no'); END")
    assert night(tmp_path, 1, 80, 1).rejected == 1
    crm(tmp_path, "DROP TRIGGER full")
    assert (night(tmp_path, 2, 40, 2).sent, shown(tmp_path)) == (1, 40)
    assert not (tmp_path / "dead_letter.jsonl").exists()


def test_what_a_person_set_ends_with_the_episode(tmp_path: Path) -> None:
    night(tmp_path, 0, 60, 1)
    crm(tmp_path, "UPDATE leads SET score = 99, score_override = '99'")
    assert night(tmp_path, 1, 70, 1).kept_overrides == 1
    assert [night(tmp_path, day, 40 + day, 2).sent for day in (2, 3)] == [1, 1]
    crm(tmp_path, "UPDATE leads SET score_override = NULL")
    night(tmp_path, 4, 50, 2)
    crm(tmp_path, "UPDATE leads SET score_override = '1'")  # and what is set now holds
    assert (night(tmp_path, 5, 55, 2).kept_overrides, shown(tmp_path)) == (1, 50)


def test_an_override_that_is_declared_permanent_holds_in_every_episode(tmp_path: Path) -> None:
    night(tmp_path, 0, 60, 1)
    crm(tmp_path, "UPDATE leads SET score_override = 'opted out'")
    for day, episode in ((1, 1), (2, 2), (3, 3)):
        kept = night(tmp_path, day, 40 + day, episode, permanent_overrides=True)
        assert (kept.sent, kept.kept_overrides, shown(tmp_path)) == (0, 1, 60)
    assert night(tmp_path, 4, 50, 3).sent == 1  # declared no longer: it was set in episode 1


def test_the_audit_log_goes_on_after_the_migration(tmp_path: Path) -> None:
    path = ledger_of_then(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        logged = connection.execute("SELECT count(*) FROM audit").fetchone()[0]
    store = SqliteStore(path)
    ledger = Ledger(store, "any")
    bodies = [json.loads(row[0]) for row in ledger.store.execute("SELECT body FROM audit")]
    store.close()
    assert len(bodies) == logged > 0
