"""`leadscore night`: pull, guard, score, write back, report, monitor, and on its days retrain.

A second run of the same night (same moment, data and project file) does what is missing:
`night_journal` remembers what is done, and the ledger what was sent.
"""

from __future__ import annotations

from data.files import remove_leftovers
from serving.night_lock import only_night
from serving.night_result import NightResult
from serving.night_steps import Night, NightClock, Say
from serving.session import Session


def run_night(
    session: Session,
    *,
    as_of: str | None = None,
    accept: bool = False,
    dry_run: bool = False,
    cluster: str | None = None,
    clock: NightClock,
    on_stage: Say,
    say: Say,
) -> NightResult:
    """Do a night and say what it did; OutsideError where another one is running.

    `dry_run` goes the whole way and writes nothing. A `cluster` scores, else this machine, in parts
    where its memory asks for it. `say` gets a line for a person per step.
    """
    night = Night(session, as_of, accept, dry_run, clock, on_stage, say, cluster=cluster)
    if dry_run:
        return night.go()
    with only_night(session.state):
        remove_leftovers(session.state.folder)
        return night.go()
