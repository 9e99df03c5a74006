"""The report's figures, each from plain values to one SVG: curves, ranges, bars."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from markupsafe import Markup

from serving.worklist import svg
from serving.worklist.language import Words
from serving.worklist.view_figures import ForecastPage, ForecastRow, GainsCurve
from serving.worklist.view_parts import PastScore, Point, TimelineEvent

_FIFTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


def reliability(points: Sequence[Point], words: Words) -> Markup:
    """Draw promised against observed rates, beside the diagonal where the two are equal."""
    if not points:
        return Markup("")
    frame, parts = _promised_and_observed(points, words)
    largest = max(p.n or 1 for p in points)
    for p in points:
        if p.low is not None and p.high is not None:
            parts.append(svg.whisker(frame, p.x, p.low, p.high, "model"))
        parts.append(svg.dot(frame, p.x, p.y, 2.5 + 4 * ((p.n or 1) / largest) ** 0.5, "model"))
    return svg.figure(frame, words.attr("Promised and observed rates of conversion"), parts)


def reliability_curve(points: Sequence[Point], words: Words) -> Markup:
    """Draw the observed rate as a curve, and the band in which a model that is right would lie."""
    if not points:
        return Markup("")
    frame, parts = _promised_and_observed(points, words)
    band = [(p.x, p.low, p.high) for p in points if p.low is not None and p.high is not None]
    parts += [
        svg.ribbon(frame, band),
        svg.line(frame, [(p.x, p.y) for p in points], "g-model"),
    ]
    return svg.figure(frame, words.attr("Promised and observed rates of conversion"), parts)


def _promised_and_observed(points: Sequence[Point], words: Words) -> tuple[svg.Frame, list[Markup]]:
    """Lay out the axes that hold these points and their ranges, and the diagonal."""
    top = max(max(p.x, p.y, p.high or 0.0) for p in points)
    ticks = svg.nice_ticks(min(1.0, top))
    frame = svg.Frame(0, ticks[-1], 0, ticks[-1], height=300, mirror=words.mirrored, top=28)
    axes = svg.axes(
        frame,
        ticks,
        ticks,
        shares(ticks, words),
        shares(ticks, words),
        x_name=words.attr("promised"),
        y_name=words.attr("observed"),
    )
    return frame, [axes, svg.line(frame, [(0, 0), (ticks[-1], ticks[-1])], "ideal")]


def shares(ticks: Sequence[float], words: Words) -> Callable[[float], Markup]:
    """Write the percentages of an axis: all of them whole, or all with one decimal."""
    whole = all(math.isclose(100 * tick, round(100 * tick), abs_tol=1e-6) for tick in ticks)
    return lambda share: words.percent(share, 0 if whole else 1)


def gains(curves: Sequence[GainsCurve], names: Mapping[str, str], words: Words) -> Markup:
    """Draw conversions caught by share of leads worked, one line per way of ordering the leads."""
    frame = svg.Frame(0, 1, 0, 1, height=300, mirror=words.mirrored, top=28)
    parts = [
        svg.axes(
            frame,
            _FIFTHS,
            _FIFTHS,
            words.percent,
            words.percent,
            x_name=words.attr("leads worked"),
            y_name=words.attr("conversions caught"),
        )
    ]
    order = sorted(curves, key=lambda curve: curve.name == "model")
    parts += [svg.line(frame, [(p.x, p.y) for p in c.points], f"g-{c.name}") for c in order]
    label = words.attr("Conversions caught by share of leads worked")
    return svg.figure(frame, f"{label}: {', '.join(names[c.name] for c in curves)}", parts)


def learning_curve(points: Sequence[Point], words: Words) -> Markup:
    """Draw the gain over the base rate by conversions learned from, with its range."""
    if len(points) < 2:
        return Markup("")
    low = min(0.0, *(p.low if p.low is not None else p.y for p in points))
    high = max(0.0, *(p.high if p.high is not None else p.y for p in points))
    step = svg.nice_ticks(max(high, -low))[1]
    heights = [step * k for k in range(math.floor(low / step), math.ceil(high / step) + 1)]
    across = svg.nice_ticks(max(p.x for p in points))
    frame = svg.Frame(
        0, across[-1], heights[0], heights[-1], height=300, mirror=words.mirrored, left=52, top=28
    )
    ranges = [(p.x, p.low, p.high) for p in points if p.low is not None and p.high is not None]
    parts = [
        svg.axes(
            frame,
            across,
            heights,
            words.number,
            lambda gain: words.number(gain, 4),
            x_name=words.attr("conversions learned from"),
            y_name=words.attr("gain in log loss over the base rate"),
        ),
        svg.ribbon(frame, ranges),
        svg.line(frame, [(0, 0), (across[-1], 0)], "ideal"),
        svg.line(frame, [(p.x, p.y) for p in points], "g-model"),
        *(svg.dot(frame, p.x, p.y, 3.2, "model") for p in points),
    ]
    label = words.attr("Gain over the base rate, by conversions learned from")
    return svg.figure(frame, label, parts)


def sparkline(weeks: Sequence[int], words: Words) -> Markup:
    """Draw the scores of the last weeks as a small line on the 0 to 100 scale, today as a dot."""
    if len(weeks) < 2:
        return Markup("")
    step = 60 / (len(weeks) - 1)
    places = [(2 + i * step, 22 - 0.2 * score) for i, score in enumerate(weeks)]
    if words.mirrored:
        places = [(64 - x, y) for x, y in places]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    label = words.attr(
        "Score of the last weeks: {scores}", scores=", ".join(str(words.number(s)) for s in weeks)
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 64 24" role="img" aria-label="{}">'
        '<path d="M{}"/><circle cx="{}" cy="{}" r="2"/></svg>'
    ).format(label, path, f"{places[-1][0]:.1f}", f"{places[-1][1]:.1f}")


def history(
    scores: Sequence[PastScore],
    bands: Mapping[str, float],
    words: Words,
    events: Sequence[TimelineEvent] = (),
) -> Markup:
    """Draw the score over time on the 0 to 100 scale, with a mark under it for each event."""
    if len(scores) < 2:
        return Markup("")
    frame = svg.Frame(0, len(scores) - 1, 0, 100, height=160, mirror=words.mirrored, bottom=28)
    middle = (len(scores) - 1) // 2
    ticks = sorted({0, middle, len(scores) - 1}) if len(scores) > 4 else [0, len(scores) - 1]
    parts = [
        svg.axes(
            frame,
            ticks,
            sorted({0.0, 100.0, *bands.values()}),
            lambda i: words.date(scores[int(i)].at, "short"),
            words.number,
        ),
        *_event_marks(frame, scores, events),
        svg.line(frame, [(i, s.score) for i, s in enumerate(scores)], "g-model"),
        svg.dot(frame, len(scores) - 1, scores[-1].score, 4, "model"),
    ]
    return svg.figure(frame, words.attr("Score over time"), parts)


def _event_marks(
    frame: svg.Frame, scores: Sequence[PastScore], events: Sequence[TimelineEvent]
) -> list[Markup]:
    """Mark each event at its day: acts of the lead from below, acts of sales from above."""
    first, last = (datetime.fromisoformat(scores[i].at).timestamp() for i in (0, -1))
    marks = []
    for event in events:
        ours = event.direction == "outbound"
        ends = (100, 92) if ours else (0, 8)
        for at in (event.at, *event.earlier):
            share = (datetime.fromisoformat(at).timestamp() - first) / max(last - first, 1.0)
            if 0.0 <= share <= 1.0:
                x = share * (len(scores) - 1)
                marks.append(svg.whisker(frame, x, *ends, "sales" if ours else "lead"))
    return marks


def time_to_convert(points: Sequence[Point], words: Words) -> Markup:
    """Draw the share converted by days since creation, with its range."""
    if not points:
        return Markup("")
    tops = svg.nice_ticks(max(p.high if p.high is not None else p.y for p in points))
    days = svg.nice_ticks(max(p.x for p in points))
    frame = svg.Frame(0, days[-1], 0, tops[-1], mirror=words.mirrored, top=28)
    ranges = [(p.x, p.low, p.high) for p in points if p.low is not None and p.high is not None]
    parts = [
        svg.axes(
            frame,
            days,
            tops,
            words.number,
            shares(tops, words),
            x_name=words.attr("days since creation"),
            y_name=words.attr("became opportunities"),
        ),
        svg.ribbon(frame, ranges),
        svg.steps(frame, [(p.x, p.y) for p in points], "g-model"),
    ]
    return svg.figure(frame, words.attr("Share of leads converted, by days since creation"), parts)


def forecast_bar(row: ForecastRow, most: float) -> Markup:
    """Draw what a forecast expects of open and of new leads, and its range; `most` is the width."""
    return Markup(
        '<svg class="bar rangebar" viewBox="0 0 100 8" preserveAspectRatio="none"'
        ' aria-hidden="true"><rect class="open" width="{}" height="8"/><rect class="new" x="{}"'
        ' width="{}" height="8"/><rect class="range" x="{}" y="3" width="{}" height="2"/></svg>'
    ).format(
        *(
            f"{100 * value / (most or 1):.1f}"
            for value in (
                row.from_open.value,
                row.from_open.value,
                row.from_new.value,
                row.total.low,
                row.total.high - row.total.low,
            )
        )
    )


def past_forecasts(page: ForecastPage, words: Words) -> Markup:
    """Draw each past forecast's range and what happened, oldest first."""
    if not page.past:
        return Markup("")
    top = max(max(p.forecast.high, p.observed) for p in page.past)
    ticks = svg.nice_ticks(top)
    last = len(page.past) - 1
    frame = svg.Frame(-0.5, last + 0.5, 0, ticks[-1], mirror=words.mirrored, height=220)
    labelled = range(0, last + 1, max(1, -(-len(page.past) // 5)))
    parts = [
        svg.axes(
            frame,
            list(labelled),
            ticks,
            lambda i: words.date(page.past[int(i)].made_on, "short"),
            words.number,
        )
    ]
    for i, p in enumerate(page.past):
        covered = p.forecast.low <= p.observed <= p.forecast.high
        parts.append(svg.whisker(frame, i, p.forecast.low, p.forecast.high, "wide"))
        parts.append(svg.dot(frame, i, p.observed, 3.6, "model" if covered else "missed"))
    return svg.figure(frame, words.attr("Past forecasts and what happened"), parts)


def looks(points: Sequence[Point], words: Words) -> Markup:
    """Draw the difference between arms at each interim look of an experiment, with its range."""
    if len(points) < 2:
        return Markup("")
    reach = max(max(abs(p.low or 0), abs(p.high or 0), abs(p.y)) for p in points)
    ticks = svg.nice_ticks(reach, 2)
    both = sorted({-t for t in ticks} | set(ticks))
    days = svg.nice_ticks(points[-1].x)
    frame = svg.Frame(0, days[-1], both[0], both[-1], mirror=words.mirrored, left=52, top=28)
    ranges = [(p.x, p.low or 0.0, p.high or 0.0) for p in points]
    parts = [
        svg.axes(
            frame,
            days,
            both,
            words.number,
            lambda v: words.percent(v, 1),
            x_name=words.attr("days"),
            y_name=words.attr("difference"),
        ),
        svg.ribbon(frame, ranges),
        svg.line(frame, [(0, 0), (days[-1], 0)], "ideal"),
        svg.line(frame, [(p.x, p.y) for p in points], "g-model"),
    ]
    return svg.figure(frame, words.attr("Difference between the arms over time"), parts)
