"""Turns a scorer and a feature frame into reasons in points, for one lead or a million.

`reason_table` is columnar and gives positions and whole points; `explanation_of` makes the
Explanation of a row. Both see the same contributions, so batch and report agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.frame import FAMILIES
from models.explain.observed_rates import ObservedRates
from models.explain.points import Explanation, Ints, Points, ScoreReason, make_points
from models.explain.reason_rules import ReasonRules, is_changeable, reason_params, visible_sides
from models.predictor import FeatureColumn, Floats, ForestPart, Frame, LeadScorer, Rows

NO_FACTS = ObservedRates({}, 0.0)
Read = Callable[[str, int], str | float | None]  # feature and row -> value


@dataclass(frozen=True)
class ReasonTable:
    """Points of many leads with what is needed to name them; positions index `factors`, `features`.

    `base` and `margin` in log-odds; `families` (n, 4) whole points in the order of FAMILIES.
    """

    points: Points
    features: Sequence[FeatureColumn]
    factors: tuple[str, ...]
    families_of: tuple[str, ...]
    margin: Floats
    base: float
    grid_cuts: Mapping[str, Sequence[float]]
    stable: NDArray[np.bool_]
    rules: ReasonRules = field(default_factory=ReasonRules)
    facts: ObservedRates = NO_FACTS

    def __len__(self) -> int:
        """Count the leads."""
        return len(self.margin)

    @cached_property
    def families(self) -> Ints:
        """Sum whole points by family, (n, 4)."""
        return np.stack([self._sum_of(self.points.by_factor, name) for name in FAMILIES], axis=1)

    @cached_property
    def grid(self) -> NDArray[np.object_]:
        """Cut fit into A..D and engagement into 1..4; a view of the same sums."""
        fit = np.searchsorted(
            self.grid_cuts["fit"], self._sum_of(self.points.exact, "fit"), "right"
        )
        acts = self._sum_of(self.points.exact, "engagement")
        engagement = np.searchsorted(self.grid_cuts["engagement"], acts, "right")
        letters, figures = np.array(list("DCBA"), object), np.array(list("4321"), object)
        grid: NDArray[np.object_] = letters[fit] + figures[engagement]
        return grid

    def _sum_of(self, columns: NDArray[Any], family: str) -> NDArray[Any]:
        chosen = [k for k, name in enumerate(self.families_of) if name == family]
        total: NDArray[Any] = columns[:, chosen].sum(axis=1)
        return total


def reason_table(
    scorer: LeadScorer,
    frame: Frame,
    *,
    facts: ObservedRates = NO_FACTS,
    with_stability: bool = False,
) -> ReasonTable:
    """Explain every row of a frame in whole points, columnar.

    One feature of each factor is named; where its observed rate points the other way, another one
    that may be shown is preferred. Without `with_stability`, which costs a second pass over the
    forest, every row counts as stable.
    """
    rules = ReasonRules.of(scorer)
    explained = scorer.contributions(frame, by="feature")
    factors = scorer.factors
    position = {name: i for i, name in enumerate(factors)}
    factor_of = np.array([position[f.factor] for f in scorer.features], np.int32)
    visible = visible_sides(scorer, frame, rules, facts)
    points = make_points(
        scorer, explained.values, explained.margin, explained.base, factor_of, visible
    )
    family = {f.factor: f.family for f in reversed(scorer.features)}
    stable = stability(scorer, frame) >= 0.6 if with_stability else np.ones(len(frame), np.bool_)
    families_of = tuple(family[name] for name in factors)
    return ReasonTable(
        points,
        scorer.features,
        factors,
        families_of,
        explained.margin,
        explained.base,
        grid_cuts(scorer),
        stable,
        rules,
        facts,
    )


def explanation_of(table: ReasonTable, row: int, lead_id: str, read: Read) -> Explanation:
    """Make the explanation of one row; `read` gives the values of the frame it was computed on."""
    points = table.points
    lines = [
        _reason(table, row, int(factor), int(feature), read)
        for factor, feature in zip(points.line_factor[row], points.line_feature[row], strict=True)
        if factor >= 0
    ]
    families = dict(zip(FAMILIES, table.families[row].tolist(), strict=True))
    return Explanation(
        lead_id=lead_id,
        score=int(points.score[row]),
        typical=points.typical,
        reasons_for=tuple(line for line in lines if line.points > 0),
        reasons_against=tuple(line for line in lines if line.points < 0),
        rest_points=int(points.rest[row]),
        limit_points=int(points.limit[row]),
        families=families,
        grid=str(table.grid[row]),
        stable=bool(table.stable[row]),
        unseen_points=int(points.unseen[row]),
    )


def _reason(table: ReasonTable, row: int, factor: int, feature: int, read: Read) -> ScoreReason:
    facts, described = table.facts, table.features[feature]
    value = read(described.name, row)
    params = reason_params(described, value, facts)
    points, fact = int(table.points.by_factor[row, factor]), facts.find(described.name, value)
    return ScoreReason(
        factor=table.factors[factor],
        family=table.families_of[factor],
        points=points,
        exact=float(table.points.exact[row, factor]),
        template=described.template,
        params=params,
        changeable=is_changeable(described, table.rules.changeable, value=value, points=points),
        fact=fact if fact and fact.backs(points) else None,
    )


def contributions_of(
    scorer: LeadScorer, frame: Frame, table: ReasonTable
) -> tuple[ScoreReason, ...]:
    """List every factor of the first row, largest first: typical + points + limit == score.

    `table` are the reasons of the frame. A factor is said by the feature that moved it most,
    whether or not that may be given as a reason. What is private is one entry.
    """
    rules = table.rules
    values = scorer.contributions(frame, by="feature").values[0]
    read = value_reader(frame)
    every, hidden = [], ScoreReason("private", "context", 0, 0.0, "private", {})
    for k, factor in enumerate(table.factors):
        points, exact = int(table.points.by_factor[0, k]), float(table.points.exact[0, k])
        if not points and not exact:
            continue
        own = [f for f, feature in enumerate(scorer.features) if feature.factor == factor]
        if any(rules.hides(scorer.features[f]) for f in own):
            hidden = replace(hidden, points=hidden.points + points, exact=hidden.exact + exact)
            continue
        sign = 1.0 if exact >= 0 else -1.0
        speaker = max(own, key=lambda f: values[f] * sign)
        every.append(_reason(table, 0, k, speaker, read))
    every += [hidden] if hidden.exact else []
    return tuple(sorted(every, key=lambda reason: (-abs(reason.points), -abs(reason.exact))))


def value_reader(frame: Frame) -> Read:
    """Give a function that takes one value out of a frame: text, a number, or None if missing."""
    if isinstance(frame, Rows):
        words, numbers, at = frame.words, frame.numbers, frame.number_at
        return lambda name, row: (
            words[name][row] if name in words else _plain(numbers[row, at[name]])
        )
    columns: dict[str, Any] = {}

    def read(name: str, row: int) -> str | float | None:
        if name not in columns:
            columns[name] = frame[name].array
        return _plain(columns[name][row])

    return read


def _plain(value: Any) -> str | float | None:
    """Take a value out of pandas: text, a number, or None where it is missing."""
    if value is None or value is pd.NA:
        return None
    if isinstance(value, str):
        return value
    number = float(value)
    return None if math.isnan(number) else number


def grid_cuts(scorer: LeadScorer) -> Mapping[str, Sequence[float]]:
    """Where fit and engagement are cut, in points, rising: the model's own, or a half doubling."""
    half = scorer.card.points_to_double / 2.0
    cuts = scorer.parts.grid or {}
    return {name: cuts.get(name, (-half, 0.0, half)) for name in ("fit", "engagement")}


def stability(scorer: LeadScorer, frame: Frame, top: int = 3) -> Floats:
    """Overlap of the top factors between two halves of the ensemble, (n,) from 0 to 1.

    A model without a second forest has nothing to compare and counts as 1.
    """
    if len(scorer.forest_text) < 2:
        return np.ones(len(frame))
    tops = []
    for half in (0, 1):
        text = scorer.forest_text[half::2]
        whole = scorer.parts.forest.weight if scorer.parts.forest else 1.0
        part = ForestPart(len(text), whole * len(scorer.forest_text) / len(text))
        parts = replace(scorer.parts, forest=part)
        member = LeadScorer(parts, text, threads=scorer.threads, trusted=scorer.trusted)
        values = np.abs(member.contributions(frame, by="factor").values)
        tops.append(np.argsort(-values, axis=1, kind="stable")[:, :top])
    same = (tops[0][:, :, None] == tops[1][:, None, :]).any(axis=2)
    overlap: Floats = same.mean(axis=1)
    return overlap
