"""Few outcomes -> what can be honestly said: refuse, constant, line; how many more it takes.

Also partial pooling: segments (team, region, product) share one model and differ by as much as
their own outcomes prove, instead of being cut off at a hard minimum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import GateError
from models.fit.candidates import error_of
from models.fit.components import LEAST_FOR_FOREST
from models.fit.encoders import describe, read_columns
from models.fit.folds import assign_folds
from models.fit.linear import fit_linear
from models.metrics import log_losses, wilson
from models.predictor import Floats

Mode = Literal["refuse", "constant", "small", "full"]

REFUSED, CONSTANT, SMALL = 3, 6, LEAST_FOR_FOREST
"""Of the rarer outcome: under 3 nothing, under 6 the base rate, under SMALL the line alone."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the outcomes allow, in a sentence for the person who asks."""

    mode: Mode
    positives: int
    negatives: int
    rate: float
    rate_low: float
    rate_high: float
    sentence: str


def assess(y: NDArray[Any], groups: NDArray[Any] | None = None) -> Verdict:
    """Say what this many outcomes allow, with the interval of the base rate.

    Rows of one group (a lead at several ages, an account) share an outcome: the interval counts
    groups.
    """
    target = np.asarray(y, dtype=np.float64)
    hits, n = int(target.sum()), len(target)
    rare = min(hits, n - hits)
    many = n if groups is None else len(np.unique(groups))
    low, high = wilson(hits * many / max(n, 1), many)
    rate = hits / n if n else float("nan")
    told = f"{hits} conversions among {n} mature rows ({low:.1%} to {high:.1%} convert)"
    if rare < REFUSED:
        mode: Mode = "refuse"
        said = f"{told}: nothing can be learned yet; at least {REFUSED} of each outcome are needed"
    elif rare < CONSTANT:
        mode = "constant"
        said = f"{told}: every lead gets the base rate; from {CONSTANT} on a line is tried"
    elif rare < SMALL:
        mode = "small"
        said = f"{told}: a strongly regularised line, wide intervals; trees from {SMALL} on"
    else:
        mode, said = "full", told
    return Verdict(mode, hits, n - hits, rate, low, high, said)


def require_outcomes(y: NDArray[Any]) -> Verdict:
    """Refuse (GateError) where not even a base rate can be promised, with the numbers."""
    verdict = assess(y)
    if verdict.mode == "refuse":
        raise GateError(verdict.sentence, cure="wait for more outcomes, or work by the rule score")
    return verdict


FitPredict = Callable[[pd.DataFrame, Floats, pd.DataFrame], Floats]
"""(training frame, outcomes, frame ahead) -> probabilities."""


