"""Columns of a raw table -> texts, instants, numbers and attribute values; errors name the cell."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.clock import NEVER, Instants, Micros, read_times
from data.errors import InputError
from data.private import hide_contacts
from data.reading.cures import date_cure, date_formats, quoted, where_line
from data.reading.date_texts import holds_dates
from data.reading.read_job import Notes, ReadJob
from data.reading.sources import RawTable
from data.schema import Project
from data.tables import Kind

_NUMBER: Final = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$|^\s*[+-]?([nN]a[nN]|inf|Inf)\s*$"
_CODE: Final = r"^\s*[+-]?0\d"  # 007 and 00139 are codes, not numbers
_OTHER_SPELLING: Final = r"^\s*[€$£¥]?\s*[+-]?\d[\d.,'\s]*\s*(%|€|\$|£|¥|[A-Z]{3})?\s*$"
_MONEY: Final = r"^[€$£¥][\s\x{A0}]*|[\s\x{A0}]*[€$£¥]$|[\x{A0}\x{202F}]"
"""What may surround a number with a decimal comma: a currency sign, non-breaking spaces."""
_FEW: Final = 64
"""Rows, as a request brings them, below which plain Python is quicker than Arrow's calls."""
_EARLIEST: Final = 0  # 1970: earlier dates are placeholders
_LATEST: Final = 7_258_118_400_000_000  # 2200


def texts(column: pa.ChunkedArray, missing: tuple[str, ...]) -> pa.ChunkedArray:
    """Write every value as text exactly as it stood; the missing words become null.

    Whole floats lose their ".0" (pandas made them floats because of a gap).
    """
    kind = column.type
    if len(column) <= _FEW and pa.types.is_string(kind):
        return _few_texts(column, missing)
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), None, column)
        whole = pc.and_(pc.is_finite(column), pc.equal(pc.floor(column), column))
        if pc.all(pc.fill_null(whole, True)).as_py() and len(column):
            column = column.cast(pa.int64(), safe=False)
    if pa.types.is_boolean(kind):
        column = pc.if_else(column, "true", "false")
    if not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    # a word means missing also with blanks around it
    absent = pc.is_in(pc.utf8_trim_whitespace(column), value_set=pa.array(missing, pa.string()))
    return pc.if_else(absent, pa.scalar(None, pa.string()), column)


def _few_texts(column: pa.ChunkedArray, missing: tuple[str, ...]) -> pa.ChunkedArray:
    """Do what `texts` does, for a few texts."""
    words = column.to_pylist()
    kept = [None if word is None or word.strip() in missing else word for word in words]
    return column if kept == words else pa.chunked_array([kept], pa.string())


def objects(column: pa.ChunkedArray) -> NDArray[np.object_]:
    """Turn an Arrow text column into (n,) str or None, one object per distinct text."""
    if len(column) <= _FEW:
        return np.array(column.to_pylist(), dtype=object)
    coded = column.combine_chunks().dictionary_encode()
    words = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    codes = coded.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)
    return np.asarray(words[codes], dtype=object)


def instants(raw: RawTable, column: str, job: ReadJob, *, needed: bool = False) -> Micros:
    """Read a column of timestamps: (n,) microseconds UTC, NEVER where missing.

    InputError for what cannot be read, for offsets on some rows only, for years outside 1970 to
    2200, and for a missing value where one is `needed`.
    """
    values = raw.column(column)
    if pa.types.is_string(values.type):
        values = texts(values, job.missing)
    zone = job.project.project.timezone
    formats = [raw.date_format] if raw.date_format else [job.project.project.date_format, None]
    for date_format in dict.fromkeys(formats):
        try:
            read = read_times(values, timezone=zone, date_format=date_format)
        except ValueError as error:
            raise InputError(str(error), file=raw.name, column=column) from None
        if not read.bad.all():
            break
    if read.bad.any():
        row = int(read.bad.argmax())
        more = f" ({int(read.bad.sum()):,} such rows)" if read.bad.sum() > 1 else ""
        cure = date_cure(values)
        if formats[0] is not None:
            cure = f"neither date_format = {formats[0]!r} nor ISO 8601 fits: correct the cell"
            if others := date_formats(values):
                cure = f"date_format = {formats[0]!r} does not fit, {others[0]!r} does"
        raise raw.mistake(f"is no timestamp: {_cell(values, row)!r}{more}", row, column, cure)
    if read.naive >= 0 and read.aware >= 0:
        raise raw.mistake(
            f"has no UTC offset ({_cell(values, read.naive)!r}) but others have one",
            read.naive,
            column,
            "export the column in one form",
        )
    _note_time_zone(raw, column, job.project, job.notes, read)
    at = read.at
    known = at != NEVER
    place = f"{raw.name}, column {column}"
    if known.any():
        last = int(np.where(known, at, -1).argmax())
        job.notes.latest.append((int(at[last]), *raw.place(last), column))
        job.notes.read_as(place, f"{date_format}, {'local' if read.naive >= 0 else 'with offset'}")
    if not read.by_row and (read.gap or read.fold):
        job.notes.read_as(place, "distinct texts")
    odd = known & ((at < _EARLIEST) | (at >= _LATEST))
    if odd.any():
        row = int(odd.argmax())
        raise raw.mistake(
            f"lies outside 1970 to 2200: {_cell(values, row)!r} ({int(odd.sum()):,} such rows)",
            row,
            column,
            'add the placeholder to `missing`, or check date_format ("epoch_s", "epoch_ms")',
        )
    if needed and not known.all():
        row = int((~known).argmax())
        count = int((~known).sum())
        rules, ids = [f"{quoted(column)} is known"], job.project.leads.id
        line = where_line(raw, ~known, rules, id_column=ids, missing=job.missing)
        cure = f"give every row one, or leave these out: {line}" if line else "give every row one"
        raise raw.mistake(f"is missing ({count:,} such rows)", row, column, cure)
    return at


