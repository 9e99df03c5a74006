"""An evaluated model -> the card in its artifact: training data, figures on the test rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import DAY
from models.fit.model_choice import RULE
from models.metrics import Floats
from models.reliability import reliability_by
from training.advice import Advice
from training.dataset import Dataset
from training.evaluate import Evaluation, gains, tenths

CARD_FILE = "model_card.json"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Figures of one model on its test rows, as lists of plain rows, without data of any lead.

    Rows are snapshots: a lead may appear at several ages; `…_leads` count each lead once.
    `gains` maps a ranking ("model", "newest", "rule", "logistic", …) to [worked, captured] pairs.
    `learning`, `need` and `segments` are those of `training.advice`, on training rows. `cut_at` is
    the place in the order of time before which it learned, None without a cut in time. `sample`
    says what was taken of the training rows where not all fitted into memory (`TrainingSample`).
    """

    trained_until: int
    train_rows: int
    train_conversions: int
    test_rows: int
    test_conversions: int
    horizon_days: float
    metrics: list[dict[str, Any]]
    verdicts: list[dict[str, Any]]
    bands: list[dict[str, Any]]
    tenths: list[dict[str, Any]]
    curve: list[dict[str, Any]]
    slices: list[dict[str, Any]]
    capacity: list[dict[str, Any]]
    drift: list[dict[str, Any]]
    gains: dict[str, list[list[float]]]
    candidates: dict[str, Any]
    dropped: dict[str, int]
    notes: list[str]
    train_leads: int = 0
    train_leads_converted: int = 0
    test_leads: int = 0
    test_leads_converted: int = 0
    learning: list[dict[str, Any]] = field(default_factory=list)
    need: dict[str, Any] | None = None
    segments: list[dict[str, Any]] = field(default_factory=list)
    cut_at: int | None = None
    sample: dict[str, Any] | None = None

    def to_json(self) -> str:
        """Write what `from_json` reads, columns in their order; NaN and infinity are null."""
        whole = _finite(asdict(self))
        if self.sample is None:
            del whole["sample"]
        return json.dumps(whole)

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelCard:
        """Read the card of an artifact."""
        return cls(**json.loads(text))

    def with_advice(self, advice: Advice) -> ModelCard:
        """Add learning curve, need and segments; leave out the notes that repeat them."""
        return replace(
            self,
            learning=_rows(advice.curve),
            need=None if advice.need is None else asdict(advice.need),
            segments=_rows(advice.segments),
            notes=[note for note in self.notes if note not in advice.shown],
        )

    @property
    def tested(self) -> tuple[int, int]:
        """Count the test leads that converted and those that did not; rows on older cards."""
        n, won = (
            (self.test_leads, self.test_leads_converted)
            if self.test_leads
            else (self.test_rows, self.test_conversions)
        )
        return won, n - won

    @property
    def rule_updated_by(self) -> int | None:
        """Count the conversions that a rule was updated by; None where the model is no rule."""
        return self.train_leads_converted if self.candidates.get("winner") == RULE else None

    @property
    def has_clock(self) -> bool:
        """Whether the training data say until when they reach; in static mode they may not."""
        return self.trained_until >= DAY

    def figure(self, metric: str, model: str = "model") -> dict[str, float] | None:
        """Find one figure with its interval; None where it could not be measured."""
        for row in self.metrics:
            if row["metric"] == metric and row["model"] == model and row["low"] is not None:
                return row
        return None


def rule_words(conversions: int) -> str:
    """Say that a rule scores, and how many conversions it was updated by."""
    if not conversions:
        return "rules, not learned"
    return f"rules, updated by {conversions:,} outcome{'s' * (conversions != 1)}"


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
        metrics=_rows(evaluation.metrics),
        verdicts=_rows(evaluation.verdicts),
        bands=_rows(evaluation.bands),
        tenths=_rows(
            reliability_by(tenths(test["model"]), y, test["model"], dataset.groups[test_rows])
        ),
        curve=_rows(evaluation.curve),
        slices=_rows(evaluation.slices),
        capacity=_rows(evaluation.capacity),
        drift=_rows(evaluation.drift),
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


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _pairs(frame: pd.DataFrame) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in zip(frame["worked"], frame["captured"], strict=True)]


def _finite(value: Any) -> Any:
    """Turn numpy's numbers into Python's, and what is not finite into None."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
