"""A model card and its leak report -> the data scientist's page: one HTML file, no script.

Leaks, splits, candidates, calibration, learning curve, segments, slices, drift, figures beside the
baselines, all with the intervals that the card holds. Titles, sentences and numbers are in the
reader's language, and so is what the learner says; what the leak audit says is in English.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from models.note import Note
from models.predictor import FeatureColumn
from serving.figures.drivers import ModelDrivers
from serving.worklist import charts, driver_charts, svg
from serving.worklist.driver_words import (
    candidate_name,
    factor_name,
    group_name,
    value_name,
    why_it_won,
)
from serving.worklist.language import Labels, Words, words_in, words_of
from serving.worklist.page_files import make_environment, read_minified, security_policy
from serving.worklist.page_names import curve_names, rule_sentence
from serving.worklist.safe_text import isolated
from serving.worklist.view_figures import GainsCurve
from serving.worklist.view_parts import Point
from training.audit import AuditReport
from training.model_card import ModelCard

DRAWN_CURVES = ("model", "newest", "rule", "logistic", "prior")


@dataclass(frozen=True, slots=True)
class PageSection:
    """A table of the page: its anchor, title, a sentence, column names and rows of cells."""

    anchor: str
    title: Markup
    note: Markup
    columns: tuple[Markup, ...]
    rows: tuple[tuple[Markup, ...], ...]


def render_model_page(
    card: ModelCard,
    *,
    project: str,
    version: str,
    audit: AuditReport | None = None,
    drivers: ModelDrivers | None = None,
    labels: Labels = MappingProxyType({}),
    language: str = "en",
    zone: str = "UTC",
) -> str:
    """Render the page in a language; sections without rows are left out.

    `drivers` are what moves the scores of a run; `labels` the company's own words; times are
    written in the `zone` of the project.
    """
    words, style = words_in(words_of(language), zone), read_minified("style.css")
    curves = gains_curves(card)
    environment = make_environment()
    environment.globals.update(
        t=words.t,
        tn=words.tn,
        attr=words.attr,
        num=words.number,
        tenths=words.tenths,
        isolated=isolated,
    )
    page = environment.get_template("model.html").render(
        words=words,
        project=isolated(project),
        version=isolated(version),
        css=Markup(style),  # our own file
        csp=Markup(security_policy(style, "")),  # fixed text and hashes
        facts=_facts(card, words),
        figures=_rows_and_skill(card, words),
        notes=[words.note(note) for note in card.notes],
        sections=[section for section in _sections(card, audit, words) if section.rows],
        reliability=charts.reliability_curve(reliability_points(card), words),
        gains=charts.gains(curves, curve_names(words), words) if curves else Markup(""),
        curves=curves,
        names=curve_names(words),
        learning=charts.learning_curve(_learning(card), words),
        need=_need(card, words),
        why=why_it_won(card.candidates, words),
        drivers=None if drivers is None else _drawn(drivers, labels, words),
    )
    return page.encode("utf-8", "replace").decode()  # a lone surrogate cannot be encoded


@dataclass(frozen=True, slots=True)
class DrawnDependence:
    """How points and rates hang on the values of a factor: its name, what the values are, drawn."""

    name: str
    values: Markup
    chart: Markup


@dataclass(frozen=True, slots=True)
class DrawnDrivers:
    """What moves scores, as figures; `bars` and `pairs` are names, points and bars."""

    found: ModelDrivers
    bars: tuple[tuple[str, Markup, Markup], ...]
    swarm: Markup
    dependences: tuple[DrawnDependence, ...]
    pairs: tuple[tuple[str, str, Markup, Markup], ...]


def _drawn(found: ModelDrivers, labels: Labels, words: Words) -> DrawnDrivers:
    def name(feature: FeatureColumn) -> str:
        return factor_name(feature, words, labels)

    most = max((each.mean for each in found.factors), default=1.0)
    strongest = max((pair.points for pair in found.pairs), default=1.0)
    return DrawnDrivers(
        found,
        tuple(
            (name(each.feature), words.tenths(each.mean), svg.bar(0, each.mean, 0, most, "base"))
            for each in found.factors
        ),
        driver_charts.beeswarm(found.factors, name, words),
        tuple(
            DrawnDependence(
                name(each.feature),
                value_name(each.feature, words),
                driver_charts.dependence(
                    each, partial(group_name, words=words, labels=labels), words
                ),
            )
            for each in found.dependences
        ),
        tuple(
            (
                name(pair.first),
                name(pair.second),
                words.tenths(pair.points),
                svg.bar(0, pair.points, 0, strongest, "base"),
            )
            for pair in found.pairs
        ),
    )


def _facts(card: ModelCard, words: Words) -> list[tuple[Markup, Markup]]:
    t, number = words.t, words.number
    until = datetime.fromtimestamp(card.trained_until / 1e6, UTC).isoformat()

    def counted(leads: int, converted: int) -> Markup:
        return t("{n} leads, {k} conversions", n=number(leads), k=number(converted))

    since = [(t("Trained on data until"), words.time(until))] if card.has_clock else []
    n = card.rule_updated_by
    said = [] if n is None else [(t("What scores"), rule_sentence(n, words))]
    order = card.figure("auc") if card.ranks else None
    ranks = t("Of two leads, it ranks the better one first")
    return [
        *said,
        *since,
        (t("Learned from"), counted(card.train_leads, card.train_leads_converted)),
        (t("Tested on"), counted(card.test_leads, card.test_leads_converted)),
        (t("Horizon, days"), number(card.horizon_days, 1)),
        *([] if order is None else [(ranks, words.percent(order["value"]))]),
    ]


def _rows_and_skill(card: ModelCard, words: Words) -> list[tuple[Markup, Markup]]:
    """Give the figures of the training that a data scientist asks for first."""
    t, number, gain = words.t, words.number, card.figure("skill")
    name = t("Less surprise than always saying the average")
    return [
        (t("Training rows"), number(card.train_rows)),
        (t("Test rows"), number(card.test_rows)),
        *([] if gain is None else [(name, words.percent(gain["value"]))]),
    ]


def _learning(card: ModelCard) -> list[Point]:
    """Give the gain over the base rate, plus and minus two errors, by conversions learned from."""
    return [
        Point(
            row["conversions"],
            row["gain"],
            row["gain"] - 2 * row["error"],
            row["gain"] + 2 * row["error"],
        )
        for row in card.learning
    ]


def _need(card: ModelCard, words: Words) -> Markup:
    """Say whether more conversions would help, by the learning curve; "" without a curve."""
    if card.need is None:
        return Markup("")
    t, now = words.t, words.number(card.need["conversions"])
    standing = card.need["standing"]
    if standing == "more":
        return words.tn(
            "About {n} more conversion is needed to prove a gain over the base rate.",
            "About {n} more conversions are needed to prove a gain over the base rate.",
            math.ceil(card.need["more"]),
        )
    if standing == "proven":
        return t("The gain over the base rate is proven at {n} conversions.", n=now)
    if standing == "rising":
        return t("No gain over the base rate yet at {n} conversions; the curve rises.", n=now)
    return t("No gain over the base rate at {n} conversions; the curve does not rise.", n=now)


def _sections(card: ModelCard, audit: AuditReport | None, words: Words) -> Iterable[PageSection]:
    def table(
        anchor: str, title: Markup, note: Markup, rows: Sequence[Mapping[str, object]]
    ) -> PageSection:
        columns = tuple(dict.fromkeys(name for row in rows for name in row))
        cells = tuple(tuple(_cell(row.get(name), words) for name in columns) for row in rows)
        return PageSection(
            anchor, title, note, tuple(isolated(words.word(name)) for name in columns), cells
        )

    t = words.t
    verdicts = [asdict(verdict) for verdict in audit.verdicts] if audit is not None else []
    yield table("leaks", t("Leak report"), t("Structural hits stop the training."), verdicts)
    dropped = [{"reason": reason, "rows": n} for reason, n in card.dropped.items()]
    cut = t("Purged around the cut in time.")
    yield table("splits", t("Splits: rows left out"), cut, dropped)
    figures = t(
        "On the test rows, beside the baselines, with {level} intervals.", level=words.percent(0.95)
    )
    yield table("metrics", t("Figures"), figures, card.metrics)
    paired = t("Paired differences.")
    yield table("verdicts", t("Against the baselines"), paired, card.verdicts)
    tried, chosen = _candidate_rows(card.candidates, words), _choice_rows(card.candidates, words)
    yield table("candidates", t("Candidates"), t("Each was judged out of fold."), tried)
    yield table("choices", t("Choices"), Markup(""), chosen)
    wilson = t("Promised against observed, Wilson intervals.")
    yield table("bands", t("Bands"), wilson, card.bands)
    yield table("tenths", t("Calibration by tenths"), Markup(""), card.tenths)
    weekly = t("Ranked within each week; a lead seen at several ages counts each time.")
    yield table("capacity", t("At the team's capacity"), weekly, card.capacity)
    yield _segments(card, words)
    parts = t("By segment, source and owner; rows of one lead share an outcome.")
    yield table("slices", t("Slices"), parts, card.slices)
    months = t("Conversions on the test rows against those promised, month by month.")
    yield table("drift", t("Drift"), months, card.drift)


def _candidate_rows(candidates: Mapping[str, Any], words: Words) -> list[dict[str, Any]]:
    """Gather the tables of the learner's report: the candidates on each kind of folds."""
    tables = {name: value for name, value in candidates.items() if _is_table(value)}
    rows = [{"judged_on": name, **row} for name, rows in tables.items() for row in rows]
    return [
        {**row, "candidate": candidate_name(str(row["candidate"]), words)}
        if "candidate" in row
        else row
        for row in rows
    ]


