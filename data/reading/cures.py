"""What is wrong in a table -> the exact lines of the project file that put it right."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.clock import read_times
from data.errors import InputError
from data.reading.number_texts import as_declared, only_sign
from data.reading.sources import RawTable, rows_that_hold

LONGEST: Final = 350
"""Characters of a rule that still fits into one line of an error."""
_DAYS: Final = tuple(
    day.replace("-", mark) for mark in "/-." for day in ("%d-%m-%Y", "%m-%d-%Y", "%Y-%m-%d")
)
_SHORT_DAYS: Final = tuple(day.replace("%Y", "%y") for day in _DAYS)
_TIMES: Final = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
_SAMPLE: Final = 5_000
"""Distinct texts that are tried."""


def date_formats(column: pa.ChunkedArray) -> list[str]:
    """List the formats in which every text of a column is a date; at most a few.

    >>> date_formats(pa.chunked_array([["10/20/2016", "01/02/2017"]]))
    ['%m/%d/%Y']
    """
    words = pc.unique(column.cast(pa.string())).drop_null()[:_SAMPLE]
    if not len(words):
        return []
    fitting = _epochs(words)
    first = words.slice(0, 1)
    for day in (*_DAYS, *_SHORT_DAYS):
        for time in _TIMES:
            date_format = day + time
            # a single text tells most formats apart, and is read at once; reading is lenient about
            # the time of day, a declared format should not be
            if _is_written_so(words[0].as_py(), date_format) and not any(
                read_times(pa.chunked_array([part]), date_format=date_format).bad.any()
                for part in (first, words)
            ):
                fitting.append(date_format)
    return fitting


def _is_written_so(text: str, date_format: str) -> bool:
    """Tell whether a text has exactly the parts of a format."""
    try:
        datetime.strptime(text.strip(), date_format)  # noqa: DTZ007
    except ValueError:
        return False
    return True


def _epochs(words: pa.Array) -> list[str]:
    """List the units in which numbers are moments of 2000 to 2100."""
    if not pc.all(pc.match_substring_regex(words, r"^\d{9,16}$")).as_py():
        return []
    numbers = pc.cast(words, pa.int64())
    low, high = pc.min(numbers).as_py(), pc.max(numbers).as_py()
    units = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}
    return [n for n, unit in units.items() if 946_684_800 <= low / unit <= high / unit < 4.1e9]


def date_cure(column: pa.ChunkedArray) -> str:
    """Say which date_format to declare for a column that is no ISO 8601."""
    formats = date_formats(column)
    if len(formats) == 1:
        return f'declare date_format = "{formats[0]}" for this source'
    if formats:
        both = " or ".join(f'"{each}"' for each in formats)
        return f"declare date_format for this source: {both}, both fit"
    if read_times(column).bad.mean() < 0.5:
        return "correct the cell, or add it to `missing`: most others are ISO 8601"
    return 'ISO 8601 is read; declare date_format = "%d-%m-%Y %H:%M", "epoch_s" or "epoch_ms"'


def decimal_cure(
    raw: RawTable, column: str, words: pa.Array, missing: tuple[str, ...]
) -> str | None:
    """Say which `decimal` to declare where texts are numbers with the other sign; else None.

    Where other columns of the table have this one, those with a comma are named.
    """
    if only_sign(words) in (None, raw.decimal_of(column)):
        return None
    texts = (n for n in raw.table.column_names if pa.types.is_string(raw.table[n].type))
    none = pa.array(["", *missing])
    distinct = {name: pc.unique(raw.table[name]).drop_null() for name in texts}
    signs = {n: only_sign(d.filter(pc.invert(pc.is_in(d, none)))) for n, d in distinct.items()}
    declared = as_declared({**signs, column: only_sign(words)})
    if isinstance(declared, dict):
        pairs = ", ".join(
            f"{json.dumps(n, ensure_ascii=False)} = {json.dumps(s)}" for n, s in declared.items()
        )
        return f"declare decimal = {{ {pairs} }} for this source, as the others have a point"
    return f'declare decimal = "{declared}" for this source'


def quoted(name: str) -> str:
    """Write a column's name in a rule.

    >>> quoted("lead_id"), quoted("Lead ID")
    ('lead_id', '"Lead ID"')
    """
    plain = name.isidentifier() and name.lower() not in _WORDS
    return name if plain else '"' + name.replace('"', '""') + '"'


_WORDS: Final = frozenset(
    "and or not in is between like ilike null true false known missing".split()  # noqa: SIM905
)


def where_line(
    raw: RawTable,
    out: NDArray[np.bool_],
    rules: Iterable[str],
    *,
    id_column: str,
    missing: tuple[str, ...],
) -> str | None:
    """Write the `where` that leaves out exactly the rows `out`, (n,); None where none is short.

    Tried are `rules`, then one that names the ids; a filter that stands already is kept.
    """
    for rule in (*rules, *_naming(raw, out, id_column)):
        try:
            kept = rows_that_hold(raw, rule, missing)
        except InputError:  # dates in another spelling, an id that is no text
            continue
        if (kept == ~out).all():
            whole = rule if raw.where is None else f"({raw.where}) and {rule}"
            return f"where = {json.dumps(whole, ensure_ascii=False)}"
    return None


def _naming(raw: RawTable, out: NDArray[np.bool_], id_column: str) -> Sequence[str]:
    """Write the rule that names the ids of the rows that go."""
    if id_column not in raw.table.column_names or not out.any():
        return ()
    ids = pc.unique(raw.table[id_column].filter(pa.array(out)).cast(pa.string())).to_pylist()
    if None in ids:
        return (f"{quoted(id_column)} is known",)
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in sorted(ids))
    rule = f"{quoted(id_column)} not in ({listed})"
    return (rule,) if len(rule) <= LONGEST else ()
