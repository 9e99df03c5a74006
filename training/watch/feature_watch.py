"""Recent rows and the profile of training -> which features moved, at the same ages of a lead.

A feature alarms only where its population stability index is large, larger than what it did within
training, and beyond chance (chi-squared, Yurdakul and Naranjo 2020; false-discovery control,
Benjamini and Hochberg 1995). Rows of one lead count as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from features.frame import Catalogue
from models.explain.observed_rates import ObservedRates
from training.watch.feature_profile import (
    N_AGES,
    FeatureProfile,
    age_groups,
    expected_counts,
    place,
)
from training.watch.signal import Signal

Floats = NDArray[np.float64]

PSI: Final = (0.10, 0.25)
FALSE_DISCOVERY: Final = 0.001
LEAST_LEADS: Final = 60
CALENDAR: Final = ("created_month",)
"""Four weeks never hold the months that a year of training holds."""


def drifting_features(
    frame: pd.DataFrame,
    facts: ObservedRates,
    profile: FeatureProfile,
    *,
    age_days: Floats,
    leads: NDArray[np.int64],
    catalogue: Catalogue | None = None,
    causes: Mapping[str, str] | None = None,
) -> list[Signal]:
    """Compare each feature of recent rows with training rows of the same ages.

    `causes` maps a column or an event type to the cause that explains it.
    """
    n_leads = len(np.unique(leads))
    if n_leads < LEAST_LEADS:
        return [_too_few(n_leads)]
    ages = age_groups(age_days)
    repeats = max(len(frame) / n_leads, 1.0)
    calendar = (
        ()
        if catalogue is None
        else [feature.name for feature in catalogue.features if feature.template in CALENDAR]
    )
    compared = []
    for name, groups in facts.table.items():
        reference = profile.counts.get(name)
        if reference is None or name not in frame or name in calendar:
            continue
        code, k = place(frame[name], groups)
        now = np.bincount(ages * k + code, minlength=N_AGES * k).reshape(N_AGES, k)
        moved = compare_histograms(now.astype(np.float64), reference, repeats, profile)
        if moved is not None:
            compared.append((name, *moved))
    if not compared:
        return [_too_few(n_leads)]
    significant = stats.false_discovery_control([p for _, _, p, _ in compared]) < FALSE_DISCOVERY
    signals = []
    for (name, index, _, usual), beyond in zip(compared, significant, strict=True):
        if beyond and index >= max(PSI[0], 2 * usual):
            red = index >= max(PSI[1], 3 * usual)
            signals.append(_moved(name, index, catalogue, causes or {}, red=red))
    n_still = len(compared) - len(signals)
    still = Signal("features that did not move", "green", f"{n_still} of {len(compared)}", "all")
    return [*signals, still]


def compare_histograms(
    now: Floats, reference: Floats, repeats: float, profile: FeatureProfile
) -> tuple[float, float, float] | None:
    """Compare recent rows, (n_ages, k), with both halves of training: (index, p, usual index).

    The usual index is what the newer half of training is from the older one. None where the ages
    have nothing in common.
    """
    shares, behind, used = expected_counts(reference.sum(axis=0), now.sum(axis=1))
    rows = (now * used[:, None]).sum(axis=0)
    n = float(rows.sum())
    if n < LEAST_LEADS or behind <= 0 or len(rows) < 2:
        return None
    kept = (rows > 0) | (shares > 0)
    if kept.sum() < 2:
        return 0.0, 1.0, 0.0
    index = stability_index(behind * shares[kept], rows[kept])
    scale = repeats / n + profile.rows_per_lead / behind
    p = float(stats.chi2.sf(index / scale, int(kept.sum()) - 1))
    newer = reference[1]
    old_shares, old_behind, old_used = expected_counts(reference[0], newer.sum(axis=1))
    then = (newer * old_used[:, None]).sum(axis=0)
    usual = 0.0
    if old_behind > 0 and then.sum() >= LEAST_LEADS:
        raw = stability_index(old_behind * old_shares[kept], then[kept])
        noise = (int(kept.sum()) - 1) * profile.rows_per_lead * (1 / old_behind + 1 / then.sum())
        usual = max(0.0, raw - noise)
    return index, p, usual


def stability_index(then: Floats, now: Floats) -> float:
    """Compute the population stability index of two histograms; empty bins count half a row."""
    p = np.maximum(then, 0.5) / np.maximum(then, 0.5).sum()
    q = np.maximum(now, 0.5) / np.maximum(now, 0.5).sum()
    return float(np.sum((q - p) * np.log(q / p)))


def _moved(
    name: str,
    index: float,
    catalogue: Catalogue | None,
    causes: Mapping[str, str],
    *,
    red: bool,
) -> Signal:
    because = ""
    if catalogue is not None:
        feature = next((f for f in catalogue.features if f.name == name), None)
        params = {} if feature is None else feature.params
        because = next((c for v in params.values() if (c := causes.get(str(v)))), "")
    return Signal(
        f"feature {name}",
        "red" if red else "yellow",
        f"stability index {index:.2f}",
        f"< {PSI[0]:.2f}",
        "feature",
        what_to_do=f"see: {because}" if because else "look whether the leads or the data changed",
        weight=index,
    )


def _too_few(n_leads: int) -> Signal:
    return Signal(
        "features that did not move",
        "green",
        f"cannot be judged: {n_leads} recent leads",
        f"{LEAST_LEADS} leads",
    )
