"""Is the probability the best there is, and does it come true? `python -m benchmarks.quality`.

The default run takes three real tasks (peers as recorded in peers.csv), three simulated worlds and
the small things; `--full` runs all seven tasks beside live peers (make peers), the public simulated
CRM in its three difficulties, worlds with known truth, seeds, newer rows and 40 + 40 outcomes.
Choices are made inside train; the same recipe goes for all sets. Everybody has one thread.

With `--state FOLDER` every measurement is kept there: a run that was cut off goes on where it was,
and `--share 1/2` and `--share 2/2` measure halves side by side before a last run prints the tables.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.quality_state import Measurement, State
from benchmarks.quality_steady import measure_five, measure_newer, measure_seed, measure_small
from benchmarks.quality_tasks import (
    APART_PYTHON,
    FIGURES,
    PEERS_PYTHON,
    SHORT,
    TASKS,
    Task,
    add_predictions,
    data_folder,
    load,
    measure_ours,
    pivot,
    read_peers,
    run_peers,
    table,
)
from benchmarks.quality_worlds import KINDS, leadforge, make_rows, measure
from models.metrics import compare, debiased_ece, log_losses
from training.evaluate import evaluate_model

DIFFICULTIES = ("intro", "intermediate", "advanced")
WORLDS = {6_000: 12, 12_000: 24}
"""Leads of a simulated company, and the months in which they came: as many a month."""
Jobs = Mapping[str, Callable[[], Measurement]]


class Bars:
    """Collects one line per bar, and remembers a miss."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, name: str, figure: str, bar: str, *, met: bool) -> None:
        self.lines.append(f"{'met' if met else 'missed'}  {name}  {figure}  {bar}")

    @property
    def code(self) -> int:
        return int(any(line.startswith("missed") for line in self.lines))


def show_tasks(tasks: list[Task], recorded: pd.DataFrame, bars: Bars) -> pd.DataFrame:
    results = table(tasks, recorded)
    for figure in FIGURES:
        print(f"\n{figure}")
        print(pivot(results, figure).round(1 if figure.startswith("fit") else 4).to_string())
    losses = pivot(results, "log_loss")
    ranks = losses.rank().mean(axis=1).sort_values()
    show_readme(results, ranks)
    ours = float(ranks["leadscore"])
    next_best = ranks.drop("leadscore")
    bars.add(
        "mean rank by log loss, all peers",
        f"{ours:.2f}, next {next_best.index[0]} {next_best.iloc[0]:.2f}",
        "first",
        met=ours <= float(next_best.iloc[0]),
    )
    for task in tasks:
        _task_bars(task, losses[task.name].dropna(), bars)
    _against_defaults(tasks, losses, bars)
    return results


def show_readme(results: pd.DataFrame, ranks: pd.Series) -> None:
    """Print log losses as a table in markdown, the best of each set in bold, by mean rank."""
    losses = pivot(results, "log_loss").loc[ranks.index]
    spent = pivot(results, "fit_cpu_s").median(axis=1)
    print("\n| log loss |" + "".join(f" {task} |" for task in losses) + " mean rank | fit, CPU s |")
    print("|---|" + "--:|" * (losses.shape[1] + 2))
    for peer, row in losses.iterrows():
        cells = [
            f"**{v:.4f}**" if v == losses[task].min() else f"{v:.4f}" for task, v in row.items()
        ]
        time = "" if np.isnan(spent[peer]) else f"{spent[peer]:.0f}"
        print(f"| {peer} | {' | '.join(cells)} | {ranks[peer]:.2f} | {time} |")


def _error(task: Task, peer: str) -> float:
    """Give the standard error of the difference: paired where the peer ran, else of our own loss.

    A recorded peer has no rows to pair with; half our own standard error is what the paired one
    amounts to at a correlation of .87 between row losses, which live peers exceed.
    """
    if peer in task.predictions:
        return compare(task.test_y, task.predictions["leadscore"], task.predictions[peer]).error
    own = log_losses(task.test_y, task.predictions["leadscore"])
    return float(own.std() / np.sqrt(len(own))) / 2


