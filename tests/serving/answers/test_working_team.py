"""A team works its list and answers, week after week: every list is what hand-made SQL says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.answered_lists import judge_lists
from tests.fakes.working_team import WorkingTeam
from tests.serving.conftest import EXAMPLE


@pytest.mark.parametrize(
    ("weeks", "retrain"), [(4, None), pytest.param(6, None, marks=pytest.mark.slow)]
)
def test_no_list_holds_a_lead_that_is_done_snoozed_or_disqualified(
    tmp_path: Path, weeks: int, retrain: int | None
) -> None:
    team = WorkingTeam.make(EXAMPLE, tmp_path, leads=900, months=12, seed=3)
    judged = judge_lists(team, team.work(weeks, retrain=retrain))
    assert judged.weeks == weeks
    assert judged.answers > 50
    assert judged.ended > 0  # some leads acted again, and were back
    assert judged.wrong == ()
