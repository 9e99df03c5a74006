"""Text and timestamps -> int64 microseconds UTC, the only clock inside leadscore."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.durations import DAY as DAY
from data.durations import HOUR as HOUR
from data.durations import MINUTE as MINUTE
from data.durations import SECOND as SECOND

Micros = NDArray[np.int64]

NEVER: Final = int(np.iinfo(np.int64).max)
"""Stands for the moment of what has not happened."""

_NAT: Final = int(np.iinfo(np.int64).min)
"""Numpy's mark of a missing moment."""

_TIMES_OF_DAY: Final = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
"""How a time may follow a date whose order of day and month is declared."""

_UNITS: Final = {"s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w)")


def parse_duration(text: object) -> int:
    """Read "90d", "12h", "30min", "45s", "2w" into microseconds.

    >>> parse_duration("1d") == DAY
    True
    """
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"is no duration: {text!r}; write 90d, 12h, 30min, 45s or 2w")
    return round(float(match[1]) * _UNITS[match[2]])


@dataclass(frozen=True, slots=True)
class Instants:
    """The moments read from a column of timestamps, and what could not be read.

    `at` is (n,) microseconds UTC, NEVER where missing or unreadable; `bad` marks the unreadable.
    `naive` and `aware` are the first rows without and with a UTC offset, -1 for none. `gap` and
    `fold` count local times that a change of the clock skips (moved forward) or repeats (the
    earlier is taken): rows where `by_row`, else distinct texts.
    """

    at: Micros
    bad: NDArray[np.bool_]
    naive: int = -1
    aware: int = -1
    gap: int = 0
    fold: int = 0
    by_row: bool = False


def read_times(
    column: pa.ChunkedArray, *, timezone: str = "UTC", date_format: str | None = None
) -> Instants:
    """Read texts, timestamps or dates into microseconds UTC.

    Text is ISO 8601, or `date_format` ("%d-%m-%Y %H:%M", "epoch_s", "epoch_ms", "epoch_us", or
    "excel" for a spreadsheet's count of days); where a declared format does not fit, a text that
    begins with the year is read as ISO all the same, and a date may stand with or without its time.
    Times without an offset are read in `timezone`.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _native(column, timezone)
    if date_format is None and not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        missing = column.is_null().to_numpy(zero_copy_only=False)
        return Instants(np.full(len(column), NEVER), ~missing)
    if date_format is None and (uniform := _uniform(column, timezone)) is not None:
        return uniform
    coded = column.combine_chunks().dictionary_encode()
    words = coded.dictionary
    read = (
        _iso(words, timezone) if date_format is None else _formatted(words, timezone, date_format)
    )
    return _spread(read, coded.indices)


def _uniform(column: pa.ChunkedArray, timezone: str) -> Instants | None:
    """Read ISO texts that all have an offset, or all have none, in one cast; else None."""
    first = column.slice(0, 100)
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            pc.cast(first, kind)  # Arrow finds a reason for every row before it fails
            return _native(pc.cast(column, kind), timezone)
        except pa.ArrowInvalid:
            continue
    return None


def _spread(read: Instants, indices: pa.Array) -> Instants:
    """Carry what was read from the distinct texts to their rows."""
    missing = indices.is_null().to_numpy(zero_copy_only=False)
    codes = indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    if len(read.at) == 0:
        return Instants(np.full(len(codes), NEVER), np.zeros(len(codes), bool))
    at, bad = read.at[codes], read.bad[codes]
    at[missing], bad[missing] = NEVER, False
    naive, aware = (
        -1 if code < 0 else int(np.flatnonzero((codes == code) & ~missing)[0])
        for code in (read.naive, read.aware)
    )
    return Instants(at, bad, naive, aware, read.gap, read.fold)


def _native(column: pa.ChunkedArray, timezone: str) -> Instants:
    """Read Arrow timestamps and dates; finer than a microsecond is cut off."""
    zone = getattr(column.type, "tz", None)
    wide = pc.cast(column, pa.timestamp("us", zone), safe=False)
    at, missing = _integers(wide)
    first = _first(~missing)
    if zone is not None:
        return Instants(at, np.zeros(len(at), bool), aware=first, by_row=True)
    at, gap, fold = localise(at, timezone)
    good = np.zeros(len(at), bool)
    return Instants(at, good, naive=first, gap=gap, fold=fold, by_row=True)


def _iso(words: pa.Array, timezone: str) -> Instants:
    """Read distinct ISO 8601 texts, with and without an offset."""
    neat = pc.replace_substring_regex(pc.utf8_trim_whitespace(words), r"(\.\d{6})\d+", r"\1")
    neat = pc.replace_substring_regex(neat, r"\s+([+-]\d\d:?\d\d|Z)$", r"\1")
    offset = pc.match_substring_regex(neat, r"\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)$")
    aware = offset.to_numpy(zero_copy_only=False).astype(bool)
    at = np.full(len(words), NEVER)
    at[aware] = _cast(neat.filter(pa.array(aware)), pa.timestamp("us", "UTC"))
    local, gap, fold = localise(_cast(neat.filter(pa.array(~aware)), pa.timestamp("us")), timezone)
    at[~aware] = local
    return Instants(at, at == NEVER, _first(~aware & (at != NEVER)), _first(aware), gap, fold)


def _cast(texts: pa.Array, kind: pa.DataType) -> Micros:
    """Cast ISO texts at once; where one fails, one by one, NEVER for those that fail."""
    try:
        return _integers(pc.cast(texts, kind))[0]
    except pa.ArrowInvalid:
        out = np.full(len(texts), NEVER)
        for row, text in enumerate(texts.to_pylist()):
            try:
                out[row] = pc.cast(pa.scalar(text), kind).cast(pa.int64()).as_py()
            except pa.ArrowInvalid:
                continue
        return out


def _formatted(words: pa.Array, timezone: str, date_format: str) -> Instants:
    """Read distinct texts or numbers in a declared format."""
    if date_format == "excel":
        return _counted_days(words, timezone)
    if date_format.startswith("epoch_"):
        unit = {"epoch_s": SECOND, "epoch_ms": 1_000, "epoch_us": 1}.get(date_format)
        if unit is None:
            raise ValueError(f"unknown date_format {date_format!r}: epoch_s, epoch_ms or epoch_us")
        numbers = pd.to_numeric(words.to_pandas(), errors="coerce").to_numpy(float)
        sane = np.isfinite(numbers) & (np.abs(numbers) * unit < 2.6e17)  # year 9999
        at = np.where(sane, np.round(np.where(sane, numbers, 0) * unit), NEVER).astype(np.int64)
        at[~sane] = NEVER
        return Instants(at, ~sane, aware=_first(sane))
    texts = pc.cast(words, pa.string()).to_pandas()
    read = _dated(texts, timezone, date_format)
    day = re.split(r"[ T]%[HI]", date_format)[0]
    for time in () if "%z" in date_format else _TIMES_OF_DAY:
        left = read.bad & texts.notna().to_numpy(bool)
        if not left.any():
            break
        read = _merged(read, _dated(texts[left], timezone, day + time), left)
    return _else_iso(read, texts, timezone, date_format)


def _counted_days(words: pa.Array, timezone: str) -> Instants:
    """Read a spreadsheet's days since 30 December 1899, local time, to the second."""
    days = pd.to_numeric(words.to_pandas(), errors="coerce").to_numpy(float)
    good = (days >= 1) & (days < 110_000)  # year 2201
    seconds = np.round((np.where(good, days, 1) - 25_569) * 86_400).astype(np.int64)
    at, gap, fold = localise(np.where(good, seconds * SECOND, NEVER), timezone)
    return Instants(at, ~good, naive=_first(good), gap=gap, fold=fold)


