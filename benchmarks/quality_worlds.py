"""Worlds with a known truth, through the product's own road: how near do we come to the oracle?

A world is written as CRM tables, read by its example project file, cut in time, and built into
features. On the test rows the true probability is known exactly: it is the best that anybody could
say, given everything that happened before as_of.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from benchmarks.quality_state import Measurement
from data.labels import window_end
from data.project import load_project
from data.reading.read_tables import read_tables
from data.world.make import make_world, write_world
from models.fit.calibration import level_missed
from models.fit.learner import LeadClassifier
from models.metrics import debiased_ece, log_loss, slope
from models.predictor import LeadScorer, logit, sigmoid
from models.reliability import reliability_by
from training.dataset import make_dataset

KINDS = ("software_trial", "consulting", "digital_agency")
OBSERVED_UNTIL = pd.Timestamp("2026-11-01")  # as the example projects say


@dataclass
class Rows:
    """Training and test rows of a world, and the truth of the test rows."""

    name: str
    X: pd.DataFrame
    y: np.ndarray
    times: np.ndarray
    closes: np.ndarray
    groups: np.ndarray
    test: pd.DataFrame
    test_y: np.ndarray
    test_leads: np.ndarray
    truth: np.ndarray
    truth_at_level: np.ndarray
    catalogue: Any


def make_rows(kind: Any, n_leads: int, seed: int, *, months: int = 12) -> Rows:
    """Simulate a company over `months` up to the day of the example projects, cut and built."""
    start = OBSERVED_UNTIL - pd.DateOffset(months=months)
    world = make_world(kind, n_leads, seed, months=months, start=f"{start:%Y-%m-%d}")
    with tempfile.TemporaryDirectory() as place:
        example = Path(__file__).parent.parent / "examples" / f"{kind}.toml"
        write_world(world, place, project=example)
        project = load_project(Path(place) / example.name)
        tables, outcomes = read_tables(project)
    dataset = make_dataset(project, tables, outcomes, threads=1)
    train, test = dataset.cut.train, dataset.cut.test
    past, ahead = (dataset.labelled.snapshots.take(rows) for rows in (train, test))
    known, truth = (
        world.truth.probability(tables.lead_ids[s.lead], s.as_of, window_end(s, tables, project))
        for s in (past, ahead)
    )
    truth = np.clip(truth, 1e-6, 1 - 1e-6)
    missed = level_missed(logit(np.clip(known, 1e-6, 1 - 1e-6)), dataset.y[train].astype(float))
    return Rows(
        f"{kind} {seed}",
        dataset.rows(train),
        dataset.y[train].astype(np.float64),
        dataset.labelled.order[train],
        dataset.labelled.closes_at[train],
        dataset.groups[train],
        dataset.rows(test),
        dataset.y[test].astype(np.float64),
        ahead.lead,
        truth,
        sigmoid(logit(truth) + missed.shift),
        dataset.frame.catalogue,
    )


def measure(rows: Rows, *, threads: int = 1) -> Measurement:
    """Fit ours, LightGBM's defaults and the logistic line; compare all with the truth."""
    started = time.monotonic()
    given = {"times": rows.times, "closes": rows.closes, "groups": rows.groups}
    model = LeadClassifier(n_jobs=threads, catalogue=rows.catalogue)
    model.fit(rows.X, rows.y, **given)
    seconds = time.monotonic() - started
    scores = LeadScorer(*model.parts()).score(rows.test)
    p = scores.probability
    default = lgb.LGBMClassifier(verbose=-1, random_state=0, n_jobs=threads)
    q = default.fit(rows.X, rows.y.astype(int)).predict_proba(_levels_of(rows.test, rows.X))[:, 1]
    logistic = LeadClassifier(n_jobs=threads, catalogue=rows.catalogue, learner="logistic")
    line = logistic.fit(rows.X, rows.y, **given).predict_proba(rows.test)[:, 1]
    ones, y = np.ones(len(p)), rows.test_y
    # expected log loss under the truth: the noise of the outcomes cancels
    ours, theirs, linear, oracle = (_expected(rows.truth, x) for x in (p, q, line, rows.truth))
    cells = reliability_by(scores.band, y, p, rows.test_leads)
    cover, width = coverage(rows.truth, p, scores.low, scores.high)
    return {
        "world": rows.name,
        "train": len(rows.y),
        "test": len(y),
        "rate": float(y.mean()),
        "oracle": oracle,
        "leadscore": ours,
        "logistic": linear,
        "lgbm_default": theirs,
        "gap": theirs - oracle,
        "closed": theirs - ours,
        "log_loss": log_loss(y, p, ones),
        "slope": slope(y, p, ones),
        "ece": debiased_ece(y, p, ones),
        "cells": len(cells),
        "kept": int(cells["kept"].sum()),
        "truth_kept": _kept_by(rows.truth, rows, scores.band),
        "level_kept": _kept_by(rows.truth_at_level, rows, scores.band),
        "covered": cover,
        "width": width,
        "winner": model.report_["winner"],
        "seconds": seconds,
        "y": y,
        "p": p,
    }


