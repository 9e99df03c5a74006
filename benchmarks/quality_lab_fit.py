"""A laboratory set -> our fit as a user calls it, with everything kept to judge ideas without it.

Kept are the margins of every component: ahead of forward folds, cross-fitted, and on the test rows.
Calibrations, blends and guards are functions of these, so that judging one takes no fit. Run as
`python -m benchmarks.quality_lab_fit NAME OUT`: a process of its own, for its peak memory.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from benchmarks.quality_lab_leads import make_set
from benchmarks.quality_lab_sets import LabSet
from benchmarks.quality_peers import peak_mb
from benchmarks.quality_state import Measurement, write
from models.fit.candidates import BLENDS, CROSSED
from models.fit.encoders import describe, read_columns
from models.fit.linear import LinearFit
from models.fit.model_choice import finish
from models.fit.setting_trials import SettingTrial
from models.fit.training_rows import FitOptions, TrainingRows
from models.fit.try_candidates import Explored, explore
from models.predictor import Floats, calibrate, columns_of, design_matrix


def training_rows(lab: LabSet) -> TrainingRows:
    """Lay a set out as `LeadClassifier.fit` does."""
    columns = read_columns(lab.X, describe(lab.X, lab.catalogue), None)
    codes = None if lab.groups is None else pd.factorize(lab.groups)[0].astype(np.int64)
    return TrainingRows.make(columns, lab.y, codes, lab.times, lab.closes)


def options(seed: int = 0) -> FitOptions:
    """The parameters of `LeadClassifier()`."""
    return FitOptions(seed, 1, 0.0, 5, 4, "auto", fast=False, least=6)


def measure_fit(lab: LabSet, seed: int = 0) -> Measurement:
    """Fit, and keep probabilities, margins, seconds of the processor and peak memory."""
    rows = training_rows(lab)
    wall, cpu = time.monotonic(), time.process_time()
    explored = explore(rows, options(seed))
    fitted = finish(rows, options(seed), explored)
    spent = {"seconds": time.monotonic() - wall, "cpu": time.process_time() - cpu}
    spent["peak_mb"] = peak_mb()
    tested = margins_on(explored, lab.test)
    p = calibrate(fitted.parts.calibration, explored.blend.margin(tested))
    codes = rows.groups if rows.groups is not None else np.arange(len(lab.y))
    return {
        **spent,
        "p": p,
        "y": lab.y,
        "groups": codes,
        "grouped": rows.groups is not None,
        "times": np.zeros(0) if lab.times is None else np.asarray(lab.times, dtype=np.float64),
        "target": lab.target,
        "test_groups": np.arange(len(p)) if lab.test_groups is None else lab.test_groups,
        "winner": explored.blend.name,
        "worth": explored.setting.worth,
        "share": fitted.report["guard"]["share"],
        "trees": bool(explored.setting.kinds),
        "targets": str(fitted.report["targets"]),
        "periods": str(fitted.report["periods"]),
        "crossed": explored.blend.crossed,
        "shape": lab.shape,
        **_named("cross", explored.fitted.margins),
        **_named("test", tested),
        **_ahead(explored.trial),
    }


def _named(prefix: str, margins: dict[str, Floats]) -> Measurement:
    return {f"{prefix}.{name}": values for name, values in margins.items()}


def _ahead(trial: SettingTrial) -> Measurement:
    if trial.forward is None:
        return {}
    kept: Measurement = {"ahead_rows": trial.forward.rows, "ahead_fold": trial.forward.fold}
    return kept | _named("ahead", trial.forward.margins)


def margins_on(explored: Explored, frame: pd.DataFrame) -> dict[str, Floats]:
    """Give every component's margins on new rows: (n,) each."""
    found: dict[str, Floats] = {}
    for name in explored.fitted.margins:
        if name == CROSSED:
            found[name] = _crossed_on(explored, frame)
            continue
        blend = next(blend for blend in BLENDS if blend.name == name)
        parts = explored.fitted.blended(blend)
        total = np.zeros(len(frame))
        if parts.linear is not None:
            total += LinearFit(parts.linear, {}).margin(columns_of(frame))
        if parts.forest is not None:
            matrix = design_matrix(frame, parts.encoders)
            total += np.mean([_raw(text, matrix) for text in parts.forest_text], axis=0)
        found[name] = total
    return found


def _crossed_on(explored: Explored, frame: pd.DataFrame) -> Floats:
    own = explored.fitted.crossed
    assert own is not None
    matrix = design_matrix(frame, own.design.encoders())
    total: Floats = np.mean([_raw(text, matrix) for text in own.forest.texts], axis=0)
    return total


def _raw(text: str, matrix: Floats) -> Any:
    return lgb.Booster(model_str=text).predict(matrix, raw_score=True, num_threads=1)


if __name__ == "__main__":
    write(Path(sys.argv[2]), measure_fit(make_set(sys.argv[1])))
