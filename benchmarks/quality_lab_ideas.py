"""The choices of fitting, each against what it replaced, on the laboratory's saved margins."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.quality_lab_judge import (
    KNOWN,
    calibrated,
    calibration_of,
    chosen,
    difference,
    fitted_calibration,
    groups_of,
    guarded,
    kept_blend,
    parts_of,
    tables_of,
)
from benchmarks.quality_state import Measurement
from models.fit.calibration import (
    ENOUGH,
    FEW,
    MANY,
    fit_beta,
    fit_blend,
    fit_logistic,
    level_missed,
    move,
)
from models.fit.candidates import Blend, choose, error_of, row_losses
from models.fit.folds import assign_folds
from models.fit.level_path import follow_level
from models.fit.row_weights import rarer
from models.predictor import Calibration, Floats, calibrated_log_odds

Idea = tuple[Callable[[Measurement], Floats], Callable[[Measurement], Floats]]
"""(log-odds of the test rows without it, and with it)."""


def with_line_always(kept: Measurement) -> Floats:
    """Calibrate as before: no rung without a slope and a level."""
    rare = int(kept["worth"] * rarer(kept["y"], np.ones(len(kept["y"]))))
    blend = kept_blend(kept)
    if not rare >= FEW or rare < MANY:
        return with_ladder(kept)
    margins, y = blend.margin(parts_of(kept, "cross")), kept["y"]
    fits = [lambda z, t, w: fit_logistic(z, t, row_weights=w), fit_beta]
    fits += [fit_blend] if rare >= ENOUGH else []
    fold, losses = assign_folds(y, groups_of(kept), 5, 0), np.empty((len(fits), len(y)))
    for i, fit in enumerate(fits):
        for k in range(5):
            rest, held = fold != k, fold == k
            made = fit(margins[rest], y[rest], np.ones(rest.sum()))
            losses[i, held] = row_losses(y[held], calibrated_log_odds(made, margins[held]))
    extra = losses - losses[np.argmin(losses.mean(axis=1))]
    close = [e.mean() <= error_of(e, groups=groups_of(kept)) for e in extra]
    return calibrated(kept, fits[close.index(True)](margins, y, np.ones(len(y))))


def with_ladder(kept: Measurement) -> Floats:
    return calibrated(kept, calibration_of(kept, kept_blend(kept)))


def without_crossed(kept: Measurement) -> Floats:
    return with_ladder({**kept, "crossed": 0.0})


def _level_moved(kept: Measurement, follow: Callable[[Calibration, Floats], Calibration]) -> Floats:
    """Move the level of what was calibrated and guarded; sets without times stay as they are."""
    calibration = guarded(kept, share=float(kept["share"]))
    if len(kept["times"]):
        calibration = follow(calibration, kept_blend(kept).margin(parts_of(kept, "cross")))
    return calibrated(kept, calibration)


def level_of_the_newest(kept: Measurement) -> Floats:
    """Follow as before: the newest fifth alone, where it is off by more than three errors."""

    def follow(calibration: Calibration, margins: Floats) -> Calibration:
        order = np.argsort(kept["times"], kind="stable")
        newest = order[int(0.8 * len(order)) :]
        log_odds = calibrated_log_odds(calibration, margins[newest])
        missed = level_missed(log_odds, kept["y"][newest], float(kept["worth"]))
        shift = missed.shift * 0.25 / (0.25 + missed.error**2)
        return move(calibration, np.clip(shift, -0.7, 0.7)) if abs(missed.z) > 3 else calibration

    return _level_moved(kept, follow)


def level_that_lasts(kept: Measurement) -> Floats:
    y, times, groups = kept["y"], kept["times"], groups_of(kept)

    def follow(calibration: Calibration, margins: Floats) -> Calibration:
        counted = np.ones(len(y))
        return follow_level(calibration, margins, y, times, groups=groups, row_weights=counted)[0]

    return _level_moved(kept, follow)


def _raw(kept: Measurement, blend: Blend) -> Floats:
    return blend.margin(parts_of(kept, "test"))


def line_within_an_error(kept: Measurement) -> Blend:
    """Choose as before: the line alone wherever it is within one standard error."""
    tables = tables_of(kept)
    line = [row for table in tables for row in table if row.candidate == "linear"]
    near = all(row.behind <= row.standard_error for row in line)
    return KNOWN["linear"] if near else choose(tables)


IDEAS: Mapping[str, Idea] = {
    "calibration: none is the lowest rung from 500 outcomes on": (with_line_always, with_ladder),
    "calibration: none where it loses on the forward folds": (
        lambda kept: calibrated(kept, fitted_calibration(kept, kept_blend(kept))),
        with_ladder,
    ),
    "choice: the line alone only where it is no worse": (
        lambda kept: _raw(kept, line_within_an_error(kept)),
        lambda kept: _raw(kept, chosen(kept)),
    ),
    "crossed: a forest on made columns beside the chosen blend": (without_crossed, with_ladder),
    "guard: what gains nothing ahead goes back to the base rate": (
        lambda kept: calibrated(kept, guarded(kept, share=1.0)),
        lambda kept: calibrated(kept, guarded(kept, share=float(kept["share"]))),
    ),
    "level: moved to the newest as far as changes lasted before": (
        level_of_the_newest,
        level_that_lasts,
    ),
}


def show_ideas(fitted: Mapping[str, Measurement]) -> None:
    """Print each idea's ablation: change in log loss, sets won and lost; none costs a fit."""
    print("\nablations on the same fits: mean change in log loss x 1000, sets beyond 1 SE")
    for name, (without, having) in IDEAS.items():
        changes = [difference(kept, without(kept), having(kept)) for kept in fitted.values()]
        mean, error = np.array(changes).T
        won, lost = int(np.sum(mean < -error)), int(np.sum(mean > error))
        print(
            f"  {name}: {1e3 * mean.mean():+.3f}, won {won}, lost {lost} of {len(mean)}, "
            f"best {1e3 * mean.min():+.2f}, worst {1e3 * mean.max():+.2f}"
        )