def _task_bars(task: Task, losses: pd.Series, bars: Bars) -> None:
    ours = float(losses["leadscore"])
    rivals = losses.drop("leadscore")
    best = str(rivals.idxmin())
    gap, error = ours - float(rivals.min()), _error(task, best)
    bars.add(
        f"{task.name}: within one SE of the best peer",
        f"{ours:.4f} against {best} {rivals.min():.4f}, {gap / max(error, 1e-9):+.1f} SE",
        "<= 1 SE",
        met=gap <= error,
    )
    feared = [n for n in ("logistic", "catboost_default", "lgbm_tuned") if n in rivals.index]
    worst = max(feared, key=lambda n: (ours - float(rivals[n])) / max(_error(task, n), 1e-9))
    gap, error = ours - float(rivals[worst]), _error(task, worst)
    bars.add(
        f"{task.name}: not worse than logistic, CatBoost, tuned LightGBM",
        f"{worst} {gap:+.4f}, {gap / max(error, 1e-9):+.1f} SE",
        "<= 1 SE",
        met=gap <= error,
    )


def _against_defaults(tasks: list[Task], losses: pd.DataFrame, bars: Bars) -> None:
    better = 0
    for task in tasks:
        gap = float(losses.loc["leadscore", task.name] - losses.loc["lgbm_default", task.name])
        better += gap < -_error(task, "lgbm_default")
    bars.add(
        "better than LightGBM's defaults beyond one SE",
        f"{better} of {len(tasks)}",
        "most",
        met=better > len(tasks) / 2,
    )


def show_cards(tasks: list[Task], measured: Mapping[str, Measurement], bars: Bars) -> None:
    shares = {task.name: measured[f"ours.{task.name}"]["clipped"] for task in tasks}
    where = max(shares, key=lambda name: shares[name])
    bars.add(
        "score card clips",
        f"at most {shares[where]:.2%} ({where})",
        "< 1 % on every set",
        met=shares[where] < 0.01,
    )


def show_drift(tasks: list[Task], bars: Bars) -> None:
    for task in tasks:
        if task.name != "bank_roworder":
            continue
        p = task.predictions["leadscore"]
        notes = evaluate_model(task.test_y, p, train_y=task.y, draws=10).notes
        print("\ndrift named:", *notes, sep="\n  ")
        bars.add(
            "drift named where a set drifts (bank in time order)",
            next((note for note in notes if "moved" in note), "not said"),
            "said, with figures",
            met=any("base rate moved" in note for note in notes),
        )


def show_steady(measured: Mapping[str, Measurement], bars: Bars) -> None:
    for name, results in measured.items():
        kind, _, task = name.partition(".")
        if kind == "newer":
            print(
                f"{task}: 10 % newer rows move scores by {results['median']:.1f} points (median), "
                f"{results['p95']:.1f} (p95); {results['flips']:.1%} of bands flip as routed"
            )
        if kind != "seed":
            continue
        bars.add(
            f"{task}: new seed moves scores",
            f"p95 {results['p95']:.1f} points",
            "<= 3",
            met=results["p95"] <= 3,
        )
        bars.add(
            f"{task}: new seed flips bands",
            f"{results['flips']:.1%} as routed (hysteresis), {results['flips_raw']:.1%} raw",
            "<= 3 % as routed",
            met=results["flips"] <= 0.03,
        )


def show_small(measured: Mapping[str, Measurement], bars: Bars) -> None:
    draws = [results for name, results in measured.items() if name.startswith("small.")]
    for name, peer in (
        ("sklearn", "scikit-learn's logistic regression"),
        ("own", "our own logistic baseline"),
    ):
        gaps = np.array([results[name] for results in draws])
        mean, error = float(gaps.mean()), float(gaps.std() / np.sqrt(len(gaps)))
        bars.add(
            f"40 + 40 outcomes: log loss against {peer}",
            f"{mean:+.5f} (SE {error:.5f}, {len(gaps)} draws)",
            "not worse: within one SE, and equal up to .0001",
            met=mean <= max(error, 1e-4),
        )
    five = measured["five"]
    bars.add(
        "5 positives: constant, with numbers", five["said"], "constant", met=five["spread"] == 0
    )


