"""A sample of training rows -> what half and a quarter of it would have lost, and what more brings.

A quick forest learns from a quarter, a half and all of two thirds of the sampled leads, and is
judged on the others; what twice as many would gain is extrapolated from both steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.frame import FeatureFrame
from models.fit.candidates import error_of, row_losses
from models.fit.folds import assign_folds
from models.fit.row_weights import weighted_mean
from models.note import Note
from training.audit.quick import fit_trees

Floats = NDArray[np.float64]

SHARES: Final = (0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class SampleCurve:
    """How log loss fell from a quarter to a half and from a half to all of the sampled leads."""

    first: float
    second: float
    error: float

    @property
    def sentence(self) -> str:
        """Say what the last doubling brought, and what the next one would."""
        if self.second < self.error:
            return Note(
                "learning curve at this size: the last doubling of the leads lowered log loss by "
                "{last:.4f} (standard error {error:.4f}), no more than chance: more leads would "
                "bring next to nothing",
                last=self.second,
                error=self.error,
            )
        ratio = min(1.0, self.second / self.first) if self.first > 0 else 1.0
        return Note(
            "learning curve at this size: the last doubling of the leads lowered log loss by "
            "{last:.4f} (standard error {error:.4f}); twice as many would lower it by about "
            "{next:.4f}",
            last=self.second,
            error=self.error,
            next=self.second * ratio,
        )


def measure_curve(
    frame: FeatureFrame,
    y: NDArray[np.generic],
    groups: NDArray[np.int64],
    weights: Floats,
    seed: int,
) -> SampleCurve:
    """Measure the curve on sampled training rows: (n,) outcomes, groups, and row weights."""
    target = np.asarray(y, np.float64)
    fold = assign_folds(target, groups, 3, seed)
    held = np.flatnonzero(fold == 0)
    place = np.random.default_rng([seed, 71]).permutation(int(groups.max()) + 1)[groups]
    learned = np.flatnonzero(fold > 0)
    learned = learned[np.argsort(place[learned], kind="stable")]  # whole groups, one by one
    ahead = _matrix(frame, held)
    categories = [*range(frame.numbers.shape[1], ahead.shape[1])]
    losses = []
    for share in SHARES:
        rows = np.sort(learned[: int(share * len(learned))])
        model = fit_trees(_matrix(frame, rows), target[rows], categories, seed, weights[rows])
        margin = np.asarray(model.predict(ahead, raw_score=True, num_threads=1), np.float64)
        losses.append(row_losses(target[held], margin))
    steps = [before - after for before, after in pairwise(losses)]
    counted = weights[held]
    first, second = (weighted_mean(step, counted) for step in steps)
    return SampleCurve(first, second, error_of(steps[1], None, groups[held], row_weights=counted))


def _matrix(frame: FeatureFrame, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Lay out numbers, then the codes of categories; float32."""
    numbers = frame.numbers.shape[1]
    matrix = np.empty((len(rows), numbers + len(frame.levels)), np.float32)
    matrix[:, :numbers] = frame.numbers[rows]
    for i, each in enumerate(frame.levels):
        codes = each.codes[rows]
        matrix[:, numbers + i] = np.where(codes < 0, np.nan, codes)
    return matrix
