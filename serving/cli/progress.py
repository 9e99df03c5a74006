"""Stages of a long job -> a bar with elapsed and remaining time, or a line each in a log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

from rich.console import Console
from rich.markup import escape

from data.printable import printable
from serving.cli.clock import ticks


class StageCounter(Protocol):
    """Called with a few words when the next stage of a long job begins."""

    def __call__(self, name: str) -> None:
        """Begin the stage."""

    def count(self, done: int, total: int) -> None:
        """Say how many of the things of this stage are done."""


INIT: Final = ("reading the files", "looking at the columns", "guessing what each column is")
READ: Final = ("reading the sources",)
JUDGE: Final = ("labels, features and the cut in time", "leak audit")
CHECK: Final = (*READ, *JUDGE, "delay from creation to conversion")
FIT: Final = (
    "fitting and choosing among candidates",
    "evaluation beside the baselines",
    "registry and gate",
)
TRAIN: Final = (*READ, *JUDGE, *FIT)
EVALUATE: Final = ("model", *READ, "labels and features", "figures beside the baselines")
SCORE: Final = (
    "model",
    *READ,
    "features of open leads",
    "scores and reasons",
    "stages and trend",
    "scores.parquet",
)
REPORT: Final = (*SCORE, "pages", "lead pages", "week, movers, funnel, forecast")
MONITOR: Final = ("model", *READ, "freshness, drift, promises")
EXPLAIN: Final = ("model", *READ, "reasons")
WRITE_BACK: Final = ("comparing with what was sent", "sending to the CRM")
ASSIGN: Final = (*READ, "arms")
ANALYSE: Final = (*READ, "model", "comparing the arms")
NIGHT: Final = (*SCORE, *SCORE[2:-1], *REPORT[len(SCORE) :], MONITOR[-1])
DEMO: Final = ("simulated CRM", *TRAIN, "model", *SCORE[2:], "CRM", *REPORT[len(SCORE) :])

SECONDS: Final = {
    "simulated CRM": 2.0,
    "model": 2.5,
    "reading the sources": 1.0,
    "labels, features and the cut in time": 1.5,
    "leak audit": 4.0,
    "delay from creation to conversion": 0.2,
    "fitting and choosing among candidates": 20.0,
    "evaluation beside the baselines": 6.0,
    "registry and gate": 8.0,
    "labels and features": 1.5,
    "figures beside the baselines": 6.0,
    "features of open leads": 1.0,
    "scores and reasons": 4.0,
    "stages and trend": 0.5,
    "scores.parquet": 1.0,
    "CRM": 1.0,
    "pages": 1.0,
    "lead pages": 4.0,
    "week, movers, funnel, forecast": 3.0,
    "freshness, drift, promises": 3.0,
    "reasons": 1.0,
    "reading the files": 1.0,
    "looking at the columns": 0.5,
    "guessing what each column is": 1.0,
    "comparing with what was sent": 1.0,
    "sending to the CRM": 10.0,
    "arms": 0.5,
    "comparing the arms": 3.0,
}
"""What each stage takes on a company of 3,000 leads; only the shares are used. A stage that is not
listed shows its name, and counts with the one before it."""


SHORT: Final = 2.0
"""Seconds within which a log is told nothing: an answer as quick as that needs no progress."""
EXPECTED: Final = 5.0
"""Seconds of the table that count as if they had been measured."""
COUNTED: Final = 30.0
"""Seconds after which a log is told again how much of a counted stage is done."""


@dataclass(slots=True)
class Pace:
    """How far a job of known stages is, and how long the rest takes at the pace so far."""

    plan: Sequence[str]
    started: float
    place: int = -1
    since: float = field(default=0.0)
    done: float = 0.0  # share of this stage that is done, where it is counted

    def begin(self, name: str, at: float) -> None:
        """Note that a stage begins; one that is not in the plan changes nothing."""
        if name in self.plan[self.place + 1 :]:
            self.place, self.since = self.plan.index(name, self.place + 1), at
            self.done = 0.0

    def remaining(self, at: float) -> float | None:
        """Estimate the seconds left; None before anything is done to measure the pace by."""
        done = self._weigh(self.plan[: max(self.place, 0)])
        if self.done:
            pace = (at - self.since) / self.done
            after = self._weigh(self.plan[self.place + 1 :])
            here = SECONDS.get(self.plan[self.place], 0.0) or 1.0
            return pace * (1 - self.done + after / here)
        if done == 0:
            return None
        # one in the table's seconds, until enough is done to know better
        pace = (self.since - self.started + EXPECTED) / (done + EXPECTED)
        here = SECONDS.get(self.plan[self.place], 0.0) * pace
        return max(here - (at - self.since), 0.0) + self._weigh(self.plan[self.place + 1 :]) * pace

    def share(self, at: float) -> float:
        """Say which share of the time has passed, 0 to 1."""
        left = self.remaining(at)
        passed = at - self.started
        return 0.0 if left is None or passed <= 0 else passed / (passed + left)

    def words(self, at: float) -> str:
        """Write the time elapsed and the time left."""
        left = self.remaining(at)
        elapsed = f"{span(at - self.started)} elapsed"
        return elapsed if left is None else f"{elapsed}, about {span(left)} left"

    @staticmethod
    def _weigh(names: Sequence[str]) -> float:
        return sum(SECONDS.get(name, 0.0) for name in names)


def span(seconds: float) -> str:
    """Write a length of time for a person.

    >>> span(7.4), span(200), span(4000)
    ('7 s', '3 min 20 s', '1 h 6 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@dataclass(slots=True)
class _Log:
    """Progress as lines; none without a console."""

    pace: Pace
    console: Console | None
    name: str = ""
    printed_at: float = 0.0

    def __call__(self, name: str) -> None:
        self.name = name
        self.pace.begin(name, ticks())
        self._print(name)

    def count(self, done: int, total: int) -> None:
        self.pace.done = done / max(total, 1)
        if ticks() - max(self.printed_at, self.pace.since) >= COUNTED:
            self._print(f"{self.name}: {done:,} of {total:,}")

    def _print(self, words: str) -> None:
        at = ticks()
        if self.console is not None and at - self.pace.started >= SHORT:
            self.printed_at = at
            self.console.print(
                escape(printable(f"… {words} ({self.pace.words(at)})")), soft_wrap=True
            )


@contextmanager
def stages(plan: Sequence[str], *, console: Console, quiet: bool) -> Iterator[StageCounter]:
    """Show the stages of `plan` on a console: a bar, lines where it is no terminal, or nothing."""
    pace = Pace(plan, ticks())
    if quiet or not console.is_terminal:
        yield _Log(pace, None if quiet else console)
        return
    from serving.cli.progress_bar import bar  # rich's bars take longer to load than one answer

    with bar(pace, console) as shown:
        yield shown
