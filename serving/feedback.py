"""A rep's answers to scores ("wrong, because…") -> dated facts, kept for good.

An append-only SQLite file: an answer is never changed, a later one is added beside it. Each answer
has the moment at which it was given, so that a retraining may use it as a fact known from then on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

import pandas as pd
import pyarrow.compute as pc

from data.errors import InputError, OutsideError
from serving.newest_scores import read_newest

RepVerdict = Literal["right", "wrong", "too_high", "too_low", "wrong_stage", "disqualify", "note"]
VERDICTS: Final[tuple[RepVerdict, ...]] = (
    "right",
    "wrong",
    "too_high",
    "too_low",
    "wrong_stage",
    "disqualify",
    "note",
)
MAX_REASON: Final = 2_000

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
"""


@dataclass(frozen=True, slots=True)
class RepAnswer:
    """One answer: `given_at` in microseconds UTC; score and version are those it is about."""

    lead_id: str
    verdict: RepVerdict
    reason: str
    author: str
    given_at: int
    score: int | None = None
    model_version: str | None = None


def store_answer(file: Path, answer: RepAnswer) -> int:
    """Store an answer; returns its number. InputError where verdict, lead or reason is missing."""
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
    if answer.verdict != "right" and not reason:
        raise InputError("the answer gives no reason", cure='write why: "wrong, because …"')
    row = (
        answer.lead_id,
        answer.verdict,
        reason,
        answer.author,
        answer.given_at,
        answer.score,
        answer.model_version,
    )
    with _opened(file) as connection:
        cursor = connection.execute(
            "insert into feedback (lead_id, verdict, reason, author, given_at, score,"
            " model_version) values (?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        return int(cursor.lastrowid or 0)


def give_feedback(
    file: Path, scores: Path, *, lead: str, verdict: str, because: str, by: str, at: int
) -> str:
    """Store a rep's answer to the newest score of a lead; returns it in words.

    `scores` is the newest run's scores.parquet: the score and model version that the answer
    is about are kept with it. InputError where that run has no such lead.
    """
    shown = find_score(scores, lead)
    answer = RepAnswer(lead, cast(RepVerdict, verdict), because, by, at, *shown)
    number = store_answer(file, answer)
    score = "its score is held back" if shown[0] is None else f"score {shown[0]}"
    words = f"answer {number} stored: {lead} ({score}) is {verdict}"
    return f"{words}, because {because.strip()}" if because.strip() else words


def find_score(scores: Path, lead: str) -> tuple[int | None, str]:
    """Find a lead's newest score and its model version; InputError where it has none.

    The score is None where an experiment holds it back.
    """
    columns = ["lead_id", "score", "model_version"]
    table = read_newest(scores, columns)
    if table is None:
        raise InputError(
            "no scores yet to answer to", file=str(scores), cure="run leadscore score first"
        )
    table = table.filter(pc.equal(table["lead_id"], lead))
    if table.num_rows == 0:
        raise InputError(f"the newest scores have no open lead {lead!r}", file=str(scores))
    row = table.to_pylist()[0]
    return None if row["score"] is None else int(row["score"]), str(row["model_version"])


def list_answers(
    file: Path, *, lead_id: str | None = None, before: int | None = None
) -> tuple[RepAnswer, ...]:
    """List answers, oldest first; of one lead; only those given strictly before a moment."""
    if not file.exists():
        return ()
    with _opened(file) as connection:
        rows = connection.execute(
            "select lead_id, verdict, reason, author, given_at, score, model_version from feedback"
            " where (?1 is null or lead_id = ?1) and (?2 is null or given_at < ?2)"
            " order by given_at, number",
            (lead_id, before),
        ).fetchall()
    return tuple(RepAnswer(*row) for row in rows)


def export_facts(file: Path, *, before: int | None = None) -> pd.DataFrame:
    """Export answers as dated facts for retraining: the latest verdict of each lead at each moment.

    One row per answer in the shape of a field history (lead_id, field, old, new, changed_at), so
    that a project file takes it as a [[leads.history]] source: its value at as_of is replayed.
    Reasons are free text for people and are left out.
    """
    rows: list[dict[str, object]] = []
    last: dict[str, str] = {}
    for answer in list_answers(file, before=before):
        if answer.verdict == "note":
            continue
        rows.append(
            {
                "lead_id": answer.lead_id,
                "field": "rep_verdict",
                "old": last.get(answer.lead_id),
                "new": answer.verdict,
                "changed_at": pd.Timestamp(answer.given_at, unit="us", tz="UTC"),
            }
        )
        last[answer.lead_id] = answer.verdict
    columns = ["lead_id", "field", "old", "new", "changed_at"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def forget_lead(file: Path, lead_id: str) -> int:
    """Erase the answers about a lead that asked to be forgotten; returns how many there were."""
    if not file.exists():
        return 0
    with _opened(file) as connection:
        connection.execute("pragma secure_delete = on")  # freed pages keep nothing of the answers
        return connection.execute("delete from feedback where lead_id = ?", (lead_id,)).rowcount


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Open the file, make it on first use, commit at the end; OutsideError where it cannot be."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(file, timeout=10)
    except (OSError, sqlite3.Error) as error:
        raise OutsideError(f"feedback cannot be stored in {file}: {error}") from None
    try:
        connection.executescript(_TABLE)
        with connection:
            yield connection
    except sqlite3.Error as error:
        raise OutsideError(f"{file}: {error}") from None
    finally:
        connection.close()
