"""D2 (clocks), D3, D4, D5: do project file and tables say when each value became known?"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from data.clock import HOUR, MINUTE, NEVER
from data.reading.review import ColumnReview, guess_of
from data.schema import Project
from data.tables import Tables
from training.audit.verdict import WHOLE, Verdict

MAX_SHIFT: Final = 15 * HOUR
_HOUR_TOLERANCE: Final = 2 * MINUTE


def undeclared(reviews: Iterable[ColumnReview], project: Project) -> Iterator[Verdict]:
    """D4: undeclared columns; no features in time mode, for review in static mode."""
    for review in reviews:
        if project.static:
            yield Verdict(
                review.name,
                "D4",
                "review",
                0.0,
                f"looks like {_article(review.guess)}: {review.reason}, and nothing says when it "
                "became known",
                f"if it is filled in after the lead was created: {review.line}",
            )
        else:
            yield Verdict(
                review.name,
                "D4",
                "note",
                0.0,
                f"is no feature: not declared, and looks like {_article(review.guess)}"
                + (f" ({review.reason})" if review.reason else ""),
                f"to use it as known at creation: {review.line}"
                if review.guess == "fixed"
                else f"to use it, declare known_at or a history; to leave it out: {review.line}",
            )


def _article(guess: str) -> str:
    words = {
        "fixed": "something fixed at creation",
        "mutable": "something that changes later",
        "outcome": "an outcome",
        "identity": "an identity",
    }
    return words.get(guess, f"a {guess}")


def declared(project: Project) -> Iterator[Verdict]:
    """D3: columns declared fixed whose names suggest change, and events without recorded_at."""
    if project.static:
        return
    sections = [project.leads, *project.leads.join]
    for name in (column for section in sections for column in section.fixed):
        guess, reason = guess_of(name)
        if guess in ("mutable", "outcome", "lifetime total"):
            yield Verdict(
                name,
                "D3",
                "review",
                0.0,
                f"is declared fixed at creation, but {reason}",
                "check in the CRM that it never changes; else give known_at or a history",
            )
    for number, section in enumerate(project.events):
        if section.recorded_at is None:
            yield Verdict(
                WHOLE,
                "D3",
                "note",
                0.0,
                f"events.{number} has no second clock: acts entered later with an earlier date "
                "cannot be told apart",
                "export the creation time of each record and declare it as recorded_at",
            )


def lineage(tables: Tables, project: Project) -> Iterator[Verdict]:
    """D5: nothing may read the table or the column that the label comes from."""
    source = project.conversion.source
    if source is not None:
        where = _full_path(source, project)
        readers = [
            *((f"leads.join {j.source}", j) for j in project.leads.join),
            *((f"events {e.source}", e) for e in project.events),
            *((f"leads.history {h.source}", h) for h in project.leads.history),
        ]
        for reader, section in readers:
            same = _full_path(section.source, project) == where
            if same and _same_table(project.conversion.query, section.query):
                yield Verdict(
                    reader,
                    "D5",
                    "structural",
                    1.0,
                    "reads the table that the conversions come from: being there is the outcome",
                    "leave it out; its columns exist only for those who converted",
                )
    leads = project.leads
    labels = {leads.converted_at, leads.converted, leads.disqualified_at} - {None}
    for attribute in tables.attributes:
        if attribute.name in labels:
            yield Verdict(
                attribute.name,
                "D5",
                "structural",
                1.0,
                "is the outcome itself",
                "take it out of fixed, known_at and history",
            )
    yield from _early_outcomes(tables, project)


def _early_outcomes(tables: Tables, project: Project) -> Iterator[Verdict]:
    """Find events of the types that define the outcome among the features' events."""
    events = tables.events
    ends = {*project.conversion.event, *(t for e in project.events for t in e.outcome)}
    for code, name in enumerate(events.type_names):
        count = int((events.type == code).sum()) if name in ends else 0
        if count:
            yield Verdict(
                name,
                "D5",
                "structural",
                float(count),
                f"{count} events that define the outcome stand among the features' events",
                "read the events with the project file that defines the conversion",
            )


def _full_path(path: str, project: Project) -> str:
    return os.path.normpath(os.path.join(project.folder, path)) if "://" not in path else path


def _same_table(conversions: str | None, other: str | None) -> bool:
    """Tell whether a query names the table that conversions come from; files have no query."""
    first = re.search(r'\bfrom\s+([\w."]+)', conversions or "", re.IGNORECASE)
    if first is None or other is None:
        return True
    name = first[1].replace('"', "").rpartition(".")[2]
    return re.search(rf"\b{re.escape(name)}\b", other, re.IGNORECASE) is not None


def shifted_clocks(tables: Tables) -> Iterator[Verdict]:
    """D2: events whole hours before their lead's creation, or all recorded whole hours late."""
    events, created = tables.events, tables.created_at
    if created is None or not len(events):
        return
    has = np.flatnonzero(np.diff(events.offsets) > 0)
    gap = events.at[events.offsets[has]] - created[has]
    early = gap[(gap < -20 * MINUTE) & (gap > -MAX_SHIFT)]
    if len(early) >= max(20, 0.03 * len(has)):
        hours = np.round(early / (HOUR / 2))
        near = np.abs(early - hours * HOUR / 2) <= _HOUR_TOLERANCE
        common = _mode(hours[near]) if near.any() else 0.0
        share = float((near & (hours == common)).sum() / len(early))
        if share > 0.3:
            yield Verdict(
                WHOLE,
                "D2",
                "structural",
                -common / 2,
                f"{len(early)} leads have their first event {-common / 2:g} h before they exist: a "
                "clock is read in the wrong time zone, so events of the future look past",
                "give the time zone of that source (an offset in the column, or its own timezone)",
            )
    if events.recorded_at is not None:
        lag = events.recorded_at - events.at
        lag = lag[(lag != 0) & (events.recorded_at != NEVER)]
        if len(lag) >= 50 and np.quantile(lag, 0.01) >= 55 * MINUTE:
            hours_late = float(np.round(np.quantile(lag, 0.01) / HOUR))
            middle = float(np.median(lag) - hours_late * HOUR)
            if abs(middle) <= 20 * MINUTE and hours_late <= MAX_SHIFT / HOUR:
                yield Verdict(
                    WHOLE,
                    "D2",
                    "structural",
                    hours_late,
                    f"nearly all events are recorded about {hours_late:g} h after they happened: "
                    "the two clocks are in different time zones",
                    "bring both clocks to one time zone",
                )


def _mode(values: np.ndarray) -> float:
    levels, counts = np.unique(values, return_counts=True)
    return float(levels[np.argmax(counts)])
