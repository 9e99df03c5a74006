"""`leadscore night`: pull, guard, score, write back, report, monitor, and on its days retrain.

A second run of the same night (same moment, data and project file) does what is missing:
`night_journal` remembers what is done, and the ledger what was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from data.errors import OutsideError
from data.files import remove_leftovers
from serving.night_result import NightResult
from serving.night_steps import Night, NightClock, Say
from serving.session import Session


def run_night(
    session: Session,
    *,
    as_of: str | None = None,
    accept: bool = False,
    dry_run: bool = False,
    clock: NightClock,
    on_stage: Say,
    say: Say,
) -> NightResult:
    """Do a night and say what it did; OutsideError where another one is running.

    `dry_run` goes the whole way and writes nothing. `say` gets a line for a person per step.
    """
    night = Night(session, as_of, accept, dry_run, clock, on_stage, say)
    if dry_run:
        return night.go()
    with _locked(session):
        remove_leftovers(session.state.folder)
        return night.go()


@contextmanager
def _locked(session: Session) -> Iterator[None]:
    path = session.state.night_lock
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, blocking=False)
        lock.acquire()
    except Timeout:
        raise OutsideError(
            f"another night of {session.project.project.name} is running ({path})",
            cure="wait for it; it does what this one would do",
        ) from None
    except OSError as error:
        raise OutsideError(
            f"{path.parent} can't be written: {error.strerror}", cure="choose another place"
        ) from error
    try:
        yield
    finally:
        lock.release()