def _dated(texts: pd.Series[str], timezone: str, date_format: str) -> Instants:
    """Read distinct texts in a format of strptime's."""
    aware = "%z" in date_format
    parsed = pd.to_datetime(texts, format=date_format, errors="coerce", utc=aware)
    if aware:
        parsed = parsed.dt.tz_localize(None)
    at, missing = _integers(pa.Array.from_pandas(parsed).cast(pa.timestamp("us"), safe=False))
    if aware:
        return Instants(at, missing, aware=_first(~missing))
    at, gap, fold = localise(at, timezone)
    return Instants(at, missing, naive=_first(~missing), gap=gap, fold=fold)


def _else_iso(read: Instants, texts: pd.Series[str], timezone: str, date_format: str) -> Instants:
    """Read as ISO 8601 what did not fit and begins with a year, which is never ambiguous."""
    left = read.bad & texts.str.match(r"\s*\d{4}-\d\d-\d\d").to_numpy(bool)
    if not left.any() or date_format.startswith("%Y"):
        return read
    return _merged(read, _iso(pa.array(texts[left], pa.string()), timezone), left)


def _merged(read: Instants, other: Instants, left: NDArray[np.bool_]) -> Instants:
    """Put what was read another way in the rows that were `left`."""
    rows = np.flatnonzero(left)
    at, bad = read.at.copy(), read.bad.copy()
    at[left], bad[left] = other.at, other.bad
    naive, aware = (
        first if first >= 0 or other_first < 0 else int(rows[other_first])
        for first, other_first in ((read.naive, other.naive), (read.aware, other.aware))
    )
    return Instants(at, bad, naive, aware, read.gap + other.gap, read.fold + other.fold)


def localise(at: Micros, timezone: str) -> tuple[Micros, int, int]:
    """Turn local microseconds into UTC: (at, times inside a gap, times inside a fold)."""
    if timezone.upper() in ("UTC", "ETC/UTC", "Z") or len(at) == 0:
        return at, 0, 0
    known = at != NEVER
    local = pd.DatetimeIndex(at[known].view("M8[us]"))
    first = np.ones(len(local), bool)  # of two equal local times the earlier, in summer time
    utc = local.tz_localize(timezone, ambiguous=first, nonexistent="shift_forward")
    strict = local.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT")
    doubtful = local.tz_localize(timezone, ambiguous=first, nonexistent="NaT").isna()
    out = at.copy()
    out[known] = utc.tz_convert("UTC").tz_localize(None).as_unit("us").asi8
    gap = int(np.asarray(doubtful).sum())
    return out, gap, int(np.asarray(strict.isna()).sum()) - gap


def show(at: int) -> str:
    """Write microseconds UTC for a person: "2018-02-01 10:30:00 UTC"; "never" for NEVER."""
    if at == NEVER:
        return "never"
    text = str(np.datetime64(int(at), "us")).replace("T", " ")
    return f"{text.removesuffix('.000000')} UTC"


def iso(at: int) -> str:
    """Write microseconds UTC for a machine: ISO 8601, whole seconds.

    >>> iso(0)
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(at // SECOND, UTC).isoformat()


def _integers(times: pa.Array | pa.ChunkedArray) -> tuple[Micros, NDArray[np.bool_]]:
    """Take the int64 out of Arrow timestamps[us]: (NEVER where missing, missing)."""
    chunks = times if isinstance(times, pa.ChunkedArray) else pa.chunked_array([times])
    numbers = chunks.to_numpy().view(np.int64)
    missing = numbers == _NAT
    return np.where(missing, NEVER, numbers), missing


def _first(mask: NDArray[np.bool_]) -> int:
    """Find the first True, -1 where there is none."""
    return int(mask.argmax()) if mask.any() else -1
