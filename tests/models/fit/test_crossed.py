"""The forest on made columns: what is made, what it weighs, and that its points add up."""

from __future__ import annotations

import json
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from models.artifact import write_artifact
from models.fit.crossed import find_crossing
from models.fit.encoders import TrainingColumns, describe, read_columns
from models.fit.forest_text import on_columns
from models.fit.learner import LeadClassifier
from models.predictor import CrossedEncoder, LeadScorer, LearnedEncoder, Rows, logit, sigmoid

N = 1600


def planted(n: int = N, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw leads of which only a product of two numbers and a triple of categories tells."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=["a", "b", "c", "d"])
    for name in ("source", "country", "trade"):
        frame[name] = rng.choice(["x", "y", "z", None], n, p=[0.32, 0.32, 0.31, 0.05])
    key = frame["source"].fillna("-") + frame["country"].fillna("-") + frame["trade"].fillna("-")
    effect = dict(zip(sorted(set(key)), np.random.default_rng(7).normal(0, 1.2, 200), strict=False))
    z = 1.6 * frame["a"] * frame["b"] + key.map(effect)
    return frame, (rng.random(n) < sigmoid(z.to_numpy())).astype(int)


def of_two(columns: pd.DataFrame, y: np.ndarray, threads: int, **more: object) -> LeadClassifier:
    model = LeadClassifier(members=2, repeats=2, n_jobs=threads, **more)
    return model.fit(columns, y, times=np.arange(len(y)))


@pytest.fixture(scope="module")
def model() -> LeadClassifier:
    return of_two(*planted(), threads=1)


def screened(frame: pd.DataFrame, y: np.ndarray, *apart: str) -> list[str]:
    columns: TrainingColumns = read_columns(frame, describe(frame))
    line = np.full(len(y), float(logit(np.array([y.mean()]))[0]))
    made = find_crossing(columns, y.astype(float), line, worth=1.0, apart=apart)
    return [] if made is None else made.names


def test_what_was_planted_is_made_and_weighs(model):
    assert {"a x b", "source x country x trade"} <= set(model.report_["made_columns"])
    crossed = model.report_["weight_of_made_columns"]
    assert crossed["weight"] > 0.25
    assert crossed["gain"] > crossed["standard_error"]
    encoders = model.parts_.encoders
    assert {len(e.sources) for e in encoders if isinstance(e, LearnedEncoder)} >= {1, 3}
    ahead, truth = planted(4000, seed=1)
    p = model.predict_proba(ahead)[:, 1]
    plain = LeadClassifier(members=2, repeats=2, uncombined=tuple(ahead.columns))
    other = plain.fit(*planted(), times=np.arange(N)).predict_proba(ahead)[:, 1]
    assert plain.report_["weight_of_made_columns"] == {}
    assert loss(truth, p) < loss(truth, other) - 0.01


def loss(y: np.ndarray, p: np.ndarray) -> float:
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))


@pytest.mark.parametrize("by", ["feature", "factor"])
def test_points_add_up_and_are_split_evenly_on_the_named_columns(model, by):
    frame, scorer = planted(300, seed=2)[0], model.scorer()
    frame.loc[:20, ["a", "source"]] = None
    frame.loc[20:40, "country"] = "never seen"
    found = scorer.contributions(frame, by=by)
    off = found.base + found.values.sum(axis=1) - found.margin
    assert np.abs(off).max() <= 1e-9
    np.testing.assert_allclose(found.margin, scorer.margin(frame), atol=1e-9)
    slow = scorer._slow_values(scorer.design(frame), by)
    np.testing.assert_allclose(scorer._explain(scorer.design(frame), by)[0], slow, atol=1e-9)
    targets, shares = scorer._shares(by)
    assert shares.shape[1] == 3
    for encoder, to, share in zip(scorer.encoders, targets, shares, strict=True):
        given = {scorer.targets(by)[t]: s for t, s in zip(to, share, strict=True) if s}
        assert given == dict.fromkeys(encoder.sources, 1 / len(encoder.sources))


def test_margins_are_those_of_the_line_and_of_lightgbm_itself(model):
    frame, scorer = planted(200, seed=3)[0], model.scorer()
    parts, texts = model.parts()
    expected = scorer.linear(frame)
    for text in texts:
        booster = lgb.Booster(model_str=text)
        assert booster.num_feature() == len(parts.encoders)
        expected += parts.forest.weight * booster.predict(scorer.design(frame), raw_score=True)
    np.testing.assert_allclose(scorer.margin(frame), expected, atol=1e-9)


def test_an_artifact_says_the_same_and_so_does_a_single_row(model, tmp_path: Path):
    frame = planted(50, seed=4)[0]
    write_artifact(*model.parts(), tmp_path / "model")
    scorer = LeadScorer.load(tmp_path / "model")
    assert scorer.parts.to_json() == model.parts_.to_json()
    assert any(isinstance(encoder, CrossedEncoder) for encoder in scorer.encoders)
    whole = model.scorer().contributions(frame)
    np.testing.assert_array_equal(scorer.contributions(frame).values, whole.values)
    names = ["a", "b", "c", "d"]
    words = {n: [None if pd.isna(v) else str(v) for v in frame[n]] for n in frame if n not in names}
    rows = Rows(frame[names].to_numpy(), {n: i for i, n in enumerate(names)}, words)
    np.testing.assert_array_equal(scorer.margin(rows), whole.margin)


def test_threads_do_not_change_a_byte(model):
    other = of_two(*planted(), threads=2)
    assert json.dumps(other.parts_.to_json()) == json.dumps(model.parts_.to_json())
    assert other.forest_text_ == model.forest_text_
    assert other.margins_.tobytes() == model.margins_.tobytes()


def test_columns_set_apart_are_combined_with_none():
    frame, y = planted()
    assert {"a x b", "source x country x trade"} <= set(screened(frame, y))
    kept = screened(frame, y, "b", "trade")
    assert not any(name in made.split() for made in kept for name in ("b", "trade"))


def test_of_noise_nothing_is_made_or_nothing_is_lost():
    losses = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame(rng.normal(size=(5000, 3)), columns=["a", "b", "c"])
        for name, levels in (("source", 4), ("campaign", 60), ("country", 15)):
            frame[name] = rng.choice([f"v{i}" for i in range(levels)], 5000)
        truth = sigmoid(-1 + 0.8 * frame["a"].to_numpy())
        y = (rng.random(5000) < truth).astype(int)
        train, ahead = frame[:1000], frame[1000:]
        with_it = LeadClassifier(members=3, repeats=1).fit(train, y[:1000])
        apart = LeadClassifier(members=3, repeats=1, uncombined=tuple(frame)).fit(train, y[:1000])
        p, other = (m.predict_proba(ahead)[:, 1] for m in (with_it, apart))
        gap = truth[1000:] * np.log(other / p) + (1 - truth[1000:]) * np.log((1 - other) / (1 - p))
        losses.append(float(gap.mean()))
    assert np.mean(losses) <= 0.0005
    assert max(losses) <= 0.002


def test_a_forest_reads_other_columns_of_a_wider_matrix_and_says_the_same():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(500, 2)), rng.integers(0, 5, 500)])
    y = (X[:, 0] * X[:, 1] + (X[:, 2] == 3) > 0.3).astype(float)
    params = {"objective": "binary", "verbose": -1, "monotone_constraints": [1, 0, 0]}
    text = lgb.train(params, lgb.Dataset(X, y, categorical_feature=[2]), 12).model_to_string()
    assert on_columns(text, range(3), 3) == text
    moved = lgb.Booster(model_str=on_columns(text, [4, 1, 2], 6, 2.5))
    wide = np.full((500, 6), 9.0)
    wide[:, [4, 1, 2]] = X
    raw = lgb.Booster(model_str=text).predict(X, raw_score=True)
    np.testing.assert_allclose(moved.predict(wide, raw_score=True), 2.5 * raw, atol=1e-12)