def learning_curve(
    frame: pd.DataFrame,
    y: NDArray[Any],
    *,
    groups: NDArray[Any] | None = None,
    shares: Sequence[float] = (0.1, 0.2, 0.4, 0.7, 1.0),
    repeats: int = 3,
    seed: int = 0,
    fit_predict: FitPredict | None = None,
) -> pd.DataFrame:
    """Measure log loss against the number of conversions learned from, on held-out folds.

    One row for each share: `conversions`, `log_loss`, `prior`, `gain` (prior minus log loss),
    `error` of the gain over groups, and `judged`, the conversions held out that it was measured
    on. A group that converts is one conversion, at however many ages it was seen. The logistic
    line is fitted unless `fit_predict` is given.
    """
    target = np.asarray(y, dtype=np.float64)
    codes = None if groups is None else pd.factorize(np.asarray(groups))[0].astype(np.int64)
    alike = np.arange(len(target)) if codes is None else codes
    fit = fit_predict or _fit_line
    found: dict[float, list[_Held]] = {share: [] for share in shares}
    for repeat in range(repeats):
        fold = assign_folds(target, codes, 3, seed + repeat)
        shuffled = np.random.default_rng(seed + repeat).permutation(int(alike.max()) + 1)
        order = np.argsort(shuffled[alike], kind="stable")  # whole groups, one after the other
        for k in range(3):
            rest, held = order[fold[order] != k], np.flatnonzero(fold == k)
            for share in shares:
                rows = rest[: max(2, int(share * len(rest)))]
                judged = _judge(frame, target, rows, held, fit)
                if judged is not None:
                    found[share].append(judged)
    return pd.DataFrame(
        [_curve_row(found[share], target, alike) for share in shares if found[share]]
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """A fit on `learned` rows judged on one fold: its rows, both losses on each of them."""

    learned: NDArray[np.int64]
    rows: NDArray[np.int64]
    ours: Floats
    prior: Floats


def _judge(
    frame: pd.DataFrame,
    y: Floats,
    rows: NDArray[np.int64],
    held: NDArray[np.int64],
    fit: FitPredict,
) -> _Held | None:
    hits = float(y[rows].sum())
    if min(hits, len(rows) - hits) < 2:
        return None
    rate = (hits + 0.5) / (len(rows) + 1)
    ours = log_losses(y[held], fit(frame.iloc[rows], y[rows], frame.iloc[held]))
    return _Held(rows, held, ours, log_losses(y[held], np.full(len(held), rate)))


def _curve_row(found: list[_Held], y: Floats, groups: NDArray[np.int64]) -> dict[str, float]:
    """Average what was judged, each row once however often it was held out."""
    rows = np.concatenate([held.rows for held in found])
    times = np.bincount(rows, minlength=len(y))
    seen = times > 0
    ours, prior = (
        np.bincount(rows, np.concatenate(losses), len(y))[seen] / times[seen]
        for losses in ([held.ours for held in found], [held.prior for held in found])
    )
    gains = prior - ours

    def conversions(of: NDArray[np.int64]) -> int:
        return len(np.unique(groups[of[y[of] == 1]]))

    return {
        "conversions": float(np.mean([conversions(held.learned) for held in found])),
        "log_loss": float(ours.mean()),
        "prior": float(prior.mean()),
        "gain": float(gains.mean()),
        "error": error_of(gains, groups=groups[seen]),
        "judged": float(conversions(np.flatnonzero(seen))),
    }


def _fit_line(frame: pd.DataFrame, y: Floats, ahead: pd.DataFrame) -> Floats:
    features = describe(frame)
    columns = read_columns(frame, features)
    rare = int(min(y.sum(), len(y) - y.sum()))
    line = fit_linear(columns, y, assign_folds(y, None, max(2, min(5, rare)), 0))
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
        """Say it to a person at a terminal."""
        if self.standing == "more":
            return (
                f"about {self.more:,.0f} more conversions needed to prove a gain over the base rate"
            )
        if self.standing == "proven":
            return f"the gain over the base rate is proven at {self.conversions:,.0f} conversions"
        hope = "the curve rises" if self.standing == "rising" else "the curve does not rise"
        return f"no gain over the base rate at {self.conversions:,.0f} conversions; {hope}"


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
"""Of a segment's leads: under this share score like leads elsewhere, and nobody can tell why."""


@dataclass(frozen=True, slots=True)
class Segments:
    """Shifts of segments in log-odds, shrunk to zero by what their outcomes do not prove."""

    table: pd.DataFrame  # segment, rows, conversions, raw, shift, error, overlap, verdict, overlaps
    spread: float  # standard deviation between segments, estimated
    warnings: tuple[str, ...]


def pool_segments(
    margins: Floats,
    y: NDArray[Any],
    segment: NDArray[Any],
    *,
    groups: NDArray[Any] | None = None,
    least_overlap: float = LEAST_OVERLAP,
) -> Segments:
    """Fit a shift for each segment on out-of-fold margins, partially pooled.

    Empirical Bayes: the spread between segments is DerSimonian and Laird's moment estimate (1986);
    a segment with few outcomes stays near zero. `verdict` is "more" or "less" where a shift is
    beyond two errors, else "unproven"; `overlaps` is False where a segment's leads hardly score
    like the others', so that its shift and its difference in mix cannot be told apart (a warning).
    """
    target = np.asarray(y, dtype=np.float64)
    names = np.asarray([str(s) for s in segment])
    codes = (
        np.arange(len(names))
        if groups is None
        else pd.factorize(np.asarray(groups), use_na_sentinel=False)[0]
    )
    rows = []
    for name in sorted(set(names.tolist())):
        mine = names == name
        raw, error = _segment_shift(margins[mine], target[mine], codes[mine])
        rows.append(
            {
                "segment": name,
                "rows": int(mine.sum()),
                "conversions": int(target[mine].sum()),
                "raw": raw,
                "error": error,
                "overlap": _overlap(margins[mine], margins[~mine]),
            }
        )
    table = pd.DataFrame(rows)
    spread = _spread(table["raw"].to_numpy(), table["error"].to_numpy())
    weight = spread**2 / (spread**2 + table["error"] ** 2)
    table["shift"] = weight * table["raw"]
    sides = np.where(table["shift"] > 0, "more", "less")
    table["verdict"] = np.where(table["shift"].abs() > 2 * table["error"], sides, "unproven")
    table["overlaps"] = table["overlap"] >= least_overlap
    told = tuple(
        f"segment {row.segment}: only {row.overlap:.0%} of its leads score like leads elsewhere; "
        "its shift and its mix of leads cannot be told apart"
        for row in table[~table["overlaps"]].itertuples()
    )
    return Segments(table, spread, told)


def _segment_shift(margins: Floats, y: Floats, groups: NDArray[np.int64]) -> tuple[float, float]:
    """Fit one shift with a ridge; its error is that of groups where rows of a group are alike."""
    shift = 0.0
    for _ in range(40):
        p = 1 / (1 + np.exp(-(margins + shift)))
        information = float(np.sum(p * (1 - p))) + 0.1
        step = (float(np.sum(y - p)) - 0.1 * shift) / information
        shift += float(np.clip(step, -1, 1))
        if abs(step) < 1e-9:
            break
    alike = float(np.sum(np.bincount(groups, y - p) ** 2)) / information**2
    return shift, float(np.sqrt(max(1 / information, alike)))


def _spread(raw: Floats, error: Floats) -> float:
    if len(raw) < 2:
        return 0.0
    w = 1 / error**2
    mean = float(np.sum(w * raw) / w.sum())
    q = float(np.sum(w * (raw - mean) ** 2))
    scale = float(w.sum() - np.sum(w**2) / w.sum())
    return float(np.sqrt(max(0.0, (q - (len(raw) - 1)) / max(scale, 1e-12))))


def _overlap(mine: Floats, others: Floats) -> float:
    if not len(others) or not len(mine):
        return 1.0
    low, high = np.quantile(others, [0.01, 0.99])
    return float(np.mean((mine >= low) & (mine <= high)))
