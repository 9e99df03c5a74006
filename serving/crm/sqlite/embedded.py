"""The embedded CRM: a small SQLite database with a leads table, for the demo and for trials."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from data.errors import OutsideError
from training.state import StatePaths
from training.state_format import make_folder

_SCHEMA = """
CREATE TABLE IF NOT EXISTS leads (
    lead_id        TEXT PRIMARY KEY,
    name           TEXT NOT NULL DEFAULT '',
    score          INTEGER CHECK (score BETWEEN 0 AND 100),
    band           TEXT,
    probability    REAL,
    percentile     REAL,
    trend          TEXT,
    reasons        TEXT CHECK (length(reasons) <= 255),
    model_version  TEXT,
    as_of          TEXT,
    scored_at      TEXT,
    run_id         TEXT,
    score_override TEXT,            -- a person writes here; leadscore never overwrites such a lead
    converted_at   TEXT,
    disqualified_at TEXT,
    version        INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS lead_history (
    lead_id TEXT NOT NULL, version INTEGER NOT NULL, score INTEGER, band TEXT, as_of TEXT,
    run_id TEXT, changed_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TRIGGER IF NOT EXISTS lead_changes AFTER UPDATE ON leads
WHEN old.score IS NOT new.score OR old.band IS NOT new.band OR old.as_of IS NOT new.as_of
BEGIN
    INSERT INTO lead_history (lead_id, version, score, band, as_of, run_id)
    VALUES (new.lead_id, new.version, new.score, new.band, new.as_of, new.run_id);
END;
"""
OVERRIDE = "score_override"
FILE = "crm.sqlite"


def create(state: Path) -> Path:
    """Create the database in the state folder where there is none yet; return its path.

    OutsideError where it cannot be written.
    """
    path = state / FILE
    make_folder(StatePaths(state))
    with _open(path) as connection:
        connection.executescript(_SCHEMA)
    return path


def add_leads(path: Path, leads: Iterable[tuple[str, str]]) -> int:
    """Add (lead id, name) rows of leads not there yet; count them. OutsideError as `create`."""
    with _open(path) as connection:
        before = connection.total_changes
        with connection:
            connection.executemany(
                "INSERT OR IGNORE INTO leads (lead_id, name) VALUES (?, ?)", leads
            )
        return connection.total_changes - before


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path)) as connection:
            yield connection
    except sqlite3.OperationalError as error:
        raise OutsideError(
            f"{path}: the embedded CRM cannot be written ({error})",
            cure="look at the folder's rights and at the disk, then run it again",
        ) from None
