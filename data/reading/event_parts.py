"""Declared event sources -> the rows of each, in columns, read block by block where it is large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.clock import NEVER
from data.errors import InputError
from data.private import hide_contacts
from data.reading.direction_words import side_of
from data.reading.event_columns import Coded, EventRows, columns_of, names_type, of_types
from data.reading.match_ids import match_leads
from data.reading.payments import event_amounts
from data.reading.read_job import Notes, ReadJob
from data.reading.sources import RawTable
from data.reading.values import instants, numbers, texts
from data.schema import Project
from data.schema_tables import EventsSection


def read_events(
    job: ReadJob, lead_ids: pa.Array, files: tuple[str, ...] | None = None
) -> list[EventRows]:
    """Read every event source; events without lead, time or type are left out and counted."""
    declared = job.project.events
    if files is not None and len(files) != len(declared):
        raise InputError(
            f"{len(files)} event files given, the project file has {len(declared)} sources"
        )
    return [
        _read_rows(section, f"events.{i}", job, lead_ids, files[i] if files else None)
        for i, section in enumerate(declared)
    ]


def _read_rows(
    section: EventsSection, label: str, job: ReadJob, lead_ids: pa.Array, path: str | None
) -> EventRows:
    """Read one source: block by block where it is large, else, or where that says less, whole."""
    money = job.project.value
    if not money.event:
        scoped = replace(job, notes=Notes(sums={}))
        try:
            blocks = scoped.blocks(
                section,
                label,
                path=path,
                columns=columns_of(section),
                words=text_columns(section),
                rows=len(lead_ids),  # each block looks all leads up
            )
            rows = None if blocks is None else _rows_of_blocks(blocks, section, scoped, lead_ids)
        except (InputError, ValueError, OSError, KeyError):
            rows = None  # read whole, the place of a mistake is named as it stands in the file
        if rows is not None:
            for line in (*scoped.notes.summed(), *scoped.notes.lines):
                job.notes.add(line)
            return rows
    everything = bool(money.event) and bool(money.amount or money.currency)
    columns = None if everything else columns_of(section)
    raw = job.source(section, label, path=path, columns=columns)
    gathered = GatheredEvents()
    gathered.add(_part_of(raw, section, job, lead_ids))
    return _rows_of(gathered, section, job)


def _rows_of_blocks(
    blocks: Iterator[RawTable], section: EventsSection, job: ReadJob, lead_ids: pa.Array
) -> EventRows | None:
    """Read all blocks; None where they say other things of a column than the whole would."""
    gathered = GatheredEvents()
    for raw in blocks:
        gathered.add(_part_of(raw, section, job, lead_ids))
        del raw  # before the next one is read
    if not len(gathered) or any(len(forms) > 1 for forms in job.notes.forms.values()):
        return None
    return _rows_of(gathered, section, job)


def text_columns(section: EventsSection) -> list[str]:
    """List the columns that are read as texts."""
    optional = (section.channel, section.campaign, section.person, section.direction)
    return [section.lead, *section.type, *(name for name in optional if name)]


@dataclass(frozen=True, slots=True)
class EventPart:
    """Some rows of a source that belong to a known lead and have a type and a time.

    `numbers` holds columns by name ("lead", "at", "recorded_at", "value", "amount"), `words` those
    of texts by role ("type.0", "channel", …; a fixed word has none). `types` are the combinations
    of several columns of types in all rows, left out or not, as codes: (n_columns, n).
    """

    name: str
    numbers: dict[str, NDArray[Any]]
    words: dict[str, Coded]
    types: NDArray[np.int32] | None


def _part_of(raw: RawTable, section: EventsSection, job: ReadJob, lead_ids: pa.Array) -> EventPart:
    """Turn one raw table into columns of numbers and codes."""
    lead = match_leads(raw, section.lead, lead_ids, job).astype(np.int32)
    at = instants(raw, section.at, job)
    columns: dict[str, NDArray[Any]] = {"lead": lead, "at": at}
    if section.recorded_at:
        recorded = instants(raw, section.recorded_at, job)
        columns["recorded_at"] = np.where(recorded == NEVER, at, recorded)
    words = {
        role: _coded(raw, column, job.missing)
        for role, column in _word_roles(section)
        if column is not None and not column.startswith("=")
    }
    typed = words["type.0"].codes >= 0 if "type.0" in words else np.ones(len(raw), bool)
    timeless, typeless = (at == NEVER) & (lead >= 0), ~typed & (lead >= 0)
    for mask, what in ((timeless, "without a time"), (typeless, "without a type")):
        if mask.sum() > 0.5 * len(mask):
            raise raw.mistake(f"{int(mask.sum()):,} events {what}", int(mask.argmax()), section.at)
        _count_left_out(job.notes, raw.name, what, int(mask.sum()))
    if section.value is not None:
        columns["value"] = _values(raw, section.value, job.project)
    amounts = _amounts(raw, section, words, job)
    if amounts is not None:
        columns["amount"] = amounts
    good = (lead >= 0) & (at != NEVER) & typed
    part = EventPart(raw.name, columns, words, _combinations(words, section))
    if good.all():
        return part
    return replace(
        part,
        numbers={name: values[good] for name, values in columns.items()},
        words={role: Coded(each.codes[good], each.names) for role, each in words.items()},
    )


def _count_left_out(notes: Notes, name: str, what: str, n: int) -> None:
    """Note how many events are left out."""
    notes.count(f"{name}: {what}", lambda n: f"{name}: {n:,} events {what} are left out", n)


def _combinations(words: dict[str, Coded], section: EventsSection) -> NDArray[np.int32] | None:
    """List the combinations of several columns of types; None where there is one column."""
    if len(section.type) == 1:
        return None
    n = max((len(each.codes) for each in words.values()), default=0)
    codes = {
        i: words[f"type.{i}"].codes if f"type.{i}" in words else np.zeros(n, np.int32)
        for i in range(len(section.type))
    }
    return pd.DataFrame(codes).drop_duplicates().to_numpy(np.int32).T


def _word_roles(section: EventsSection) -> list[tuple[str, str | None]]:
    """List the roles of texts, and their columns."""
    return [
        *((f"type.{i}", column) for i, column in enumerate(section.type)),
        ("channel", section.channel),
        ("campaign", section.campaign),
        ("person", section.person),
        ("direction", section.direction),
    ]


class GrowingColumn:
    """A column that grows in place, so that it is never there twice."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._values, self._n, self._owned = values, len(values), False

    def append(self, more: NDArray[Any]) -> None:
        """Put values behind the others."""
        n, needed = self._n, self._n + len(more)
        if not self._owned:
            first, self._values = self._values[:n], np.empty(n, self._values.dtype)
            self._values[:], self._owned = first, True
        if needed > len(self._values):
            self._values.resize(needed + needed // 8, refcheck=False)
        self._values[n:needed], self._n = more, needed

    def whole(self) -> NDArray[Any]:
        """Give all values; nothing is appended any more."""
        if self._owned:
            self._values.resize(self._n, refcheck=False)
        return self._values


class GatheredEvents:
    """The parts of a source so far, each column in one piece and with one code book."""

    def __init__(self) -> None:
        self.name = ""
        self.numbers: dict[str, GrowingColumn] = {}
        self._codes: dict[str, GrowingColumn] = {}
        self._books: dict[str, dict[str, int]] = {}  # names as they come first -> their codes
        self._types: list[NDArray[np.int32]] = []
        self._n = 0

    def __len__(self) -> int:
        """Count the rows."""
        return self._n

    def add(self, part: EventPart) -> None:
        """Take the rows of one more part."""
        self.name, self._n = part.name, self._n + len(part.numbers["lead"])
        types = None if part.types is None else part.types.copy()
        _append(self.numbers, part.numbers)
        codes = {}
        for role, coded in part.words.items():
            book = self._books.setdefault(role, {})
            own = [book.setdefault(name, len(book)) for name in coded.names]
            renamed = np.array([*own, -1], np.int32)
            codes[role] = renamed[coded.codes]
            if types is not None and role.startswith("type."):
                row = int(role.removeprefix("type."))
                types[row] = renamed[types[row]]
        _append(self._codes, codes)
        if types is not None:
            self._types.append(types)

    def words(self, role: str, column: str | None, extra: NDArray[np.int32] | None = None) -> Coded:
        """Give the column of a role, or its fixed word in all rows, and codes behind it."""
        if role not in self._codes:
            return _fixed_word(column, self._n + (0 if extra is None else len(extra)))
        if extra is not None:
            self._codes[role].append(extra)
        return Coded(self._codes.pop(role).whole(), tuple(self._books[role]))

    def types(self, section: EventsSection) -> Coded:
        """Give the columns of types joined; types of rows that are left out have names too."""
        rows = np.concatenate(self._types, axis=1) if self._types else None
        joined = _types(
            [
                self.words(f"type.{i}", column, None if rows is None else rows[i])
                for i, column in enumerate(section.type)
            ]
        )
        return Coded(joined.codes[: self._n], joined.names)


def _append(columns: dict[str, GrowingColumn], more: Mapping[str, NDArray[Any]]) -> None:
    """Put the columns of one more part behind those that are there."""
    for name, values in more.items():
        if name in columns:
            columns[name].append(values)
        else:
            columns[name] = GrowingColumn(values)


def _rows_of(gathered: GatheredEvents, section: EventsSection, job: ReadJob) -> EventRows:
    """Turn what was gathered of a source into its rows."""
    name, n = gathered.name, len(gathered)
    kinds = gathered.types(section)
    if len(kinds.names) > 5_000:
        raise InputError(
            f"{len(kinds.names):,} event types, at most 5,000",
            file=name,
            column=section.type[0],
            cure="name a column of types, not of ids or texts",
        )
    channel, campaign, person, said = (
        gathered.words(role, column) for role, column in _word_roles(section)[len(section.type) :]
    )
    column = {each: values.whole() for each, values in gathered.numbers.items()}
    return EventRows(
        column["lead"],
        column["at"],
        column.get("recorded_at"),
        kinds,
        channel,
        campaign,
        person,
        _directions(said, kinds, section, name, job),
        column.get("value", np.broadcast_to(np.float32(np.nan), n)),
        section,
        name,
        column.get("amount"),
    )


def _fixed_word(column: str | None, n: int) -> Coded:
    """Code a fixed word "=web", or nothing, in n rows that take no memory."""
    code = -1 if column is None else 0
    names = () if column is None else (column.removeprefix("="),)
    return Coded(np.broadcast_to(np.int32(code), n), names)


def _coded(raw: RawTable, column: str, missing: tuple[str, ...]) -> Coded:
    """Code a text column."""
    coded = texts(raw.column(column), missing).combine_chunks().dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    names = hide_contacts(pa.chunked_array([coded.dictionary])).to_pylist()
    if len(set(names)) < len(names):  # two spellings of one address have one hash
        kept = {name: code for code, name in enumerate(dict.fromkeys(names))}
        codes = np.array([*(kept[name] for name in names), -1], np.int32)[codes]
        names = [*kept]
    return Coded(codes, tuple(names))


def _types(parts: list[Coded]) -> Coded:
    """Join the type columns into one: "W_Call/START"; a missing second part is left out."""
    whole = parts[0]
    for part in parts[1:]:
        width = len(part.names) + 1
        pairs, codes = np.unique(
            whole.codes.astype(np.int64) * width + part.codes + 1, return_inverse=True
        )
        names = [
            f"{whole.names[pair // width]}/{part.names[pair % width - 1]}"
            if pair % width
            else whole.names[pair // width]
            for pair in pairs
            if pair >= 0
        ]
        codes = (codes - int((pairs < 0).sum())).astype(np.int32)
        whole = Coded(np.where(whole.codes < 0, np.int32(-1), codes), tuple(names))
    return whole


def _directions(
    said: Coded, kinds: Coded, section: EventsSection, file: str, job: ReadJob
) -> NDArray[np.int8]:
    """Tell who acts: 0 the lead, 1 sales, -1 unknown; note the words that mean neither."""
    if section.direction:
        coded = said
        table = [side_of(name) for name in coded.names]
        odd = [repr(name) for name, side in zip(coded.names, table, strict=True) if side < 0]
        if odd and not job.lenient:
            job.notes.add(
                f"{file}, column {section.direction}: {', '.join(odd[:5])} says neither "
                f'"inbound" nor "outbound": who acted is unknown there; or name the types that '
                "sales does in `outbound`, and leave `direction` out"
            )
    else:
        coded = kinds
        unknown = 0 if section.outbound else -1
        table = [1 if names_type(name, section.outbound) else unknown for name in kinds.names]
    return np.array([*table, -1], dtype=np.int8)[coded.codes]


def _values(raw: RawTable, column: str, project: Project) -> NDArray[np.float32]:
    """Read the amounts of events, NaN where there are none."""
    with np.errstate(over="ignore"):
        return numbers(raw, column, project).astype(np.float32)


def _amounts(
    raw: RawTable, section: EventsSection, words: dict[str, Coded], job: ReadJob
) -> NDArray[np.int64] | None:
    """Read what was paid with the events of `value.event`; None where there are none."""
    money = job.project.value
    if not money.event:
        return None
    kinds = _types(
        [
            words.get(f"type.{i}", _fixed_word(column, len(raw)))
            for i, column in enumerate(section.type)
        ]
    )
    paid = of_types(kinds, money.event)
    if not paid.any():
        return None
    units = event_amounts(raw, section, paid, job)
    return np.where(of_types(kinds, money.refund), -np.abs(units), units)
