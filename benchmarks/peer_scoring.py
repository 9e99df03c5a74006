"""The script that a good engineer would write: counts by type and window, LightGBM, pred_contrib.

Run by scale_sizes.py in the environment of the peers: `python peer_scoring.py ENGINE FOLDER TREES`.
It scores the same open leads from the same files, with a booster as large as the champion's, of 100
trees at least.
"""

from __future__ import annotations

import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np

WINDOWS = (7, 28, 90)
AS_OF = "2026-11-01"


def by_pandas(folder: Path) -> np.ndarray:
    """Build the matrix with pandas."""
    import pandas as pd

    leads = pd.read_parquet(folder / "leads.parquet")
    touches = pd.read_parquet(folder / "touches.parquet")
    end = pd.Timestamp(AS_OF, tz=leads["created_at"].dt.tz)
    leads = leads[(leads["created_at"] <= end) & ~(leads["closed_at"] < end)].set_index("lead_id")
    touches = touches[(touches["touch_at"] < end) & touches["lead_id"].isin(leads.index)]
    columns = []
    for days in WINDOWS:
        recent = touches[touches["touch_at"] >= end - pd.Timedelta(days=days)]
        counts = recent.groupby(["lead_id", "touch_type"]).size().unstack(fill_value=0)
        columns.append(counts.reindex(leads.index, fill_value=0).add_suffix(f"_{days}d"))
    last = touches.groupby(["lead_id", "touch_type"])["touch_at"].max().unstack()
    since = last.reindex(leads.index).apply(lambda at: (end - at).dt.total_seconds() / 86400)
    names = ["source", "country", "job_title"]
    codes = leads[names].apply(lambda column: column.astype("category").cat.codes)
    return pd.concat([*columns, since, codes], axis=1).to_numpy(np.float32)


def by_polars(folder: Path) -> np.ndarray:
    """Build the matrix with Polars."""
    import polars as pl

    leads = pl.read_parquet(folder / "leads.parquet")
    end = pl.lit(AS_OF).str.to_datetime().cast(leads["created_at"].dtype)
    open_now = (pl.col("created_at") <= end) & ~(pl.col("closed_at") < end).fill_null(value=False)
    leads = leads.filter(open_now)
    touches = pl.scan_parquet(folder / "touches.parquet")
    touches = touches.with_columns(at=pl.col("touch_at").cast(leads["created_at"].dtype))
    touches = touches.filter(pl.col("at") < end).join(
        leads.lazy().select("lead_id"), on="lead_id", how="semi"
    )
    types = touches.select(pl.col("touch_type").unique()).collect()["touch_type"].to_list()
    counts = [
        ((pl.col("touch_type") == kind) & (pl.col("at") >= end - pl.duration(days=days)))
        .sum()
        .alias(f"{kind}_{days}")
        for kind in types
        for days in WINDOWS
    ]
    since = [
        (end - pl.col("at").filter(pl.col("touch_type") == kind).max())
        .dt.total_seconds()
        .alias(f"{kind}_since")
        for kind in types
    ]
    events = touches.group_by("lead_id").agg(*counts, *since).collect()
    names = ("source", "country", "job_title")
    codes = [pl.col(name).cast(pl.Categorical).to_physical() for name in names]
    whole = leads.select("lead_id", *codes).join(events, on="lead_id", how="left")
    return whole.drop("lead_id").cast(pl.Float32).to_numpy()


if __name__ == "__main__":
    engine, place, trees = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    matrix = (by_pandas if engine == "pandas" else by_polars)(place)
    rng = np.random.default_rng(0)
    rows = matrix[rng.integers(0, len(matrix), 5000)]
    labels = rng.random(5000) < 0.1
    settings = {"objective": "binary", "num_leaves": 31, "verbose": -1, "num_threads": 1}
    booster = lgb.train(settings, lgb.Dataset(rows, labels), num_boost_round=trees)
    booster.predict(matrix, num_threads=1)
    reasons = booster.predict(matrix, pred_contrib=True, num_threads=1)
    print(len(matrix), np.abs(reasons).argsort(axis=1)[:, -5:].shape)
