"""Our fields <-> the columns of a table in a SQL database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

from data.errors import InputError
from serving.crm.identifiers import quote
from serving.crm.interface import DISPOSITION, FIELDS, Remote, Update, Value, WriteAnswer

_lead, _values = attrgetter("lead"), attrgetter("values")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLOSED: Final = ("converted_at", "disqualified_at")
TIMES: Final = ("as_of", "scored_at")


@dataclass(frozen=True, slots=True)
class ScoreColumns:
    """Which columns of a table take our fields, and which of them forbid or guard a write."""

    entity: str
    key: str
    column_of: Mapping[str, str]  # our field -> the table's column
    override: str | None
    version: str | None
    closed: tuple[str, ...]
    inserts: bool  # the table holds nothing but our fields: rows may be inserted
    names: tuple[str, ...]  # our fields, in the order of `column_of`
    times: tuple[int, ...]  # positions in `names` of the times

    @classmethod
    def match(
        cls,
        table_columns: Sequence[str],
        entity: str,
        key: str,
        fields: Mapping[str, str] | None,
        override: str | None,
    ) -> ScoreColumns:
        """Match the project file's names with the columns of the table."""
        if not table_columns:
            raise InputError(f"the CRM has no table {entity!r}", column="write_back.entity")
        wanted = checked_fields(fields)
        asked = [key, *wanted.values(), *((override,) if override else ())]
        for name in asked:
            if name not in table_columns:
                raise InputError(
                    f"the table {entity!r} has no column {name!r}",
                    column="write_back.fields",
                    cure="add the column to the CRM, or name another one",
                )
        version = "version" if "version" in table_columns else None
        closed = tuple(name for name in _CLOSED if name in table_columns)
        rest = set(table_columns) - {*asked, "version"}
        names = tuple(wanted)
        times = tuple(at for at, name in enumerate(names) if name in TIMES)
        return cls(entity, key, wanted, override, version, closed, not rest, names, times)

    def listed(self) -> str:
        """List key, our fields, override, version and closing columns, as `remote` reads them."""
        extra = [name for name in (self.override, self.version) if name]
        names = [self.key, *self.column_of.values(), *extra, *self.closed]
        return ", ".join(quote(name) for name in names)

    def remote(self, row: Sequence[Any]) -> Remote:
        """Turn a row in the order of `listed` into what the CRM holds."""
        values = {
            field: decode(field, value)
            for field, value in zip(self.column_of, row[1:], strict=False)
        }
        rest = list(row[1 + len(self.column_of) :])
        override = bool(self.override) and is_set(rest.pop(0))
        version = str(rest.pop(0) or 0) if self.version else None  # a row of before it has none
        return Remote(values, version, override, closed=any(value is not None for value in rest))

    def values(self, update: Update, *, text_times: bool) -> list[Value | datetime]:
        """Put our values in the order of the columns; times as ISO text or as datetimes."""
        row: list[Value | datetime] = [*map(update.values.get, self.names)]
        for at in self.times:
            value = row[at]
            if isinstance(value, int):
                row[at] = to_iso(value) if text_times else from_micros(value)
        return row

    def written(self, batch: Sequence[Update]) -> Iterator[WriteAnswer]:
        """Answer that all of a batch was written, and how the database holds it now."""
        echoes = map(_values, batch) if self._whole else map(self.echo, batch)
        answers = zip(map(_lead, batch), repeat("written"), repeat(None), repeat(""), echoes)
        # A run may bring a million: built without a call of Python for each.
        return map(tuple.__new__, repeat(WriteAnswer), answers)

    @property
    def _whole(self) -> bool:
        """Tell whether the table takes exactly the fields that every update has."""
        return self.column_of.keys() == {*FIELDS}

    def echo(self, update: Update) -> Mapping[str, Value]:
        """Return our fields as a database keeps them: unchanged."""
        if self._whole:
            return update.values
        return {field: update.values.get(field) for field in self.column_of}


def is_set(override: Any) -> bool:
    """Tell whether a person set an override field: empty, a box not ticked and 0 are not set.

    The guards of the SQL writers say the same.

    >>> [is_set(value) for value in (None, "", False, 0, "0", True, 73)]
    [False, False, False, False, True, True, True]
    """
    return override not in (None, "", False, b"\0")  # the last is a BIT of MySQL


def checked_fields(fields: Mapping[str, str] | None) -> dict[str, str]:
    """Check a mapping of our fields to the CRM's names; empty means our standard names."""
    if not fields:
        return {name: name for name in FIELDS}
    known = (*FIELDS, DISPOSITION)
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise InputError(
            f"is no field that leadscore writes: {unknown[0]!r}",
            column="write_back.fields",
            cure=f"use {', '.join(known)}",
        )
    for name in ("score", "band", "as_of"):
        if name not in fields:
            raise InputError(
                f"names no column for {name!r}",
                column="write_back.fields",
                cure=f'name the column of the CRM that takes it: {name} = "lead_{name}"',
            )
    return dict(fields)


def outgoing(values: Mapping[str, Value], fields: Mapping[str, str]) -> dict[str, Value]:
    """Put our values under the CRM's names (`fields`: our field -> its name), times as ISO 8601."""
    return {name: _moment_as_text(field, values.get(field)) for field, name in fields.items()}


def incoming(row: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Value]:
    """Read our fields out of a CRM's row (`fields`: our field -> the CRM's name)."""
    return {field: decode(field, row.get(name)) for field, name in fields.items()}


def _moment_as_text(field: str, value: Value) -> Value:
    return to_iso(value) if field in TIMES and isinstance(value, int) else value


def decode(field: str, value: Any) -> Value:
    """Normalise a value of the CRM: times to microseconds, whole scores to int."""
    if value is None:
        return None
    if field in TIMES:
        return time_of(value)
    if field == "score":
        try:
            number = float(value)
        except (TypeError, ValueError):
            return str(value)
        return int(number) if number.is_integer() else number
    if field in ("probability", "percentile"):
        try:
            return round(float(value), 6)
        except (TypeError, ValueError):
            return str(value)
    return str(value)


@lru_cache(maxsize=64)
def from_micros(micros: int) -> datetime:
    """Turn microseconds UTC into an aware datetime."""
    return _EPOCH + timedelta(microseconds=micros)


@lru_cache(maxsize=64)
def to_iso(micros: int) -> str:
    """Write microseconds UTC as ISO 8601."""
    return from_micros(micros).isoformat()


def to_micros(moment: datetime) -> int:
    """Turn a datetime into microseconds; one without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def time_of(value: Any) -> Value:
    """Read a time as CRMs give it: ISO text, datetime, Tryton's dict, microseconds."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        return to_micros(datetime(*(int(value.get(name, 0)) for name in names), tzinfo=UTC))  # type: ignore[misc,arg-type]
    if isinstance(value, str):
        try:
            return to_micros(datetime.fromisoformat(value.replace("Z", "+00:00")))
        except ValueError:
            return value
    if isinstance(value, datetime):
        return to_micros(value)
    return int(value) if isinstance(value, int | float) else str(value)
