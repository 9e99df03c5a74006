"""Few outcomes -> which model they allow (none, base rate, logistic), and how many more it takes.

Also partial pooling: segments (team, region, product) share one model and differ by as much as
their own outcomes prove, instead of needing a minimum of outcomes each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import FewOutcomesError
from models.fit.candidates import error_of
from models.fit.components import LEAST_FOR_FOREST
from models.fit.encoders import describe, read_columns
from models.fit.folds import assign_folds
from models.fit.linear import fit_linear
from models.fit.row_weights import unless_ones, weighted_quantile, weights_or_ones
from models.metrics import log_losses, wilson
from models.note import Note
from models.predictor import Floats

Mode = Literal["refuse", "constant", "small", "full"]

LEAST_FOR_RATE, LEAST_FOR_LINE = 3, 6
"""Of the rarer outcome: under 3 nothing, under 6 the base rate, under LEAST_FOR_FOREST no trees."""


@dataclass(frozen=True, slots=True)
class OutcomeAssessment:
    """Which model the outcomes allow, with a sentence for the user."""

    mode: Mode
    positives: int
    negatives: int
    rate: float
    rate_low: float
    rate_high: float
    sentence: str


def assess(
    y: NDArray[Any], groups: NDArray[Any] | None = None, row_weights: Floats | None = None
) -> OutcomeAssessment:
    """Decide which model this many outcomes allow, with the interval of the base rate.

    Rows of one group (a lead at several ages, an account) share an outcome: the interval counts
    groups. `row_weights` (n,) say how often each row counts; None: once.
    """
    target = np.asarray(y, dtype=np.float64)
    counted = weights_or_ones(row_weights, len(target))
    hits, n = round(float(np.sum(counted * target))), round(float(counted.sum()))
    n_rarer = min(hits, n - hits)
    n_groups = n if groups is None else len(np.unique(groups))
    low, high = wilson(hits * n_groups / max(n, 1), n_groups)
    rate = hits / n if n else float("nan")
    counts = f"{hits} conversions among {n} mature rows ({low:.1%} to {high:.1%} convert)"
    figures = {"hits": hits, "n": n, "low": low, "high": high}
    if n_rarer < LEAST_FOR_RATE:
        mode: Mode = "refuse"
        sentence = (
            f"{counts}: nothing can be learned yet; at least {LEAST_FOR_RATE} of each outcome are "
            "needed"
        )
    elif n_rarer < LEAST_FOR_LINE:
        mode = "constant"
        sentence = Note(
            "{hits} conversions among {n} mature rows ({low:.1%} to {high:.1%} convert): every "
            "lead gets the base rate; from {least} on logistic regression is fitted",
            least=LEAST_FOR_LINE,
            **figures,
        )
    elif n_rarer < LEAST_FOR_FOREST:
        mode = "small"
        sentence = Note(
            "{hits} conversions among {n} mature rows ({low:.1%} to {high:.1%} convert): a "
            "strongly regularised logistic regression, wide intervals; trees from {least} on",
            least=LEAST_FOR_FOREST,
            **figures,
        )
    else:
        mode, sentence = "full", counts
    return OutcomeAssessment(mode, hits, n - hits, rate, low, high, sentence)


def require_outcomes(y: NDArray[Any]) -> OutcomeAssessment:
    """Raise FewOutcomesError, with the numbers, where not even a base rate can be estimated."""
    assessment = assess(y)
    if assessment.mode == "refuse":
        raise FewOutcomesError(assessment.sentence, cure="wait for more outcomes")
    return assessment


FitPredict = Callable[[pd.DataFrame, Floats, pd.DataFrame, Floats | None], Floats]
"""(training frame, outcomes, held-out frame, weights of training rows) -> probabilities."""


def learning_curve(
    frame: pd.DataFrame,
    y: NDArray[Any],
    *,
    groups: NDArray[Any] | None = None,
    shares: Sequence[float] = (0.1, 0.2, 0.4, 0.7, 1.0),
    repeats: int = 3,
    seed: int = 0,
    fit_predict: FitPredict | None = None,
    row_weights: Floats | None = None,
) -> pd.DataFrame:
    """Measure log loss against the number of conversions learned from, on held-out folds.

    One row for each share: `conversions`, `log_loss`, `prior`, `gain` (prior minus log loss),
    `error` of the gain over groups, and `judged`, the conversions held out that it was measured
    on. A group that converts is one conversion, at however many ages it was seen. Logistic
    regression is fitted unless `fit_predict` is given. `row_weights` (n,) say how often each row
    counts.
    """
    target = np.asarray(y, dtype=np.float64)
    counted = weights_or_ones(row_weights, len(target))
    codes = None if groups is None else pd.factorize(np.asarray(groups))[0].astype(np.int64)
    units = np.arange(len(target)) if codes is None else codes
    fit = fit_predict or _fit_line
    by_share: dict[float, list[_FoldLosses]] = {share: [] for share in shares}
    for repeat in range(repeats):
        fold = assign_folds(target, codes, 3, seed + repeat)
        shuffled = np.random.default_rng(seed + repeat).permutation(int(units.max()) + 1)
        order = np.argsort(shuffled[units], kind="stable")  # whole groups, one after the other
        for k in range(3):
            learned_from, held_out = order[fold[order] != k], np.flatnonzero(fold == k)
            for share in shares:
                rows = learned_from[: max(2, int(share * len(learned_from)))]
                losses = _losses_on_fold(frame, target, counted, rows, held_out, fit)
                if losses is not None:
                    by_share[share].append(losses)
    return pd.DataFrame(
        [_curve_row(by_share[share], target, units, counted) for share in shares if by_share[share]]
    )


@dataclass(frozen=True, slots=True)
class _FoldLosses:
    """A fit on the rows `learned`, and both log losses of each of the held-out `rows`."""

    learned: NDArray[np.int64]
    rows: NDArray[np.int64]
    model: Floats
    prior: Floats


def _losses_on_fold(
    frame: pd.DataFrame,
    y: Floats,
    row_weights: Floats,
    rows: NDArray[np.int64],
    held_out: NDArray[np.int64],
    fit: FitPredict,
) -> _FoldLosses | None:
    hits, counted = float(y[rows].sum()), row_weights[rows]
    if min(hits, len(rows) - hits) < 2:
        return None
    rate = (float(np.sum(counted * y[rows])) + 0.5) / (float(counted.sum()) + 1)
    p = fit(frame.iloc[rows], y[rows], frame.iloc[held_out], unless_ones(counted))
    losses = log_losses(y[held_out], p)
    return _FoldLosses(
        rows, held_out, losses, log_losses(y[held_out], np.full(len(held_out), rate))
    )


def _curve_row(
    fits: list[_FoldLosses], y: Floats, groups: NDArray[np.int64], row_weights: Floats
) -> dict[str, float]:
    """Average over held-out rows, each counted once however often it was held out."""
    rows = np.concatenate([fit.rows for fit in fits])
    times = np.bincount(rows, minlength=len(y))
    judged = times > 0
    model, prior = (
        np.bincount(rows, np.concatenate(losses), len(y))[judged] / times[judged]
        for losses in ([fit.model for fit in fits], [fit.prior for fit in fits])
    )
    gains, counted = prior - model, row_weights[judged]

    def conversions(of: NDArray[np.int64]) -> int:
        return len(np.unique(groups[of[y[of] == 1]]))

    return {
        "conversions": float(np.mean([conversions(fit.learned) for fit in fits])),
        "log_loss": float(np.average(model, weights=unless_ones(counted))),
        "prior": float(np.average(prior, weights=unless_ones(counted))),
        "gain": float(np.average(gains, weights=unless_ones(counted))),
        "error": error_of(gains, groups=groups[judged], row_weights=counted),
        "judged": float(conversions(np.flatnonzero(judged))),
    }


def _fit_line(
    frame: pd.DataFrame, y: Floats, ahead: pd.DataFrame, row_weights: Floats | None
) -> Floats:
    features = describe(frame)
    columns = read_columns(frame, features, row_weights)
    n_rarer = int(min(y.sum(), len(y) - y.sum()))
    line = fit_linear(columns, y, assign_folds(y, None, max(2, min(5, n_rarer)), 0))
    p: Floats = 1 / (1 + np.exp(-line.margin(read_columns(ahead, features))))
    return p


Standing = Literal["proven", "more", "rising", "flat"]


@dataclass(frozen=True, slots=True)
class Need:
    """What a learning curve says of more conversions.

    `conversions` is how many were learned from; `more` how many further ones it takes to prove
    the gain over the base rate: 0 where it is proven, NaN where there is none to extrapolate from.
    """

    standing: Standing
    conversions: float
    more: float

    @property
    def sentence(self) -> str:
        """Describe it in a sentence."""
        if self.standing == "more":
            return (
                f"about {self.more:,.0f} more conversions needed to prove a gain over the base rate"
            )
        if self.standing == "proven":
            return f"the gain over the base rate is proven at {self.conversions:,.0f} conversions"
        trend = "the curve rises" if self.standing == "rising" else "the curve does not rise"
        return f"no gain over the base rate at {self.conversions:,.0f} conversions; {trend}"


def conversions_needed(curve: pd.DataFrame) -> Need:
    """Extrapolate from a learning curve until the gain is proven at two standard errors.

    With g the gain and s its error now, the error falls with the root of the conversions that it
    is judged on, so (2 s / g)^2 times as many as those are needed.
    """
    last = curve.iloc[-1]
    now, gain, error = float(last["conversions"]), float(last["gain"]), float(last["error"])
    if gain <= 0:
        rises = float(curve["gain"].iloc[-1] - curve["gain"].iloc[0]) > 0
        return Need("rising" if rises else "flat", now, float("nan"))
    if gain >= 2 * error:
        return Need("proven", now, 0.0)
    return Need("more", now, float(last["judged"]) * ((2 * error / gain) ** 2 - 1))


LEAST_OVERLAP = 0.5
"""Share of a segment's leads that must score like leads elsewhere to compare it with them."""


