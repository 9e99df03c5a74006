"""A column -> cells (levels, bins, missing values), and the rates and AUC that they give."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta, rankdata

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BINS: Final = 20
FOLDS: Final = 5
SMOOTHING: Final = 10.0


@dataclass(frozen=True, slots=True)
class Cells:
    """Row codes of one column and a name for each; the last cell holds the missing values."""

    codes: Ints
    names: tuple[str, ...]
    numeric: Floats | None

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Mask the missing values."""
        return np.asarray(self.codes == len(self.names) - 1)


def cells_of(values: pd.Series) -> Cells:
    """Cut a column into cells: levels as they are, numbers by value (<= 30) or in 20 quantiles."""
    if pd.api.types.is_numeric_dtype(values.dtype) and not isinstance(
        values.dtype, pd.CategoricalDtype
    ):
        return _bins(values.to_numpy(np.float64, na_value=np.nan))
    codes, levels = pd.factorize(values, sort=False)
    names = [str(level) for level in levels]
    return Cells(np.where(codes < 0, len(names), codes).astype(np.int64), (*names, "missing"), None)


def _bins(values: Floats) -> Cells:
    present = ~np.isnan(values)
    distinct = np.unique(values[present])
    if len(distinct) <= 30:
        codes = np.searchsorted(distinct, values)
        names = [f"{value:g}" for value in distinct]
    else:
        edges = np.unique(np.quantile(values[present], np.arange(1, BINS) / BINS))
        codes = np.searchsorted(edges, values, side="right")
        bounds = ["", *(f"{edge:g}" for edge in edges), ""]
        names = [_span(low, high) for low, high in pairwise(bounds)]
    return Cells(np.where(present, codes, len(names)).astype(np.int64), (*names, "missing"), values)


def _span(low: str, high: str) -> str:
    if not low:
        return f"below {high}"
    return f"{low} to {high}" if high else f"from {low}"


def auc(scores: Floats, y: NDArray[np.generic]) -> float:
    """Area under the ROC curve with ties halved (Mann and Whitney 1947); .5 where one class."""
    positives = int(np.sum(y))
    negatives = len(y) - positives
    if not positives or not negatives:
        return 0.5
    ranks = rankdata(scores)
    return float(
        (ranks[np.asarray(y) == 1].sum() - positives * (positives + 1) / 2) / positives / negatives
    )


def auc_error(area: float, positives: int, negatives: int) -> float:
    """Standard error of an AUC (Hanley and McNeil 1982)."""
    if positives < 2 or negatives < 2:
        return 0.5
    a = min(max(area, 0.5), 0.9999)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = a * (1 - a) + (positives - 1) * (q1 - a * a) + (negatives - 1) * (q2 - a * a)
    return float(np.sqrt(max(variance, 0.0) / (positives * negatives)))


def one_feature_auc(cells: Cells, y: NDArray[np.int8], fold: Ints) -> float:
    """Cross-fitted AUC of one column: the better of its cells' out-of-fold rates and its order.

    Rates are smoothed towards the prior and compared within each fold; the order of a number is
    oriented on the other folds.
    """
    k = len(cells.names)
    flat = fold * k + cells.codes
    rows = np.bincount(flat, minlength=FOLDS * k).reshape(FOLDS, k).astype(np.float64)
    positives = np.bincount(flat, weights=y, minlength=FOLDS * k).reshape(FOLDS, k)
    prior = y.mean()
    n, p = rows.sum(axis=0) - rows, positives.sum(axis=0) - positives
    rates = (p + SMOOTHING * prior) / (n + SMOOTHING)
    by_cell, by_order, weight = 0.0, 0.0, 0.0
    for f in range(FOLDS):
        held_out = fold == f
        size = float(y[held_out].sum())
        if not size:
            continue
        by_cell += size * auc(rates[f, cells.codes[held_out]], y[held_out])
        if cells.numeric is not None:
            order = np.where(np.isnan(cells.numeric), -np.inf, cells.numeric)
            ascending = auc(order[~held_out], y[~held_out]) >= 0.5
            area = auc(order[held_out], y[held_out])
            by_order += size * (area if ascending else 1 - area)
        weight += size
    return max(by_cell, by_order) / weight if weight else 0.5


def lower_rate(won: float, rows: float, level: float = 0.99) -> float:
    """One-sided Clopper-Pearson lower bound of a rate."""
    return 0.0 if won <= 0 else float(beta.ppf(1 - level, won, rows - won + 1))


def deal_folds(y: NDArray[np.int8], rng: np.random.Generator) -> Ints:
    """Deal rows into folds, positives and negatives evenly."""
    order = np.lexsort((rng.random(len(y)), y))
    fold = np.empty(len(y), np.int64)
    fold[order] = np.arange(len(y)) % FOLDS
    return fold
