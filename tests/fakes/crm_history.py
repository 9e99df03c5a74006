"""A simulated year put into a running Tryton: leads and notes that were there on their dates.

Tryton stamps rows with its own clock, so the dates are set in its SQLite file, in the tables and in
the history table alike, as a restored backup would hold them. All else goes through its RPC.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pandas as pd

from data.world.make import World

_TABLE, _HISTORY = "sale_opportunity", "sale_opportunity__history"


def give_history(database: Path, leads: Sequence[str], world: World) -> dict[str, str]:
    """Give the i-th Tryton lead the dates, notes and conversion of the world's i-th lead.

    A lead that converted is in state "opportunity" from then on. Returns world id -> Tryton id.
    """
    ids = dict(zip(world.frames["leads"]["lead_id"], leads, strict=True))
    with closing(sqlite3.connect(database, timeout=60.0)) as connection, connection:
        _date_leads(connection, ids, world.frames["leads"])
        _convert(connection, ids, world.frames["opportunities"])
        _write_notes(connection, ids, world.frames["touches"])
    return ids


def stamp(moments: pd.Series) -> list[str]:
    """Write times as Tryton keeps them in SQLite: UTC, no zone, microseconds."""
    return list(moments.dt.strftime("%Y-%m-%d %H:%M:%S.%f"))


def _date_leads(connection: sqlite3.Connection, ids: dict[str, str], leads: pd.DataFrame) -> None:
    rows = list(
        zip(stamp(leads["created_at"]), [int(ids[lead]) for lead in leads["lead_id"]], strict=True)
    )
    for table in (_TABLE, _HISTORY):
        connection.executemany(
            f"UPDATE {table} SET create_date = ?, write_date = NULL WHERE id = ?",
            rows,
        )


def _convert(connection: sqlite3.Connection, ids: dict[str, str], won: pd.DataFrame) -> None:
    won = won[won["stage"] != "duplicate"].sort_values("created_at").drop_duplicates("lead_id")
    rows = list(
        zip(stamp(won["created_at"]), [int(ids[lead]) for lead in won["lead_id"]], strict=True)
    )
    connection.executemany(
        f"UPDATE {_TABLE} SET state = 'opportunity', write_date = ? WHERE id = ?",
        rows,
    )
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({_TABLE})")]
    listed = ", ".join(f'"{name}"' for name in columns)
    connection.executemany(
        f"INSERT INTO {_HISTORY} ({listed}) SELECT {listed} FROM {_TABLE} WHERE id = ?",
        [(lead,) for _, lead in rows],
    )


def _write_notes(
    connection: sqlite3.Connection, ids: dict[str, str], touches: pd.DataFrame
) -> None:
    connection.executemany(
        "INSERT INTO ir_note (create_date, create_uid, message, resource) VALUES (?, 1, ?, ?)",
        zip(
            stamp(touches["ingested_at"]),
            touches["touch_type"] + ": by " + touches["channel"].astype(str),
            [f"sale.opportunity,{ids[lead]}" for lead in touches["lead_id"]],
            strict=True,
        ),
    )
