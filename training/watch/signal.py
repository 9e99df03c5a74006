"""One thing that the monitor says: its light, the figures behind it, and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final, Literal

from data.clock import show

State = Literal["green", "yellow", "red"]
Topic = Literal["cause", "check", "feature"]
"""A cause in the data, a check of the model, or a feature that moved."""

ORDER: Final = {"red": 0, "yellow": 1, "green": 2}


@dataclass(frozen=True, slots=True)
class Signal:
    """One check: its state, the figure measured, and the bar it was compared with.

    `since` is a day ("2026-10-12") or empty, `what_to_do` a sentence, empty where green. `weight`
    orders causes of one colour: what explains more comes first. `subjects` are the columns, levels,
    event types and sources that it speaks of, as they are written there.
    """

    name: str
    state: State
    figure: str
    bar: str
    topic: Topic = "check"
    since: str = ""
    what_to_do: str = ""
    weight: float = 0.0
    subjects: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, str]:
        """Return what is shown, for JSON."""
        shown = asdict(self)
        del shown["weight"], shown["subjects"]
        return shown

    @property
    def line(self) -> str:
        """Say it in one line: what, since when, the figure, and what to do."""
        since = f", since {self.since}" if self.since else ""
        cure = f"; {self.what_to_do}" if self.what_to_do else ""
        return f"{self.name}{since}: {self.figure}{cure}"


def in_order(signals: list[Signal]) -> list[Signal]:
    """Put causes first, then checks, then features; red before yellow before green."""
    topics = {"cause": 0, "check": 1, "feature": 2}

    def place(signal: Signal) -> tuple[int, int, int, float]:
        green = signal.state == "green"
        return int(green), topics[signal.topic], ORDER[signal.state], -signal.weight

    return sorted(signals, key=place)


def day_of(at: int) -> str:
    """Write the day of a moment."""
    return show(at)[:10]
