"""What was opened is closed, also where opening a CRM or a ledger fails."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from data.errors import LeadScoreError
from serving.crm.mysql.writer import AlchemyCrm
from serving.crm.sqlite.writer import SqliteCrm
from serving.writeback.ledger import Ledger
from serving.writeback.ledger_store import SqliteStore

FREE_PAGES = slice(36, 40)  # in the header of a SQLite file: how many pages are free


def open_files(path: Path) -> list[str]:
    """List what this process holds open of a file, its journal included."""
    links = [Path("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    targets = [os.readlink(link) for link in links if link.is_symlink()]
    return [target for target in targets if target.startswith(str(path))]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A ledger with a table of no CRM, damaged so that only a check of the file notices."""
    path = tmp_path / "ledger.sqlite"
    with closing(SqliteStore(path)) as store:
        Ledger(store, "rest")
        store.execute("PRAGMA journal_mode = DELETE")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE leads (lead_id TEXT)")
    data = bytearray(path.read_bytes())
    data[FREE_PAGES] = (5).to_bytes(4, "big")
    path.write_bytes(data)
    return path


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc here")
@pytest.mark.parametrize(
    ("opened", "cause"),
    [
        (SqliteStore, "is damaged"),
        (SqliteCrm, "has no column"),
        (lambda path: SqliteCrm(path, entity="nothing"), "has no table"),
        (lambda path: AlchemyCrm(f"sqlite:///{path}", ()), "has no column"),
        (lambda path: AlchemyCrm(f"sqlite:///{path}", (), entity="nothing"), "has no table"),
    ],
)
def test_what_cannot_be_used_is_not_left_open(
    file: Path, opened: Callable[[Path], object], cause: str
) -> None:
    with pytest.raises(LeadScoreError, match=cause):
        opened(file)
    assert open_files(file) == []
