"""How a project's tables are read: where each one comes from, and how strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from data.errors import InputError
from data.network import scheme_of
from data.reading.sources import Declared, Given, KeptSources, RawTable, read_source
from data.schema import Project
from data.tables import Kind


@dataclass(slots=True)
class Notes:
    """Remarks on the data that are no errors, each kept once, with counts."""

    lines: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)  # attribute -> why it is no feature

    def add(self, text: str) -> None:
        """Keep a line, once."""
        if text not in self.lines:
            self.lines.append(text)

    def leave_out(self, file: str, attribute: str, reason: str) -> None:
        """Keep why a column is no feature."""
        self.left_out[attribute] = reason
        self.add(f"{file}, column {attribute}: {reason}")


@dataclass(frozen=True, slots=True)
class ReadJob:
    """What to read, and how strictly.

    `frames` replace sources. `kinds` are the kinds that attributes had in training: a column
    keeps its kind, however few its values are now. A `lenient` job reads for scoring: another
    file of leads, where outcomes and what reports show may be absent, or a few leads given as a
    frame, where any column may be, and a table that is not given as a frame is empty. `kept` may
    know tables from before.
    """

    project: Project
    frames: Mapping[str, Given] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    lenient: bool = False
    kept: KeptSources | None = None
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
        frame = self.frames.get(label)
        if frame is None and self.of_few:
            frame = pa.table({})
        if path is not None and not scheme_of(path):
            path = str(Path(path).absolute())  # not relative to the project
        raw = read_source(
            declared,
            self.project,
            frame=frame,
            source=path,
            columns=columns,
            label=label,
            kept=self.kept,
        )
        if not len(raw) and not self.lenient and not may_be_empty:
            raise InputError("has a header but no rows", file=raw.name)
        lenient = self.of_few or (self.lenient and label == "leads")
        return replace(raw, lenient=True) if lenient else raw
