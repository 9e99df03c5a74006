"""A lead's waterfall: from the typical lead by its reasons to its score, a bar of SVG for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from models.explain.points import SEEN_FIRST
from serving.worklist.language import Words
from serving.worklist.view_lead import LeadDetail


@dataclass(frozen=True, slots=True)
class WaterfallRow:
    """One line of the waterfall: which part it is, its points, where it ends, its bar.

    `folded` lines are seen when a reader asks for the smaller reasons.
    """

    kind: str  # typical, reason, unseen, rest, limit, score
    points: int
    ends_at: int
    bar: Markup
    reason: int | None = None  # index into reasons_for + reasons_against
    folded: bool = False


def waterfall(detail: LeadDetail, score: int, bands: Mapping[str, float]) -> list[WaterfallRow]:
    """Lay out typical -> reasons for and against -> unseen -> rest -> limit -> score.

    The ten largest reasons come first; the smaller ones, for and against, are folded.
    """
    reasons = (*detail.reasons_for, *detail.reasons_against)
    largest = sorted(range(len(reasons)), key=lambda i: -abs(reasons[i].points))
    first = set(largest[:SEEN_FIRST])
    order = sorted(range(len(reasons)), key=lambda i: i not in first)
    steps: list[tuple[str, int, int | None]] = [("reason", reasons[i].points, i) for i in order]
    for kind, points in (
        ("unseen", detail.unseen_points),
        ("rest", detail.rest_points),
        ("limit", detail.limit_points),
    ):
        if points:
            steps.append((kind, points, None))
    totals = [detail.typical]
    for _, points, _ in steps:
        totals.append(totals[-1] + points)
    low, high = min(0, *totals), max(100, *totals)
    cuts = sorted(bands.values())
    rows = [
        WaterfallRow(
            "typical",
            detail.typical,
            detail.typical,
            _step(low, detail.typical, low, high, "base", cuts, detail.typical),
        )
    ]
    for (kind, points, index), before, after in zip(steps, totals, totals[1:], strict=False):
        colour = "up" if points >= 0 else "down"
        drawn = _step(before, after, low, high, colour, cuts, after)
        folded = index is not None and index not in first
        rows.append(WaterfallRow(kind, points, after, drawn, index, folded))
    rows.append(
        WaterfallRow("score", score, score, _step(low, score, low, high, "total", cuts, None))
    )
    return rows


@dataclass(frozen=True, slots=True)
class FamilyRows:
    """A family of reasons: the sum of its points, its bar, and the lines that make it up.

    The points of `lines` add up to `points`. The last may be of kind "small": what is not known,
    was not seen or is too small for a line. `is_open`: it holds one of the ten largest reasons.
    """

    family: str
    points: int
    bar: Markup
    lines: tuple[WaterfallRow, ...]
    is_open: bool


@dataclass(frozen=True, slots=True)
class FamilyWaterfall:
    """typical -> families, each of its lines -> `ends`: the limit of the scale, the score."""

    typical: WaterfallRow
    families: tuple[FamilyRows, ...]
    ends: tuple[WaterfallRow, ...]


def waterfall_by_family(
    detail: LeadDetail, score: int, bands: Mapping[str, float], families: Mapping[str, int]
) -> FamilyWaterfall:
    """Lay out typical -> families, which unfold to single reasons -> limit -> score, all whole."""
    reasons = (*detail.reasons_for, *detail.reasons_against)
    first = set(sorted(range(len(reasons)), key=lambda i: -abs(reasons[i].points))[:SEEN_FIRST])
    steps: list[tuple[str, list[tuple[str, int, int | None]]]] = []
    for family in (*families, *{r.family: 0 for r in reasons if r.family not in families}):
        mine = [i for i, reason in enumerate(reasons) if reason.family == family]
        lines: list[tuple[str, int, int | None]] = [
            ("reason", reasons[i].points, i) for i in sorted(mine, key=lambda i: i not in first)
        ]
        itemised = sum(points for _, points, _ in lines)
        if small := families.get(family, itemised) - itemised:
            lines.append(("small", small, None))
        if lines:
            steps.append((family, lines))
    itemised_sum = detail.typical + sum(points for _, lines in steps for _, points, _ in lines)
    ends: list[tuple[str, int, int | None]] = [
        (kind, points, None)
        for kind, points in (
            ("rest", score - itemised_sum - detail.limit_points),
            ("limit", detail.limit_points),
        )
        if points
    ]
    totals = [detail.typical]
    for lines in (*(lines for _, lines in steps), ends):
        for _, points, _ in lines:
            totals.append(totals[-1] + points)
    low, high, cuts = min(0, *totals), max(100, *totals), sorted(bands.values())

    def bar(before: int, after: int) -> Markup:
        return _step(before, after, low, high, "up" if after >= before else "down", cuts, after)

    def rows(at: int, lines: Sequence[tuple[str, int, int | None]]) -> tuple[WaterfallRow, ...]:
        made = []
        for kind, points, index in lines:
            folded = index is not None and index not in first
            made.append(
                WaterfallRow(kind, points, at + points, bar(at, at + points), index, folded)
            )
            at += points
        return tuple(made)

    at, shown = detail.typical, []
    for family, lines in steps:
        made = rows(at, lines)
        end = made[-1].ends_at
        is_open = any(row.reason in first for row in made)
        shown.append(FamilyRows(family, end - at, bar(at, end), made, is_open))
        at = end
    whole = _step(low, score, low, high, "total", cuts, None)
    base = _step(low, detail.typical, low, high, "base", cuts, detail.typical)
    return FamilyWaterfall(
        WaterfallRow("typical", detail.typical, detail.typical, base),
        tuple(shown),
        (*rows(at, ends), WaterfallRow("score", score, score, whole)),
    )


def _step(
    start: float,
    end: float,
    low: float,
    high: float,
    kind: str,
    cuts: Sequence[float],
    carry: float | None,
) -> Markup:
    """Draw one bar of the waterfall, the limits of the bands, and the line to the next row."""

    def x(value: float) -> float:
        return round((value - low) / (high - low) * 100, 2)

    a, b = sorted((x(start), x(end)))
    lines = "".join(f'<path class="cut" d="M{x(cut)} 0V10"/>' for cut in cuts)
    thread = "" if carry is None else f'<path class="thread" d="M{x(carry)} 5V10"/>'
    return Markup(  # numbers and words of ours: nothing to escape, and thousands of bars
        '<svg class="wbar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'{lines}{thread}<rect class="{kind}" x="{a}" y="2" width="{round(max(b - a, 0.5), 2)}" '
        'height="6"/></svg>'
    )


def band_scale(bands: Mapping[str, float], words: Words) -> Markup:
    """Write the bands over the waterfall, each at the score where it begins."""
    marks = sorted(bands.items(), key=lambda mark: mark[1])
    return Markup('<svg aria-hidden="true">{}</svg>').format(
        Markup("").join(
            Markup('<text x="{}%" y="80%" class="{}">{} {}</text>').format(
                f"{100 - cut if words.mirrored else cut:g}", "tm", band, words.number(cut)
            )
            for band, cut in marks
        )
    )
