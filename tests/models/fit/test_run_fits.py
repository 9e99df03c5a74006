"""Fits of folds as tasks of indices: threads and the workers of a cluster give the same bytes."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import joblib
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from data.errors import InputError, OutsideError
from models.fit.encoders import Design, describe, read_columns
from models.fit.folds import assign_folds
from models.fit.forest import Recipe, fit_forests
from models.fit.learner import LeadClassifier
from models.fit.run_fits import MemberSpec, boost, tasks_of
from serving import cluster as dask_cluster
from serving.cluster import open_cluster
from serving.fits_on_cluster import fits_on

HERE = ("127.0.0.1",)


def rows(n: int = 900) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({f"a{i}": rng.normal(size=n).astype(np.float32) for i in range(4)})
    frame["source"] = rng.choice(np.array(["web", "fair", None], dtype=object), n)
    z = frame["a0"] * 1.5 + frame["a1"] * frame["a2"]
    return frame, (rng.random(n) < 1 / (1 + np.exp(1 - z))).astype(int)


def fitted(threads: int) -> LeadClassifier:
    frame, y = rows()
    times, groups = np.arange(len(y)), np.arange(len(y)) // 2
    model = LeadClassifier(fast=True, n_jobs=threads)
    return model.fit(frame, y, np.where(y, 1.0, 2.5), times=times, groups=groups)


def contents(model: LeadClassifier) -> tuple[str, tuple[str, ...], bytes]:
    return json.dumps(model.parts_.to_json()), model.forest_text_, model.margins_.tobytes()


def test_threads_and_the_processes_of_a_cluster_give_the_same_texts_and_margins():
    one = contents(fitted(1))
    assert len(one[1]) > 1
    assert contents(fitted(2)) == one
    with open_cluster("local", workers=2) as client, joblib.parallel_config("dask", client=client):
        assert contents(fitted(1)) == one
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        with pytest.raises(OutsideError, match="no Dask scheduler answers"):  # another user's
            next(open_cluster(address, workers=1, allow=HERE).gen)


def test_forests_of_one_fold_share_its_data_and_are_those_that_grow_alone():
    frame, y = rows()
    columns, target = read_columns(frame, describe(frame)), y.astype(float)
    fold = assign_folds(target, None, 3, 0)
    design = Design.make(columns, target, fold, targets=[("source",)])
    assert design.matrix.dtype == np.float32
    starts = np.tile(np.where(y, 0.1, -0.1), (3, 1))
    recipes = {
        "boosted": Recipe(rate=0.1, patience=10),
        "extra": Recipe(rate=0.1, patience=10),
        "deep": Recipe(rate=0.1, patience=10, leaves=31, l2=1.0, extra=False),
    }
    together = fit_forests(design, fold, recipes, starts=starts, seed=5, threads=1)
    spread = fit_forests(design, fold, recipes, starts=starts, seed=5, threads=9)
    for kind, recipe in recipes.items():
        alone = fit_forests(design, fold, {kind: recipe}, starts=starts, seed=5)[kind]
        for forests in (together, spread):
            assert forests[kind].texts == alone.texts
            np.testing.assert_array_equal(forests[kind].out_of_fold, alone.out_of_fold)


def test_steps_are_small_for_the_first_trees_and_then_grow_up_to_the_largest():
    recipe = Recipe(rate=0.03, steady=50, gain=25, most=0.2)
    steps = {1: 0.03, 60: 0.03, 61: 0.042, 70: 0.042, 101: 0.09, 191: 0.198, 201: 0.2, 3000: 0.2}
    assert {tree: round(recipe.rate_at(tree), 9) for tree in steps} == steps
    assert replace(recipe, rate=0.3).rate_at(500) == 0.3  # never smaller than it began


def test_a_larger_step_draws_new_random_cuts_and_the_text_predicts_as_the_booster():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    y = (X[:, 0] * X[:, 1] + X[:, 2] + rng.normal(size=2000) > 0).astype(float)
    recipe = Recipe(columns=1.0, rows=1.0, steady=0, patience=10**6, rounds=60)
    data = lgb.Dataset(X, y)
    member = MemberSpec("extra", recipe.params(3, ()), recipe.rate_at, 60, 10**6, starts=False)
    booster = boost(data, lgb.Dataset(X[:500], y[:500], reference=data), member)
    text = booster.model_to_string()
    first_cuts = [cuts.split()[0] for cuts in re.findall(r"^threshold=(.*)$", text, re.MULTILINE)]
    assert len(first_cuts) < 60  # steps are larger: so many of `rate` are fewer trees
    assert len(set(first_cuts[::10])) == len(first_cuts[::10])  # one for each step
    again = lgb.Booster(model_str=text).predict(X, raw_score=True)
    np.testing.assert_array_equal(again, booster.predict(X, num_iteration=-1, raw_score=True))


def test_more_threads_than_folds_part_the_members_of_a_fold():
    class Spec:
        starts = False

    tasks = tasks_of([0, 1], [lambda _: Spec(), lambda _: Spec()], threads=4)
    assert [(task.fold, len(task.members)) for task in tasks] == [(0, 1), (0, 1), (1, 1), (1, 1)]
    assert len(tasks_of([0, 1], [lambda _: Spec(), lambda _: Spec()], threads=2)) == 2


def test_a_scheduler_that_does_not_answer_is_one_line_and_exit_4(monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    no_answer = pytest.raises(OutsideError, match="no Dask scheduler answers at tcp://127")
    with no_answer, fits_on("tcp://127.0.0.1:1", workers=1, allow=HERE):
        pass


def fit_while_the_scheduler_goes(cluster) -> None:
    with fits_on(cluster.scheduler_address, workers=1, allow=HERE, gone_after=2.0):
        cluster.close()
        fitted(1)


def test_a_scheduler_whose_host_is_not_allowed_is_never_connected_to():
    for address, host in (
        ("tcp://evil.example:8786", "evil.example"),
        ("10.0.0.7:8786", "10.0.0.7"),
        ("tls://127.0.0.1@evil.example:8786", "evil.example"),
        ("tcp://169.254.169.254:80", "169.254.169.254 is link-local"),
    ):
        refused = pytest.raises(InputError, match=re.escape(host))
        with refused, fits_on(address, workers=1, allow=HERE):
            pass


def test_a_scheduler_that_goes_away_ends_the_wait():
    import distributed

    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    )
    with pytest.raises(OutsideError, match="did not finish the fits"):
        fit_while_the_scheduler_goes(cluster)
