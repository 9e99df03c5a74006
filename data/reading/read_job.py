"""How a project's tables are read: where each one comes from, and how strictly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from data.errors import InputError
from data.network import scheme_of
from data.reading.source_blocks import source_blocks
from data.reading.sources import Declared, Given, KeptSources, RawTable, read_source
from data.schema import Project
from data.schema_types import Source
from data.tables import Kind


@dataclass(slots=True)
class Notes:
    """Remarks on the data that are no errors, each kept once, with counts.

    Of a table that is read block by block, `sums` add up what is counted in each block: what is
    counted -> (how it is said, the counts); and `forms` collect how each column's values were read.
    `latest` says where the last moment of each column stands: (moment, file, line, column).
    """

    lines: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)  # attribute -> why it is no feature
    sums: dict[str, tuple[Callable[..., str], tuple[int, ...]]] | None = None
    forms: dict[str, set[str]] = field(default_factory=dict)
    latest: list[tuple[int, str, int, str]] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Keep a line, once."""
        if text not in self.lines:
            self.lines.append(text)

    def count(self, what: str, say: Callable[..., str], *numbers: int) -> None:
        """Keep a line that says numbers, where the first of them is not 0."""
        if self.sums is None:
            if numbers[0]:
                self.add(say(*numbers))
            return
        said, before = self.sums.get(what, (say, (0,) * len(numbers)))
        both = tuple(a + b for a, b in zip(before, numbers, strict=True))
        self.sums[what] = (said if before[0] else say), both

    def read_as(self, column: str, form: str) -> None:
        """Keep in which form the values of a column stood."""
        self.forms.setdefault(column, set()).add(form)

    def summed(self) -> list[str]:
        """Say what the blocks count together, in the order in which the first one counted it."""
        return [say(*numbers) for say, numbers in (self.sums or {}).values() if numbers[0]]

    def leave_out(self, file: str, attribute: str, reason: str) -> None:
        """Keep why a column is no feature."""
        self.left_out[attribute] = reason
        self.add(f"{file}, column {attribute}: {reason}")


class DealtSource(Protocol):
    """Rows of a source that were dealt out from it: at once, or block by block."""

    def whole(self) -> RawTable: ...  # noqa: D102
    def blocks(self) -> Iterator[RawTable]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class ReadJob:
    """What to read, and how strictly.

    `frames` replace sources. `kinds` are the kinds that attributes had in training: a column
    keeps its kind, however few its values are now. A `lenient` job reads for scoring: another
    file of leads, where outcomes and what reports show may be absent, or a few leads given as a
    frame, where any column may be, and a table that is not given as a frame is empty. `kept` may
    know tables from before. `dealt` are the rows of some leads, by label: they stand in place of
    the sources from which they were dealt out.
    """

    project: Project
    frames: Mapping[str, Given] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    lenient: bool = False
    kept: KeptSources | None = None
    dealt: Mapping[str, DealtSource] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)

    @property
    def of_few(self) -> bool:
        """Whether a few leads are given, which may lack columns: those are then missing."""
        return self.lenient and "leads" in self.frames

    @property
    def missing(self) -> tuple[str, ...]:
        """The words that mean missing."""
        return self.project.project.missing

    def source(
        self,
        declared: Declared,
        label: str,
        *,
        path: str | None = None,
        columns: Sequence[str] | None = None,
        may_be_empty: bool = False,
    ) -> RawTable:
        """Read the table of this label; InputError where it has no rows and should have some."""
        if label in self.dealt:
            return self.dealt[label].whole()
        frame = self.frames.get(label)
        if frame is None and self.of_few:
            frame = pa.table({})
        raw = read_source(
            declared,
            self.project,
            frame=frame,
            source=_as_given(path),
            columns=columns,
            label=label,
            kept=self.kept,
        )
        if not len(raw) and not self.lenient and not may_be_empty:
            raise InputError("has a header but no rows", file=raw.name)
        lenient = self.of_few or (self.lenient and label == "leads")
        return replace(raw, lenient=True) if lenient else raw

    def blocks(
        self,
        declared: Source,
        label: str,
        *,
        path: str | None,
        columns: Sequence[str],
        words: Sequence[str],
        rows: int,
    ) -> Iterator[RawTable] | None:
        """Read the table of this label as `source_blocks` does; None where it is read whole."""
        if label in self.frames or self.of_few:
            return None
        return source_blocks(
            declared,
            self.project,
            source=_as_given(path),
            columns=columns,
            words=words,
            rows=rows,
            kept=self.kept,
        )


def _as_given(path: str | None) -> str | None:
    """Let a path that is not the project file's start where the program runs."""
    return path if path is None or scheme_of(path) else str(Path(path).absolute())
