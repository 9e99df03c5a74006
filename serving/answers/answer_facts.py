"""Stored answers -> dated facts from which a training may learn, each known since it was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from data.reading.rep_answers import DISPOSITION, VERDICT, AnswerFact
from serving.answers.answer_store import RepAnswer

_COLUMN_OF: Final = {
    **dict.fromkeys(("done", "snooze", "disqualify", "reopen"), DISPOSITION),
    **dict.fromkeys(("right", "wrong", "too_high", "too_low", "wrong_stage"), VERDICT),
}


def answer_facts(answers: Sequence[RepAnswer]) -> tuple[AnswerFact, ...]:
    """Say what was known of each lead since when; an undo brings the answer before it back.

    Reasons are free text for people and are left out, and so are notes.
    """
    facts: list[AnswerFact] = []
    of_lead: dict[str, list[RepAnswer]] = {}
    for each in answers:
        stands = of_lead.setdefault(each.lead_id, [])
        undone = next((a for a in stands if a.number == each.undoes), None)
        if each.verdict == "undo":
            if undone is None:
                continue
            stands.remove(undone)
            column = _COLUMN_OF[undone.verdict]
        elif each.verdict in _COLUMN_OF:
            stands.append(each)
            column = _COLUMN_OF[each.verdict]
        else:
            continue
        now = [a.verdict for a in stands if _COLUMN_OF[a.verdict] == column]
        facts.append(AnswerFact(each.lead_id, column, now[-1] if now else None, each.given_at))
    return tuple(facts)
