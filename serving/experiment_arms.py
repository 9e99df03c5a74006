"""A project's experiment: arms for leads, and what the arms say once outcomes have matured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import DAY
from data.errors import InputError
from data.reading.flag_words import yes_words
from data.reading.read_job import ReadJob
from data.reading.sources import from_frame
from data.reading.values import moment, texts
from data.schema import Project
from data.tables import Outcomes, Tables
from models.note import Note
from serving.band_sizes import BandSize, size_bands
from serving.contamination import Contamination, count_contamination
from serving.figures.experiment import (
    ArmComparison,
    InterimLook,
    assign,
    compare_arms,
    look,
)
from serving.figures.funnel import Rate, rate_of
from serving.figures.power import power_of, size_test, smallest_lift
from serving.held_back import CONTROL, RANDOM_ARM
from serving.loaded_model import LoadedModel
from training.state import StatePaths

RISE_WORTH_SEEING: Final = 0.25
"""The relative rise of the control's rate that a test should be able to show."""
FEW_CONVERSIONS: Final = 20
"""With fewer an arm's range is only rough."""


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """An experiment as of now: arms, comparisons with `control`, and the test's power.

    `power` is the chance to show a rise of RISE_WORTH_SEEING with the leads that matured,
    `needed_per_arm` the leads for a chance of 80 %, `detectable` the smallest absolute rise that
    these leads show with that chance; where accounts were assigned, all three allow for the
    correlation of their leads. `waiting` leads are too young to count. `contamination` is counted
    where the state folder is known, `bands` are sized where there is a model.
    """

    name: str
    unit: str
    started_at: int | None
    control: str
    arms: Mapping[str, Rate]
    comparisons: Mapping[str, ArmComparison]
    looks: Mapping[str, tuple[InterimLook, ...]]
    power: float | None
    needed_per_arm: int | None
    detectable: float | None
    waiting: int
    warnings: tuple[str, ...]
    contamination: Contamination | None = None
    bands: tuple[BandSize, ...] = ()
    weeks: float | None = None  # since it began; None without dates


def assign_leads(tables: Tables, project: Project) -> pd.DataFrame:
    """Give every lead its arm, the same on every call: columns lead_id, unit, arm.

    A lead that came back is listed once.
    """
    units = units_of(tables, project)
    arms = assign(units, project.experiment, name=project.project.name)
    given = pd.DataFrame({"lead_id": tables.lead_ids, "unit": units, "arm": arms})
    return given.drop_duplicates("lead_id", ignore_index=True)


def units_of(tables: Tables, project: Project) -> NDArray[np.object_]:
    """Name the unit of each lead: itself, or its account where accounts are assigned."""
    if project.experiment.unit == "lead":
        return tables.lead_ids
    if "account" not in tables.display.columns:
        raise InputError(
            'experiment.unit is "account", but leads.account is not declared',
            column="experiment.unit",
            cure="declare leads.account or assign by lead",
        )
    account = tables.display["account"].to_numpy(dtype=object)
    names = [
        f"lead {lead}" if each is None or each != each else f"account {each}"
        for lead, each in zip(tables.lead_ids, account, strict=True)
    ]
    return np.array(names, dtype=object)


