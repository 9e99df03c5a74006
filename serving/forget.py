"""A lead that asked to be forgotten -> erased from the state folder and from pulled files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from html import escape
from pathlib import Path
from typing import Final

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import OutsideError
from data.files import remove_leftovers, replacing, write_text
from data.store.crm_store import CrmStore
from models.explain.change import ID_COLUMN
from serving.answers.answer_store import forget_lead as forget_answers
from serving.crm.crm_rows import KINDS
from serving.crm.pull.forgotten import Forgotten
from serving.crm.pull.spool import LOCK, SPOOLED, Spool, lock_folder
from serving.night_lock import only_night
from serving.parts.parts_lock import remove_parts
from serving.people.lead_audit import forget_acts
from serving.upkeep.upkeep_lock import only_upkeep
from serving.worklist.deliver import REPORTS
from serving.worklist.stored_pages import forget_pages
from serving.writeback.ledger_place import open_ledger
from serving.writeback.ledger_tables import forget_sent
from training.state import StatePaths

LEAD_COLUMNS: Final = ("lead_id", ID_COLUMN)
"""The column of lead ids in scores and in the feature rows of a run."""


STORE: Final = "files of the store, built again when next read"
"""What is erased whole, whether it holds the lead or not."""
UNFINISHED: Final = "unfinished files removed"
NOT_OF_A_LEAD: Final = (STORE, UNFINISHED)
"""What is counted also where nothing of the lead was found."""


def forget_lead(
    state: StatePaths,
    lead_id: str,
    *,
    reports: Sequence[Path] = (),
    ledger: str | Path | None = None,
) -> dict[str, int]:
    """Erase a lead from all runs, rep answers, arms, ledger and embedded CRM: rows erased.

    Reports in the state folder, and in the folders `reports`, are removed whole where anything of
    the lead was found: any may name it. An id that nothing names removes none. A service that runs
    sees by the date of the scores that what it holds is to be read again. `ledger` is its place
    where it lies outside the state folder.
    Entries of the audit log that name its id are counted, not erased: each holds the hash of the
    one before. What a killed run left half-written is removed whole. OutsideError while a night
    runs.
    """
    if not state.folder.is_dir():
        return _erase(state, lead_id, ledger)
    with only_night(state), only_upkeep(state):
        parts = remove_leftovers(state.folder) + remove_parts(state)
        erased = _erase(state, lead_id, ledger)
        if state.scores.is_file():
            state.scores.touch()
        folders = dict.fromkeys([state.reports, *reports])
        found_in = {name: n for name, n in erased.items() if name != STORE}
        named = any(found_in.values()) or any(_names(folder, lead_id) for folder in folders)
        removed = sum(map(_remove_reports, folders)) if named else 0
    found = {"reports removed": removed, UNFINISHED: parts}
    return erased | {name: count for name, count in found.items() if count}


def _erase(state: StatePaths, lead_id: str, ledger: str | Path | None) -> dict[str, int]:
    files = [state.scores, *sorted(state.runs.glob("*/*.parquet"))]
    erased = {
        "rows of scores": sum(_erase_rows(path, lead_id) for path in files if path.is_file()),
        "answers": forget_answers(state.feedback, lead_id),
        "audit entries of people, cut loose": forget_acts(state.people, lead_id),
    }
    if state.pages.is_dir():
        erased["live pages"] = forget_pages(state.pages, lead_id)
    databases = {*state.folder.glob("*.db"), *state.folder.glob("*.sqlite")}
    if isinstance(ledger, Path):
        databases |= {each for each in (ledger, ledger.with_suffix(".v1.sqlite")) if each.is_file()}
    for path in sorted(databases - {state.registry, state.feedback, state.people}):
        _count(erased, path.name, _erase_from_database(path, lead_id))
    if isinstance(ledger, str) and (store := open_ledger(ledger)):
        with closing(store):
            _count(erased, "ledger", forget_sent(store, lead_id))
    if kept := CrmStore(state.store).erase():
        erased[STORE] = kept
    arms = state.folder / "arms.csv"
    if arms.is_file():
        erased["arms"] = _erase_arm(arms, lead_id)
    letters = state.folder / "dead_letter.jsonl"
    if letters.is_file():
        erased["dead letters"] = _erase_lines(letters, lead_id)
    return erased


def _count(erased: dict[str, int], name: str, counts: tuple[int, int]) -> None:
    """Add the rows erased from a database, and the audit entries that name the lead and stay."""
    for key, count in zip((name, "audit entries with its id, kept"), counts, strict=True):
        if count or key == name:
            erased[key] = erased.get(key, 0) + count


def forget_pulled(folder: Path, lead_id: str) -> dict[str, int]:
    """Erase a lead from the files that `leadscore pull` wrote into a folder: rows erased, by file.

    Each file is replaced whole; the watermark stays, and the lead is put on the folder's list of
    forgotten ones first, so that a kill in between leaves nothing but files to do again. Nothing
    happens in a folder that was never pulled into. OutsideError while a pull writes into it.
    """
    if not (folder / LOCK).is_file():
        return {}
    with lock_folder(folder), closing(Spool(folder / SPOOLED)) as spool:
        Forgotten.of(folder).add(lead_id)
        paths = [folder / f"{kind}.parquet" for kind in KINDS]
        try:
            return {path.name: spool.erase(path, lead_id) for path in paths if path.is_file()}
        except (OSError, duckdb.Error) as error:
            first = str(error).splitlines()[0][:200]
            raise OutsideError(
                f"{folder} cannot be written: {first}", cure="free space, run again"
            ) from None


def _reports_in(folder: Path) -> list[Path]:
    """List pages, sheets and e-mails that list leads, by the names that reports are given."""
    return [path for pattern in REPORTS for path in sorted(folder.glob(pattern))]


def _names(folder: Path, lead_id: str) -> bool:
    """Tell whether a page or a CSV names the lead; a workbook lists the leads of the CSV."""
    written = [each.encode() for each in (lead_id, escape(lead_id))]
    return any(each in path.read_bytes() for path in _reports_in(folder) for each in written)


def _remove_reports(folder: Path) -> int:
    paths = _reports_in(folder)
    try:
        for path in paths:
            path.unlink()
    except OSError as error:
        raise OutsideError(f"{folder} cannot be changed: {error.strerror}") from error
    return len(paths) + remove_leftovers(folder)


def _erase_rows(path: Path, lead_id: str) -> int:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException):
        raise OutsideError(
            f"{path} cannot be read, and may hold the lead", cure="delete that file, run again"
        ) from None
    column = next((name for name in LEAD_COLUMNS if name in table.column_names), None)
    if column is None:
        return 0
    kept = table.filter(pc.not_equal(table[column], lead_id))
    if len(kept) < len(table):
        with replacing(path) as part:
            pq.write_table(kept, part)
    return len(table) - len(kept)


def _erase_from_database(path: Path, lead_id: str) -> tuple[int, int]:
    """Erase rows of every table with lead ids; also count audit log entries that name the lead."""
    count = sealed = 0
    with _named_failures(path), closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma secure_delete = on")  # freed pages keep nothing of the lead
        names = [
            row[0]
            for row in connection.execute("select name from sqlite_master where type = 'table'")
        ]
        for name in names:
            quoted = '"' + name.replace('"', '""') + '"'
            columns = {row[1] for row in connection.execute(f"pragma table_info({quoted})")}
            for column in sorted(columns & {"lead", "lead_id"}):
                # names come from the database's own catalogue, quoted
                sql = f"delete from {quoted} where {column} = ?"  # noqa: S608
                count += connection.execute(sql, (lead_id,)).rowcount
        if "audit" in names:
            mark = json.dumps(lead_id, ensure_ascii=False)
            sql = "select count(*) from audit where instr(body, ?)"
            sealed = connection.execute(sql, (mark,)).fetchone()[0]
        connection.commit()
        connection.execute("pragma wal_checkpoint(truncate)")  # the log holds pages too
    return count, sealed


@contextmanager
def _named_failures(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OutsideError(
            f"{path} may hold the lead and cannot be changed: {error}", cure="run again"
        ) from None


def _erase_arm(path: Path, lead_id: str) -> int:
    """Take a lead out of the arms of an experiment; assigning again gives it the same arm."""
    arms = pd.read_csv(path, dtype=str, keep_default_na=False)
    kept = arms[arms["lead_id"] != lead_id]
    if len(kept) < len(arms):
        write_text(path, kept.to_csv(index=False))
    return len(arms) - len(kept)


def _erase_lines(path: Path, lead_id: str) -> int:
    lines = path.read_text(encoding="utf-8").split("\n")  # JSON may hold other ends of lines
    kept = [line for line in lines if not line or json.loads(line).get("lead_id") != lead_id]
    if len(kept) < len(lines):
        write_text(path, "\n".join(kept))
    return len(lines) - len(kept)
