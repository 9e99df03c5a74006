"""Planted leaks against the audit: catch matrix, power curve, false alarms, leadforge's traps.

python -m benchmarks.leaks [--full]   (leadforge is read from .venv-peers where it is installed)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.leak_bars import judge, show
from benchmarks.leak_columns import PLANTS, facts_of, honest_flag, honest_signal
from benchmarks.leak_forge import leadforge_part
from data.clock import NEVER
from data.errors import InputError
from data.reading.read_tables import read_tables
from data.reading.review import undeclared_columns
from data.schema import Project
from data.tables import Outcomes, Tables
from data.world import World, make_world
from data.world.kinds import KINDS
from tests.fakes.leak_returns import RETURNS
from tests.fakes.leak_structure import STRUCTURE, Case, case_of, frames_of, project_of
from tests.fakes.leak_truth import TRUTH
from training.audit import audit
from training.audit.cells import cells_of, deal_folds, one_feature_auc
from training.audit.leak_audit import one_per_lead
from training.audit.screens import screen
from training.dataset import make_dataset


def column_name(plant: str) -> str:
    return "x_" + "".join(c if c.isalnum() else "_" for c in plant.lower())


def planted(world: World, seed: int) -> tuple[World, dict[str, str]]:
    """Add every planted column to the leads: (world, column -> plant)."""
    facts = facts_of(world)
    leads = world.frames["leads"].copy()
    names = {}
    for number, (plant, make) in enumerate(PLANTS.items()):
        name = column_name(plant)
        leads[name] = make(facts, np.random.default_rng([seed, number])).to_numpy()
        names[name] = plant
    leads["honest_signal"] = honest_signal(facts, np.random.default_rng([seed, 98])).to_numpy()
    leads["honest_flag"] = honest_flag(facts, np.random.default_rng([seed, 99])).to_numpy()
    frames = dict(world.frames) | {"leads": leads}
    return replace(world, frames=frames), names


# --- other tools' rules, written again -------------------------------------------------------


def correlation_rule(values: pd.Series, y: np.ndarray) -> bool:
    """SanityChecker: |correlation| of a vectorised column (one-hot, null flag) with y > 0.95."""
    columns = []
    if pd.api.types.is_numeric_dtype(values.dtype):
        columns.append(values.fillna(values.mean()).to_numpy(float))
    else:
        top = values.astype(object).value_counts().index[:20]
        columns += [(values == level).to_numpy(float) for level in top]
    columns.append(values.isna().to_numpy(float))
    return any(column.std() and abs(np.corrcoef(column, y)[0, 1]) > 0.95 for column in columns)


def one_feature_rule(values: pd.Series, y: np.ndarray, fold: np.ndarray) -> bool:
    """Driverless AI's first check: the AUC of one feature >= 0.95."""
    return one_feature_auc(cells_of(values), y, fold) >= 0.95


# --- the parts --------------------------------------------------------------------------------


def _read_without_dates(
    kind: str, world: World, names: Sequence[str]
) -> tuple[Project, Tables, Outcomes]:
    """Read a world with the planted columns declared fixed, but for those that are refused."""
    declared = [*names, "honest_signal", "honest_flag"]
    while True:
        project = project_of(kind, tuple(declared))
        try:
            return project, *read_tables(project, frames=frames_of(world))
        except InputError as error:
            if error.column not in declared:
                raise
            declared.remove(error.column)  # dates are no feature: it is caught on reading


def columns_part(kind: str, seed: int, n_leads: int, results: dict[str, Any]) -> None:
    """Audit a world with every planted column declared fixed; note who saw what."""
    world, names = planted(make_world(kind, n_leads, seed, base_rate=0.08), seed)
    project, tables, outcomes = _read_without_dates(kind, world, names)
    dataset = make_dataset(project, tables, outcomes, threads=1)
    report = audit(tables, outcomes, project, seed=seed, dataset=dataset)
    held: dict[str, set[str]] = {}
    for verdict in report.verdicts:
        if verdict.severity in ("structural", "quarantine"):
            held.setdefault(verdict.column, set()).add(verdict.detector)
    read = {attribute.name for attribute in tables.attributes}
    held |= {column: {"not read"} for column in names if column not in read}  # names every row
    rows = one_per_lead(dataset.labelled.snapshots.lead, dataset.cut.train, seed)
    frame, y = dataset.frame.to_pandas().iloc[rows], dataset.y[rows]
    raw = (
        world.frames["leads"]
        .set_index("lead_id")
        .loc[tables.lead_ids[dataset.labelled.snapshots.lead[rows]]]
    )
    ever = (outcomes.converted_at != NEVER)[dataset.labelled.snapshots.lead[rows]].astype(np.int8)
    fold = deal_folds(y, np.random.default_rng(seed))
    for column, plant in names.items():
        values = _feature(frame, column) if column in read else raw[column].astype("category")
        area = one_feature_auc(cells_of(values), y, fold)
        results["area"].setdefault(plant, []).append(area)
        results["ours"].setdefault(plant, []).append(sorted(held.get(column, ())))
        # the other rules get both labels as well: within the horizon, and ever
        results["corr"].setdefault(plant, []).append(
            correlation_rule(values, y) or correlation_rule(values, ever)
        )
        results["h2o"].setdefault(plant, []).append(
            one_feature_rule(values, y, fold) or one_feature_rule(values, ever, fold)
        )
        if area >= 0.95:
            results["strong"].append(bool(held.get(column)))
    results["signal"].append([bool(held.get(c)) for c in ("honest_signal", "honest_flag")])
    for verdict in report.verdicts:
        if verdict.detector == "D3" and verdict.severity == "review":
            results["asked"].add(names.get(verdict.column, ""))
    planted_too = {*names, "honest_signal", "honest_flag", "*"}
    honest = [c for c in held if c not in planted_too]
    results["alarms"] += honest
    results["reasons"] += [f"{sorted(held[c])} {c}" for c in honest]
    results["honest"] += len(frame.columns) - len(names)


