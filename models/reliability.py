"""Outcomes and promised probabilities -> what was promised beside what happened."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from models.metrics import MANY_ROWS, Floats, NearRows, bootstrap_weights, wilson


def reliability_by(
    cells: NDArray[Any],
    y: NDArray[Any],
    p: Floats,
    groups: NDArray[Any] | None = None,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Tabulate each cell (a score band): rows, promised, observed with Wilson interval, kept.

    Rows of one group (a lead seen at several ages) share an outcome: a cell counts its groups.
    """
    rows = []
    for cell in sorted(set(cells.tolist()), key=str):
        chosen = cells == cell
        n, hits = int(chosen.sum()), float(np.asarray(y)[chosen].sum())
        many = n if groups is None else len(np.unique(np.asarray(groups)[chosen]))
        low, high = wilson(hits * many / n, many, level=level)
        promised = float(np.mean(p[chosen]))
        rows.append(
            {
                "band": cell,
                "n": n,
                "promised": promised,
                "observed": hits / n,
                "low": low,
                "high": high,
                "kept": low <= promised <= high,
            }
        )
    return pd.DataFrame(rows)


def reliability_curve(
    y: NDArray[Any],
    p: Floats,
    groups: NDArray[Any] | None = None,
    *,
    draws: int = 100,
    seed: int = 0,
    points: int = 50,
) -> pd.DataFrame:
    """Draw the CORP reliability diagram (Dimitriadis, Gneiting and Jordan 2021).

    Isotonic recalibration `observed` at quantiles of the predicted probability, with the 95 % band
    `low`..`high` in which a perfectly calibrated model would lie (consistency band). Where rows
    are clustered the band comes from a bootstrap of the curve around itself instead.
    """
    target, predicted = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    at = np.unique(np.quantile(predicted, np.linspace(0, 1, points)))
    ones = np.ones(len(predicted))
    observed = _pav(target, predicted, ones, at)
    near = NearRows.of(target, predicted) if len(target) >= MANY_ROWS else None
    rng = np.random.default_rng(seed)
    if groups is None:
        curves = [
            _pav((rng.random(len(ones)) < predicted).astype(np.float64), predicted, ones, at)
            for _ in range(draws)
        ]
    else:
        weights = bootstrap_weights(groups, len(predicted), draws, seed)
        if near is None:
            drawn = (_pav(target, predicted, w, at) for w in weights)
        else:
            drawn = (_pav(near.y, near.p, near.counted(w), at) for w in weights)
        curves = [each - observed + at for each in drawn]
    low, high = np.quantile(np.array(curves), [0.025, 0.975], axis=0)
    return pd.DataFrame(
        {"promised": at, "observed": observed, "low": low.clip(0, 1), "high": high.clip(0, 1)}
    )


def _pav(y: Floats, p: Floats, w: Floats, at: Floats) -> Floats:
    kept = w > 0
    fit = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    curve: Floats = fit.fit(p[kept], y[kept], sample_weight=w[kept]).predict(at)
    return curve
