"""The answer about one lead, whole: what list, lead card, HTTP, CRM and MLflow model all give.

The columns of scores.parquet and the fields of `LeadScore` are the same, one for one. They are
filled in one place, `serving.score.score_snapshots`, and every door reads them from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import pyarrow as pa

SCORE_COLUMNS: Final = (
    "score",
    "band",
    "probability",
    "probability_low",
    "probability_high",
    "percentile",
    "fit",
    "engagement",
    "qualification",
    "context",
    "trend",
    "reasons",
    "typical",
    "unseen_points",
    "rest_points",
    "limit_points",
    "margin",
    "score_exact",
    "grid",
    "expected_value",
)
"""What tells something of a score: empty for a lead whose score is held back."""


MONEY_COLUMNS: Final = ("amount", "expected_value")
"""What a conversion is worth: columns that are there where the project knows amounts."""


@dataclass(frozen=True, slots=True)
class WordedReason:
    """One reason: whole signed points, and words in the project's language."""

    factor: str
    family: str
    points: int
    text: str
    fact: str | None


@dataclass(frozen=True, slots=True)
class LeadScore:
    """One lead's score with everything that is said of it.

    typical + points of all reasons + unseen_points + rest_points + limit_points == score;
    `unseen_points` are those of what is not known or not seen. `band` is None where a
    rule of the company takes the lead out (`rule` is its stated reason), or a rep did. `standing`
    says that a rep's answer keeps it off the list: done, snoozed or disqualified, since when, until
    when, by whom and why. `withheld` names the arm
    of an experiment that works without scores: everything in SCORE_COLUMNS is then empty.
    `episode` counts the lead's lives: 1 until it comes back after a close, at `back_at`.
    `amount` is what its conversion would bring, where that is known; `expected_value` is that times
    the probability. `assumed` says what the one who asked left out and a night would have known.
    """

    lead_id: str
    as_of: datetime
    score: int | None
    band: str | None
    probability: float | None
    probability_low: float | None
    probability_high: float | None
    percentile: float | None
    fit: int | None
    engagement: int | None
    qualification: int | None
    context: int | None
    stage: str | None
    rule: str | None
    trend: str | None
    reasons: tuple[WordedReason, ...]
    typical: int | None
    unseen_points: int | None
    rest_points: int | None
    limit_points: int | None
    model_version: str
    scored_at: datetime
    run_id: str
    margin: float | None
    score_exact: float | None
    grid: str | None
    episode: int
    back_at: datetime | None
    standing: Literal["done", "snoozed", "disqualified"] | None
    standing_since: datetime | None
    standing_until: datetime | None
    standing_by: str | None
    standing_reason: str | None
    withheld: str | None
    amount: float | None = None
    expected_value: float | None = None
    assumed: tuple[str, ...] = ()


def lead_scores(table: pa.Table, assumed: Sequence[tuple[str, ...]] = ()) -> list[LeadScore]:
    """Read the rows of a table of scores; `assumed` has one entry a row, where there are any."""
    rows = table.to_pylist()
    said = assumed or [()] * len(rows)
    return [_lead_score(row, each) for row, each in zip(rows, said, strict=True)]


def _lead_score(row: dict[str, Any], assumed: tuple[str, ...]) -> LeadScore:
    reasons = tuple(WordedReason(**reason) for reason in row.pop("reasons") or ())
    return LeadScore(**row, reasons=reasons, assumed=assumed)
