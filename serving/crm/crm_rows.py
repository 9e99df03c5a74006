"""What is read from a CRM: pages of rows of three kinds, and the columns they have.

A row is a flat mapping. Times are int64 microseconds UTC and their names are in `TIMES`; numbers
are in `NUMBERS`; everything else is text, whatever the CRM calls it, so that a column has one type
in every page of every pull. `changed_at` is the CRM's own stamp of the row: when it was recorded or
last changed in the CRM.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeVar, get_args

from serving.crm.interface import Unsure, Value

Kind = Literal["leads", "events", "lead_history"]
Row = Mapping[str, Value]
T = TypeVar("T")
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
KEYS: Final[Mapping[Kind, str]] = {
    "leads": "lead_id",
    "events": "event_id",
    "lead_history": "change_id",
}
COLUMNS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "leads": ("lead_id", "created_at", "changed_at"),
    "events": ("lead_id", "at", "recorded_at", "type", "direction", "event_id", "changed_at"),
    "lead_history": ("lead_id", "field", "old", "new", "changed_at", "change_id"),
}
"""The columns that are always there, in the order of the file; others follow by name."""
ENDS: Final = ("deleted", "merged")
"""Types of the event that says that the CRM no longer has a lead."""
TODAYS: Final = "values of leads are today's; those that lead_history.parquet holds are replayed"
TIMES: Final = ("at", "recorded_at", "created_at", "changed_at")
NUMBERS: Final = ("amount", "employees", "revenue")


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one kind, as they were read together."""

    kind: Kind
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Since:
    """From when on to read: microseconds UTC; None, from the beginning.

    What could not be read last time (a right that was missing) is read from the beginning.
    """

    until: int | None = None
    gaps: frozenset[str] = frozenset()

    def of(self, stream: str) -> int | None:
        """Say from when on to read one stream of a CRM."""
        return None if stream in self.gaps else self.until


class Readable(Protocol):
    """A CRM that can be read.

    `read` gives every row that was recorded or changed at `since` or later and was visible when the
    read began; what is recorded during the read may be in it or not. A row may come twice. With
    `as_of`, nothing that was recorded at that moment or later.
    """

    origin: str  # the kind of CRM and where it is, without credentials
    gaps: dict[str, str]  # filled by `read`: a stream that cannot be read -> why, and what helps

    def read(self, since: Since, *, as_of: int | None = None) -> Iterable[Page]:
        """Give leads, events and changes of fields."""
        ...


def event(
    event_id: str,
    lead: str,
    kind: str,
    at: int,
    *,
    recorded: int,
    changed: int,
    direction: Value = None,
) -> dict[str, Value]:
    """Make one event: it happened at `at`, and was known from `recorded` on."""
    return {
        "event_id": event_id,
        "lead_id": lead,
        "at": at,
        "recorded_at": recorded,
        "type": kind,
        "direction": direction,
        "changed_at": changed,
    }


def change(
    change_id: str, lead: str, field: str, old: Value, new: Value, at: int
) -> dict[str, Value]:
    """Make one change of one field of a lead."""
    return {
        "change_id": change_id,
        "lead_id": lead,
        "field": field,
        "old": text(old),
        "new": text(new),
        "changed_at": at,
    }


def text(value: object) -> str | None:
    """Write a value as text; true and false in small letters, whole numbers without a point.

    >>> text(True), text(3.0), text("x"), text(None)
    ('true', '3', 'x', None)
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def word(value: object) -> str:
    """Make a value part of an event's type: small letters, digits and underscores.

    >>> word("Closed - Converted")
    'closed_converted'
    """
    parts = "".join(c.lower() if c.isalnum() else " " for c in str(value)).split()
    return "_".join(parts) or "none"


def moment(value: Value) -> int:
    """Return a time; Unsure where the value is none, since such a row cannot be trusted."""
    if not isinstance(value, int):
        raise Unsure(f"a value that is no time: {value!r}"[:80])
    return value


def chunks(items: list[T], size: int) -> Iterable[list[T]]:
    """Cut a list into pieces of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))
