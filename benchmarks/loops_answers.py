"""A team works its list and answers, week after week: every list is what hand-made SQL says of it.

`python -m benchmarks.loops answers [--full]`: a company with some 300 open leads, 40 calls a week,
two thirds of them answered, retrained every quarter; in full 200 weeks. Bars (loops.md 5): no
list holds a lead that is done, snoozed or disqualified; which leads those are, and what each list
promises, is as SQL over raw tables, answers and scores says (tests/fakes/answered_lists.py).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.in_parts import Verdict
from tests.fakes.answered_lists import judge_lists
from tests.fakes.working_team import WorkingTeam

EXAMPLE = Path(__file__).parents[1] / "examples" / "software_trial.toml"
QUARTER = 13


def measure(*, full: bool) -> list[Verdict]:
    """Work the weeks, print what SQL found, and give the bar."""
    leads, months, weeks = (4_000, 52, 200) if full else (1_200, 14, 16)
    with tempfile.TemporaryDirectory(prefix="leadscore-answers-") as made:
        team = WorkingTeam.make(EXAMPLE, Path(made), leads=leads, months=months, seed=1)
        judged = judge_lists(team, team.work(weeks, retrain=QUARTER))
    for line in judged.wrong[:20]:
        print(line)
    figure = (
        f"{judged.weeks} weeks, {judged.answers:,} answers, {judged.ended:,} ended by an act: "
        f"{len(judged.wrong)} differences from SQL"
    )
    enough = judged.answers >= 10 * judged.weeks and judged.ended > 0
    return [(enough and not judged.wrong, "answers and lists", figure, "0")]
