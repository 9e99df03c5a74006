"""Figures -> inline SVG that needs no style attribute, so that a strict CSP lets it through.

Every chart is drawn in a small box (360 wide) and grows with its column, so that its letters stay
legible on a phone. `mirror` flips the x axis, not the letters, for languages read right to left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

WIDTH: Final = 360.0


@dataclass(frozen=True, slots=True)
class Frame:
    """The plotting box and its scales; x runs from the right where `mirror` is set."""

    x0: float
    x1: float
    y0: float
    y1: float
    height: float = 230.0
    left: float = 40.0
    right: float = 10.0
    top: float = 10.0
    bottom: float = 34.0
    mirror: bool = False

    def x(self, value: float) -> float:
        """Place a value on the x axis."""
        share = (value - self.x0) / ((self.x1 - self.x0) or 1.0)
        across = self.left + share * (WIDTH - self.left - self.right)
        return round(WIDTH - across if self.mirror else across, 1)

    def y(self, value: float) -> float:
        """Place a value on the y axis."""
        share = (value - self.y0) / ((self.y1 - self.y0) or 1.0)
        return round(self.height - self.bottom - share * (self.height - self.top - self.bottom), 1)


def figure(frame: Frame, label: str, parts: Iterable[Markup]) -> Markup:
    """Wrap the parts of a chart; `label` is what a screen reader reads out."""
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(f"{WIDTH:g}", f"{frame.height:g}", label, Markup("").join(parts))


def axes(
    frame: Frame,
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    x_text: Callable[[float], str],
    y_text: Callable[[float], str],
    *,
    x_name: str = "",
    y_name: str = "",
) -> Markup:
    """Draw hairlines, tick labels and axis names."""
    parts = []
    ends = (frame.x(frame.x0), frame.x(frame.x1))
    for tick in y_ticks:
        y = frame.y(tick)
        parts.append(Markup('<path class="hair" d="M{} {}H{}"/>').format(min(ends), y, max(ends)))
        place, anchor = (max(ends) + 5, "s") if frame.mirror else (min(ends) - 5, "e")
        parts.append(text(place, y + 3.5, y_text(tick), anchor))
    below = frame.height - frame.bottom + 14
    parts += [text(frame.x(tick), below, x_text(tick), "m") for tick in x_ticks]
    if x_name:
        parts.append(text(sum(ends) / 2, frame.height - 3, x_name, "m", "axis"))
    if y_name:
        edge, anchor = (WIDTH - 2, "e") if frame.mirror else (2, "s")
        parts.append(text(edge, frame.top - 12, y_name, anchor, "axis"))
    return Markup("").join(parts)


def text(x: float, y: float, words: str, anchor: str = "m", kind: str = "") -> Markup:
    """Write a few words; `anchor` is s, m or e: left, middle or right of the place."""
    return Markup('<text x="{}" y="{}" class="t{} {}">{}</text>').format(
        round(x, 1), round(y, 1), anchor, kind, words
    )


def line(frame: Frame, points: Sequence[tuple[float, float]], kind: str) -> Markup:
    """Join points by a line."""
    places = "L".join(f"{frame.x(x)} {frame.y(y)}" for x, y in points)
    return Markup('<path class="line {}" d="M{}"/>').format(kind, places)


def steps(frame: Frame, points: Sequence[tuple[float, float]], kind: str) -> Markup:
    """Join points by steps: a share that holds until the next one."""
    if not points:
        return Markup("")
    path = f"M{frame.x(points[0][0])} {frame.y(points[0][1])}"
    path += "".join(f"H{frame.x(x)}V{frame.y(y)}" for x, y in points[1:])
    return Markup('<path class="line {}" d="{}"/>').format(kind, path)


def ribbon(frame: Frame, points: Sequence[tuple[float, float, float]]) -> Markup:
    """Fill between low and high: points are (x, low, high)."""
    if not points:
        return Markup("")
    upper = "L".join(f"{frame.x(x)} {frame.y(high)}" for x, _, high in points)
    lower = "L".join(f"{frame.x(x)} {frame.y(low)}" for x, low, _ in reversed(points))
    return Markup('<path class="ribbon model" d="M{}L{}Z"/>').format(upper, lower)


def dot(frame: Frame, x: float, y: float, radius: float, kind: str) -> Markup:
    """Mark a point."""
    return Markup('<circle class="{}" cx="{}" cy="{}" r="{}"/>').format(
        kind, frame.x(x), frame.y(y), round(radius, 1)
    )


def whisker(frame: Frame, x: float, low: float, high: float, kind: str) -> Markup:
    """Draw the range of a point."""
    return Markup('<path class="whisker {}" d="M{} {}V{}"/>').format(
        kind, frame.x(x), frame.y(low), frame.y(high)
    )


def bar(start: float, end: float, low: float, high: float, kind: str) -> Markup:
    """Draw one horizontal bar from start to end on a scale low..high, as wide as its cell."""
    span = (high - low) or 1.0
    a, b = sorted(((start - low) / span * 100, (end - low) / span * 100))
    return Markup(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="{}" x="{}" width="{}" height="8"/></svg>'
    ).format(kind, f"{a:.1f}", f"{max(b - a, 0.6):.1f}")


def nice_ticks(high: float, count: int = 4) -> list[float]:
    """Choose round ticks from 0 to at least `high`.

    >>> nice_ticks(0.37)
    [0.0, 0.1, 0.2, 0.3, 0.4]
    """
    if high <= 0:
        return [0.0, 1.0]
    raw = high / count
    size = 10.0 ** (len(f"{raw:.0f}") - 1) if raw >= 1 else 1.0
    while size > raw:
        size /= 10
    step = next(size * k for k in (1, 2, 2.5, 5, 10) if size * k >= raw * 0.999)
    ticks = [0.0]
    while ticks[-1] < high * 0.999:
        ticks.append(round(step * len(ticks), 10))
    return ticks
