"""Several tables -> which one has a row for each lead, and which columns of others name leads."""

from __future__ import annotations

import re
from typing import Final

import pandas as pd

from data.sketch.looks import ColumnLook, FileLook, overlap
from data.sketch.outcomes import lead_outcomes
from data.sketch.vocabulary import (
    CHANGED_NAME,
    CLOSED_NAME,
    CREATED_NAME,
    DEALS_NAME,
    EVENT_ROLES,
    EVENTS_NAME,
    ID_NAME,
    LEADS_NAME,
    OTHERS_NAME,
    PERSON_KEY,
    RECORDED,
    TYPE_NAME,
    speaks_of,
)

_NEARLY: Final = 0.95
"""Share of rows with an id of their own from which a table with repeats still holds leads."""
_HALF: Final = 0.5
"""The same where repeats have one date: an export joined with contacts, and no log."""
_FEWEST: Final = 20
"""Rows from which repeats are told from chance."""


def find_leads(looks: list[FileLook]) -> tuple[FileLook, ColumnLook] | None:
    """Find the table with one row per lead and its id column; None where no column is an id."""
    best: tuple[float, FileLook, ColumnLook] | None = None
    for look in looks:
        table = _points_of_table(look)
        others = [other for other in looks if other is not look]
        first = next(iter(look.columns.values()))
        for column in look.of_kind("text", "number"):
            if not names_rows(column, look):
                continue
            named_id = bool(re.search(ID_NAME, column.name.lower()))
            leading = column is first or speaks_of(column.name, LEADS_NAME)
            serial = leading and is_serial(column)
            referring = [other for other in others if lead_column(other, column) is not None]
            counted = column.kind == "number" and not named_id and _small(column, look)
            if counted and not serial and not referring:
                continue
            if not (column.unique or named_id or serial or referring):
                continue
            points = table + 1.5 * named_id + 1.0 * serial - 0.5 * (not column.unique)
            points += sum(_refers(other, column) for other in referring)
            points += 0.001 * column.distinct / max(1, max(x.rows for x in looks))
            if best is None or points > best[0]:
                best = (points, look, column)
    return best[1:] if best else None


def names_rows(column: ColumnLook, look: FileLook) -> bool:
    """Tell whether a column names the rows of a table, but for a few blanks and rows there twice.

    In a log a name repeats at other times; in a table of leads it repeats with the same date.
    """
    if column.unique:
        return True
    known = column.filled * look.rows
    if column.filled < _NEARLY or column.distinct < max(_FEWEST, _HALF * known):
        return False
    return column.distinct >= _NEARLY * known or any(
        c.distinct >= _FEWEST and _one_moment_each(column, c) for c in look.of_kind("time")
    )


def _one_moment_each(names: ColumnLook, times: ColumnLook) -> bool:
    """Tell whether the rows of a name have one moment, nearly always where a name repeats."""
    rows = pd.DataFrame({"name": names.texts(), "at": times.times()})
    moments = rows.groupby("name")["at"].agg(["size", "nunique"])
    return bool((moments["nunique"] == 1)[moments["size"] > 1].mean() >= _NEARLY)


def is_serial(column: ColumnLook) -> bool:
    """Tell whether a column counts the rows of a table: whole numbers with hardly a gap."""
    words = column.words()
    if column.kind != "number" or len(words) < _FEWEST or column.filled < _NEARLY:
        return False
    if not all(re.fullmatch(r"\d{1,15}", word) for word in words):
        return False
    numbers = [int(word) for word in words]
    dense = max(numbers) - min(numbers) < len(numbers) / _NEARLY
    rows = 0 if column.cells is None else len(column.cells)
    return dense and len(numbers) >= _NEARLY * column.filled * rows


def _small(column: ColumnLook, look: FileLook) -> bool:
    """Tell whether numbers are broken or no larger than a few times the rows, as quantities are."""
    words = column.words()[:200]
    broken = any(not word.strip().isdecimal() for word in words)
    return broken or max(int(word) for word in words) < 10 * look.rows


def _points_of_table(look: FileLook) -> float:
    """Score how much a table is one of leads: its name, a date of creation, an outcome."""
    points = 2.0 * bool(re.search(LEADS_NAME, look.stem))
    points -= 2.0 * bool(re.search(DEALS_NAME, look.stem))
    points -= 2.0 * bool(re.search(OTHERS_NAME, look.stem) and not re.search(LEADS_NAME, look.stem))
    points += 2.0 * any(c.filled > 0.4 for c in look.of_kind("time"))
    surest = max((outcome.points for outcome in lead_outcomes(look)), default=0.0)
    return points + (3.0 if surest >= 5.5 else 1.0 if surest >= 2.0 else 0.0)


def _refers(look: FileLook, ids: ColumnLook) -> float:
    """Score how a file refers to these ids: 0 not at all, 1 once each or undated, 2 repeatedly."""
    column = lead_column(look, ids)
    if column is None:
        return 0.0
    return 2.0 if not column.unique and look.of_kind("time") else 1.0


