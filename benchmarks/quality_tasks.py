"""Task folders (train, test, test labels, column kinds) -> our predictions, the peers', figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.learner import LeadClassifier
from models.metrics import (
    auc,
    average_precision,
    brier,
    debiased_ece,
    ece,
    intercept,
    lift_at,
    log_loss,
    slope,
)

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
)
FIGURES = ("log_loss", "brier", "auc", "ap", "lift10", "ece", "cal_slope", "fit_s")


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
    found: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


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


def run_ours(task: Task, *, threads: int = 2, **options: Any) -> LeadClassifier:
    started = time.monotonic()
    model = LeadClassifier(threads=threads, **options).fit(task.X, task.y, times=task.times)
    task.seconds["leadscore"] = time.monotonic() - started
    task.found["leadscore"] = model.predict_proba(task.test)[:, 1]
    return model


def run_peers(task: Task, python: Path, peers: Sequence[str], *, seconds: float) -> None:
    script = Path(__file__).with_name("quality_peers.py")
    with tempfile.TemporaryDirectory() as place:
        for peer in peers:
            out = Path(place) / f"{peer}.npz"
            call = [str(python), str(script), str(task.folder), peer, str(seconds), "0", str(out)]
            done = subprocess.run(call, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"  {peer} failed on {task.name}: {done.stderr.strip().splitlines()[-1:]}")
                continue
            with np.load(out) as found:
                task.found[peer], task.seconds[peer] = found["p"], float(found["seconds"])
    task.found["prior"] = np.full(len(task.test_y), task.y.mean())
    task.seconds["prior"] = 0.0


def figures(task: Task, p: np.ndarray, seconds: float) -> dict[str, float]:
    y, ones = task.test_y, np.ones(len(task.test_y))
    return {
        "log_loss": log_loss(y, p, ones),
        "brier": brier(y, p, ones),
        "auc": auc(y, p, ones),
        "ap": average_precision(y, p, ones),
        "lift10": lift_at(0.1)(y, p, ones),
        "ece": ece(y, p, ones),
        "debiased_ece": debiased_ece(y, p, ones),
        "cal_slope": slope(y, p, ones),
        "cal_intercept": intercept(y, p, ones),
        "fit_s": seconds,
    }


def table(tasks: Sequence[Task], recorded: pd.DataFrame) -> pd.DataFrame:
    """Figures of every peer on every task: live where it ran, else as recorded in peers.csv."""
    rows = []
    for task in tasks:
        for name, p in task.found.items():
            source = {"task": task.name, "peer": name, "source": "live"}
            rows.append(source | figures(task, p, task.seconds[name]))
        known = recorded[(recorded.task == task.name) & ~recorded.peer.isin(list(task.found))]
        rows += [{**row, "source": "peers.csv"} for row in known.to_dict("records")]
    return pd.DataFrame(rows)


def pivot(found: pd.DataFrame, figure: str) -> pd.DataFrame:
    return found.pivot(index="peer", columns="task", values=figure)
