"""Deliberately broken builds of the night: each takes one safeguard away, and kills must show it.

They are patches of the product inside a forked process, as in tests/fakes/faults_broken.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import data.files as files
import serving.night as night
import serving.upkeep.retention as retention
from serving.night_journal import NightJournal
from tests.fakes.faults_broken import send_everything
from tests.fakes.night_kills import Build, Mishap, Stage, forked_night, of_each_kind


def write_in_place() -> None:
    """Write into the file that readers read."""

    @contextmanager
    def itself(path: Path) -> Iterator[Path]:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path

    files.whole_file = itself


def lose_the_journal() -> None:
    """Begin every run as if there had been none before."""
    NightJournal.read = classmethod(lambda cls, _: cls())  # type: ignore[assignment,method-assign]


def note_before_done() -> None:
    """Note scores and report as done when the night begins."""
    begin = NightJournal.begin

    def early(self: NightJournal, *night: Any, **more: Any) -> NightJournal:
        return replace(begin(self, *night, **more), done=("score", "report"))

    NightJournal.begin = early  # type: ignore[assignment,method-assign]


def leave_parts() -> None:
    """Never remove what killed runs left half-written."""
    for place in (night, retention):  # at the beginning of a night, and at its end
        place.remove_leftovers = lambda _: 0  # type: ignore[attr-defined]


BUILDS: dict[str, Build] = {
    each.__name__: each
    for each in (
        send_everything,
        write_in_place,
        lose_the_journal,
        note_before_done,
        leave_parts,
    )
}


def kills_of(stage: Stage, home: Path, build: Build, most: int) -> list[Mishap]:
    """Spread kills over the operations of this build."""
    operations = forked_night(stage.copy(home), build=build).operations
    return [Mishap(at) for at in of_each_kind(operations, most)]
