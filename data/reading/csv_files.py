"""CSV files, plain or gz -> Arrow tables of strings, exactly as written; errors name the line."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from data.errors import InputError
from data.reading.object_files import SourceFile

MAX_FIELD: Final = 1_000_000
_BLOCK: Final = 16 << 20
_STREAM_BLOCK: Final = 1 << 20
"""Bytes of a block where the file goes by: Arrow reads some dozens of them ahead."""
_QUOTE: Final = ord('"')
_DELIMITERS: Final = (",", ";", "\t", "|")
_ONE_BYTE_ENDS_A_LINE: Final = ("utf-8", "utf-8-sig", "cp1252")
_DAMAGED: Final = (OSError, EOFError, zlib.error)
"""What a file raises that is cut off, or whose .gz is damaged."""
_UNREADABLE: Final = (pa.ArrowInvalid, UnicodeDecodeError, *_DAMAGED)
_NO_CSV: Final = {
    b"PK\x03\x04": ("an Excel workbook or a zip archive", "save the sheet as CSV, or unpack it"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV"),
    b"SQLi": (
        "an SQLite database",
        'read its tables with source = "sqlite:///FILE" and a query; init looks at CSV and Parquet',
    ),
    b"PAR1": ("Parquet", "let its name end in .parquet"),
    b"%PDF": ("PDF", "export the table as CSV"),
}
"""First bytes of other formats that are named .csv: what it is, and the cure."""


def read_csv(
    path: SourceFile, *, delimiter: str | None, encoding: str, columns: Sequence[str] | None
) -> pa.Table:
    """Read all or the named columns as strings; no value is converted, "" stays "".

    Missing columns are simply absent from the result. InputError for an empty file, a wrong
    encoding, a ragged row, a NUL byte or a field of more than a megabyte.
    """
    shape = _shape_of(path, delimiter, encoding)
    some = columns is not None and set(columns) <= set(shape.names)  # else all: name the nearest
    asked = set(columns or ())
    wanted = [n for n in shape.names if not some or n in asked]
    try:
        with _CountedQuotes(_open(path)) as file:
            table = arrow_csv.read_csv(pa.PythonFile(file, "r"), **shape.options(wanted))
    except _UNREADABLE as error:
        raise _explain(path, shape, error) from None
    _check_fields(table, path, shape.first_line)
    if file.quotes % 2:
        _refuse_open_quote(path, shape)
    return table


def csv_blocks(
    path: SourceFile, *, delimiter: str | None, encoding: str, columns: Sequence[str]
) -> Iterator[pa.Table]:
    """Read the named columns as `read_csv` does, piece by piece.

    InputError where `read_csv` raises one, and where a column is not there: reading the whole says
    in which line.
    """
    shape = _shape_of(path, delimiter, encoding)
    asked = set(columns)
    wanted = [name for name in shape.names if name in asked]
    if len(wanted) < len(asked):
        raise InputError("column not found", file=path.name)
    line = shape.first_line
    try:
        options = shape.options(wanted, _STREAM_BLOCK)
        with (
            _CountedQuotes(_open(path)) as file,
            arrow_csv.open_csv(pa.PythonFile(file, "r"), **options) as batches,
        ):
            for batch in batches:
                table = pa.Table.from_batches([batch])
                _check_fields(table, path, line)
                line += len(table)
                yield table
    except _UNREADABLE as error:
        raise InputError(f"cannot be read: {error}", file=path.name) from None
    if file.quotes % 2:
        _refuse_open_quote(path, shape)


@dataclass(frozen=True, slots=True)
class CsvShape:
    """What is known of a CSV file before its rows are read."""

    names: list[str]
    delimiter: str
    encoding: str
    first_line: int

    def options(self, wanted: list[str], block_size: int = _BLOCK) -> dict[str, Any]:
        """Say to Arrow how the file is read: as texts, exactly as they stand."""
        return {
            "read_options": arrow_csv.ReadOptions(
                column_names=self.names,
                skip_rows=self.first_line - 2,
                skip_rows_after_names=1,
                encoding=self.encoding,
                block_size=block_size,
            ),
            "parse_options": arrow_csv.ParseOptions(
                delimiter=self.delimiter, newlines_in_values=True, ignore_empty_lines=True
            ),
            "convert_options": arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in self.names},
                include_columns=wanted,
                strings_can_be_null=False,
            ),
        }


def _shape_of(path: SourceFile, delimiter: str | None, encoding: str) -> CsvShape:
    """Look at the beginning of a file."""
    encoding = _encoding(path, encoding)
    told = _told_separator(path, encoding)
    delimiter = delimiter or told or _sniff(path, encoding)
    return CsvShape(header(path, encoding, delimiter), delimiter, encoding, 3 if told else 2)


def read_tail(
    path: SourceFile,
    start: int,
    *,
    delimiter: str | None,
    encoding: str,
    columns: Sequence[str],
    scratch: Path,
) -> pa.Table | None:
    """Read the rows from byte `start` on, where a row begins, as `read_csv` reads the whole file.

    They are put below the header in a file `scratch`. None where the bytes of a packed or wide
    encoding have no such place. An InputError does not name the right line.
    """
    encoding = _encoding(path, encoding)
    if path.suffix == ".gz" or encoding not in _ONE_BYTE_ENDS_A_LINE:
        return None
    delimiter = delimiter or _told_separator(path, encoding) or _sniff(path, encoding)
    head = io.StringIO()
    csv.writer(head, delimiter=delimiter).writerow(header(path, encoding, delimiter))
    plain = "utf-8" if encoding == "utf-8-sig" else encoding
    with path.open("rb") as whole, scratch.open("wb") as part:
        part.write(head.getvalue().encode(plain))
        whole.seek(start)
        shutil.copyfileobj(whole, part)
    return read_csv(scratch, delimiter=delimiter, encoding=plain, columns=columns)


def csv_header(path: SourceFile, *, delimiter: str | None, encoding: str) -> list[str]:
    """Read the column names alone."""
    return _shape_of(path, delimiter, encoding).names


def line_of_first_row(path: SourceFile, encoding: str) -> int:
    """Tell on which line the first row stands: below the header, which `sep=;` may precede."""
    return 3 if _told_separator(path, _encoding(path, encoding)) else 2


def _told_separator(path: SourceFile, encoding: str) -> str | None:
    """Read the line `sep=;` with which Excel tells itself the delimiter; None where there is none.

    That line is no header; the next one is.
    """
    with _open(path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
        try:
            told = re.fullmatch(r'"?sep=(.)"?[\r\n]*', text.readline(16), re.IGNORECASE)
        except UnicodeDecodeError:
            return None  # `_sniff` names the byte
    return told[1] if told else None


def header(path: SourceFile, encoding: str, delimiter: str) -> list[str]:
    """Read the column names; refuse none, duplicates and NUL; name empty ones "column 37"."""
    with _open(path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
        try:
            rows = csv.reader(text, delimiter=delimiter)
            if _told_separator(path, encoding):
                next(rows)
            names = next(rows, [])
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"header cannot be read: {error}", file=path.name, row=1) from None
    if not any(names):
        raise InputError("is empty", file=path.name, cure="a header and rows are needed")
    names = [name if name.strip() else f"column {i}" for i, name in enumerate(names, 1)]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(
                "column name stands twice",
                file=path.name,
                row=1,
                column=name,
                cure="rename one of them in the export",
            )
        if "\0" in name or len(name) > 255:
            raise InputError(
                "column name holds a NUL byte or is longer than 255",
                file=path.name,
                row=1,
                column=name[:40].replace("\0", "␀"),
                cure="rename it in the export",
            )
        seen.add(name)
    return names


class _CountedQuotes(io.RawIOBase):
    """A file that is read once, and how many quotes went by."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.quotes = file, 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes."""
        block = self._file.read(size)
        self.quotes += int(np.count_nonzero(np.frombuffer(block, np.uint8) == _QUOTE))
        return block

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def _open(path: SourceFile) -> IO[bytes]:
    """Open a file, unpacking .gz."""
    if path.suffix != ".gz":
        return path.open("rb")
    return cast(IO[bytes], gzip.open(path if isinstance(path, Path) else path.open("rb")))


