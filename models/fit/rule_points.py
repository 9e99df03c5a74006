"""Points that a company gives by hand -> the terms of a line in log-odds: a rule, not learned.

Ten points double the odds. Points come from the events of a lead, its silence, a senior title, the
answers to the qualification questions that are known, and the ideal customer profile. Every term
reads one column, so that each of its points is accounted for like those of any model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from data.errors import InputError
from data.near_names import did_you_mean
from data.rules.expressions import parse
from data.rules.grammar import Node
from features.frame import Feature
from models.fit.encoders import TrainingColumns
from models.fit.row_weights import weighted_mean
from models.predictor import ColumnReader, Floats, LevelsTerm, NumberTerm, Term

POINT: Final = math.log(2) / 10
"""The log-odds of a point."""
STRONG: Final = (
    "demo",
    "trial",
    "pricing",
    "contact",
    "meeting",
    "call",
    "phone",
    "proposal",
    "quote",
)
MIDDLE: Final = (
    "webinar",
    "seminar",
    "form",
    "download",
    "ebook",
    "white",
    "chat",
    "reply",
    "visit",
)
"""Words in the name of an event that gets more points than another; see `event_points`."""
MOST_TIMES: Final = 3.0
"""An event counts no more often."""
SENIOR: Final = ("c_level", "founder", "vp", "director")
SILENCE_DAYS, LONGEST_SILENCE = 30.0, 180.0
SHARED: Final[Mapping[str, float]] = {"icp": 20.0, "answer": 4.0, "senior": 6.0, "silence": -4.0}
"""Points where the project file says nothing: the whole profile met, each answer known, a senior
title, every 30 days of silence."""
NARROW: Final = 1e-9
UNJUDGED: Final = 0.2
"""The scale of a rule that no outcome has judged.

In 24 laboratory worlds (seeds from 1000 of benchmarks.day_one_worlds, a third of the rules wrong)
.2 to .35 lose least on average; a wrong rule is behind the base rate by 3.6 % at worst with .2, by
5.9 % with .3 and 11.5 % with .5."""
SPREAD: Final = 0.5
"""Standard deviation of the scale before any outcome; in the same worlds .25 to 1 hardly differ."""
SCALE: Final = "the rule itself"
"""The name of the rule's column in a line that begins from it."""


@dataclass(frozen=True, slots=True)
class RulePoints:
    """Points given by hand, ten of which double the odds: what a line begins from.

    Parameters
    ----------
    points : mapping of str to float
        Points of each event (three times at most), and of "icp" (the whole profile), "answer",
        "senior" and "silence" (every 30 days); what is not named gets the defaults.
    answers : tuple of str
        The columns of the qualification questions: each counts where it is known.
    profile : tuple of (str, float)
        Criteria of the ideal customer with their weights, as in the project file, each over one
        column. Where no catalogue is given, a name that is not there is refused by `fit`.
    expected_rate : float or None
        The share of leads that is expected to convert.

    Examples
    --------
    >>> points = RulePoints({"icp": 12}, ("budget",), (("employees >= 50", 1.0),))
    >>> points.of("icp"), points.of("answer")
    (12.0, 4.0)
    """

    points: Mapping[str, float] = field(default_factory=dict)
    answers: tuple[str, ...] = ()
    profile: tuple[tuple[str, float], ...] = ()
    expected_rate: float | None = None

    def of(self, name: str) -> float:
        """Give the points of one name.

        Parameters
        ----------
        name : str
            "icp", "answer", "senior" or "silence".

        Returns
        -------
        float
            What was given, else the default.
        """
        return float(self.points.get(name, SHARED[name]))


@dataclass(frozen=True, slots=True)
class Rule:
    """The terms of a rule in log-odds, and the criteria that no column can be given points for."""

    terms: tuple[Term, ...]
    left_out: tuple[str, ...] = ()

    def values(self, columns: ColumnReader) -> Floats:
        """Add the terms up: (n,) log-odds."""
        total = np.zeros(len(columns))
        for term in self.terms:
            total += term.values(columns)
        return total

    def centred(self, columns: TrainingColumns) -> tuple[Floats, float]:
        """Give the log-odds about their mean, (n,), and the mean."""
        values = self.values(columns)
        middle = weighted_mean(values, columns.weights)
        return values - middle, middle


def event_points(event: str) -> float:
    """Give the points of one event where the project file gives none: 10, 5 or 2.

    >>> event_points("demo_request"), event_points("webinar"), event_points("email_open")
    (10.0, 5.0, 2.0)
    """
    words = event.lower()
    if any(word in words for word in STRONG):
        return 10.0
    return 5.0 if any(word in words for word in MIDDLE) else 2.0


def make_rule(points: RulePoints, columns: TrainingColumns) -> Rule:
    """Lay out the rule over the columns that there are; means are those of the rows given."""
    features = columns.features
    terms = _engagement(points, features)
    senior = next((f for f in features if f.template == "seniority"), None)
    if senior is not None and senior.kind == "category":
        terms.append(_levels(senior.name, dict.fromkeys(SENIOR, points.of("senior")), 0.0))
    by_column = {str(f.params.get("column")): f for f in features if f.template == "attribute"}
    terms += [
        _known(by_column[name], points.of("answer")) for name in points.answers if name in by_column
    ]
    counted, left_out = _profile(points, {**by_column, **{f.name: f for f in features}})
    scaled = [term.times(POINT) for term in (*terms, *counted)]
    means = [weighted_mean(term.values(columns), columns.weights) for term in scaled]
    return Rule(
        tuple(replace(term, mean=mean) for term, mean in zip(scaled, means, strict=True)),
        tuple(left_out),
    )