def _note_time_zone(
    raw: RawTable, column: str, project: Project, notes: Notes, read: Instants
) -> None:
    """Note how times without an offset were read."""
    where = f"{raw.name}, column {column}"
    zoneless = read.naive >= 0 and "timezone" not in project.project.model_fields_set
    notes.count(
        f"{where}: no offset",
        lambda _: f"{where}: no UTC offset; read as UTC, declare project.timezone",
        int(zoneless),
    )
    notes.count(
        f"{where}: summer time",
        lambda _, gap, fold: (
            f"{where}: {gap:,} local times fall into the hour that summer time "
            f"skips (moved forward), {fold:,} into the repeated hour (the earlier is taken)"
        ),
        read.gap + read.fold,
        read.gap,
        read.fold,
    )


def _cell(values: pa.ChunkedArray, row: int) -> str:
    """Show a cell, shortened."""
    text = str(values[row].as_py())
    return text if len(text) <= 40 else text[:39] + "…"


def numbers(raw: RawTable, column: str, project: Project) -> NDArray[np.float64]:
    """Read a column of numbers: (n,) float64, NaN where missing or not finite; InputError else."""
    values = raw.column(column)
    if not pa.types.is_string(values.type):
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.int8())
        if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
            raise InputError(f"holds {values.type}, no numbers", file=raw.name, column=column)
        return _finite(values.cast(pa.float64(), safe=False).to_numpy())  # 2^53 and more, rounded
    values = texts(values, project.project.missing)
    result, bad = _as_numbers(values, raw.decimal)
    if bad >= 0:
        cure = "add the word to `missing`, or declare decimal"
        raise raw.mistake(f"is no number: {_cell(values, bad)!r}", bad, column, cure)
    return result


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace infinities by NaN."""
    out = np.array(values, dtype=np.float64)
    out[~np.isfinite(out)] = np.nan
    return out


def _as_numbers(values: pa.ChunkedArray, decimal: str) -> tuple[NDArray[np.float64], int]:
    """Read texts as numbers: ((n,) float64, first row that is none or -1)."""
    if decimal == ".":
        try:
            return _finite(pc.cast(values, pa.float64()).to_numpy()), -1
        except pa.ArrowInvalid:
            pass
    coded = values.combine_chunks().dictionary_encode()
    read, good = _word_numbers(coded.dictionary, decimal)
    codes = coded.indices.fill_null(len(read)).to_numpy(zero_copy_only=False)
    result = np.append(read, np.nan)[codes]
    wrong = ~np.append(good, True)[codes]
    first = int(wrong.argmax()) if wrong.any() else -1
    return _finite(result), first


def _word_numbers(words: pa.Array, decimal: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read distinct texts as numbers: (values, which are numbers)."""
    neat = pc.utf8_trim_whitespace(words)
    if decimal == ",":
        neat = pc.replace_substring_regex(neat, _MONEY, "")
        neat = pc.replace_substring(pc.replace_substring(neat, ".", ""), ",", ".")
    good = pc.match_substring_regex(neat, _NUMBER).to_numpy(zero_copy_only=False).astype(bool)
    values = np.full(len(words), np.nan)
    if good.all():
        try:
            return pc.cast(neat, pa.float64()).to_numpy(zero_copy_only=False), good
        except pa.ArrowInvalid:  # 1e400 and its like
            pass
    if good.any():
        values[good] = [float(text) for text in neat.filter(pa.array(good)).to_pylist()]
    return values, good


