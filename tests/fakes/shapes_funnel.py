"""A seeded funnel of leads, and what a shape made of it holds: files as bytes, and the truth.

A shape is a function from a funnel to a `ShapeCase`. The truth says which leads converted, not
how a project file must say so: any project file that reads the same leads as converted is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Files = dict[str, bytes]

END = pd.Timestamp("2024-08-31 18:00")
SOURCES = ("Organic search", "Paid social", "Referral", "Trade fair", "Direct")
INDUSTRIES = ("Retail", "Software", "Banking", "Construction")
COUNTRIES = ("Italy", "France", "Germany", "Spain", "United Kingdom")
FIRST = ("Anna", "Luca", "Marie", "Jürgen", "Zoë", "Paul", "Sofía", "Omar", "Kai", "Nora")
LAST = ("Rossi", "Müller", "Dupont", "García", "Smith", "Bianchi", "Weber", "Okafor", "Lindqvist")
REPS = ("Dana Cole", "Ivan Petrov", "Mei Tan", "Ruth Adler")


@dataclass(frozen=True, slots=True)
class Truth:
    """What a project file for the case must come to.

    `converted` are the ids that converted; `kept` the ids that can be learnt from (None: all);
    `roles` says what each file is: leads, events, join, history, conversion or unused. `answers`
    are dotted keys with which a person answers a CHOOSE line that was guessed wrongly.
    """

    leads: str
    id: str
    created: str | None
    converted: frozenset[str]
    roles: Mapping[str, str]
    kept: frozenset[str] | None = None
    encodings: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShapeCase:
    """The files of a shape in the order in which they are given, and the truth about them."""

    files: Files
    truth: Truth


@dataclass(frozen=True, slots=True)
class Funnel:
    """Leads as they went: created, won, lost (NaT where not), and who they are."""

    rng: np.random.Generator
    created: pd.Series
    won: pd.Series
    lost: pd.Series
    source: NDArray[np.object_]
    industry: NDArray[np.object_]
    country: NDArray[np.object_]
    size: NDArray[np.int64]
    first: NDArray[np.object_]
    last: NDArray[np.object_]
    company: NDArray[np.object_]
    email: NDArray[np.object_]
    owner: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.created)

    @property
    def closed(self) -> pd.Series:
        """The moment of winning or losing."""
        return self.won.fillna(self.lost)

    def pick(self, words: tuple[str, ...]) -> NDArray[np.object_]:
        """Draw a word for each lead."""
        return self.rng.choice(np.array(words, object), len(self))

    def stage(self, won: str, lost: str, open_stages: tuple[str, ...]) -> NDArray[np.object_]:
        """Name the stage of today."""
        return np.where(
            self.won.notna(), won, np.where(self.lost.notna(), lost, self.pick(open_stages))
        ).astype(object)

    def winners(self, ids: NDArray[np.object_] | list[str]) -> frozenset[str]:
        """Take the ids of those who won."""
        return frozenset(np.asarray(ids, object)[self.won.notna().to_numpy()].tolist())

    def close_or_expected(self) -> pd.Series:
        """The closing date of the closed, an expected one of the open ones."""
        ahead = pd.to_timedelta(self.rng.integers(5, 60, len(self)), unit="D")
        return self.closed.fillna(pd.Series(END + ahead))

    def acts(self, kinds: tuple[str, ...], per_lead: float = 3.0) -> pd.DataFrame:
        """Draw acts of the leads while they are open: columns lead (row), at, kind."""
        end = self.closed.fillna(END)
        n = self.rng.poisson(per_lead, len(self)) + 1
        lead = np.repeat(np.arange(len(self)), n)
        part = self.rng.random(len(lead))
        span = (end - self.created).to_numpy()[lead]
        at = self.created.to_numpy()[lead] + (span * part).astype("m8[s]") + np.timedelta64(1, "s")
        frame = pd.DataFrame({"lead": lead, "at": at, "kind": self.rng.choice(kinds, len(lead))})
        return frame.sort_values("at", kind="stable").reset_index(drop=True)


def make_funnel(seed: int, n: int = 400) -> Funnel:
    """Draw a funnel: leads of 17 months, seen until 31 August 2024."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2023-01-02")
    created = pd.Series(start + pd.to_timedelta(np.sort(rng.integers(0, 510 * 86400, n)), unit="s"))
    source = rng.choice(np.array(SOURCES, object), n)
    industry = rng.choice(np.array(INDUSTRIES, object), n)
    size = np.exp(rng.normal(4, 1.2, n)).astype(np.int64) + 1
    margin = -1.2 + 1.2 * (source == "Referral") - 0.9 * (source == "Paid social")
    margin = margin + 0.8 * (industry == "Software") + 0.25 * (np.log(size) - 4)
    wins = rng.random(n) < 1 / (1 + np.exp(-margin))
    won_after = pd.to_timedelta(3600 + rng.exponential(25 * 86400, n), unit="s").round("s")
    lost_after = pd.to_timedelta(86400 + rng.exponential(40 * 86400, n), unit="s").round("s")
    loses = ~wins & (rng.random(n) < 0.75)
    won = (created + won_after).where(wins)
    lost = (created + lost_after).where(loses)
    first, last = rng.choice(np.array(FIRST, object), n), rng.choice(np.array(LAST, object), n)
    number = rng.permutation(n // 2 + 1)
    company = np.array([f"{last[i]} & Co {number[i % len(number)]}" for i in range(n)], object)
    email = np.array([f"u{i}@c{number[i % len(number)]}.example" for i in range(n)], object)
    return Funnel(
        rng,
        created,
        won.where(won < END),
        lost.where(lost < END),
        source,
        industry,
        rng.choice(np.array(COUNTRIES, object), n),
        size,
        first,
        last,
        company,
        email,
        rng.choice(np.array(REPS, object), n),
    )


def dates(at: pd.Series | NDArray[np.datetime64], form: str) -> pd.Series:
    """Write moments in a form of strftime's; "" where there is none."""
    return pd.Series(pd.to_datetime(at)).dt.strftime(form).fillna("")


def csv(
    columns: Mapping[str, object] | pd.DataFrame,
    *,
    sep: str = ",",
    encoding: str = "utf-8",
    before: str = "",
) -> bytes:
    """Write a table as an export does."""
    return (before + pd.DataFrame(columns).to_csv(index=False, sep=sep)).encode(encoding)


def numbered(form: str, n: int, first: int = 1) -> list[str]:
    """Make ids: numbered("L-{:04d}", 400)."""
    return [form.format(i) for i in range(first, first + n)]


MakeShape = Callable[[Funnel], ShapeCase]
