"""The card in a model's artifact: training data, figures on the test rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from data.clock import DAY
from models.note import Note, read_note
from models.winners import CONSTANT, RULE

if TYPE_CHECKING:  # a card is read by commands that learn nothing
    import pandas as pd

    from training.advice import Advice

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
        whole = _finite(asdict(self))  # notes with their values
        if self.sample is None:
            del whole["sample"]
        return json.dumps(whole)

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelCard:
        """Read the card of an artifact."""
        return cls(**json.loads(text, object_hook=read_note))

    def with_advice(self, advice: Advice) -> ModelCard:
        """Add learning curve, need and segments; leave out the notes that repeat them."""
        return replace(
            self,
            learning=plain_rows(advice.curve),
            need=None if advice.need is None else asdict(advice.need),
            segments=plain_rows(advice.segments),
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
    def ranks(self) -> bool:
        """Whether scores differ at all: not where every lead gets the base rate."""
        return self.candidates.get("winner") != CONSTANT

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


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Write a frame as a card holds it: one dict a row."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _finite(value: Any) -> Any:
    """Turn numpy's numbers into Python's, and what is not finite into None."""
    if isinstance(value, Note):
        return value.plain()
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