@dataclass(frozen=True, slots=True)
class PooledSegments:
    """Shifts of segments in log-odds, shrunk towards zero where outcomes are few."""

    table: pd.DataFrame  # segment, rows, conversions, raw, shift, error, overlap, verdict, overlaps
    spread: float  # standard deviation between segments, estimated
    warnings: tuple[str, ...]


def pool_segments(
    margins: Floats,
    y: NDArray[Any],
    segment: NDArray[Any],
    *,
    groups: NDArray[Any] | None = None,
    row_weights: Floats | None = None,
    least_overlap: float = LEAST_OVERLAP,
) -> PooledSegments:
    """Fit a shift for each segment on out-of-fold margins, partially pooled.

    Empirical Bayes: the spread between segments is DerSimonian and Laird's moment estimate (1986);
    a segment with few outcomes stays near zero. `verdict` is "more" or "less" where a shift is
    beyond two errors, else "unproven"; `overlaps` is False where a segment's leads hardly score
    like the others', so that its shift and its difference in mix cannot be told apart (a warning).
    `row_weights` (n,) say how often each row counts.
    """
    target = np.asarray(y, dtype=np.float64)
    counted = weights_or_ones(row_weights, len(target))
    segment_of = np.asarray([str(s) for s in segment])
    codes = (
        np.arange(len(segment_of))
        if groups is None
        else pd.factorize(np.asarray(groups), use_na_sentinel=False)[0]
    )
    rows = []
    for name in sorted(set(segment_of.tolist())):
        inside = segment_of == name
        weights = counted[inside]
        raw, error = _segment_shift(margins[inside], target[inside], codes[inside], weights)
        rows.append(
            {
                "segment": name,
                "rows": round(float(weights.sum())),
                "conversions": round(float(np.sum(weights * target[inside]))),
                "raw": raw,
                "error": error,
                "overlap": _overlap(margins[inside], margins[~inside], weights, counted[~inside]),
            }
        )
    table = pd.DataFrame(rows)
    spread = _spread(table["raw"].to_numpy(), table["error"].to_numpy())
    weight = spread**2 / (spread**2 + table["error"] ** 2)
    table["shift"] = weight * table["raw"]
    sides = np.where(table["shift"] > 0, "more", "less")
    table["verdict"] = np.where(table["shift"].abs() > 2 * table["error"], sides, "unproven")
    table["overlaps"] = table["overlap"] >= least_overlap
    warnings = tuple(
        f"segment {row.segment}: only {row.overlap:.0%} of its leads score like leads elsewhere; "
        "its shift and its mix of leads cannot be told apart"
        for row in table[~table["overlaps"]].itertuples()
    )
    return PooledSegments(table, spread, warnings)


