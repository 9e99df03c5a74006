"""Is the probability the best there is, and does it come true? `python -m benchmarks.quality`.

The default run takes three real tasks (peers as recorded in peers.csv), one simulated world and
the small things; `--full` runs all seven tasks beside live peers (make peers), the public
simulated CRM in its three difficulties, ten worlds with known truth, seeds and 40 + 40 outcomes.
Choices are made inside train; the same recipe goes for all sets.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.quality_tasks import (
    FIGURES,
    LIVE,
    SHORT,
    TASKS,
    Task,
    data_folder,
    load,
    pivot,
    run_ours,
    run_peers,
    table,
)
from benchmarks.quality_worlds import KINDS, leadforge, make_rows, measure
from models.baselines import fit_logistic
from models.learner import LeadClassifier
from models.metrics import compare, debiased_ece, log_loss, log_losses
from models.predictor import LeadScorer, calibrated_log_odds
from models.scorecard import clipped_share, route
from training.evaluate import evaluate_model

PEERS_PYTHON = Path(__file__).parent.parent / ".venv-peers" / "bin" / "python"


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
    found = table(tasks, recorded)
    for figure in FIGURES:
        print(f"\n{figure}")
        print(pivot(found, figure).round(4 if figure != "fit_s" else 1).to_string())
    losses = pivot(found, "log_loss")
    ranks = losses.rank().mean(axis=1).sort_values()
    print("\nmean rank by log loss\n" + ranks.round(2).to_string())
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
    return found


def _error(task: Task, peer: str) -> float:
    """Give the standard error of the difference: paired where the peer ran, else of our own loss.

    A recorded peer has no rows to pair with; half our own standard error is what the paired one
    amounts to at a correlation of .87 between row losses, which live peers exceed.
    """
    if peer in task.found:
        return compare(task.test_y, task.found["leadscore"], task.found[peer]).error
    own = log_losses(task.test_y, task.found["leadscore"])
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


def show_cards(models: dict[str, LeadClassifier], tasks: list[Task], bars: Bars) -> None:
    worst, where = 0.0, ""
    for task in tasks:
        parts, _ = models[task.name].parts()
        log_odds = calibrated_log_odds(parts["calibration"], models[task.name].margins_)
        share = clipped_share(parts["card"], log_odds)
        worst, where = max((worst, where), (share, task.name))
    bars.add("score card clips", f"at most {worst:.2%} ({where})", "< 1 % on every set",
             met=worst < 0.01)  # fmt: skip


def show_drift(tasks: list[Task], bars: Bars) -> None:
    for task in tasks:
        if task.name != "bank_roworder":
            continue
        p = task.found["leadscore"]
        notes = evaluate_model(task.test_y, p, train_rate=task.y.mean(), draws=10).notes
        print("\ndrift named:", *notes, sep="\n  ")
        bars.add(
            "drift named where a set drifts (bank in time order)",
            next((note for note in notes if "moved" in note), "not said"),
            "said, with figures",
            met=any("base rate moved" in note for note in notes),
        )


def show_seeds(tasks: list[Task], bars: Bars) -> None:
    """Fit with two seeds, folds reseeded; compare scores on the first one's frozen card."""
    for task in tasks:
        scores = []
        card = None
        for seed in (0, 1):
            model = LeadClassifier(seed=seed, threads=2).fit(task.X, task.y, times=task.times)
            parts, texts = model.parts()
            card = card or parts["card"]
            scores.append(LeadScorer({**parts, "card": card}, texts).score(task.test))
        moved = np.abs(scores[0].score_exact - scores[1].score_exact)
        assert card is not None
        kept = route(card, scores[1].score_exact, scores[0].band)
        raw = float(np.mean(scores[0].band != scores[1].band))
        flips = float(np.mean(kept != scores[0].band))
        p95 = float(np.quantile(moved, 0.95))
        bars.add(f"{task.name}: new seed moves scores", f"p95 {p95:.1f} points", "<= 3",
                 met=p95 <= 3)  # fmt: skip
        bars.add(
            f"{task.name}: new seed flips bands",
            f"{flips:.1%} as routed (hysteresis), {raw:.1%} raw",
            "<= 3 % as routed",
            met=flips <= 0.03,
        )


