"""A training run and its evaluation -> the card of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.metrics import Floats
from models.reliability import reliability_by
from training.dataset import Dataset
from training.evaluate import Evaluation, gains, tenths
from training.model_card import ModelCard, plain_rows


def make_card(
    dataset: Dataset,
    evaluation: Evaluation,
    test: Mapping[str, Floats],
    candidates: Mapping[str, Any],
    *,
    observed_until: int,
    horizon_days: float,
) -> ModelCard:
    """Gather the card of one training run."""
    train_rows, test_rows = dataset.cut.train, dataset.cut.test
    y = dataset.y[test_rows].astype(np.float64)
    rankings = {name: p for name, p in test.items() if name != "prior"}
    if dataset.times is not None:
        rankings["newest"] = dataset.times[test_rows].astype(np.float64)
    return ModelCard(
        trained_until=observed_until,
        train_rows=len(train_rows),
        train_conversions=int(dataset.y[train_rows].sum()),
        test_rows=len(test_rows),
        test_conversions=int(y.sum()),
        horizon_days=horizon_days,
        metrics=plain_rows(evaluation.metrics),
        verdicts=plain_rows(evaluation.verdicts),
        bands=plain_rows(evaluation.bands),
        tenths=plain_rows(
            reliability_by(tenths(test["model"]), y, test["model"], dataset.groups[test_rows])
        ),
        curve=plain_rows(evaluation.curve),
        slices=plain_rows(evaluation.slices),
        capacity=plain_rows(evaluation.capacity),
        drift=plain_rows(evaluation.drift),
        gains={name: _pairs(gains(y, p, points=41)) for name, p in rankings.items()},
        candidates=dict(candidates),
        dropped=dict(dataset.cut.dropped),
        notes=list(evaluation.notes),
        train_leads=_leads(dataset, train_rows),
        train_leads_converted=_leads(dataset, train_rows[dataset.y[train_rows] == 1]),
        test_leads=_leads(dataset, test_rows),
        test_leads_converted=_leads(dataset, test_rows[dataset.y[test_rows] == 1]),
        cut_at=dataset.cut.cut_at,
        sample=None if dataset.sample is None else asdict(dataset.sample),
    )


def _leads(dataset: Dataset, rows: NDArray[np.int64]) -> int:
    """Count the leads behind snapshots: one lead may be seen at several ages."""
    return len(np.unique(dataset.labelled.snapshots.lead[rows]))


def _pairs(frame: pd.DataFrame) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in zip(frame["worked"], frame["captured"], strict=True)]
