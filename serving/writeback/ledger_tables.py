"""The tables of a ledger, and how those of an earlier version become them.

Version 1, without a number, knew no episodes. A file of it is copied beside itself before anything
is changed; then all tables change in one transaction, or none does.
"""

from __future__ import annotations

import json
from typing import Final

from data.errors import InputError
from serving.writeback.ledger_store import PostgresStore, SqliteStore, Store

VERSION: Final = 2
_TABLES: Final = {
    "lease": "CREATE TABLE lease (crm TEXT PRIMARY KEY, token BIGINT NOT NULL,"
    " owner TEXT NOT NULL, until DOUBLE PRECISION NOT NULL)",
    "acknowledged": "CREATE TABLE acknowledged (crm TEXT NOT NULL, lead {text} NOT NULL,"
    " hash TEXT NOT NULL, score BIGINT NOT NULL, band TEXT NOT NULL, as_of BIGINT NOT NULL,"
    " model_version TEXT NOT NULL, written_at BIGINT NOT NULL, version TEXT, remote TEXT NOT NULL,"
    " digest BIGINT NOT NULL, episode BIGINT NOT NULL, old_override BIGINT NOT NULL,"
    " PRIMARY KEY (crm, lead, episode))",
    "outbox": "CREATE TABLE outbox (crm TEXT NOT NULL, lead {text} NOT NULL,"
    " hash TEXT NOT NULL, payload TEXT NOT NULL, as_of BIGINT NOT NULL, state TEXT NOT NULL,"
    " attempts BIGINT NOT NULL, error TEXT NOT NULL, run_id TEXT NOT NULL,"
    " episode BIGINT NOT NULL, PRIMARY KEY (crm, lead))",
    "inflight": "CREATE TABLE inflight (crm TEXT NOT NULL, lead {text} NOT NULL,"
    " hash TEXT NOT NULL, as_of BIGINT NOT NULL, payload TEXT NOT NULL, episode BIGINT NOT NULL,"
    " PRIMARY KEY (crm, lead, episode, hash, as_of))",
    "audit": "CREATE TABLE audit (seq BIGINT PRIMARY KEY, body TEXT NOT NULL,"
    " digest TEXT NOT NULL)",
    "ledger_version": "CREATE TABLE ledger_version (version BIGINT NOT NULL)",
}
_FIRST_EPISODE: Final = {"acknowledged": "1, 0", "outbox": "1", "inflight": "1"}
"""What the columns that version 2 added hold for rows of version 1: in the tables of leads."""


def lay_out(store: Store) -> None:
    """Make the tables, or bring those of an earlier version here; InputError if from a later."""
    if _has(store, "ledger_version"):
        version = store.execute("SELECT max(version) FROM ledger_version")[0][0]
        if version != VERSION:
            raise InputError(
                f"the ledger has version {version}, this leadscore knows {VERSION}",
                cure="run the leadscore that wrote it, or a newer one",
            )
        return
    if _has(store, "audit") and isinstance(store, SqliteStore):
        store.keep_copy("v1")
    with store.transaction():
        if not _has(store, "ledger_version"):  # another process may have been first
            _make(store, migrate=_has(store, "audit"))


def forget_sent(store: Store, lead: str) -> tuple[int, int]:
    """Erase a lead, whatever the CRM: rows erased, and audit entries that name it and stay."""
    mark = json.dumps(lead, ensure_ascii=False)
    with store.transaction():
        erased = [
            store.execute(f"DELETE FROM {table} WHERE lead = ? RETURNING lead", (lead,))  # noqa: S608
            for table in _FIRST_EPISODE
        ]
        named = store.execute(
            "SELECT count(*) FROM audit WHERE replace(body, ?, '') <> body", (mark,)
        )
    return sum(map(len, erased)), int(named[0][0])


def _make(store: Store, *, migrate: bool) -> None:
    text = 'TEXT COLLATE "C"' if isinstance(store, PostgresStore) else "TEXT"
    for name, statement in _TABLES.items():
        added = _FIRST_EPISODE.get(name)
        if migrate and added is None and name != "ledger_version":
            continue  # as it was
        if migrate and added is not None:
            store.execute(f"ALTER TABLE {name} RENAME TO {name}_v1")
        store.execute(statement.format(text=text))
        if migrate and added is not None:
            store.execute(f"INSERT INTO {name} SELECT *, {added} FROM {name}_v1")  # noqa: S608
            store.execute(f"DROP TABLE {name}_v1")
    store.execute("INSERT INTO ledger_version VALUES (?)", (VERSION,))


def _has(store: Store, table: str) -> bool:
    """Read the catalogue itself: to_regclass may answer from before another one's commit."""
    catalogue = (
        "SELECT relname FROM pg_class WHERE relname = ? AND pg_table_is_visible(oid)"
        if isinstance(store, PostgresStore)
        else "SELECT name FROM sqlite_master WHERE name = ?"
    )
    return any(row[0] for row in store.execute(catalogue, (table,)))
