"""Who saw which score: a log kept while an experiment runs, so that contamination is counted.

One row per lead and door, with the first and last moment at which its score was shown there. It
lies in the state folder; `leadscore forget` erases a lead from it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from data.errors import OutsideError
from training.state import StatePaths
from training.state_format import make_folder

if TYPE_CHECKING:  # write-back starts without pandas
    from data.schema import Project

Door = Literal["scores", "report", "explain", "http", "crm"]
FILE: Final = "exposure.db"
_TABLE: Final = """
create table if not exists exposure (
    lead text not null,
    door text not null,
    first_at integer not null,
    last_at integer not null,
    times integer not null,
    primary key (lead, door)
) strict, without rowid
"""
_NOTE: Final = (
    "insert into exposure values (?, ?, ?, ?, 1) on conflict (lead, door) do update set"
    " first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at),"
    " times = times + 1"
)


@dataclass(frozen=True, slots=True)
class ScoreSeen:
    """One lead's score as shown at one door: microseconds UTC of the first and last time."""

    lead: str
    door: str
    first_at: int
    last_at: int
    times: int


@dataclass(frozen=True, slots=True)
class Exposures:
    """The log of one project; nothing is written where no experiment is declared."""

    path: Path
    kept: bool

    @classmethod
    def of(cls, state: StatePaths, project: Project) -> Exposures:
        """Find the log of a project's state folder."""
        section = project.experiment
        declared = bool(section.arms) or section.random_arm > 0
        return cls(state.folder / FILE, declared and section.arm is None)

    def note(self, door: Door, leads: Iterable[str], *, at: int) -> None:
        """Note that the scores of these leads were shown at a door."""
        rows = [(lead, door, at, at) for lead in leads] if self.kept else []
        if not rows:
            return
        make_folder(StatePaths(self.path.parent))
        try:
            with closing(sqlite3.connect(self.path, timeout=30)) as database, database:
                database.execute(_TABLE)
                database.executemany(_NOTE, rows)
        except (OSError, sqlite3.Error) as error:
            raise OutsideError(
                f"cannot note whose score was shown: {error}", cure=f"look at {self.path}"
            ) from None

    def read(self) -> list[ScoreSeen]:
        """Read the log, by lead and door; empty where nothing was noted."""
        if not self.path.is_file():
            return []
        try:
            with closing(sqlite3.connect(self.path, timeout=30)) as database:
                rows = database.execute("select * from exposure order by lead, door").fetchall()
        except sqlite3.Error as error:
            raise OutsideError(f"{self.path} cannot be read: {error}") from None
        return [ScoreSeen(*row) for row in rows]