def show_worlds(measured: Mapping[str, Measurement], bars: Bars) -> None:
    rows = [dict(results) for name, results in measured.items() if name.startswith("world.")]
    promised = np.concatenate([row.pop("p") for row in rows])
    seen = np.concatenate([row.pop("y") for row in rows])
    results = pd.DataFrame(rows)
    print("\nworlds with known truth (log loss expected under the truth)")
    print(results.round(4).to_string(index=False))
    closed = float(results["closed"].sum() / results["gap"].sum())
    bars.add(
        "worlds: gap from LightGBM's defaults to the oracle closed",
        f"{closed:.0%}",
        ">= 25 %",
        met=closed >= 0.25,
    )
    slope = float(np.average(results["slope"], weights=results["test"]))
    bars.add(
        "worlds: calibration slope out of time, mean",
        f"{slope:.2f}",
        ".85 to 1.15",
        met=0.85 <= slope <= 1.15,
    )
    ece = debiased_ece(seen, promised, np.ones(len(promised)))
    bars.add("worlds: debiased ECE out of time, pooled", f"{ece:.4f}", "<= .02", met=ece <= 0.02)
    for months, part in results.groupby("months"):
        show_cells(part, f"{months} months", bars)
    covered = float(results["covered"].mean())
    bars.add(
        "worlds: 90 % intervals cover the mean truth of score bins",
        f"{covered:.0%}, mean width {results['width'].mean():.3f}",
        ">= 85 %",
        met=covered >= 0.85,
    )
    beaten = int((results["leadscore"] <= results["logistic"] + 0.001).sum())
    bars.add(
        "worlds: not worse than logistic regression",
        f"{beaten} of {len(results)}",
        "all, within .001",
        met=beaten == len(results),
    )


def show_cells(results: pd.DataFrame, history: str, bars: Bars) -> None:
    """Hold each score band's promise against what was observed; more history, a surer level."""
    cells = int(results["cells"].sum())
    kept, truth, level = (
        float(results[name].sum() / cells) for name in ("kept", "truth_kept", "level_kept")
    )
    bars.add(
        f"worlds, {history}: promised rate inside the observed 95 % Wilson interval",
        f"{kept:.1%} of {cells} band cells (the truth itself: {truth:.0%}; "
        f"with its level learned from the training outcomes: {level:.0%})",
        ">= 90 %",
        met=kept >= 0.9,
    )


def plan(tasks: list[Task], simulated: list[Task], options: argparse.Namespace) -> Jobs:
    """Name every measurement of our own, in the order in which they are worth having."""
    full = options.full
    jobs: dict[str, Callable[[], Measurement]] = {}
    worlds = [(n, kind, seed) for n in WORLDS for seed in range(4) for kind in KINDS]
    worlds = worlds if full else [(3000, kind, 1) for kind in KINDS]
    if "tasks" in options.parts:
        for task in (*tasks, *simulated):
            jobs[f"ours.{task.name}"] = lambda task=task: measure_ours(task)
    if "worlds" in options.parts:
        for n, kind, seed in worlds:
            jobs[f"world.{kind}.{n}.{seed}"] = lambda k=kind, n=n, s=seed: measure_world(k, n, s)
    if "seeds" in options.parts:
        for task in [task for task in tasks if task.name in SHORT][1 if not full else 0 :]:
            jobs[f"seed.{task.name}"] = lambda task=task: measure_seed(task)
            jobs[f"newer.{task.name}"] = lambda task=task: measure_newer(task)
    if "small" in options.parts:
        jobs["five"] = lambda: measure_five(tasks[0])
        for task in [task for task in tasks if task.name in SHORT]:
            for seed in range(10 if full else 4):
                jobs[f"small.{task.name}.{seed}"] = lambda t=task, s=seed: measure_small(t, s)
    return jobs


