"""A rep's words at the command line -> a stored answer about the newest score, told in words."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple, cast

import pyarrow.compute as pc

from data.clock import parse_duration, show
from data.errors import InputError
from data.reading.values import moment
from data.schema import Project
from serving.answers.answer_store import (
    RepAnswer,
    in_force,
    list_answers,
    store_answer,
    undo_answer,
)
from serving.answers.verdicts import TAKES_OFF, RepVerdict
from serving.newest_scores import read_newest

_SAYS: Final = {"disqualify": "disqualified here", "reopen": "back on the list"}


class AnsweredScore(NamedTuple):
    """The score that an answer is about; None where an experiment holds it back."""

    score: int | None
    model_version: str
    run_id: str


def give_feedback(
    file: Path,
    scores: Path,
    *,
    lead: str,
    verdict: str,
    because: str,
    by: str,
    at: int,
    until: int | None = None,
    permanent: bool = False,
) -> str:
    """Store a rep's answer to the newest score of a lead; returns it in words.

    `scores` is the newest run's scores.parquet: the score, model version and run that the answer
    is about are kept with it. InputError where that run has no such lead.
    """
    shown = find_score(scores, lead)
    answer = RepAnswer(
        lead,
        cast(RepVerdict, verdict),
        because,
        by,
        at,
        shown.score,
        shown.model_version,
        until,
        shown.run_id,
        permanent,
    )
    number = store_answer(file, answer)
    score = "its score is held back" if shown.score is None else f"score {shown.score}"
    says = _SAYS.get(verdict, verdict)
    if until is not None:
        says = f"snoozed until {show(until)[:16]} UTC"
    words = f"answer {number} stored: {lead} ({score}) is {says}"
    words = f"{words}, because {because.strip()}" if because.strip() else words
    if verdict not in TAKES_OFF:
        return words
    return f"{words}; the next list has it under Answered, and --undo takes it back for 24 hours"


def said_at(as_of: str | None, project: Project, now: int) -> int:
    """Read when an answer was given, left out now; InputError where that lies ahead."""
    if as_of is None:
        return now
    given = moment(as_of, project, "--as-of")
    if given > now:
        raise InputError("lies ahead", column="--as-of", cure="leave it out: it is said now")
    return given


def end_of_snooze(text: str, project: Project, at: int) -> int:
    """Read "14d" or a day into the moment at which a snooze begun at `at` ends."""
    try:
        return at + parse_duration(text)
    except ValueError:
        return moment(text, project, "--snooze")


def undo_feedback(file: Path, *, lead: str, by: str, at: int) -> str:
    """Take back the newest answer about a lead that is in force; returns it in words."""
    newest = in_force(list_answers(file, lead_id=lead), at)
    if not newest:
        raise InputError(f"there is no answer about lead {lead!r} to take back")
    last = newest[-1]
    number = undo_answer(file, last.number, by=by, at=at)
    return f"answer {number} stored: answer {last.number} ({last.verdict}) about {lead} is undone"


def find_score(scores: Path, lead: str) -> AnsweredScore:
    """Find a lead's newest score, its model version and run; InputError where it has none."""
    table = read_newest(scores, ["lead_id", "score", "model_version", "run_id"])
    if table is None:
        raise InputError(
            "no scores yet to answer to", file=str(scores), cure="run leadscore score first"
        )
    table = table.filter(pc.equal(table["lead_id"], lead))
    if table.num_rows == 0:
        raise InputError(f"the newest scores have no open lead {lead!r}", file=str(scores))
    row = table.to_pylist()[0]
    score = None if row["score"] is None else int(row["score"])
    return AnsweredScore(score, str(row["model_version"]), str(row["run_id"]))
