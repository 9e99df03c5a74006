"""Outcomes, probabilities and baselines on the test rows -> frames for reports and model pages.

Every figure has an interval from a bootstrap over accounts or leads; every comparison is paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from data.clock import DAY
from models.fit.folds import design_effect
from models.fit.row_weights import weights_or_ones
from models.metrics import (
    Floats,
    auc,
    evaluate,
    intercept,
    log_loss,
    observed_over_expected,
    skill,
    to_frame,
    wilson,
)
from models.note import Note
from models.reliability import reliability_by, reliability_curve
from training.against_baselines import verdicts

WEEK = 7 * DAY
LEAST_TO_VERIFY = 100
"""Leads (or accounts) of the rarer outcome needed before calibration can be verified."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The evaluation of one model on one set of rows; every field but `notes` is a frame.

    metrics: model, metric, value, error, low, high. verdicts: model against each baseline.
    slices: by segment, source, owner. capacity: by weekly capacity. bands: promised against
    observed. curve: reliability with its band. drift: by month. gains: share worked against share
    of conversions captured.
    """

    metrics: pd.DataFrame
    verdicts: pd.DataFrame
    slices: pd.DataFrame
    capacity: pd.DataFrame
    bands: pd.DataFrame
    curve: pd.DataFrame
    drift: pd.DataFrame
    gains: pd.DataFrame
    notes: tuple[str, ...]


def evaluate_model(
    y: NDArray[np.generic],
    p: Floats,
    *,
    baselines: Mapping[str, Floats] | None = None,
    as_of: NDArray[np.int64] | None = None,
    groups: NDArray[np.generic] | None = None,
    bands: NDArray[np.object_] | None = None,
    slices: Mapping[str, NDArray[np.generic]] | None = None,
    capacities: tuple[int, ...] = (10, 25, 50, 100, 200),
    train_y: NDArray[np.generic] | None = None,
    train_groups: NDArray[np.generic] | None = None,
    train_weights: Floats | None = None,
    draws: int = 200,
    seed: int = 0,
    measured: pd.DataFrame | None = None,
) -> Evaluation:
    """Evaluate one model beside its baselines on rows that none of them has seen.

    `as_of` (n,) microseconds gives weeks and months; without it the rows are one period.
    `train_y` and `train_groups` are the training rows, to tell whether the base rate moved;
    `train_weights` say how often each counts. `measured` are the metrics of an earlier evaluation
    of the same baselines on the same rows with the same seed.
    """
    target = np.asarray(y, dtype=np.float64)
    rivals = dict(baselines or {})
    to_measure = {"model": p} if measured is not None else {"model": p, **rivals}
    frames = [
        to_frame(evaluate(target, q, groups, draws=draws, seed=seed)).assign(model=name)
        for name, q in to_measure.items()
    ]
    if measured is not None:
        frames.append(measured[measured["model"] != "model"])
    metrics = pd.concat(frames, ignore_index=True)
    drift = drift_by_month(target, p, as_of, groups)
    moved = []
    if train_y is not None:
        moved = [base_rates(train_y, train_groups, target, groups, train_weights)]
    return Evaluation(
        metrics=metrics[["model", "metric", "value", "error", "low", "high"]],
        verdicts=verdicts(target, p, rivals, groups, draws=draws, seed=seed),
        slices=by_slice(target, p, slices or {}, groups),
        capacity=weekly_capacity(target, p, as_of, capacities),
        bands=reliability_by(bands if bands is not None else tenths(p), target, p, groups),
        curve=reliability_curve(target, p, groups, draws=min(draws, 100), seed=seed),
        drift=drift,
        gains=gains(target, p),
        notes=(*_notes(target, p, groups, drift), *moved),
    )


def by_slice(
    y: Floats,
    p: Floats,
    slices: Mapping[str, NDArray[np.generic]],
    groups: NDArray[np.generic] | None = None,
    *,
    least: int = 30,
) -> pd.DataFrame:
    """Tabulate figures for each value of each slice with at least `least` rows.

    Rows and conversions are counted as rows; the range of `observed` counts groups, whose rows
    share an outcome.
    """
    rows = []
    for name, values in slices.items():
        labels = np.asarray([str(value) for value in values])
        for value in sorted(set(labels.tolist())):
            inside = labels == value
            n, hits = int(inside.sum()), float(y[inside].sum())
            if n < least:
                continue
            n_groups = n if groups is None else len(np.unique(groups[inside]))
            low, high = wilson(hits * n_groups / n, n_groups)
            ones = np.ones(n)
            both_outcomes = 0 < hits < n
            rows.append(
                {
                    "slice": name,
                    "value": value,
                    "rows": n,
                    "conversions": int(hits),
                    "observed": hits / n,
                    "low": low,
                    "high": high,
                    "promised": float(p[inside].mean()),
                    "log_loss": log_loss(y[inside], p[inside], ones),
                    "skill": skill(y[inside], p[inside], ones) if both_outcomes else float("nan"),
                    "auc": auc(y[inside], p[inside], ones),
                }
            )
    columns = ["slice", "value", "rows", "conversions", "observed", "low", "high", "promised"]
    return pd.DataFrame(rows, columns=[*columns, "log_loss", "skill", "auc"])


def weekly_capacity(
    y: Floats, p: Floats, as_of: NDArray[np.int64] | None, capacities: tuple[int, ...]
) -> pd.DataFrame:
    """Rank within each week, as the team works, and tabulate what n leads a week capture.

    Columns: capacity, weeks, worked, conversions, precision, captured (share of all
    conversions), by_chance (captured by as many leads drawn at random).
    """
    week = np.zeros(len(y), dtype=np.int64) if as_of is None else np.asarray(as_of) // WEEK
    order = np.lexsort((-p, week))
    starts = np.flatnonzero(np.r_[True, np.diff(week[order]) != 0])
    sizes = np.diff(np.r_[starts, len(y)])
    rank = np.arange(len(y)) - np.repeat(starts, sizes)
    hits = y[order]
    total = max(float(y.sum()), 1e-12)
    rows = []
    for capacity in capacities:
        worked = rank < capacity
        chance = np.repeat(np.minimum(capacity / sizes, 1.0), sizes)
        rows.append(
            {
                "capacity": capacity,
                "weeks": len(starts),
                "worked": int(worked.sum()),
                "conversions": int(hits[worked].sum()),
                "precision": float(hits[worked].mean()),
                "captured": float(hits[worked].sum() / total),
                "by_chance": float((chance * hits).sum() / total),
            }
        )
    return pd.DataFrame(rows)


def gains(y: Floats, p: Floats, *, points: int = 51) -> pd.DataFrame:
    """Compute the gains curve: share of leads worked from the top, of conversions captured."""
    order = np.argsort(-p, kind="stable")
    captured = np.r_[0.0, np.cumsum(y[order]) / max(float(y.sum()), 1e-12)]
    worked = np.linspace(0, 1, points)
    at = np.linspace(0, 1, len(captured))
    return pd.DataFrame({"worked": worked, "captured": np.interp(worked, at, captured)})


def drift_by_month(
    y: Floats,
    p: Floats,
    as_of: NDArray[np.int64] | None,
    groups: NDArray[np.generic] | None = None,
) -> pd.DataFrame:
    """Tabulate observed against expected by month of as_of: month, rows, observed, expected, z."""
    months = np.full(len(y), "all", dtype=object)
    if as_of is not None:
        months = pd.to_datetime(np.asarray(as_of), unit="us").strftime("%Y-%m").to_numpy()
    rows = []
    for month in sorted(set(months.tolist())):
        inside = months == month
        observed, expected = float(y[inside].sum()), float(p[inside].sum())
        rows.append(
            {
                "month": month,
                "rows": int(inside.sum()),
                "observed": observed,
                "expected": expected,
                "ratio": observed / max(expected, 1e-12),
                "z": level_z(y[inside], p[inside], None if groups is None else groups[inside]),
            }
        )
    return pd.DataFrame(rows)


def level_z(y: Floats, p: Floats, groups: NDArray[np.generic] | None = None) -> float:
    """Compute by how many standard errors the conversions differ from those promised.

    Rows of one group (a lead seen at several ages) share an outcome: the variance of independent
    rows is multiplied by the design effect.
    """
    codes = None if groups is None else pd.factorize(np.asarray(groups))[0].astype(np.int64)
    variance = float(np.sum(p * (1 - p))) * design_effect(y - p, codes)
    return (float(y.sum()) - float(p.sum())) / max(float(np.sqrt(variance)), 1e-9)


def base_rates(
    train_y: NDArray[np.generic],
    train_groups: NDArray[np.generic] | None,
    y: Floats,
    groups: NDArray[np.generic] | None,
    train_weights: Floats | None = None,
) -> str:
    """Say whether the base rate moved from training to test: only where 99 % intervals say so."""
    then, error_then = _rate(train_y, train_groups, train_weights)
    now, error_now = _rate(y, groups)
    apart, half = now - then, float(norm.ppf(0.995)) * float(np.hypot(error_then, error_now))
    points = {"apart": 100 * apart, "low": 100 * (apart - half), "high": 100 * (apart + half)}
    if abs(apart) > half:
        return Note(
            "the base rate moved: {then:.1%} converted in training, {now:.1%} in test "
            "({apart:+.1f} points, 99 % {low:+.1f} to {high:+.1f})",
            then=then,
            now=now,
            **points,
        )
    return Note(
        "{then:.1%} converted in training, {now:.1%} in test: no move of the base rate is shown "
        "({apart:+.1f} points, 99 % {low:+.1f} to {high:+.1f})",
        then=then,
        now=now,
        **points,
    )


def _rate(
    y: NDArray[np.generic],
    groups: NDArray[np.generic] | None,
    row_weights: Floats | None = None,
) -> tuple[float, float]:
    """Estimate a base rate and its error; half a case of each outcome keeps the error above 0."""
    target = np.asarray(y, np.float64)
    counted = weights_or_ones(row_weights, len(target))
    codes = None if groups is None else pd.factorize(np.asarray(groups))[0].astype(np.int64)
    won, n = float(np.sum(counted * target)), float(counted.sum())
    shrunk = (won + 0.5) / (n + 1)
    variance = shrunk * (1 - shrunk) * design_effect(target, codes, row_weights) / max(n, 1)
    return float(np.average(target, weights=row_weights)), float(np.sqrt(variance))


def tenths(p: Floats) -> NDArray[np.int64]:
    """Cut rows into ten groups of equal size by promised probability; ties stay together."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, 11)[1:-1]))
    return np.searchsorted(edges, p, side="right")


