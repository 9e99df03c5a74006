"""A rule and outcomes -> the rule as the outcomes update it: one line, exact, from none to many.

log-odds = level + scale x rule + line. Before any outcome the scale is a fifth and the line is 0;
the scale has a normal prior around that, each column of the line a precision of its own,
found by empirical Bayes as in `models.fit.linear`. So a rule that outcomes bear out is trusted
more, one that they contradict fades to nothing, and what the rule does not know is learned beside
it; nothing is switched by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import cho_solve
from scipy.optimize import brentq
from scipy.special import expit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.fit.encoders import TrainingColumns
from models.fit.linear import (
    DENSE,
    START,
    factorise,
    find_penalties,
    newton,
    penalty_groups,
    spread_out,
)
from models.fit.rule_points import SCALE, SPREAD, UNJUDGED, Rule
from models.fit.terms import Draft, plan_terms, term_matrix
from models.predictor import Floats, IntervalOffsets, LinearPart, Term

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
            how = f"until outcomes are known, a point of the rule counts {self.scale:.2f} points"
        else:
            how = (
                f"after {self.conversions:,} converting rows, a point of the rule counts "
                f"{self.scale:.2f} points"
            )
        return how

    @property
    def rate_words(self) -> str | None:
        """Ask for the base rate where nothing says it."""
        if self.stated or self.conversions:
            return None
        return (
            "no conversion is known and the project file does not say which share of leads is "
            f"expected to convert: {self.rate:.0%} is assumed; the order of leads does not depend "
            "on it, their probabilities do: set expected_rate in [conversion]"
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
    prior_scale: float = UNJUDGED,
    spread: float = SPREAD,
) -> UpdatedRule:
    """Update the rule by outcomes, (n,); `worth` are the independent outcomes to a row.

    `known` is False where the outcomes of the rows are not known yet: they only say who the
    typical lead is.
    """
    counted = columns.weights
    values = rule.values(columns)
    middle = float(np.sum(counted * values) / counted.sum())
    values -= middle
    won = float(np.sum(counted * y)) if known else 0.0
    lost = float(counted.sum()) - won if known else 0.0
    rate = ASSUMED_RATE if expected_rate is None else expected_rate
    prior = (STATED if expected_rate is not None else ASSUMED) / worth
    conversions = round(won)
    if min(won, lost) < 1:
        share = (won + prior) / (won + lost + prior / rate)
        level = _level(prior_scale * values, share, counted)
        part = _line(rule.terms, prior_scale, middle, level, [])
        error = (1 / ((won + prior) * worth)) ** 0.5
        return UpdatedRule(
            part, prior_scale, spread, error, rate, expected_rate is not None, conversions
        )
    if expected_rate is None:
        prior = 0.0
    fit = _Fit.make(columns, y, values, worth, (prior, rate))
    scale, error, level, level_error, terms = fit.solve(columns, prior_scale, spread)
    part = _line(rule.terms, scale, middle, level, terms)
    return UpdatedRule(
        part, scale, error, level_error, rate, expected_rate is not None, conversions
    )


def _line(
    rule: Sequence[Term], scale: float, middle: float, level: float, learned: Sequence[Term]
) -> LinearPart:
    """Join the scaled rule and what was learned beside it."""
    scaled = tuple(term.times(scale) for term in rule) if scale else ()
    return LinearPart(float(level - scale * middle), (*scaled, *learned))


def _level(margin: Floats, rate: float, counted: Floats) -> float:
    """Find the level at which the mean probability is the base rate."""

    def gap(level: float) -> float:
        return float(np.average(expit(level + margin), weights=counted)) - rate

    return float(brentq(gap, -60.0, 60.0))


@dataclass(frozen=True, slots=True)
class _Fit:
    """The design of line and rule, with the stated rate as two rows of a typical lead."""

    drafts: list[Draft]
    places: list[slice]
    matrix: Floats
    rule: Floats
    y: Floats
    counted: Floats
    worth: float  # as the line counts evidence

    @classmethod
    def make(
        cls,
        columns: TrainingColumns,
        y: Floats,
        values: Floats,
        worth: float,
        stated: tuple[float, float],
    ) -> _Fit:
        drafts = plan_terms(columns)
        matrix, places = term_matrix(columns, drafts)
        if matrix.shape[1] > DENSE:
            drafts, places, matrix = [], [], matrix[:, :0]
        prior, rate = stated
        extra = [] if prior == 0 else [prior, prior * (1 - rate) / rate]
        dense = matrix.toarray()
        typical = np.repeat(dense.mean(axis=0, keepdims=True), len(extra), axis=0)
        return cls(
            drafts,
            places,
            np.vstack([dense, typical]),
            np.concatenate([values, np.zeros(len(extra))]),
            np.concatenate([y, [1.0, 0.0][: len(extra)]]),
            np.concatenate([columns.weights, extra]),
            float(np.sqrt(worth)),
        )

    def solve(
        self, columns: TrainingColumns, prior_scale: float, spread: float
    ) -> tuple[float, float, float, float, list[Term]]:
        """Find scale and its error, level and its error, and the terms of the line."""
        width = self.matrix.shape[1]
        groups = penalty_groups(self.drafts, self.places)
        with_rule = bool(np.ptp(self.rule) > 0) and spread > 0
        if with_rule:
            groups = [*groups, (SCALE, [width])]
        weight, covariance = self._posterior(groups, prior_scale, spread, with_rule=with_rule)
        scale = prior_scale + weight[width] if with_rule else prior_scale
        if scale < 0:  # the outcomes contradict the rule: it says nothing, the line learns
            return _Fit.solve(self, columns, 0.0, 0.0)
        terms = [
            d.finish(weight[p], columns) for d, p in zip(self.drafts, self.places, strict=True)
        ]
        error = float(np.sqrt(covariance[width])) if with_rule else spread
        return float(scale), error, float(weight[-1]), float(np.sqrt(covariance[-1])), terms

    def _posterior(
        self,
        groups: Sequence[tuple[str, list[int]]],
        prior_scale: float,
        spread: float,
        *,
        with_rule: bool,
    ) -> tuple[Floats, Floats]:
        """Give the mode of all weights and their variances (Laplace)."""
        parts = [self.matrix, *([self.rule[:, None]] if with_rule else [])]
        design = np.column_stack([*parts, np.ones(len(self.y))])
        offset = prior_scale * self.rule
        share = float(np.average(self.y, weights=self.counted))
        start = np.zeros(design.shape[1])
        start[-1] = np.log(share / (1 - share))
        penalties = {name: START for name, _ in groups}
        held = {SCALE: 1 / spread**2 / self.worth} if with_rule else {}
        with threadpool_limits(1):
            weight, penalties = find_penalties(
                design,
                self.y,
                self.counted,
                groups,
                start,
                {**penalties, **held},
                self.worth,
                offset=offset,
                held=held,
            )
            ridge = spread_out(penalties, groups)
            weight = newton(design, self.y, self.counted, ridge, weight, offset=offset)
            factor = factorise(design, offset + design @ weight, self.counted, ridge)
            return weight, np.diag(cho_solve(factor, np.eye(len(ridge)))) / self.worth
