"""A team works its list and answers, week after week: every list is what hand-made SQL says of it.

`python -m benchmarks.loops answers [--full]`: a company with some 300 open leads, 40 calls a week,
two thirds of them answered, some of it taken back, retrained every quarter; in full 200 weeks, each
tenth on the live pages. Bars (loops.md 5): no list holds a lead that is done, snoozed or
disqualified; the lists in their order, what each promises, and what became of last week's, are as
SQL over raw tables, answers and scores says (tests/fakes/answered_lists.py).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.in_parts import Verdict
from tests.fakes.answered_lists import judge_lists
from tests.fakes.working_team import WorkedWeek, WorkingTeam

EXAMPLE = Path(__file__).parents[1] / "examples" / "software_trial.toml"
QUARTER = 13


def measure(*, full: bool) -> list[Verdict]:
    """Work the weeks, print what SQL found, and give the bar."""
    leads, months, weeks = (4_000, 52, 200) if full else (1_200, 14, 16)
    with tempfile.TemporaryDirectory(prefix="leadscore-answers-") as made:
        team = WorkingTeam.make(EXAMPLE, Path(made), leads=leads, months=months, seed=1)
        judged = judge_lists(team, _told(team.work(weeks, retrain=QUARTER, walk=10 if full else 4)))
    for line in judged.wrong[:20]:
        print(line)
    figure = (
        f"{judged.weeks} weeks, {judged.answers:,} answers, {judged.ended:,} ended by an act: "
        f"{len(judged.wrong)} differences from SQL"
    )
    enough = judged.answers >= 10 * judged.weeks and judged.ended > 0
    return [(enough and not judged.wrong, "answers and lists", figure, "0")]


def _told(weeks: Iterable[WorkedWeek]) -> Iterator[WorkedWeek]:
    """Say every tenth week how far the team has come."""
    started = time.process_time()
    for number, week in enumerate(weeks, start=1):
        if number % 10 == 1:
            spent = time.process_time() - started
            says = f"week {number}: {len(week.listed)} leads, {spent:,.0f} s of processor time"
            print(says, flush=True)
        yield week
