"""Catalogue -> the plain arrays that the event kernel reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY
from data.tables import Events
from features import kernel, trails
from features.frame import Catalogue, Feature
from features.template_row import Template
from features.templates import TEMPLATES

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Plan:
    """The event columns of a catalogue as arrays; operations are sorted by kind.

    What is counted per type is in the running row. Operation i fills matrix column `col[i]` with
    arguments `a[i]`, `b[i]`; kind k owns operations start[k]:start[k + 1]. `windows` are
    microseconds per state row.
    """

    slots: tuple[str, ...]  # raw event types with a slot of their own
    pooled: bool  # one more slot for every other type, unseen ones included
    running: kernel.Running  # its slot_of is empty: it depends on the tables' codes
    windows: Ints
    half_lives: NDArray[np.float64]
    start: Ints
    col: NDArray[np.uint64]
    a: NDArray[np.uint64]
    b: NDArray[np.uint64]
    trails: NDArray[np.bool_]
    reads: tuple[bool, ...]  # whether campaign, person, direction, value are read
    codes: bool  # whether first and last event are wanted

    @property
    def n_slots(self) -> int:
        """Count the slots, the pool included."""
        return len(self.slots) + self.pooled

    def program(self, events: Events) -> kernel.Program:
        """Fit the plan to one set of tables: their codes, and how many campaigns and people."""
        wanted = self.trails
        sizes = (
            len(events.campaign_names) if wanted[trails.CAMPAIGNS] else 0,
            len(events.person_names) if wanted[trails.PEOPLE] else 0,
        )
        running = self.running._replace(slot_of=self.slot_of(events.type_names))
        return kernel.Program(
            running,
            self.windows,
            self.half_lives,
            self.start,
            self.col,
            self.a,
            self.b,
            wanted,
            np.array(sizes, np.int64),
        )

    def columns(self, events: Events) -> kernel.EventColumns:
        """Lay out the event columns as the kernel takes them; what it does not need is empty."""
        recorded = events.at[:0] if events.recorded_at is None else events.recorded_at
        others: tuple[NDArray[Any], ...] = (
            events.campaign,
            events.person,
            events.direction,
            events.value,
        )
        read = [
            _plain(column if wanted else column[:0])
            for column, wanted in zip(others, self.reads, strict=True)
        ]
        return kernel.EventColumns(_plain(events.at), _plain(recorded), _plain(events.type), *read)

    def steps(self, events: Events, lead: Ints) -> int:
        """Bound what the kernel does for rows of these leads: every step of its inner loops."""
        walked = int((events.offsets[lead + 1] - events.offsets[lead]).sum())
        each = 2 * len(self.windows) + len(self.trails) + len(self.half_lives)
        return walked * each + len(lead) * (len(self.col) + len(self.running.blank))

    def slot_of(self, type_names: tuple[str, ...]) -> NDArray[np.int32]:
        """Map type codes to slots: (n_types + 1,), the last entry is for code -1.

        A type without a slot gets the pool's; without a pool, the number after the last slot.
        """
        own = {name: slot for slot, name in enumerate(self.slots)}
        slots = (own.get(name, len(self.slots)) for name in type_names)
        return np.array([*slots, self.n_slots], np.int32)


def _plain(column: NDArray[np.generic]) -> NDArray[np.generic]:
    """Give the kernel one kind of array: contiguous and writable; copies only what is neither."""
    if column.flags.c_contiguous and column.flags.writeable:
        return column  # np.require finds the same at ten times the cost
    return np.require(column, requirements=["C", "W"])


class _Numbering:
    """Numbers values in the order in which they are first asked for."""

    def __init__(self, first: int) -> None:
        self.first, self.numbers = first, dict[float, int]()

    def number_of(self, value: float) -> int:
        return self.numbers.setdefault(value, self.first + len(self.numbers))


def template_of(feature: Feature) -> Template:
    """Find the template of a column; ValueError where no template has that name."""
    row = TEMPLATES.get(feature.template)
    if row is None:
        raise ValueError(f"column {feature.name}: no feature is computed by {feature.template!r}")
    return row


def compile_plan(catalogue: Catalogue) -> Plan:
    """Compile the event columns; columns of other templates are left to profile."""
    windows, lives = _Numbering(kernel.FIRST_WINDOW), _Numbering(0)
    slots: dict[str, int] = {}
    for feature in catalogue.numbers:
        name = str(feature.params.get("event", ""))
        if name and not feature.params.get("pooled"):
            slots.setdefault(name, len(slots))
    pooled = any(feature.params.get("pooled") for feature in catalogue.numbers)
    n_slots = len(slots) + pooled

    def window(feature: Feature, key: str) -> int:
        days = feature.params.get(key)
        return kernel.EVER if days is None else windows.number_of(float(days))

    def slot(feature: Feature) -> int:
        if feature.params.get("pooled"):
            return len(slots)
        name = str(feature.params.get("event", ""))
        return slots[name] if name else n_slots

    cells: list[tuple[int, int, int]] = []  # state row or NOW for recency, slot, column
    rows: list[tuple[int, int, int, int]] = []
    for column, feature in enumerate(catalogue.numbers):
        operation = template_of(feature).operation
        if operation is None:
            continue
        match operation.kind:
            case kernel.COUNTED:
                cells.append((window(feature, "days"), slot(feature), column))
            case kernel.DATED:
                cells.append((kernel.NOW, slot(feature), column))
            case kernel.TREND:
                widths = window(feature, "short"), window(feature, "long")
                rows.append((operation.kind, *widths, column))
            case kernel.DECAY:
                life = lives.number_of(float(feature.params["half_life"]))
                rows.append((operation.kind, trails.FIRST_DECAY + life, life, column))
            case _:
                read = operation.trail, window(feature, "days")
                rows.append((operation.kind, *read, column))
    rows.sort(key=lambda row: (row[0], row[3]))
    table = np.array(rows, np.int64).reshape(-1, 4)
    micros = np.zeros(kernel.FIRST_WINDOW + len(windows.numbers), np.int64)
    micros[kernel.FIRST_WINDOW :] = [round(days * DAY) for days in windows.numbers]
    wanted = _trails(table)
    return Plan(
        slots=tuple(slots),
        pooled=pooled,
        running=_running(cells, len(catalogue.numbers), (len(micros), n_slots + 1)),
        windows=micros,
        half_lives=np.array([days * DAY for days in lives.numbers], np.float64),
        start=np.searchsorted(table[:, 0], np.arange(kernel.N_OPERATIONS + 1)).astype(np.int64),
        col=table[:, 3].astype(np.uint64),
        a=table[:, 1].astype(np.uint64),
        b=table[:, 2].astype(np.uint64),
        trails=wanted,
        reads=(
            bool(wanted[trails.CAMPAIGNS]),
            bool(wanted[trails.PEOPLE]),
            bool(wanted[[trails.INBOUND, trails.OUTBOUND]].any()),
            bool(wanted[[trails.VALUE, trails.LARGEST]].any()),
        ),
        codes=any(template_of(each).code is not None for each in catalogue.categories),
    )


def _running(
    cells: list[tuple[int, int, int]], width: int, shape: tuple[int, int]
) -> kernel.Running:
    """Lay out the running row: `cells` are (state row or NOW for recency, slot, column).

    ValueError where two columns mean the same: a cell belongs to one column.
    """
    column = np.full(shape, width, np.uint64)  # the last cell is for what has no column
    blank, dated = np.full(width + 1, np.nan), np.zeros(width)
    for row, slot, cell in cells:
        if column[row, slot] < width:
            raise ValueError(f"columns {column[row, slot]} and {cell} of the catalogue are one")
        column[row, slot] = cell
        dated[cell] = row == kernel.NOW
        blank[cell] = np.nan if row == kernel.NOW else 0.0
    unit = np.where(dated > 0, -1.0 / DAY, 1.0)
    none = np.empty(0, np.int32)
    return kernel.Running(none, column, column[kernel.NOW].copy(), blank, dated, unit)


def _trails(table: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the trails that the operations read."""
    wanted = np.zeros(trails.FIRST_DECAY, bool)
    for kind in (kernel.ACTIVE, kernel.DIFFERENCE, kernel.LEVEL):
        wanted[table[table[:, 0] == kind, 1]] = True
    return wanted
