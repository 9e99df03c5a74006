"""On every real task: contributions equal LightGBM's, and shown whole points give the score."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

import lightgbm
import numpy as np
import pandas as pd
import pytest

from models.explain.points import Points
from models.explain.reasons import reason_table
from models.predictor import (
    BetaCalibration,
    CodeEncoder,
    FeatureColumn,
    ForestPart,
    LeadScorer,
    ModelParts,
    NumberEncoder,
    ScoreCard,
    design_matrix,
)

TASKS = (
    "bank_random",
    "bank_roworder",
    "bpi2012_1h",
    "bpi2012_7d",
    "hillstrom_visit",
    "olist",
    "xeducation",
)


@pytest.fixture(scope="module")
def folder() -> Path:
    if "LEADSCORE_DATA" not in os.environ:
        pytest.skip("LEADSCORE_DATA is not set: the folder of the real data sets")
    return Path(os.environ["LEADSCORE_DATA"]) / "tasks"


def read_task(folder: Path) -> tuple[pd.DataFrame, np.ndarray, tuple[FeatureColumn, ...]]:
    """Read the newest 20,000 training rows: (frame, y, features)."""
    meta = json.loads((folder / "meta.json").read_text())
    rows = pd.read_csv(folder / "train.csv.gz", low_memory=False).tail(20_000)
    numeric, words = meta["numeric"], meta["categorical"]
    frame = rows[numeric].astype(np.float32).reset_index(drop=True)
    for name in words:
        frame[name] = pd.Categorical(rows[name].astype("string"))
    kinds: tuple[tuple[list[str], Literal["number", "category"]], ...] = (
        (numeric, "number"),
        (words, "category"),
    )
    features = tuple(
        FeatureColumn(name, kind, "fit", name, name, "attribute", {"column": name})
        for names, kind in kinds
        for name in names
    )
    return frame, rows[meta["target"]].to_numpy(), features


def add_up(points: Points) -> bool:
    shown = points.line_points.sum(axis=1) + points.unseen
    whole = points.typical + shown + points.rest + points.limit
    return bool(np.array_equal(whole, points.score))


@pytest.mark.real_data
@pytest.mark.parametrize("name", TASKS)
def test_contributions_and_points_hold_on_real_data(folder: Path, name: str) -> None:
    frame, y, features = read_task(folder / name)
    encoders = tuple(
        NumberEncoder(f.name, f.name)
        if f.kind == "number"
        else CodeEncoder(f.name, f.name, tuple(frame[f.name].cat.categories))
        for f in features
    )
    X = design_matrix(frame, encoders)
    chosen = [i for i, encoder in enumerate(encoders) if encoder.kind == "codes"]
    settings = {
        "objective": "binary",
        "verbose": -1,
        "num_leaves": 16,
        "num_threads": 1,
        "max_bin": 63,
    }
    booster = lightgbm.train(settings, lightgbm.Dataset(X, y, categorical_feature=chosen), 40)
    scorer = LeadScorer(
        ModelParts(
            features=features,
            encoders=encoders,
            linear=None,
            forest=ForestPart(1),
            calibration=BetaCalibration(0.9, 1.2, 0.1),
            card=ScoreCard(12, 50, 0.2, {}),
        ),
        [booster.model_to_string()],
    )
    some = np.ascontiguousarray(X[-1000:])
    expected = np.asarray(booster.predict(some, pred_contrib=True, num_threads=1))
    found = scorer.contributions(frame)
    np.testing.assert_allclose(found.values[-1000:], expected[:, :-1], rtol=0, atol=1e-12)
    assert np.abs(found.base + found.values.sum(axis=1) - found.margin).max() < 1e-12
    assert add_up(reason_table(scorer, frame).points)