def _feature(frame: pd.DataFrame, column: str) -> pd.Series:
    return frame[column] if column in frame else frame[column.strip("_")]


def structure_part(kind: str, seed: int, n_leads: int, results: dict[str, Any]) -> None:
    """Try every structural plant on one world; and prove that undeclared columns are refused."""
    case = case_of(make_world(kind, n_leads, seed, base_rate=0.08), project_of(kind), seed)
    for plant, attempt in (STRUCTURE | RETURNS).items():
        results["structure"].setdefault(plant, []).append(sorted(attempt(case)))
    for plant, seeded in TRUTH.items():
        results["structure"].setdefault(plant, []).append(sorted(seeded(seed)))
    results["structure"].setdefault("the same columns, not declared", []).append(
        _undeclared_refused(case, kind, seed)
    )


def _undeclared_refused(case: Case, kind: str, seed: int) -> list[str]:
    """All planted columns stand in the file but not in the project: none may become a feature."""
    world, names = planted(case.world, seed)
    with tempfile.TemporaryDirectory() as folder:
        for name, frame in world.frames.items():
            frame.to_parquet(Path(folder) / f"{name}.parquet")
        project = project_of(kind).model_copy(update={"folder": folder})
        reviewed = {review.name for review in undeclared_columns(project)}
        tables, _ = read_tables(project)
    made = {attribute.name for attribute in tables.attributes}
    return ["D4"] if set(names) <= reviewed and not set(names) & made else []


def clean_part(kind: str, seed: int, n_leads: int, results: dict[str, Any]) -> None:
    """Audit a world without any leak."""
    world = make_world(kind, n_leads, seed, drift=0.5 * (seed % 3))
    project = project_of(kind)
    tables, outcomes = read_tables(project, frames=frames_of(world))
    report = audit(tables, outcomes, project, seed=seed)
    bad = [v for v in report.verdicts if v.severity in ("structural", "quarantine")]
    results["clean"].append(bool(bad))
    results["alarms"] += [v.column for v in bad]
    results["honest"] += int(report.checked["S1"].split()[0])
    results["reasons"] += [f"{v.detector} {v.column}: {v.reason}" for v in bad]


def power_curve(repeats: int) -> dict[float, tuple[float, float]]:
    """Share quarantined of normal columns of a true AUC, 2,000 rows, 100 positives: ours, h2o."""
    from scipy.stats import norm

    rng = np.random.default_rng(0)
    y = np.zeros(2000, np.int8)
    y[:100] = 1
    fold = deal_folds(y, rng)
    curve = {}
    for area in (
        0.85,
        0.86,
        0.88,
        0.9,
        0.91,
        0.92,
        0.93,
        0.94,
        0.95,
        0.96,
        0.97,
        0.98,
        0.99,
        0.999,
    ):
        gap = np.sqrt(2) * norm.ppf(area)
        X = pd.DataFrame(rng.normal(size=(2000, repeats)) + gap * y[:, None])
        hits = {v.column for v in screen(X, y, seed=1).verdicts}
        other = np.mean([one_feature_rule(X[c], y, fold) for c in X])
        curve[area] = (len(hits) / repeats, float(other))
    return curve


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    full = parser.parse_args(arguments).full
    seeds, n_leads, clean = (20, 5000, 20) if full else (3, 4000, 4)
    began = time.perf_counter()
    results: dict[str, Any] = {
        "area": {},
        "ours": {},
        "corr": {},
        "h2o": {},
        "structure": {},
        "leadforge": {},
        "strong": [],
        "asked": set(),
        "signal": [],
        "alarms": [],
        "clean": [],
        "reasons": [],
        "honest": 0,
    }
    kinds = sorted(KINDS)
    for seed in range(seeds):
        columns_part(kinds[seed % 3], seed, n_leads, results)
        structure_part(kinds[seed % 3], seed, n_leads, results)
    for kind in kinds:
        for seed in range(100, 100 + clean):
            clean_part(kind, seed, n_leads, results)
    curve = power_curve(300 if full else 60)
    leadforge_part(("intro", "intermediate", "advanced") if full else ("advanced",), results)
    show(results, curve)
    print(f"\n{time.perf_counter() - began:.0f} s")
    return judge(results, curve)


if __name__ == "__main__":
    raise SystemExit(main())
