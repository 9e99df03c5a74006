"""Seeded pages about the whole company, for report_view: funnel, forecast, trust, experiment."""

# lists of words and figures read best as they are
from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np

from serving.worklist import view_figures as v
from serving.worklist import view_parts as p

AS_OF = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
SOURCES = ("content", "search", "social", "campaign", "referral", "event")


def ago(days: float) -> str:
    return (AS_OF - timedelta(days=days)).isoformat()


def interval(value: float, spread: float) -> p.Interval:
    return p.Interval(value, max(0.0, value - spread), value + spread)


def _rule(text: str) -> tuple[p.Phrase, ...]:
    return (p.Phrase("{rule}", {"rule": text}),)


def make_funnel(rng: np.random.Generator, leads: int) -> v.FunnelPage:
    total = leads * 4
    stages = (
        v.StageRow("lead", "lead", total, None, None, _rule("left a contact"), round(total * 1.08)),
        v.StageRow(
            "prospect",
            "prospect",
            int(total * 0.31),
            p.Interval(0.31, 0.29, 0.33),
            9,
            _rule("a need is known, and the company fits: 50 to 500 employees"),
        ),
        v.StageRow(
            "opportunity-ready",
            "opportunity-ready",
            int(total * 0.12),
            p.Interval(0.39, 0.35, 0.43),
            21,
            _rule("budget known, and a demo asked for"),
        ),
        v.StageRow(
            "opportunity",
            "opportunity",
            int(total * 0.071),
            p.Interval(0.59, 0.5, 0.67),
            34,
            _rule("a trial is running, the person decides and has a budget"),
        ),
    )
    sources = []
    for i, source in enumerate(SOURCES):
        n = int(total * (0.28, 0.24, 0.18, 0.14, 0.1, 0.06)[i])
        rate = (0.05, 0.08, 0.03, 0.06, 0.16, 0.12)[i]
        won = round(n * rate)
        cost = (9.0, 32.0, 14.0, 28.0, 0.0, 55.0)[i] * n
        sources.append(
            v.SourceRow(
                source,
                n,
                int(n * 0.3),
                won,
                p.Interval(rate, rate * 0.8, rate * 1.25),
                float(rng.integers(18, 50)),
                won * 12_500.0,
                cost or None,
                episodes=round(n * 1.08),
            )
        )
    days = range(0, 181, 6)
    curve = tuple(p.Point(d, y := 0.11 * (1 - math.exp(-d / 40)), y * 0.86, y * 1.15) for d in days)
    return v.FunnelPage(
        stages=stages,
        sources=tuple(sources),
        time_to_convert=curve,
        median_days=29,
        definition="a free trial is running, and the person decides and has a budget",
        disqualified=(("competitor", 7), ("student", 12)),
        icp=(
            ("50 to 500 employees", 2),
            ("manufacturing or logistics", 1),
            ("in our countries", 1),
        ),
        leads=total,
        episodes=round(total * 1.08),
    )


def make_forecast(rng: np.random.Generator) -> v.ForecastPage:
    past = []
    for k in range(18):
        mean = 34 + 6 * math.sin(k / 3)
        past.append(
            p_past := v.PastForecast(
                ago(30.0 * (19 - k)), interval(mean, 12), int(rng.normal(mean, 7))
            )
        )
    held = sum(f.forecast.low <= f.observed <= f.forecast.high for f in past) / len(past)
    assert p_past.forecast.low > 0
    rows = tuple(
        v.ForecastRow(d, interval(a + b, s), interval(a, s * 0.7), interval(b, s * 0.6))
        for d, a, b, s in ((30, 29, 8, 11), (60, 46, 25, 19), (90, 55, 51, 27))
    )
    return v.ForecastPage(rows, 0.9, tuple(past), held, 0.905, 400)


def make_trust(rng: np.random.Generator) -> v.TrustPage:
    bands = tuple(
        v.BandRow(band, n, promised, p.Interval(seen, seen * 0.8, seen * 1.22))
        for band, n, promised, seen in (
            ("A", 212, 0.27, 0.25),
            ("B", 655, 0.115, 0.121),
            ("C", 1410, 0.047, 0.043),
            ("D", 1120, 0.013, 0.0105),
        )
    )
    points = tuple(
        p.Point(x, max(0.0, x + float(rng.normal(0, 0.012))), x * 0.8, x * 1.24, n)
        for x, n in (
            (0.008, 500),
            (0.02, 700),
            (0.045, 800),
            (0.08, 600),
            (0.13, 400),
            (0.2, 250),
            (0.31, 147),
        )
    )
    grid = np.linspace(0, 1, 21)
    curves = tuple(
        v.GainsCurve(name, tuple(p.Point(float(x), float(x**power)) for x in grid))  # type: ignore[arg-type]
        for name, power in (("model", 0.32), ("rule", 0.55), ("newest", 0.78), ("random", 1.0))
    )
    return v.TrustPage(
        verdict="trust",
        model_version="acme-14",
        trained_at=ago(12),
        trained_leads=13_480,
        trained_conversions=862,
        tested_leads=1_245,
        tested_conversions=97,
        tested_scores=3_397,
        bands=bands,
        reliability=points,
        gains=curves,
        auc=p.Interval(0.842, 0.815, 0.868),
        log_loss_skill=p.Interval(0.214, 0.171, 0.255),
        top_captured=0.48,
        base_rate=0.0636,
        model_age_days=12,
        data_until=ago(0.3),
        unknowns=(
            p.Phrase("{n} open leads have no events yet", {"n": 38}),
            p.Phrase("Budget is not known for {share} of the leads", {"share": "61 %"}),
        ),
        shaped_by_scores=True,
    )


def make_experiment(rng: np.random.Generator) -> v.ExperimentPage:
    looks = tuple(
        p.Point(d, y := 0.016 + float(rng.normal(0, 0.004)), y - 0.5 / d, y + 0.5 / d)
        for d in range(7, 64, 7)
    )
    return v.ExperimentPage(
        name="Work the list by score",
        unit="lead",
        started_on=ago(63),
        arms=(
            v.ArmRow("by score", 3_120, 312, p.Interval(0.1, 0.09, 0.111)),
            v.ArmRow("as before", 3_094, 251, p.Interval(0.0811, 0.072, 0.0913)),
        ),
        treated="by score",
        control="as before",
        difference=p.Interval(0.0189, 0.0048, 0.033),
        p_value=0.0087,
        power=0.8,
        needed_per_arm=3_210,
        looks=looks,
    )