def show_newer_rows(task: Task) -> None:
    """Retrain with the newest tenth of the rows added; print how far scores move."""
    assert task.times is not None
    order = np.argsort(task.times, kind="stable")
    older = order[: int(0.9 * len(order))]
    first = LeadClassifier(threads=2).fit(
        task.X.iloc[older], task.y[older], times=task.times[older]
    )
    then = LeadClassifier(threads=2).fit(task.X, task.y, times=task.times)
    parts, texts = first.parts()
    one = LeadScorer(parts, texts).score(task.test)
    parts_then, texts_then = then.parts()
    two = LeadScorer({**parts_then, "card": parts["card"]}, texts_then).score(task.test)
    moved = np.abs(one.score_exact - two.score_exact)
    flips = np.mean(route(parts["card"], two.score_exact, one.band) != one.band)
    print(
        f"\n{task.name}: 10 % newer rows move scores by {np.median(moved):.1f} points (median), "
        f"{np.quantile(moved, 0.95):.1f} (p95); {flips:.1%} of bands flip as routed"
    )


def show_small(tasks: list[Task], bars: Bars, draws: int) -> None:
    """Learn from 40 + 40 outcomes, many times; compare with the logistic line on the same rows."""
    gaps = []
    for task in tasks:
        for seed in range(draws):
            rng = np.random.default_rng(seed)
            hits, misses = np.flatnonzero(task.y > 0), np.flatnonzero(task.y == 0)
            rows = np.r_[rng.choice(hits, 40, replace=False), rng.choice(misses, 40, replace=False)]
            X, y = task.X.iloc[rows], task.y[rows]
            ones = np.ones(len(task.test_y))
            p = LeadClassifier(seed=seed).fit(X, y).predict_proba(task.test)[:, 1]
            rivals = (logistic_peer(X, y, task.test), fit_logistic(X, y).predict(task.test))
            ours = log_loss(task.test_y, p, ones)
            gaps.append([ours - log_loss(task.test_y, q, ones) for q in rivals])
    means, errors = np.mean(gaps, axis=0), np.std(gaps, axis=0) / np.sqrt(len(gaps))
    named = ("scikit-learn's logistic regression", "our own logistic baseline")
    for name, mean, error in zip(named, means, errors, strict=True):
        bars.add(
            f"40 + 40 outcomes: log loss against {name}",
            f"{mean:+.4f} (SE {error:.4f}, {len(gaps)} draws)",
            "not worse",
            met=mean <= error,
        )
    task = tasks[0]
    rows = np.r_[np.flatnonzero(task.y > 0)[:5], np.flatnonzero(task.y == 0)[:200]]
    five = LeadClassifier().fit(task.X.iloc[rows], task.y[rows])
    spread = float(np.ptp(five.predict_proba(task.test)[:, 1]))
    bars.add("5 positives: constant, with numbers", five.report_["calibration"], "constant",
             met=spread == 0)  # fmt: skip


