"""Who did what, and when: kept 90 days, leads only as keyed hashes.

Whoever reads the file cannot tell which lead an entry is about without the key and the id; once a
lead is forgotten, nobody can.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Final

from data.durations import DAY
from serving.people.people_store import opened, user_key

KEPT: Final = 90 * DAY


@dataclass(frozen=True, slots=True)
class NotedAct:
    """One entry: microseconds UTC, the user, what was done, and the hash of the lead, if any."""

    at: int
    user: str
    action: str
    lead: str | None


def note_act(file: Path, user: str, action: str, lead_id: str | None, at: int) -> None:
    """Note that a user did something, perhaps with a lead; what is older than 90 days goes."""
    with opened(file) as connection:
        connection.execute("pragma synchronous = normal")  # a page waits for no disk
        connection.execute("delete from acts where at < ?", (at - KEPT,))
        connection.execute(
            "insert into acts (at, user, action, lead) values (?, ?, ?, ?)",
            (at, user, action, _hash(connection, lead_id)),
        )


def list_acts(
    file: Path, *, at: int, user: str | None = None, lead_id: str | None = None
) -> tuple[NotedAct, ...]:
    """List what was done in the 90 days before a moment, the oldest first; by user, by lead."""
    if not file.exists():
        return ()
    with opened(file) as connection:
        rows = connection.execute(
            "select at, user, action, lead from acts where at >= :since"
            " and (:lead is null or lead = :lead) order by at, number",
            {"since": at - KEPT, "lead": _hash(connection, lead_id)},
        ).fetchall()
    acts = (NotedAct(*row) for row in rows)
    return tuple(act for act in acts if user is None or user_key(act.user) == user_key(user))


def forget_acts(file: Path, lead_id: str) -> int:
    """Cut the entries about a lead loose from it; returns how many there were."""
    if not file.exists():
        return 0
    with opened(file) as connection:
        count = connection.execute(
            "update acts set lead = null where lead = ?", (_hash(connection, lead_id),)
        ).rowcount
    with opened(file) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")  # the log holds old pages too
    return count


def _hash(connection: Connection, lead_id: str | None) -> str | None:
    if lead_id is None:
        return None
    key = connection.execute("select value from keys where name = 'audit'").fetchone()[0]
    message = lead_id.encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).hexdigest()
