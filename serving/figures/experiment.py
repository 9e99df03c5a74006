"""Does working by score bring more opportunities? Assignment by hash, and comparison of arms.

The random arm is permanent: its leads are worked in random order whatever the score says, in
every experiment, so that there is always data without bias from a score.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from data.errors import InputError
from data.schema_steps import ExperimentSection
from serving.figures.funnel import Rate, rate_of
from serving.figures.regression import adjusted_difference
from serving.held_back import RANDOM_ARM

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of rates, treated minus control, with its interval at level 1 - alpha."""

    value: float
    low: float
    high: float
    standard_error: float
    p_value: float


@dataclass(frozen=True, slots=True)
class InterimLook:
    """The experiment as of a moment; the ranges of all looks hold together, however many."""

    at: float
    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ArmComparison:
    """Two arms compared. `adjusted` uses what was known before assignment to narrow the range.

    `always_valid` holds even if the experiment is stopped at a favourable look.
    """

    control: Rate
    treated: Rate
    plain: Difference
    adjusted: Difference | None
    always_valid: Difference
    clustered: bool


def draw(units: Iterable[object], salt: str, purpose: str) -> Floats:
    """Draw a number in [0, 1) for each unit from a salted hash: the same every night."""
    return np.array([_fraction(f"{salt}\x1f{purpose}\x1f{unit}") for unit in units])


def _fraction(text: str) -> float:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2.0**53


def assign(
    units: Sequence[object] | NDArray[np.generic], section: ExperimentSection, *, name: str
) -> NDArray[np.object_]:
    """Assign every unit its arm: (n,) names; "random" for the permanent random arm.

    `units` are lead ids, or account ids where section.unit is "account": leads of one account
    share an arm. The random arm depends on the salt alone, the other arms on the experiment's
    name too, so that a new experiment shuffles all but the random arm.
    """
    arms = dict(section.arms) or {"control": 0.5, "score": 0.5}
    shares = np.array(list(arms.values()), dtype=np.float64)
    if (shares < 0).any() or shares.sum() <= 0:
        raise InputError("the shares of the arms are negative or zero", column="experiment.arms")
    if RANDOM_ARM in arms:
        raise InputError(
            'no arm may be called "random"', column="experiment.arms", cure="set random_arm"
        )
    unique, code = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    limits = np.cumsum(shares / shares.sum())
    position = np.searchsorted(limits, draw(unique, section.salt, f"arms of {name}"), side="right")
    assigned = np.array(list(arms), dtype=object)[np.minimum(position, len(arms) - 1)]
    assigned[draw(unique, section.salt, RANDOM_ARM) < section.random_arm] = RANDOM_ARM
    return np.asarray(assigned[code.reshape(-1)], dtype=object)


def analyse(
    outcome: Floats | NDArray[np.integer],
    treated: NDArray[np.bool_],
    *,
    covariates: pd.DataFrame | None = None,
    clusters: NDArray[np.generic] | None = None,
    alpha: float = 0.05,
    planned: int | None = None,
) -> ArmComparison:
    """Compare two randomised arms: outcome (n,) 0 or 1, treated (n,).

    `covariates` hold only what was known before assignment. `clusters` are accounts where those
    were assigned. `planned` is the number of units planned (default: those given), where the
    always-valid range is tightest.
    """
    y, t = np.asarray(outcome, dtype=np.float64), np.asarray(treated, dtype=bool)
    if not (t.any() and (~t).any()):
        raise InputError("an experiment needs leads in both arms")
    units = len(y) if clusters is None else len(np.unique(clusters))
    unseen = _unseen_error(y, t, clusters)
    plain = _difference(*adjusted_difference(y, t, None, clusters), unseen, alpha)
    adjusted = None
    if covariates is not None and covariates.shape[1]:
        design = encode_covariates(covariates)
        adjusted = _difference(*adjusted_difference(y, t, design, clusters), unseen, alpha)
    best = plain if adjusted is None else adjusted
    radius = valid_radius(best.standard_error, units, planned or units, alpha)
    return ArmComparison(
        rate_of(int(y[~t].sum()), int((~t).sum())),
        rate_of(int(y[t].sum()), int(t.sum())),
        plain,
        adjusted,
        Difference(
            best.value, best.value - radius, best.value + radius, best.standard_error, best.p_value
        ),
        clusters is not None,
    )