def logistic_peer(X: pd.DataFrame, y: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    """Fit the peer: one-hot, scaled, default penalty."""
    words = [n for n in X.columns if not pd.api.types.is_numeric_dtype(X[n].dtype)]
    numbers = [n for n in X.columns if n not in words and X[n].notna().any()]
    scaled = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    levels = OneHotEncoder(handle_unknown="ignore")
    split = ColumnTransformer([("n", scaled, numbers), ("c", levels, words)])
    model = make_pipeline(split, LogisticRegression(max_iter=3000))
    filled, ahead = (
        x.assign(**{n: x[n].where(x[n].notna(), "missing").astype(str) for n in words})
        for x in (X, test)
    )
    p: np.ndarray = model.fit(filled, y).predict_proba(ahead)[:, 1]
    return p


def show_worlds(worlds: list[tuple[str, int, int]], bars: Bars) -> None:
    rows = []
    for kind, n_leads, seed in worlds:
        rows.append(measure(make_rows(kind, n_leads, seed)))
        last = rows[-1]
        print(f"  {last['world']}: {last['winner']}, {last['seconds']:.0f} s", flush=True)
    said = np.concatenate([row.pop("p") for row in rows])
    seen = np.concatenate([row.pop("y") for row in rows])
    found = pd.DataFrame(rows)
    print("\nworlds with known truth (log loss expected under the truth)")
    print(found.round(4).to_string(index=False))
    closed = float(found["closed"].sum() / found["gap"].sum())
    bars.add("worlds: gap from LightGBM's defaults to the oracle closed", f"{closed:.0%}",
             ">= 25 %", met=closed >= 0.25)  # fmt: skip
    slope = float(np.average(found["slope"], weights=found["test"]))
    bars.add("worlds: calibration slope out of time, mean", f"{slope:.2f}", ".85 to 1.15",
             met=0.85 <= slope <= 1.15)  # fmt: skip
    ece = debiased_ece(seen, said, np.ones(len(said)))
    bars.add("worlds: debiased ECE out of time, pooled", f"{ece:.4f}", "<= .02", met=ece <= 0.02)
    kept = float(found["kept"].sum() / found["cells"].sum())
    bars.add(
        "worlds: promised rate inside the observed 95 % Wilson interval",
        f"{kept:.0%} of {found['cells'].sum()} band cells",
        ">= 90 %",
        met=kept >= 0.9,
    )
    covered = float(found["covered"].mean())
    bars.add(
        "worlds: 90 % intervals cover the mean truth of score bins",
        f"{covered:.0%}, mean width {found['width'].mean():.3f}",
        ">= 85 %",
        met=covered >= 0.85,
    )
    beaten = int((found["leadscore"] <= found["logistic"] + 0.001).sum())
    bars.add("worlds: not worse than logistic regression", f"{beaten} of {len(found)}",
             "all, within .001", met=beaten == len(found))  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", choices=["tasks", "worlds", "seeds", "small"], default=None)
    parser.add_argument(
        "--recorded", action="store_true", help="take the peers' figures from peers.csv alone"
    )
    parser.add_argument("--flaml-seconds", type=float, default=20.0)
    options = parser.parse_args()
    place, bars, full = data_folder(), Bars(), options.full
    wanted = {options.only} if options.only else {"tasks", "worlds", "seeds", "small"}
    live = full and not options.recorded
    if live and not PEERS_PYTHON.exists():
        print("the full run needs the peers: make peers")
        return 2
    recorded = pd.read_csv(place / "peers.csv").rename(columns={"task": "task"})
    tasks = [load(place / name) for name in (TASKS if full else SHORT)]
    if "tasks" in wanted:
        with tempfile.TemporaryDirectory() as made:
            if live:
                simulated = [
                    leadforge(PEERS_PYTHON, Path(made), d)
                    for d in ("intro", "intermediate", "advanced")
                ]
                show_leadforge([load(f) for f in simulated if f], options.flaml_seconds, bars)
        models = {}
        for task in tasks:
            models[task.name] = run_ours(task)
            print(f"  {task.name}: {models[task.name].report_['winner']}, "
                  f"{task.seconds['leadscore']:.0f} s", flush=True)  # fmt: skip
            if live:
                run_peers(task, PEERS_PYTHON, LIVE, seconds=options.flaml_seconds)
        show_tasks(tasks, recorded, bars)
        show_cards(models, tasks, bars)
        show_drift(tasks, bars)
    if "seeds" in wanted:
        show_seeds([t for t in tasks if t.name in (SHORT if full else SHORT[1:2])], bars)
        show_newer_rows(next(task for task in tasks if task.name == "bpi2012_7d"))
    if "small" in wanted:
        show_small([t for t in tasks if t.name in SHORT], bars, 10 if full else 4)
    if "worlds" in wanted:
        many = [(kind, 6000, seed) for kind in KINDS for seed in range(4)]
        show_worlds(many if full else [(kind, 3000, 1) for kind in KINDS], bars)
    print("\n" + "\n".join(bars.lines))
    return bars.code


def show_leadforge(tasks: list[Task], seconds: float, bars: Bars) -> None:
    """Run the public simulated CRM beside live peers: ours must be within one SE of the best."""
    for task in tasks:
        run_ours(task)
        run_peers(task, PEERS_PYTHON, LIVE, seconds=seconds)
    print("\npublic simulated CRM, log loss")
    empty = pd.DataFrame(columns=["task", "peer"])
    found = table(tasks, empty)
    print(pivot(found, "log_loss").round(4).to_string())
    print(pivot(found, "auc").round(4).to_string())
    for task in tasks:
        _task_bars(task, pivot(found, "log_loss")[task.name].dropna(), bars)


if __name__ == "__main__":
    sys.exit(main())
