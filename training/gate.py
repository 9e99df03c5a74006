"""The promotion gate: a challenger becomes champion only where it is shown not to be worse.

Both models score the same time-frozen test rows. The champion may have seen some of them in its
own training; that makes the gate stricter, never laxer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.tables import Tables
from features.build import build
from features.frame import Catalogue
from models.metrics import Floats, auc, compare, intercept, skill, slope
from models.predictor import LeadScorer, Scores
from training.train import Trained

SKILL_MARGIN = -0.01
AUC_MARGIN = -0.02
BANDS_MOVED = 0.10
SLOPE = (0.6, 1.67)
INTERCEPT = 0.5
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Check:
    """One condition: what was measured, what is asked, and whether it holds."""

    name: str
    figure: str
    bar: str
    held: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """Promote or not, and every check behind it."""

    promote: bool
    checks: tuple[Check, ...]

    @property
    def words(self) -> str:
        """Say the decision in one line."""
        failed = [f"{c.name} {c.figure} (asked: {c.bar})" for c in self.checks if not c.held]
        return "promoted" if self.promote else f"not proven: {'; '.join(failed)}"


def first_champion(trained: Trained) -> Decision:
    """Decide on the first model of a project: it must beat the baselines."""
    return _decide([_baselines(trained), *_calibration(trained)])


def challenge(
    trained: Trained,
    champion: LeadScorer,
    catalogue: Catalogue,
    tables: Tables,
    *,
    threads: int,
    seed: int,
) -> Decision:
    """Compare a challenger with the champion on the challenger's test rows."""
    rows = trained.dataset.cut.test
    snapshots = trained.dataset.labelled.snapshots.take(rows)
    frame = build(tables, snapshots, catalogue, threads=threads).to_pandas()
    theirs = champion.score(frame)
    ours = trained.scorer.score(trained.dataset.rows(rows))
    y, groups = trained.dataset.y[rows], trained.dataset.groups[rows]
    return _decide(
        [
            _baselines(trained),
            *_calibration(trained),
            *_not_worse(y, ours.probability, theirs.probability, groups, seed),
            _bands(ours, theirs),
        ]
    )


def _decide(checks: list[Check]) -> Decision:
    return Decision(all(check.held for check in checks), tuple(checks))


def _baselines(trained: Trained) -> Check:
    return Check(
        "against the baselines",
        trained.refusal or "beats prior, recency and rule, does not lose to logistic regression",
        "beats prior, recency and rule; not worse than logistic regression",
        trained.refusal is None,
    )


def _calibration(trained: Trained) -> list[Check]:
    """Ask for a sane slope and level, where there are enough outcomes to tell."""
    y = trained.dataset.y[trained.dataset.cut.test].astype(np.float64)
    p = trained.test["model"]
    if min(y.sum(), len(y) - y.sum()) < 100:
        return []
    ones = np.ones(len(y))
    bent, level = slope(y, p, ones), intercept(y, p, ones)
    low, high = SLOPE
    return [
        Check("calibration slope", f"{bent:.2f}", f"{low} to {high}", low <= bent <= high),
        Check(
            "calibration level", f"{level:+.2f}", f"within ±{INTERCEPT}", abs(level) <= INTERCEPT
        ),
    ]


def _not_worse(
    y: NDArray[np.generic], ours: Floats, theirs: Floats, groups: NDArray[np.generic], seed: int
) -> list[Check]:
    checks = []
    for name, metric, margin in (
        ("log-loss skill against the champion", skill, SKILL_MARGIN),
        ("AUC against the champion", auc, AUC_MARGIN),
    ):
        found = compare(
            y, ours, theirs, groups, metric=metric, draws=DRAWS, seed=seed, lower_is_better=False
        )
        figure = f"{found.difference:+.4f} (95 % {found.low:+.4f} to {found.high:+.4f})"
        checks.append(Check(name, figure, f"lower end above {margin}", found.low > margin))
    return checks


def _bands(ours: Scores, theirs: Scores) -> Check:
    moved = float(np.mean(ours.band != theirs.band)) if len(ours.band) else 0.0
    return Check(
        "leads that change band", f"{moved:.1%}", f"< {BANDS_MOVED:.0%}", moved < BANDS_MOVED
    )
