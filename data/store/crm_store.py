"""A project -> its tables out of the store in its state folder, read from the sources if changed.

The store holds the finished tables, so that every law of reading stands in data/reading alone, and
what all leads decide together is decided there. It is a cache: whatever is wrong with it, it is
thrown away and built again. Its listing is replaced last; a reader that finds its files gone, as
another process has just replaced them, reads the new listing.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import xxhash
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from data.buckets import BUCKETS, Part
from data.errors import InputError, LeadScoreError
from data.feeds import Feed
from data.files import whole_file
from data.part import buckets_of_rows, outcomes_of, part_of
from data.reading.read_tables import CrmData, read_with_notes
from data.schema import Project
from data.store.csv_runs import CsvRun, CsvRuns
from data.store.source_marks import (
    FileMark,
    SourceMarks,
    asks_a_database,
    hash_of,
    mark_sources,
)
from data.store.table_groups import StoredShape, TableGroups, write_groups
from data.tables import Kind

FORMAT: Final = 1
LISTING: Final = "store.json"
DAMAGED: Final = "the store was damaged: it is thrown away, and built again from the sources"
_READINGS: Final = 3
"""Readings kept at a time: one without a model, and those of the newest models."""
_FRESH: Final = "unfinished"
_LOCK: Final = "lock"
_WAIT_S: Final = 1_800.0
_OWN: Final = re.compile(r"[0-9a-f]{32}\.(parquet|json)|\.store\.json\..*\.part")
"""The names of files that a store writes: its folder may be a link to a place with others."""
_BROKEN: Final = (OSError, ValueError, KeyError, TypeError, IndexError, pa.ArrowException)


@dataclass(frozen=True, slots=True)
class StoreListing:
    """What the store holds: the sources as they were, readings by key, runs of CSV files."""

    files: tuple[FileMark, ...] = ()
    # of each reading its key and the name of its head, the oldest first
    readings: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[CsvRun, ...] = ()
    written_at: int = 0  # by the clock of the file system, nanoseconds

    @classmethod
    def read(cls, folder: Path) -> StoreListing:
        """Read the listing, an empty one where there is none; ValueError and others for damage."""
        path = folder / LISTING
        try:
            raw, at = json.loads(path.read_text(encoding="utf-8")), path.stat().st_mtime_ns
        except FileNotFoundError:
            return cls()
        if raw["format"] != FORMAT:
            return cls()
        return cls(
            tuple(FileMark(**each) for each in raw["files"]),
            dict(raw["readings"]),
            tuple(CsvRun.from_json(each) for each in raw["runs"]),
            at,
        )

    def write(self, folder: Path) -> None:
        """Replace the listing, whole."""
        raw = {
            "format": FORMAT,
            "files": [asdict(each) for each in self.files],
            "readings": dict(self.readings),
            "runs": [asdict(each) for each in self.runs],
        }
        with whole_file(folder / LISTING) as path:
            path.write_text(json.dumps(raw), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class CrmStore:
    """The store in one folder, which is made for its user alone when it is first written."""

    folder: Path

    def read(
        self,
        project: Project,
        kinds: Mapping[str, Kind] | None = None,
        *,
        part: Part | None = None,
        lead: str | None = None,
    ) -> CrmData:
        """Read a project, or a part of its leads, or those of the bucket of one lead.

        InputError where a source is wrong, or where there is no such lead.
        """
        damaged = False
        try:
            listing = StoreListing.read(self.folder)
        except _BROKEN:
            listing, damaged = StoreListing(), True
        try:
            marks = mark_sources(project, listing.files, listing.written_at)
        except (LeadScoreError, OSError):  # reading says what is wrong
            return cut_to(read_with_notes(project, kinds=kinds), project, part=part, lead=lead)
        key = _key(project, kinds, marks)
        for _ in range(2):
            if damaged or key not in listing.readings:
                break
            try:
                read = self._load(listing.readings[key], project, marks.key, part=part, lead=lead)
            except _BROKEN:
                try:  # another process may have replaced it
                    newer = StoreListing.read(self.folder)
                except _BROKEN:
                    newer = listing
                damaged = newer.readings == listing.readings
                listing = newer
                continue
            if not marks.untouched:
                self._mark_again(listing, marks)
            return read
        crm = self._build(project, kinds, marks, key, wipe=damaged)
        return cut_to(crm, project, part=part, lead=lead)

    def has_lead(self, project: Project, lead: str) -> bool | None:
        """Tell whether a lead is in the newest reading; None where the sources must be asked."""
        try:
            listing = StoreListing.read(self.folder)
            if not listing.readings or asks_a_database(project):
                return None  # before anything is hashed, or queried, that is read anyway
            marks = mark_sources(project, listing.files, listing.written_at)
            if _hashes(listing.files) != _hashes(marks.files):
                return None
            head = list(listing.readings.values())[-1]
            shape = StoredShape.from_json(json.loads((self.folder / head).read_bytes())["shape"])
            return TableGroups(self.folder, shape, marks.key).group_of(lead) is not None
        except (*_BROKEN, LeadScoreError):
            return None

    def erase(self) -> int:
        """Remove all that is kept: the number of files."""
        if not self.folder.is_dir():
            return 0
        with FileLock(self.folder / _LOCK):
            before = sum(path.is_file() for path in self.folder.rglob("*"))
            self._remove_all()
            return before - sum(path.is_file() for path in self.folder.rglob("*"))

    def _load(
        self,
        head: str,
        project: Project,
        key: bytes,
        *,
        part: Part | None,
        lead: str | None,
    ) -> CrmData:
        raw = (self.folder / head).read_bytes()
        if xxhash.xxh3_128_hexdigest(raw) != head.removesuffix(".json"):
            raise ValueError(f"{head} is damaged")
        said = json.loads(raw)
        shape = StoredShape.from_json(said["shape"])
        groups = TableGroups(self.folder, shape, key)
        first, past = 0, shape.n_groups
        if lead is not None:
            group = groups.group_of(lead)
            if group is None:
                raise no_such_lead(lead, project, groups.first_id())
            first, past = group, group + 1
        elif part is not None:
            first = part.first * past // BUCKETS
            past = -(-part.past * past // BUCKETS)
        tables, outcomes = groups.read(first, past)
        crm = CrmData(
            tables,
            outcomes,
            tuple(said["notes"]),
            tuple(_feed(each) for each in said["feeds"]),
            said["left_out"],
        )
        return cut_to(crm, project, part=part, lead=lead)

    def _build(
        self,
        project: Project,
        kinds: Mapping[str, Kind] | None,
        marks: SourceMarks,
        key: str,
        *,
        wipe: bool,
    ) -> CrmData:
        """Read the sources, as far as runs of them do not hold, and keep what was read."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = FileLock(self.folder / _LOCK, timeout=_WAIT_S)
            lock.acquire()
        except (OSError, Timeout):  # nothing can be kept here, or another takes too long
            return read_with_notes(project, kinds=kinds)
        try:
            if wipe:
                self._remove_all()
            try:
                listing = StoreListing.read(self.folder)
                if key in listing.readings:  # another process has built it meanwhile
                    head = listing.readings[key]
                    return self._load(head, project, marks.key, part=None, lead=None)
            except _BROKEN:
                self._remove_all()
                listing, wipe = StoreListing(), True
            crm = self._read_and_keep(project, kinds, marks, key, listing)
        finally:
            lock.release()
        return replace(crm, notes=(*crm.notes, DAMAGED)) if wipe else crm

    def _read_and_keep(
        self,
        project: Project,
        kinds: Mapping[str, Kind] | None,
        marks: SourceMarks,
        key: str,
        listing: StoreListing,
    ) -> CrmData:
        fresh = self.folder / _FRESH
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(mode=0o700)
            by_path = {mark.path: mark for mark in marks.files}
            runs = CsvRuns(self.folder, fresh, by_path, dict(marks.answers), listing.runs)
            crm = read_with_notes(project, kinds=kinds, kept=runs)
            if marks.still_hold(project):
                private = {project.leads.email, project.leads.title} - {None}
                self._keep(crm, marks, key, listing, runs.used, private=private)
        except OSError as error:
            crm = read_with_notes(project, kinds=kinds)
            words = f"the store can't be written ({error.strerror}): the sources are read each time"
            return replace(crm, notes=(*crm.notes, words))
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return crm

    def _keep(
        self,
        crm: CrmData,
        marks: SourceMarks,
        key: str,
        listing: StoreListing,
        used: list[CsvRun],
        *,
        private: Collection[str | None],
    ) -> None:
        """Write what was read, then the listing, and remove what it names no more."""
        fresh = self.folder / _FRESH
        shape = write_groups(crm.tables, crm.outcomes, fresh, key=marks.key, private=private)
        shape = replace(shape, files={n: self._move(fresh / f) for n, f in shape.files.items()})
        runs = []
        for run in used:
            new = [(fresh / piece).is_file() for piece in run.pieces]
            names = [
                self._move(fresh / piece) if is_new else piece
                for piece, is_new in zip(run.pieces, new, strict=True)
            ]
            runs.append(replace(run, pieces=tuple(names)))
        head = json.dumps(
            {
                "shape": asdict(shape),
                "notes": crm.notes,
                "feeds": [_plain_feed(feed) for feed in crm.feeds],
                "left_out": dict(crm.left_out),
            }
        ).encode()
        name = f"{xxhash.xxh3_128_hexdigest(head)}.json"
        (self.folder / name).write_bytes(head)
        (self.folder / name).chmod(0o600)
        older = list(listing.readings.items())[1 - _READINGS :]
        if _hashes(listing.files) != _hashes(marks.files):
            older = []  # what the sources said before
        kept = StoreListing(marks.files, {**dict(older), key: name}, tuple(runs))
        kept.write(self.folder)
        self._remove_unnamed(kept)

    def _move(self, path: Path) -> str:
        """Move a file among the kept ones, named by its bytes, so that readings share it."""
        name = f"{hash_of(path)}.parquet"
        path.chmod(0o600)
        path.replace(self.folder / name)
        return name

    def _mark_again(self, listing: StoreListing, marks: SourceMarks) -> None:
        """Note how unchanged files stand now, so that they need not be hashed the next time."""
        try:
            with FileLock(self.folder / _LOCK, blocking=False):
                if StoreListing.read(self.folder) == listing:
                    replace(listing, files=marks.files).write(self.folder)
        except (*_BROKEN, Timeout):
            return  # another process is at it, or the folder may not be written

    def _remove_unnamed(self, listing: StoreListing) -> None:
        """Remove the files that the listing, or what it names, does not name."""
        named = {LISTING, _LOCK, *listing.readings.values()}
        named |= {piece for run in listing.runs for piece in run.pieces}
        for head in listing.readings.values():
            shape = json.loads((self.folder / head).read_bytes())["shape"]
            named |= set(shape["files"].values())
        for path in self.folder.iterdir():
            if path.name not in named and _OWN.fullmatch(path.name):
                path.unlink()

    def _remove_all(self) -> None:
        """Remove what a store is made of, the listing first; whatever else lies there stays."""
        (self.folder / LISTING).unlink(missing_ok=True)
        shutil.rmtree(self.folder / _FRESH, ignore_errors=True)
        for path in self.folder.iterdir():
            if _OWN.fullmatch(path.name):
                path.unlink()


