"""Counts what became of training rows, by feature and value: the facts behind reasons."""

from __future__ import annotations

import bisect
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.templates import TEMPLATES
from models.explain.points import ObservedRate
from models.fit.row_weights import (
    unless_ones,
    weighted_mean,
    weighted_quantile,
    weights_or_ones,
)
from models.predictor import FeatureColumn, Floats

LEAST_ROWS = 30  # a smaller group is no fact
MOST_LEVELS = 50

Counted = tuple[int, float]
"""Rows of a group, and the share of them that converted."""
NO_ROWS: Counted = (0, 0.0)


@dataclass(frozen=True, slots=True)
class NumberGroups:
    """What became of the values of a number, in half-open bins: len(edges) + 1 of them.

    `least` and `most` are the ends of what training saw: beyond them nothing was counted.
    """

    edges: tuple[float, ...]
    bins: tuple[Counted, ...]
    missing: Counted
    least: float = -math.inf
    most: float = math.inf

    def of(self, value: str | float) -> Counted:
        """Find the group of a value."""
        if isinstance(value, str) or not self.least <= value <= self.most:
            return NO_ROWS
        return self.bins[bisect.bisect_right(self.edges, value)]

    def places(self, values: Floats) -> NDArray[np.int64]:
        """Number the group of each value, (n,): its bin; -1, len(bins) beyond what training saw."""
        place = np.searchsorted(self.edges, values, "right")
        return place - (values < self.least) + (values > self.most)


@dataclass(frozen=True, slots=True)
class LevelGroups:
    """What became of the levels of a category."""

    levels: Mapping[str, Counted]
    missing: Counted

    def of(self, value: str | float) -> Counted:
        """Find the group of a value."""
        return self.levels.get(str(value), NO_ROWS)


Groups = NumberGroups | LevelGroups


