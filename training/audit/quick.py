"""S4, S6, S7 and ablation: what a quick tree model shows about the columns and the split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.splits import Cut
from training.audit.cells import Floats, Ints, auc, auc_error
from training.audit.verdict import WHOLE, Verdict

MAX_ROWS: Final = 20_000
ROUNDS: Final = 60
EXPLAINED_ROWS: Final = 1_000  # rows per fold whose contributions are summed
FOLDS: Final = 3
SHAP_SHARE: Final = 0.60
SHAP_LOSS: Final = 0.10
ABLATION_LOSS: Final = 0.02
TOO_GOOD: Final = 0.95
MAX_GAP: Final = 0.05
_PARAMETERS: Final = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 30,
    "lambda_l2": 5.0,
    "feature_fraction": 0.8,
    "max_cat_to_onehot": 8,
    "cat_smooth": 50,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
    "max_bin": 63,
}


@dataclass(frozen=True, slots=True)
class QuickModel:
    """Out-of-fold margins of the sampled rows, mean |contribution| per column, and the AUC."""

    rows: Ints
    margins: Floats
    shares: dict[str, float]
    area: float
    error: float


def encode(X: pd.DataFrame, rows: Ints | slice = slice(None)) -> tuple[Floats, list[int]]:
    """Turn some rows of a frame into a float matrix, and give the positions of its categories.

    Codes are those of the whole frame: its levels, the commonest first.
    """
    columns, categories = [], []
    for position, name in enumerate(X.columns):
        values = X[name]
        if pd.api.types.is_numeric_dtype(values.dtype):
            columns.append(values.to_numpy(na_value=np.nan)[rows].astype(np.float64))
            continue
        codes, levels = pd.factorize(values, sort=False)
        rank = np.argsort(np.argsort(-np.bincount(codes[codes >= 0], minlength=len(levels))))
        coded = np.full(len(codes), np.nan)
        coded[codes >= 0] = np.minimum(rank[codes[codes >= 0]], 200)
        columns.append(coded[rows])
        categories.append(position)
    n = len(np.arange(len(X))[rows])
    return np.column_stack(columns) if columns else np.empty((n, 0)), categories


def fit_quick(
    X: pd.DataFrame, y: NDArray[np.int8], groups: Ints, *, seed: int, shares: bool = False
) -> QuickModel:
    """Cross-fit the quick model on at most MAX_ROWS rows, groups kept whole."""
    rng = np.random.default_rng([seed, 47])
    rows = np.arange(len(y))
    if len(y) > MAX_ROWS:
        rows = np.sort(rng.permutation(len(y))[:MAX_ROWS])
    if not len(X.columns):
        return QuickModel(rows, np.zeros(len(rows)), {}, 0.5, 0.0)
    matrix, categories = encode(X.iloc[rows])
    return _cross_fit(
        matrix, categories, y[rows], groups[rows], rows, list(X.columns), seed, shares=shares
    )


def _cross_fit(
    matrix: Floats,
    categories: list[int],
    y: NDArray[np.int8],
    groups: Ints,
    rows: Ints,
    names: list[str],
    seed: int,
    *,
    shares: bool,
) -> QuickModel:
    fold = fold_of(groups, seed)
    margins = np.zeros(len(y))
    weights = np.zeros(matrix.shape[1])
    for f in range(FOLDS):
        train, valid = fold != f, fold == f
        model = fit_trees(matrix[train], y[train], categories, seed)
        margins[valid] = np.asarray(model.predict(matrix[valid], raw_score=True))
        if shares:
            sample = matrix[valid][:EXPLAINED_ROWS]
            parts = np.asarray(model.predict(sample, pred_contrib=True))
            weights += np.abs(parts[:, :-1]).sum(axis=0)
    total = weights.sum() or 1.0
    # folds have other intercepts: areas are compared within folds
    areas = [auc(margins[fold == f], y[fold == f]) for f in range(FOLDS)]
    area = float(np.mean(areas))
    clusters = len(np.unique(groups[y == 1]))
    error = auc_error(area, clusters, max(len(np.unique(groups)) - clusters, 2))
    carried = {str(name): float(w / total) for name, w in zip(names, weights, strict=True)}
    return QuickModel(rows, margins, carried if shares else {}, area, error)


def fit_trees(
    matrix: NDArray[np.floating[Any]],
    y: NDArray[np.generic],
    categories: list[int],
    seed: int,
    row_weights: Floats | None = None,
) -> lightgbm.Booster:
    """Fit the quick trees; `row_weights` (n,) say how often each row counts, None once."""
    data = lightgbm.Dataset(matrix, y, weight=row_weights, categorical_feature=categories)
    return lightgbm.train(_PARAMETERS | {"seed": seed}, data, num_boost_round=ROUNDS)


def fold_of(groups: Ints, seed: int) -> Ints:
    """Deal groups into folds at random: (n,) fold numbers."""
    _, code = np.unique(groups, return_inverse=True)
    fold_of_group = np.random.default_rng([seed, 53]).permutation(int(code.max(initial=-1)) + 1)
    return np.asarray(fold_of_group[code] % FOLDS)


def dominance(
    X: pd.DataFrame, y: NDArray[np.int8], groups: Ints, quick: QuickModel, *, seed: int
) -> list[Verdict]:
    """S4: one column carries most of the model, and the AUC falls without it."""
    if not quick.shares:
        return []
    name = max(quick.shares, key=quick.shares.__getitem__)
    if quick.shares[name] <= SHAP_SHARE or len(X.columns) < 2:
        return []
    loss = quick.area - fit_quick(X.drop(columns=name), y, groups, seed=seed).area
    if loss <= SHAP_LOSS:
        return []
    return [
        Verdict(
            name,
            "S4",
            "quarantine",
            round(quick.shares[name], 3),
            f"carries {quick.shares[name]:.0%} of the model, and without it the AUC falls by "
            f"{loss:.2f}",
            "find out when it is filled in; exclude it, date it, or sign a waiver",
        )
    ]


def ablate(
    X: pd.DataFrame,
    y: NDArray[np.int8],
    groups: Ints,
    quick: QuickModel,
    names: list[str],
    *,
    seed: int,
) -> list[Verdict]:
    """Leave out each named column in turn: those whose absence costs AUC are for review."""
    verdicts = []
    for name in names:
        rest = fit_quick(X.drop(columns=name), y, groups, seed=seed)
        loss = quick.area - rest.area
        if loss > ABLATION_LOSS:
            verdicts.append(
                Verdict(
                    name,
                    "S4",
                    "review",
                    round(loss, 4),
                    f"adds {loss:.3f} AUC to a tree model that has all the others",
                    f'if it is filled in after the fact: exclude = ["{name}"]',
                )
            )
    return verdicts


def on_the_test(
    X: pd.DataFrame,
    y: NDArray[np.int8],
    cut: Cut,
    days_ahead: Floats | None,
    inner: QuickModel,
    *,
    seed: int,
) -> tuple[list[Verdict], dict[str, float]]:
    """S6 and S7: too good, better in folds than on the test, or best on the day of conversion.

    `inner` is the quick model cross-fitted on the training rows of these very columns;
    `days_ahead` is (n,): days from as_of to conversion, infinite for negatives; None where
    unknown.
    """
    train, test = cut.train, cut.test
    where = "out of time" if cut.in_time else "on test rows drawn at random"
    if len(test) < 50 or not 10 <= y[test].sum() <= len(test) - 10:
        return [], {}
    fitted = train[inner.rows]
    matrix, categories = encode(X, fitted)
    model = fit_trees(matrix, y[fitted], categories, seed)
    margins = np.concatenate(
        [
            np.asarray(model.predict(encode(X, test[i : i + MAX_ROWS])[0], raw_score=True))
            for i in range(0, len(test), MAX_ROWS)
        ]
    )
    area = auc(margins, y[test])
    error = auc_error(area, int(y[test].sum()), int((y[test] == 0).sum()))
    figures = {"quick_auc_folds": inner.area, "quick_auc_test": area, "quick_auc_error": error}
    verdicts = []
    if area > TOO_GOOD:
        verdicts.append(
            Verdict(
                WHOLE,
                "S6",
                "quarantine",
                round(area, 4),
                f"a quick model reaches AUC {area:.3f} {where}: too good to be true",
                "look at the strongest columns; a process that decides the outcome by rule "
                "may be signed for in [[waivers]]",
            )
        )
    gap, spread = inner.area - area, 2 * float(np.hypot(error, inner.error))
    if gap > max(MAX_GAP, spread):
        verdicts.append(
            Verdict(
                WHOLE,
                "S6",
                "review",
                round(gap, 4),
                f"AUC {inner.area:.3f} in folds but {area:.3f} {where}",
                "rows of the same lead or account may be on both sides"
                + (", or the world changed" if cut.in_time else ""),
            )
        )
    if days_ahead is not None:
        verdicts += cliff(margins, y[test], days_ahead[test])
    return verdicts, figures


def cliff(margins: Floats, y: NDArray[np.int8], days_ahead: Floats) -> list[Verdict]:
    """S7: conversions within a day are ranked far better than those one to four days ahead."""
    negatives = margins[y == 0]
    last = margins[(y == 1) & (days_ahead <= 1)]
    before = margins[(y == 1) & (days_ahead > 1) & (days_ahead <= 4)]
    if min(len(last), len(before)) < 20:
        return []

    def against(part: Floats) -> tuple[float, float]:
        marks = np.repeat(np.array([1, 0], np.int8), [len(part), len(negatives)])
        area = auc(np.concatenate([part, negatives]), marks)
        return area, auc_error(area, len(part), len(negatives))

    (near, near_error), (far, far_error) = against(last), against(before)
    if near < TOO_GOOD or near - far < max(0.10, 3 * float(np.hypot(near_error, far_error))):
        return []
    return [
        Verdict(
            WHOLE,
            "S7",
            "review",
            round(near - far, 4),
            f"AUC {near:.3f} for conversions within 1 day of as_of, {far:.3f} for those "
            "1 to 4 days ahead",
            "a cliff in the last day means records made after the fact: look for a second clock",
        )
    ]
