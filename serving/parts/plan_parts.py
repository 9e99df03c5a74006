"""The memory that may be used and the size of the sources -> in how many parts to score."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from data.buckets import BUCKETS
from data.errors import InputError, LeadScoreError
from data.memory import memory_budget
from data.network import scheme_of
from data.project import sources_of
from data.reading.object_files import SourceFile, in_database, is_object, size_of
from data.reading.parquet_files import rows_and_columns
from data.reading.sources import files_of
from data.schema import Project
from serving.parts.run_parts import PartsPlan
from serving.session import Session

PROGRAM: Final = 500 * 10**6
"""Bytes of a process that has loaded the program and a model."""
PER_CELL: Final = 56
PER_CSV_BYTE: Final = 2.0
PER_OPEN_LEAD: Final = 10_000
"""Bytes of memory that scoring takes at its peak: for a cell of a Parquet file, a byte of a CSV,
and, where sources are databases, an open lead of the night before. Measured on two companies, of
4,000 to 150,000 leads with 20 events each (`python -m benchmarks.scale memory --full`): 20 to 54
bytes a cell, the most where tables are narrow; a cell of long texts takes more as well."""
LEAST_ON_CLUSTER: Final = 16


def plan_parts(
    session: Session,
    *,
    parts: str | None = None,
    memory: str | None = None,
    processes: int = 1,
    cluster: str | None = None,
    leads: str | None = None,
    events: list[str] | None = None,
) -> PartsPlan:
    """Choose the parts: as many as were asked for; "all", and nothing, go by the memory.

    `processes` share the memory. InputError where `parts` is no number and not "all".
    """
    if cluster is not None:
        processes = 1 if cluster != "local" else session.threads
    if parts is None or parts.strip() == "all":
        budget = memory_budget(memory or session.project.score.memory)
        count = _by_memory(bytes_of_sources(session, leads, events), budget, processes)
        if cluster is not None:
            count = min(max(count, LEAST_ON_CLUSTER), BUCKETS)
    elif parts.strip().isdecimal() and 1 <= int(parts) <= BUCKETS:
        count = int(parts)
    else:
        raise InputError(
            f"{parts!r} is no number of parts",
            cure=f"give 1 to {BUCKETS}, or all",
            argument="parts",
        )
    return PartsPlan(count, min(processes, count), cluster)


def _by_memory(size: float, budget: int, processes: int) -> int:
    """Count the parts of which each, in each process, fits beside the program."""
    room = max(budget / processes - PROGRAM, 0.1 * budget / processes)
    return min(max(math.ceil(size / room), 1), BUCKETS)


def bytes_of_sources(
    session: Session, leads: str | None = None, events: list[str] | None = None
) -> float:
    """Estimate the bytes that scoring the company whole takes beside the program."""
    given: dict[str, str] = {} if leads is None else {"leads.source": leads}
    given |= {f"events.{i}.source": source for i, source in enumerate(events or ())}
    sources = [given.get(key, source) for key, source in sources_of(session.project)]
    size = sum(_bytes_of(file) for source in sources for file in _files(session.project, source))
    if any(in_database(source) for source in sources) and session.state.scores.is_file():
        size += PER_OPEN_LEAD * pq.read_metadata(session.state.scores).num_rows
    return size


def _files(project: Project, source: str) -> Iterator[SourceFile]:
    """List the files of a source; none of a database, or where reading will say what is wrong."""
    if is_object(source):
        with suppress(LeadScoreError):
            yield from files_of(source, project)
    if scheme_of(source):
        return
    folder = Path(project.folder)
    path = folder / source
    if path.is_file():
        yield path
    elif not path.is_absolute() or "*" in source:
        root, pattern = (Path("/"), str(path)[1:]) if path.is_absolute() else (folder, source)
        yield from (found for found in root.glob(pattern) if found.is_file())


def _bytes_of(file: SourceFile) -> float:
    if file.suffix == ".parquet":
        try:
            rows, columns = rows_and_columns(file)
        except LeadScoreError:  # the reader says what is wrong with it
            return 0.0
        return float(PER_CELL * rows * columns)
    return PER_CSV_BYTE * size_of(file)
