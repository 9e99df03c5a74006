"""A small model made by hand: frames with every kind of column, a linear part and two forests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest

from models.predictor import LeadScorer, ModelParts, design_matrix

FEATURES: list[dict[str, Any]] = [
    {
        "name": "n_pricing_7d",
        "kind": "number",
        "family": "engagement",
        "factor": "pricing",
        "label": "Visited pricing page",
        "template": "count_window",
        "params": {"event": "pricing_page", "days": 7},
    },
    {
        "name": "days_since_pricing",
        "kind": "number",
        "family": "engagement",
        "factor": "pricing",
        "label": "Visited pricing page",
        "template": "days_since",
        "params": {"event": "pricing_page"},
    },
    {
        "name": "n_calls_30d",
        "kind": "number",
        "family": "engagement",
        "factor": "calls",
        "label": "Called",
        "template": "count_window",
        "params": {"event": "call", "days": 30},
    },
    {
        "name": "age_days",
        "kind": "number",
        "family": "context",
        "factor": "age",
        "label": "Age",
        "template": "age_days",
        "params": {},
    },
    {
        "name": "employees",
        "kind": "number",
        "family": "fit",
        "factor": "size",
        "label": "Employees",
        "template": "attribute",
        "params": {"column": "employees"},
    },
    {
        "name": "budget_known",
        "kind": "number",
        "family": "qualification",
        "factor": "budget",
        "label": "Budget",
        "template": "known_since",
        "params": {"column": "budget"},
    },
    {
        "name": "industry",
        "kind": "category",
        "family": "fit",
        "factor": "industry",
        "label": "Industry",
        "template": "attribute",
        "params": {"column": "industry"},
    },
    {
        "name": "country",
        "kind": "category",
        "family": "fit",
        "factor": "country",
        "label": "Country",
        "template": "attribute",
        "params": {"column": "country"},
    },
]
CARD = {
    "points_to_double": 10.0,
    "anchor_score": 50.0,
    "anchor_probability": 0.2,
    "bands": {"A": 70, "B": 55, "C": 40},
}


def make_leads(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw a frame of leads and their labels."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "n_pricing_7d": rng.poisson(1.0, n),
            "days_since_pricing": rng.exponential(20.0, n),
            "n_calls_30d": rng.poisson(0.7, n),
            "age_days": rng.integers(0, 200, n),
            "employees": rng.lognormal(4.0, 1.5, n),
            "budget_known": rng.exponential(10.0, n),
        }
    ).astype(np.float32)
    for name in ("days_since_pricing", "budget_known", "employees"):
        frame.loc[rng.random(n) < 0.3, name] = np.nan
    industry = rng.integers(-1, 6, n)
    frame["industry"] = pd.Categorical.from_codes(industry, [f"i{k}" for k in range(6)])
    frame["country"] = pd.Categorical.from_codes(
        rng.integers(0, 30, n), [f"c{k}" for k in range(30)]
    )
    z = 0.6 * frame["n_pricing_7d"] - 0.02 * frame["days_since_pricing"].fillna(40)
    z = z + 0.5 * (industry == 2) + 0.3 * np.log(frame["employees"].fillna(50)) - 2.2
    y = (rng.random(n) < 1 / (1 + np.exp(-z.to_numpy()))).astype(np.int8)
    return frame, y


def fit_by_hand(
    seed: int = 0,
    *,
    n: int = 2000,
    rounds: int = 40,
    forests: int = 2,
    leaves: int = 8,
    **changes: Any,
) -> tuple[ModelParts, list[str]]:
    """Fit parts and forest texts: a linear part on top of which two forests are averaged."""
    frame, y = make_leads(n, seed)
    numbers = [f["name"] for f in FEATURES if f["kind"] == "number"]
    encoders: list[dict[str, Any]] = [{"name": x, "kind": "number", "source": x} for x in numbers]
    levels = list(frame["industry"].cat.categories)
    encoders.append({"name": "industry", "kind": "codes", "source": "industry", "levels": levels})
    rate = {
        str(k): float(v) for k, v in zip(levels, np.linspace(0.1, 0.5, len(levels)), strict=True)
    }
    both = [(a, b) for a in range(6) for b in range(25)]
    pairs = {f"i{a}\u001fc{b}": 0.1 + 0.01 * a + 0.005 * b for a, b in both}
    encoders.append(
        {
            "name": "t_ind",
            "kind": "target",
            "sources": ["industry"],
            "values": rate,
            "default": 0.2,
            "missing": 0.15,
        }
    )
    encoders.append(
        {
            "name": "t_pair",
            "kind": "target",
            "sources": ["industry", "country"],
            "values": pairs,
            "default": 0.2,
            "missing": 0.1,
        }
    )
    terms: list[dict[str, Any]] = [
        {
            "source": "n_pricing_7d",
            "kind": "number",
            "center": 1.0,
            "scale": 1.0,
            "low": 0.0,
            "high": 8.0,
            "coef": 0.2,
            "missing": 0.0,
            "mean": 0.01,
            "transform": "identity",
        },
        {
            "source": "employees",
            "kind": "number",
            "center": 4.0,
            "scale": 1.5,
            "low": 0.0,
            "high": 12.0,
            "coef": 0.3,
            "missing": -0.05,
            "mean": -0.02,
            "transform": "log1p",
        },
        {
            "source": "industry",
            "kind": "levels",
            "coefs": {"i2": 0.4, "i3": -0.2},
            "other": 0.0,
            "missing": -0.1,
            "mean": 0.05,
        },
    ]
    raw: dict[str, Any] = {
        "features": FEATURES,
        "encoders": encoders,
        "linear": {"intercept": -1.0, "terms": terms},
        "forest": {"count": forests, "weight": 1.0 / forests},
        "offset": 0.1,
        "calibration": {"kind": "logistic", "slope": 0.9, "intercept": 0.05},
        "card": CARD,
        "intervals": {},
        "reference": {},
        "meta": {},
    }
    parts = replace(ModelParts.from_json(raw), **changes)
    X = design_matrix(frame, parts.encoders)
    texts = []
    for number in range(forests):
        settings = {
            "objective": "binary",
            "num_leaves": leaves,
            "verbose": -1,
            "num_threads": 1,
            "seed": seed * 10 + number,
            "feature_fraction": 0.7,
            "min_data_in_leaf": 10,
            "deterministic": True,
            "force_row_wise": True,
            "max_cat_to_onehot": 2,
        }
        data = lightgbm.Dataset(X, y, categorical_feature=[len(numbers)], free_raw_data=True)
        texts.append(lightgbm.train(settings, data, rounds).model_to_string())
    return parts, texts


@pytest.fixture(scope="session")
def leads() -> Callable[[int, int], tuple[pd.DataFrame, np.ndarray]]:
    return make_leads


@pytest.fixture(scope="session")
def fit() -> Callable[..., tuple[ModelParts, list[str]]]:
    return fit_by_hand


@pytest.fixture(scope="session")
def handmade() -> tuple[ModelParts, list[str]]:
    return fit_by_hand()


@pytest.fixture(scope="session")
def scorer(handmade: tuple[ModelParts, list[str]]) -> LeadScorer:
    return LeadScorer(*handmade)