def attribute_values(
    raw: RawTable, column: str, project: Project, known: Kind | None = None
) -> tuple[Kind, NDArray[np.generic]] | None:
    """Read a column as a feature: ("number", float64) or ("category", str or None objects).

    `known` is its kind in training. None where it holds dates, as timestamps or as texts: they are
    no feature. A text column counts as numbers when all its values are; InputError where nearly
    all are, or where they are spelt for another locale ("1.234,50 €").
    """
    values = raw.column(column)
    if known == "number":
        if pa.types.is_boolean(values.type) and values.null_count < len(values):
            row = pc.index(pc.is_valid(values), True).as_py()
            cure = "the model knows it as a number: send one, or train again"
            raise raw.mistake(f"is no number: {_cell(values, row).lower()}", row, column, cure)
        return "number", numbers(raw, column, project)
    if known == "category":
        if pa.types.is_temporal(values.type):
            cure = "the model knows it as words: export those, or train again"
            raise InputError(f"holds {values.type}", file=raw.name, column=column, cure=cure)
        return "category", categories(raw, column, project)
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number", numbers(raw, column, project)
    if not pa.types.is_temporal(kind):
        values = texts(values, project.project.missing)
    if holds_dates(values):
        return None
    coded = values.combine_chunks().dictionary_encode()
    words = coded.dictionary
    _, good = _word_numbers(words, raw.decimal)
    codes = pc.match_substring_regex(words, _CODE).to_numpy(zero_copy_only=False).astype(bool)
    if not len(words) or codes.any() or not good.any():
        _refuse_other_spelling(raw, column, values, words, good)
        return "category", categories(raw, column, project)
    if good.all():
        return "number", numbers(raw, column, project)
    _refuse_almost_numbers(raw, column, values, words, good)
    return "category", categories(raw, column, project)


def categories(raw: RawTable, column: str, project: Project) -> NDArray[np.object_]:
    """Read a column as levels: (n,) str or None; contact data is hashed.

    E-mail and title stay: features are derived from them, and hold no address.
    """
    values = texts(raw.column(column), project.project.missing)
    kept = column in (project.leads.email, project.leads.title)
    return objects(values if kept else hide_contacts(values))


def _refuse_almost_numbers(
    raw: RawTable, column: str, values: pa.ChunkedArray, words: pa.Array, good: NDArray[np.bool_]
) -> None:
    """Refuse a column of many numbers with a few texts among them."""
    if good.sum() <= 20 or good.mean() < 0.8:
        _refuse_other_spelling(raw, column, values, words, good)
        return
    wrong = words.filter(pa.array(~good))
    row = pc.index(values, wrong[0]).as_py()
    raise raw.mistake(
        f"is no number, though most of the column are: {_cell(values, row)!r}",
        row,
        column,
        "add the word to `missing`, or exclude the column",
    )


def _refuse_other_spelling(
    raw: RawTable, column: str, values: pa.ChunkedArray, words: pa.Array, good: NDArray[np.bool_]
) -> None:
    """Refuse numbers with decimal commas, thousands separators, currency or percent signs."""
    if len(words) <= 5:
        return
    looks = pc.match_substring_regex(words, _OTHER_SPELLING).to_numpy(zero_copy_only=False)
    mark = pc.match_substring_regex(words, r"[,%€$£¥']|\d \d").to_numpy(zero_copy_only=False)
    if (looks.astype(bool) | good).mean() > 0.9 and (looks & mark).mean() > 0.3:
        row = pc.index(values, words[int((looks & mark).argmax())]).as_py()
        declare = "" if raw.decimal == "," else 'declare decimal = "," for this source, or '
        raise raw.mistake(
            f"looks like a number in another spelling: {_cell(values, row)!r}",
            row,
            column,
            f"{declare}export plain numbers",
        )


def moment(text: str, project: Project, key: str) -> int:
    """Read one timestamp of the project file into microseconds UTC."""
    read = read_times(pa.chunked_array([[text]]), timezone=project.project.timezone)
    if read.bad[0] or not _EARLIEST <= int(read.at[0]) < _LATEST:
        raise InputError(f"is no timestamp: {text!r}", argument=key, cure='write "2026-11-01"')
    return int(read.at[0])