def _encoding(path: SourceFile, declared: str) -> str:
    """Look at the first bytes: a byte-order mark wins over UTF-8; another format is named."""
    try:
        codec = codecs.lookup(declared).name
        with _open(path) as raw:
            start = raw.read(4)
    except LookupError:
        raise InputError(f"unknown encoding {declared!r}", file=path.name) from None
    except _DAMAGED as error:
        raise InputError(f"cannot be read: {error}", file=path.name) from None
    if not start:
        raise InputError("is empty", file=path.name, cure="a header and rows are needed")
    if start in _NO_CSV:
        kind, cure = _NO_CSV[start]
        raise InputError(f"is no CSV file but {kind}", file=path.name, cure=cure)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    # as browsers do: what calls itself Latin-1 is Windows-1252, in which € and curly quotes exist
    return {"utf-8": "utf-8", "iso8859-1": "cp1252"}.get(codec, declared)


def _sniff(path: SourceFile, encoding: str) -> str:
    """Take the delimiter that stands most often in the header outside quotes."""
    with _open(path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
        try:
            line = text.readline(1 << 20)
        except UnicodeDecodeError as error:
            raise _bad_encoding(path, 1, encoding, error) from None
    bare = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=lambda mark: (bare.count(mark), -_DELIMITERS.index(mark)))


