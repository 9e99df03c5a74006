"""A ReportView of all open leads -> pages/<run>/pages.sqlite: what the live pages read.

One row per lead, by chance, with its line and its whole page as JSON; the words by
which it is found; the pages about the company as JSON. A request opens the file, reads a few rows
and closes it. A night writes the file of its run beside the others and switches to it by one
rename, so that no reader waits; the newest few runs are kept, for pages that are still open.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote

from pydantic import TypeAdapter

from data.errors import OutsideError
from data.files import replacing, write_text
from serving.worklist.own_week import quiet_days
from serving.worklist.ranking import ListKey, key_of, orders_of
from serving.worklist.view import About, ReportView
from serving.worklist.view_lead import LeadDetail, ReportLead
from serving.worklist.view_week import Mover

KEPT: Final = 3
"""Runs that stay on the disk: a page that was opened this morning is still whole at night."""
PAGE_SIZE: Final = 32_768
"""Bytes of a page of the file: of 4,096 a lead's row left a third empty."""
FILE: Final = "pages.sqlite"
NEWEST: Final = "newest"
CHOICES: Final = ("owner", "team", "stage", "source", "band", "trend")
"""Columns by which the list is filtered."""
LONGEST: Final = 200
"""Characters of a value by which the list can be narrowed."""
_NAMING: Final = (("bodies", "place", ("line", "detail", "mover")), ("company", "page", ("json",)))
"""Where JSON is that may name leads: table, key, columns."""
_TABLES: Final = """
create table leads (
    place integer primary key, lead_id text not null unique, owner text not null, team text,
    source text, stage text, band text, trend text, rule text, score integer, probability real,
    counted real,
    changed integer, last_touch_at text, quiet_days integer, called integer,
    missed integer not null, moved integer, answered integer not null, ended integer not null,
    by_value integer, by_urgency integer, by_change integer, by_company integer, by_name integer
) strict;
create table lanes (owner text not null, lane text not null, place integer not null,
    since text not null, answered integer not null,
    primary key (owner, lane, place)) without rowid, strict;
create table bodies (place integer primary key, line blob not null, detail blob, mover blob) strict;
create table words (word text not null, place integer not null, primary key (word, place))
without rowid, strict;
create table choices (kind text not null, value text not null, owner text not null,
    primary key (kind, value, owner)) without rowid, strict;
create table made (at integer not null) strict;
create table texts (name text primary key, html blob not null) strict, without rowid;
create table company (page text primary key, json blob not null) strict, without rowid;
"""
_INDEXES: Final = """
create index lanes_by_lane on lanes (lane, place, owner, since, answered);
create index leads_by_owner on leads
    (owner, place, rule, answered, ended, changed,
    by_value, by_urgency, by_change, by_company, by_name);
create index leads_off_list on leads (owner, place) where (rule is not null or answered or ended);
create index leads_by_call on leads (called) where called is not null;
create index leads_by_move on leads (owner, moved) where moved is not null;
"""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredSize:
    """What a run's pages take: leads, bytes on the disk."""

    leads: int
    bytes: int

    def __str__(self) -> str:
        """Say it in a line."""
        each = self.bytes / max(self.leads, 1) / 1000
        return (
            f"live pages of {self.leads:,} leads: {self.bytes / 1e6:,.1f} MB, {each:,.1f} kB each"
        )


def write_pages(
    folder: Path,
    view: ReportView,
    leads: Iterable[ReportLead],
    *,
    made_at: int,
    texts: Mapping[str, str] = MappingProxyType({}),
) -> StoredSize:
    """Write the pages of a run and switch to them; `leads` are all open leads, each with detail.

    They are read one after the other, by chance, and none is kept. One that an answer keeps off
    the list has its place among the others: it is read again once that is taken back.

    `made_at` is in microseconds UTC; `texts` are pages that are whole already. Pages of an earlier
    moment than those that are shown are kept, not switched to.
    """
    run_id = view.about.run_id
    path = folder / quote(run_id, safe="") / FILE
    with replacing(path) as part, closing(sqlite3.connect(part)) as connection:
        connection.execute(f"pragma page_size = {PAGE_SIZE}")
        connection.execute("pragma journal_mode = off")  # the file is new: a failed one is deleted
        connection.execute("pragma synchronous = off")  # `replacing` brings it to the disk
        connection.executescript(_TABLES)
        count = _insert_leads(connection, view, leads)
        connection.executescript(_INDEXES)
        _insert_company(connection, view)
        connection.execute("insert into made values (?)", (made_at,))
        for name, html in texts.items():
            row = (name, zlib.compress(html.encode("utf-8", "replace")))
            connection.execute("insert into texts values (?, ?)", row)
        connection.commit()
    shown = newest_run(folder)
    if shown is None or _as_of(folder, shown) <= view.about.as_of:
        write_text(folder / NEWEST, run_id)
    _remove_old(folder)
    return StoredSize(count, path.stat().st_size)


