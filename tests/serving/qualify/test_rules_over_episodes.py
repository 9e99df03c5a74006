"""What a rule says of a lead ends with its episode, unless the rule is permanent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.clock import DAY
from data.errors import InputError
from data.labels import open_snapshots
from data.project import check_project
from data.reading.read_tables import CrmData, read_with_notes
from data.schema import Project
from data.tables import Snapshots
from features.build import build
from features.catalogue import make_catalogue
from serving.http.held_leads import HeldLeads
from serving.qualify.engine import compile_rules, qualify

START = pd.Timestamp("2026-01-01", tz="UTC")
Happened = tuple[str, float, str]
Rule = dict[str, object]


def project(*rules: Rule) -> Project:
    return check_project(
        {
            "project": {"name": "rules", "observed_until": "2026-12-01"},
            "leads": {
                "source": "-",
                "id": "id",
                "created_at": "created",
                "fixed": ["job_title"],
                "known_at": {"budget": "budget_at"},
                "history": [
                    {
                        "source": "-",
                        "lead": "id",
                        "field": "field",
                        "old": "old",
                        "new": "new",
                        "at": "at",
                    }
                ],
            },
            "events": [
                {
                    "source": "-",
                    "lead": "id",
                    "at": "at",
                    "type": ["type"],
                    "outcome": ["lost", "opted_out"],
                }
            ],
            "conversion": {"event": "won", "horizon": "30d", "reopen": ["demo"]},
            "qualification": {"disqualify": list(rules)},
        }
    )


def read(
    given: Project,
    happened: Sequence[Happened],
    *,
    budget: tuple[str, float] = ("yes", 1),
    territory: Sequence[tuple[float, str, str]] = (),
) -> CrmData:
    """Read lead A, and B, which is there so that every type occurs."""

    def day(number: float) -> pd.Timestamp:
        return START + pd.Timedelta(days=number)

    leads = pd.DataFrame(
        {
            "id": ["A", "B"],
            "created": START,
            "job_title": ["student", "boss"],
            "budget": [budget[0], "yes"],
            "budget_at": [day(budget[1]), day(1)],
            "territory": ["north", "north"],
        }
    )
    types = ("won", "lost", "opted_out", "demo", "complaint")
    events = pd.DataFrame(
        [*happened, *(("B", 1, word) for word in types)], columns=["id", "day", "type"]
    )
    events["at"] = [day(number) for number in events.pop("day")]
    history = pd.DataFrame(
        [
            ("B", "territory", "east", "north", day(1)),
            *(("A", "territory", old, new, day(number)) for number, old, new in territory),
        ],
        columns=["id", "field", "old", "new", "at"],
    )
    frames: dict[str, Any] = {"leads": leads, "events.0": events, "history.0": history}
    return read_with_notes(given, frames=frames)


def rule_of(given: Project, crm: CrmData, day: float, *, features: bool = False) -> str | None:
    """Name the rule that takes A out on a day; it must be open then."""
    as_of = START.value // 1000 + int(day * DAY)
    now = open_snapshots(crm.tables, crm.outcomes, as_of)
    rows = np.flatnonzero(crm.tables.lead_ids[now.lead] == "A")
    assert len(rows) == 1
    one = Snapshots(now.lead[rows], now.as_of[rows])
    frame = build(crm.tables, one, make_catalogue(crm.tables, given)) if features else None
    found: str | None = qualify(crm.tables, one, given, features=frame).rule_reasons[0]
    return found


COMPLAINED = {"reason": "complained", "when": "n_complaint >= 1"}
BACK: list[Happened] = [("A", 3, "complaint"), ("A", 5, "lost"), ("A", 60, "demo")]


def test_a_rule_on_what_happened_in_an_earlier_episode_ends_with_it() -> None:
    given = project(COMPLAINED)
    crm = read(given, BACK)
    assert rule_of(given, crm, 4) == "complained"
    assert rule_of(given, crm, 61) is None


def test_a_rule_holds_again_where_it_happens_again() -> None:
    given = project(COMPLAINED)
    assert rule_of(given, read(given, [*BACK, ("A", 63, "complaint")]), 64) == "complained"


def test_a_permanent_rule_holds_for_good() -> None:
    given = project({**COMPLAINED, "permanent": True})
    assert rule_of(given, read(given, BACK), 61) == "complained"


def test_what_a_permanent_rule_said_at_an_earlier_end_holds_however_often_the_lead_returns() -> (
    None
):
    given = project(
        {"reason": "opted out", "when": "closed_because = 'opted_out'", "permanent": True},
        {"reason": "recent", "when": "n_complaint_9d >= 1", "permanent": True},
    )
    happened: list[Happened] = [("A", 5, "opted_out"), ("A", 60, "demo")]
    assert rule_of(given, read(given, happened), 61) == "opted out"
    happened += [("A", 70, "lost"), ("A", 90, "demo"), ("A", 95, "lost"), ("A", 120, "demo")]
    assert rule_of(given, read(given, happened), 121) == "opted out"
    happened[0] = ("A", 5, "lost")
    assert rule_of(given, read(given, happened), 121) is None
    assert rule_of(given, read(given, [*happened, ("A", 67, "complaint")]), 121) == "recent"


def test_a_dated_answer_of_an_earlier_episode_is_unknown_to_a_rule_until_given_anew() -> None:
    given = project({"reason": "no budget", "when": "budget = 'no'"})
    assert rule_of(given, read(given, BACK, budget=("no", 2)), 4) == "no budget"
    assert rule_of(given, read(given, BACK, budget=("no", 2)), 61) is None
    assert rule_of(given, read(given, BACK, budget=("no", 60)), 61) == "no budget"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ([(2, "north", "south")], None),  # changed in the episode before
        ([(2, "north", "south"), (62, "south", "east")], None),
        ([(2, "north", "south"), (62, "south", "south2"), (63, "south2", "south")], "south"),
        ([(62, "north", "south")], "south"),
        ([(70, "south", "north")], "south"),  # so since the lead exists
    ],
)
def test_a_field_that_changed_in_an_earlier_episode_is_unknown_to_a_rule_until_it_changes(
    changes: list[tuple[float, str, str]], rule: str | None
) -> None:
    given = project({"reason": "south", "when": "territory = 'south'"})
    assert rule_of(given, read(given, BACK, territory=changes), 65) == rule


def test_a_lead_cut_out_of_the_others_is_judged_the_same() -> None:
    given = project(
        {"reason": "opted out", "when": "closed_because = 'opted_out'", "permanent": True},
        COMPLAINED,
    )
    happened: list[Happened] = [("A", 5, "opted_out"), ("A", 60, "demo"), ("A", 65, "complaint")]
    happened += [("A", 70, "lost"), ("A", 90, "demo")]
    for told, rule in ((happened, "opted out"), (happened[1:], None)):
        crm = read(given, told)
        part = HeldLeads.of(crm).cut("A")
        assert part is not None
        alone = replace(crm, tables=part[0], outcomes=part[1])
        assert len(alone.tables) == int((crm.tables.lead_ids == "A").sum())
        assert rule_of(given, crm, 91) == rule_of(given, alone, 91) == rule


def test_what_is_fixed_since_creation_belongs_to_every_episode() -> None:
    given = project({"reason": "student", "when": "job_title = 'student'"})
    assert rule_of(given, read(given, BACK), 61) == "student"


def test_columns_of_features_in_a_rule_are_those_of_the_episode() -> None:
    given = project({"reason": "busy", "when": "n_events_ever >= 3"})
    happened = [*BACK, ("A", 2, "complaint"), ("A", 4, "complaint")]
    crm = read(given, happened)
    assert rule_of(given, crm, 4.5, features=True) == "busy"
    assert rule_of(given, crm, 61, features=True) is None
    more: list[Happened] = [("A", 61 + i / 9, "complaint") for i in range(3)]
    assert rule_of(given, read(given, [*happened, *more]), 62, features=True) == "busy"


def test_a_rule_about_earlier_episodes_must_be_permanent() -> None:
    given = project({"reason": "twice", "when": "times_closed >= 2"})
    with pytest.raises(InputError, match="times_closed") as refused:
        compile_rules(given)
    assert "permanent = true" in str(refused.value.cure)
    lasting = project({"reason": "twice", "when": "times_closed >= 2", "permanent": True})
    more: list[Happened] = [*BACK, ("A", 70, "lost"), ("A", 90, "demo")]
    assert rule_of(lasting, read(lasting, more), 91) == "twice"


def test_days_since_the_close_are_a_fact_of_permanent_rules() -> None:
    given = project({"reason": "soon", "when": "days_since_closed < 58", "permanent": True})
    crm = read(given, BACK)
    assert rule_of(given, crm, 4) is None
    assert rule_of(given, crm, 62) == "soon"
