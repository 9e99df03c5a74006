"""Training and test rows -> what a random split of them would have promised.

Rows of one lead on both sides of a split, and rows of the future among the training rows, make a
model look better than it is on the leads that come. The same quick trees are judged both ways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.note import Note
from training.audit.cells import auc, auc_error
from training.audit.quick import MAX_ROWS, encode, fit_trees

Ints = NDArray[np.int64]

LEAST: Final = 20
"""Rows of each outcome among those held out, below which an AUC says next to nothing."""


@dataclass(frozen=True, slots=True)
class RandomSplit:
    """The AUC of quick trees on rows held out at random, and on the later ones, with its error."""

    promised: float
    reached: float
    error: float

    @property
    def sentence(self) -> str:
        """Say both, and whether they differ."""
        figures = {"reached": self.reached, "error": self.error, "promised": self.promised}
        if self.promised - self.reached <= self.error:
            return Note(
                "quick trees: AUC {reached:.3f} (standard error {error:.3f}) on the later rows; a "
                "random split would have promised {promised:.3f}, no real difference",
                **figures,
            )
        return Note(
            "quick trees: AUC {reached:.3f} (standard error {error:.3f}) on the later rows; a "
            "random split would have promised {promised:.3f}, having seen the same leads while "
            "learning",
            **figures,
        )


def promise_of_random_split(
    X: pd.DataFrame, y: NDArray[np.generic], groups: Ints, train: Ints, test: Ints, seed: int
) -> RandomSplit | None:
    """Judge quick trees on the test rows, and on as many rows held out at random.

    `y` and `groups` are those of all rows of `X`, (n,); `train` and `test` are row
    positions, of which at most `MAX_ROWS` are drawn. None where either side holds too few rows of
    one outcome.
    """
    rng = np.random.default_rng([seed, 83])
    rows = np.concatenate([train, test])
    later = np.arange(len(rows)) >= len(train)
    drawn = np.sort(rng.permutation(len(rows))[:MAX_ROWS])
    rows, later = rows[drawn], later[drawn]
    shuffled = rng.permutation(later)
    target = np.asarray(y)[rows].astype(np.int8)
    if not all(_can_judge(target, held) for held in (later, shuffled)):
        return None
    matrix, categories = encode(X.iloc[rows])
    areas = []
    for held in (shuffled, later):
        model = fit_trees(matrix[~held], target[~held], categories, seed)
        margin = np.asarray(model.predict(matrix[held], raw_score=True, num_threads=1))
        areas.append(auc(margin, target[held]))
    converted = len(np.unique(groups[rows][later & (target == 1)]))
    others = len(np.unique(groups[rows][later])) - converted
    return RandomSplit(areas[0], areas[1], auc_error(areas[1], converted, max(others, 2)))


def _can_judge(y: NDArray[np.int8], held: NDArray[np.bool_]) -> bool:
    """Tell whether enough rows of both outcomes are held out, and both can be learned."""
    return all(int(np.bincount(y[side], minlength=2).min()) >= LEAST for side in (held, ~held))
