"""A model and today's data -> signals: stale data, drifting features, wrong probabilities.

Drift is measured on recent snapshots made at the same ages as training's, so that a change in how
old open leads are is not taken for a change in the leads. A feature alarms only where its
population stability index is both large and beyond chance (chi-squared, Yurdakul and Naranjo 2020;
false-discovery control, Benjamini and Hochberg 1995).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from data.clock import DAY
from data.labels import label, make_snapshots
from data.schema import Project
from data.tables import Outcomes, Tables
from features.build import build
from features.frame import Catalogue
from models.explain.observed_rates import Groups, LevelGroups, ObservedRates
from models.predictor import LeadScorer
from training.dataset import groups_of
from training.evaluate import level_z

State = Literal["green", "yellow", "red"]
Floats = NDArray[np.float64]

RECENT_DAYS = 28
STALE_DAYS = (3.0, 7.0)
OLD_MODEL_DAYS = (30.0, 90.0)
PSI = (0.10, 0.25)
FALSE_DISCOVERY = 0.001
LEAST_ROWS = 100
Z_LIMIT = 3.0
CALENDAR = ("created_month",)  # four weeks never hold the months that a year of training holds
RATIO_TOLERANCE = 0.25  # observed / expected may be off by this much before it matters


@dataclass(frozen=True, slots=True)
class Signal:
    """One check: its state, the figure measured, and the bar it was compared with."""

    name: str
    state: State
    figure: str
    bar: str

    def to_dict(self) -> dict[str, str]:
        """Return the fields as a dict, for JSON."""
        return asdict(self)


def watch_model(
    project: Project,
    tables: Tables,
    outcomes: Outcomes,
    scorer: LeadScorer,
    catalogue: Catalogue,
    facts: ObservedRates,
    *,
    trained_until: int,
    as_of: int,
    threads: int,
) -> list[Signal]:
    """Check the model as of `as_of`; features that did not move share one signal."""
    outcomes = replace(outcomes, observed_until=min(outcomes.observed_until, as_of))
    signals = [_model_age(trained_until, as_of)]
    if tables.created_at is None:
        return signals
    signals += [_freshness(tables, as_of), _volume(tables, as_of)]
    snapshots = make_snapshots(tables, outcomes, project)
    recent = (snapshots.as_of >= as_of - RECENT_DAYS * DAY) & (snapshots.as_of < as_of)
    if recent.sum() >= LEAST_ROWS:
        features = build(tables, snapshots.take(recent), catalogue, threads=threads).to_pandas()
        calendar = [f.name for f in catalogue.features if f.template in CALENDAR]
        signals += drifting_features(features.drop(columns=calendar), facts)
    labelled = label(snapshots, tables, outcomes, project)
    unseen = labelled.take(labelled.snapshots.as_of >= trained_until)
    if len(unseen) >= LEAST_ROWS:
        features = build(tables, unseen.snapshots, catalogue, threads=threads).to_pandas()
        promised = scorer.score(features).probability
        signals.append(
            compare_with_outcomes(unseen.y.astype(np.float64), promised, groups_of(tables, unseen))
        )
    return signals


def drifting_features(frame: pd.DataFrame, facts: ObservedRates) -> list[Signal]:
    """Compare each feature's recent distribution with the one it was trained on."""
    compared = []
    for name, group in facts.table.items():
        then, now = _histograms(frame[name], group) if name in frame else (np.zeros(0), np.zeros(0))
        if then.sum() < LEAST_ROWS or len(then) < 2:
            continue
        index = stability_index(then, now)
        scale = 1 / then.sum() + 1 / now.sum()
        compared.append((name, index, float(stats.chi2.sf(index / scale, len(then) - 1))))
    if not compared:
        return []
    significant = stats.false_discovery_control([p for _, _, p in compared]) < FALSE_DISCOVERY
    moved = [
        Signal(
            f"feature {name}",
            "red" if index >= PSI[1] else "yellow",
            f"stability index {index:.2f}",
            f"< {PSI[0]:.2f}",
        )
        for (name, index, _), moves in zip(compared, significant, strict=True)
        if moves and index >= PSI[0]
    ]
    n_still = len(compared) - len(moved)
    return [
        *moved,
        Signal("features that did not move", "green", str(n_still), f"of {len(compared)}"),
    ]