def row_ids(looks: list[FileLook]) -> tuple[FileLook, ColumnLook]:
    """Take the rows of the likeliest file as leads, where no column is an id."""
    look = max(looks, key=lambda x: max((o.points for o in lead_outcomes(x)), default=0.0))
    column = next(iter(look.columns.values()))
    return look, ColumnLook("#row", "number", 1.0, look.rows, True, column.values[:0])


def find_events_alone(looks: list[FileLook]) -> tuple[FileLook, ColumnLook] | None:
    """Find a log of events to which no table of leads belongs: (log, column of leads); else None.

    Its rows name a person several times each, have a time and a type, and no other file has the
    person in one row of its own.
    """
    for look in looks:
        times, log = look.of_kind("time"), bool(re.search(EVENTS_NAME, look.stem))
        full = any(c.filled == 1.0 for c in times)
        if not full or re.search(DEALS_NAME, look.stem) or (len(times) > 1 and not log):
            continue
        columns = look.of_kind("text", "number")
        key = PERSON_KEY if any(speaks_of(c.name, PERSON_KEY) for c in columns) else ID_NAME
        for column in columns:
            repeats = 20 <= column.distinct < 0.6 * look.rows and column.filled == 1.0
            person = speaks_of(column.name, key) and "name" not in column.name.lower()
            kind = event_type(look, column) if repeats and person else None
            if kind is None or not (log or speaks_of(kind.name, TYPE_NAME)):
                continue
            own = (
                c
                for other in looks
                if other is not look
                for c in other.of_kind("text", "number")
                if overlap(column, c) > 0.5 and names_rows(c, other)
            )
            if kind.distinct <= 200 and not any(own):
                return look, column
    return None


def lead_column(look: FileLook, ids: ColumnLook) -> ColumnLook | None:
    """Find the column of a file that holds lead ids.

    Small whole numbers are in many columns: there the name must speak of an id as well.
    """
    small = all(len(word) <= 4 and word.isdecimal() for word in ids.words()[:200])
    fitting = []
    for column in look.of_kind("text", "number"):
        same = column.name == ids.name
        id_like = same or speaks_of(column.name, ID_NAME) or speaks_of(column.name, PERSON_KEY)
        share = 0.0 if small and not id_like else overlap(column, ids)
        if share > 0.5 and (same or column.distinct > 20 or column.unique):
            fitting.append((same, round(share, 2), id_like, column.distinct, column))
    return max(fitting, key=lambda item: item[:4])[4] if fitting else None


def find_key(
    look: FileLook, leads: FileLook, ids: ColumnLook
) -> tuple[ColumnLook, ColumnLook] | None:
    """Find by which column of the leads a file is joined, and by which of its own."""
    keys = [key for key in look.of_kind("text", "number") if key.unique]
    pairs = [
        (column.name == key.name, overlap(column, key), column, key)
        for key in keys
        for column in leads.of_kind("text", "number")
        if column is not ids or lead_column(look, ids) is key
    ]
    fitting = [pair for pair in pairs if pair[1] > 0.5 and (pair[0] or pair[2].kind == "text")]
    fitting += [pair for pair in pairs if pair[2] is ids and pair[1] > 0.5]
    return max(fitting, key=lambda pair: pair[:2])[2:] if fitting else None


def event_type(look: FileLook, ids: ColumnLook) -> ColumnLook | None:
    """Find the column that says what kind of event it was."""
    lead = lead_column(look, ids)
    words = [
        c
        for c in look.of_kind("text")
        if c is not lead and c is not ids and 1 < c.distinct <= min(500, max(2, look.rows // 3))
    ]
    words = [c for c in words if not any(_comes_before(c, other) for other in words)]
    words = [c for c in words if not speaks_of(c.name, EVENT_ROLES["direction"])] or words
    return named(words, TYPE_NAME) or min(words, key=lambda c: c.distinct, default=None)


def _comes_before(old: ColumnLook, new: ColumnLook) -> bool:
    """Tell whether a column holds what another held before: its words, but not those of the end."""
    words = set(old.words())
    return old.filled <= new.filled and old.distinct < new.distinct and words < set(new.words())


def is_deals(look: FileLook, ids: ColumnLook) -> bool:
    """Tell opportunities and purchases from events: by the file's name, or as nothing has types."""
    if re.search(EVENTS_NAME, look.stem):
        return False
    return bool(re.search(DEALS_NAME, look.stem)) or event_type(look, ids) is None


def child_time(look: FileLook) -> ColumnLook:
    """Find when the row of a referring table came to be."""
    times = look.of_kind("time")

    def points(column: ColumnLook) -> float:
        return (
            column.filled
            + 1.0 * speaks_of(column.name, CREATED_NAME)
            - 2.0 * speaks_of(column.name, CHANGED_NAME)
            - 0.5 * speaks_of(column.name, CLOSED_NAME)
            - 2.0 * speaks_of(column.name, RECORDED)
        )

    return max(times, key=points)


def named(columns: list[ColumnLook], pattern: str) -> ColumnLook | None:
    """Find the first column whose name fits."""
    return next((c for c in columns if speaks_of(c.name, pattern)), None)