def analyse_experiment(
    tables: Tables,
    outcomes: Outcomes,
    project: Project,
    *,
    alpha: float = 0.05,
    state: StatePaths | None = None,
    model: LoadedModel | None = None,
) -> ExperimentResult:
    """Compare the arms over leads created since the start whose horizon has passed.

    Arms come from the hash, or from the column `experiment.arm` of an experiment that was
    assigned elsewhere; the outcome is conversion, or the flag in `experiment.outcome`, whose words
    mean what those of leads.converted do.
    """
    section = project.experiment
    arm = arms_of(tables, project)
    start = None if section.start is None else moment(section.start, project, "experiment.start")
    job = ReadJob(project)
    outcome, entered, closes = _outcome(tables, outcomes, job)
    rows = np.ones(len(tables), dtype=bool) if start is None else entered >= start
    if outcomes.recorded_from is not None:
        rows &= entered >= outcomes.recorded_from
    mature = rows & (closes <= outcomes.observed_until) if tables.created_at is not None else rows
    if start is None and tables.created_at is not None and rows.any():
        start = int(entered[rows].min())
    rates = {name: _rate(outcome, mature & (arm == name)) for name in sorted(set(arm[rows]))}
    control = _control(project, rates)
    if len([rate for rate in rates.values() if rate.n]) < 2:
        raise InputError(
            "fewer than two arms have leads whose horizon has passed",
            column="experiment",
            cure="wait, or set experiment.start earlier",
        )
    together = section.unit == "account" or tables.episodes is not None  # returns of one lead
    clusters = units_of(tables, project)[mature] if together else None
    mature_arm = arm[mature]
    comparisons = compare_arms(
        outcome[mature],
        mature_arm,
        control,
        covariates=_covariates(tables, project).loc[mature],
        clusters=clusters,
        alpha=alpha,
    )
    n_control = rates[control].n
    n_other = min(rate.n for name, rate in rates.items() if name != control and rate.n)
    base = rates[control].value
    target = min(base * (1 + RISE_WORTH_SEEING), 0.999)
    varies = 0 < base < target
    effect = _design_effect(comparisons)
    kept = _contamination(tables, project, state, arm, rows)
    units = units_of(tables, project)[rows]
    warnings = _warn(project, arm[rows], comparisons, units, control)
    warnings += job.notes.lines
    if kept is not None and kept.sentence is not None:
        warnings.append(kept.sentence)
    return ExperimentResult(
        project.project.name,
        section.unit,
        start,
        control,
        rates,
        comparisons,
        _looks(outcome, mature, arm, closes, control, clusters, alpha, outcomes, tables),
        power_of(base, target, n_control, n_other, alpha=alpha, inflate=effect) if varies else None,
        ceil(size_test(base, target, alpha=alpha).control * effect) if varies else None,
        smallest_lift(base, n_control, n_other, alpha=alpha, inflate=effect) if varies else None,
        int((rows & ~mature).sum()),
        tuple(warnings),
        kept,
        _bands(tables, model, np.flatnonzero(mature), arm, outcome, entered, control, start),
        None if start is None else (outcomes.observed_until - start) / (7 * DAY),
    )


def _contamination(
    tables: Tables,
    project: Project,
    state: StatePaths | None,
    arm: NDArray[np.object_],
    rows: NDArray[np.bool_],
) -> Contamination | None:
    """Count whose score was seen; None where nobody held one back here."""
    if state is None or project.experiment.arm is not None:
        return None
    held = rows & np.isin(arm, [CONTROL, RANDOM_ARM])
    ids = tables.lead_ids.astype(str)
    return count_contamination(
        state, project, frozenset(ids[held].tolist()), frozenset(ids[rows & ~held].tolist())
    )


def _bands(
    tables: Tables,
    model: LoadedModel | None,
    mature: NDArray[np.int64],
    arm: NDArray[np.object_],
    outcome: NDArray[np.int64],
    entered: NDArray[np.int64],
    control: str,
    start: int | None,
) -> tuple[BandSize, ...]:
    """Size each band for the first comparison, by the bands that leads had when they entered."""
    others = sorted(
        set(arm[mature]) - {control, RANDOM_ARM}, key=lambda name: (name != "score", name)
    )
    if model is None or tables.created_at is None or not others:
        return ()
    lead = mature[(arm[mature] == control) | (arm[mature] == others[0])]
    moment_of = np.maximum(entered[lead], start or 0)
    return size_bands(tables, model, lead, moment_of, outcome[lead], arm[lead] == others[0])


def arms_of(tables: Tables, project: Project) -> NDArray[np.object_]:
    """Read the arms of a finished experiment, or derive them from the hash."""
    column = project.experiment.arm
    if column is None:
        units = units_of(tables, project)
        return assign(units, project.experiment, name=project.project.name)
    values = _attribute(tables, column, "experiment.arm")
    return np.array(["" if each is None or each != each else str(each) for each in values], object)


def _attribute(tables: Tables, column: str, key: str) -> NDArray[np.generic]:
    try:
        return tables.attribute(column).values
    except KeyError:
        raise InputError(f"there is no column {column!r}", column=key) from None


