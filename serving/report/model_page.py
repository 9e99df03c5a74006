"""A model card and its leak report -> the data scientist's page: one HTML file, no script.

Leaks, splits, candidates, calibration, slices, drift, figures beside the baselines, all with the
intervals that the card holds. In English, as the figures' names are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from serving.report import charts
from serving.report.html import _environment, _minified, policy
from serving.report.parts import Point
from serving.report.text import isolated, shown
from serving.report.view import GainsCurve
from serving.report.words import words_of
from training.audit import AuditReport
from training.model_card import ModelCard

DRAWN = ("model", "newest", "rule", "logistic", "prior")


@dataclass(frozen=True, slots=True)
class Section:
    """A table of the page: its anchor, title, a sentence, column names and rows of cells."""

    anchor: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Markup, ...], ...]


def render_model_page(
    card: ModelCard, *, project: str, version: str, audit: AuditReport | None = None
) -> str:
    """Render the page; sections without rows are left out."""
    words, style = words_of("en"), _minified("style.css")
    curves = _curves(card)
    names: dict[str, str] = {curve.name: curve.name for curve in curves}
    points = [
        Point(row["promised"], row["observed"], row.get("low"), row.get("high"), row.get("n"))
        for row in card.curve
    ]
    return (
        _environment()
        .get_template("model.html")
        .render(
            project=isolated(project),
            version=isolated(version),
            css=Markup(style),  # our own file
            csp=Markup(policy(style, "")),  # our own words and hashes
            facts=_facts(card),
            notes=[isolated(note) for note in card.notes],
            sections=[section for section in _sections(card, audit) if section.rows],
            reliability=charts.reliability(points, words),
            gains=charts.gains(curves, names, words) if curves else Markup(""),
            curves=curves,
        )
    )


def _facts(card: ModelCard) -> list[tuple[str, Markup]]:
    number = words_of("en").number
    until = datetime.fromtimestamp(card.trained_until / 1e6, UTC).isoformat()
    return [
        ("Trained on data until", words_of("en").time(until)),
        ("Training rows", number(card.train_rows)),
        ("Training conversions", number(card.train_conversions)),
        ("Test rows", number(card.test_rows)),
        ("Test conversions", number(card.test_conversions)),
        ("Horizon, days", number(card.horizon_days, 1)),
    ]


def _sections(card: ModelCard, audit: AuditReport | None) -> Iterable[Section]:
    verdicts = [asdict(verdict) for verdict in audit.verdicts] if audit is not None else []
    yield _table("leaks", "Leak report", "Structural hits stop the training.", verdicts)
    dropped = [{"reason": reason, "rows": n} for reason, n in card.dropped.items()]
    yield _table("splits", "Splits: rows left out", "Purged around the cut in time.", dropped)
    figures = "On the test rows, beside the baselines, with 95 % intervals."
    yield _table("metrics", "Figures", figures, card.metrics)
    yield _table("verdicts", "Against the baselines", "Paired differences.", card.verdicts)
    tried = [
        {"candidate": name, **(value if isinstance(value, dict) else {"value": value})}
        for name, value in card.candidates.items()
    ]
    yield _table("candidates", "Candidates and choices", "Chosen out of fold.", tried)
    yield _table("bands", "Bands", "Promised against observed, Wilson intervals.", card.bands)
    yield _table("tenths", "Calibration by tenths", "", card.tenths)
    yield _table("capacity", "At the team's capacity", "Ranked within each week.", card.capacity)
    yield _table("slices", "Slices", "By segment, source and age of the lead.", card.slices)
    yield _table("drift", "Drift", "Test rows against training rows.", card.drift)


def _table(anchor: str, title: str, note: str, rows: Sequence[Mapping[str, object]]) -> Section:
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    cells = tuple(tuple(_cell(row.get(name)) for name in columns) for row in rows)
    return Section(anchor, title, note, tuple(shown(name) for name in columns), cells)


def _cell(value: object) -> Markup:
    """Write a cell: numbers to four figures, everything else cleaned and isolated."""
    if value is None or value == "":
        return Markup("–")
    if isinstance(value, bool):
        return Markup("yes" if value else "no")
    if isinstance(value, float):
        return Markup(f"{value:,.4g}")  # a number
    return isolated(f"{value:,}" if isinstance(value, int) else str(value))


def _curves(card: ModelCard) -> list[GainsCurve]:
    return [
        GainsCurve(name, tuple(Point(x, y) for x, y in card.gains[name]))  # type: ignore[arg-type]
        for name in DRAWN
        if name in card.gains
    ]
