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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import xxhash
from filelock import FileLock, Timeout

from data.buckets import BUCKETS, Part
from data.errors import LeadScoreError
from data.feeds import Feed
from data.part import renumbered_leads
from data.reading.read_job import ReadJob
from data.reading.read_tables import CrmData, read_with_notes
from data.schema import Project
from data.store.csv_runs import CsvRun, CsvRuns
from data.store.cut_leads import cut_to, no_such_lead
from data.store.id_lookup import NotInSlicesError
from data.store.slices import SlicedCompany, SliceRemarks, count_slices
from data.store.source_marks import (
    FileMark,
    SourceMarks,
    asks_a_database,
    hash_of,
    mark_sources,
)
from data.store.store_listing import LISTING, StoreListing
from data.store.table_groups import StoredShape, TableGroups
from data.store.write_groups import GroupsWriter, rows_by_group, write_groups
from data.tables import Kind

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
        crm = self._build(project, kinds, marks, key, part, lead, wipe=damaged)
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
            said["whole"],
        )
        if lead is None and part is not None and part.is_of_groups(shape.n_groups):
            return replace(crm, tables=renumbered_leads(tables))
        return cut_to(crm, project, part=part, lead=lead)

    def _build(
        self,
        project: Project,
        kinds: Mapping[str, Kind] | None,
        marks: SourceMarks,
        key: str,
        part: Part | None,
        lead: str | None,
        *,
        wipe: bool,
    ) -> CrmData:
        """Read the sources, as far as runs of them do not hold, and keep what was read.

        Where a part of a large company is asked for, it is read slice by slice, and that part alone
        comes back.
        """
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
                    return self._load(head, project, marks.key, part=part, lead=lead)
            except _BROKEN:
                self._remove_all()
                listing, wipe = StoreListing(), True
            built, whole = None, ""
            try:
                slices = 1 if part is None or kinds is None else count_slices(project, part.of)
                if slices > 1:
                    built = self._keep_slices(project, kinds or {}, marks, key, listing, slices)
            except (*_BROKEN, LeadScoreError) as error:  # the whole says what is wrong, if anything
                whole = str(error) or type(error).__name__
            if built is not None:
                crm = self._load(built, project, marks.key, part=part, lead=lead)
            else:
                crm = self._read_and_keep(project, kinds, marks, key, listing, whole)
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
        whole: str,
    ) -> CrmData:
        fresh = self.folder / _FRESH
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(mode=0o700)
            by_path = {mark.path: mark for mark in marks.files}
            runs = CsvRuns(self.folder, fresh, by_path, dict(marks.answers), listing.runs)
            crm = replace(read_with_notes(project, kinds=kinds, kept=runs), whole=whole)
            if marks.still_hold(project):
                shape = write_groups(
                    crm.tables, crm.outcomes, fresh, key=marks.key, private=_private(project)
                )
                self._keep(shape, SliceRemarks.of(crm), marks, key, listing, runs.used)
        except OSError as error:
            crm = read_with_notes(project, kinds=kinds)
            words = f"the store can't be written ({error.strerror}): the sources are read each time"
            return replace(crm, notes=(*crm.notes, words))
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return crm

    def _keep_slices(
        self,
        project: Project,
        kinds: Mapping[str, Kind],
        marks: SourceMarks,
        key: str,
        listing: StoreListing,
        slices: int,
    ) -> str:
        """Read the sources slice by slice and keep them; the head of the reading.

        NotInSlicesError and others where they must be read whole.
        """
        fresh = self.folder / _FRESH
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            dealt = fresh / "dealt"
            dealt.mkdir(parents=True, mode=0o700)
            by_path = {mark.path: mark for mark in marks.files}
            runs = CsvRuns(self.folder, fresh, by_path, dict(marks.answers), listing.runs)
            job = ReadJob(project, kinds=kinds, kept=runs)
            company = SlicedCompany(job, slices, dealt, marks.key)
            writer = GroupsWriter(fresh, marks.key, _private(project))
            for each in company.read():
                group = each.bucket.astype(np.int64) - each.part.first
                groups = rows_by_group(group, each.part.past - each.part.first)
                writer.add(each.crm.tables, each.crm.outcomes, groups, each.rows)
                del each  # before the next one is read
            remarks = company.remarks
            buckets = company.bucket.astype(np.int16)
            shape = writer.finish(company.ids, buckets, remarks.observed_until)
            if not marks.still_hold(project):
                raise NotInSlicesError("a source changed while it was read")
            return self._keep(shape, remarks, marks, key, listing, runs.used)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _keep(
        self,
        shape: StoredShape,
        remarks: SliceRemarks,
        marks: SourceMarks,
        key: str,
        listing: StoreListing,
        used: list[CsvRun],
    ) -> str:
        """Keep what was written, then the listing, and remove what it names no more."""
        fresh = self.folder / _FRESH
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
                "notes": remarks.notes,
                "feeds": [_plain_feed(feed) for feed in remarks.feeds],
                "left_out": dict(remarks.left_out),
                "whole": remarks.whole,
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
        return name

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


def _private(project: Project) -> frozenset[str | None]:
    """Name the attributes that hold what is private."""
    return frozenset({project.leads.email, project.leads.title})


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