def _outcome(
    tables: Tables, outcomes: Outcomes, job: ReadJob
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Give outcome, entry and end of window of each lead: (n_leads,) each."""
    project, column = job.project, job.project.experiment.outcome
    entered = np.zeros(len(tables), np.int64) if tables.created_at is None else tables.created_at
    closes = entered + (project.conversion.horizon or 0)
    if column is None:
        ends = outcomes.converted_at < (
            outcomes.observed_until if tables.created_at is None else closes
        )
        if tables.created_at is None:
            ends = outcomes.converted_at == 0
        return ends.astype(np.int64), entered, closes
    key = "experiment.outcome"
    raw = from_frame(pd.DataFrame({column: _attribute(tables, column, key)}), "leads")
    hit = yes_words(raw, column, texts(raw.column(column), job.missing), job, key=key)
    return hit.to_pandas().eq(True).to_numpy(np.int64), entered, closes


def _design_effect(comparisons: Mapping[str, ArmComparison]) -> float:
    """Estimate the design effect, leads per independent lead (Kish 1965); 1 by lead."""
    effects = [1.0]
    for each in comparisons.values():
        alone = sum(r.value * (1 - r.value) / r.n for r in (each.control, each.treated))
        if each.clustered and alone > 0:
            effects.append(each.plain.standard_error**2 / alone)
    return max(effects)


def _rate(outcome: NDArray[np.int64], rows: NDArray[np.bool_]) -> Rate:
    return rate_of(int(outcome[rows].sum()), int(rows.sum()))


def _control(project: Project, rates: Mapping[str, Rate]) -> str:
    """Choose the arm that the others are compared with: "control", else the first one declared."""
    for name in ("control", *project.experiment.arms, *rates):
        if name in rates and rates[name].n:
            return name
    raise InputError("no arm has leads whose horizon has passed", column="experiment")


def _covariates(tables: Tables, project: Project) -> pd.DataFrame:
    """Collect what was known at creation and never changed: safe to adjust for."""
    left_out = {project.experiment.arm, project.experiment.outcome}
    kept = {
        attribute.name: attribute.values
        for attribute in tables.attributes
        if attribute.known_at is None
        and attribute.changes is None
        and attribute.name not in left_out
    }
    return pd.DataFrame(kept, index=pd.RangeIndex(len(tables)))


def _looks(
    outcome: NDArray[np.int64],
    mature: NDArray[np.bool_],
    arm: NDArray[np.object_],
    closes: NDArray[np.int64],
    control: str,
    clusters: NDArray[np.generic] | None,
    alpha: float,
    outcomes: Outcomes,
    tables: Tables,
) -> dict[str, tuple[InterimLook, ...]]:
    """Follow each comparison week by week as windows close; nothing in static mode.

    `clusters` are those of the mature leads; with several comparisons alpha is shared out, as in
    the analysis at the end.
    """
    if tables.created_at is None or not mature.any():
        return {}
    first = int(closes[mature].min())
    weeks = np.arange(first, outcomes.observed_until + 1, 7 * DAY, dtype=np.float64)
    arm, outcome, at = arm[mature], outcome[mature], closes[mature].astype(np.float64)
    others = sorted({str(name) for name in arm} - {control})
    looks = {}
    for name in others:
        rows = (arm == name) | (arm == control)
        looks[name] = look(
            outcome[rows],
            np.asarray(arm[rows] == name),
            at[rows],
            weeks[-60:],
            clusters=None if clusters is None else clusters[rows],
            alpha=alpha / len(others),
        )
    return looks


def _warn(
    project: Project,
    arm: NDArray[np.object_],
    comparisons: Mapping[str, ArmComparison],
    units: NDArray[np.object_],
    control: str,
) -> list[str]:
    """List reasons to doubt the figures."""
    from scipy import stats

    warnings = []
    if not project.static and project.experiment.start is None and project.experiment.arm is None:
        warnings.append(
            "experiment.start is not set: leads from before the test are counted as if it had "
            "run for them"
        )
    planned = project.experiment.arms
    if planned and CONTROL not in planned and project.experiment.arm is None:
        warnings.append('no arm is called "control": no score is held back from anybody')
    if planned and set(arm) - {RANDOM_ARM} == set(planned):
        _, first = np.unique(units.astype(str), return_index=True)
        kept = arm[first][arm[first] != RANDOM_ARM]
        seen = np.array([(kept == name).sum() for name in planned], dtype=np.float64)
        share = np.array(list(planned.values())) / sum(planned.values())
        p = float(stats.chisquare(seen, share * seen.sum()).pvalue)
        if p < 1e-3:
            warnings.append(
                f"the arms do not have the sizes planned (p = {p:.1g}): find out where leads "
                "were lost before believing the difference"
            )
    hits = {name: each.treated.hits for name, each in comparisons.items()}
    for each in comparisons.values():
        hits[control] = each.control.hits
    few = [name for name, n in hits.items() if n < FEW_CONVERSIONS]
    warnings += [
        Note(
            "the arm {arm} has fewer than {few} conversions: its range is only rough",
            arm=name,
            few=FEW_CONVERSIONS,
        )
        for name in few
    ]
    return warnings