def stability_index(then: Floats, now: Floats) -> float:
    """Compute the population stability index of two histograms; empty bins count half a row."""
    p = np.maximum(then, 0.5) / np.maximum(then, 0.5).sum()
    q = np.maximum(now, 0.5) / np.maximum(now, 0.5).sum()
    return float(np.sum((q - p) * np.log(q / p)))


def _histograms(column: pd.Series[Any], group: Groups) -> tuple[Floats, Floats]:
    """Count rows by the bins or levels that training kept, and the missing: (then, now)."""
    missing = float(column.isna().sum())
    if isinstance(group, LevelGroups):
        present = column.dropna().astype(str).value_counts()
        then = [n for n, _ in group.levels.values()]
        now = [float(present.get(level, 0)) for level in group.levels]
    else:
        values = column.dropna().to_numpy(np.float64)
        bin_of = np.searchsorted(group.edges, values, "right")
        then = [n for n, _ in group.bins]
        now = np.bincount(bin_of, minlength=len(then)).astype(np.float64).tolist()
    return np.array([*then, group.missing[0]], float), np.array([*now, missing], float)


def _state_of(value: float, bars: tuple[float, float]) -> State:
    return "red" if value >= bars[1] else "yellow" if value >= bars[0] else "green"


def _model_age(trained_until: int, as_of: int) -> Signal:
    days = max(0.0, (as_of - trained_until) / DAY)
    return Signal(
        "age of the model",
        _state_of(days, OLD_MODEL_DAYS),
        f"{days:.0f} days",
        f"< {OLD_MODEL_DAYS[0]:.0f} days",
    )


def _freshness(tables: Tables, as_of: int) -> Signal:
    assert tables.created_at is not None
    seen = [tables.created_at[tables.created_at < as_of].max(initial=0)]
    if len(tables.events):
        seen.append(tables.events.at[tables.events.at < as_of].max(initial=0))
    days = (as_of - max(seen)) / DAY
    return Signal(
        "newest record",
        _state_of(days, STALE_DAYS),
        f"{days:.1f} days old",
        f"< {STALE_DAYS[0]:.0f} days",
    )


def _volume(tables: Tables, as_of: int) -> Signal:
    """Compare last week's new leads with the eight weeks before and their weekly variation."""
    assert tables.created_at is not None
    weeks = (as_of - 1 - tables.created_at) // (7 * DAY)
    counts = np.bincount(weeks[(weeks >= 0) & (weeks <= 8)], minlength=9).astype(np.float64)
    usual = counts[1:]
    spread = float(np.sqrt(max(usual.var(ddof=1), usual.mean(), 1.0) * (1 + 1 / len(usual))))
    z = (counts[0] - usual.mean()) / spread
    state: State = "red" if abs(z) > 2 * Z_LIMIT else "yellow" if abs(z) > Z_LIMIT else "green"
    return Signal(
        "new leads last week",
        state,
        f"{counts[0]:.0f}, usually {usual.mean():.0f}",
        f"|z| < {Z_LIMIT:.0f}",
    )


def compare_with_outcomes(y: Floats, p: Floats, groups: NDArray[np.int64]) -> Signal:
    """Compare the probabilities of unseen snapshots with their outcomes, (n,) each.

    Snapshots of one group (a lead, an account) share an outcome: z allows for that.
    """
    observed, expected = float(y.sum()), float(p.sum())
    z = level_z(y, p, groups)
    ratio = observed / max(expected, 1e-9)
    far = abs(np.log(max(ratio, 1e-9))) > np.log(1 + RATIO_TOLERANCE)
    state: State = "red" if abs(z) > Z_LIMIT and far else "yellow" if abs(z) > Z_LIMIT else "green"
    return Signal(
        "converting snapshots since training, observed / expected",
        state,
        f"{observed:.0f} / {expected:.0f} = {ratio:.2f} (z {z:+.1f})",
        f"|z| < {Z_LIMIT:.0f}",
    )