def _choice_rows(candidates: Mapping[str, Any], words: Words) -> list[dict[str, object]]:
    """Write the rest of the learner's report as names and lines, without empty values."""
    choices: list[dict[str, object]] = []
    for name, value in candidates.items():
        if isinstance(value, Mapping):
            said = {key: _brief(item) for key, item in value.items() if item is not None}
            text = ", ".join(f"{words.word(key)} {item}" for key, item in said.items())
        elif isinstance(value, list):
            text = "" if _is_table(value) else ", ".join(map(_brief, value))
        elif name == "winner":
            text = candidate_name(str(value), words)
        else:
            text = "" if value is None else value if isinstance(value, Note) else _brief(value)
        if text:
            choices.append({"choice": name, "value": text})
    return choices


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _brief(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _segments(card: ModelCard, words: Words) -> PageSection:
    """Show how far the conversions of each segment differ from those that the model promises."""
    t = words.t
    return PageSection(
        "segments",
        t("Segments"),
        t(
            "How far the leads of a segment differ from what the model promises them, in "
            "log-odds: as counted, and pooled, which is shrunk by what chance alone explains. "
            "Overlap is the share of its leads that score like leads elsewhere."
        ),
        (
            t("Column"),
            t("Segment"),
            t("Rows"),
            t("Conversions"),
            t("As counted"),
            t("Pooled"),
            t("Overlap"),
            t("What it says"),
        ),
        tuple(_segment(row, words) for row in card.segments),
    )


def _segment(row: Mapping[str, Any], words: Words) -> tuple[Markup, ...]:
    t = words.t
    words_for_verdict = {
        "more": t("Converts more often than promised: a column that says why is missing."),
        "less": t("Converts less often than promised: a column that says why is missing."),
        "unproven": t("As promised, as far as its outcomes can tell."),
    }[row["verdict"]]
    if not row["overlaps"]:
        warning = t(
            "Few of its leads score like leads elsewhere: what is due to the segment and "
            "what to its mix of leads cannot be told apart."
        )
        words_for_verdict = Markup('{} <span class="rule">{}</span>').format(
            words_for_verdict, warning
        )
    return (
        isolated(row["slice"]),
        isolated(row["segment"]),
        words.number(row["rows"]),
        words.number(row["conversions"]),
        _log_odds(row["raw"], words),
        Markup('<bdi dir="ltr">{} ± {}</bdi>').format(
            _log_odds(row["shift"], words), words.number(row["error"], 2)
        ),
        words.percent(row["overlap"], 0),
        words_for_verdict,
    )


def _log_odds(value: float, words: Words) -> Markup:
    return words.number(round(value, 2) + 0.0, 2)  # + 0.0 turns -0.0 into 0.0


def _cell(value: object, words: Words) -> Markup:
    """Write a cell: numbers to four figures, everything else cleaned and isolated."""
    if value is None or value == "":
        return Markup("–")
    if isinstance(value, bool):
        return words.t("yes") if value else words.t("no")
    if isinstance(value, int):
        return words.number(value)
    if isinstance(value, float):
        return words.number(value, _places(value))
    return words.note(value) if isinstance(value, Note) else isolated(words.word(str(value)))


def _places(value: float) -> int:
    """Count the decimals that leave four figures, six at most: 12.34, 0.001234."""
    return min(6, max(0, 3 - math.floor(math.log10(abs(value))))) if value else 0


def reliability_points(card: ModelCard) -> list[Point]:
    """Place the observed rate, with the band of a model that is right, by the rate promised."""
    return [
        Point(row["promised"], row["observed"], row.get("low"), row.get("high"))
        for row in card.curve
    ]


def gains_curves(card: ModelCard) -> list[GainsCurve]:
    """Give the conversions caught by share of leads worked, by the model and by other orders."""
    return [
        GainsCurve(name, tuple(Point(x, y) for x, y in card.gains[name]))  # type: ignore[arg-type]
        for name in DRAWN_CURVES
        if name in card.gains
    ]
