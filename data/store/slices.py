"""Sources larger than the memory -> the company slice by slice, each a run of buckets of leads.

Every source is read once, block by block, and its rows are dealt out to the slices of their leads;
then each slice is read as a small company is. What only all leads can decide together is not read
in slices (`NotInSlicesError`): such a company is read whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.buckets import BUCKETS, Part, buckets_of
from data.errors import InputError
from data.feeds import Feed, add_feeds
from data.reading import source_blocks
from data.reading.attributes import prefix_of
from data.reading.event_columns import columns_of
from data.reading.event_parts import text_columns
from data.reading.match_ids import bare_ids, count_orphans, unique_ids
from data.reading.object_files import in_database, size_of
from data.reading.parquet_files import nested_columns
from data.reading.read_job import Notes, ReadJob
from data.reading.read_tables import CrmData, read_all
from data.reading.sources import RawTable, column_names, files_of
from data.reading.values import texts
from data.schema import Project
from data.schema_tables import Attributes, LeadsSection
from data.schema_types import Source
from data.store.dealt_rows import DealtRows
from data.store.id_lookup import IdLookup, NotInSlicesError
from data.tables import Tables

WORTH_A_SLICE: Final = 16 << 20
"""Bytes of the sources below which a slice saves nothing."""
Numbers = NDArray[np.int64]
Slices = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class SliceOfLeads:
    """One slice: its tables and outcomes; which rows of all they are, and their buckets, (n,)."""

    part: Part
    crm: CrmData
    rows: Numbers
    bucket: NDArray[np.uint8]


@dataclass(slots=True)
class SlicedCompany:
    """Reads a company slice by slice; `folder` holds what is dealt out meanwhile.

    NotInSlicesError, InputError or another ValueError where it must be read whole. Once all slices
    are read, `ids` (n,) sorted and `bucket` (n,) list all leads, and `remarks` is what the reading
    says beside the tables.
    """

    job: ReadJob
    slices: int
    folder: Path
    key: bytes
    ids: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    bucket: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    _leads: IdLookup = field(default_factory=lambda: IdLookup.of(pa.array([], pa.string())))
    _accounts: pa.Array | None = None
    _notes: Notes = field(default_factory=lambda: Notes(sums={}))
    _dealt: dict[str, DealtRows] = field(default_factory=dict)
    _read: list[SliceRemarks] = field(default_factory=list)

    def read(self) -> Iterator[SliceOfLeads]:
        """Deal the sources out, then read slice after slice."""
        self._deal_leads()
        self._deal_what_leads_have()
        slice_of = self._slice_of(self.bucket)
        self._leads = IdLookup.of(self.ids[:0])
        pa.default_memory_pool().release_unused()
        for number in range(self.slices):
            rows = np.flatnonzero(slice_of == number)
            if not len(rows):
                raise NotInSlicesError("a slice without leads")
            notes = Notes(sums=self._notes.sums, forms=self._notes.forms)
            dealt = {label: rows_of.of(number) for label, rows_of in self._dealt.items()}
            crm = read_all(replace(self.job, dealt=dealt, notes=notes))
            if any(len(forms) > 1 for forms in notes.forms.values()):
                raise NotInSlicesError("a column is not written alike in all rows")
            if len(crm.tables) != len(rows):
                raise NotInSlicesError("rows of leads that are none")
            crm = replace(crm, tables=self._with_accounts(crm.tables))
            self._read.append(SliceRemarks.of(crm))
            yield SliceOfLeads(Part(number + 1, self.slices), crm, rows, self.bucket[rows])
            del crm  # before the next one is read

    @property
    def remarks(self) -> SliceRemarks:
        """Put together what the slices say: a note counts what all have, or is said by each."""
        first = self._read[0]
        each_says = set(first.notes).intersection(*(each.notes for each in self._read))
        leaves_out = set(first.left_out.items()).intersection(
            *(each.left_out.items() for each in self._read)
        )
        said = [*self._notes.summed(), *(line for line in first.notes if line in each_says)]
        return SliceRemarks(
            tuple(dict.fromkeys(said)),
            tuple(map(add_feeds, zip(*(each.feeds for each in self._read), strict=True))),
            dict(leaves_out),
            max(each.observed_until for each in self._read),
        )

    def _deal_leads(self) -> None:
        """Deal out the leads, and the rows of joined tables that they find; know all ids."""
        project, job = self.job.project, replace(self.job, notes=Notes(sums={}))
        leads, rows_of = project.leads, self._dealing("leads")
        by_account = [i for i, join in enumerate(leads.join) if join.on == leads.account]
        for i in by_account:
            self._deal_accounts(i)
        others = set(range(len(leads.join))) - set(by_account)
        joins = [_JoinedTable.read(job, i) for i in sorted(others)]
        ids: list[pa.Array] = []
        accounts: list[pa.Array] = []
        buckets: list[NDArray[np.uint8]] = []
        for raw in self._blocks(leads, "leads", columns=None, words=_words_of(leads, job)):
            ids.append(texts(raw.column(leads.id), job.missing).combine_chunks())
            account = None
            if leads.account is not None:
                account = texts(raw.column(leads.account), job.missing).combine_chunks()
                accounts.append(account.unique())
                if by_account:
                    _refuse_other_spellings(accounts[-1])
            if ids[-1].null_count:
                raise NotInSlicesError("a lead without an id")
            buckets.append(buckets_of(ids[-1], account))
            slice_of = self._slice_of(buckets[-1])
            rows_of.add(raw, slice_of)
            for joined in joins:
                joined.note(raw, slice_of, job)
        for joined in joins:
            joined.deal(self._dealing(joined.label))
        every = pa.chunked_array(ids).combine_chunks()
        order = pc.sort_indices(every).to_numpy()
        self.ids, self.bucket = every.take(pa.array(order)), np.concatenate(buckets)[order]
        self._leads = IdLookup.of(self.ids)
        if accounts:
            known = pa.chunked_array(accounts).unique().drop_null()
            self._accounts = known.take(pc.sort_indices(known))

    def _deal_accounts(self, number: int) -> None:
        """Deal out a table of accounts: an account is in the slice of its leads."""
        join, rows_of = self.job.project.leads.join[number], self._dealing(f"join.{number}")
        words = _words_of(join, self.job, prefix_of(join))
        for raw in self._blocks(join, f"join.{number}", columns=None, words=words):
            keys = texts(raw.column(join.key or join.on), self.job.missing).combine_chunks()
            if keys.null_count:
                raise NotInSlicesError("an account without an id")
            _refuse_other_spellings(keys)
            rows_of.add(raw, self._slice_of(buckets_of(keys)))

    def _deal_what_leads_have(self) -> None:
        """Deal out events, histories and conversions to the slices of their leads."""
        project = self.job.project
        for i, history in enumerate(project.leads.history):
            columns = [history.lead, history.field, history.old, history.new, history.at]
            words = [name for name in columns if name != history.at]
            blocks = self._blocks(history, f"history.{i}", columns=columns, words=words)
            self._deal(f"history.{i}", history.lead, blocks)
        for i, section in enumerate(project.events):
            blocks = self._blocks(
                section, f"events.{i}", columns=columns_of(section), words=text_columns(section)
            )
            self._deal(f"events.{i}", section.lead, blocks)
        conversion = project.conversion
        if conversion.source:
            columns = [conversion.lead or "", conversion.at or ""]
            deals = self.job.source(conversion, "conversion", columns=columns, may_be_empty=True)
            self._deal("conversion", columns[0], iter([deals]))

    def _deal(self, label: str, lead: str, blocks: Iterator[RawTable]) -> None:
        """Deal out a source by the lead of each row; rows of no lead are counted."""
        rows_of, slice_of, total = self._dealing(label), self._slice_of(self.bucket), 0
        for raw in blocks:
            row = self._leads.rows(texts(raw.column(lead), self.job.missing))
            orphans = row[row < 0]
            count_orphans(raw, orphans, lead, replace(self.job, notes=self._notes))
            rows_of.add(raw, np.where(row < 0, np.int16(-1), slice_of[row]))
            total += len(row) - len(orphans)
        if not total:
            raise NotInSlicesError("a source of which no row belongs to a lead")

    def _blocks(
        self, declared: Source, label: str, *, columns: list[str] | None, words: Sequence[str]
    ) -> Iterator[RawTable]:
        """Read a source block by block, a small one in one."""
        project = self.job.project
        files = files_of(declared.source, project)
        if any(nested_columns(file) for file in files):
            raise NotInSlicesError("nested columns")
        names = column_names(declared, project) if columns is None else columns
        found = self.job.blocks(declared, label, path=None, columns=names, words=words, rows=0)
        if found is not None:
            return found
        if sum(map(size_of, files)) >= source_blocks.WORTH_BLOCKS:
            raise NotInSlicesError(f"{label} can't be read block by block")
        return iter([self.job.source(declared, label, columns=columns)])

    def _dealing(self, label: str) -> DealtRows:
        self._dealt[label] = made = DealtRows(self.folder, label, self.slices, self.key)
        return made

    def _slice_of(self, bucket: NDArray[np.uint8]) -> Slices:
        """Find the slice of each lead: (n,) from 0."""
        past = [Part(number, self.slices).past for number in range(1, self.slices + 1)]
        return np.searchsorted(past, np.arange(BUCKETS), "right").astype(np.int16)[bucket]

    def _with_accounts(self, tables: Tables) -> Tables:
        """Number the accounts as the whole does."""
        if self._accounts is None:
            return tables
        names = pa.array(tables.display["account"].to_numpy(), pa.string())
        places = pc.index_in(names, value_set=self._accounts).fill_null(-1)
        return replace(tables, account=places.to_numpy().astype(np.int64))


@dataclass(frozen=True, slots=True)
class SliceRemarks:
    """What a reading says beside its tables; see `CrmData`."""

    notes: tuple[str, ...]
    feeds: tuple[Feed, ...]
    left_out: dict[str, str]
    observed_until: int
    whole: str = ""

    @classmethod
    def of(cls, crm: CrmData) -> SliceRemarks:
        """Take them from one reading."""
        until = crm.tables.observed_until
        return cls(crm.notes, crm.feeds, dict(crm.left_out), until, crm.whole)


@dataclass(frozen=True, slots=True)
class _JoinedTable:
    """A table that leads find by key: which of its rows each slice needs."""

    label: str
    raw: RawTable
    on: str
    keys: IdLookup
    order: Numbers
    needed: list[Numbers]  # of each block, number of the slice x rows + row

    @classmethod
    def read(cls, job: ReadJob, number: int) -> _JoinedTable:
        join = job.project.leads.join[number]
        label = f"join.{number}"
        raw = job.source(join, label)
        keys, order = unique_ids(raw, join.key or join.on, job)
        return cls(label, raw, join.on, IdLookup.of(keys), order, [])

    def note(self, leads: RawTable, slice_of: Slices, job: ReadJob) -> None:
        """Note which rows the leads of a block find."""
        row = self.keys.rows(texts(leads.column(self.on), job.missing))
        found = row >= 0
        pairs = slice_of[found].astype(np.int64) * len(self.raw) + self.order[row[found]]
        self.needed.append(np.unique(pairs))

    def deal(self, rows_of: DealtRows) -> None:
        """Give each slice the rows that its leads find, in their order."""
        rows_of.add_pairs(
            self.raw, *np.divmod(np.unique(np.concatenate(self.needed)), len(self.raw))
        )


def count_slices(project: Project, most: int) -> int:
    """Say in how many slices to read a company, at most `most`; 1 where more would save nothing.

    NotInSlicesError where it must be read whole although it is large, or its size is not known.
    """
    leads = project.leads
    sections: list[Any] = [leads, *leads.history, *leads.join, *project.events, project.conversion]
    sources = [section.source for section in sections if section.source]
    if any(map(in_database, sources)):
        raise NotInSlicesError("a source is in a database")
    try:
        size = sum(size_of(file) for source in sources for file in files_of(source, project))
    except InputError:  # reading says what is wrong
        return 1
    slices = max(1, min(most, BUCKETS, size // WORTH_A_SLICE))
    if slices > 1 and (reason := _decided_together(project)):
        raise NotInSlicesError(reason)
    return slices


def _decided_together(project: Project) -> str:
    """Name what only all leads can decide together; "" where there is nothing of the kind."""
    leads = project.leads
    reasons = {
        "no column says when leads were created": project.static,
        "leads return (reopen)": project.conversion.reopens,
        "payments ([value])": project.value.declared,
        "a flag says which leads converted": leads.converted,
        "leads with `repeated`": leads.repeated,
        "leads with `where`": leads.where,
        "leads without an id of their own": leads.id == "#row",
        "a joined table with a history": any(join.history for join in leads.join),
    }
    return next((words for words, applies in reasons.items() if applies), "")


def _words_of(section: Attributes, job: ReadJob, prefix: str = "") -> list[str]:
    """List the columns that are read as texts: all but numbers and times."""
    others: set[str | None] = {*section.known_at.values()}
    if isinstance(section, LeadsSection):
        others |= {section.created_at, section.recorded_at, section.value}
        others |= {section.disqualified_at, section.converted_at}
    numbers = {name for name, kind in job.kinds.items() if kind == "number"}
    return [
        name
        for name in column_names(section, job.project)
        if name not in others and prefix + name not in numbers
    ]


def _refuse_other_spellings(keys: pa.Array) -> None:
    """Refuse keys that may be found under another spelling: they would be in another slice."""
    if not bare_ids(keys).equals(keys):
        raise NotInSlicesError("accounts are written in several ways")
