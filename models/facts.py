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
from models.points import Fact

LEAST_ROWS = 30  # a smaller group is no fact
MOST_LEVELS = 50


@dataclass(frozen=True)
class Facts:
    """Rates by feature: numbers in half-open bins of `edges`, categories by level.

    `table[feature]` is {"edges", "n", "rate"} with len(edges) + 1 bins, or {"levels": {level:
    [n, rate]}}; "missing": [n, rate] beside either.
    """

    table: Mapping[str, Any]
    typical: float

    def find(self, feature: str, value: str | float | None) -> Fact | None:
        """Find the group of a value; None where it is unknown or smaller than 30 rows."""
        group = self.table.get(feature)
        if group is None:
            return None
        if value is None:
            n, rate = group.get("missing", (0, 0.0))
        elif "levels" in group:
            n, rate = group["levels"].get(str(value), (0, 0.0))
        elif isinstance(value, str):
            return None
        else:
            place = bisect.bisect_right(group["edges"], value)
            n, rate = group["n"][place], group["rate"][place]
        return Fact(float(rate), int(n), self.typical) if n >= LEAST_ROWS else None

    @cached_property
    def _directions(self) -> dict[str, Any]:
        """By feature: (edges, direction of each bin and of missing), or direction by level."""
        found: dict[str, Any] = {}
        for name, group in self.table.items():
            missing = self._direction(*group.get("missing", (0, 0.0)))
            if "levels" in group:
                levels = {level: self._direction(*pair) for level, pair in group["levels"].items()}
                found[name] = {key: sign for key, sign in levels.items() if sign}, missing
            else:
                pairs = zip(group["n"], group["rate"], strict=True)
                signs = [self._direction(*pair) for pair in pairs]
                found[name] = np.array(group["edges"]), np.array([*signs, missing], np.int8)
        return found

    def _direction(self, n: int, rate: float) -> int:
        return Fact(rate, n, self.typical).direction if n >= LEAST_ROWS else 0

    def directions(self, feature: str, values: NDArray[np.float64]) -> NDArray[np.int8]:
        """Say of number values whether their groups did better (1) or worse (-1), 0 unknown."""
        if feature not in self._directions:
            return np.zeros(len(values), np.int8)
        edges, signs = self._directions[feature]
        if isinstance(edges, dict):
            return np.zeros(len(values), np.int8)
        place = edges.searchsorted(values, "right")
        place[np.isnan(values)] = len(signs) - 1
        taken: NDArray[np.int8] = signs[place]
        return taken

    def level_directions(self, feature: str, levels: Sequence[str]) -> list[int]:
        """Say the same of category levels; one more at the end for missing values."""
        known, missing = self._directions.get(feature, ({}, 0))
        if not isinstance(known, dict):
            return [0] * (len(levels) + 1)
        return [*(known.get(level, 0) for level in levels), missing]

    def to_json(self) -> str:
        """Write what `from_json` reads."""
        return json.dumps({"typical": self.typical, "table": self.table}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Facts:
        """Read the facts file of an artifact; ValueError where it is something else."""
        value = json.loads(text)
        if not isinstance(value, dict) or not isinstance(value.get("table"), dict):
            raise ValueError("is no table of facts")
        return cls(value["table"], float(value["typical"]))


def make_facts(
    frame: pd.DataFrame, y: NDArray[Any], features: Sequence[Mapping[str, Any]]
) -> Facts:
    """Count rates on training rows: `y` (n,) in {0, 1}, one row of `frame` each."""
    labels = np.asarray(y, np.float64)
    table: dict[str, Any] = {}
    for feature in features:
        column = frame[feature["name"]]
        gone = column.isna().to_numpy()
        if feature["kind"] == "category":
            counted = _count_levels(column[~gone], labels[~gone])
        else:
            row = TEMPLATES.get(str(feature.get("template")))
            each = row is not None and row.each_value  # each hour, weekday, month
            counted = _count_bins(column[~gone], labels[~gone], each=each)
        table[str(feature["name"])] = {
            **counted,
            "missing": [int(gone.sum()), _rate(labels[gone])],
        }
    return Facts(table, _rate(labels))


def _rate(labels: NDArray[np.float64]) -> float:
    return float(labels.mean()) if len(labels) else 0.0


def _count_levels(column: pd.Series[Any], labels: NDArray[np.float64]) -> dict[str, Any]:
    counted = pd.DataFrame({"level": column.astype(str).to_numpy(), "y": labels})
    grouped = counted.groupby("level", sort=True)["y"].agg(["size", "mean"])
    largest = grouped[grouped["size"] >= LEAST_ROWS].nlargest(MOST_LEVELS, "size")
    pairs = zip(largest.index, largest["size"], largest["mean"], strict=True)
    return {"levels": {str(level): [int(n), float(rate)] for level, n, rate in pairs}}


def _count_bins(
    column: pd.Series[Any], labels: NDArray[np.float64], *, each: bool
) -> dict[str, Any]:
    """Cut at 1, 2, 4 and so on where values are small counts, else fifths; or `each` value."""
    values = column.to_numpy(np.float64)
    if each:
        cuts = sorted({float(value) for value in np.floor(values)})[1:]
    elif len(values) and bool((values == np.floor(values)).all()) and values.max() <= 60:
        cuts = [cut for cut in (1.0, 2.0, 4.0, 8.0, 16.0) if values.min() < cut <= values.max()]
    else:
        quantiles = np.quantile(values, [0.2, 0.4, 0.6, 0.8]) if len(values) else []
        cuts = sorted({float(cut) for cut in quantiles if math.isfinite(cut)})
    place = np.searchsorted(cuts, values, "right")
    n = np.bincount(place, minlength=len(cuts) + 1)
    hits = np.bincount(place, weights=labels, minlength=len(cuts) + 1)
    rate = hits / np.maximum(n, 1)
    return {"edges": list(cuts), "n": n.tolist(), "rate": rate.tolist()}
