"""What a fit is given: the columns and outcomes of rows, and the options of the estimator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.fit.arrivals import mark_arrivals
from models.fit.encoders import Ints, TrainingColumns
from models.fit.periods import set_periods_aside
from models.fit.row_weights import rarer
from models.fit.rule_points import RulePoints
from models.predictor import Floats

Learner = Literal["auto", "logistic", "rule", "prior"]
"""What is fitted: the winner of all candidates, the regularised line alone, or no choice at all."""


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Columns and outcomes of n rows.

    Where known, (n,): `groups` that stay together, `times` that order the rows, and `closes`, when
    the label windows closed.
    """

    columns: TrainingColumns
    y: Floats
    groups: Ints | None = None
    times: NDArray[Any] | None = None
    closes: NDArray[Any] | None = None
    periods: tuple[str, ...] = ()
    """Columns set aside: they only name the period in which a row came."""

    @classmethod
    def make(
        cls,
        columns: TrainingColumns,
        y: Floats,
        groups: Ints | None,
        times: NDArray[Any] | None,
        closes: NDArray[Any] | None,
    ) -> TrainingRows:
        """Take rows; in time order, set names of periods aside and mark levels that were new."""
        if times is None:
            return cls(columns, y, groups)
        kept, periods = set_periods_aside(columns, times)
        marked = mark_arrivals(kept, times, groups)
        return cls(marked, y, groups, times, closes, periods)

    @property
    def row_weights(self) -> Floats:
        """Say how often each row counts: (n,)."""
        return self.columns.weights

    @property
    def rare(self) -> float:
        """Count the rarer outcome."""
        return rarer(self.y, self.row_weights)

    @property
    def rare_rows(self) -> int:
        """Count the rows of the rarer outcome, whatever they weigh: what folds are dealt from."""
        return int(rarer(self.y, np.ones(len(self.y))))


@dataclass(frozen=True, slots=True)
class FitOptions:
    """The parameters of `LeadClassifier`."""

    seed: int
    threads: int
    budget_s: float
    members: int
    repeats: int
    learner: Learner
    fast: bool
    least: int
    rule: RulePoints | None = None
    apart: frozenset[str] = frozenset()
