"""Loop 1 through the commands: a year of `leadscore retrain --fast` on files, with known truth.

A simulated CRM of 28 months is exported month by month, as it stood then. The first training sees
a year of mature leads, twelve retrains follow. In a broken month the export is broken: a column
that shows who converted, older amounts in another unit, or the newer half of the leads missing.
Every registered version is measured by the true probabilities of the leads open in that month.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.in_parts import Verdict
from benchmarks.retrain_streams import STREAMS, Case, broken_months
from benchmarks.retrain_world import DELAY, FAULTS, HISTORY, RETRAINS, Fault
from data.labels import open_snapshots
from data.world import World, make_world, project_file, write_world
from features.build import build
from serving.session import open_session
from tests.fakes.company_months import export_until
from tests.golden.product import leadscore

START = pd.Timestamp("2024-07-01")
MONTHS = HISTORY + DELAY + RETRAINS + 1
BASE = 0.08
SIZES = (100, 700)
COLUMN = "campaign_code"
"""A declared column of the leads: a random number, until a broken export fills in the outcome."""


def through_the_commands() -> list[Verdict]:
    """Live a clean and a broken year at each size and compare three ways of promoting."""
    verdicts: list[Verdict] = []
    for size in SIZES:
        for stream in ("clean", "1/3 broken"):
            regrets = live_a_year(Case(size, BASE, 0), STREAMS[stream]).mean() * 100
            print(
                f"commands, {size} conversions, {stream}: {regrets.round(3).to_dict()}", flush=True
            )
            name = f"retrain: regret through the commands, {size} conversions, {stream}"
            if stream == "clean":
                limit, bar = regrets["newest"] + 0.2, "newest always + .2 %"
            else:
                limit, bar = min(regrets["newest"], regrets["never"]) / 2, "half of both others"
            figure = f"{regrets['gate']:.2f} %"
            verdicts.append(
                (bool(regrets["gate"] <= limit), name, figure, f"<= {limit:.2f} % ({bar})")
            )
    return verdicts


def live_a_year(case: Case, broken: int) -> pd.DataFrame:
    """Train and retrain twelve times; the regret by month of gate, newest and never."""
    leads = round(case.conversions * MONTHS / HISTORY / case.base)
    start = str(START.date())
    world = make_world("software_trial", leads, case.seed, months=MONTHS, drift=0.5, start=start)
    months = broken_months(case, broken)
    faults = {month: FAULTS[i % len(FAULTS)] for i, month in enumerate(months)}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        whole, state = Path(folder) / "whole", Path(folder) / "state"
        write_world(world, whole, project=project_file("software_trial"))
        _declare_column(whole, case.seed)
        for month in range(RETRAINS + 1):
            until = str((START + pd.DateOffset(months=HISTORY + DELAY + month)).date())
            file = export_until(whole, Path(folder) / "data", until)
            if month in faults:
                _break(file.parent, faults[month])
            verb = "retrain" if month else "train"
            answer = leadscore(verb, file, "--state", state, "--fast")
            said = (answer.out.strip() or answer.err.strip()).splitlines()
            promoted = next((each for each in said if each.startswith("version ")), said[-1])
            print(
                f"  {until} {faults.get(month, '')} exit {answer.code}: {promoted[:150]}",
                flush=True,
            )
            file = export_until(whole, Path(folder) / "data", until)
            if month:
                rows.append(_regrets(world, file, state))
    return pd.DataFrame(rows)


def _declare_column(whole: Path, seed: int) -> None:
    path = whole / "leads.parquet"
    leads = pd.read_parquet(path)
    noise = np.random.default_rng(seed).normal(size=len(leads))
    leads.assign(**{COLUMN: noise}).to_parquet(path, index=False)
    project = next(whole.glob("*.toml"))
    text = project.read_text("utf-8")
    project.write_text(text.replace('fixed = ["source",', f'fixed = ["{COLUMN}", "source",', 1))


def _break(folder: Path, fault: Fault) -> None:
    path = folder / "leads.parquet"
    leads = pd.read_parquet(path).sort_values("created_at", ignore_index=True)
    older = np.arange(len(leads)) < len(leads) // 2
    if fault == "half":
        leads = leads[older]
    elif fault == "unit":
        amount = leads["expected_amount"]
        leads = leads.assign(expected_amount=amount.where(~older, amount * 100))
    else:
        won = leads["lead_id"].isin(pd.read_parquet(folder / "opportunities.parquet")["lead_id"])
        leads = leads.assign(**{COLUMN: leads[COLUMN] + 4.0 * won})
    leads.to_parquet(path, index=False)


def _regrets(world: World, file: Path, state: Path) -> dict[str, float]:
    """Measure every registered version on the leads that are open now, by their true chances."""
    session = open_session(file, state=state)
    reading = session.read()
    tables, until = reading.tables, reading.tables.observed_until
    snapshots = open_snapshots(tables, reading.outcomes, until)
    ids = tables.lead_ids[snapshots.lead]
    p = world.truth.probability(ids, until, until + world.horizon)
    loss = {}
    for version, _, _ in session.registry.versions():
        model = session.model(version)
        frame = build(tables, snapshots, model.catalogue, threads=session.threads).to_pandas()
        q = np.clip(model.scorer.score(frame).probability, 1e-6, 1 - 1e-6)
        loss[int(version)] = float(-np.mean(p * np.log(q) + (1 - p) * np.log1p(-q)))
    champion = session.champion()
    best = min(loss.values())
    chosen = {
        "newest": max(loss),
        "never": min(loss),
        "gate": int(champion.version if champion else 0),
    }
    return {name: loss[version] / best - 1 for name, version in chosen.items()}


if __name__ == "__main__":
    for met, *words in through_the_commands():
        sys.stdout.write("  ".join(["met" if met else "missed", *words]) + "\n")
