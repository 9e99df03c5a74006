"""One row of the table of templates: what it says of a kind of feature, and of which columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from data.tables import Events, Kind

Msgid = str | tuple[str, str]
"""An English sentence, or its singular and plural; {places} are filled in."""
Params = Mapping[str, str | int | float]
Effect = Literal["one more", "just now", "known now"]
Actor = Literal["type", "anybody", "lead", "sales"]
HALF_LIVES: Final = (3.0, 14.0)  # days


@dataclass(frozen=True, slots=True)
class Scope:
    """What the default catalogue is made for: the events and the windows in days."""

    events: Events
    windows: tuple[float, ...]


Over = Callable[[Scope], Iterator[Params]]
"""The parameters of each column that the default catalogue has of a template."""


def once(_: Scope) -> Iterator[Params]:
    """One column, always."""
    yield {}


def each_window(scope: Scope) -> Iterator[Params]:
    """One column for each window."""
    for days in scope.windows:
        yield {"days": days}


def longest_window(scope: Scope) -> Iterator[Params]:
    """One column, for the longest window."""
    yield {"days": max(scope.windows, default=30.0)}


def with_amounts(scope: Scope) -> Iterator[Params]:
    """One column; it knows the event types that bring amounts, a line each."""
    yield {"events": _types_with_amounts(scope.events)}


def longest_window_with_amounts(scope: Scope) -> Iterator[Params]:
    """The same for the longest window."""
    for params in longest_window(scope):
        yield {**params, "events": _types_with_amounts(scope.events)}


def windows_of_a_week(scope: Scope) -> Iterator[Params]:
    """One column for each window of a week or more, and for 28 days where one is longer."""
    active = {days for days in scope.windows if days >= 7}
    if active and max(active) >= 28:
        active.add(28.0)
    for days in sorted(active):
        yield {"days": days}


def short_and_long(scope: Scope) -> Iterator[Params]:
    """One column that compares the shortest window with 28 days, where it is shorter."""
    if scope.windows and max(scope.windows) >= 28 and min(scope.windows) < 28:
        yield {"short": min(scope.windows), "long": 28.0}


def each_half_life(_: Scope) -> Iterator[Params]:
    """One column for each half-life, over events of any type."""
    for days in HALF_LIVES:
        yield {"event": "", "half_life": days}


@dataclass(frozen=True, slots=True)
class TemplateColumns:
    """How the default catalogue names the columns of a template.

    `name` and `label` are patterns with the places {type} and {key} (an event type in words and as
    part of a name), {span} (a window or half-life), {short} and {long}. `about` is the {label} of
    the sentence. For columns of an event type, `factor` and `about` are taken from the type.
    """

    name: str
    label: str
    over: Over = once
    about: str = ""
    factor: str = "activity"


@dataclass(frozen=True, slots=True)
class Operation:
    """How the event kernel computes a column: its operation, and the trail that this reads."""

    kind: int
    trail: int = 0


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of feature. The sentence has variants for a count of 0 and for a missing value.

    `operation` (numbers) or `code` (categories: the column of the kernel's code matrix) says how
    the kernel computes it; without either, features/profile.py reads it from the lead. Where
    `needs` is not met by the events, the default catalogue leaves it out. `effect` says what one
    more event of `actor` does to the value, where that is certain. `names` are what values from
    `first` on are called. `zero_is_absent`: 0 says that nothing happened, which is never a
    strength. `by_sales`: sales can change it. `levels` say the value from very low to very high,
    cut at `cuts`; without them, where it lies among the values of training. `is_duration`: the
    value is a length of time, in days. `cycle`: the values come round again, so many of them, as
    the hours of the day do; past outcomes are counted by value, not by range.
    """

    name: str
    sentence: Msgid
    columns: TemplateColumns | None = None
    operation: Operation | None = None
    zero: Msgid = ""
    missing: Msgid = ""
    kind: Kind = "number"
    unit: str = ""
    code: int | None = None
    needs: Callable[[Events], bool] | None = None
    effect: Effect | None = None
    actor: Actor = "type"
    first: int = 0
    names: tuple[str, ...] = ()
    zero_is_absent: bool = False
    by_sales: bool = False
    levels: tuple[str, ...] = ()
    cuts: tuple[float, ...] = ()
    is_duration: bool = False
    cycle: int = 0

    @property
    def sign(self) -> int:
        """How the value moves with one more event: 1 up, -1 down, 0 not certain."""
        return {"one more": 1, "just now": -1}.get(self.effect or "", 0)

    @property
    def of_events(self) -> bool:
        """Whether it is computed from events alone."""
        return self.operation is not None or self.code is not None


def _types_with_amounts(events: Events) -> str:
    codes = np.unique(events.type[np.isfinite(events.value)])
    return "\n".join(sorted(events.type_names[code] for code in codes.tolist()))