def cut_to(crm: CrmData, project: Project, *, part: Part | None, lead: str | None) -> CrmData:
    """Keep the leads of a part, or those of the bucket of one lead; all where neither is asked.

    The rest is as the whole has it. InputError where there is no such lead.
    """
    if part is None and lead is None:
        return crm
    buckets = buckets_of_rows(crm.tables)
    if lead is not None:
        rows = np.flatnonzero(crm.tables.lead_ids == lead)
        if not len(rows):
            raise no_such_lead(lead, project, str(crm.tables.lead_ids[0]))
        rows = np.flatnonzero(buckets == buckets[rows[0]])
    if part is not None:
        rows = np.flatnonzero(part.holds(buckets))
    return take_rows(crm, rows)


def take_rows(crm: CrmData, rows: NDArray[np.int64]) -> CrmData:
    """Keep these rows, in this order; what all leads decide stays."""
    return replace(crm, tables=part_of(crm.tables, rows), outcomes=outcomes_of(crm.outcomes, rows))


def no_such_lead(lead: str, project: Project, example: str) -> InputError:
    """Say that no lead has this id."""
    return InputError(
        f"no such lead: {lead!r}",
        column=project.leads.id,
        cure=f"ids are written as {example!r}",
    )


def _key(project: Project, kinds: Mapping[str, Kind] | None, marks: SourceMarks) -> str:
    """Hash all that decides what is read: the project, a model's kinds, the sources, the code."""
    said = [
        project.model_dump_json(exclude={"folder"}),
        None if kinds is None else list(kinds.items()),
        marks.contents,
        _code(),
    ]
    return xxhash.xxh3_128_hexdigest(json.dumps(said).encode())


def _code() -> str:
    """Hash the code that reads: another version of leadscore reads for itself."""
    folder = Path(__file__).parents[1]
    state = xxhash.xxh3_64()
    for path in sorted(folder.rglob("*.py")):
        state.update(path.read_bytes())
    return state.hexdigest()


def _hashes(files: Sequence[FileMark]) -> list[tuple[str, str]]:
    return [(mark.path, mark.hash) for mark in files]


def _plain_feed(feed: Feed) -> dict[str, Any]:
    return {
        each.name: value.tolist() if isinstance(value, np.ndarray) else value
        for each in fields(feed)
        for value in [getattr(feed, each.name)]
    }


def _feed(raw: Mapping[str, Any]) -> Feed:
    counted = {name: np.array(raw[name], np.int64) for name in ("counts", "late", "recorded")}
    return Feed(**{**raw, **counted, "types": tuple(raw["types"])})
