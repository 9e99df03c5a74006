"""One setting of the components, tried: its candidates' figures on unseen rows, and its drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.fit.base_rate_guard import GuardFigures, guard
from models.fit.calibration import LevelMiss, level_missed
from models.fit.candidates import Blend, CandidateFigures, choose, error_of, row_losses
from models.fit.components import Components, Forward
from models.fit.encoders import Ints
from models.fit.row_weights import weighted_mean
from models.predictor import Floats


@dataclass(frozen=True, slots=True)
class SettingTrial:
    """One setting tried: margins ahead and on all rows, and the candidates' figures on both."""

    forward: Forward | None
    fitted: Components
    tables: list[list[CandidateFigures]]
    targets: tuple[tuple[str, ...], ...]

    def unseen(self, y: Floats) -> Floats:
        """Give the losses, row by row, of the chosen blend on the rows that choices count."""
        blend = choose(self.tables)
        if self.forward is None:
            return row_losses(y, blend.margin(self.fitted.margins))
        return row_losses(y[self.forward.rows], blend.margin(self.forward.margins))

    def guard(
        self, y: Floats, groups: Ints | None, row_weights: Floats, blend: Blend, worth: float
    ) -> GuardFigures:
        """Hold a blend against the base rate on the rows that choices count."""
        if self.forward is None:
            margins, fold = blend.margin(self.fitted.margins), None
        else:
            seen, fold = self.forward.rows, self.forward.fold
            margins, y, row_weights = blend.margin(self.forward.margins), y[seen], row_weights[seen]
            groups = None if groups is None else groups[seen]
        return guard(y, margins, fold=fold, groups=groups, row_weights=row_weights, worth=worth)

    def level_by_fold(
        self, y: Floats, row_weights: Floats, blend: Blend, worth: float
    ) -> list[LevelMiss]:
        """Say by how much each forward fold's level was missed: log-odds, error, z."""
        if self.forward is None:
            return []
        margins, outcome = blend.margin(self.forward.margins), y[self.forward.rows]
        counted, fold = row_weights[self.forward.rows], self.forward.fold
        return [
            level_missed(margins[fold == k], outcome[fold == k], worth, counted[fold == k])
            for k in np.unique(fold)
        ]


def better(
    plain: SettingTrial,
    rich: SettingTrial,
    y: Floats,
    groups: Ints | None,
    row_weights: Floats,
) -> SettingTrial:
    """Keep target encodings only if they gain more than one standard error on unseen rows."""
    gain = plain.unseen(y) - rich.unseen(y)
    fold = None
    if plain.forward is not None:
        seen, fold = plain.forward.rows, plain.forward.fold
        groups = None if groups is None else groups[seen]
        row_weights = row_weights[seen]
    error = error_of(gain, fold, groups, row_weights=row_weights)
    return rich if weighted_mean(gain, row_weights) > error else plain
