"""One peer on one task folder, in the peers' own environment: predictions and fit time to a file.

Run as `python quality_peers.py FOLDER PEER SECONDS SEED THREADS OUT`. A task folder holds
train.csv.gz, test.csv.gz and meta.json. Nothing of leadscore is imported: the environment has only
the peers.
"""

import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")


def read(folder):
    meta = json.loads((Path(folder) / "meta.json").read_text())
    words = dict.fromkeys(meta["categorical"], str)
    train = pd.read_csv(Path(folder) / "train.csv.gz", dtype=words, low_memory=False)
    test = pd.read_csv(Path(folder) / "test.csv.gz", dtype=words, low_memory=False)
    columns = meta["numeric"] + meta["categorical"]
    X, Xt = train[columns].copy(), test[columns].copy()
    for name in meta["numeric"]:
        X[name], Xt[name] = X[name].astype(float), Xt[name].astype(float)
    for name in meta["categorical"]:
        levels = sorted(set(X[name].dropna()))
        X[name] = pd.Categorical(X[name], levels)
        Xt[name] = pd.Categorical(Xt[name], levels)
    y = train[meta["target"]].to_numpy().astype(int)
    times = train[meta["time"]] if meta.get("time") else None
    if times is not None and not pd.api.types.is_numeric_dtype(times):
        times = pd.to_datetime(times, format="mixed").astype("int64")
    return X, y, Xt, None if times is None else times.to_numpy(), meta


def words_of(X, names):
    return X.assign(**{n: X[n].astype(object).where(X[n].notna(), "missing") for n in names})


def logistic(X, y, Xt, *, meta, **_):
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    levels = OneHotEncoder(handle_unknown="ignore")
    split = ColumnTransformer([("n", numbers, meta["numeric"]), ("c", levels, meta["categorical"])])
    model = make_pipeline(split, LogisticRegression(max_iter=3000))
    names = meta["categorical"]
    return model.fit(words_of(X, names), y).predict_proba(words_of(Xt, names))[:, 1]


def hist_gb(X, y, Xt, *, meta, seed, **_):
    from sklearn.ensemble import HistGradientBoostingClassifier

    places = [X.columns.get_loc(n) for n in meta["categorical"] if len(X[n].cat.categories) < 250]
    A, B = (
        x.assign(
            **{n: x[n].cat.codes.astype(float).replace(-1, np.nan) for n in meta["categorical"]}
        )
        for x in (X, Xt)
    )
    model = HistGradientBoostingClassifier(categorical_features=places, random_state=seed)
    return model.fit(A.to_numpy(), y).predict_proba(B.to_numpy())[:, 1]


def lgbm_default(X, y, Xt, *, seed, threads, **_):
    import lightgbm as lgb

    model = lgb.LGBMClassifier(random_state=seed, verbose=-1, n_jobs=threads)
    return model.fit(X, y).predict_proba(Xt)[:, 1]


def lgbm_untuned(X, y, Xt, *, seed, threads, **_):
    import lightgbm as lgb

    model = lgb.LGBMClassifier(
        n_estimators=80,
        num_leaves=15,
        learning_rate=0.05,
        random_state=seed,
        verbose=-1,
        n_jobs=threads,
    )
    return model.fit(X, y).predict_proba(Xt)[:, 1]


def xgb_default(X, y, Xt, *, seed, threads, **_):
    import xgboost as xgb

    model = xgb.XGBClassifier(enable_categorical=True, random_state=seed, n_jobs=threads)
    return model.fit(X, y).predict_proba(Xt)[:, 1]


def catboost_default(X, y, Xt, *, meta, seed, threads, **_):
    from catboost import CatBoostClassifier

    names = meta["categorical"]
    model = CatBoostClassifier(
        random_seed=seed, verbose=False, allow_writing_files=False, thread_count=threads
    )
    model.fit(words_of(X, names), y, cat_features=names)
    return model.predict_proba(words_of(Xt, names))[:, 1]


