"""Does the score stay put, and what can be said from 40 + 40 outcomes? One measurement each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.quality_state import Measurement
from benchmarks.quality_tasks import Task
from models.fit.learner import LeadClassifier
from models.metrics import log_loss
from models.predictor import LeadScorer, ScoreCard, Scores
from models.scorecard import bands_with_hysteresis


def measure_seed(task: Task) -> Measurement:
    """Fit with two seeds, folds reseeded; compare scores on the first one's frozen card."""
    models = [LeadClassifier(random_state=s).fit(task.X, task.y, times=task.times) for s in (0, 1)]
    return _movement(*models, task.test)


def measure_newer(task: Task) -> Measurement:
    """Fit on the oldest nine tenths and on all rows: what retraining with 10 % newer rows moves."""
    times = np.arange(len(task.y)) if task.times is None else task.times
    older = np.argsort(times, kind="stable")[: int(0.9 * len(times))]
    past = None if task.times is None else times[older]
    first = LeadClassifier().fit(task.X.iloc[older], task.y[older], times=past)
    then = LeadClassifier().fit(task.X, task.y, times=task.times)
    return _movement(first, then, task.test)


def _movement(first: LeadClassifier, then: LeadClassifier, test: pd.DataFrame) -> Measurement:
    card = first.parts()[0].card
    one, two = (_scores(model, card, test) for model in (first, then))
    moved = np.abs(one.score_exact - two.score_exact)
    kept = bands_with_hysteresis(card, two.score_exact, one.band)
    return {
        "median": float(np.median(moved)),
        "p95": float(np.quantile(moved, 0.95)),
        "flips_raw": float(np.mean(one.band != two.band)),
        "flips": float(np.mean(kept != one.band)),
    }


def _scores(model: LeadClassifier, card: ScoreCard, test: pd.DataFrame) -> Scores:
    parts, texts = model.parts()
    return LeadScorer(replace(parts, card=card), texts).score(test)


def measure_small(task: Task, seed: int) -> Measurement:
    """Learn from 40 + 40 outcomes: log loss less that of logistic regression on the same rows."""
    rng = np.random.default_rng(seed)
    hits, misses = np.flatnonzero(task.y > 0), np.flatnonzero(task.y == 0)
    rows = np.r_[rng.choice(hits, 40, replace=False), rng.choice(misses, 40, replace=False)]
    X, y = task.X.iloc[rows], task.y[rows]
    ours, line = (
        LeadClassifier(random_state=seed, learner=each).fit(X, y).predict_proba(task.test)[:, 1]
        for each in ("auto", "logistic")
    )
    ones = np.ones(len(task.test_y))
    rivals = {"sklearn": logistic_peer(X, y, task.test), "own": line}
    loss = log_loss(task.test_y, ours, ones)
    return {name: loss - log_loss(task.test_y, p, ones) for name, p in rivals.items()}


def measure_five(task: Task) -> Measurement:
    """Learn from five positives: how far probabilities differ, and what is said."""
    rows = np.r_[np.flatnonzero(task.y > 0)[:5], np.flatnonzero(task.y == 0)[:200]]
    model = LeadClassifier().fit(task.X.iloc[rows], task.y[rows])
    spread = float(np.ptp(model.predict_proba(task.test)[:, 1]))
    return {"spread": spread, "said": model.report_["calibration"]}


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
