"""A champion that the learner itself chose on real data: rate, tables, one row, exactness."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd

from benchmarks.shap_measure import Claim, one_row_ms, rate, single_rows
from models.fit.learner import LeadClassifier
from models.predictor import LeadScorer, Rows, build_tables, look_up

TASK = "xeducation"


def claims(n: int) -> list[Claim]:
    """Fit on a real task in the folder that LEADSCORE_DATA names; no claim where there is none."""
    if "LEADSCORE_DATA" not in os.environ:
        print("champion  did not run: LEADSCORE_DATA is not set")
        return []
    frame, y = read_task(Path(os.environ["LEADSCORE_DATA"]) / "tasks" / TASK)
    scorer = LeadScorer(*LeadClassifier(random_state=0).fit(frame, y).parts())
    forest, tables = scorer.forest, scorer.tables("feature")
    if forest is None or tables is None:
        print(f"champion  did not run: the learner chose a model without a forest on {TASK}")
        return []
    shares, built = column_shares(scorer), build_seconds(scorer)
    X = scorer.design(frame)
    many = np.asfortranarray(X[np.random.default_rng(0).integers(0, len(X), n)])
    few = np.ascontiguousarray(many[: n // 100])
    boosters = [lightgbm.Booster(model_str=text) for text in scorer.forest_text]

    def theirs(**what: bool) -> np.ndarray:
        each = [np.asarray(b.predict(few, num_threads=1, **what)) for b in boosters]
        total: np.ndarray = scorer.parts.forest.weight * np.sum(each, axis=0)
        return total

    off = np.abs(look_up(forest, tables, few)[0] - theirs(pred_contrib=True)[:, :-1] @ shares)
    slow = rate(lambda: theirs(pred_contrib=True), len(few), 1)
    predict = rate(lambda: theirs(raw_score=True), len(few))
    own = rate(lambda: look_up(forest, tables, many), n)
    kernel = one_row_ms(lambda row: look_up(forest, tables, row), single_rows(few, 300))
    whole = one_row_ms(scorer.contributions, [rows_of(frame.iloc[[r]]) for r in range(300)])
    print(
        f"champion of {TASK}: {forest.n_trees} trees, {len(forest.leaf_value)} leaves  "
        f"ours {own:,.0f}/s  pred_contrib {slow:,.0f}/s  predict {predict:,.0f}/s (of {len(few):,}"
        f" rows)  tables {tables.cells.nbytes / 1e6:.1f} MB in {built:.2f} s  one row "
        f"{kernel:.3f} ms, encoders and linear part included {whole:.3f} ms"
    )
    return [
        ("champion: times LightGBM's pred_contrib per CPU second", own / slow, ">=", 50.0),
        ("champion: with all contributions, times LightGBM's predict", own / predict, ">=", 1.0),
        ("champion: largest difference from pred_contrib", float(off.max()), "<=", 1e-12),
        ("champion: one row, ms at p50", kernel, "<=", 0.2),
        ("champion: tables built, s", built, "<=", 5.0),
    ]


def read_task(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Read the training rows of a task: (frame, y)."""
    meta = json.loads((folder / "meta.json").read_text())
    rows = pd.read_csv(folder / "train.csv.gz", low_memory=False)
    frame = rows[meta["numeric"]].astype(np.float32)
    for name in meta["categorical"]:
        frame[name] = pd.Categorical(rows[name].astype("string"))
    return frame, rows[meta["target"]].to_numpy()


def column_shares(scorer: LeadScorer) -> np.ndarray:
    """Say which feature each design column's contribution goes to, (columns, features)."""
    shares = np.zeros((len(scorer.encoders), len(scorer.names)))
    for c, encoder in enumerate(scorer.encoders):
        sources = encoder.sources
        for source in sources:
            shares[c, scorer.names.index(source)] += 1.0 / len(sources)
    return shares


def build_seconds(scorer: LeadScorer) -> float:
    """Time the tables of one target a column; compiled before."""
    assert scorer.forest is not None
    m = len(scorer.encoders)
    targets, shares = np.zeros((m, 2), np.int32), np.zeros((m, 2))
    targets[:, 0], shares[:, 0] = np.arange(m), 1.0
    start = time.perf_counter()
    build_tables(scorer.forest, targets, shares, m)
    return time.perf_counter() - start


def rows_of(frame: pd.DataFrame) -> Rows:
    """Take rows of a frame out of pandas."""
    numbers = frame.select_dtypes("number")
    words = frame.drop(columns=numbers.columns).astype(object)
    return Rows(
        numbers.to_numpy(),
        {str(name): i for i, name in enumerate(numbers)},
        {str(name): [None if pd.isna(v) else str(v) for v in words[name]] for name in words},
    )
