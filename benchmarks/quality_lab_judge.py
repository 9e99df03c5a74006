"""Saved margins of a set -> what a calibration, a blend or a guard would have promised, judged.

A difference of log losses is expected under the truth where that is known; its standard error is
that of outcomes drawn from it, paired by row, leads counted as one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.quality_state import Measurement
from models.fit.calibration import CERTAIN, TRUSTED, fit_calibration, kept_ahead, shrink
from models.fit.candidates import (
    BLENDS,
    Blend,
    CandidateFigures,
    choose,
    compare_blends,
    error_of,
    row_losses,
)
from models.fit.empirical_bayes import base_log_odds
from models.predictor import Calibration, Floats, calibrated_log_odds

KNOWN = {blend.name: blend for blend in BLENDS}


def kept_blend(kept: Measurement) -> Blend:
    """Give the blend that was fitted, the crossed forest at its weight."""
    return replace(KNOWN[kept["winner"]], crossed=float(kept["crossed"]))


def parts_of(kept: Measurement, prefix: str) -> dict[str, Floats]:
    """Give the components' margins: `cross`, `ahead` or `test`."""
    named = {name.partition(".")[::2]: values for name, values in kept.items() if "." in name}
    return {part: values for (start, part), values in named.items() if start == prefix}


def loss_of(kept: Measurement, log_odds: Floats) -> Floats:
    """Give the loss of each test row: (m,)."""
    return row_losses(kept["target"], log_odds)


def difference(kept: Measurement, before: Floats, after: Floats) -> tuple[float, float]:
    """Compare log-odds of the test rows: mean change in log loss, and its standard error."""
    change = loss_of(kept, after) - loss_of(kept, before)
    codes = np.unique(kept["test_groups"], return_inverse=True)[1]
    drawn = kept["target"] * (1 - kept["target"]) * (after - before) ** 2
    return float(change.mean()), float(
        np.hypot(error_of(change, groups=codes), np.sqrt(drawn.sum()) / len(drawn))
    )


def groups_of(kept: Measurement) -> Floats | None:
    """Give the groups of the training rows, where there are any."""
    return kept["groups"] if kept["grouped"] else None


def tables_of(kept: Measurement) -> list[list[CandidateFigures]]:
    """Compare the candidates on forward folds, where there are any, and on random ones."""
    groups = groups_of(kept)
    tables = [compare_blends(kept["y"], parts_of(kept, "cross"), groups=groups)]
    if "ahead_rows" in kept:
        rows = kept["ahead_rows"]
        codes = None if groups is None else groups[rows]
        ahead = parts_of(kept, "ahead")
        tables.insert(0, compare_blends(kept["y"][rows], ahead, kept["ahead_fold"], codes))
    return tables


def chosen(kept: Measurement) -> Blend:
    """Choose as the product does."""
    return choose(tables_of(kept))


def calibration_of(kept: Measurement, blend: Blend) -> Calibration:
    """Calibrate as the product does, without a guard and without the newest rows' level."""
    calibration = fitted_calibration(kept, blend)
    if "ahead_rows" not in kept:
        return calibration
    y = kept["y"][kept["ahead_rows"]]
    return kept_ahead(calibration, blend.margin(parts_of(kept, "ahead")), y, np.ones(len(y)))


def fitted_calibration(kept: Measurement, blend: Blend) -> Calibration:
    """Calibrate on cross-fitted margins, whatever that does ahead."""
    spreads = TRUSTED if kept["trees"] else CERTAIN
    margins = blend.margin(parts_of(kept, "cross"))
    return fit_calibration(margins, kept["y"], spreads=spreads, groups=groups_of(kept))


def guarded(kept: Measurement, *, share: float) -> Calibration:
    """Calibrate, with this share of the model kept."""
    calibration = calibration_of(kept, kept_blend(kept))
    if share == 1:
        return calibration
    return shrink(calibration, share, base_log_odds(kept["y"], np.ones(len(kept["y"]))))


def calibrated(kept: Measurement, calibration: Calibration) -> Floats:
    """Give log-odds of the test rows by a calibration."""
    return calibrated_log_odds(calibration, kept_blend(kept).margin(parts_of(kept, "test")))