def require_known_names(points: RulePoints, features: Sequence[Feature]) -> None:
    """Refuse points, answers and criteria that name nothing here; InputError names the nearest.

    Of a company's catalogue its project file is checked instead: a column may be no feature there.
    """
    columns = {str(f.params.get("column", f.name)) for f in features} | {f.name for f in features}
    profile = {name for text, _ in points.profile for name in parse(text).names}
    for key, given, known in (
        ("points", set(points.points), set(SHARED)),
        ("answers", set(points.answers), columns),
        ("profile", profile, columns),
    ):
        for name in sorted(given - known):
            some = f"there are: {', '.join(sorted(known)[:12])}"
            cure = did_you_mean(name, known, some, cutoff=0.5)
            raise InputError(f"there is no {name!r}", argument=f"rule.{key}", cure=cure)


def longest_counts(features: Sequence[Feature]) -> list[Feature]:
    """Keep for each event its ever-count, else its longest window."""
    best: dict[str, tuple[float, Feature]] = {}
    for feature in features:
        if feature.template not in ("count_ever", "count_window"):
            continue
        event = str(feature.params.get("event", feature.name))
        ever = feature.template == "count_ever"
        days = float("inf") if ever else float(feature.params.get("days", 0))
        if event not in best or days > best[event][0]:
            best[event] = (days, feature)
    return [feature for _, feature in best.values()]


def _engagement(points: RulePoints, features: Sequence[Feature]) -> list[Term]:
    """Give points to each event, three times at most, and take some for silence."""
    terms: list[Term] = []
    for feature in longest_counts(features):
        event = str(feature.params.get("event", feature.name))
        each = float(points.points.get(event, event_points(event)))
        terms.append(_number(feature.name, 0.0, MOST_TIMES, 1.0, each, 0.0))
    recent = next((f for f in features if f.template == "days_since_last_event"), None)
    if terms and recent is not None:
        each = points.of("silence")
        never = each * LONGEST_SILENCE / SILENCE_DAYS
        terms.append(_number(recent.name, 0.0, LONGEST_SILENCE, SILENCE_DAYS, each, never))
    return terms


def _profile(points: RulePoints, features: Mapping[str, Feature]) -> tuple[list[Term], list[str]]:
    """Share the points of the profile among its criteria by weight: terms, criteria left out."""
    total = sum(weight for _, weight in points.profile if weight > 0)
    terms: list[Term] = []
    left_out = []
    for text, weight in points.profile:
        each = points.of("icp") * weight / total if total else points.of("icp") * weight
        made = _criterion(parse(text).tree, features, each)
        if made is None:
            left_out.append(text)
        else:
            terms += made
    return terms, left_out


def _criterion(node: Node, features: Mapping[str, Feature], each: float) -> list[Term] | None:
    """Turn a criterion over one column into terms; None where it asks for something else."""
    if node.operator == "between" and node.kind == "and":
        at_least, at_most = node.parts
        below = _criterion(at_least, features, each)
        above = _criterion(_turned(at_most), features, -each)
        return None if below is None or above is None else [*below, *above]
    name = node if node.kind == "name" else node.parts[0] if node.parts else None
    if name is None or name.kind != "name" or str(name.value) not in features:
        return None
    feature = features[str(name.value)]
    if node.kind == "known":
        return [_known(feature, each)]
    if node.kind == "in" and feature.kind == "category":
        words = [str(part.value) for part in node.parts[1:]]
        return [_levels(feature.name, dict.fromkeys(words, each), 0.0)]
    if node.kind != "compare" or node.parts[1].kind != "value":
        return None
    bound = node.parts[1].value
    if feature.kind == "category":
        if node.operator == "=":
            return [_levels(feature.name, {str(bound): each}, 0.0)]
        if node.operator == "<>":
            return [_levels(feature.name, {str(bound): 0.0}, each)]
        return None
    if isinstance(bound, bool) or not isinstance(bound, (int, float)):
        return None
    return _step(feature.name, node.operator, float(bound), each)


def _turned(node: Node) -> Node:
    """Turn `x <= high` into `x > high`."""
    return replace(node, operator={"<=": ">", "<": ">="}.get(node.operator, node.operator))


def _step(name: str, operator: str, bound: float, each: float) -> list[Term] | None:
    """Give points above or below a bound: a slope so steep that no number lies on it."""
    gap = max(abs(bound), 1.0) * NARROW
    if operator in (">=", "<"):
        up = _number(name, bound - gap, bound, gap, each, 0.0)
    elif operator in (">", "<="):
        up = _number(name, bound, bound + gap, gap, each, 0.0)
    else:
        return None
    if operator in (">", ">="):
        return [up]
    return [replace(up, center=up.high, coef=-each)]


def _number(
    name: str, low: float, high: float, scale: float, each: float, missing: float
) -> NumberTerm:
    return NumberTerm(name, low, scale, each, missing, 0.0, low=low, high=high)


def _levels(name: str, points: Mapping[str, float], other: float) -> LevelsTerm:
    return LevelsTerm(name, dict(points), other, 0.0, 0.0)


def _known(feature: Feature, each: float) -> Term:
    """Give points where a value is known, whichever."""
    if feature.kind == "category":
        return _levels(feature.name, {}, each)
    return NumberTerm(feature.name, 0.0, 1.0, each, 0.0, 0.0, low=1.0, high=1.0)
