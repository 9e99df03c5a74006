"""One consistent archive while jobs run; restored elsewhere it scores as before."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import stat
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.errors import InputError, LeadScoreError
from serving.upkeep import upkeep_lock
from serving.upkeep.backup import LISTING, back_up, restore
from serving.upkeep.upkeep_lock import only_upkeep
from tests.golden.product import leadscore
from tests.serving.upkeep.conftest import Kept
from training.state import KEPT, StatePaths

NAME = "software_trial"
OF_THE_RUN = ["run_id", "scored_at"]


def scores(path: Path) -> bytes:
    """Write scores as bytes, without what names the run."""
    table = pq.read_table(path).drop_columns(OF_THE_RUN).replace_schema_metadata(None)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def test_restored_elsewhere_it_scores_byte_for_byte_the_same_and_trains(
    kept: Kept, tmp_path: Path
) -> None:
    assert kept.run("score", "--out", tmp_path / "before.parquet").code == 0
    said = kept.run("backup", "--out", tmp_path / "b" / "acme.tar.gz", "--json")
    assert json.loads(said.out)["files"] > 20
    shutil.rmtree(kept.state)
    elsewhere = Kept(kept.file, tmp_path / "other" / "place")
    restored = leadscore(
        "restore", kept.file, tmp_path / "b" / "acme.tar.gz", "--state", elsewhere.state
    )
    assert restored.code == 0, restored.err
    assert stat.S_IMODE(elsewhere.state.stat().st_mode) == 0o700
    assert elsewhere.run("score", "--out", tmp_path / "after.parquet").code == 0
    assert scores(tmp_path / "before.parquet") == scores(tmp_path / "after.parquet")
    assert elsewhere.run("doctor").code == 0
    trained = elsewhere.run("train", "--fast", "--learner", "logistic", "--json")
    assert json.loads(trained.out)["version"] == "2", trained.err


def test_the_archive_is_its_owners_alone_and_tells_nothing_of_locks(
    kept: Kept, tmp_path: Path
) -> None:
    for name in ("night.lock", ".scores.parquet.x.part", "ledger.sqlite-wal"):
        (kept.state / name).touch()
    archive = tmp_path / "a.tar.gz"
    listing = back_up(kept.paths, NAME, archive, at=0)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with tarfile.open(archive) as packed:
        names = packed.getnames()
    assert names == [*listing.files, LISTING]
    assert not [name for name in names if name.endswith((".lock", ".part", "-wal"))]
    assert {"scores.parquet", "mlflow.db", "ledger.sqlite", "feedback.db"} <= {*names}
    assert not list(tmp_path.glob(".backup*"))


def test_what_refers_to_something_is_copied_before_it() -> None:
    places = [KEPT.index(name) for name in ("night.json", "scores.parquet", "mlflow.db")]
    assert places == sorted(places)
    assert KEPT[-2:] == ("mlflow.db", "mlartifacts")


def test_databases_are_copied_as_one_moment_while_they_are_written(
    kept: Kept, tmp_path: Path
) -> None:
    """Two tables that a job keeps equal are equal in every copy."""
    database = kept.state / "crm.sqlite"
    with closing(sqlite3.connect(database)) as made, made:
        made.execute("pragma journal_mode = wal")
        made.execute("create table a (n integer)")
        made.execute("create table b (n integer)")
    stop = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=60)) as job:
            number = 0
            while not stop.is_set():
                number += 1
                with job:
                    job.execute("insert into a values (?)", (number,))
                    job.execute("insert into b values (?)", (number,))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            back_up(kept.paths, NAME, tmp_path / f"{number}.tar.gz", at=0)
    finally:
        stop.set()
        writer.join()
    for number in range(5):
        place = StatePaths(tmp_path / f"restored{number}")
        restore(place, NAME, tmp_path / f"{number}.tar.gz")
        with closing(sqlite3.connect(place.folder / "crm.sqlite")) as copied:
            a, b = (copied.execute(f"select count(*) from {t}").fetchone()[0] for t in "ab")
        assert a == b


def rewrite(archive: Path, change: dict[str, bytes | None]) -> Path:
    """Copy an archive with some members changed, left out (None) or added."""
    other = archive.with_name("other.tar.gz")
    with tarfile.open(archive) as given, tarfile.open(other, "w:gz") as made:
        seen = set()
        for entry in given:
            seen.add(entry.name)
            raw = change.get(entry.name, given.extractfile(entry).read())  # type: ignore[union-attr]
            if raw is not None:
                entry.size = len(raw)
                made.addfile(entry, io.BytesIO(raw))
        for name in change.keys() - seen:
            entry = tarfile.TarInfo(name)
            raw = change[name] or b""
            entry.size = len(raw)
            made.addfile(entry, io.BytesIO(raw))
    return other


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"scores.parquet": b"x"}, "scores.parquet is not what was backed up"),
        ({"mlflow.db": None}, "mlflow.db is not what was backed up"),
        ({"more.txt": b"x"}, "more.txt is not what was backed up"),
        ({"../evil": b"x"}, "holds what no backup does"),
        ({"/tmp/evil": b"x"}, "holds what no backup does"),
        ({LISTING: None}, "it lacks backup.json"),
        ({LISTING: b"{}"}, "is no listing of a backup"),
        (
            {LISTING: b'{"project": "other", "format": 2, "made_at": "", "files": {}}'},
            "is a backup of project 'other'",
        ),
        (
            {LISTING: b'{"project": "software_trial", "format": 99, "made_at": "", "files": {}}'},
            "has format 99",
        ),
    ],
)
def test_a_changed_archive_is_refused_and_nothing_is_left(
    kept: Kept, tmp_path: Path, change: dict[str, bytes | None], refusal: str
) -> None:
    back_up(kept.paths, NAME, tmp_path / "a.tar.gz", at=0)
    place = StatePaths(tmp_path / "new" / "state")
    with pytest.raises(InputError, match=refusal):
        restore(place, NAME, rewrite(tmp_path / "a.tar.gz", change))
    assert not place.folder.exists()
    assert list(place.folder.parent.iterdir()) == []


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9, 0.999])
def test_an_archive_that_was_cut_is_refused(kept: Kept, tmp_path: Path, share: float) -> None:
    archive = tmp_path / "a.tar.gz"
    back_up(kept.paths, NAME, archive, at=0)
    raw = archive.read_bytes()
    archive.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(InputError, match="is damaged"):
        restore(StatePaths(tmp_path / "new"), NAME, archive)


def test_nothing_is_written_over_and_a_link_is_no_member(kept: Kept, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    back_up(kept.paths, NAME, archive, at=0)
    with pytest.raises(InputError, match="is there already"):
        restore(kept.paths, NAME, archive)
    linked = tmp_path / "linked.tar.gz"
    with tarfile.open(linked, "w:gz") as made:
        entry = tarfile.TarInfo("scores.parquet")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(entry)
    with pytest.raises(InputError, match="holds what no backup does"):
        restore(StatePaths(tmp_path / "new"), NAME, linked)
    with pytest.raises(InputError, match="file not found"):
        restore(StatePaths(tmp_path / "new"), NAME, tmp_path / "none.tar.gz")


def test_a_damaged_database_is_no_backup(kept: Kept, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    raw = bytearray((kept.state / "mlflow.db").read_bytes())
    raw[4096:8192] = b"x" * 4096
    (kept.state / "mlflow.db").write_bytes(raw)
    with pytest.raises(LeadScoreError, match="leadscore doctor"):
        back_up(kept.paths, NAME, archive, at=0)
    assert not list(tmp_path.glob("*.tar.gz*"))


def test_no_archive_is_written_over(kept: Kept, tmp_path: Path) -> None:
    """Found by an operator: the backup from before an upgrade was replaced by one from after."""
    archive = tmp_path / "a.tar.gz"
    back_up(kept.paths, NAME, archive, at=0)
    before = archive.read_bytes()
    with pytest.raises(InputError, match="is there already"):
        back_up(kept.paths, NAME, archive, at=1)
    assert archive.read_bytes() == before


def test_a_backup_waits_for_an_erasure_and_says_so_where_it_takes_too_long(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep_lock, "WAIT_S", 0.1)
    with only_upkeep(kept.paths):
        said = kept.run("backup", "--out", tmp_path / "a.tar.gz")
    assert said.code == 4
    assert "is running" in said.err
