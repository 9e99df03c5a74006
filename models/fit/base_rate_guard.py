"""Margins on unseen rows -> how much of the model stays: none of it may fall behind the base rate.

Where nothing can be learned, or what was learned did not hold ahead, the promise goes back towards
the base rate. The gain over it is measured on the forward folds where times are known, else on the
cross-fitted margins; in each fold both stand at the level that it turned out to have. A level that
moves misleads base rate and model alike, and is no reason to give up what tells leads apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit

from models.fit.candidates import error_of, row_losses
from models.fit.encoders import Ints
from models.fit.row_weights import weighted_mean
from models.note import Note
from models.predictor import Floats

LEAST: Final = 0.02
"""Of the model stays in any case: leads that it told apart are never tied."""
PULL: Final = 1.0
"""Log loss, summed, that the whole of the model must gain more than none of it: nats."""


@dataclass(frozen=True, slots=True)
class GuardFigures:
    """The mean gain in log loss over the base rate, its error, and how much of the model stays."""

    gain: float
    standard_error: float
    share: float

    def words(self, why: str) -> str:
        """Add to the words of a calibration what was taken back."""
        if self.share >= 1:
            return why
        said = Note(
            "no clear gain over the base rate on unseen rows ({gain:+.4f}, standard error "
            "{error:.4f}): {share:.0%} of the model stays",
            gain=self.gain,
            error=self.standard_error,
            share=self.share,
        )
        return Note("{why}; {more}", why=why, more=said) if why else said


def guard(
    y: Floats,
    margins: Floats,
    *,
    fold: Ints | None,
    groups: Ints | None,
    row_weights: Floats,
    worth: float,
) -> GuardFigures:
    """Say how much of the model stays: all where it gains more than one standard error.

    `fold` (n,) says where rows lie in several periods, rows of one of `groups` count as one, and a
    row is `worth` so much of one.
    """
    period = np.zeros(len(y), np.int64) if fold is None else np.unique(fold, return_inverse=True)[1]

    def losses(share: float) -> Floats:
        at = share * margins
        return row_losses(y, at + levels(y, at, period, row_weights)[period])

    gains = losses(0.0) - losses(1.0)
    gain = weighted_mean(gains, row_weights)
    error = error_of(gains, fold, groups, row_weights=row_weights)
    if gain > error:
        return GuardFigures(gain, error, 1.0)

    def loss(share: float) -> float:
        return worth * float(np.sum(row_weights * losses(share))) + PULL * share

    best = minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-6})
    return GuardFigures(gain, error, max(LEAST, float(best.x)))


def levels(y: Floats, margins: Floats, period: Ints, row_weights: Floats) -> Floats:
    """Find what margins (n,) lack in each of k periods to promise what came: (k,) log-odds.

    Half an outcome of either kind is added to each period, so that no level is without bounds.
    """
    found = np.zeros(int(period.max(initial=0)) + 1)
    for _ in range(100):
        p = expit(margins + found[period])
        pseudo = expit(found)
        slope = np.bincount(period, row_weights * (y - p)) + 0.5 - pseudo
        bend = np.bincount(period, row_weights * p * (1 - p)) + pseudo * (1 - pseudo)
        step = np.clip(slope / bend, -1.0, 1.0)
        found += step
        if np.abs(step).max() < 1e-10:
            break
    return found
