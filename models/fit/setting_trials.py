"""One setting of the components, tried: its candidates' figures on unseen rows, and its drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.fit.calibration import LevelMiss, level_missed
from models.fit.candidates import Blend, CandidateFigures, choose, error_of, row_losses
from models.fit.components import Components, Forward
from models.fit.encoders import Ints
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

    def level_by_fold(self, y: Floats, blend: Blend, worth: float) -> list[LevelMiss]:
        """Say by how much each forward fold's level was missed: log-odds, error, z."""
        if self.forward is None:
            return []
        margins, outcome = blend.margin(self.forward.margins), y[self.forward.rows]
        return [
            level_missed(margins[self.forward.fold == k], outcome[self.forward.fold == k], worth)
            for k in np.unique(self.forward.fold)
        ]


def better(plain: SettingTrial, rich: SettingTrial, y: Floats, groups: Ints | None) -> SettingTrial:
    """Keep target encodings only if they gain more than one standard error on unseen rows."""
    gain = plain.unseen(y) - rich.unseen(y)
    if plain.forward is None:
        return rich if gain.mean() > error_of(gain, groups=groups) else plain
    seen = None if groups is None else groups[plain.forward.rows]
    return rich if gain.mean() > error_of(gain, plain.forward.fold, seen) else plain