def newest_run(folder: Path) -> str | None:
    """Name the run whose pages are shown; None where there are none."""
    try:
        run_id = (folder / NEWEST).read_text(encoding="utf-8")
    except OSError:
        return None
    return run_id if run_file(folder, run_id).is_file() else None


def made_at(folder: Path, run_id: str) -> int:
    """Say when the pages of a run were made, in microseconds UTC."""
    with opened_pages(run_file(folder, run_id)) as connection:
        moment: int = connection.execute("select at from made").fetchone()[0]
    return moment


def run_file(folder: Path, run_id: str) -> Path:
    """Give the file of a run's pages; a run's name never leads out of the folder."""
    return folder / quote(run_id, safe="") / FILE


def forget_pages(folder: Path, lead_id: str) -> int:
    """Erase a lead from the pages of every run; returns in how many rows and pages it was named.

    Others' pages that name it (a similar lead, a colleague) are written again without it.
    """
    return sum(_forget_in(path, lead_id) for path in sorted(folder.glob(f"*/{FILE}")))


@contextmanager
def opened_pages(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the pages of a run for reading; OutsideError where they cannot be."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as found:
            yield found
    except sqlite3.Error as error:
        raise OutsideError(f"{path}: {error}", cure="run leadscore report again") from None


def packed(value: object, kind: type) -> bytes:
    """Write a value of the view as compressed JSON; a lone surrogate becomes a question mark."""
    plain = _adapter(kind).dump_python(value)
    return zlib.compress(json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace"), 6)


def unpacked(data: bytes, kind: type[T]) -> T:
    """Read a value of the view."""
    value: T = _adapter(cast(Any, kind)).validate_json(zlib.decompress(data))
    return value


@lru_cache(maxsize=32)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def folded_words(*texts: str | None) -> list[str]:
    """Split texts into the words by which they are found: no case, no accents, "'" joins.

    >>> folded_words("Société d'Été", "L-0042", "ann@acme.com")
    ['societe', 'd', 'ete', "d'ete", 'l', '0042', 'l-0042', 'ann', 'acme', 'com', 'ann@acme.com']
    """
    found: dict[str, None] = {}
    for text in texts:
        plain = unicodedata.normalize("NFKD", (text or "")[:500])
        folded = "".join(c for c in plain if not unicodedata.combining(c)).casefold()
        for whole in folded.split():
            parts = re.findall(r"\w+", whole)
            trimmed = whole.strip("\"'()[]{}<>,;:!?")
            found |= dict.fromkeys(parts)
            if len(parts) > 1 and trimmed:
                found[trimmed] = None
    return [word.encode("utf-8", "replace").decode() for word in found]


def _insert_leads(
    connection: sqlite3.Connection, view: ReportView, leads: Iterable[ReportLead]
) -> int:
    called = {lead_id: place for place, lead_id in enumerate(view.week.calls)}
    missed = {miss.lead_id: miss.days for miss in view.week.missed}
    movers = {m.lead_id: m for m in (*view.movers.rises, *view.movers.falls)} if view.movers else {}
    keys: list[ListKey] = []
    count = 0
    for place, lead in enumerate(leads):
        mover = movers.get(lead.lead_id)
        days = missed.get(lead.lead_id, quiet_days(lead, view.about.as_of))
        row = (
            place,
            *(_text(text) for text in (lead.lead_id, lead.owner, lead.team or None, lead.source)),
            *(_text(text) for text in (lead.stage, lead.band, lead.trend, lead.rule)),
            *(lead.score, lead.probability, lead.counted),
            *(lead.change, lead.last_touch_at, days),
            *(called.get(lead.lead_id), int(lead.lead_id in missed)),
            None if mover is None else mover.new - mover.old,
            *(int(lead.standing is not None), int(lead.ended is not None)),
            *([place] * 5),  # until all are there
        )
        keys.append(key_of(replace(lead, standing=None)))  # an answer may be taken back
        body = (
            place,
            packed(replace(lead, detail=None), ReportLead),
            None if lead.detail is None else packed(lead.detail, LeadDetail),
            None if mover is None else packed(mover, Mover),
        )
        connection.execute(f"insert into leads values ({', '.join('?' * len(row))})", row)  # noqa: S608
        connection.execute("insert into bodies values (?, ?, ?, ?)", body)
        connection.executemany(
            "insert or ignore into lanes values (?, ?, ?, ?, ?)", _lanes(lead, place)
        )
        named = (lead.person, lead.name, lead.company, lead.title, lead.owner, lead.email)
        words = folded_words(lead.lead_id, *named)
        connection.executemany("insert into words values (?, ?)", [(w, place) for w in words])
        count += 1
    connection.executemany(
        "update leads set by_value = ?, by_urgency = ?, by_change = ?, by_company = ?, by_name = ?"
        " where place = ?",
        zip(*_places(keys), range(count), strict=True),
    )
    for kind in CHOICES:
        connection.execute(
            f"insert into choices select distinct '{kind}', {kind}, owner from leads"  # noqa: S608
            f" where {kind} is not null and length({kind}) <= {LONGEST}"
        )
    connection.execute(
        "insert into choices select distinct 'lane', lane, owner from lanes where not answered"
    )
    return count


def _lanes(lead: ReportLead, place: int) -> list[tuple[str | None, str, int, str, int]]:
    """Give the rows of the lanes that a lead stands in, or does once its answer is taken back."""
    if lead.rule is not None:
        return []
    since: list[tuple[str, str]] = [(entry.lane, entry.since) for entry in lead.lanes]
    if lead.back is not None:
        since.append(("back", lead.back.back_at))
    answered = int(lead.standing is not None)
    return [(_text(lead.owner), lane, place, moment, answered) for lane, moment in since]


def _places(keys: Sequence[ListKey]) -> list[list[int]]:
    """Number the leads in each order of the list but the first."""
    ordered = orders_of(keys)
    places = []
    for order in ("value", "urgency", "change", "company", "name"):
        numbers = [0] * len(keys)
        for number, place in enumerate(ordered[order]):
            numbers[place] = number
        places.append(numbers)
    return places


def _insert_company(connection: sqlite3.Connection, view: ReportView) -> None:
    """Keep the pages about the company; what they say of single leads is in the leads' rows."""
    pages: list[object] = [
        view.about,
        replace(view.week, calls=(), missed=()),
        view.movers and replace(view.movers, rises=(), falls=()),
        view.funnel,
        view.forecast,
        view.trust,
        view.experiment,
        view.value and replace(view.value, expected={}),
    ]
    for page in pages:
        if page is not None:
            row = (type(page).__name__, packed(page, type(page)))
            connection.execute("insert into company values (?, ?)", row)


def _text(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "replace").decode()


def _as_of(folder: Path, run_id: str) -> str:
    with opened_pages(run_file(folder, run_id)) as connection:
        row = connection.execute("select json from company where page = 'About'").fetchone()
    return unpacked(row[0], About).as_of


def _remove_old(folder: Path) -> None:
    """Remove all runs but the newest few and the one that is shown."""
    shown = newest_run(folder)
    files = sorted(folder.glob(f"*/{FILE}"), key=lambda path: path.stat().st_mtime_ns)
    kept = {*files[-KEPT:], *([] if shown is None else [run_file(folder, shown)])}
    for path in files:
        if path not in kept:
            shutil.rmtree(path.parent, ignore_errors=True)


def _forget_in(path: Path, lead_id: str) -> int:
    erased = 0
    with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        connection.execute("pragma secure_delete = on")  # freed pages keep nothing of the lead
        found = connection.execute("select place from leads where lead_id = ?", (lead_id,))
        for (place,) in found.fetchall():
            for table in ("words", "lanes", "bodies", "leads"):
                connection.execute(f"delete from {table} where place = ?", (place,))  # noqa: S608
            erased += 1
        mark = json.dumps(lead_id, ensure_ascii=False).encode("utf-8", "replace")
        for table, key, columns in _NAMING:
            for column in columns:
                rows = connection.execute(f"select {key}, {column} from {table}")  # noqa: S608
                named = [row[0] for row in rows if row[1] and mark in zlib.decompress(row[1])]
                for place in named:
                    (data,) = connection.execute(
                        f"select {column} from {table} where {key} = ?",  # noqa: S608
                        (place,),
                    ).fetchone()
                    text = zlib.decompress(data)
                    kept = json.dumps(without_lead(json.loads(text), lead_id), ensure_ascii=False)
                    connection.execute(
                        f"update {table} set {column} = ? where {key} = ?",  # noqa: S608
                        (zlib.compress(kept.encode()), place),
                    )
                    erased += 1
    return erased


def without_lead(value: Any, lead_id: str) -> Any:
    """Take a lead out of a JSON value: its entries in lists, its key in tables.

    >>> without_lead({"similar": [{"lead_id": "a"}, {"lead_id": "b"}], "calls": ["a"]}, "a")
    {'similar': [{'lead_id': 'b'}], 'calls': []}
    """
    if isinstance(value, list):
        return [without_lead(each, lead_id) for each in value if not _is_lead(each, lead_id)]
    if isinstance(value, dict):
        return {k: without_lead(each, lead_id) for k, each in value.items() if k != lead_id}
    return value


def _is_lead(value: object, lead_id: str) -> bool:
    return value == lead_id or (isinstance(value, dict) and value.get("lead_id") == lead_id)
