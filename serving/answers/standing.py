"""Answers and events -> which leads are done, snoozed or disqualified here, and what ended that.

Order of precedence: erased, closed in the CRM, disqualified here, done, snoozed. An answer that was
taken back, or that a "reopen" came after, counts for nothing. A lead that is done or snoozed is
back on the list with whatever it does next: the event that ended it is told. A disqualification
holds until the lead, closed in the CRM, opens a new episode; a permanent one holds for good. Events
of which nobody knows who acted count as acts of the lead: a call that is listed once too often
costs less than a request that nobody sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from data.clock import DAY, NEVER
from data.tables import OUTBOUND, Outcomes, Tables
from serving.answers.answer_store import UNDO_WITHIN, RepAnswer, in_force

StandingKind = Literal["done", "snoozed", "disqualified"]
_KINDS: Final[dict[str, StandingKind]] = {
    "snooze": "snoozed",
    "done": "done",
    "disqualify": "disqualified",
}
_RANK: Final = ("snoozed", "done", "disqualified")
PAST_DATA: Final = 14 * DAY
"""A list made so long after its moment is one of the past: its own moment is its clock."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Why a lead is off the list: since when, until when (a snooze), by whom and why.

    All times are microseconds UTC; `number` is that of the answer, which may be taken back until
    `may_undo_until`.
    """

    kind: StandingKind
    since: int
    until: int | None
    by: str
    reason: str
    number: int
    may_undo_until: int
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class LeadEvent:
    """What a lead did, and when that became known."""

    type: str
    at: int


@dataclass(frozen=True, slots=True)
class AnsweredLead:
    """What answers make of a lead: its standing, or the one that an event ended.

    `event` is the lead's first act after the answer: where `holds` is False it ended the standing;
    a disqualification it only questions.
    """

    standing: Standing
    holds: bool
    event: LeadEvent | None


def standings(
    answers: Sequence[RepAnswer],
    tables: Tables,
    as_of: int,
    *,
    outcomes: Outcomes | None = None,
    at: int | None = None,
) -> dict[str, Standing]:
    """Say which leads are off the list at `as_of`; `at` is when the list is made, by the clock."""
    found = answered_leads(answers, tables, as_of, outcomes=outcomes, at=at)
    return {lead: each.standing for lead, each in found.items() if each.holds}


def answered_leads(
    answers: Sequence[RepAnswer],
    tables: Tables,
    as_of: int,
    *,
    outcomes: Outcomes | None = None,
    at: int | None = None,
) -> dict[str, AnsweredLead]:
    """Say what answers make of every lead that has one, with the event that ended it, if any.

    Whatever was said by the time the list is made (`at`) counts, also on a list of a past moment.
    A lead that is closed at `as_of` has no standing, where `outcomes` say so.
    """
    made_at = as_of if at is None else max(as_of, at)
    raw = standings_by_answers(answers, made_at)
    if not raw:
        return {}
    found: dict[str, AnsweredLead] = {}
    for lead, rows in tables.rows_of(raw).items():
        row = tables.open_at(rows, as_of)
        if outcomes is not None and _ended_at(outcomes, row) < as_of:
            continue
        alive = [s for s in raw[lead] if s.permanent or not _came_back(tables, row, s.since)]
        alive = [s for s in alive if s.until is None or s.until > _clock(s, as_of, made_at)]
        judged = [_judge(standing, tables, row, as_of) for standing in alive]
        if judged:
            found[lead] = max(judged, key=lambda a: (a.holds, _RANK.index(a.standing.kind)))
    return found


def standings_by_answers(answers: Sequence[RepAnswer], at: int) -> dict[str, tuple[Standing, ...]]:
    """Read off answers alone what stands at a moment: at most one of each kind a lead."""
    stands: dict[str, dict[str, Standing]] = {}
    for each in in_force(answers, at):
        if each.verdict == "reopen":
            stands.pop(each.lead_id, None)
        elif each.verdict in _KINDS:
            kind = _KINDS[each.verdict]
            stands.setdefault(each.lead_id, {})[kind] = Standing(
                kind,
                each.given_at,
                each.until,
                each.author,
                each.reason,
                each.number,
                each.given_at + UNDO_WITHIN,
                each.permanent,
            )
    return {lead: tuple(of_lead.values()) for lead, of_lead in stands.items()}


def changed_since(answers: Sequence[RepAnswer], run_at: int, at: int) -> dict[str, Standing | None]:
    """Say what answers given after a list was made (`run_at`) make of its leads by `at`.

    For whoever shows that list and cannot read the data again: None where a lead is back on it. A
    lead whose new answers were all taken back is not named: what stood before them, which an act
    may have ended, the list itself says.
    """
    changing = (*_KINDS, "reopen", "undo")
    newer = {a.lead_id for a in answers if run_at < a.given_at <= at and a.verdict in changing}
    of_leads = [a for a in answers if a.lead_id in newer]
    before = standings_by_answers([a for a in of_leads if a.given_at <= run_at], run_at)
    after = standings_by_answers(of_leads, at)
    changed: dict[str, Standing | None] = {}
    for lead in newer:
        stands, stood = after.get(lead, ()), {s.number for s in before.get(lead, ())}
        alive = [s for s in stands if s.until is None or s.until > at]
        new = [s for s in alive if s.number not in stood]
        if new:
            new += [s for s in alive if s.number in stood and s.kind == "disqualified"]
            changed[lead] = max(new, key=lambda s: _RANK.index(s.kind))
        elif not stood <= {s.number for s in stands}:
            changed[lead] = max(alive, key=lambda s: _RANK.index(s.kind), default=None)
    return changed


def _clock(standing: Standing, as_of: int, made_at: int) -> int:
    """Say which moment a snooze is held against: now, or that of a list of the past."""
    past = made_at - as_of > PAST_DATA and standing.since <= as_of
    return as_of if past else made_at


def _ended_at(outcomes: Outcomes, row: int) -> int:
    return int(min(outcomes.converted_at[row], outcomes.disqualified_at[row]))


def _came_back(tables: Tables, row: int, since: int) -> bool:
    """Tell whether the lead was closed and came back after a moment."""
    created = tables.created_at
    return created is not None and int(tables.episode[row]) > 1 and int(created[row]) > since


def _judge(standing: Standing, tables: Tables, row: int, as_of: int) -> AnsweredLead:
    event = first_act(tables, row, since=standing.since, as_of=as_of)
    holds = standing.kind == "disqualified" or event is None
    return AnsweredLead(standing, holds, event)


def first_act(tables: Tables, row: int, *, since: int, as_of: int) -> LeadEvent | None:
    """Find the first act of a lead that became known after `since` and before `as_of`."""
    events = tables.events
    part = slice(int(events.offsets[row]), int(events.offsets[row + 1]))
    known = events.at[part]
    if events.recorded_at is not None:
        known = np.maximum(known, events.recorded_at[part])
    new = (known > since) & (known < as_of) & (events.direction[part] != OUTBOUND)
    if not new.any():
        return None
    first = int(np.argmin(np.where(new, known, NEVER)))
    kind = int(events.type[part][first])
    return LeadEvent(events.type_names[kind] if kind >= 0 else "", int(known[first]))
