"""A project's state folder, looked over part by part -> findings; `--fix` does what is safe."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from packaging.requirements import Requirement

from data.clock import DAY, show
from data.errors import LeadScoreError, OutsideError
from data.files import leftovers, remove_leftovers
from serving.guard_record import GuardRecord
from serving.http.keys import read_keys
from serving.parts.parts_lock import is_scoring_parts, remove_parts
from serving.session import Session
from serving.upkeep.findings import Finding
from serving.upkeep.registry_checks import check_registry
from serving.upkeep.retention import clear_old, count_old_runs
from serving.writeback.audit_log import entries
from serving.writeback.ledger_place import ledger_place, open_ledger
from training.state_format import (
    FORMAT,
    format_of,
    make_private,
    readable_by_others,
    require_writable,
)

LEAST_FREE: Final = 1_000_000_000
"""Bytes; and at least twice what the folder holds."""
OLD_SCORES_DAYS: Final = 3

Check = Callable[[Session, int], Iterator[Finding]]


def examine(session: Session, *, at: int) -> list[Finding]:
    """Look a state folder over; a check that fails is itself a finding."""
    if not session.state.folder.is_dir():
        words = f"{session.state.folder} is not there yet"
        beside = Path(session.project.folder) / ".leadscore" / session.project.project.name
        if beside.is_dir():
            words += f"; {beside} is: a state folder is looked for where a command is started"
            return [Finding("state folder", "wrong", words, f"give --state {beside}")]
        return [Finding("state folder", "advice", words, "leadscore train")]
    findings: list[Finding] = []
    for name, check in _CHECKS.items():
        try:
            findings += check(session, at)
        except LeadScoreError as error:
            findings.append(Finding(name, "wrong", str(error)))
        except (OSError, sqlite3.Error) as error:
            findings.append(Finding(name, "wrong", f"cannot be looked at: {error}"))
    return findings


def mend(findings: list[Finding]) -> list[str]:
    """Do every repair that is safe; say what was done, or why it could not be."""
    done = []
    for finding in findings:
        if finding.repair is not None:
            try:
                done.append(f"{finding.check}: {finding.repair()}")
            except (LeadScoreError, OSError) as error:
                done.append(f"{finding.check}: not fixed: {error}")
    return done


def _folder(session: Session, _: int) -> Iterator[Finding]:
    state = session.state
    words = f"{state.folder}, format {format_of(state)} of {FORMAT}"
    try:
        require_writable(state)
        yield Finding("state folder", "fine", words)
    except OutsideError:
        cure = "let the jobs' user write it, or mount it writable"
        yield Finding("state folder", "wrong", f"{words}, can't be written", cure)


def _rights(session: Session, _: int) -> Iterator[Finding]:
    names = readable_by_others(session.state)
    if session.state.folder.stat().st_mode & 0o077 == 0:
        yield Finding("rights", "fine", "nobody else may open the folder")
        return
    yield Finding(
        "rights",
        "wrong",
        f"others may open {len(names):,} of its files and folders, for instance {names[0]}",
        "leadscore doctor --fix takes the rights of others away",
        lambda: f"{make_private(session.state):,} files and folders are private now",
    )


def _disk(session: Session, _: int) -> Iterator[Finding]:
    folder = session.state.folder
    held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(folder).free
    words = f"{held / 1e6:,.0f} MB used, {free / 1e9:,.1f} GB free"
    if free < max(LEAST_FREE, 2 * held):
        yield Finding("disk", "wrong", words, "make room, or shorten [retention]")
    else:
        yield Finding("disk", "fine", words)


def _databases(session: Session, _: int) -> Iterator[Finding]:
    folder = session.state.folder
    pages = {*session.state.pages.glob("*/*.sqlite")}
    paths = sorted({*folder.glob("*.db"), *folder.glob("*.sqlite"), *pages})
    for path in paths:
        try:
            address = f"{path.resolve().as_uri()}?mode=ro"
            with closing(sqlite3.connect(address, uri=True, timeout=5)) as database:
                sound = str(database.execute("pragma quick_check(1)").fetchone()[0])
        except sqlite3.Error as error:
            sound = str(error)
        if sound != "ok":
            cure = "leadscore restore, from the newest backup"
            if not _damaged(sound):  # by SQLite's own words, nothing is known of the file yet
                cure = "look at the disk and at who may read and write the folder, then again"
            elif path in pages:
                cure = "leadscore report writes the pages anew"
            yield Finding("databases", "wrong", f"{path.name}: {sound}", cure)
    yield Finding("databases", "fine", f"{len(paths)} looked at")


def _damaged(said: str) -> bool:
    """Tell whether SQLite found a file damaged, or could not look: a full disk, no right."""
    could_not = ("disk i/o error", "unable to open", "readonly", "is full", "locked")
    return not any(each in said.lower() for each in could_not)


def _ledger(session: Session, _: int) -> Iterator[Finding]:
    store = open_ledger(ledger_place(session.project, session.state.folder))
    if store is None:
        yield Finding("ledger", "fine", "nothing was sent yet")
        return
    with closing(store):
        n = sum(1 for _ in entries(store))
        yield Finding("ledger", "fine", f"the chain of the audit log holds: {n:,} entries")
        counts = store.execute("SELECT state, count(*) FROM outbox GROUP BY state")
        waiting = {str(state): int(count) for state, count in counts}
    if waiting.get("rejected"):
        yield Finding(
            "ledger",
            "advice",
            f"the CRM rejects {waiting['rejected']:,} scores",
            "see dead_letter.jsonl; each write-back tries them again",
        )
    if waiting.get("pending"):
        words = f"{waiting['pending']:,} scores wait to be sent"
        yield Finding("ledger", "advice", words, "leadscore write-back")


def _scores(session: Session, at: int) -> Iterator[Finding]:
    path = session.state.scores
    if not path.is_file():
        yield Finding("scores", "advice", "none yet", "leadscore score")
        return
    try:
        head = pq.read_table(path, columns=["scored_at"]).slice(0, 1)["scored_at"]
        scored = int(head.cast(pa.timestamp("us", "UTC")).cast(pa.int64())[0].as_py())
    except (OSError, pa.ArrowException, IndexError):
        words = "scores.parquet cannot be read, and counts as absent"
        yield Finding("scores", "wrong", words, "leadscore score writes it anew")
        return
    old = at - scored > OLD_SCORES_DAYS * DAY
    words = f"scored on {show(scored)[:16]}"
    yield Finding("scores", "advice" if old else "fine", words, "leadscore night" if old else "")
    stopped = GuardRecord.read(session.state.folder).stopped
    if stopped is not None:
        words = f"the guard stopped the scoring of {stopped.get('at')}"
        yield Finding("scores", "wrong", words, "leadscore score says why; --accept goes on")


def _parts(session: Session, _: int) -> Iterator[Finding]:
    """Find parts of a killed run; those of one that goes on are in use."""
    state = session.state
    count = len(list(state.parts.glob("part-*")))
    if count and not is_scoring_parts(state):
        yield Finding(
            "parts",
            "advice",
            f"{count} files of a killed run",
            "leadscore doctor --fix removes them, and so does the next run in parts",
            lambda: f"{remove_parts(state)} removed",
        )


def _leftovers(session: Session, _: int) -> Iterator[Finding]:
    folder = session.state.folder
    if left := list(leftovers(folder)):
        yield Finding(
            "unfinished files",
            "advice",
            f"{len(left)} that killed jobs left, for instance {left[0].name}",
            "the next night removes them, or leadscore doctor --fix",
            lambda: f"{remove_leftovers(folder)} removed",
        )


def _keys(session: Session, _: int) -> Iterator[Finding]:
    keys = read_keys(session.state.folder / "api_keys.json")
    yield Finding("API keys", "fine", f"{len(keys)}: {', '.join(sorted(keys)) or 'none'}")


def _retention(session: Session, at: int) -> Iterator[Finding]:
    if count := count_old_runs(session.state, session.project, at=at):

        def clear() -> str:
            cleared = clear_old(session.state, session.project, at=at)
            return ", ".join(f"{name}: {n:,}" for name, n in cleared.items())

        words = f"{count:,} runs are older than [retention] keeps them"
        yield Finding(
            "retention", "advice", words, "leadscore doctor --fix, or the next night", clear
        )


def _versions(_: Session, __: int) -> Iterator[Finding]:
    """Compare what is installed with what leadscore asks for."""
    wrong = []
    for text in metadata.requires("leadscore") or []:
        needed = Requirement(text)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            found = metadata.version(needed.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{needed.name} is not installed")
            continue
        if not needed.specifier.contains(found, prereleases=True):
            wrong.append(f"{needed.name} {found} is not {needed.specifier}")
    own = f"leadscore {metadata.version('leadscore')}, Python {sys.version.split()[0]}"
    if wrong:
        words = f"{own}: {'; '.join(wrong[:3])}"
        yield Finding("versions", "wrong", words, "install leadscore from its lock again")
    else:
        yield Finding("versions", "fine", own)


_CHECKS: Final[dict[str, Check]] = {
    "state folder": _folder,
    "rights": _rights,
    "disk": _disk,
    "databases": _databases,
    "registry": check_registry,
    "ledger": _ledger,
    "scores": _scores,
    "parts": _parts,
    "unfinished files": _leftovers,
    "API keys": _keys,
    "retention": _retention,
    "versions": _versions,
}
