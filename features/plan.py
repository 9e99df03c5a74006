"""Catalogue -> the plain arrays that the event kernel reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.tables import Events
from features import kernel, trails
from features.frame import Catalogue, Feature

Ints = NDArray[np.int64]

CODE_TEMPLATES = ("first_channel", "last_channel", "first_event", "last_event")
"""Category templates that the kernel answers, in the order of its code matrix."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The event columns of a catalogue as arrays; operations are sorted by kind.

    Operation i fills matrix column `col[i]` with arguments `a[i]`, `b[i]`; kind k owns
    operations start[k]:start[k + 1]. `windows` are microseconds per state row.
    """

    slots: tuple[str, ...]  # raw event types with a slot of their own
    pooled: bool  # one more slot for every other type, unseen ones included
    windows: Ints
    half_lives: NDArray[np.float64]
    start: Ints
    col: Ints
    a: Ints
    b: Ints
    pair_start: Ints
    pair_first: Ints
    trails: NDArray[np.bool_]
    channels: bool  # whether the channel column is read
    codes: bool  # whether first and last channel and event are wanted

    @property
    def n_slots(self) -> int:
        """Count the slots, the pool included."""
        return len(self.slots) + self.pooled

    def program(self, events: Events) -> kernel.Program:
        """Fit the plan to one set of tables: their codes, and how many channels and people."""
        wanted = self.trails
        sizes = (
            self.n_slots,
            len(events.channel_names) if self.channels else 0,
            len(events.campaign_names) if wanted[trails.CAMPAIGNS] else 0,
            len(events.person_names) if wanted[trails.PEOPLE] else 0,
        )
        return kernel.Program(
            self.slot_of(events.type_names), self.windows, self.half_lives, self.start, self.col,
            self.a, self.b, self.pair_start, self.pair_first, wanted, np.array(sizes, np.int64),
        )  # fmt: skip

    def columns(self, events: Events) -> kernel.Columns:
        """Lay out the event columns as the kernel takes them; what it does not need is empty."""
        recorded = events.recorded_at
        directed = bool(self.trails[[trails.INBOUND, trails.OUTBOUND, trails.RESPONSE]].any())
        amounts = bool(self.trails[[trails.VALUE, trails.LARGEST]].any())
        return kernel.Columns(
            _plain(events.at),
            _plain(events.at[:0] if recorded is None else recorded),
            _plain(events.type),
            _plain(events.channel, wanted=self.channels),
            _plain(events.campaign, wanted=bool(self.trails[trails.CAMPAIGNS])),
            _plain(events.person, wanted=bool(self.trails[trails.PEOPLE])),
            _plain(events.direction, wanted=directed),
            _plain(events.value, wanted=amounts),
        )

    def slot_of(self, type_names: tuple[str, ...]) -> NDArray[np.int32]:
        """Map type codes to slots, -1 for none: (n_types + 1,), the last entry is for code -1."""
        own = {name: slot for slot, name in enumerate(self.slots)}
        other = len(self.slots) if self.pooled else -1
        return np.array([*(own.get(name, other) for name in type_names), -1], np.int32)


def _plain(column: NDArray[np.generic], *, wanted: bool = True) -> NDArray[np.generic]:
    """Give the kernel one kind of array: contiguous and writable; copies only what is neither."""
    return np.require(column if wanted else column[:0], requirements=["C", "W"])


class _Rows:
    """Numbers given to values in the order in which they are first asked for."""

    def __init__(self, first: int) -> None:
        self.first, self.found = first, dict[float, int]()

    def of(self, value: float) -> int:
        return self.found.setdefault(value, self.first + len(self.found))


def compile_plan(catalogue: Catalogue) -> Plan:
    """Compile the event columns; columns of other templates are left to profile and account."""
    windows, lives = _Rows(kernel.FIRST_WINDOW), _Rows(0)
    slots: dict[str, int] = {}
    for feature in catalogue.numbers:
        for key in ("event", "first", "second"):
            name = str(feature.params.get(key, ""))
            if feature.template in EVENT_TEMPLATES and name and not feature.params.get("pooled"):
                slots.setdefault(name, len(slots))
    pooled = any(feature.params.get("pooled") for feature in catalogue.numbers)
    n_slots = len(slots) + pooled
    pairs: list[tuple[int, int, int]] = []  # second, first, column

    def window(feature: Feature, key: str = "days") -> int:
        return windows.of(float(feature.params[key])) if key in feature.params else kernel.EVER

    def slot(feature: Feature) -> int:
        if feature.params.get("pooled"):
            return len(slots)
        name = str(feature.params.get("event", ""))
        return slots[name] if name else n_slots

    rows: list[tuple[int, int, int, int]] = []
    for column, feature in enumerate(catalogue.numbers):
        build = _OPERATIONS.get(feature.template)
        if build is not None:
            rows.append((*build(feature, slot, window, lives), column))
        elif feature.template == "pair_after":
            first, second = str(feature.params["first"]), str(feature.params["second"])
            pairs.append((slots[second], slots[first], column))
    pairs.sort()
    rows += [(kernel.PAIR, place, 0, column) for place, (_, _, column) in enumerate(pairs)]
    rows.sort(key=lambda row: (row[0], row[3]))
    table = np.array(rows, np.int64).reshape(-1, 4)
    micros = np.zeros(kernel.FIRST_WINDOW + len(windows.found), np.int64)
    micros[kernel.FIRST_WINDOW :] = [round(days * kernel.DAY) for days in windows.found]
    templates = {feature.template for feature in catalogue.features}
    return Plan(
        slots=tuple(slots),
        pooled=pooled,
        windows=micros,
        half_lives=np.array([days * kernel.DAY for days in lives.found], np.float64),
        start=np.searchsorted(table[:, 0], np.arange(kernel.N_OPERATIONS + 1)).astype(np.int64),
        col=table[:, 3].astype(np.uint64),
        a=table[:, 1].astype(np.uint64),
        b=table[:, 2].astype(np.uint64),
        pair_start=np.searchsorted([p[0] for p in pairs], np.arange(n_slots + 1)).astype(np.int64),
        pair_first=np.array([pair[1] for pair in pairs], np.int64),
        trails=_trails(table, templates),
        channels=bool(templates & {"n_channels", "first_channel", "last_channel"}),
        codes=bool(templates & set(CODE_TEMPLATES)),
    )


def _trails(table: NDArray[np.int64], templates: set[str]) -> NDArray[np.bool_]:
    """Mark the trails that the operations read."""
    wanted = np.zeros(trails.FIRST_DECAY, bool)
    for kind in (kernel.DIFFERENCE, kernel.LEVEL):
        wanted[table[table[:, 0] == kind, 1]] = True
    wanted[trails.DAYS] |= bool((table[:, 0] == kernel.ACTIVE).any())
    wanted[trails.FIRST_CHANNEL] = bool(templates & {"first_channel", "last_channel"})
    return wanted


_Slot = Callable[[Feature], int]
_Window = Callable[..., int]
_Build = Callable[[Feature, _Slot, _Window, _Rows], tuple[int, int, int]]

_OPERATIONS: dict[str, _Build] = {
    "count_window": lambda f, slot, window, _: (kernel.COUNT, slot(f), window(f)),
    "count_ever": lambda f, slot, *_: (kernel.COUNT, slot(f), kernel.EVER),
    "days_since": lambda f, slot, *_: (kernel.SINCE, slot(f), 0),
    "count_all_window": lambda f, _, window, __: (kernel.ALL, 0, window(f)),
    "count_all_ever": lambda *_: (kernel.ALL, 0, kernel.EVER),
    "active_days": lambda f, _, window, __: (kernel.ACTIVE, 0, window(f)),
    "inbound_count": lambda f, _, window, __: (kernel.DIFFERENCE, trails.INBOUND, window(f)),
    "outbound_count": lambda f, _, window, __: (kernel.DIFFERENCE, trails.OUTBOUND, window(f)),
    "value_sum": lambda f, _, window, __: (kernel.DIFFERENCE, trails.VALUE, window(f)),
    "n_channels": lambda f, _, window, __: (kernel.CHANNELS, 0, window(f)),
    "trend": lambda f, _, window, __: (kernel.TREND, window(f, "short"), window(f, "long")),
    "decayed_count": lambda f, slot, _, lives: _decay(f, slot, lives),
    "days_since_first_event": lambda *_: (kernel.SINCE_FIRST, 0, 0),
    "days_since_last_event": lambda *_: (kernel.SINCE_LAST, 0, 0),
    "mean_gap_days": lambda *_: (kernel.MEAN_GAP, 0, 0),
    "value_max": lambda *_: (kernel.LEVEL, trails.LARGEST, 0),
    "n_campaigns": lambda *_: (kernel.LEVEL, trails.CAMPAIGNS, 0),
    "n_people": lambda *_: (kernel.LEVEL, trails.PEOPLE, 0),
    "first_week_count": lambda *_: (kernel.LEVEL, trails.WEEK, 0),
    "streak_days": lambda *_: (kernel.LEVEL, trails.STREAK, 0),
    "response_hours": lambda *_: (kernel.LEVEL, trails.RESPONSE, 0),
}
EVENT_TEMPLATES = frozenset(_OPERATIONS) | {"pair_after"}


def _decay(feature: Feature, slot: _Slot, lives: _Rows) -> tuple[int, int, int]:
    """Decay the count of one type, or of all events, which is a trail."""
    half_life = lives.of(float(feature.params["half_life"]))
    if feature.params.get("event") or feature.params.get("pooled"):
        return kernel.DECAY, slot(feature), half_life
    return kernel.DECAY_ALL, trails.FIRST_DECAY + half_life, half_life
