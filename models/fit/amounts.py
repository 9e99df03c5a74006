"""Customers, who they are and what they paid -> what a lead would pay if it converted.

Two parts: whether a customer pays at all, and how much one pays that does; both lines over who the
lead is (its fit), never over what it did. A line is kept where it says more, out of fold, than the
average; then all is scaled so that, over all customers, as much is expected as was paid.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.linear_model import Ridge

from features.frame import Catalogue
from models.amount_model import AmountModel, line_of
from models.fit.amount_law import fit_law
from models.fit.encoders import Ints, TrainingColumns, read_columns
from models.fit.folds import assign_folds
from models.fit.linear import fit_linear
from models.fit.terms import plan_terms, term_matrix
from models.predictor import Floats, LinearPart

LEAST: Final = 5
"""Customers who paid below which nothing is learned of amounts."""
_PENALTIES: Final = (3.0, 10.0, 30.0, 100.0, 300.0)
_BOTH: Final = 20
"""Customers who paid, and who did not, from which a line says who pays."""
_FOLDS: Final = 5
_GAIN: Final = 0.02
"""Share of the spread of logarithms that a line must explain out of fold."""


def fit_amounts(
    frame: pd.DataFrame,
    paid: Floats,
    groups: Ints,
    catalogue: Catalogue,
    *,
    within_days: float,
    currency: str,
    seed: int,
) -> AmountModel | None:
    """Fit on customers, a row each: their features, and what they paid net of what was paid back.

    None where too few paid.
    """
    payer = paid > 0
    if payer.sum() < LEAST:
        return None
    fit = [f for f in catalogue.features if f.family == "fit" and f.name in frame.columns]
    columns = read_columns(frame, fit)
    fold = assign_folds(payer.astype(np.float64), groups, _FOLDS, seed)
    pays = _fit_pays(columns, payer, fold)
    rows = np.flatnonzero(payer)
    line, ahead = _fit_line(columns.take(rows), np.log(paid[rows]), fold[rows])
    chance = expit(line_of(pays, columns))
    expected = np.zeros(len(paid))
    expected[rows] = np.exp(ahead)
    expected[~payer] = np.exp(line_of(line, columns.take(np.flatnonzero(~payer))))
    scale = max(float(paid.sum()), float(paid[rows].sum()) * 0.01) / float(chance @ expected)
    line = replace(line, intercept=line.intercept + float(np.log(scale)))
    law = fit_law(paid[rows] / (expected[rows] * scale), seed=seed)
    return AmountModel(pays, line, law, within_days, currency)


def _fit_pays(columns: TrainingColumns, payer: np.ndarray, fold: Ints) -> LinearPart:
    """Fit the log-odds of paying anything: a line where there are enough of both, else a constant.

    Where every customer pays, so does the next.
    """
    if payer.all():
        return LinearPart(30.0)
    y = payer.astype(np.float64)
    if min(payer.sum(), (~payer).sum()) < _BOTH:
        return LinearPart(float(logit(np.clip(y.mean(), 1e-6, 1 - 1e-6))))
    return fit_linear(columns, y, fold).part


def _fit_line(columns: TrainingColumns, logs: Floats, fold: Ints) -> tuple[LinearPart, Floats]:
    """Fit logarithms of amounts by ridge regression: (the line, margins beside which they scatter).

    Amounts scatter too widely beside margins out of fold, and too narrowly beside fitted ones, by
    about as much: half way between they scatter as they do beside the truth.
    """
    centre = LinearPart(float(logs.mean()))
    flat = np.empty(len(logs))
    for k in np.unique(fold):
        rest = logs[fold != k] if (fold != k).any() else logs
        flat[fold == k] = rest.mean()
    drafts = plan_terms(columns)
    matrix, places = term_matrix(columns, drafts)
    if matrix.shape[1] == 0 or len(logs) < 2 * _BOTH:
        return centre, np.full(len(logs), logs.mean())
    design = matrix.toarray()
    ahead = {}
    for penalty in _PENALTIES:
        told = np.empty(len(logs))
        for k in np.unique(fold):
            held = fold == k
            told[held] = Ridge(penalty).fit(design[~held], logs[~held]).predict(design[held])
        ahead[penalty] = told
    best = min(_PENALTIES, key=lambda penalty: float(((logs - ahead[penalty]) ** 2).sum()))
    if ((logs - ahead[best]) ** 2).sum() > (1 - _GAIN) * ((logs - flat) ** 2).sum():
        return centre, np.full(len(logs), logs.mean())
    fitted = Ridge(best).fit(design, logs)
    terms = [d.finish(fitted.coef_[p], columns) for d, p in zip(drafts, places, strict=True)]
    margins = (ahead[best] + fitted.predict(design)) / 2
    return LinearPart(float(fitted.intercept_), tuple(terms)), margins
