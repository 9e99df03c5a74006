"""Leads as of a moment -> the named facts that a rule may use, each computed when it is asked for.

In order of precedence: score, band, probability, percentile; declared attributes; the answers
need, budget, authority, timing with `<answer>_known` and `n_bant_known`; feature columns;
counts of any event type, `n_<event>_<days>d`, `n_<event>` (ever), `days_since_<event>`;
`age_days`; `times_closed`, `days_since_closed`, `closed_because` where closed leads can come back;
what the report shows of a lead (channel, email, title, owner, value).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from data.asof import values_at
from data.clock import Micros
from data.durations import DAY
from data.schema import Project
from data.tables import Episodes, Snapshots, Tables
from features.catalogue import slug
from features.frame import FeatureFrame
from serving.qualify.bant import QUESTIONS, Bant, read_bant

PAST: Final = ("times_closed", "days_since_closed", "closed_because")
"""What is known of a lead that came back: its earlier episodes."""
SCORED: Final = ("score", "band", "probability", "percentile")
_SHOWN: Final = ("name", "owner", "channel", "email", "title", "value")
_COUNT: Final = re.compile(r"n_(\w+?)(?:_(\d+)d|_ever)?")
_SINCE: Final = re.compile(r"days_since_(\w+)")


class RuleFacts(Mapping[str, object]):
    """The facts of n snapshots; `facts[name]` is (n,), kept once computed.

    Counts exist for any window; iteration names those of 30 days as examples.
    """

    def __init__(
        self,
        tables: Tables,
        snapshots: Snapshots,
        project: Project,
        *,
        features: FeatureFrame | None = None,
        scored: Mapping[str, object] | pd.DataFrame | None = None,
    ) -> None:
        self.tables, self.snapshots, self.project = tables, snapshots, project
        self._features = features
        columns = () if features is None else features.catalogue.features
        self._types = event_slugs(tables, project)
        self._columns = frozenset(  # where a type has two spellings, a column counts one of them
            column.name
            for column in columns
            if len(self._types.get(counted_type(column.name) or "", ())) < 2
        )
        self._cells: pd.DataFrame | None = None  # the columns, once a rule reads one
        self._scored = scored
        self._bant: Bant | None = None
        self._kept: dict[str, object] = {}

    @property
    def bant(self) -> Bant:
        """Answer need, budget, authority and timing as of each snapshot."""
        if self._bant is None:
            section = self.project.qualification.bant
            self._bant = read_bant(self.tables, self.snapshots, section)
        return self._bant

    def add(self, name: str, values: object) -> None:
        """Add a fact that was computed elsewhere: the ICP match, a level."""
        self._kept[name] = values

    def __iter__(self) -> Iterator[str]:
        counts = (name for word in self._types for name in (f"n_{word}_30d", f"n_{word}"))
        since = (f"days_since_{word}" for word in self._types)
        return iter(sorted({*self._plain(), *counts, *since, *self._kept}))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (
            name in self._kept or name in self._plain() or self._event_fact(name) is not None
        )

    def __getitem__(self, name: str) -> object:
        """Compute one fact, once; KeyError where there is none."""
        if name not in self._kept:
            self._kept[name] = self._compute(name)
        return self._kept[name]

    def _plain(self) -> set[str]:
        names = {attribute.name for attribute in self.tables.attributes}
        names |= {"age_days"} if self.tables.created_at is not None else set()
        names |= set(PAST) if self.tables.episodes is not None else set()
        names |= {column for column in _SHOWN if column in self.tables.display.columns}
        names |= {*QUESTIONS, "n_bant_known"} | {f"{question}_known" for question in QUESTIONS}
        names |= self._columns
        if self._scored is not None:
            names |= {name for name in SCORED if name in self._scored}
        return names

    def _compute(self, name: str) -> object:
        if self._scored is not None and name in SCORED and name in self._scored:
            return np.asarray(self._scored[name])
        if any(attribute.name == name for attribute in self.tables.attributes):
            return values_at(self.tables.attribute(name), self.snapshots, self.tables)
        if name == "n_bant_known":
            return self.bant.n_known
        for position, question in enumerate(QUESTIONS):
            if name == question:
                return self.bant.values[:, position]
            if name == f"{question}_known":
                return self.bant.known[:, position]
        if self._features is not None and name in self._columns:
            if self._cells is None:
                self._cells = self._features.to_pandas()
            return self._cells[name]
        if name in PAST and self.tables.episodes is not None:
            return self._of_past(self.tables.episodes.take(self.snapshots.lead), name)
        event_fact = self._event_fact(name)
        if event_fact is not None:
            return event_fact()
        if name == "age_days" and self.tables.created_at is not None:
            age = self.snapshots.as_of - self.tables.created_at[self.snapshots.lead]
            return age / DAY
        return self.tables.display[name].to_numpy()[self.snapshots.lead]

    def _of_past(self, past: Episodes, name: str) -> object:
        """Read what is known of the episodes before: (n,), missing in a first one."""
        if name == "times_closed":
            return past.number - 1
        if name == "closed_because":
            return past.reason
        first = past.number == 1
        days = (self.snapshots.as_of - np.where(first, 0, past.closed_at)) / DAY
        return np.where(first, np.nan, days)

    def _event_fact(self, name: str) -> Callable[[], object] | None:
        """Find the computation of a count or a recency of one event type, None if it is neither."""
        count, since = _COUNT.fullmatch(name), _SINCE.fullmatch(name)
        if count is not None and count[1] in self._types:
            window = int(count[2]) * DAY if count[2] else None
            codes = self._types[count[1]]
            return lambda: count_events(self.tables, self.snapshots, codes, window)
        if since is not None and since[1] in self._types:
            codes = self._types[since[1]]
            return lambda: days_since(self.tables, self.snapshots, codes)
        return None


def event_slugs(tables: Tables, project: Project) -> dict[str, tuple[int, ...]]:
    """Map the name part of every event type to the codes of its spellings ("Call", "call").

    Types declared but not yet seen have none. Declared are those that the project file names:
    outbound types and labelled ones.
    """
    declared = list(project.report.labels)
    for source in project.events:
        declared += source.outbound
        declared += [name[1:] for name in source.type if name.startswith("=")]
    codes: dict[str, tuple[int, ...]] = {slug(name): () for name in declared}
    for code, name in enumerate(tables.events.type_names):
        codes[slug(name)] = (*codes.get(slug(name), ()), code)
    return codes


def with_types_counted(tables: Tables, project: Project, names: Iterable[str]) -> Tables:
    """Add the event types that facts `names` count to those of a few leads, who may have none.

    Among all leads of a company a type that nobody has is a mistake in the rule; among one it
    counts as 0.
    """
    names = set(names) - set(PAST)
    found = [each for name in names for each in (_COUNT.fullmatch(name), _SINCE.fullmatch(name))]
    known = event_slugs(tables, project)
    types = sorted({each[1] for each in found if each is not None} - set(known))
    if not types:
        return tables
    events = replace(tables.events, type_names=(*tables.events.type_names, *types))
    return replace(tables, events=events)


def counted_type(name: str) -> str | None:
    """Name the event type that a fact counts or dates; None where it is of no event."""
    found = _COUNT.fullmatch(name) or _SINCE.fullmatch(name)
    return None if found is None else found[1]


def known_before(
    tables: Tables, snapshots: Snapshots, codes: tuple[int, ...]
) -> tuple[Micros, Micros]:
    """List events of these types known strictly before as_of: (snapshot row, at) of each."""
    events = tables.events.keep(np.isin(tables.events.type, codes))
    known = events.take(snapshots.lead).as_of(snapshots.as_of)
    return known.lead, known.at


def count_events(
    tables: Tables, snapshots: Snapshots, codes: tuple[int, ...], window: int | None
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Count a lead's events of some types in the window (microseconds) before as_of: (n,)."""
    row, at = known_before(tables, snapshots, codes)
    if window is not None:
        row = row[at >= snapshots.as_of[row] - window]
    return np.bincount(row, minlength=len(snapshots)).astype(np.int64)


def days_since(
    tables: Tables, snapshots: Snapshots, codes: tuple[int, ...]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Count the days since the last event of some types: (n,), NaN where there was none."""
    row, at = known_before(tables, snapshots, codes)
    last = np.full(len(snapshots), np.iinfo(np.int64).min, dtype=np.int64)
    np.maximum.at(last, row, at)
    seen = last > np.iinfo(np.int64).min
    gap = np.where(seen, snapshots.as_of - np.where(seen, last, 0), 0) / DAY
    return np.where(seen, gap, np.nan)
