"""Task folders (train, test, test labels, column kinds) -> our predictions, the peers', figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.quality_state import Measurement, State, read
from models.fit.learner import LeadClassifier
from models.metrics import (
    auc,
    average_precision,
    brier,
    debiased_ece,
    intercept,
    lift_at,
    log_loss,
    slope,
)
from models.predictor import calibrated_log_odds
from models.scorecard import clipped_share

TASKS = (
    "xeducation",
    "bpi2012_1h",
    "bpi2012_7d",
    "olist",
    "bank_random",
    "bank_roworder",
    "hillstrom_visit",
)
SHORT = ("bpi2012_1h", "bpi2012_7d", "olist")
LIVE = (
    "logistic",
    "hist_gb",
    "lgbm_default",
    "xgb_default",
    "lgbm_tuned",
    "catboost_default",
    "flaml",
    "ebm",
    "chimeraboost",
    "tabprep",
    "autogluon",
)
PEERS_PYTHON = Path(__file__).parent.parent / ".venv-peers" / "bin" / "python"
APART = ("tabprep", "autogluon")
"""Peers with an environment of their own: AutoGluon and what it brings."""
APART_PYTHON = Path(__file__).parent.parent / ".venv-peers" / "autogluon" / "bin" / "python"
FIGURES = ("log_loss", "brier", "auc", "ap", "lift10", "ece", "cal_slope", "fit_s", "fit_cpu_s")


@dataclass
class Task:
    """One task; `times` order the training rows, None where the split is random."""

    name: str
    folder: Path
    X: pd.DataFrame
    y: np.ndarray
    test: pd.DataFrame
    test_y: np.ndarray
    times: np.ndarray | None
    predictions: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)


def data_folder() -> Path:
    place = os.environ.get("LEADSCORE_DATA")
    if not place:
        print("this benchmark needs LEADSCORE_DATA, the folder of real data sets")
        sys.exit(2)
    return Path(place) / "tasks"


def load(folder: Path) -> Task:
    meta = json.loads((folder / "meta.json").read_text())
    words: dict[Any, Any] = dict.fromkeys(meta["categorical"], str)
    train = pd.read_csv(folder / "train.csv.gz", dtype=words, low_memory=False)
    test = pd.read_csv(folder / "test.csv.gz", dtype=words, low_memory=False)
    labels = pd.read_csv(folder / "test_labels.csv.gz", dtype={meta["row_id"]: str})
    truth = labels.set_index(meta["row_id"])[meta["target"]]
    columns = meta["numeric"] + meta["categorical"]
    kinds = dict.fromkeys(meta["numeric"], float) | dict.fromkeys(meta["categorical"], object)
    times = None
    if meta["time"]:
        raw = train[meta["time"]]
        numeric = pd.api.types.is_numeric_dtype(raw)
        times = (raw if numeric else pd.to_datetime(raw, format="mixed").astype("int64")).to_numpy()
    return Task(
        folder.name,
        folder,
        train[columns].astype(kinds),
        train[meta["target"]].to_numpy(dtype=np.float64),
        test[columns].astype(kinds),
        truth.loc[test[meta["row_id"]].astype(str)].to_numpy(dtype=np.float64),
        times,
    )


def fit_ours(task: Task, **options: Any) -> tuple[LeadClassifier, Measurement]:
    """Fit with one thread, as every peer: the model, seconds by the wall and of the processor."""
    wall, cpu = time.monotonic(), time.process_time()
    model = LeadClassifier(**options).fit(task.X, task.y, times=task.times)
    spent = {"seconds": time.monotonic() - wall, "cpu": time.process_time() - cpu}
    return model, spent | {"winner": model.report_["winner"]}


def measure_ours(task: Task) -> Measurement:
    """Fit and score: p of the test rows, time, the share that the proposed card clips."""
    model, results = fit_ours(task)
    parts, _ = model.parts()
    log_odds = calibrated_log_odds(parts.calibration, model.margins_)
    clipped = clipped_share(parts.card, log_odds)
    return results | {"p": model.predict_proba(task.test)[:, 1], "clipped": clipped}


def measure_peer(task: Task, peer: str, out: Path, *, seconds: float) -> None:
    """Let a peer fit with one thread in its own environment, unless it did before."""
    if out.exists():
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    script = Path(__file__).with_name("quality_peers.py")
    partial = out.with_name(f"{out.stem}.partial.npz")
    python = APART_PYTHON if peer in APART else PEERS_PYTHON
    words = [str(task.folder), peer, str(seconds), "0", "1", str(partial)]
    call = [str(python), "-P", str(script), *words]  # modules beside the script are not the peer's
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"  {peer} failed on {task.name}: {done.stderr.strip().splitlines()[-1:]}")
        return
    partial.replace(out)


def add_predictions(task: Task, peer: str, results: Measurement) -> None:
    """Put a measurement into the task's table."""
    task.predictions[peer] = results["p"]
    task.seconds[peer], task.cpu[peer] = results["seconds"], results.get("cpu", float("nan"))


