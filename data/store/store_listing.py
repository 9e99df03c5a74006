"""What a store says that it holds: one JSON file, replaced whole and last of all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from data.files import whole_file
from data.store.csv_runs import CsvRun
from data.store.source_marks import FileMark

FORMAT: Final = 1
LISTING: Final = "store.json"


@dataclass(frozen=True, slots=True)
class StoreListing:
    """What the store holds: the sources as they were, readings by key, runs of CSV files."""

    files: tuple[FileMark, ...] = ()
    # of each reading its key and the name of its head, the oldest first
    readings: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[CsvRun, ...] = ()
    written_at: int = 0  # by the clock of the file system, nanoseconds

    @classmethod
    def read(cls, folder: Path) -> StoreListing:
        """Read the listing, an empty one where there is none; ValueError and others for damage."""
        path = folder / LISTING
        try:
            raw, at = json.loads(path.read_text(encoding="utf-8")), path.stat().st_mtime_ns
        except FileNotFoundError:
            return cls()
        if raw["format"] != FORMAT:
            return cls()
        return cls(
            tuple(FileMark(**each) for each in raw["files"]),
            dict(raw["readings"]),
            tuple(CsvRun.from_json(each) for each in raw["runs"]),
            at,
        )

    def write(self, folder: Path) -> None:
        """Replace the listing, whole."""
        raw = {
            "format": FORMAT,
            "files": [asdict(each) for each in self.files],
            "readings": dict(self.readings),
            "runs": [asdict(each) for each in self.runs],
        }
        with whole_file(folder / LISTING) as path:
            path.write_text(json.dumps(raw), encoding="utf-8")
