"""Uplift: whom does a call change? From randomised data only; a warning where scores bias data.

A score says who is likely to convert. Whether a call makes the difference can be learned only
where calls were assigned at random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data.clock import Micros
from data.errors import GateError
from serving.figures.experiment import ArmComparison, analyse, encode_covariates

Floats = NDArray[np.float64]
MIN_BALANCE_P = 1e-3


@dataclass(frozen=True, slots=True)
class Balance:
    """Whether the arms look randomised: p-values of planned sizes and of equal covariates."""

    share_p_value: float
    covariates_p_value: float

    @property
    def holds(self) -> bool:
        """Whether neither test rejects randomisation."""
        return min(self.share_p_value, self.covariates_p_value) >= MIN_BALANCE_P


@dataclass(frozen=True, slots=True)
class Uplift:
    """Effects by group of predicted uplift, lowest first; `predicted` is (n,), cross-fitted.

    `differs_p_value` tests whether the effect on the upper half exceeds that on the lower half:
    where it is large, a ranking by uplift has not been shown to help.
    """

    predicted: Floats
    groups: tuple[ArmComparison, ...]
    overall: ArmComparison
    differs_p_value: float
    balance: Balance


def check_balance(
    treated: NDArray[np.bool_], covariates: pd.DataFrame, planned_share: float
) -> Balance:
    """Test that sizes are as planned and that covariates do not differ by arm (Wald test)."""
    share = float(stats.binomtest(int(treated.sum()), len(treated), planned_share).pvalue)
    design = encode_covariates(covariates)
    if design.shape[1] == 0:
        return Balance(share, 1.0)
    gap = design[treated].mean(axis=0) - design[~treated].mean(axis=0)
    spread = np.atleast_2d(np.cov(design, rowvar=False)) * (
        1 / treated.sum() + 1 / (~treated).sum()
    )
    statistic = float(gap @ np.linalg.pinv(spread, rcond=1e-10, hermitian=True) @ gap)
    freedom = int(np.linalg.matrix_rank(spread, hermitian=True))
    return Balance(share, float(stats.chi2.sf(statistic, max(freedom, 1))))


def measure_uplift(
    outcome: NDArray[np.integer],
    treated: NDArray[np.bool_],
    covariates: pd.DataFrame,
    *,
    planned_share: float | None,
    seed: int,
    n_groups: int = 5,
    folds: int = 5,
) -> Uplift:
    """Measure uplift from a randomised experiment; GateError where the data is not from one.

    `planned_share` is the share of units to be treated at random; None means that nothing was
    randomised, and is refused. Two logistic regressions, one per arm, cross-fitted.
    """
    if planned_share is None:
        raise GateError(
            "uplift is measured from randomised data only: here treatment was not assigned at "
            "random",
            cure="run an experiment (leadscore experiment assign), then measure",
        )
    y, t = np.asarray(outcome, dtype=np.int64), np.asarray(treated, dtype=bool)
    balance = check_balance(t, covariates, planned_share)
    if not balance.holds:
        raise GateError(
            "the arms do not look randomised: p-value of their sizes "
            f"{balance.share_p_value:.2g}, of their covariates {balance.covariates_p_value:.2g}",
            cure="look for the step at which leads were lost or moved between arms",
        )
    predicted = _cross_fit(y, t, encode_covariates(covariates), seed, folds)
    order = pd.Series(predicted).rank(method="first").to_numpy() - 1
    group = (order * n_groups // len(y)).astype(int)
    upper = order >= len(y) / 2
    high, low = (analyse(y[rows], t[rows]).plain for rows in (upper, ~upper))
    z = (high.value - low.value) / np.hypot(high.standard_error, low.standard_error)
    return Uplift(
        predicted,
        tuple(analyse(y[group == g], t[group == g]) for g in range(n_groups)),
        analyse(y, t, covariates=covariates),
        float(2 * stats.norm.sf(abs(z))),
        balance,
    )


def _cross_fit(
    y: NDArray[np.integer], treated: NDArray[np.bool_], design: Floats, seed: int, folds: int
) -> Floats:
    """Predict treated minus control for each row by models fitted on other rows: (n,)."""
    predicted = np.zeros(len(y))
    cuts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for train, test in cuts.split(design, 2 * y + treated):
        for arm, sign in ((True, 1.0), (False, -1.0)):
            rows = train[treated[train] == arm]
            if y[rows].min() == y[rows].max():
                predicted[test] += sign * float(y[rows].mean())
                continue
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
            model.fit(design[rows], y[rows])
            predicted[test] += sign * model.predict_proba(design[test])[:, 1]
    return predicted


@dataclass(frozen=True, slots=True)
class SelectionBias:
    """How much of the training data comes from work by earlier scores: shares 0 to 1.

    `contact_gap` is how much more often high scores were contacted than low ones, NaN where
    contacts are not known.
    """

    share_after_scoring: float
    share_random: float
    contact_gap: float
    warning: str


def find_selection_bias(
    as_of: Micros,
    scored_from: int | None,
    *,
    high_score: NDArray[np.bool_] | None = None,
    contacted: NDArray[np.bool_] | None = None,
    random_arm: NDArray[np.bool_] | None = None,
) -> SelectionBias | None:
    """Warn where training rows, (n,), come from a time when sales already worked by score.

    None where no score was in use, or where under 5 % of the rows are from after it, or where
    the random arm is large enough (5 %) to learn from.
    """
    if scored_from is None or len(as_of) == 0:
        return None
    after = as_of >= scored_from
    share_after = float(after.mean())
    if share_after < 0.05:
        return None
    random_share = 0.0 if random_arm is None else float(random_arm[after].mean())
    gap = float("nan")
    if high_score is not None and contacted is not None:
        high, low = contacted[after & high_score], contacted[after & ~high_score]
        if len(high) and len(low):
            gap = float(high.mean() - low.mean())
    if random_share >= 0.05:
        return None
    warning = f"{share_after:.0%} of the training rows come from after scores were in use"
    warning += "" if np.isnan(gap) else f", and high scores were contacted {gap:+.0%} more often"
    warning += (
        ": the model learns partly what sales did with its own scores; keep a random arm of 5 to "
        "10 % (experiment.random_arm)"
    )
    return SelectionBias(share_after, random_share, gap, warning)
