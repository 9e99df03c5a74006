"""A model and the leads it scored -> what moves their scores: factors, values, pairs, in points.

Contributions are those of a fixed sample of the leads, drawn with a seed; nothing of it says which
lead it is. Rates are those of training rows, as they stand in the model's artifact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.explain.interactions import top_interactions
from models.explain.observed_rates import LEAST_ROWS, NumberGroups, ObservedRates
from models.explain.points import points_per_log_odds
from models.explain.reason_rules import ReasonRules
from models.predictor import FeatureColumn, Floats, LeadScorer
from serving.loaded_model import LoadedModel
from serving.scoring_run import ScoringRun

SAMPLE: Final = 300
"""Leads whose points are drawn, a dot each."""
PAIR_SAMPLE: Final = 100
"""Of them, leads whose interactions are computed."""
SHOWN: Final = 12
"""Factors with a line of their own."""
DEPENDENCES: Final = 4
MOST_GROUPS: Final = 7
PAIRS: Final = 8
LEAST_PAIR: Final = 0.05
"""Mean points of a pair from which on it is shown: a tenth, rounded."""
LEVELS: Final = 5


@dataclass(frozen=True, slots=True)
class FactorDots:
    """A factor: its mean absolute points, and of each lead of the sample the points it gave.

    `levels` (n,) say how large the value of its strongest feature is among the leads, 0 to 4, None
    where it has no order or is not known. `feature` is that feature.
    """

    feature: FeatureColumn
    mean: float
    points: tuple[float, ...]
    levels: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class ValueGroup:
    """Leads with values of one kind: a `level`, or a range; neither where it is not known.

    `rate` is that of `rows` training rows, None where they are too few. `points` are the mean of
    what the feature gave to the leads of the sample, None where none of them is in the group.
    """

    rows: int
    rate: float | None
    points: float | None
    level: str | None = None
    least: float | None = None
    most: float | None = None  # of whole numbers, the first that is not in it


@dataclass(frozen=True, slots=True)
class Dependence:
    """How points and rates of conversion hang on the value of a feature; `whole`: it counts."""

    feature: FeatureColumn
    typical: float
    groups: tuple[ValueGroup, ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class FactorPair:
    """Two factors that act together: the mean absolute points of their interaction."""

    first: FeatureColumn
    second: FeatureColumn
    points: float


@dataclass(frozen=True, slots=True)
class ModelDrivers:
    """What moves the scores of `leads` open leads, by a sample of them; factors strongest first.

    `others` counts the factors without a line, `of_others` is their mean absolute points together.
    `additive`: no two factors act together, by construction. `faint`: trees let them, and none do
    by as much as is shown.
    """

    leads: int
    sample: int
    factors: tuple[FactorDots, ...]
    others: int
    of_others: float
    dependences: tuple[Dependence, ...]
    pairs: tuple[FactorPair, ...]
    additive: bool
    faint: bool = False


def find_drivers(model: LoadedModel, scored: ScoringRun, *, seed: int) -> ModelDrivers | None:
    """Find what moves the scores of a run; None where no lead's score may be shown.

    Factors that are sensitive or tell who somebody is are left out, as they are from reasons.
    """
    rows = np.flatnonzero(scored.shown)
    if not len(rows):
        return None
    rng = np.random.default_rng([seed, 97])
    chosen = np.sort(rng.permutation(rows)[:SAMPLE])
    frame, scorer = scored.frame.take(chosen).to_pandas(), model.scorer
    explained = scorer.contributions(frame, by="feature")
    scale = points_per_log_odds(scorer, explained.base, explained.margin)
    points = explained.values * scale[:, None]
    rules = ReasonRules.of(scorer)
    hidden = {f.factor for f in scorer.features if rules.hides(f)}
    factors = _factors(scorer, frame, points, hidden)
    speakers = {each.feature.factor: each.feature for each in factors}
    first = np.sort(rng.permutation(len(chosen))[:PAIR_SAMPLE])
    pairs = _pairs(scorer, frame.iloc[first], scale[first], speakers)
    return ModelDrivers(
        leads=len(rows),
        sample=len(chosen),
        factors=tuple(factors[:SHOWN]),
        others=len(factors[SHOWN:]),
        of_others=sum(each.mean for each in factors[SHOWN:]),
        dependences=_dependences(scorer, model.facts, frame, points, factors),
        pairs=pairs,
        faint=scorer.forest is not None and not pairs,
        additive=scorer.forest is None and all(len(e.sources) == 1 for e in scorer.encoders),
    )


def _factors(
    scorer: LeadScorer, frame: pd.DataFrame, points: Floats, hidden: set[str]
) -> list[FactorDots]:
    """Sum points by factor, strongest factor first; those that move nothing are left out."""
    found = []
    for factor in scorer.factors:
        own = [i for i, feature in enumerate(scorer.features) if feature.factor == factor]
        total = points[:, own].sum(axis=1)
        if factor in hidden or not np.abs(total).max() > 0.005:
            continue
        strongest = scorer.features[own[int(np.abs(points[:, own]).mean(axis=0).argmax())]]
        found.append(
            FactorDots(
                strongest,
                float(np.abs(total).mean()),
                tuple(np.round(total, 2).tolist()),
                _levels(frame[strongest.name], strongest),
            )
        )
    return sorted(found, key=lambda each: -each.mean)


def _levels(values: pd.Series, feature: FeatureColumn) -> tuple[int | None, ...]:
    """Say in which fifth of the distinct values each value lies, (n,)."""
    if feature.kind == "category":
        return (None,) * len(values)
    place = values.rank(method="dense").to_numpy(np.float64)
    distinct = np.nanmax(place) if np.isfinite(place).any() else 1.0
    share = (place - 1) / max(distinct - 1, 1.0)
    return tuple(
        None if each != each else min(int(LEVELS * each), LEVELS - 1) for each in share.tolist()
    )


def _dependences(
    scorer: LeadScorer,
    facts: ObservedRates,
    frame: pd.DataFrame,
    points: Floats,
    factors: Sequence[FactorDots],
) -> tuple[Dependence, ...]:
    """Group the strongest features whose values were counted in training, one of each factor."""
    place = {feature.name: i for i, feature in enumerate(scorer.features)}
    found: list[Dependence] = []
    for factor in factors if facts.known else ():
        feature = factor.feature
        own = points[:, place[feature.name]]
        groups, whole = _groups(facts, feature, frame[feature.name], own)
        if 2 <= len(groups) <= MOST_GROUPS + 1:
            found.append(Dependence(feature, facts.typical, groups, whole))
        if len(found) == DEPENDENCES:
            break
    return tuple(found)


def _groups(
    facts: ObservedRates, feature: FeatureColumn, values: pd.Series, points: Floats
) -> tuple[tuple[ValueGroup, ...], bool]:
    """Group values as training counted them; whether they are whole numbers."""
    counted = facts.table.get(feature.name)
    if counted is None:
        return (), False
    absent = values.isna().to_numpy()
    groups, whole = [], False
    if isinstance(counted, NumberGroups):
        known = np.where(absent, np.nan, values.to_numpy(np.float64))
        place = counted.places(np.nan_to_num(known, nan=counted.least))
        ends = (counted.least, *counted.edges, counted.most)
        whole = all(float(end).is_integer() for end in ends if np.isfinite(end))
        ends = (*ends[:-1], ends[-1] + whole)  # the last whole number is in the last range
        for i, ((rows, rate), (least, most)) in enumerate(
            zip(counted.bins, pairwise(ends), strict=True)
        ):
            inside = (place == i) & ~absent
            groups.append(_group(rows, rate, points[inside], least=least, most=most))
    else:
        names = values.astype(str).to_numpy()
        largest = sorted(counted.levels.items(), key=lambda item: -item[1][0])[:MOST_GROUPS]
        for level, (rows, rate) in largest:
            groups.append(_group(rows, rate, points[(names == level) & ~absent], level=level))
    rows, rate = counted.missing
    if rows >= LEAST_ROWS:
        groups.append(_group(rows, rate, points[absent]))
    return tuple(group for group in groups if group.rows or group.points is not None), whole


def _group(
    rows: int,
    rate: float,
    points: NDArray[np.float64],
    *,
    level: str | None = None,
    least: float | None = None,
    most: float | None = None,
) -> ValueGroup:
    return ValueGroup(
        rows=rows,
        rate=rate if rows >= LEAST_ROWS else None,
        points=float(points.mean()) if len(points) else None,
        level=level,
        least=least,
        most=most,
    )


def _pairs(
    scorer: LeadScorer, frame: pd.DataFrame, scale: Floats, speakers: dict[str, FeatureColumn]
) -> tuple[FactorPair, ...]:
    """Find the pairs of factors that act together most; none in a model without trees."""
    if scorer.forest is None:
        return ()
    ranked = top_interactions(scorer, frame, most=10 * PAIRS, scale=scale)
    found = [
        FactorPair(speakers[first], speakers[second], float(strength))
        for first, second, strength in ranked.itertuples(index=False, name=None)
        if first in speakers and second in speakers and strength >= LEAST_PAIR
    ]
    return tuple(found[:PAIRS])
