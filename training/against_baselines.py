"""A model and its baselines on the same rows -> whether it is better, in figures and in words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.fit.row_weights import weights_or_ones
from models.metrics import Floats, ModelComparison, compare
from models.note import Note


def verdicts(
    y: Floats,
    p: Floats,
    baselines: Mapping[str, Floats],
    groups: NDArray[np.generic] | None = None,
    *,
    draws: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare log loss with each baseline: difference, interval, better / level / worse.

    The verdict is the one that decides: against logistic regression by one standard error, against
    the others by the 95 % interval, which must lie on one side of 0.
    """
    rows = []
    for name, q in baselines.items():
        gap = compare(y, p, q, groups, draws=draws, seed=seed)
        rows.append(
            {
                "against": name,
                "difference": gap.difference,
                "error": gap.error,
                "low": gap.low,
                "high": gap.high,
                "verdict": gap.verdict if name == "logistic" else _beyond_chance(gap),
            }
        )
    columns = ["against", "difference", "error", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _beyond_chance(gap: ModelComparison) -> str:
    return "better" if gap.high < 0 else "worse" if gap.low > 0 else "level"


def beats_baselines(comparisons: pd.DataFrame) -> tuple[bool, str]:
    """Tell from the verdicts whether a model beats prior, recency and rule, where they are known.

    Returns the answer and a sentence: what to do where it is no.
    """
    for row in comparisons[comparisons["against"] != "logistic"].to_dict("records"):
        if row["verdict"] != "better":
            gap, low, high = float(row["difference"]), float(row["low"]), float(row["high"])
            against = str(row["against"])
            return False, (
                f"does not beat the {against} baseline "
                f"({gap:+.4f} log loss, 95 % {low:+.4f} to {high:+.4f}): "
                "collect more outcomes, or declare more columns and events"
            )
    measured = set(comparisons["against"])
    if {"recency", "rule"} <= measured:
        return True, Note("beats prior, recency and rule")
    if "recency" in measured:
        return True, Note("beats prior and recency")
    return True, Note("beats prior and rule") if "rule" in measured else Note("beats prior")


def level_with_logistic(comparisons: pd.DataFrame) -> str | None:
    """Say that logistic regression is shipped instead; None where the model is clearly better.

    Clearly is by more than one standard error of the paired, clustered bootstrap: the simpler of
    two models within one standard error is the one to keep.
    """
    found = comparisons[comparisons["against"] == "logistic"].to_dict("records")
    if not found or found[0]["verdict"] == "better":
        return None
    return Note(
        "logistic regression is shipped: the best other model stands {gap:+.4f} log loss from it "
        "(standard error {error:.4f}), which is not clearly better",
        gap=float(found[0]["difference"]),
        error=float(found[0]["error"]),
    )


def unproven_in_training(
    y: NDArray[np.generic],
    p: Floats,
    groups: NDArray[np.generic] | None = None,
    *,
    row_weights: Floats | None = None,
    seed: int = 0,
) -> str | None:
    """Say why the training rows do not bear the model out; None where they do.

    `p` are cross-fitted: each row's probability comes from folds without it; `row_weights` (n,) say
    how often each row counts. One test alone lets
    one in forty sets without any signal pass; that the training rows agree by chance as well is
    far rarer.
    """
    target = np.asarray(y, np.float64)
    counted = weights_or_ones(row_weights, len(target))
    rate = (float(np.sum(counted * target)) + 0.5) / (float(counted.sum()) + 1)
    prior = np.full(len(target), rate)
    gap = compare(target, p, prior, groups, seed=seed, row_weights=row_weights)
    if gap.high < 0:
        return None
    return (
        "does not beat the prior on the rows it was trained on, each predicted without itself "
        f"({gap.difference:+.4f} log loss, 95 % {gap.low:+.4f} to {gap.high:+.4f}), so that what "
        "it gains on the test may be chance: collect more outcomes, or declare more columns and "
        "events"
    )
