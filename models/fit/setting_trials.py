"""One setting of the components, tried: its candidates' figures on unseen rows, and its drift."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from models.fit.base_rate_guard import GuardFigures, guard
from models.fit.calibration import LevelMiss, kept_ahead, level_missed
from models.fit.candidates import (
    Blend,
    CandidateFigures,
    choose,
    compare_blends,
    error_of,
    row_losses,
)
from models.fit.components import Components, Forward
from models.fit.encoders import Ints
from models.fit.row_weights import weighted_mean
from models.predictor import Calibration, Floats


@dataclass(slots=True)
class SettingTrial:
    """One setting tried on the rows that `y`, `groups` and `row_weights`, (n,), belong to.

    Margins ahead are there; `grow` fits the components on all rows, once one needs them: where
    forward folds choose, not those of a setting that is not kept.
    """

    y: Floats
    groups: Ints | None
    row_weights: Floats
    targets: tuple[tuple[str, ...], ...]
    forward: Forward | None
    grow: Callable[[], Components]
    grown: Components | None = None

    @property
    def fitted(self) -> Components:
        """Give the components fitted on all rows."""
        if self.grown is None:
            self.grown = self.grow()
        return self.grown

    def ahead(self) -> list[CandidateFigures] | None:
        """Tabulate the candidates on the forward folds, where there are any."""
        if self.forward is None:
            return None
        rows, fold = self.forward.rows, self.forward.fold
        codes = None if self.groups is None else self.groups[rows]
        return compare_blends(
            self.y[rows], self.forward.margins, fold, codes, row_weights=self.row_weights[rows]
        )

    def across(self) -> list[CandidateFigures]:
        """Tabulate the candidates on the random folds."""
        return compare_blends(
            self.y, self.fitted.margins, groups=self.groups, row_weights=self.row_weights
        )

    def blend(self) -> Blend:
        """Choose by the forward folds, where there are any, and the random ones."""
        return choose(self._tables())

    def _tables(self) -> Iterator[list[CandidateFigures]]:
        ahead = self.ahead()
        if ahead is not None:
            yield ahead
        yield self.across()

    def unseen(self) -> Floats:
        """Give the losses, row by row, of the chosen blend on the rows that choices count."""
        blend = self.blend()
        if self.forward is None:
            return row_losses(self.y, blend.margin(self.fitted.margins))
        return row_losses(self.y[self.forward.rows], blend.margin(self.forward.margins))

    def guard(self, blend: Blend, worth: float) -> GuardFigures:
        """Hold a blend against the base rate on the rows that choices count."""
        y, groups, row_weights = self.y, self.groups, self.row_weights
        if self.forward is None:
            margins, fold = blend.margin(self.fitted.margins), None
        else:
            seen, fold = self.forward.rows, self.forward.fold
            margins, y, row_weights = blend.margin(self.forward.margins), y[seen], row_weights[seen]
            groups = None if groups is None else groups[seen]
        return guard(y, margins, fold=fold, groups=groups, row_weights=row_weights, worth=worth)

    def kept_ahead(self, calibration: Calibration, blend: Blend) -> Calibration:
        """Keep a blend's calibration unless it loses on the forward folds, where there are any."""
        if self.forward is None:
            return calibration
        margins, seen = blend.margin(self.forward.margins), self.forward.rows
        return kept_ahead(calibration, margins, self.y[seen], self.row_weights[seen])

    def level_by_fold(self, blend: Blend, worth: float) -> list[LevelMiss]:
        """Say by how much each forward fold's level was missed: log-odds, error, z."""
        if self.forward is None:
            return []
        margins, outcome = blend.margin(self.forward.margins), self.y[self.forward.rows]
        counted, fold = self.row_weights[self.forward.rows], self.forward.fold
        return [
            level_missed(margins[fold == k], outcome[fold == k], worth, counted[fold == k])
            for k in np.unique(fold)
        ]


def better(plain: SettingTrial, rich: SettingTrial) -> SettingTrial:
    """Keep target encodings only if they gain more than one standard error on unseen rows."""
    gain = plain.unseen() - rich.unseen()
    fold, groups, row_weights = None, plain.groups, plain.row_weights
    if plain.forward is not None:
        seen, fold = plain.forward.rows, plain.forward.fold
        groups = None if groups is None else groups[seen]
        row_weights = row_weights[seen]
    error = error_of(gain, fold, groups, row_weights=row_weights)
    return rich if weighted_mean(gain, row_weights) > error else plain
