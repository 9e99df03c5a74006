"""A form of a live page -> a stored answer about the score of that run, told in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from data.clock import DAY, iso
from data.errors import InputError
from serving.answers.answer_store import (
    NEEDS_NO_REASON,
    UNDO_WITHIN,
    RepAnswer,
    in_force,
    list_answers,
    mark_of_answers,
    store_answer,
    undo_answer,
)
from serving.answers.standing import changed_since
from serving.answers.verdicts import TAKES_OFF, VERDICTS, RepVerdict
from serving.people.viewer import Viewer
from serving.worklist.language import words_of
from serving.worklist.pages.lead_pages import shown_standing
from serving.worklist.scoped_rows import AnsweredSince
from serving.worklist.view_lead import ReportLead
from serving.worklist.view_parts import Feedback


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What became of an answer: in words, its number if it may be undone, whether a row goes."""

    said: str
    undo: int | None
    off: bool


class LiveAnswers:
    """The answers of a project, as the live pages read and write them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._kept: tuple[tuple[object, ...], tuple[RepAnswer, ...]] = ((), ())

    def since(self, run_made_at: int, at: int) -> AnsweredSince:
        """Say which leads answers took off the list since a run was made, and which came back."""
        answers = self._read(run_made_at)
        changed = changed_since(answers, run_made_at, at)
        said: dict[str, tuple[Feedback, ...]] = {}
        for each in in_force(answers, at):
            if each.given_at > run_made_at:
                said[each.lead_id] = (_shown(each, at), *said.get(each.lead_id, ()))
        return AnsweredSince(
            {lead: shown_standing(s) for lead, s in changed.items() if s is not None},
            frozenset(lead for lead, standing in changed.items() if standing is None),
            said,
        )

    def give(
        self,
        lead: ReportLead,
        viewer: Viewer,
        fields: Mapping[str, str],
        about_run: tuple[str, str],
        at: int,
    ) -> GivenAnswer:
        """Store an answer about a lead of a run; InputError says what is wrong with it."""
        words, verdict = words_of(viewer.language), fields.get("verdict", "")
        run_id, version = about_run
        if verdict == "undo":
            self._undo(lead, fields.get("number", ""), viewer, at)
            return GivenAnswer(words.message("The answer is taken back."), None, False)
        because = fields.get("because", "")
        if verdict in VERDICTS and verdict not in NEEDS_NO_REASON and not because.strip():
            raise InputError(
                words.message("The answer gives no reason: say why, in your own words.")
            )
        until = at + _days(fields.get("days", "")) * DAY if verdict == "snooze" else None
        number = store_answer(
            self.file,
            RepAnswer(
                lead.lead_id,
                cast("RepVerdict", verdict),
                because,
                viewer.name,
                at,
                lead.score,
                version,
                until,
                run_id,
            ),
        )
        if verdict in TAKES_OFF:
            said = words.attr("Stored: {lead} is off the list.", lead=lead.name)
            return GivenAnswer(said, number, True)
        return GivenAnswer(
            words.attr("Stored: your answer on {lead}.", lead=lead.name), number, False
        )

    def _undo(self, lead: ReportLead, number: str, viewer: Viewer, at: int) -> None:
        """Take back an answer about this lead, so that nobody reaches one about another.

        After a day what was said stands as it was: the lead is put back by an answer of its own.
        """
        own = {str(each.number): each for each in list_answers(self.file, lead_id=lead.lead_id)}
        said = own.get(number)
        if said is None:
            raise InputError("there is no such answer to take back")
        if at - said.given_at <= UNDO_WITHIN or said.verdict not in TAKES_OFF:
            undo_answer(self.file, said.number, by=viewer.name, at=at)
            return
        store_answer(self.file, RepAnswer(lead.lead_id, "reopen", "", viewer.name, at, lead.score))

    def _read(self, run_made_at: int) -> tuple[RepAnswer, ...]:
        """Read the answers to a run, and what was said of those leads before; again on a change."""
        mark = (run_made_at, *mark_of_answers(self.file))
        kept = self._kept  # taken and put as one: requests come on several threads
        if kept[0] != mark:
            kept = mark, list_answers(self.file, answered_after=run_made_at)
            self._kept = kept
        return kept[1]


def _shown(answer: RepAnswer, at: int) -> Feedback:
    """Show an answer beside the score; one in words has its number while it may be taken back."""
    in_words = answer.verdict not in (*TAKES_OFF, "reopen")
    number = answer.number if in_words and at - answer.given_at <= UNDO_WITHIN else 0
    return Feedback(
        iso(answer.given_at),
        answer.verdict,
        answer.reason,
        answer.author,
        answer.score,
        number=number,
    )


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        raise InputError("the snooze has no number of days")
    return int(text)