def add_prior(task: Task) -> None:
    """Put the base rate of the training rows in."""
    p = np.full(len(task.test_y), task.y.mean())
    add_predictions(task, "prior", {"p": p, "seconds": 0.0, "cpu": 0.0})


def run_peers(
    tasks: list[Task], state: State, seconds: dict[str, float], share: tuple[int, int]
) -> None:
    """Let every live peer fit what it has not fitted yet; AutoGluon where it is given seconds."""
    turns = [(task, peer) for task in tasks for peer in LIVE if seconds.get(peer, 1.0)]
    for task, peer in turns[share[0] :: share[1]]:
        out = state.folder / "peers" / f"{task.name}.{peer}.npz"
        measure_peer(task, peer, out, seconds=seconds.get(peer, 0.0))


def read_peers(tasks: list[Task], state: State) -> None:
    """Put the live peers' predictions into the tasks."""
    for task in tasks:
        for peer in LIVE:
            file = state.folder / "peers" / f"{task.name}.{peer}.npz"
            if file.exists():
                add_predictions(task, peer, read(file))
        add_prior(task)


def plain_ece(y: np.ndarray, p: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over equal-width bins, as others report it (biased up)."""
    cell = np.minimum((p * bins).astype(np.int64), bins - 1)
    return float(np.abs(np.bincount(cell, weights=y - p, minlength=bins)).sum() / len(y))


def figures(task: Task, peer: str) -> dict[str, float]:
    p = task.predictions[peer]
    y, ones = task.test_y, np.ones(len(task.test_y))
    return {
        "log_loss": log_loss(y, p, ones),
        "brier": brier(y, p, ones),
        "auc": auc(y, p, ones),
        "ap": average_precision(y, p, ones),
        "lift10": lift_at(0.1)(y, p, ones),
        "ece": plain_ece(y, p),
        "debiased_ece": debiased_ece(y, p, ones),
        "cal_slope": slope(y, p, ones),
        "cal_intercept": intercept(y, p, ones),
        "fit_s": task.seconds[peer],
        "fit_cpu_s": task.cpu[peer],
    }


def table(tasks: Sequence[Task], recorded: pd.DataFrame) -> pd.DataFrame:
    """Figures of every peer on every task: live where it ran, else as recorded in peers.csv."""
    rows = []
    for task in tasks:
        for name in task.predictions:
            source = {"task": task.name, "peer": name, "source": "live"}
            rows.append(source | figures(task, name))
        known = recorded[(recorded.task == task.name) & ~recorded.peer.isin(list(task.predictions))]
        rows += [{**row, "source": "peers.csv"} for row in known.to_dict("records")]
    return pd.DataFrame(rows)


def pivot(results: pd.DataFrame, figure: str) -> pd.DataFrame:
    return results.pivot(index="peer", columns="task", values=figure)
