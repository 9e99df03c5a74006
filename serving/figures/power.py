"""Before a test: how many leads it needs, and which difference a number of leads can show."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

from scipy import optimize, stats


@dataclass(frozen=True, slots=True)
class SampleSize:
    """Leads needed; `design_effect` is how much clusters (accounts) inflate the number."""

    control: int
    treated: int
    design_effect: float

    @property
    def total(self) -> int:
        """Leads in both arms."""
        return self.control + self.treated


def design_effect(cluster_size: float = 1.0, icc: float = 0.0) -> float:
    """Compute the design effect of accounts: 1 + (m - 1) icc (Kish 1965)."""
    if cluster_size < 1 or not 0 <= icc <= 1:
        raise ValueError("cluster_size is at least 1 and icc between 0 and 1")
    return 1 + (cluster_size - 1) * icc


def size_test(
    base: float,
    treated: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    ratio: float = 1.0,
    cluster_size: float = 1.0,
    icc: float = 0.0,
) -> SampleSize:
    """Count the leads needed to tell two rates apart, two-sided (Fleiss, Levin, Paik 2003).

    `ratio` is treated leads for each control lead.

    >>> size_test(0.08, 0.10).control
    3213
    """
    for name, value in (("base", base), ("treated", treated), ("power", power), ("alpha", alpha)):
        if not 0 < value < 1:
            raise ValueError(f"{name} is between 0 and 1, found {value}")
    if ratio <= 0:
        raise ValueError(f"ratio is above 0, found {ratio}")
    if base == treated:
        raise ValueError("the two rates are the same: no number of leads can tell them apart")
    pooled = (base + ratio * treated) / (1 + ratio)
    z_alpha, z_power = stats.norm.isf(alpha / 2), stats.norm.ppf(power)
    under_none = z_alpha * sqrt((1 + ratio) * pooled * (1 - pooled))
    under_effect = z_power * sqrt(ratio * base * (1 - base) + treated * (1 - treated))
    inflate = design_effect(cluster_size, icc)
    control = inflate * (under_none + under_effect) ** 2 / (ratio * (treated - base) ** 2)
    return SampleSize(ceil(control - 1e-9), ceil(ratio * control - 1e-9), inflate)


def power_of(
    base: float,
    treated: float,
    n_control: float,
    n_treated: float,
    *,
    alpha: float = 0.05,
    inflate: float = 1.0,
) -> float:
    """Compute the probability that a two-sided test with so many leads shows this difference."""
    n0, n1 = n_control / inflate, n_treated / inflate
    pooled = (n0 * base + n1 * treated) / (n0 + n1)
    null_error = sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
    error = sqrt(base * (1 - base) / n0 + treated * (1 - treated) / n1)
    z = stats.norm.isf(alpha / 2)
    gap = abs(treated - base)
    return float(
        stats.norm.sf((z * null_error - gap) / error)
        + stats.norm.cdf((-z * null_error - gap) / error)
    )


def smallest_lift(
    base: float,
    n_control: float,
    n_treated: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    inflate: float = 1.0,
) -> float | None:
    """Find the smallest rise above `base` that so many leads can show; None if there is none."""

    def excess_power(rate: float) -> float:
        return power_of(base, rate, n_control, n_treated, alpha=alpha, inflate=inflate) - power

    top = 1 - 1e-9
    if excess_power(top) < 0:
        return None
    return float(optimize.brentq(excess_power, base + 1e-12, top, xtol=1e-9)) - base
