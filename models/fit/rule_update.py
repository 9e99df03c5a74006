"""A rule and outcomes -> the rule as the outcomes update it: one line, exact, from none to many.

log-odds = level + scale x rule + line. Before any outcome the scale is a fifth and the line is 0;
the scale has a normal prior around that, each column of the line a precision of its own,
found as in `models.fit.empirical_bayes`. So a rule that outcomes bear out is trusted more, one that
they contradict fades to nothing, and what the rule does not know is learned beside it; nothing is
switched by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.fit.empirical_bayes import fit_dense
from models.fit.encoders import TrainingColumns
from models.fit.linear import DENSE, finish_terms, join, penalty_groups
from models.fit.rule_points import SPREAD, UNJUDGED, Rule
from models.fit.terms import dense_terms, places_of, plan_terms
from models.note import Note
from models.predictor import Floats, IntervalOffsets, LinearPart

ASSUMED_RATE: Final = 0.03
"""The base rate where neither outcomes nor the project file give one."""
STATED, ASSUMED = 4.0, 0.5
"""Conversions that a stated rate, and an assumed one, count as: with 4 instead of 1 the worlds of
`UNJUDGED` lose .2745 instead of .2817 at 5 conversions, .2661 instead of .2670 at 20."""


@dataclass(frozen=True, slots=True)
class UpdatedRule:
    """The line in log-odds, the scale of the rule in it, and how wide its intervals are.

    `rate` is the base rate without the outcomes, `stated` whether the project file gave it.
    """

    line: LinearPart
    scale: float
    scale_error: float
    level_error: float
    rate: float
    stated: bool
    conversions: int

    @property
    def words(self) -> str:
        """Say what it is, in one line: it is shown wherever a person sees the score."""
        if not self.conversions:
            return Note(
                "until outcomes are known, a point of the rule counts {scale:.2f} points",
                scale=self.scale,
            )
        return Note(
            "after {conversions:,} converting rows, a point of the rule counts {scale:.2f} points",
            conversions=self.conversions,
            scale=self.scale,
        )

    @property
    def rate_words(self) -> Note | None:
        """Ask for the base rate where nothing says it."""
        if self.stated or self.conversions:
            return None
        return Note(
            "no conversion is known and the project file does not say which share of leads is "
            "expected to convert: {rate:.0%} is assumed; the order of leads does not depend "
            "on it, their probabilities do: set expected_rate in [conversion]",
            rate=self.rate,
        )

    def intervals(self, margins: Floats) -> IntervalOffsets:
        """Widen by what is not known of level and scale: 90 % of log-odds, by margin."""
        middle = float(np.median(margins))
        at = np.linspace(float(margins.min()) - 1, float(margins.max()) + 1, 33)
        away = (at - middle) / max(self.scale, UNJUDGED)
        half = 1.645 * np.sqrt(self.level_error**2 + (self.scale_error * away) ** 2)
        return IntervalOffsets(at, -half, half, 0.9)


def update_rule(
    rule: Rule,
    columns: TrainingColumns,
    y: Floats,
    *,
    worth: float = 1.0,
    expected_rate: float | None = None,
    known: bool = True,
) -> UpdatedRule:
    """Update the rule by outcomes, (n,); `worth` are the independent outcomes to a row.

    `known` is False where the outcomes of the rows are not known yet: they only say who the
    typical lead is.
    """
    counted = columns.weights
    values, middle = rule.centred(columns)
    won = float(np.sum(counted * y)) if known else 0.0
    lost = float(counted.sum()) - won if known else 0.0
    rate, stated = (ASSUMED_RATE, False) if expected_rate is None else (expected_rate, True)
    prior = (STATED if stated else ASSUMED) / worth
    scale, scale_error = UNJUDGED, SPREAD
    if min(won, lost) < 1:
        share = (won + prior) / (won + lost + prior / rate)
        level = level_for(UNJUDGED * values, share, counted)
        line = join(rule, UNJUDGED, middle, level)
        level_error = (1 / ((won + prior) * worth)) ** 0.5
    else:
        typical = [prior, prior * (1 - rate) / rate] if stated else []
        line, scale, scale_error, level_error = _fit(rule, columns, y, worth, typical)
    return UpdatedRule(line, scale, scale_error, level_error, rate, stated, round(won))


def _fit(
    rule: Rule, columns: TrainingColumns, y: Floats, worth: float, typical: Sequence[float]
) -> tuple[LinearPart, float, float, float]:
    """Learn beside the rule: the line, the rule's scale and its error, the error of the level.

    A stated rate counts as `typical` rows, one that converts and one that does not, of a lead like
    the mean of all. A rule that outcomes contradict says nothing, and the line learns.
    """
    drafts = plan_terms(columns)
    places = places_of(drafts)
    if places and places[-1].stop > DENSE:
        drafts, places = [], []
    values, middle = rule.centred(columns)
    evidence = float(np.sqrt(worth))
    known = (
        partial(dense_terms, columns, drafts),
        np.concatenate([y, [1.0, 0.0][: len(typical)]]),
        np.concatenate([columns.weights, typical]),
        penalty_groups(drafts, places),
    )
    about = np.concatenate([values, np.zeros(len(typical))]) if np.ptp(values) > 0 else None
    with threadpool_limits(1):
        fit = fit_dense(*known, None, evidence, about)
        if fit.scale < 0:
            del fit  # and the design that it holds
            fit = fit_dense(*known, None, evidence)
        error = np.sqrt(fit.variances() / evidence)
    if fit.rule is not None:
        scale, scale_error = fit.scale, float(error[-2])
    else:
        scale, scale_error = (UNJUDGED, SPREAD) if about is None else (0.0, 0.0)
    learned = finish_terms(fit.weight, drafts, places, columns)
    line = join(rule, scale, middle, float(fit.weight[-1]), learned)
    return line, scale, scale_error, float(error[-1])


def level_for(margin: Floats, rate: float, counted: Floats) -> float:
    """Find the level at which the mean probability is the base rate."""

    def gap(level: float) -> float:
        return float(np.average(expit(level + margin), weights=counted)) - rate

    return float(brentq(gap, -60.0, 60.0))
