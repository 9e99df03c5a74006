"""Scores into one CSV or Parquet file, replaced atomically; formulas are made harmless."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import InputError, OutsideError
from data.files import whole_file
from serving.crm.interface import Remote, Update, Value, WriteAnswer
from serving.crm.score_columns import TIMES, checked_fields, incoming, to_iso

_RISKY: Final = tuple("=+-@\t\r\n\x00＝＋－＠|%")


class FileCrm:
    """A file that another program picks up; it always holds all leads.

    It is replaced whole, so InputError where it holds anything that leadscore does not write.
    """

    name = "files"
    batch_limit = 1_000_000
    conditional = False
    metered = False
    inserts = True

    def __init__(
        self, path: Path, *, key: str = "lead_id", fields: Mapping[str, str] | None = None
    ) -> None:
        if path.suffix not in (".csv", ".parquet"):
            raise InputError(f"is neither .csv nor .parquet: {path.name}", column="write_back.url")
        self._path, self._key, self._fields = path, key, checked_fields(fields)
        self._load()

    def read_scores(self, leads: Sequence[str]) -> dict[str, Remote]:
        """Read the rows of these leads."""
        rows_by_lead = self._load()
        return {lead: Remote(rows_by_lead[lead], "") for lead in leads if lead in rows_by_lead}

    def upsert(self, batch: Sequence[Update]) -> list[WriteAnswer]:
        """Merge the batch into the file and put the new one in its place."""
        rows_by_lead = self._load() | {each.lead: dict(each.values) for each in batch}
        write = self._write_csv if self._path.suffix == ".csv" else self._write_parquet
        try:
            with whole_file(self._path) as part:
                write(part, rows_by_lead)
        except OSError as error:
            raise OutsideError(f"{self._path.name} cannot be written: {error}") from None
        return [WriteAnswer(each.lead, "written", echo=each.values) for each in batch]

    def close(self) -> None:
        """Hold nothing open."""

    def _load(self) -> dict[str, dict[str, Value]]:
        if not self._path.exists():
            return {}
        try:
            names, rows = self._read()
        except (OSError, UnicodeError, csv.Error, pa.ArrowException) as error:
            raise self._refusal(f"can't be read: {error}") from None
        for name in names:
            if name not in (self._key, *self._fields.values()):
                raise self._refusal(f"has a column {name!r} that leadscore does not write")
        if names and self._key not in names:
            raise self._refusal(f"has no column {self._key!r}")
        return {str(row[self._key]): incoming(row, self._fields) for row in rows}

    def _read(self) -> tuple[Sequence[str], list[dict[str, Any]]]:
        """Read the names of the columns, and the rows."""
        if self._path.suffix == ".parquet":
            table = pq.read_table(self._path)
            return table.column_names, table.to_pylist()
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            names, rows = next(reader, []), []
            for cells in filter(None, reader):
                if len(cells) != len(names):
                    raise csv.Error(f"line {reader.line_num} has {len(cells)} cells")
                texts = [unguarded(text) or None for text in cells]
                rows.append(dict(zip(names, texts, strict=True)))
            return names, rows

    def _refusal(self, fault: str) -> InputError:
        return InputError(
            fault,
            file=str(self._path),
            cure="it would be replaced whole: move it away, or name another in [write_back] url",
        )

    def _write_csv(self, part: Path, rows_by_lead: Mapping[str, Mapping[str, Value]]) -> None:
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([self._key, *self._fields.values()])
            for lead, values in sorted(rows_by_lead.items()):
                cells = [_cell(field, values.get(field)) for field in self._fields]
                writer.writerow([lead, *cells])

    def _write_parquet(self, part: Path, rows_by_lead: Mapping[str, Mapping[str, Value]]) -> None:
        leads = sorted(rows_by_lead)
        columns: dict[str, object] = {self._key: pa.array(leads, pa.string())}
        for field, column in self._fields.items():
            values = [rows_by_lead[lead].get(field) for lead in leads]
            columns[column] = (
                pa.array(values, pa.timestamp("us", "UTC")) if field in TIMES else values
            )
        pq.write_table(pa.table(columns), part)


def guarded(text: str) -> str:
    """Prefix text that a spreadsheet would run as a formula.

    >>> guarded("=cmd|'/c calc'!A1"), guarded("plain")
    ("'=cmd|'/c calc'!A1", 'plain')
    """
    return f"'{text}" if text.startswith(_RISKY) else text


def unguarded(text: str | None) -> str | None:
    """Take the guard's prefix off again."""
    return text[1:] if text and text[0] == "'" and text[1:].startswith(_RISKY) else text


def _cell(field: str, value: Value) -> object:
    """Write numbers as they are, times as ISO text, text guarded; ids are never touched."""
    if field in TIMES and isinstance(value, int):
        return to_iso(value)
    return guarded(value.replace("\x00", "")) if isinstance(value, str) else value
