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
from data.schema_steps import ExperimentSection
from leadscore.crm_project import CrmProject, When, need_crm
from leadscore.shown import Showable, Shown, table_of
from serving.experiment_arms import ExperimentResult, analyse_experiment, assign_leads
from serving.figures import experiment
from serving.figures.experiment import ArmComparison
from serving.figures.power import SampleSize, size_test, smallest_lift
from serving.loaded_model import load_model

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
    """A project's experiment as of a moment: the arms, and each against the control.

    Made by `analyse`.
    """

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
        notes += [band.sentence for band in trial.bands]
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
    """Count the leads that a test needs.

    Parameters
    ----------
    base, hoped : float
        Conversion rates without the change and with it, as shares: 0.08 for 8 %.
    power, alpha : float
        The chance to show the rise, and that of a false alarm.
    ratio : float
        Treated leads for each other.
    account_size, icc : float
        Leads an account where accounts are assigned, and how alike they are (0 to 1).

    Returns
    -------
    SampleSize
        `control`, `treated`, `total`.

    Raises
    ------
    InputError
        Where a rate is no share, or the two are the same.

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
        shares = 0 < base < 1 and 0 < hoped < 1
        raise InputError(
            str(error), cure=None if shares else "rates are shares: write 0.08 for 8 %"
        ) from None


def smallest_rise(
    base: float, control: float, treated: float, *, power: float = 0.8, alpha: float = 0.05
) -> float | None:
    """Find the smallest rise above a rate that so many leads can show.

    Parameters
    ----------
    base : float
        The conversion rate without the change, as a share.
    control, treated : float
        Leads of each arm.
    power, alpha : float
        The chance to show the rise, and that of a false alarm.

    Returns
    -------
    float or None
        The rise as a share; None where no rise can be shown.
    """
    return smallest_lift(base, control, treated, power=power, alpha=alpha)


def assign(crm: CrmProject) -> pd.DataFrame:
    """Give every lead its arm by salted hash, the same whenever it is asked.

    Parameters
    ----------
    crm : CrmProject
        Its section ``experiment`` names the arms.

    Returns
    -------
    pandas.DataFrame
        lead_id, unit (the lead or its account), arm.
    """
    return assign_leads(need_crm(crm)._reading.tables, crm._session.project)


def assign_units(
    units: Sequence[object] | NDArray[np.generic] | pd.Series[Any],
    *,
    name: str,
    arms: Mapping[str, float] = MappingProxyType({"control": 0.5, "score": 0.5}),
    random_arm: float = 0.0,
    salt: str = "leadscore",
) -> NDArray[np.object_]:
    """Give every unit (a lead, an account) its arm by salted hash.

    Parameters
    ----------
    units : sequence
        Ids, (n,).
    name : str
        Of the experiment: arms of two experiments are independent.
    arms : dict
        Shares by name; they are taken relative to their sum.
    random_arm : float
        Share of all units in the random arm, which depends on the salt alone.
    salt : str
        Another salt, other arms.

    Returns
    -------
    numpy.ndarray
        Names of arms, (n,); "random" for the random arm.
    """
    section = ExperimentSection(arms=dict(arms), random_arm=random_arm, salt=salt)
    return experiment.assign(np.asarray(units, dtype=object), section, name=name)


def analyse(crm: CrmProject, *, as_of: When | None = None) -> ComparedArms:
    """Compare the arms of the project's experiment over leads whose horizon has passed.

    Parameters
    ----------
    crm : CrmProject
        Its section ``experiment`` names the arms.
    as_of : str, date or datetime, optional
        Default: the end of observation.

    Returns
    -------
    ComparedArms
        It shows rates and differences with their ranges, and what speaks against believing them.

    Raises
    ------
    InputError
        Where fewer than two arms have such leads.
    """
    outcomes = replace(need_crm(crm)._reading.outcomes, observed_until=crm._moment(as_of))
    session, champion = crm._session, crm._session.champion()
    bands = session.project.score.bands
    trial = analyse_experiment(
        crm._reading.tables,
        outcomes,
        session.project,
        state=session.state,
        model=None if champion is None else load_model(champion, bands=bands),
    )
    return ComparedArms(trial)


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
    outcome : array of 0 and 1, (n,)
        What became of each unit.
    arm : array of str, (n,)
        Name of the arm of each unit; units of other experiments are to be left out before.
    control : str, default "control"
        The arm that the others are compared with.
    covariates : pandas.DataFrame, optional
        What was known before assignment; narrows the range ("adjusted").
    clusters : array, optional
        The account of each unit, where accounts were assigned.
    alpha : float, default 0.05
        One minus the level of the ranges; shared out where there are several arms.

    Returns
    -------
    pandas.DataFrame
        arm, method ("plain", "adjusted", "valid at every look"), control and treated (rates),
        rise, low, high, p_value.

    Raises
    ------
    InputError
        Where the lengths differ, or no unit is in the control.
    """
    names = np.asarray(arm, dtype=object)
    if len(names) != np.size(outcome):
        raise InputError(
            f"has {len(names):,} rows, outcome has {np.size(outcome):,}", argument="arm"
        )
    if control not in set(names):
        raise InputError(
            f"no unit is in the arm {control!r}",
            argument="arm",
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
    clusters: ArrayLike | None = None,
) -> pd.DataFrame:
    """Follow an experiment as its leads mature; the range holds at all looks together.

    Parameters
    ----------
    outcome : array of 0 and 1, (n,)
        What became of each unit.
    treated : array of bool, (n,)
        Whether the unit is in the arm on trial.
    at : array of float, (n,)
        When each outcome became known, in the unit of `moments`.
    moments : array of float
        When to look.
    planned : int, optional
        The number of units where the range is to be tightest; default: those given.
    clusters : array, optional
        The account of each unit, where accounts were assigned; `planned` then counts accounts.

    Returns
    -------
    pandas.DataFrame
        at, n, rise, low, high: a row a look.
    """
    known = np.asarray(outcome, dtype=np.float64)
    looks = experiment.look(
        known,
        np.asarray(treated, dtype=bool),
        np.asarray(at, dtype=np.float64),
        np.asarray(moments, dtype=np.float64),
        planned=planned,
        clusters=None if clusters is None else np.asarray(clusters),
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