def valid_radius(standard_error: float, n: int, planned: int, alpha: float = 0.05) -> float:
    """Widen a standard error so that the range holds at all looks together.

    Asymptotic confidence sequence, tightest at `planned` units (Waudby-Smith, Arbour, Sinha,
    Kennedy and Ramdas 2024, equation 8).
    """
    logs = -2 * np.log(alpha)
    rho2 = (logs + np.log(logs + 1)) / planned
    scaled = n * rho2
    return float(
        standard_error * np.sqrt(2 * (scaled + 1) / scaled * np.log(np.sqrt(scaled + 1) / alpha))
    )


def look(
    outcome: Floats | NDArray[np.integer],
    treated: NDArray[np.bool_],
    at: Floats,
    moments: Floats,
    *,
    planned: int | None = None,
    clusters: NDArray[np.generic] | None = None,
    alpha: float = 0.05,
) -> tuple[InterimLook, ...]:
    """Compare the arms at several moments: `at` (n,) is when each outcome became known.

    `clusters` and `planned` are as in `analyse`; by default all units given are planned.
    """
    looks = []
    units = np.arange(len(at)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    planned = planned or len(np.unique(units))
    for moment in moments:
        seen = at <= moment
        arm = np.asarray(treated, dtype=bool)[seen]
        if min(len(np.unique(units[seen][side])) for side in (arm, ~arm)) < 2:
            continue
        groups = None if clusters is None else clusters[seen]
        result = analyse(
            np.asarray(outcome)[seen], arm, clusters=groups, alpha=alpha, planned=planned
        )
        valid = result.always_valid
        looks.append(
            InterimLook(float(moment), int(seen.sum()), valid.value, valid.low, valid.high)
        )
    return tuple(looks)


def encode_covariates(covariates: pd.DataFrame) -> Floats:
    """Encode covariates as numbers: (n, k); one column per common level of a category."""
    columns: list[Floats] = []
    for name in covariates.columns:
        values = covariates[name]
        if pd.api.types.is_numeric_dtype(values.dtype):
            numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
            missing = np.isnan(numbers)
            columns.append(
                np.where(missing, np.nanmean(numbers) if not missing.all() else 0, numbers)
            )
            if missing.any() and not missing.all():
                columns.append(missing.astype(np.float64))
            continue
        text = values.astype(object).where(values.notna(), "").astype(str)
        common = text.value_counts()
        levels = sorted(common.index[common >= max(30, 0.005 * len(text))])[1:]
        columns += [(text == level).to_numpy(dtype=np.float64) for level in levels]
    design = np.column_stack(columns) if columns else np.zeros((len(covariates), 0))
    return np.asarray(design[:, design.std(axis=0) > 0])


def _unseen_error(
    y: Floats, treated: NDArray[np.bool_], clusters: NDArray[np.generic] | None
) -> float:
    """Give the standard error of arms that show no spread of their own.

    All outcomes of an arm are alike, or it is a single unit: half an outcome of either kind is
    added to it, else it would seem to be known exactly.
    """
    total = 0.0
    for arm in (treated, ~treated):
        n, won = int(arm.sum()), float(y[arm].sum())
        units = n if clusters is None else len(np.unique(clusters[arm]))
        if won in (0.0, n) or units < 2:
            worth = n if units >= 2 else 1
            rate = (won / n * worth + 0.5) / (worth + 1)
            total += rate * (1 - rate) / worth
    return float(np.sqrt(total))


def _difference(value: float, seen: float, unseen: float, alpha: float) -> Difference:
    z, standard_error = stats.norm.isf(alpha / 2), float(np.hypot(seen, unseen))
    p = 2 * stats.norm.sf(abs(value) / standard_error) if standard_error > 0 else 1.0
    half = z * standard_error
    return Difference(value, value - half, value + half, standard_error, float(p))


def compare_arms(
    outcome: Floats | NDArray[np.integer],
    arm: NDArray[np.object_],
    control: str,
    *,
    covariates: pd.DataFrame | None = None,
    clusters: NDArray[np.generic] | None = None,
    alpha: float = 0.05,
) -> Mapping[str, ArmComparison]:
    """Compare every arm with the control; with several, alpha is divided (Bonferroni)."""
    others = [str(name) for name in pd.unique(pd.Series(arm)) if name != control]
    analyses = {}
    for name in sorted(others):
        rows = (arm == name) | (arm == control)
        analyses[name] = analyse(
            np.asarray(outcome)[rows],
            np.asarray(arm[rows] == name, dtype=bool),
            covariates=None if covariates is None else covariates.loc[rows],
            clusters=None if clusters is None else clusters[rows],
            alpha=alpha / len(others),
        )
    return analyses