def measure_world(kind: str, n_leads: int, seed: int) -> Measurement:
    """Simulate and measure one world, and say how long its history is."""
    months = WORLDS.get(n_leads, 12)
    return measure(make_rows(kind, n_leads, seed, months=months)) | {"months": months}


def run(options: argparse.Namespace, state: State, share: tuple[int, int]) -> int:
    """Measure a share of everything; with a whole share print tables and bars."""
    place, bars = data_folder(), Bars()
    live = options.full and not options.recorded and "tasks" in options.parts
    if live and not all(python.exists() for python in (PEERS_PYTHON, APART_PYTHON)):
        print("the full run needs the peers: make peers")
        return 2
    tasks = [load(place / name) for name in (TASKS if options.full else SHORT)]
    simulated: list[Task] = []
    if live:
        made = [leadforge(PEERS_PYTHON, state.folder, d) for d in DIFFICULTIES]
        simulated = [load(folder) for folder in made if folder]
        seconds = {"flaml": options.flaml_seconds, "autogluon": options.autogluon_seconds}
        run_peers([*tasks, *simulated], state, seconds, share)
    jobs = plan(tasks, simulated, options)
    measured: dict[str, Measurement] = {}
    for name in list(jobs)[share[0] :: share[1]]:
        measured[name] = state.keep(name, jobs[name])
        if name.startswith(("ours", "world")):
            seconds, winner = measured[name]["seconds"], measured[name]["winner"]
            print(f"  {name}: {winner}, {seconds:.0f} s", flush=True)
    if share[1] > 1:
        return 0
    if "tasks" in options.parts:
        for task in (*tasks, *simulated):
            add_predictions(task, "leadscore", measured[f"ours.{task.name}"])
        if live:
            read_peers([*tasks, *simulated], state)
        show_tasks(tasks, pd.read_csv(place / "peers.csv"), bars)
        show_leadforge(simulated, bars)
        show_cards([*tasks, *simulated], measured, bars)
        show_drift(tasks, bars)
    if "seeds" in options.parts:
        show_steady(measured, bars)
    if "small" in options.parts:
        show_small(measured, bars)
    if "worlds" in options.parts:
        show_worlds(measured, bars)
    print("\n" + "\n".join(bars.lines))
    return bars.code


def show_leadforge(tasks: list[Task], bars: Bars) -> None:
    """Show the public simulated CRM beside live peers: ours must be within one SE of the best."""
    if not tasks:
        return
    print("\npublic simulated CRM, log loss")
    results = table(tasks, pd.DataFrame(columns=["task", "peer"]))
    print(pivot(results, "log_loss").round(4).to_string())
    print(pivot(results, "auc").round(4).to_string())
    for task in tasks:
        _task_bars(task, pivot(results, "log_loss")[task.name].dropna(), bars)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ["tasks", "worlds", "seeds", "small"]
    parser.add_argument("--full", action="store_true")
    parser.add_argument(
        "--tasks", action="store_true", help="all seven tasks beside live peers, nothing else"
    )
    parser.add_argument("--only", choices=parts, default=None)
    parser.add_argument(
        "--recorded", action="store_true", help="take the peers' figures from peers.csv alone"
    )
    parser.add_argument("--flaml-seconds", type=float, default=20.0)
    parser.add_argument(
        "--autogluon-seconds", type=float, default=0.0, help="best_v150; 0: its recorded figures"
    )
    parser.add_argument("--state", type=Path, default=None, help="keep measurements here")
    parser.add_argument("--share", default="1/1", help="measure the first of two halves: 1/2")
    options = parser.parse_args()
    if options.tasks:
        options.full, options.only = True, "tasks"
    options.parts = [options.only] if options.only else parts
    which, of = (int(number) for number in options.share.split("/"))
    with tempfile.TemporaryDirectory() as made:
        return run(options, State(options.state or Path(made)), (which - 1, of))


if __name__ == "__main__":
    sys.exit(main())
