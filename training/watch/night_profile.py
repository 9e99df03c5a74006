"""One night's data and scores -> the counts that the next night is compared with.

Counts alone: rows by hour, how often a column is missing, which levels at least five leads share
(as hashes), how many leads have each score. No lead can be found in it, so `leadscore forget` has
nothing to erase here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.asof import values_at
from data.clock import DAY
from data.feeds import Feed
from data.labels import open_snapshots
from data.reading.rep_answers import ANSWER_COLUMNS
from data.tables import Kind, Outcomes, Snapshots, Tables

NEW_DAYS: Final = 14
"""Leads created within so many days are looked at apart: a renamed level shows in them first."""
LEAST_SHARING: Final = 5
LEAST_SIZES: Final = 60
"""Numbers other than 0 from which on their median is told; that of fewer moves by chance, where a
few are very large by as much as a change of the unit."""
"""A level that fewer leads share is not kept."""
MOST_LEVELS: Final = 200
SCORE_EDGES: Final = tuple(range(5, 100, 5))


@dataclass(frozen=True, slots=True)
class ColumnCounts:
    """A column among `n` leads: how many lack a value, and how many have each kept level.

    `typical` is the median size of numbers other than 0, None for categories and for few numbers.
    `texts` names the levels by their hash; it stays in memory.
    """

    n: int
    missing: int
    levels: Mapping[str, int]
    typical: float | None
    texts: Mapping[str, str]

    @property
    def missing_share(self) -> float:
        """The share of leads without a value."""
        return self.missing / self.n if self.n else 0.0

    @property
    def uncovered(self) -> float:
        """The share of known values that are no kept level."""
        known = self.n - self.missing
        return 1 - sum(self.levels.values()) / known if known else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Write what `from_dict` reads, without a level's text."""
        kept = dict(sorted(self.levels.items()))
        return {"n": self.n, "missing": self.missing, "levels": kept, "typical": self.typical}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ColumnCounts:
        """Read the counts of a column."""
        typical = raw["typical"]
        return cls(
            int(raw["n"]),
            int(raw["missing"]),
            {str(key): int(n) for key, n in raw["levels"].items()},
            None if typical is None else float(typical),
            {},
        )


@dataclass(frozen=True, slots=True)
class NightProfile:
    """What one night looked like.

    `everyone` and `newcomers` hold the columns of all open leads and of those created within the
    last 14 days; `scores` counts open leads by score, `top_band` those with a score from `top` on.
    """

    as_of: int
    scored_at: int
    model_version: str
    feeds: tuple[Feed, ...]
    everyone: Mapping[str, ColumnCounts]
    newcomers: Mapping[str, ColumnCounts]
    scores: tuple[int, ...]
    top_band: int
    top: float

    def feed(self, name: str) -> Feed | None:
        """Find a feed by name."""
        return next((feed for feed in self.feeds if feed.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Write what `from_dict` reads."""
        return {
            "as_of": self.as_of,
            "scored_at": self.scored_at,
            "model_version": self.model_version,
            "feeds": [feed.to_dict() for feed in self.feeds],
            "everyone": {name: c.to_dict() for name, c in self.everyone.items()},
            "newcomers": {name: c.to_dict() for name, c in self.newcomers.items()},
            "scores": list(self.scores),
            "top_band": self.top_band,
            "top": self.top,
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> NightProfile:
        """Read a profile; KeyError, TypeError or ValueError where it is something else."""

        def columns(key: str) -> dict[str, ColumnCounts]:
            return {str(n): ColumnCounts.from_dict(c) for n, c in raw[key].items()}

        return cls(
            int(raw["as_of"]),
            int(raw["scored_at"]),
            str(raw["model_version"]),
            tuple(Feed.from_dict(feed) for feed in raw["feeds"]),
            columns("everyone"),
            columns("newcomers"),
            tuple(int(n) for n in raw["scores"]),
            int(raw["top_band"]),
            float(raw.get("top", 100.0)),
        )


def profile_of_night(
    tables: Tables,
    outcomes: Outcomes,
    feeds: Sequence[Feed],
    *,
    score: NDArray[np.generic],
    top: float,
    as_of: int,
    scored_at: int,
    model_version: str,
) -> NightProfile:
    """Count the open leads of `as_of` and their scores: `score` (n_open,), best band from `top`."""
    snapshots = open_snapshots(tables, outcomes, as_of)
    young = snapshots.take(newcomers_of(tables, snapshots))
    points = np.asarray(score, np.float64)
    return NightProfile(
        as_of,
        scored_at,
        model_version,
        tuple(feeds),
        dict(count_columns(tables, snapshots)),
        dict(count_columns(tables, young)),
        spread_of(points),
        int((points >= top).sum()),
        top,
    )


def spread_of(score: NDArray[np.generic]) -> tuple[int, ...]:
    """Count leads by score, in steps of five points: 20 counts."""
    steps = np.searchsorted(SCORE_EDGES, np.asarray(score, np.float64), "right")
    return tuple(np.bincount(steps, minlength=20).tolist())


def newcomers_of(tables: Tables, snapshots: Snapshots) -> NDArray[np.bool_]:
    """Mark the snapshots of leads created within the last 14 days: (n,)."""
    if tables.created_at is None:
        return np.zeros(len(snapshots), bool)
    return tables.created_at[snapshots.lead] >= snapshots.as_of - NEW_DAYS * DAY


def count_columns(tables: Tables, snapshots: Snapshots) -> Iterator[tuple[str, ColumnCounts]]:
    """Count each attribute, and owner and channel, at these snapshots."""
    for name, kind, values in watched_values(tables, snapshots):
        yield name, count_values(values, kind)


def watched_values(
    tables: Tables, snapshots: Snapshots
) -> Iterator[tuple[str, Kind, NDArray[np.generic]]]:
    """Read what a night counts: (name, kind, (n,) values as of each snapshot)."""
    for attribute in tables.attributes:
        if attribute.name in ANSWER_COLUMNS:
            continue  # a team that begins to answer breaks nothing
        yield attribute.name, attribute.kind, values_at(attribute, snapshots, tables)
    have = {attribute.name for attribute in tables.attributes}
    for role in ("owner", "channel"):
        if role in tables.display.columns and role not in have:
            yield role, "category", tables.display[role].to_numpy(object)[snapshots.lead]


def count_values(values: NDArray[np.generic], kind: str) -> ColumnCounts:
    """Count one column's values: float64, NaN where missing, or texts, None where missing."""
    absent = np.asarray(pd.isna(values), bool)
    known = values[~absent]
    if kind == "number":
        size = np.abs(known.astype(np.float64))
        size = size[size > 0]
        return ColumnCounts(
            len(values),
            int(absent.sum()),
            {},
            float(np.median(size)) if len(size) >= LEAST_SIZES else None,
            {},
        )
    counted = pd.Series(known, dtype=object).astype(str).value_counts()
    texts = {hash_of(str(level)): str(level) for level in counted.index[:MOST_LEVELS]}
    kept = counted[counted >= LEAST_SHARING].head(MOST_LEVELS)
    levels = {hash_of(str(level)): int(n) for level, n in kept.items()}
    return ColumnCounts(len(values), int(absent.sum()), levels, None, texts)


def hash_of(level: str) -> str:
    """Name a level without telling it."""
    return hashlib.blake2b(level.encode(), digest_size=6).hexdigest()