def _segment_shift(
    margins: Floats, y: Floats, groups: NDArray[np.int64], row_weights: Floats
) -> tuple[float, float]:
    """Fit one shift with a ridge penalty; its error counts groups where rows are correlated."""
    shift = 0.0
    for _ in range(40):
        p = 1 / (1 + np.exp(-(margins + shift)))
        information = float(np.sum(row_weights * (p * (1 - p)))) + 0.1
        step = (float(np.sum(row_weights * (y - p))) - 0.1 * shift) / information
        shift += float(np.clip(step, -1, 1))
        if abs(step) < 1e-9:
            break
    clustered = float(np.sum(np.bincount(groups, row_weights * (y - p)) ** 2)) / information**2
    return shift, float(np.sqrt(max(1 / information, clustered)))


def _spread(raw: Floats, error: Floats) -> float:
    if len(raw) < 2:
        return 0.0
    w = 1 / error**2
    mean = float(np.sum(w * raw) / w.sum())
    q = float(np.sum(w * (raw - mean) ** 2))
    scale = float(w.sum() - np.sum(w**2) / w.sum())
    return float(np.sqrt(max(0.0, (q - (len(raw) - 1)) / max(scale, 1e-12))))


def _overlap(inside: Floats, others: Floats, weights: Floats, of_others: Floats) -> float:
    if not len(others) or not len(inside):
        return 1.0
    low, high = weighted_quantile(others, [0.01, 0.99], of_others)
    within = (inside >= low) & (inside <= high)
    return float(np.average(within, weights=unless_ones(weights)))
