"""Margins on unseen rows -> how much of the model stays: none of it may fall behind the base rate.

Where nothing can be learned, or what was learned did not hold ahead, the promise goes back towards
the base rate. The gain over it is measured on the forward folds where times are known, each against
the rate of its own past, else on the cross-fitted margins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from models.fit.candidates import error_of, row_losses
from models.fit.encoders import Ints
from models.fit.row_weights import weighted_mean
from models.predictor import Floats

LEAST = 0.02
"""Of the model stays in any case: leads that it told apart are never tied."""
PULL = 1.0
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
        said = (
            f"no clear gain over the base rate on unseen rows ({self.gain:+.4f}, standard error "
            f"{self.standard_error:.4f}): {self.share:.0%} of the model stays"
        )
        return f"{why}; {said}" if why else said


def guard(
    y: Floats,
    margins: Floats,
    base: Floats,
    *,
    fold: Ints | None,
    groups: Ints | None,
    row_weights: Floats,
    worth: float,
) -> GuardFigures:
    """Say how much of the model stays: all where it gains more than one standard error.

    `base` (n,) are the log-odds of the rate known before each row; rows of one of `groups` count
    as one, `fold` says where they lie in several periods, and a row is `worth` so much of one.
    """
    gains = row_losses(y, base) - row_losses(y, margins)
    gain = weighted_mean(gains, row_weights)
    error = error_of(gains, fold, groups, row_weights=row_weights)
    if gain > error:
        return GuardFigures(gain, error, 1.0)

    def loss(share: float) -> float:
        losses = row_losses(y, base + share * (margins - base))
        return worth * float(np.sum(row_weights * losses)) + PULL * share

    best = minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-6})
    return GuardFigures(gain, error, max(LEAST, float(best.x)))
