"""A cookie's id <-> the session that it opens: begun at sign-in, ended at once when revoked."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from serving.people.people_store import (
    User,
    opened,
    user_key,
    user_of_row,
    viewer_of,
)
from serving.people.viewer import Viewer


def digest_of(token: str) -> str:
    """Hash an id for storage: 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def begin_session(file: Path, user: User, *, at: int, ends_at: int) -> str:
    """Begin a session under an id that nobody has seen before; returns the id.

    What has ended by now is cleared away.
    """
    session = secrets.token_urlsafe(32)
    with opened(file) as connection:
        for table in ("sessions", "handshakes"):
            connection.execute(f"delete from {table} where ends_at <= ?", (at,))  # noqa: S608
        connection.execute(
            "insert into sessions values (?, ?, ?, ?, ?)",
            (digest_of(session), user_key(user.name), secrets.token_urlsafe(32), at, ends_at),
        )
    return session


def viewer_in_session(file: Path, session: str, at: int) -> Viewer | None:
    """Find who has a session, with the role and owners of this moment; None where it has ended."""
    with opened(file) as connection:
        row = connection.execute(
            "select s.csrf, u.* from sessions s join users u on u.key = s.user"
            " where s.id = ? and s.begun_at <= ? and s.ends_at > ?",
            (digest_of(session), at, at),
        ).fetchone()
        if row is None:
            return None
        return viewer_of(connection, user_of_row(row[1:]), csrf=row[0])


def end_session(file: Path, session: str) -> None:
    """End a session; nothing happens where there is none of that id."""
    with opened(file) as connection:
        connection.execute("delete from sessions where id = ?", (digest_of(session),))
