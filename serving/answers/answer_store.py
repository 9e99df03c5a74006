"""Reps' answers to scores ("done", "wrong, because…") in an append-only SQLite file, kept for good.

An answer is never changed: a later one is added beside it, and taking one back is an answer, too.
Each has the moment at which it was given, from which on it is known.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from data.clock import DAY, HOUR, show
from data.errors import InputError, OutsideError
from serving.answers.verdicts import VERDICTS, RepVerdict
from training.state import StatePaths
from training.state_format import make_folder

NEEDS_NO_REASON: Final = ("done", "snooze", "reopen", "right", "undo")
MAX_REASON: Final = 2_000
UNDO_WITHIN: Final = 24 * HOUR
LONGEST_SNOOZE: Final = 730 * DAY

_TABLE: Final = """
create table if not exists feedback (
    number integer primary key,
    lead_id text not null,
    verdict text not null,
    reason text not null,
    author text not null,
    given_at integer not null,
    score integer,
    model_version text
) strict;
create trigger if not exists feedback_stays before update on feedback
begin select raise(abort, 'an answer is never changed'); end;
create index if not exists feedback_by_lead on feedback (lead_id, given_at);
create index if not exists feedback_by_time on feedback (given_at);
"""
_ADDED: Final = {
    "until": "integer",
    "run_id": "text not null default ''",
    "permanent": "integer not null default 0",
    "undoes": "integer",
}
"""Columns that a file of an earlier version gets when it is opened."""


@dataclass(frozen=True, slots=True)
class RepAnswer:
    """One answer: `given_at` and `until` in microseconds UTC; score and version it is about.

    `until` is there in a snooze alone. `run_id` names the run whose list was answered, "" where
    that is not known. A `permanent` disqualification outlives a close of the lead. `undoes` is the
    number of the answer that an "undo" takes back; `number` is 0 until the answer is stored.
    """

    lead_id: str
    verdict: RepVerdict
    reason: str
    author: str
    given_at: int
    score: int | None = None
    model_version: str | None = None
    until: int | None = None
    run_id: str = ""
    permanent: bool = False
    undoes: int | None = None
    number: int = 0


_NAMES: Final = tuple(each.name for each in fields(RepAnswer))
_FIELDS: Final = ", ".join(_NAMES)


def store_answer(file: Path, answer: RepAnswer) -> int:
    """Store an answer; returns its number. InputError where something in it is missing or odd."""
    reason = _checked(answer)
    if answer.verdict == "undo":
        raise InputError("an answer is taken back by its number", cure="use undo_answer")
    with _opened(file) as connection:
        return _insert(connection, answer, reason)


def undo_answer(file: Path, number: int, *, by: str, at: int) -> int:
    """Take an answer back within 24 hours; returns the number of the undo.

    InputError where there is no such answer, it was taken back before, or it is older.
    """
    with _opened(file) as connection:
        connection.execute("begin immediate")  # of two at once, the second sees the first
        found = connection.execute(
            f"select {_FIELDS} from feedback where number = ?",  # noqa: S608  # fixed names
            (number,),
        ).fetchone()
        answer = None if found is None else _answer(found)
        if answer is None or answer.verdict == "undo":
            raise InputError(f"there is no answer {number} to take back")
        again = connection.execute("select 1 from feedback where undoes = ?", (number,))
        if again.fetchone() is not None:
            raise InputError(f"answer {number} was taken back already")
        if not answer.given_at <= at <= answer.given_at + UNDO_WITHIN:
            raise InputError(
                f"answer {number} was given at {show(answer.given_at)[:16]} UTC: it can be taken "
                "back for 24 hours",
                cure='say what holds now: "reopen" puts the lead back on the list',
            )
        undo = RepAnswer(
            answer.lead_id,
            "undo",
            "",
            by,
            at,
            answer.score,
            answer.model_version,
            run_id=answer.run_id,
            undoes=number,
        )
        return _insert(connection, undo, "")


def list_answers(
    file: Path,
    *,
    lead_id: str | None = None,
    answered_after: int | None = None,
) -> tuple[RepAnswer, ...]:
    """List answers, oldest first, of one lead or all.

    `answered_after` keeps all answers about the leads that have one given after that moment.
    """
    if not file.exists():
        return ()
    tests = {
        "lead_id = ?": lead_id,
        "lead_id in (select lead_id from feedback where given_at > ?)": answered_after,
    }
    given = {test: value for test, value in tests.items() if value is not None}
    where = f" where {' and '.join(given)}" if given else ""
    with _opened(file) as connection:
        rows = connection.execute(
            f"select {_FIELDS} from feedback{where} order by given_at, number",  # noqa: S608  # fixed names
            tuple(given.values()),
        ).fetchall()
    return tuple(_answer(row) for row in rows)


def mark_of_answers(file: Path) -> tuple[int | None, ...]:
    """Give what differs after every change of the file: how many, the last number and moment.

    SQLite alone may open the file: whoever opens and closes it beside SQLite takes away the locks
    that other threads of the process hold on it.
    """
    if not file.exists():
        return ()
    with _opened(file) as connection:
        found = connection.execute("select count(*), max(number), max(given_at) from feedback")
        return tuple(found.fetchone())


def in_force(answers: Sequence[RepAnswer], at: int) -> tuple[RepAnswer, ...]:
    """Keep what had been said at a moment, or at that instant, without what was taken back."""
    said = [each for each in answers if each.given_at <= at]
    undone = {each.undoes for each in said if each.verdict == "undo"}
    return tuple(a for a in said if a.verdict != "undo" and a.number not in undone)


def forget_lead(file: Path, lead_id: str) -> int:
    """Erase the answers about a lead that asked to be forgotten; returns how many there were."""
    if not file.exists():
        return 0
    with _opened(file) as connection:
        connection.execute("pragma secure_delete = on")  # freed pages keep nothing of the answers
        return connection.execute("delete from feedback where lead_id = ?", (lead_id,)).rowcount


def _checked(answer: RepAnswer) -> str:
    """Refuse an answer that says nothing; returns its reason, trimmed."""
    if answer.verdict not in VERDICTS:
        raise InputError(
            f"no such verdict: {answer.verdict!r}", cure=f"one of {', '.join(VERDICTS)}"
        )
    if not answer.lead_id.strip():
        raise InputError("an answer needs a lead")
    reason = answer.reason.strip()
    if len(reason) > MAX_REASON:
        raise InputError(
            f"the reason has {len(reason):,} characters, at most {MAX_REASON:,} are kept"
        )
    if not reason and answer.verdict not in NEEDS_NO_REASON:
        raise InputError("the answer gives no reason", cure="say why, in your own words")
    snoozed = answer.verdict == "snooze"
    if snoozed != (answer.until is not None):
        words = "a snooze needs its end" if snoozed else "only a snooze has an end"
        raise InputError(words, cure="snooze until a day, such as 14d or 2026-05-12")
    if answer.until is not None and not 0 < answer.until - answer.given_at <= LONGEST_SNOOZE:
        raise InputError(
            "the snooze does not end within two years from now",
            cure="choose a moment that lies ahead, such as 14d or 2026-05-12",
        )
    if answer.permanent and answer.verdict != "disqualify":
        raise InputError("only a disqualification can be permanent")
    return reason


def _insert(connection: sqlite3.Connection, answer: RepAnswer, reason: str) -> int:
    values = {**asdict(answer), "reason": reason, "number": None}  # the file gives the number
    row = [int(values[name]) if name == "permanent" else values[name] for name in _NAMES]
    marks = ", ".join("?" * len(row))
    sql = f"insert into feedback ({_FIELDS}) values ({marks})"  # noqa: S608  # fixed names
    return int(connection.execute(sql, row).lastrowid or 0)


def _answer(row: Sequence[Any]) -> RepAnswer:
    values = dict(zip(_NAMES, row, strict=True))
    return RepAnswer(**values | {"permanent": bool(values["permanent"])})


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Open the file, make it on first use, commit at the end; OutsideError where it cannot be."""
    if not file.exists():
        make_folder(StatePaths(file.parent))
    try:
        connection = sqlite3.connect(file, timeout=10)
    except (OSError, sqlite3.Error) as error:
        raise OutsideError(f"feedback cannot be stored in {file}: {error}") from None
    try:
        _lay_out(connection)
        with connection:
            yield connection
    except sqlite3.Error as error:
        raise OutsideError(f"{file}: {error}") from None
    finally:
        connection.close()


def _lay_out(connection: sqlite3.Connection) -> None:
    """Make the table, or give that of an earlier version the columns that it lacks, at once."""
    if not _lacking(connection):
        return
    connection.executescript(_TABLE)
    with connection:
        connection.execute("begin immediate")
        for name in _lacking(connection):  # asked again: another process may have been first
            connection.execute(f"alter table feedback add column {name} {_ADDED[name]}")


def _lacking(connection: sqlite3.Connection) -> list[str]:
    there = {row[1] for row in connection.execute("pragma table_info(feedback)")}
    return [name for name in _ADDED if name not in there]
