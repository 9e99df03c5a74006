"""The sources of a project -> what tells whether one has changed: of a file its state on the disk.

A file whose size, clocks and inode are as they were is not opened. One that looks different is
hashed: the same bytes are the same source. An object store says itself which version of an object
it has (ETag and size), so an object is not read to be marked. A database says nothing cheaply of
what changed in it: its query is run, and what it answers is hashed; SQLite's and DuckDB's files are
files, unless the query asks for the time of day, or for chance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import xxhash

from data.declared_tables import declared_tables
from data.errors import LeadScoreError
from data.network import scheme_of
from data.reading.database_queries import query_database
from data.reading.object_files import ObjectFile, SourceFile, in_database, is_object
from data.reading.sources import files_of
from data.schema import Project
from data.store.sealed import head_of, key_of

_BLOCK: Final = 8 << 20
_ANEW: Final = re.compile(
    r"\b(now|current_\w+|today|date|time|datetime|timestamp|strftime|julianday|unixepoch|age"
    r"|localtime\w*|get_current_\w+|transaction_timestamp|random\w*|uuid|gen_random_\w+|sample)\b",
    re.IGNORECASE,
)
"""Words with which a query may answer otherwise though its file has not changed."""
_YOUNG_NS: Final = 2_000_000_000
"""A file changed so shortly before it was marked may have changed again within one tick."""


@dataclass(frozen=True, slots=True)
class FileMark:
    """One file: where, how it stood on the disk (nanoseconds), and the hash of its bytes.

    Of an object the address, its size and date, and what the store calls this version of it.
    """

    path: str
    size: int
    modified: int
    changed: int
    inode: int
    hash: str

    @classmethod
    def of(cls, path: SourceFile, before: FileMark | None, marked_at: int) -> FileMark:
        """Mark a file; its hash is taken over from a mark made at `marked_at` where it is as then.

        OSError where it is not there.
        """
        if isinstance(path, ObjectFile):
            mark = cls(address_of(path), path.size, path.modified, 0, 0, path.version)
            return before if before == mark else mark
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
    contents: tuple[tuple[str, str, str], ...]  # of each source: its table, its name, its hash
    untouched: bool  # every file is as it was marked before
    key: bytes  # with which what the leads' source says of people is sealed
    objects: Mapping[str, Sequence[ObjectFile]]  # by the source that names them

    def still_hold(self, project: Project) -> bool:
        """Tell whether no file has changed since."""
        away = {address_of(each) for objects in self.objects.values() for each in objects}
        files = [mark for mark in self.files if mark.path not in away]
        try:
            stats = [Path(mark.path).stat() for mark in files]
            looked = {source: files_of(source, project) for source in self.objects}
        except (OSError, LeadScoreError):
            return False
        return looked == self.objects and all(
            mark.state == (s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino)
            for mark, s in zip(files, stats, strict=True)
        )


def mark_sources(project: Project, before: Sequence[FileMark], marked_at: int) -> SourceMarks:
    """Mark every source; InputError, OutsideError or OSError where one is not there."""
    known = {mark.path: mark for mark in before}
    files: dict[str, FileMark] = {}
    answers: dict[tuple[str, str], pa.Table] = {}
    contents: list[tuple[str, str, str]] = []
    objects: dict[str, list[ObjectFile]] = {}
    leads: Sequence[SourceFile] = ()
    for i, (label, source, query) in enumerate(_asked(project)):
        paths = objects.get(source) or _paths_of(source, query, project)
        leads = leads if i else paths
        if is_object(source):
            objects[source] = [path for path in paths if isinstance(path, ObjectFile)]
        for path in paths:
            place = address_of(path)
            if place not in files:
                files[place] = FileMark.of(path, known.get(place), marked_at)
            contents.append((label, path.name, files[place].hash))
        if not paths:
            if (source, query) not in answers:
                answers[source, query] = query_database(source, query, project, label)
            contents.append((label, "", _hash_of_table(answers[source, query])))
    marks = tuple(files.values())
    untouched = all(mark is known.get(mark.path) for mark in marks)
    answer = answers.get(next(_asked(project))[1:])
    heads = map(head_of, leads) if answer is None else [_bytes_of(answer)]
    return SourceMarks(marks, answers, tuple(contents), untouched, key_of(heads), objects)


def address_of(file: SourceFile) -> str:
    """Say where a file is, as its mark does: an object by its store, bucket and key."""
    if isinstance(file, ObjectFile):
        return f"{file.store.endpoint}/{file.bucket}/{file.key}"
    return str(file)


def asks_a_database(project: Project) -> bool:
    """Tell whether a source is on a server, which says what changed only when it is queried."""
    return any(not _paths_of(source, query, project) for _, source, query in _asked(project))


def _asked(project: Project) -> Iterator[tuple[str, str, str]]:
    """Yield (label, source, query) of each table that the project reads, labels as of frames."""
    for label, table in declared_tables(project):
        if table.source:
            yield label, table.source, table.query or ""


def _paths_of(source: str, query: str, project: Project) -> Sequence[SourceFile]:
    """Find the files of a source; none where its query must be run to know what it answers."""
    if not in_database(source):
        return files_of(source, project)
    scheme = scheme_of(source)
    name = source.partition(":")[2]
    plain = name.startswith("///") if scheme == "sqlite" else scheme == "duckdb"
    if not plain or "?" in name or "\\" in name or _ANEW.search(query):
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
