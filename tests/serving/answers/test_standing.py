"""What answers make of a lead: off the list at once, and back with its next act or episode."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from data.clock import DAY, HOUR, NEVER
from data.reading.read_tables import read_tables
from data.schema import Project
from data.tables import Outcomes, Tables
from serving.answers.answer_store import RepAnswer
from serving.answers.standing import answered_leads, changed_since, standings
from serving.answers.verdicts import RepVerdict

START = 1_767_225_600_000_000  # 2026-01-01


def day(n: float) -> int:
    return START + int(n * DAY)


def project(**conversion: object) -> Project:
    return Project.model_validate(
        {
            "project": {"name": "acme", "observed_until": "2026-06-01"},
            "leads": {
                "source": "l",
                "id": "id",
                "created_at": "created",
                "disqualified_at": "lost",
            },
            "events": [
                {
                    "source": "e",
                    "lead": "lead",
                    "at": "at",
                    "recorded_at": "seen",
                    "type": ["what"],
                    "outbound": ["call"],
                }
            ],
            "conversion": {"event": "won", "horizon": "30d", **conversion},
        }
    )


def read(
    events: list[tuple[str, str, float]], *, lost: float | None = None, **conversion: object
) -> tuple[Tables, Outcomes]:
    """Read leads L1 and L2 of 1 January; events are (lead, what, day), `lost` closes L1."""
    moments = [pd.Timestamp(day(at), unit="us", tz="UTC") for _, _, at in events]
    leads = {
        "id": ["L1", "L2"],
        "created": ["2026-01-01", "2026-01-01"],
        "lost": [None if lost is None else str(pd.Timestamp(day(lost), unit="us")), None],
    }
    rows = {
        "lead": [lead for lead, _, _ in events],
        "what": [what for _, what, _ in events],
        "at": moments,
        "seen": moments,
    }
    rows = {name: [*column, column[0]] for name, column in rows.items()}
    rows["lead"][-1], rows["what"][-1] = "L2", "won"
    rows["at"][-1] = rows["seen"][-1] = pd.Timestamp("2026-05-20", tz="UTC")
    frames = {"leads": pd.DataFrame(leads), "events.0": pd.DataFrame(rows)}
    return read_tables(project(**conversion), frames=frames)


QUIET = [("L1", "visit", 1.0)]
Say = Callable[..., RepAnswer]


@pytest.fixture
def say() -> Say:
    numbers = iter(range(1, 100))

    def answer(verdict: RepVerdict, at: float, **more: object) -> RepAnswer:
        return RepAnswer("L1", verdict, "why", "Ada", day(at), number=next(numbers), **more)  # type: ignore[arg-type]

    return answer


def test_a_snooze_holds_until_its_end(say: Say) -> None:
    tables, _ = read(QUIET)
    snooze = say("snooze", 10, until=day(24))
    assert standings([snooze], tables, day(9)) == {}
    for at in (10, 23.9):
        (found,) = standings([snooze], tables, day(at)).values()
        assert (found.kind, found.by, found.reason) == ("snoozed", "Ada", "why")
        assert (found.since, found.until) == (day(10), day(24))
        assert found.may_undo_until == day(11)
    assert standings([snooze], tables, day(24)) == {}


@pytest.mark.parametrize("verdict", ["snooze", "done"])
def test_the_next_act_of_the_lead_ends_a_snooze_and_a_done_and_is_told(
    say: Say, verdict: RepVerdict
) -> None:
    tables, _ = read([("L1", "visit", 9), ("L1", "call", 11), ("L1", "demo request", 12)])
    answer = say(verdict, 10, until=day(40) if verdict == "snooze" else None)
    assert standings([answer], tables, day(12)).keys() == {"L1"}  # known strictly before as_of
    assert standings([answer], tables, day(12) + 1) == {}
    (ended,) = answered_leads([answer], tables, day(13)).values()
    assert not ended.holds
    assert ended.event is not None
    assert (ended.event.type, ended.event.at) == ("demo request", day(12))


def test_an_act_counts_from_when_it_was_recorded(say: Say) -> None:
    tables, _ = read([("L1", "demo request", 9)])
    assert tables.events.recorded_at is not None
    tables.events.recorded_at[0] = day(12)  # it happened before the answer, nobody knew
    assert standings([say("done", 10)], tables, day(11)).keys() == {"L1"}
    assert standings([say("done", 10)], tables, day(13)) == {}


def test_a_disqualification_is_not_ended_by_an_act_but_the_act_is_told(say: Say) -> None:
    tables, _ = read([("L1", "demo request", 12)])
    (found,) = answered_leads([say("disqualify", 10)], tables, day(20)).values()
    assert found.holds
    assert found.event is not None
    assert found.event.type == "demo request"


def test_the_order_of_precedence_is_disqualified_done_snoozed(say: Say) -> None:
    tables, _ = read(QUIET)
    snooze, done, out = say("snooze", 10, until=day(40)), say("done", 9), say("disqualify", 8)
    assert standings([out, done, snooze], tables, day(12))["L1"].kind == "disqualified"
    assert standings([done, snooze], tables, day(12))["L1"].kind == "done"
    assert standings([snooze], tables, day(12))["L1"].kind == "snoozed"


def test_what_is_taken_back_or_reopened_stands_no_more(say: Say) -> None:
    tables, _ = read(QUIET)
    out = say("disqualify", 10)
    undo = say("undo", 10.5, undoes=out.number)
    assert standings([out, undo], tables, day(10.2)).keys() == {"L1"}
    assert standings([out, undo], tables, day(11)) == {}
    assert standings([out, say("reopen", 30)], tables, day(31)) == {}


def test_a_lead_that_is_closed_has_no_standing(say: Say) -> None:
    tables, outcomes = read(QUIET, lost=20)
    done = [say("done", 10)]
    assert standings(done, tables, day(19), outcomes=outcomes).keys() == {"L1"}
    assert standings(done, tables, day(21), outcomes=outcomes) == {}


def test_a_standing_ends_with_the_episode_unless_it_is_permanent(say: Say) -> None:
    tables, outcomes = read([("L1", "demo request", 60)], lost=20, reopen="any inbound")
    assert tables.episode.max() == 2
    out, for_good = say("disqualify", 10), say("disqualify", 10, permanent=True)
    for answer, later in ((out, set()), (for_good, {"L1"})):
        assert standings([answer], tables, day(15), outcomes=outcomes).keys() == {"L1"}
        assert standings([answer], tables, day(70), outcomes=outcomes).keys() == later


def test_an_answer_of_today_counts_on_a_list_of_past_data_made_now(say: Say) -> None:
    tables, _ = read(QUIET)
    now = day(300)
    snooze = say("snooze", 300, until=day(314))
    assert standings([snooze], tables, day(30), at=now).keys() == {"L1"}
    assert standings([snooze], tables, day(30), at=day(299)) == {}
    assert standings([snooze], tables, day(30), at=day(315)) == {}
    replayed = say("snooze", 25, until=day(40))  # of the days of the data: its clock is theirs
    assert standings([replayed], tables, day(30), at=now).keys() == {"L1"}
    assert standings([replayed], tables, day(41), at=now) == {}


def test_the_end_of_a_snooze_is_held_against_the_clock_of_a_live_list(say: Say) -> None:
    tables, _ = read(QUIET)
    snooze = say("snooze", 10, until=day(24))
    last_row, morning = day(24) - HOUR, day(24) + 6 * HOUR
    assert standings([snooze], tables, last_row, at=morning) == {}


def test_answers_given_since_a_list_was_made_change_it_without_its_data(say: Say) -> None:
    old = say("done", 10)
    assert changed_since([old], day(11), day(12)) == {}
    snooze = say("snooze", 11.5, until=day(20))
    kinds = {
        before: changed_since([old, snooze], day(before), day(12))["L1"].kind for before in (9, 11)
    }
    assert kinds == {9: "done", 11: "snoozed"}  # an act may have ended what was done before
    assert changed_since([old, say("undo", 11, undoes=old.number)], day(10.5), day(12)) == {
        "L1": None
    }
    assert changed_since([old, say("note", 11.5)], day(11), day(12)) == {}


def test_taking_back_a_new_answer_leaves_the_lead_where_the_list_had_it(say: Say) -> None:
    old, new = say("done", 10), say("snooze", 11.5, until=day(20))
    back = say("undo", 11.6, undoes=new.number)
    assert changed_since([old, new, back], day(11), day(12)) == {}
    assert changed_since([old, new, back, say("reopen", 11.7)], day(11), day(12)) == {"L1": None}
    out = say("disqualify", 10)
    assert changed_since([out, new], day(11), day(12))["L1"].kind == "disqualified"


def test_every_lead_is_judged_by_its_own_newest_episode(say: Say) -> None:
    tables, _ = read(QUIET)
    assert standings([say("done", 10)], tables, day(12)).keys() <= set(tables.lead_ids)
    assert standings([], tables, NEVER - 1) == {}
    assert np.all(tables.episode == 1)
