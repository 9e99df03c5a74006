"""What is older than `[retention]` allows -> cleared: runs, audit entries, past episodes, parts."""

from __future__ import annotations

import re
import shutil
from calendar import timegm
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

from data.clock import DAY, SECOND
from data.errors import OutsideError
from data.files import remove_leftovers
from data.schema import Project
from serving.upkeep.upkeep_lock import only_upkeep
from serving.writeback.audit_log import trim
from serving.writeback.ledger_place import ledger_place, open_ledger
from serving.writeback.ledger_store import Store
from training.state import StatePaths

_STAMP: Final = re.compile(r"\d{8}T\d{6}Z")


def clear_old(state: StatePaths, project: Project, *, at: int) -> dict[str, int]:
    """Remove what is too old as of `at`: counts by kind, without those of nothing.

    The newest run stays, and of each lead what the CRM acknowledged last.
    """
    if not state.folder.is_dir():
        return {}
    section = project.retention
    with only_upkeep(state):
        cleared = {"unfinished files": remove_leftovers(state.folder)}
        runs = [run for run, began in _runs(state) if began < at - section.runs]
        for run in runs:
            _remove(run)
        cleared["runs"] = len(runs)
        for left in state.runs.glob(".*.gone"):  # a clearing that was killed
            shutil.rmtree(left, ignore_errors=True)
        store = open_ledger(ledger_place(project, state.folder))
        if store is not None:
            with closing(store):
                cleared["audit entries"] = trim(
                    store, before=at - section.audit, at=at, patience=30 * DAY
                )
                cleared["past episodes"] = _drop_past_episodes(store, at - section.ledger)
    return {name: count for name, count in cleared.items() if count}


def count_old_runs(state: StatePaths, project: Project, *, at: int) -> int:
    """Count the runs that `clear_old` would remove."""
    return sum(began < at - project.retention.runs for _, began in _runs(state))


def _runs(state: StatePaths) -> Iterator[tuple[Path, int]]:
    """Yield each run but the newest, and when it began (microseconds UTC), by its name."""
    named = [path for path in state.runs.glob("*") if path.is_dir() and _STAMP.match(path.name)]
    for path in sorted(named)[:-1]:
        stamp = datetime.strptime(path.name[:16], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007 - it is UTC
        yield path, timegm(stamp.timetuple()) * SECOND


def _remove(run: Path) -> None:
    """Remove a run; it is out of sight at once, so that nobody reads half of it."""
    try:
        gone = run.with_name(f".{run.name}.gone")
        run.rename(gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise OutsideError(f"{run} can't be removed: {error.strerror}") from error


def _drop_past_episodes(store: Store, before: int) -> int:
    """Remove what was acknowledged for a lead's earlier episodes, before a moment."""
    old = (
        " FROM acknowledged WHERE written_at < ? AND episode < (SELECT max(newer.episode)"
        " FROM acknowledged newer WHERE newer.crm = acknowledged.crm"
        " AND newer.lead = acknowledged.lead)"
    )
    with store.transaction():
        count = int(store.execute(f"SELECT count(*){old}", (before,))[0][0])
        store.execute(f"DELETE{old}", (before,))
    return count