def _notes(
    y: Floats,
    p: Floats,
    groups: NDArray[np.generic] | None,
    drift: pd.DataFrame,
) -> list[Note]:
    """Write notes on the figures: what cannot be verified, and what drifted by how much."""
    notes: list[Note] = []
    units = np.arange(len(y)) if groups is None else groups
    n_rarer = min(len(np.unique(units[y == 1])), len(np.unique(units[y == 0])))
    if n_rarer < LEAST_TO_VERIFY:
        notes.append(
            Note(
                "calibration cannot be verified yet: {n:,} of the rarer outcome "
                "(rows of one lead or account counted once), {needed} needed",
                n=n_rarer,
                needed=LEAST_TO_VERIFY,
            )
        )
    ones = np.ones(len(y))
    ratio, level = observed_over_expected(y, p, ones), intercept(y, p, ones)
    z = level_z(y, p, groups)
    if abs(z) > 3:
        notes.append(
            Note(
                "the level is off: {observed:.1%} converted where {promised:.1%} was promised "
                "(observed / expected {ratio:.2f}, {level:+.2f} in log-odds, z {z:.1f})",
                observed=float(y.mean()),
                promised=float(p.mean()),
                ratio=float(ratio),
                level=float(level),
                z=float(z),
            )
        )
    worst = drift.iloc[int(np.argmax(np.abs(drift["z"].to_numpy())))] if len(drift) > 1 else None
    if worst is not None and abs(float(worst["z"])) > 3:
        notes.append(
            Note(
                "worst month {month}: observed / expected {ratio:.2f}",
                month=str(worst["month"]),
                ratio=float(worst["ratio"]),
            )
        )
    return notes
