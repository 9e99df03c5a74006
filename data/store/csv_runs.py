"""CSV files read before -> their columns as they were read, so that only what is new is parsed.

A large file that has only grown is read from where it ended: the hash of what was there says that
it is still the same. Kept are the columns that the project reads, as texts, exactly as they stood.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import xxhash

from data.errors import InputError
from data.reading.csv_files import csv_blocks, read_csv, read_tail
from data.reading.object_files import SourceFile
from data.reading.source_blocks import regrouped
from data.store.sealed import head_of, key_of, open_table, seal_table
from data.store.source_marks import FileMark, address_of

WORTH_KEEPING: Final = 4 << 20
"""Bytes of a file below which it is read again as quickly."""
MOST_PIECES: Final = 16
_BLOCK: Final = 8 << 20
_PIECE_ROWS: Final = 1 << 18
_PIECE_BYTES: Final = 2 << 20
"""So many rows at least are in a piece of a large file, which stood in so many bytes or more."""


@dataclass(frozen=True, slots=True)
class CsvRun:
    """Some columns of the first `size` bytes of a file, in one or more files of the store."""

    path: str
    delimiter: str | None
    encoding: str
    columns: tuple[str, ...]
    size: int
    hash: str
    pieces: tuple[str, ...]

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> CsvRun:
        """Read what `asdict` wrote."""
        lists = {name: tuple(raw[name]) for name in ("columns", "pieces")}
        return cls(**{**raw, **lists})

    def is_like(self, other: CsvRun) -> bool:
        """Tell whether both read the same columns of the same file in the same way."""
        same = ("path", "delimiter", "encoding", "columns")
        return all(getattr(self, name) == getattr(other, name) for name in same)


@dataclass(slots=True)
class CsvRuns:
    """What is known of sources while they are read: runs of CSV files, answers of databases.

    `used` collects the runs that hold now; their new pieces lie in `fresh`, a folder that exists.
    """

    folder: Path
    fresh: Path
    marks: dict[str, FileMark]
    answers: dict[tuple[str, str], pa.Table]
    runs: Sequence[CsvRun]
    used: list[CsvRun] = field(default_factory=list)

    def query(self, uri: str, query: str) -> pa.Table | None:
        """Give what a database answered when it was asked whether it changed."""
        return self.answers.get((uri, query))

    def csv(
        self, file: SourceFile, *, delimiter: str | None, encoding: str, columns: Sequence[str]
    ) -> pa.Table | None:
        """Read columns of a file as `read_csv` does, from runs as far as they hold; None: small."""
        mark = self.marks.get(address_of(file))
        if mark is None or mark.size < WORTH_KEEPING:
            return None
        wanted = CsvRun(
            mark.path, delimiter, encoding, tuple(sorted(columns)), mark.size, mark.hash, ()
        )
        self.used = [run for run in self.used if not run.is_like(wanted)]
        old = next((run for run in self.runs if run.is_like(wanted)), None)
        try:
            pieces = [] if old is None else self._pieces(old, file, mark)
        except (OSError, ValueError, KeyError):
            pieces = []  # damaged: the file itself is read
        if old is None or not pieces:
            whole = read_csv(file, delimiter=delimiter, encoding=encoding, columns=columns)
            if set(columns) <= set(whole.column_names):
                self.used.append(replace(wanted, pieces=(self._write(whole, file),)))
            return whole
        names = old.pieces
        if len(pieces) > len(names):
            names = (*names, self._write(pieces[-1], file))
        whole = pa.concat_tables(pieces)
        if len(names) > _most_pieces(mark):
            names = (self._write(whole, file),)
        self.used.append(replace(wanted, pieces=names))
        return whole

    def csv_blocks(
        self, file: SourceFile, *, delimiter: str | None, encoding: str, columns: Sequence[str]
    ) -> Iterator[pa.Table]:
        """Do what `csv` does for a large file, of which one block is in memory at a time.

        Where a kept piece is damaged, ValueError or OSError: the whole is then read anew.
        """
        mark = self.marks[address_of(file)]
        wanted = CsvRun(
            mark.path, delimiter, encoding, tuple(sorted(columns)), mark.size, mark.hash, ()
        )
        old = next((run for run in self.runs if run.is_like(wanted)), None)
        names: list[str] = []
        if old is None or len(old.pieces) >= _most_pieces(mark) or not _still(old, file, mark):
            read = csv_blocks(file, delimiter=delimiter, encoding=encoding, columns=columns)
            for block in regrouped(read, _PIECE_ROWS):
                names.append(self._write(block, file))
                yield block
        else:
            key = key_of([head_of(file)])
            for name in old.pieces:
                names.append(name)
                yield (block := open_table((self.folder / name).read_bytes(), key))
            if old.size < mark.size and (tail := self._tail(old, file)) is not None:
                tail = tail.select(block.column_names)
                names.append(self._write(tail, file))
                yield tail
            elif old.size < mark.size:
                raise ValueError("its tail can't be read by itself")
        self.used.append(replace(wanted, pieces=tuple(names)))

    def _pieces(self, old: CsvRun, file: SourceFile, mark: FileMark) -> list[pa.Table]:
        """Read the pieces of a run, and what has come behind it; empty where it does not hold."""
        if not _still(old, file, mark):
            return []
        key = key_of([head_of(file)])
        pieces = [open_table((self.folder / name).read_bytes(), key) for name in old.pieces]
        if old.size < mark.size:
            tail = self._tail(old, file)
            if tail is None:
                return []
            pieces.append(tail.select(pieces[0].column_names))
        return pieces

    def _tail(self, old: CsvRun, file: SourceFile) -> pa.Table | None:
        """Read what has come behind a run; None where that must be read with the whole."""
        assert isinstance(file, Path)  # of an object no beginning holds
        scratch = self.fresh / "tail.csv"
        try:
            return read_tail(
                file,
                old.size,
                delimiter=old.delimiter,
                encoding=old.encoding,
                columns=old.columns,
                scratch=scratch,
            )
        except InputError:
            return None  # read whole, the line is named as it stands in the file
        finally:
            scratch.unlink(missing_ok=True)

    def _write(self, table: pa.Table, file: SourceFile) -> str:
        """Write a piece beside the others that are new; return its name."""
        name = f"csv-{len(list(self.fresh.iterdir()))}"
        (self.fresh / name).write_bytes(seal_table(table, key_of([head_of(file)])))
        return name


def _most_pieces(mark: FileMark) -> int:
    """Say how many pieces a run may have: those of its first reading, and some that came behind."""
    return MOST_PIECES + mark.size // _PIECE_BYTES


def _still(old: CsvRun, file: SourceFile, mark: FileMark) -> bool:
    """Tell whether a file is, or begins, as it was read.

    To compare the beginning of an object is to fetch it: one that has grown is read whole.
    """
    if old.size < mark.size:
        return isinstance(file, Path) and _holds(file, old)
    return (old.size, old.hash) == (mark.size, mark.hash)


def _holds(path: Path, run: CsvRun) -> bool:
    """Tell whether a file still begins with what was read, and the next row begins behind it."""
    state, left, quotes, last = xxhash.xxh3_128(), run.size, 0, b""
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            state.update(block)
            quotes += block.count(b'"')
            left, last = left - len(block), block[-1:]
    return state.hexdigest() == run.hash and quotes % 2 == 0 and last == b"\n"
