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
from models.components import LEAST_FOR_FOREST
from models.encoders import Floats, describe, read_columns
from models.folds import assign_folds
from models.linear import fit_linear
from models.metrics import log_losses, wilson

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


def assess(y: NDArray[Any]) -> Verdict:
    """Say what this many outcomes allow, with the interval of the base rate."""
    target = np.asarray(y, dtype=np.float64)
    hits, n = int(target.sum()), len(target)
    rare = min(hits, n - hits)
    low, high = wilson(hits, n)
    rate = hits / n if n else float("nan")
    told = f"{hits} conversions among {n} mature leads ({low:.1%} to {high:.1%} convert)"
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
    `error` of the gain. The logistic line is fitted unless `fit_predict` is given.
    """
    target = np.asarray(y, dtype=np.float64)
    codes = None if groups is None else pd.factorize(np.asarray(groups))[0].astype(np.int64)
    fit = fit_predict or _fit_line
    found: dict[float, list[tuple[float, float, Floats]]] = {share: [] for share in shares}
    for repeat in range(repeats):
        fold = assign_folds(target, codes, 3, seed + repeat)
        order = np.random.default_rng(seed + repeat).permutation(len(target))
        for k in range(3):
            rest, held = order[fold[order] != k], np.flatnonzero(fold == k)
            for share in shares:
                rows = rest[: max(2, int(share * len(rest)))]
                gains = _gain(frame, target, rows, held, fit)
                if gains is not None:
                    found[share].append(gains)
    return pd.DataFrame([_curve_row(found[share], repeats) for share in shares if found[share]])


def _gain(
    frame: pd.DataFrame,
    y: Floats,
    rows: NDArray[np.int64],
    held: NDArray[np.int64],
    fit: FitPredict,
) -> tuple[float, float, Floats] | None:
    hits = float(y[rows].sum())
    if min(hits, len(rows) - hits) < 2:
        return None
    rate = (hits + 0.5) / (len(rows) + 1)
    ours = log_losses(y[held], fit(frame.iloc[rows], y[rows], frame.iloc[held]))
    prior = log_losses(y[held], np.full(len(held), rate))
    return hits, float(ours.mean()), prior - ours


def _curve_row(found: list[tuple[float, float, Floats]], repeats: int) -> dict[str, float]:
    gains = np.concatenate([gain for *_, gain in found])
    loss = float(np.mean([loss for _, loss, _ in found]))
    return {
        "conversions": float(np.mean([hits for hits, *_ in found])),
        "log_loss": loss,
        "prior": loss + float(gains.mean()),
        "gain": float(gains.mean()),
        "error": float(gains.std() / np.sqrt(max(1.0, len(gains) / repeats))),
    }


def _fit_line(frame: pd.DataFrame, y: Floats, ahead: pd.DataFrame) -> Floats:
    features = describe(frame)
    columns = read_columns(frame, features)
    rare = int(min(y.sum(), len(y) - y.sum()))
    line = fit_linear(columns, y, assign_folds(y, None, max(2, min(5, rare)), 0))
    p: Floats = 1 / (1 + np.exp(-line.margin(read_columns(ahead, features))))
    return p


def conversions_needed(curve: pd.DataFrame) -> tuple[float, str]:
    """Extrapolate from a learning curve: (how many more conversions, the sentence).

    Needed until the gain over the base rate is proven at two standard errors: with g the gain
    and s its error now, the error falls with the root of the data, so (2 s / g)^2 times as many.
    NaN where there is no gain to extrapolate from.
    """
    last = curve.iloc[-1]
    now, gain, error = float(last["conversions"]), float(last["gain"]), float(last["error"])
    if gain <= 0:
        rising = float(curve["gain"].iloc[-1] - curve["gain"].iloc[0])
        hope = "the curve rises" if rising > 0 else "the curve does not rise"
        return float("nan"), f"no gain over the base rate at {now:.0f} conversions; {hope}"
    if gain >= 2 * error:
        return 0.0, f"the gain over the base rate is proven at {now:.0f} conversions"
    more = now * ((2 * error / gain) ** 2 - 1)
    return more, f"about {more:.0f} more conversions needed to prove a gain over the base rate"


@dataclass(frozen=True, slots=True)
class Segments:
    """Shifts of segments in log-odds, shrunk to zero by what their outcomes do not prove."""

    table: pd.DataFrame  # segment, rows, conversions, raw, shift, error, overlap
    spread: float  # standard deviation between segments, estimated
    warnings: tuple[str, ...]

    def shift(self, segment: NDArray[Any]) -> Floats:
        """Give each row its segment's shift; an unseen segment gets none: (n,) log-odds."""
        known = dict(zip(self.table["segment"], self.table["shift"], strict=True))
        return np.array([float(known.get(str(s), 0.0)) for s in segment])


def pool_segments(
    margins: Floats, y: NDArray[Any], segment: NDArray[Any], *, least_overlap: float = 0.5
) -> Segments:
    """Fit a shift for each segment on out-of-fold margins, partially pooled.

    Empirical Bayes: the spread between segments is DerSimonian and Laird's moment estimate (1986);
    a segment with few outcomes stays near zero. Warns where a segment's leads hardly overlap with
    the others', so that its shift and its difference in mix cannot be told apart.
    """
    target = np.asarray(y, dtype=np.float64)
    names = np.asarray([str(s) for s in segment])
    rows = []
    for name in sorted(set(names.tolist())):
        mine = names == name
        raw, error = _segment_shift(margins[mine], target[mine])
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
    low = table[table["overlap"] < least_overlap]
    told = tuple(
        f"segment {row.segment}: only {row.overlap:.0%} of its leads score like leads elsewhere; "
        "its shift and its mix of leads cannot be told apart"
        for row in low.itertuples()
    )
    return Segments(table, spread, told)


def _segment_shift(margins: Floats, y: Floats) -> tuple[float, float]:
    shift = 0.0
    for _ in range(40):
        p = 1 / (1 + np.exp(-(margins + shift)))
        information = float(np.sum(p * (1 - p))) + 0.1
        step = (float(np.sum(y - p)) - 0.1 * shift) / information
        shift += float(np.clip(step, -1, 1))
        if abs(step) < 1e-9:
            break
    return shift, float(1 / np.sqrt(information))


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
