"""`people.sqlite`: users with their roles and owners, sessions, teams, and keys.

The file holds secrets and is readable by its owner alone. Ids of sessions are kept as hashes: who
reads the file cannot sign in with what stands there. Writers do not hinder readers (WAL).
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, get_args

from data.errors import InputError, OutsideError
from serving.people.viewer import Role, Viewer
from training.state import StatePaths
from training.state_format import make_folder

ROLES: Final[tuple[Role, ...]] = get_args(Role)
MAX_NAME: Final = 200
_VERSION: Final = 1
_TABLES: Final = """
create table users (
    key text primary key,
    name text not null,
    role text not null,
    owners text not null,
    teams text not null,
    language text not null,
    password text,
    secret blob not null,
    added_at integer not null
) strict;
create table sessions (
    id text primary key,
    user text not null references users (key) on delete cascade,
    csrf text not null,
    begun_at integer not null,
    ends_at integer not null
) strict;
create table handshakes (
    state text primary key,
    browser text not null,
    nonce text not null,
    verifier text not null,
    goes_to text not null,
    ends_at integer not null
) strict;
create table failures (key text primary key, count integer not null, last_at integer not null)
    strict;
create table teams (team text not null, owner text not null, primary key (team, owner)) strict;
create table acts (
    number integer primary key,
    at integer not null,
    user text not null,
    action text not null,
    lead text
) strict;
create index acts_by_time on acts (at);
create index acts_by_lead on acts (lead);
create table keys (name text primary key, value blob not null) strict;
"""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in; `secret` binds tokens and is replaced when they are revoked."""

    name: str
    role: Role
    owners: tuple[str, ...]
    teams: tuple[str, ...]
    language: str
    password: str | None
    secret: bytes
    added_at: int


@contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Open the file, make it on first use, commit at the end; OutsideError where it cannot be."""
    try:
        if not file.exists():
            make_folder(StatePaths(file.parent))
            file.touch(mode=0o600)
        connection = sqlite3.connect(file, timeout=10)
    except (OSError, sqlite3.Error) as error:
        raise OutsideError(f"{file} cannot be opened: {error}") from None
    try:
        connection.execute("pragma foreign_keys = on")
        connection.execute(
            "pragma secure_delete = on"
        )  # freed pages keep nothing of whom we forgot
        if connection.execute("pragma user_version").fetchone()[0] != _VERSION:
            _make_tables(connection, file)
        with connection:
            yield connection
    except sqlite3.Error as error:
        raise OutsideError(f"{file}: {error}") from None
    finally:
        connection.close()


def _make_tables(connection: sqlite3.Connection, file: Path) -> None:
    connection.execute("pragma journal_mode = wal")
    connection.execute("begin immediate")  # one of several processes makes them
    version = connection.execute("pragma user_version").fetchone()[0]
    if version > _VERSION:
        raise InputError(
            "was written by a newer leadscore", file=str(file), cure="run that one, or a newer one"
        )
    if version == 0:
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        for name in ("audit", "form"):
            connection.execute("insert into keys values (?, ?)", (name, secrets.token_bytes(32)))
        connection.execute(f"pragma user_version = {_VERSION}")
    connection.commit()


def user_key(name: str) -> str:
    """Give what two spellings of one name have in common: capitals and accents composed or not."""
    readable = name.encode("utf-8", "replace").decode()  # no lone surrogates: SQLite takes none
    return unicodedata.normalize("NFKC", readable.strip()).casefold()


def check_user(file: Path, user: User, *, replacing: bool = False) -> None:
    """Refuse a name that is none or is taken, and a role that does not fit the owners."""
    if not 0 < len(user.name.strip()) <= MAX_NAME or not user.name.isprintable():
        raise InputError(
            f"is no name of a user: {user.name[:MAX_NAME]!r}",
            argument="NAME",
            cure=f"1 to {MAX_NAME} letters, digits and signs",
        )
    _check_scope(user)
    taken = [each.name for each in list_users(file) if user_key(each.name) == user_key(user.name)]
    if taken and not replacing:
        raise InputError(
            f"there is a user {taken[0]!r} already",
            argument="NAME",
            cure="--replace changes role, owners and password",
        )


def add_user(file: Path, user: User, *, replacing: bool = False) -> None:
    """Add a user; `replacing` changes one who is there, and ends the sessions of before.

    InputError as in `check_user`.
    """
    check_user(file, user, replacing=replacing)
    with opened(file) as connection:
        key = user_key(user.name)
        if replacing:
            connection.execute("delete from users where key = ?", (key,))
        connection.execute(
            "insert into users values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key,
                user.name.strip(),
                user.role,
                json.dumps(user.owners, ensure_ascii=False),
                json.dumps(user.teams, ensure_ascii=False),
                user.language,
                user.password,
                user.secret,
                user.added_at,
            ),
        )


def _check_scope(user: User) -> None:
    """Refuse owners that a role does not have, and a role without those it needs."""
    if user.role not in ROLES:
        raise InputError(f"no such role: {user.role!r}", cure=f"one of {', '.join(ROLES)}")
    if user.role in ("manager", "reader"):
        if user.owners or user.teams:
            raise InputError(
                f"a {user.role} sees all leads", cure="leave out --owner and --team, or choose rep"
            )
    elif user.role == "rep":
        if user.teams:
            raise InputError("a rep has no team's leads", cure="choose --role lead, or --owner")
        if not user.owners:
            raise InputError("a rep needs an owner", cure='--owner "Anna Rossi", as in the data')
    elif not (user.owners or user.teams):
        raise InputError(
            "the lead of a team needs its owners", cure="--team North, or --owner for each"
        )


def list_users(file: Path) -> tuple[User, ...]:
    """List all users by name; none where nobody was added."""
    if not file.exists():
        return ()
    with opened(file) as connection:
        rows = connection.execute("select * from users order by key").fetchall()
    return tuple(user_of_row(row) for row in rows)


def find_user(file: Path, name: str) -> User | None:
    """Find a user by name, whatever its capitals."""
    with opened(file) as connection:
        row = connection.execute("select * from users where key = ?", (user_key(name),)).fetchone()
    return None if row is None else user_of_row(row)


def remove_user(file: Path, name: str) -> None:
    """Take a user away with all sessions, at once; InputError where there is none."""
    with _of_known_user(file, name) as (connection, key):
        connection.execute("delete from users where key = ?", (key,))


def revoke_user(file: Path, name: str) -> int:
    """End all sessions of a user and void the tokens, at once; returns how many sessions."""
    with _of_known_user(file, name) as (connection, key):
        new = secrets.token_bytes(32)
        connection.execute("update users set secret = ? where key = ?", (new, key))
        return connection.execute("delete from sessions where user = ?", (key,)).rowcount


def change_password(file: Path, name: str, password: str) -> None:
    """Give a user another password (hashed); all sessions end and tokens are void, at once."""
    with _of_known_user(file, name) as (connection, key):
        connection.execute(
            "update users set password = ?, secret = ? where key = ?",
            (password, secrets.token_bytes(32), key),
        )
        connection.execute("delete from sessions where user = ?", (key,))


@contextmanager
def _of_known_user(file: Path, name: str) -> Iterator[tuple[sqlite3.Connection, str]]:
    known = [user.name for user in list_users(file)]
    if user_key(name) not in map(user_key, known):
        there = f"there are {', '.join(known)}" if known else "there is none at all"
        raise InputError(f"there is no user {name!r}: {there}")
    with opened(file) as connection:
        yield connection, user_key(name)


def count_sessions(file: Path, at: int) -> dict[str, int]:
    """Count the sessions that are open at a moment, by the name of the user."""
    with opened(file) as connection:
        return dict(
            connection.execute(
                "select u.name, count(*) from sessions s join users u on u.key = s.user"
                " where s.ends_at > ? group by u.key",
                (at,),
            ).fetchall()
        )


def store_teams(file: Path, pairs: Iterable[tuple[str, str]]) -> None:
    """Keep which owners a team has, as the data say now: pairs of team and owner."""
    known = sorted({(team, owner) for team, owner in pairs if team and owner})
    with opened(file) as connection:
        connection.execute("delete from teams")
        connection.executemany("insert into teams values (?, ?)", known)


def viewer_of(connection: sqlite3.Connection, user: User, *, csrf: str) -> Viewer:
    """Give what a user may see now; the owners of a team are those of the newest data."""
    owners: frozenset[str] | None = None
    if user.role in ("rep", "lead"):
        rows = connection.execute(
            "select owner from teams where team in (select value from json_each(?))",
            (json.dumps(user.teams),),
        ).fetchall()
        owners = frozenset(user.owners) | {row[0] for row in rows}
    return Viewer(user.name, user.role, owners, user.language, csrf)


def user_of_row(row: Sequence[object]) -> User:
    """Make a user of a row of the table `users`."""
    _, name, role, owners, teams, language, password, secret, added_at = row
    return User(
        str(name),
        cast(Role, role),
        tuple(json.loads(str(owners))),
        tuple(json.loads(str(teams))),
        str(language),
        None if password is None else str(password),
        cast(bytes, secret),
        cast(int, added_at),
    )
