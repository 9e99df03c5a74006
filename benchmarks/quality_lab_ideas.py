"""The choices of fitting, each against what it replaced, on the laboratory's saved margins."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.quality_lab_judge import (
    KNOWN,
    calibration_of,
    chosen,
    difference,
    groups_of,
    guarded,
    kept_blend,
    parts_of,
    tables_of,
)
from benchmarks.quality_state import Measurement
from models.fit.calibration import ENOUGH, FEW, MANY, fit_beta, fit_blend, fit_logistic
from models.fit.candidates import Blend, choose, error_of, row_losses
from models.fit.folds import assign_folds
from models.fit.row_weights import rarer
from models.predictor import Calibration, Floats, calibrated_log_odds

Idea = tuple[Callable[[Measurement], Floats], Callable[[Measurement], Floats]]
"""(log-odds of the test rows without it, and with it)."""


def _calibrated(kept: Measurement, calibration: Calibration) -> Floats:
    return calibrated_log_odds(calibration, kept_blend(kept).margin(parts_of(kept, "test")))


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
    return _calibrated(kept, fits[close.index(True)](margins, y, np.ones(len(y))))


def with_ladder(kept: Measurement) -> Floats:
    return _calibrated(kept, calibration_of(kept, kept_blend(kept)))


def without_crossed(kept: Measurement) -> Floats:
    return with_ladder({**kept, "crossed": 0.0})


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
    "choice: the line alone only where it is no worse": (
        lambda kept: _raw(kept, line_within_an_error(kept)),
        lambda kept: _raw(kept, chosen(kept)),
    ),
    "crossed: a forest on made columns beside the chosen blend": (without_crossed, with_ladder),
    "guard: what gains nothing ahead goes back to the base rate": (
        lambda kept: guarded(kept, share=1.0),
        lambda kept: guarded(kept, share=float(kept["share"])),
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