def _explain(path: SourceFile, shape: CsvShape, error: Exception) -> InputError:
    """Find the line that could not be read by walking the file once more."""
    encoding, n_columns, line = shape.encoding, len(shape.names), 1
    try:
        with _open(path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
            csv.field_size_limit(MAX_FIELD)
            reader = csv.reader(text, delimiter=shape.delimiter)
            if _told_separator(path, encoding):
                next(reader)
                line = 2
            for row in reader:
                if row and len(row) != n_columns:
                    return InputError(
                        f"has {len(row)} fields, the header has {n_columns}",
                        file=path.name,
                        row=line,
                        cure="quote fields that hold the delimiter, or set `delimiter`",
                    )
                line = reader.line_num + 1
    except UnicodeDecodeError as bad:
        return _bad_encoding(path, line, encoding, bad)
    except csv.Error as bad:
        return InputError(f"cannot be read: {bad}", file=path.name, row=line)
    except _DAMAGED as bad:
        return InputError(f"cannot be read: {bad}", file=path.name, cure="export it again")
    return InputError(f"cannot be read: {error}", file=path.name)


def _refuse_open_quote(path: SourceFile, shape: CsvShape) -> None:
    """Refuse a file that ends within quotes: all rows below the open one would be a part of it.

    An odd number of quotes alone is no mistake: one may stand for inches.
    """
    begins, encoding = 1, shape.encoding
    with (
        _open(path) as raw,  # bytes of columns that nothing reads may be anything
        io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="") as text,
    ):
        csv.field_size_limit(MAX_FIELD)
        reader = csv.reader(text, delimiter=shape.delimiter, strict=True)
        try:
            for _ in reader:
                begins = reader.line_num + 1
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                raise InputError(
                    "a quote opens here and is never closed",
                    file=path.name,
                    row=begins,
                    cure="close it, or write two where one is meant",
                ) from None


def _bad_encoding(
    path: SourceFile, line: int, encoding: str, error: UnicodeDecodeError
) -> InputError:
    """Say which byte is not in the encoding, near which line."""
    byte = error.object[error.start]
    return InputError(
        f"byte 0x{byte:02x} after line {line} is not {encoding}",
        file=path.name,
        cure='declare the encoding of this source, for instance encoding = "cp1252"',
    )


def _check_fields(table: pa.Table, path: SourceFile, first: int) -> None:
    """Refuse NUL bytes and fields of more than a megabyte, naming row and column."""
    for name in table.column_names:
        start = first
        for chunk in table[name].chunks:
            data = chunk.buffers()[2]
            has_nul = data is not None and bool((np.frombuffer(data, np.uint8) == 0).any())
            if has_nul and (row := _first_true(pc.match_substring(chunk, "\0"))) is not None:
                raise InputError(
                    "holds a NUL byte",
                    file=path.name,
                    row=start + row,
                    column=name,
                    cure="export it again; UTF-16 needs its byte-order mark",
                )
            longest = pc.max(pc.binary_length(chunk)).as_py() or 0
            if longest > MAX_FIELD:
                row = _first_true(pc.greater(pc.binary_length(chunk), MAX_FIELD))
                raise InputError(
                    f"field of {longest:,} bytes, at most {MAX_FIELD:,}",
                    file=path.name,
                    row=start + (row or 0),
                    column=name,
                    cure="shorten it, or close a quote that is open",
                )
            start += len(chunk)


def _first_true(mask: pa.Array) -> int | None:
    """Find the first true row."""
    row = pc.index(mask, True).as_py()
    return None if row < 0 else int(row)