@dataclass(frozen=True)
class ObservedRates:
    """Rates of training rows, by feature and value, beside the rate of all of them.

    Where no outcome is `known`, groups only count rows: nothing is said of their rates.
    """

    table: Mapping[str, Groups]
    typical: float
    known: bool = True

    def find(self, feature: str, value: str | float | None) -> ObservedRate | None:
        """Find the group of a value; None where it is unknown or smaller than 30 rows."""
        groups = self.table.get(feature)
        if groups is None or not self.known:
            return None
        n, rate = groups.missing if value is None else groups.of(value)
        return ObservedRate(rate, n, self.typical) if n >= LEAST_ROWS else None

    def level(self, feature: str, value: float) -> int | None:
        """Say in which fifth of the training rows a value lies, 0 to 4; None if nothing is known.

        Rows with the same group of values share the middle of their places.
        """
        groups = self.table.get(feature)
        if not isinstance(groups, NumberGroups):
            return None
        rows = [n for n, _ in groups.bins]
        if not sum(rows):
            return None
        at = bisect.bisect_right(groups.edges, value)
        place = (sum(rows[:at]) + rows[at] / 2) / sum(rows)
        return min(int(5 * place), 4)

    def saw_missing(self, feature: str) -> bool:
        """Say whether the value was missing in any row; True where nothing was counted."""
        groups = self.table.get(feature)
        return groups is None or groups.missing[0] > 0

    def _direction(self, counted: Counted) -> int:
        n, rate = counted
        if not self.known:
            return 0
        return ObservedRate(rate, n, self.typical).direction if n >= LEAST_ROWS else 0

    @cached_property
    def _bin_directions(self) -> Mapping[str, tuple[Floats, NDArray[np.int8]]]:
        """By number feature: edges, and the direction of each bin, then of missing."""
        return {
            name: (
                np.array(groups.edges),
                np.array([self._direction(c) for c in (*groups.bins, groups.missing)], np.int8),
            )
            for name, groups in self.table.items()
            if isinstance(groups, NumberGroups)
        }

    @cached_property
    def _level_directions(self) -> Mapping[str, Mapping[str, int]]:
        """By category feature: the direction of each level that has one."""
        return {
            name: {
                level: sign
                for level, counted in groups.levels.items()
                if (sign := self._direction(counted))
            }
            for name, groups in self.table.items()
            if isinstance(groups, LevelGroups)
        }

    def directions(self, feature: str, values: Floats) -> NDArray[np.int8]:
        """Say of number values whether their groups did better (1) or worse (-1), 0 unknown."""
        if feature not in self._bin_directions:
            return np.zeros(len(values), np.int8)
        edges, signs = self._bin_directions[feature]
        groups = self.table[feature]
        assert isinstance(groups, NumberGroups)
        place = edges.searchsorted(values, "right")
        place[np.isnan(values)] = len(signs) - 1
        beyond = (values < groups.least) | (values > groups.most)
        return np.where(beyond, 0, signs[place]).astype(np.int8)

    def level_directions(self, feature: str, levels: Sequence[str]) -> list[int]:
        """Say the same of category levels; one more at the end for missing values."""
        if feature not in self._level_directions:
            return [0] * (len(levels) + 1)
        known = self._level_directions[feature]
        return [
            *(known.get(level, 0) for level in levels),
            self._direction(self.table[feature].missing),
        ]

    def to_json(self) -> str:
        """Write what `from_json` reads."""
        table = {name: _write(groups) for name, groups in self.table.items()}
        whole = {"typical": self.typical, "table": table}
        return json.dumps(whole if self.known else {**whole, "known": False}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> ObservedRates:
        """Read the facts file of an artifact; ValueError where it is something else."""
        value = json.loads(text)
        if not isinstance(value, dict) or not isinstance(value.get("table"), dict):
            raise ValueError("is no table of facts")
        table = {name: _read(groups) for name, groups in value["table"].items()}
        return cls(table, float(value["typical"]), bool(value.get("known", True)))


def _write(groups: Groups) -> Mapping[str, Any]:
    missing = list(groups.missing)
    if isinstance(groups, LevelGroups):
        levels = {level: list(counted) for level, counted in groups.levels.items()}
        return {"levels": levels, "missing": missing}
    n, rate = [n for n, _ in groups.bins], [rate for _, rate in groups.bins]
    ends = [groups.least, groups.most] if math.isfinite(groups.most) else None
    return {"edges": list(groups.edges), "n": n, "rate": rate, "missing": missing, "ends": ends}


def _read(raw: Mapping[str, Any]) -> Groups:
    missing = _counted(raw.get("missing", NO_ROWS))
    if "levels" in raw:
        return LevelGroups({key: _counted(pair) for key, pair in raw["levels"].items()}, missing)
    bins = tuple(map(_counted, zip(raw["n"], raw["rate"], strict=True)))
    ends = raw.get("ends") or (-math.inf, math.inf)  # models of earlier versions have none
    return NumberGroups(tuple(raw["edges"]), bins, missing, float(ends[0]), float(ends[1]))


def _counted(pair: Sequence[float]) -> Counted:
    return int(pair[0]), float(pair[1])


def make_facts(
    frame: pd.DataFrame,
    y: NDArray[Any],
    features: Sequence[FeatureColumn],
    row_weights: Floats | None = None,
) -> ObservedRates:
    """Count rates on training rows: `y` (n,) in {0, 1}, one row of `frame` each.

    `row_weights` (n,) say how often each row counts; None: once.
    """
    labels = np.asarray(y, np.float64)
    weights = weights_or_ones(row_weights, len(labels))
    table: dict[str, Groups] = {}
    for feature in features:
        column = frame[feature.name]
        absent = column.isna().to_numpy()
        known, outcomes, counted = column[~absent], labels[~absent], weights[~absent]
        missing = (_rows(weights[absent]), _rate(labels[absent], weights[absent]))
        if feature.kind == "category":
            levels = _count_levels(known, outcomes, counted)
            table[feature.name] = LevelGroups(levels, missing)
        else:
            row = TEMPLATES.get(feature.template)
            each = row is not None and row.cycle > 0  # each hour, weekday, month
            values = known.to_numpy(np.float64)
            edges, bins = _count_bins(values, outcomes, counted, each=each)
            ends = (float(values.min()), float(values.max())) if len(values) else ()
            table[feature.name] = NumberGroups(edges, bins, missing, *ends)
    return ObservedRates(table, _rate(labels, weights))


def _rate(labels: Floats, weights: Floats) -> float:
    if unless_ones(weights) is None:
        return float(labels.mean()) if len(labels) else 0.0
    return weighted_mean(labels, weights)


def _rows(weights: Floats) -> int:
    """Count rows by their weights."""
    return round(float(weights.sum()))


def _count_levels(column: pd.Series[Any], labels: Floats, weights: Floats) -> dict[str, Counted]:
    codes, levels = pd.factorize(column.astype(str).to_numpy(), sort=True)
    n = np.bincount(codes, weights, len(levels))
    rate = np.bincount(codes, weights * labels, len(levels)) / np.maximum(n, 1e-12)
    grouped = pd.DataFrame({"size": n, "mean": rate}, index=levels)
    largest = grouped[grouped["size"] >= LEAST_ROWS].nlargest(MOST_LEVELS, "size")
    pairs = zip(largest.index, largest["size"], largest["mean"], strict=True)
    return {str(level): (round(n), float(rate)) for level, n, rate in pairs}


def _count_bins(
    values: Floats, labels: Floats, weights: Floats, *, each: bool
) -> tuple[tuple[float, ...], tuple[Counted, ...]]:
    """Cut at 1, 2, 4 and so on where values are small counts, else fifths; or `each` value."""
    cuts: list[float]
    if each and len(values):
        least, most = math.floor(values.min()), math.floor(values.max())
        cuts = [float(value) for value in range(least + 1, most + 1)]
    elif len(values) and bool((values == np.floor(values)).all()) and values.max() <= 60:
        cuts = [cut for cut in (1.0, 2.0, 4.0, 8.0, 16.0) if values.min() < cut <= values.max()]
    else:
        fifths = [0.2, 0.4, 0.6, 0.8]
        quantiles = weighted_quantile(values, fifths, weights).tolist() if len(values) else []
        cuts = sorted({cut for cut in quantiles if math.isfinite(cut)})
    place = np.searchsorted(cuts, values, "right")
    n = np.bincount(place, weights=weights, minlength=len(cuts) + 1)
    hits = np.bincount(place, weights=weights * labels, minlength=len(cuts) + 1)
    rate = hits / np.where(n > 0, n, 1.0)
    return tuple(cuts), tuple(zip(map(round, n.tolist()), rate.tolist(), strict=True))
