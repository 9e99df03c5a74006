"""Turns our contributions into what `shap` plots, and into tables for global and segment views.

The picture of one lead's points (the waterfall) is drawn in serving/worklist/charts.py.

Nothing is computed again: `shap.plots.beeswarm(to_shap(scorer, frame))` is instant.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.predictor import LeadScorer


def to_shap(scorer: LeadScorer, frame: pd.DataFrame, *, by: str = "feature") -> Any:
    """Make a `shap.Explanation` of our contributions (the extra `notebook` installs shap).

    By factor there is no single value behind a contribution, so the data are the contributions.
    """
    import shap

    explained = scorer.contributions(frame, by=by)
    data = explained.values
    if by == "feature":
        columns = [_as_number(frame[name]) for name in explained.names]
        data = np.stack(columns, axis=1)
    base = np.full(len(frame), explained.base)
    return shap.Explanation(explained.values, base, data, feature_names=list(explained.names))


def _as_number(column: pd.Series[Any]) -> NDArray[np.float64]:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(np.float64, na_value=np.nan)
    codes = pd.factorize(column, sort=True)[0].astype(np.float64)
    return np.where(codes < 0, np.nan, codes)


def global_view(scorer: LeadScorer, frame: pd.DataFrame, *, by: str = "factor") -> pd.DataFrame:
    """Rank what moves scores: name, mean absolute and mean contribution in log-odds."""
    explained = scorer.contributions(frame, by=by)
    view = pd.DataFrame(
        {
            "name": explained.names,
            "mean_abs": np.abs(explained.values).mean(axis=0),
            "mean": explained.values.mean(axis=0),
        }
    )
    return view.sort_values("mean_abs", ascending=False, kind="stable", ignore_index=True)


def dependence(
    scorer: LeadScorer, frame: pd.DataFrame, feature: str, y: NDArray[Any], *, bins: int = 8
) -> pd.DataFrame:
    """Contribution of a feature beside what happened: group, n, contribution, observed rate.

    Groups are in the order of the values, the missing last.
    """
    explained = scorer.contributions(frame)
    values = explained.values[:, explained.names.index(feature)]
    table = pd.DataFrame(
        {
            "group": _groups_of(frame[feature], bins),
            "contribution": values,
            "y": np.asarray(y),
        }
    )
    grouped = (
        table.groupby("group", sort=True, observed=True)
        .agg(n=("y", "size"), contribution=("contribution", "mean"), rate=("y", "mean"))
        .reset_index()
    )
    return grouped.assign(group=grouped["group"].astype(str))


def _groups_of(column: pd.Series[Any], bins: int) -> pd.Categorical:
    """Put values into groups that have an order: of the numbers, of the words; missing is last."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        cut = pd.qcut(column, bins, duplicates="drop").array
        names: list[str] = [f"({each.left:.6g}, {each.right:.6g}]" for each in cut.categories]
        labels = np.array([*names, "missing"], dtype=object)[cut.codes]
    else:
        labels = column.astype(object).where(column.notna(), "missing").astype(str).to_numpy()
        names = sorted(set(labels) - {"missing"})
    return pd.Categorical(labels, categories=[*dict.fromkeys(names), "missing"], ordered=True)
