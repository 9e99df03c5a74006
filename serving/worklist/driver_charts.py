"""What moves scores, drawn: a dot per lead of a sample by factor; rates and points by value."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from markupsafe import Markup

from models.predictor import FeatureColumn
from serving.figures.drivers import Dependence, FactorDots, ValueGroup
from serving.worklist import svg
from serving.worklist.charts import shares
from serving.worklist.language import Words

ROW: Final = 36.0
"""Height of a factor: its name, and under it the dots."""
SLOT: Final = 3.0
"""Dots so close stand above each other."""
LONGEST: Final = 44
Name = Callable[[FeatureColumn], str]
GroupName = Callable[[Dependence, ValueGroup], str]


def beeswarm(factors: Sequence[FactorDots], name: Name, words: Words) -> Markup:
    """Draw the points that each factor gave, a dot for each lead; colour says how large its value.

    Dots of one colour are one path, so that thousands stay small. Nothing says which lead it is.
    """
    if not factors:
        return Markup("")
    low = min(0.0, *(min(each.points) for each in factors))
    high = max(0.0, *(max(each.points) for each in factors))
    step = svg.nice_ticks(max(high, -low, 1.0), 3)[1]
    ticks = [step * k for k in range(math.floor(low / step), math.ceil(high / step) + 1)]
    frame = svg.Frame(
        ticks[0],
        ticks[-1],
        0,
        1,
        height=ROW * len(factors) + 44,
        left=14,
        right=14,
        top=4,
        mirror=words.mirrored,
    )
    below = frame.height - frame.bottom
    parts = [
        Markup('<path class="{}" d="M{} {}V{}"/>').format(
            "line ideal" if tick == 0 else "hair", frame.x(tick), frame.top, below
        )
        for tick in ticks
    ]
    parts += [svg.text(frame.x(tick), below + 14, _signed(tick, words), "m") for tick in ticks]
    parts.append(svg.text(svg.WIDTH / 2, frame.height - 3, words.attr("points"), "m", "axis"))
    edge, anchor = (svg.WIDTH - 2, "e") if words.mirrored else (2, "s")
    for i, factor in enumerate(factors):
        top = frame.top + ROW * i
        parts.append(svg.text(edge, top + 11, _cut(name(factor.feature), LONGEST), anchor, "name"))
        parts += _dots(frame, factor, top + 24)
    label = words.attr("Points that each factor gave to leads")
    return svg.figure(frame, f"{label}: {', '.join(name(f.feature) for f in factors)}", parts)


def _dots(frame: svg.Frame, factor: FactorDots, middle: float) -> list[Markup]:
    """Stack dots that would cover each other around the middle of their row, by colour."""
    columns: dict[int, list[int]] = defaultdict(list)
    for i, points in enumerate(factor.points):
        columns[round(frame.x(points) / SLOT)].append(i)
    most = max(len(column) for column in columns.values())
    gap = min(2.6, 16.0 / most)
    places: dict[int | None, list[str]] = defaultdict(list)
    for column in columns.values():
        for k, i in enumerate(column):
            y = middle + gap * (k + 1) // 2 * (-1 if k % 2 else 1)
            places[factor.levels[i]].append(f"M{frame.x(factor.points[i]):g} {y:.1f}h0")
    return [
        Markup('<path class="dots lv{}" d="{}"/>').format(
            "x" if level is None else level, "".join(places[level])
        )
        for level in sorted(places, key=lambda level: -1 if level is None else level)
    ]


def dependence(shown: Dependence, group_name: GroupName, words: Words) -> Markup:
    """Draw the observed rate by value as columns, under each the points that the model gives."""
    n = len(shown.groups)
    top = max([shown.typical, *(each.rate or 0.0 for each in shown.groups)])
    ticks = svg.nice_ticks(min(1.0, top))
    frame = svg.Frame(
        -0.5, n - 0.5, 0, ticks[-1], height=210, mirror=words.mirrored, top=28, bottom=52
    )
    parts = [
        svg.axes(
            frame,
            [],
            ticks,
            words.percent,
            shares(ticks, words),
            y_name=words.attr("became opportunities"),
        )
    ]
    wide = (svg.WIDTH - frame.left - frame.right) / n
    below = frame.height - frame.bottom
    for i, each in enumerate(shown.groups):
        x = frame.x(i)
        if each.rate is not None:
            parts.append(
                Markup('<rect class="open" x="{}" y="{}" width="{}" height="{}"/>').format(
                    round(x - wide * 0.3, 1),
                    frame.y(each.rate),
                    round(wide * 0.6, 1),
                    round(below - frame.y(each.rate), 1),
                )
            )
        parts.append(svg.text(x, below + 14, _cut(group_name(shown, each), int(wide / 6)), "m"))
        if each.points is not None:
            side = "up" if each.points >= 0.5 else "down" if each.points <= -0.5 else ""
            parts.append(svg.text(x, below + 30, _signed(each.points, words), "m", f"pts {side}"))
    typical = [(-0.5, shown.typical), (n - 0.5, shown.typical)]
    parts.append(svg.line(frame, typical, "ideal"))
    parts.append(svg.text(svg.WIDTH / 2, frame.height - 3, words.attr("mean points"), "m", "axis"))
    return svg.figure(frame, words.attr("Rates and points by value"), parts)


def _signed(points: float, words: Words) -> Markup:
    return words.signed(round(points))


def _cut(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: max(longest - 1, 1)]}…"
