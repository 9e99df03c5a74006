"""Does working by score bring more opportunities? Power before, arms during, analysis after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from data.errors import InputError
from data.schema import ExperimentSection
from leadscore.crm_project import CrmProject, When
from leadscore.shown import Showable, Shown, table_of
from serving.experiment_arms import ExperimentResult, analyse_experiment, assign_leads
from serving.figures import experiment
from serving.figures.experiment import ArmComparison
from serving.figures.power import SampleSize, size_test, smallest_lift

__all__ = [
    "ComparedArms",
    "analyse",
    "assign",
    "assign_units",
    "compare",
    "follow",
    "power",
    "smallest_rise",
]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ComparedArms(Showable):
    """A project's experiment as of a moment: the arms, and each against the control."""

    _trial: ExperimentResult

    @property
    def arms(self) -> pd.DataFrame:
        """Arm, leads, conversions, rate with its 95 % range."""
        rows = [(n, r.n, r.hits, r.value, r.low, r.high) for n, r in self._trial.arms.items()]
        return pd.DataFrame(rows, columns=["arm", "leads", "conversions", "rate", "low", "high"])

    @property
    def differences(self) -> pd.DataFrame:
        """Arm minus control, by method; see `compare`."""
        return _differences(self._trial.comparisons)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against believing the figures, a line each."""
        return self._trial.warnings

    def _shown(self) -> Shown:
        trial = self._trial
        rates = ", ".join(f"{name} {rate.value:.2%}" for name, rate in trial.arms.items())
        notes = list(trial.warnings)
        if trial.waiting:
            notes.append(f"{trial.waiting:,} leads are too young to count")
        if trial.power is not None and trial.needed_per_arm is not None:
            notes.append(
                f"chance to show a rise by a quarter: {trial.power:.0%}; "
                f"{trial.needed_per_arm:,} leads an arm would give 80 %"
            )
        return Shown(
            f"Experiment {trial.name}, by {trial.unit}",
            rates,
            notes=tuple(notes),
            tables=(
                table_of(self.arms, "Arms"),
                table_of(self.differences, f"Against {trial.control}"),
            ),
        )


def power(
    base: float,
    hoped: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    ratio: float = 1.0,
    account_size: float = 1.0,
    icc: float = 0.0,
) -> SampleSize:
    """Count the leads that a test needs: `control`, `treated`, `total`.

    Parameters
    ----------
    base, hoped
        Conversion rates without the change and with it, as shares: 0.08 for 8 %.
    power, alpha
        The chance to show the rise, and that of a false alarm.
    ratio
        Treated leads for each other.
    account_size, icc
        Leads an account where accounts are assigned, and how alike they are (0 to 1).

    Examples
    --------
    >>> power(0.08, 0.10).control
    3213
    """
    try:
        return size_test(
            base, hoped, power=power, alpha=alpha, ratio=ratio, cluster_size=account_size, icc=icc
        )
    except ValueError as error:
        raise InputError(str(error), cure="rates are shares: write 0.08 for 8 %") from None


def smallest_rise(
    base: float, control: float, treated: float, *, power: float = 0.8, alpha: float = 0.05
) -> float | None:
    """Find the smallest rise above the rate `base` that so many leads can show; None if none."""
    return smallest_lift(base, control, treated, power=power, alpha=alpha)


def assign(crm: CrmProject) -> pd.DataFrame:
    """Give every lead its arm by salted hash: lead_id, unit, arm; the same whenever it is asked."""
    return assign_leads(crm._reading.tables, crm._session.project)


def assign_units(
    units: Sequence[object] | NDArray[np.generic] | pd.Series[Any],
    *,
    name: str,
    arms: Mapping[str, float] = MappingProxyType({"control": 0.5, "score": 0.5}),
    random_arm: float = 0.0,
    salt: str = "leadscore",
) -> NDArray[np.object_]:
    """Give every unit (a lead, an account) its arm: (n,) names, "random" for the random arm.

    `arms` maps names to shares. The random arm, a share of all units, depends on the salt alone;
    the others on the experiment's `name` too.
    """
    section = ExperimentSection(arms=dict(arms), random_arm=random_arm, salt=salt)
    return experiment.assign(np.asarray(units, dtype=object), section, name=name)


def analyse(crm: CrmProject, *, as_of: When | None = None) -> ComparedArms:
    """Compare the arms of the project's experiment over leads whose horizon has passed.

    InputError where fewer than two arms have any.
    """
    outcomes = replace(crm._reading.outcomes, observed_until=crm._moment(as_of))
    return ComparedArms(analyse_experiment(crm._reading.tables, outcomes, crm._session.project))


def compare(
    outcome: ArrayLike,
    arm: ArrayLike,
    *,
    control: str = "control",
    covariates: pd.DataFrame | None = None,
    clusters: ArrayLike | None = None,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Compare every arm with the control: one row an arm and method.

    Parameters
    ----------
    outcome
        0 or 1 for each unit.
    arm
        Name of the arm of each unit; units of other experiments are to be left out before.
    covariates
        What was known before assignment; narrows the range ("adjusted").
    clusters
        The account of each unit, where accounts were assigned.
    alpha
        One minus the level of the ranges; shared out where there are several arms.

    Returns
    -------
    pandas.DataFrame
        arm, method ("plain", "adjusted", "valid at every look"), control and treated (rates),
        rise, low, high, p_value.
    """
    names = np.asarray(arm, dtype=object)
    if control not in set(names):
        raise InputError(
            f"no unit is in the arm {control!r}",
            column="arm",
            cure=f"the arms are {', '.join(map(str, pd.unique(names)))}",
        )
    return _differences(
        experiment.compare_arms(
            np.asarray(outcome, dtype=np.float64),
            names,
            control,
            covariates=None if covariates is None else covariates.reset_index(drop=True),
            clusters=None if clusters is None else np.asarray(clusters),
            alpha=alpha,
        )
    )


def follow(
    outcome: ArrayLike,
    treated: ArrayLike,
    at: ArrayLike,
    moments: ArrayLike,
    *,
    planned: int | None = None,
) -> pd.DataFrame:
    """Follow an experiment as its leads mature: at, n, rise, low, high.

    `at` says when each outcome became known, in the unit of `moments`. The range holds at all
    looks together, however many; it is tightest at `planned` units (default: those given).
    """
    known = np.asarray(outcome, dtype=np.float64)
    looks = experiment.look(
        known,
        np.asarray(treated, dtype=bool),
        np.asarray(at, dtype=np.float64),
        np.asarray(moments, dtype=np.float64),
        planned=planned or len(known),
    )
    rows = [(each.at, each.n, each.value, each.low, each.high) for each in looks]
    return pd.DataFrame(rows, columns=["at", "n", "rise", "low", "high"])


def _differences(comparisons: Mapping[str, ArmComparison]) -> pd.DataFrame:
    rows = []
    for arm, found in comparisons.items():
        ways = {"plain": found.plain, "adjusted": found.adjusted}
        for method, each in {**ways, "valid at every look": found.always_valid}.items():
            if each is not None:
                rates = found.control.value, found.treated.value
                rows.append((arm, method, *rates, each.value, each.low, each.high, each.p_value))
    columns = ["arm", "method", "control", "treated", "rise", "low", "high", "p_value"]
    return pd.DataFrame(rows, columns=columns)
