"""The promotion gate: a challenger becomes champion only where it is shown not to be worse.

Both models score the challenger's test rows, the newest ones. The champion may have seen some of
them in its own training; that makes the gate stricter, never laxer.
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
from training.train import TrainedModel

SKILL_MARGIN = -0.01
AUC_MARGIN = -0.02
BANDS_MOVED = 0.10
SLOPE = (0.6, 1.67)
INTERCEPT = 0.5
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One condition: the figure measured, the bar required, and whether it was passed."""

    name: str
    figure: str
    bar: str
    passed: bool


@dataclass(frozen=True, slots=True)
class GateDecision:
    """Whether to promote, and every check behind that decision."""

    promote: bool
    checks: tuple[GateCheck, ...]

    @property
    def sentence(self) -> str:
        """Describe the decision in one line."""
        failed = [f"{c.name} {c.figure} (asked: {c.bar})" for c in self.checks if not c.passed]
        return "promoted" if self.promote else f"not proven: {'; '.join(failed)}"


def judge_first_model(trained: TrainedModel) -> GateDecision:
    """Decide on the first model of a project: it must beat the baselines."""
    return _decide([_baselines(trained), *_calibration(trained)])


def judge_challenger(
    trained: TrainedModel,
    champion: LeadScorer,
    catalogue: Catalogue,
    tables: Tables,
    *,
    threads: int,
    seed: int,
) -> GateDecision:
    """Compare a challenger with the champion on the challenger's test rows."""
    rows = trained.dataset.cut.test
    snapshots = trained.dataset.labelled.snapshots.take(rows)
    frame = build(tables, snapshots, catalogue, threads=threads).to_pandas()
    champion_scores = champion.score(frame)
    challenger_scores = trained.scorer.score(trained.dataset.rows(rows))
    y, groups = trained.dataset.y[rows], trained.dataset.groups[rows]
    return _decide(
        [
            _baselines(trained),
            *_calibration(trained),
            *_not_worse(
                y, challenger_scores.probability, champion_scores.probability, groups, seed
            ),
            _bands(challenger_scores, champion_scores),
        ]
    )


def _decide(checks: list[GateCheck]) -> GateDecision:
    return GateDecision(all(check.passed for check in checks), tuple(checks))


def _baselines(trained: TrainedModel) -> GateCheck:
    return GateCheck(
        "against the baselines",
        trained.refusal or "beats prior, recency and rule, does not lose to logistic regression",
        "beats prior, recency and rule; not worse than logistic regression",
        trained.refusal is None,
    )


def _calibration(trained: TrainedModel) -> list[GateCheck]:
    """Check calibration slope and level, where there are enough outcomes to measure them."""
    y = trained.dataset.y[trained.dataset.cut.test].astype(np.float64)
    p = trained.test["model"]
    if min(y.sum(), len(y) - y.sum()) < 100:
        return []
    ones = np.ones(len(y))
    steepness, shift = slope(y, p, ones), intercept(y, p, ones)
    low, high = SLOPE
    return [
        GateCheck(
            "calibration slope", f"{steepness:.2f}", f"{low} to {high}", low <= steepness <= high
        ),
        GateCheck(
            "calibration level", f"{shift:+.2f}", f"within ±{INTERCEPT}", abs(shift) <= INTERCEPT
        ),
    ]


def _not_worse(
    y: NDArray[np.generic],
    challenger: Floats,
    champion: Floats,
    groups: NDArray[np.generic],
    seed: int,
) -> list[GateCheck]:
    checks = []
    for name, metric, margin in (
        ("log-loss skill against the champion", skill, SKILL_MARGIN),
        ("AUC against the champion", auc, AUC_MARGIN),
    ):
        gap = compare(
            y,
            challenger,
            champion,
            groups,
            metric=metric,
            draws=DRAWS,
            seed=seed,
            lower_is_better=False,
        )
        figure = f"{gap.difference:+.4f} (95 % {gap.low:+.4f} to {gap.high:+.4f})"
        checks.append(GateCheck(name, figure, f"lower end above {margin}", gap.low > margin))
    return checks


def _bands(challenger: Scores, champion: Scores) -> GateCheck:
    moved = float(np.mean(challenger.band != champion.band)) if len(challenger.band) else 0.0
    return GateCheck(
        "leads that change band", f"{moved:.1%}", f"< {BANDS_MOVED:.0%}", moved < BANDS_MOVED
    )