def lgbm_tuned(X, y, Xt, *, times, seed, threads, trials=30, **_):
    import lightgbm as lgb
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y)) if times is None else np.argsort(times, kind="stable")
    cut = int(0.8 * len(y))
    fit, held = order[:cut], order[cut:]

    def params(trial):
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 4, 64, log=True),
            "min_child_samples": trial.suggest_int("min_child_samples", 5, 200, log=True),
            "reg_lambda": trial.suggest_float("reg_lambda", 0.01, 100, log=True),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1),
            "subsample": trial.suggest_float("subsample", 0.5, 1),
            "subsample_freq": 1,
        }

    def objective(trial):
        model = lgb.LGBMClassifier(
            n_estimators=2000, random_state=seed, verbose=-1, n_jobs=threads, **params(trial)
        )
        stop = lgb.early_stopping(50, verbose=False)
        model.fit(X.iloc[fit], y[fit], eval_set=[(X.iloc[held], y[held])], callbacks=[stop])
        trial.set_user_attr("rounds", model.best_iteration_)
        return model.best_score_["valid_0"]["binary_logloss"]

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=trials)
    best = study.best_trial
    model = lgb.LGBMClassifier(
        n_estimators=max(1, best.user_attrs["rounds"]),
        random_state=seed,
        verbose=-1,
        n_jobs=threads,
        subsample_freq=1,
        **best.params,
    )
    return model.fit(X, y).predict_proba(Xt)[:, 1]


def flaml(X, y, Xt, *, seconds, seed, threads, **_):
    from flaml import AutoML

    model = AutoML()
    model.fit(
        X,
        y,
        task="classification",
        metric="log_loss",
        time_budget=seconds,
        seed=seed,
        verbose=0,
        n_jobs=threads,
    )
    return model.predict_proba(Xt)[:, 1]


def ebm(X, y, Xt, *, meta, seed, threads, **_):
    from interpret.glassbox import ExplainableBoostingClassifier

    names = meta["categorical"]
    model = ExplainableBoostingClassifier(random_state=seed, n_jobs=threads)
    return model.fit(words_of(X, names), y).predict_proba(words_of(Xt, names))[:, 1]


def chimeraboost(X, y, Xt, *, meta, seed, threads, **_):
    from chimeraboost import ChimeraBoostClassifier

    names = meta["categorical"]
    model = ChimeraBoostClassifier(random_state=seed, thread_count=threads)
    model.fit(words_of(X, names), y, cat_features=[X.columns.get_loc(name) for name in names])
    return model.predict_proba(words_of(Xt, names))[:, 1]


def tabprep(X, y, Xt, *, threads, **_):
    return _autogluon(
        X,
        y,
        Xt,
        threads,
        hyperparameters={"GBM_PREP": {}},
        num_bag_folds=8,
        fit_weighted_ensemble=False,
    )


def autogluon(X, y, Xt, *, seconds, threads, **_):
    return _autogluon(X, y, Xt, threads, presets="best_v150", time_limit=seconds)


def _autogluon(X, y, Xt, threads, **how):
    from autogluon.tabular import TabularPredictor

    with tempfile.TemporaryDirectory() as place:
        model = TabularPredictor("outcome", eval_metric="log_loss", path=place, verbosity=0)
        model.fit(X.assign(outcome=y), num_cpus=threads, **how)
        return model.predict_proba(Xt)[1].to_numpy()


PEERS = {
    "logistic": logistic,
    "hist_gb": hist_gb,
    "lgbm_default": lgbm_default,
    "lgbm_untuned": lgbm_untuned,
    "xgb_default": xgb_default,
    "lgbm_tuned": lgbm_tuned,
    "catboost_default": catboost_default,
    "flaml": flaml,
    "ebm": ebm,
    "chimeraboost": chimeraboost,
    "tabprep": tabprep,
    "autogluon": autogluon,
}


def cpu_seconds():
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def peak_mb() -> float:
    """MB held by this process at its peak; `ru_maxrss` begins with what its parent held."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main():
    folder, peer, seconds, seed, threads, out = sys.argv[1:7]
    X, y, Xt, times, meta = read(folder)
    given = {"times": times, "meta": meta, "seconds": float(seconds)}
    wall, cpu = time.monotonic(), cpu_seconds()
    p = PEERS[peer](X, y, Xt, seed=int(seed), threads=int(threads), **given)
    spent = {"seconds": time.monotonic() - wall, "cpu": cpu_seconds() - cpu}
    spent["peak_mb"] = peak_mb()
    np.savez(out, p=np.asarray(p, dtype=float), **spent)


if __name__ == "__main__":
    main()
