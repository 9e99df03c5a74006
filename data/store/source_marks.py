"""The sources of a project -> what tells whether one has changed: of a file its state on the disk.

A file whose size, clocks and inode are as they were is not opened. One that looks different is
hashed: the same bytes are the same source. A database says nothing cheaply of what changed in it:
its query is run, and what it answers is hashed; SQLite's and DuckDB's files are files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import xxhash

from data.network import scheme_of
from data.reading.sources import Declared, files_of, query_database
from data.schema import Project
from data.store.sealed import head_of, key_of

_BLOCK: Final = 8 << 20
_YOUNG_NS: Final = 2_000_000_000
"""A file changed so shortly before it was marked may have changed again within one tick."""


@dataclass(frozen=True, slots=True)
class FileMark:
    """One file: where, how it stood on the disk (nanoseconds), and the hash of its bytes."""

    path: str
    size: int
    modified: int
    changed: int
    inode: int
    hash: str

    @classmethod
    def of(cls, path: Path, before: FileMark | None, marked_at: int) -> FileMark:
        """Mark a file; its hash is taken over from a mark made at `marked_at` where it is as then.

        OSError where it is not there.
        """
        stat = path.stat()
        state = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        if before is not None and before.state == state and max(state[1:3]) < marked_at - _YOUNG_NS:
            return before
        return cls(str(path), *state, hash_of(path))

    @property
    def state(self) -> tuple[int, int, int, int]:
        """How it stands on the disk."""
        return self.size, self.modified, self.changed, self.inode


@dataclass(frozen=True, slots=True)
class SourceMarks:
    """All sources as they are now; `answers` are what databases said, by address and query."""

    files: tuple[FileMark, ...]
    answers: Mapping[tuple[str, str], pa.Table]
    contents: tuple[tuple[str, str], ...]  # of each source in turn, its name and its hash
    untouched: bool  # every file is as it was marked before
    key: bytes  # with which what the leads' source says of people is sealed

    def still_hold(self) -> bool:
        """Tell whether no file has changed since."""
        try:
            stats = [Path(mark.path).stat() for mark in self.files]
        except OSError:
            return False
        return all(
            mark.state == (s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino)
            for mark, s in zip(self.files, stats, strict=True)
        )


def mark_sources(project: Project, before: Sequence[FileMark], marked_at: int) -> SourceMarks:
    """Mark every source; InputError, OutsideError or OSError where one is not there."""
    known = {mark.path: mark for mark in before}
    files: dict[str, FileMark] = {}
    answers: dict[tuple[str, str], pa.Table] = {}
    contents: list[tuple[str, str]] = []
    for source, query in sources_of(project):
        paths = _paths_of(source, project)
        for path in paths:
            if str(path) not in files:
                files[str(path)] = FileMark.of(path, known.get(str(path)), marked_at)
            contents.append((path.name, files[str(path)].hash))
        if not paths:
            if (source, query) not in answers:
                answers[source, query] = query_database(source, query, project)
            contents.append(("", _hash_of_table(answers[source, query])))
    marks = tuple(files.values())
    untouched = all(mark is known.get(mark.path) for mark in marks)
    leads, query = next(sources_of(project))
    answer = answers.get((leads, query))
    heads = map(head_of, _paths_of(leads, project)) if answer is None else [_bytes_of(answer)]
    return SourceMarks(marks, answers, tuple(contents), untouched, key_of(heads))


def asks_a_database(project: Project) -> bool:
    """Tell whether a source is on a server, which says what changed only when it is queried."""
    return any(not _paths_of(source, project) for source, _ in sources_of(project))


def sources_of(project: Project) -> Iterator[tuple[str, str]]:
    """Yield (source, query) of each table that the project reads."""
    leads = project.leads
    tables: list[Declared] = [leads, *leads.history]
    for join in leads.join:
        tables += [join, *join.history]
    for table in (*tables, *project.events, project.conversion, project.value):
        if source := getattr(table, "source", None):
            yield source, table.query or ""


def _paths_of(source: str, project: Project) -> list[Path]:
    """Find the files of a source; none of a database on a server."""
    scheme = scheme_of(source)
    if not scheme:
        return files_of(source, project)
    name = source.partition(":")[2]
    plain = name.startswith("///") if scheme == "sqlite" else scheme == "duckdb"
    if not plain or "?" in name or "\\" in name:
        return []
    path = Path(project.folder, name.removeprefix("///").removeprefix("//"))
    beside = path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}.wal")
    return [path, *(each for each in beside if each.is_file())]


def hash_of(path: Path, size: int | None = None) -> str:
    """Hash the first `size` bytes of a file, all where it is not given."""
    state, left = xxhash.xxh3_128(), path.stat().st_size if size is None else size
    with path.open("rb") as file:
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            state.update(block)
            left -= len(block)
    return state.hexdigest()


def _hash_of_table(table: pa.Table) -> str:
    """Hash names, kinds and values of a table."""
    return xxhash.xxh3_128_hexdigest(_bytes_of(table))


def _bytes_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue().to_pybytes())