def _kept_by(p: np.ndarray, rows: Rows, band: np.ndarray) -> int:
    """Count the cells in which a perfect knower would keep the promise: what chance allows.

    The truth itself, or the truth whose level had to be learned from the training outcomes.
    """
    return int(reliability_by(band, rows.test_y, p, rows.test_leads)["kept"].sum())


def coverage(truth: np.ndarray, p: np.ndarray, low: np.ndarray, high: np.ndarray) -> Any:
    """Share of score bins whose mean truth lies in the bin's mean interval, and mean width."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, 11)[1:-1]))
    cell = np.searchsorted(edges, p)
    held = [
        low[cell == k].mean() <= truth[cell == k].mean() <= high[cell == k].mean()
        for k in np.unique(cell)
    ]
    return float(np.mean(held)), float(np.mean(high - low))


def _expected(truth: np.ndarray, p: np.ndarray) -> float:
    q = np.clip(p, 1e-9, 1 - 1e-9)
    return float(-np.mean(truth * np.log(q) + (1 - truth) * np.log1p(-q)))


def _levels_of(frame: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    changed = {
        name: pd.Categorical(frame[name], like[name].cat.categories)
        for name in frame.columns
        if isinstance(like[name].dtype, pd.CategoricalDtype)
    }
    return frame.assign(**changed)


LEAKS = ("current_stage", "is_sql", "total_touches_all")
NO_FEATURES = ("account_id", "contact_id", "lead_id", "lead_created_at", *LEAKS)
LABEL = "converted_within_90_days"


def leadforge(python: Path, place: Path, difficulty: str, *, seed: int = 1) -> Path | None:
    """Let the public generator make a CRM and lay it out as a task folder; None if it cannot."""
    raw, folder = place / f"raw_{difficulty}", place / f"leadforge_{difficulty}"
    if (folder / "meta.json").exists():
        return folder
    call = [str(python.parent / "leadforge"), "generate", "--recipe", "b2b_saas_procurement_v1"]
    call += ["--seed", str(seed), "--mode", "research_instructor", "--difficulty", difficulty]
    done = subprocess.run([*call, "--out", str(raw)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"  leadforge failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    parts = {
        part: pd.read_parquet(raw / "tasks" / LABEL / f"{part}.parquet")
        for part in ("train", "valid", "test")
    }
    folder.mkdir(parents=True, exist_ok=True)
    train = pd.concat([parts["train"], parts["valid"]], ignore_index=True)
    columns = [name for name in train.columns if name not in (*NO_FEATURES, LABEL)]
    words = [n for n in columns if not pd.api.types.is_numeric_dtype(train[n].dtype)]
    words += [n for n in columns if pd.api.types.is_bool_dtype(train[n].dtype) and n not in words]
    meta = {
        "row_id": "lead_id",
        "target": LABEL,
        "categorical": words,
        "numeric": [name for name in columns if name not in words],
        "time": None,
    }
    for name, part in (("train", train), ("test", parts["test"])):
        kept = part[["lead_id", *columns]].assign(**{LABEL: part[LABEL].astype(int)})
        if name == "test":
            kept[["lead_id", LABEL]].to_csv(folder / "test_labels.csv.gz", index=False)
            kept = kept.drop(columns=LABEL)
        kept.to_csv(folder / f"{name}.csv.gz", index=False)
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder
