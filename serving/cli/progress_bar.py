"""Stages of a long job -> a bar on a terminal, with elapsed and remaining time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.text import Text

from data.printable import printable
from serving.cli.clock import ticks
from serving.cli.progress import Pace


@contextmanager
def bar(pace: Pace, console: Console) -> Iterator[StageBar]:
    """Show the stages of a pace as a bar."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24), _Times(pace))
    with Progress(*columns, console=console, transient=True) as progress:
        yield StageBar(pace, progress, progress.add_task("starting", total=1.0))


@dataclass(slots=True)
class StageBar:
    """Progress as a bar on a terminal."""

    pace: Pace
    bar: Progress
    task: TaskID
    name: str = ""

    def __call__(self, name: str) -> None:
        """Begin the stage."""
        self.name = name
        self.pace.begin(name, ticks())
        self.bar.update(self.task, description=escape(printable(name)))

    def count(self, done: int, total: int) -> None:
        """Say how many of the things of this stage are done."""
        self.pace.done = done / max(total, 1)
        self.bar.update(self.task, description=escape(f"{self.name}: {done:,} of {total:,}"))


class _Times(ProgressColumn):
    """Elapsed and remaining time of a pace."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def render(self, task: Task) -> Text:
        at = ticks()
        task.completed = self._pace.share(at)
        return Text(self._pace.words(at), style="progress.remaining")
