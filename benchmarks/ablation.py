"""What each group of features earns on real and simulated CRMs, with plain regularised LightGBM.

`python -m benchmarks.ablation [--full]`. For every group: the full catalogue without it, and the
base (attributes, counts ever, recency per type) with nothing but it; for the base's own groups,
the base against the base without it. Gains are in log loss on the
purged test cut, in thousandths, with the standard error of the paired difference by lead. Groups
that earn nothing anywhere are left out of the default catalogue.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd

from data.labels import label, make_snapshots
from data.project import load_project
from data.read import read_tables
from data.splits import purged_cut
from data.world import make_world, write_world
from features.build import build
from features.catalogue import make_catalogue
from features.extras import with_extras
from features.frame import Catalogue, Feature

ONLY = [a for a in sys.argv[1:] if not a.startswith("--")]  # names of groups
EXAMPLES = Path(__file__).parents[1] / "examples"
BASE = ("attributes", "counts ever", "recency by type")
GROUPS: dict[str, tuple[str, ...]] = {
    "attributes": ("attribute",),
    "counts ever": ("count_ever",),
    "recency by type": ("days_since",),
    "counts in windows": ("count_window",),
    "all events": ("count_all_window", "count_all_ever"),
    "active days": ("active_days",),
    "first and last event": ("days_since_first_event", "days_since_last_event"),
    "which was first, last": ("first_event", "last_event"),
    "gaps": ("mean_gap_days",),
    "first week": ("first_week_count",),
    "streak": ("streak_days",),
    "trend": ("trend",),
    "fading, all events": ("decayed_count",),
    "fading, by type *": ("decayed_count*",),
    "ordered pairs *": ("pair_after",),
    "direction": ("inbound_count", "outbound_count"),
    "response time *": ("response_hours",),
    "channels *": ("n_channels", "first_channel", "last_channel"),
    "campaigns, people": ("n_campaigns", "n_people"),
    "amounts": ("value_sum", "value_max"),
    "account siblings *": ("account_leads", "account_events", "account_days_since"),
    "age": ("age_days",),
    "calendar": ("created_month", "created_weekday", "created_hour"),
    "title, e-mail": ("seniority", "department", "email_domain_kind"),
    "known since, missing": ("known_since", "missing_count"),
}


@dataclass(frozen=True)
class Task:
    name: str
    X: pd.DataFrame
    y: np.ndarray
    lead: np.ndarray
    train: np.ndarray
    test: np.ndarray
    groups: dict[str, list[str]]


def group_of(feature: Feature) -> str | None:
    key = feature.template
    if key == "decayed_count" and feature.params.get("event"):
        key = "decayed_count*"
    return next((name for name, templates in GROUPS.items() if key in templates), None)


def make_task(name: str, project_file: Path) -> Task:
    project = load_project(project_file)
    tables, outcomes = read_tables(project)
    catalogue: Catalogue = with_extras(make_catalogue(tables, project), tables, project)
    labelled = label(make_snapshots(tables, outcomes, project), tables, outcomes, project)
    frame = build(tables, labelled.snapshots, catalogue).to_pandas()
    groups: dict[str, list[str]] = {}
    for feature in catalogue.features:
        group = group_of(feature)
        assert group is not None, feature.template
        groups.setdefault(group, []).append(feature.name)
    cut = purged_cut(labelled, project.train.test_share)
    return Task(name, frame, labelled.y, labelled.snapshots.lead, cut.train, cut.test, groups)


def losses(task: Task, columns: list[str], seeds: int) -> tuple[np.ndarray, float]:
    """Fit on train, return the log loss of each test row and the AUC."""
    X = task.X[columns].rename(columns={c: f"c{i}" for i, c in enumerate(columns)})
    p = np.zeros(len(task.test))
    for seed in range(seeds):
        model = lgb.LGBMClassifier(
            n_estimators=120, learning_rate=0.05, num_leaves=12, min_child_samples=40,
            colsample_bytree=0.4, subsample=0.8, subsample_freq=1, reg_lambda=20,
            cat_smooth=50, random_state=seed, n_jobs=1, verbose=-1,
        )  # fmt: skip
        model.fit(X.iloc[task.train], task.y[task.train])
        p += model.predict_proba(X.iloc[task.test])[:, 1] / seeds
    y = task.y[task.test]
    p = np.clip(p, 1e-6, 1 - 1e-6)
    ranks = pd.Series(p).rank().to_numpy()
    n1, n0 = y.sum(), (1 - y).sum()
    auc = (ranks[y == 1].sum() - n1 * (n1 + 1) / 2) / (n1 * n0)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)), float(auc)


def gain(task: Task, without: np.ndarray, with_it: np.ndarray) -> tuple[float, float]:
    """Mean gain in log loss and its standard error over leads."""
    by_lead = pd.Series(without - with_it).groupby(task.lead[task.test])
    sums, n = by_lead.sum(), len(without)
    return float(sums.sum() / n), float(np.sqrt(((sums - sums.mean()) ** 2).sum()) / n)


def ablate(task: Task, seeds: int) -> pd.DataFrame:
    everything = [c for columns in task.groups.values() for c in columns]
    base = [c for g in BASE for c in task.groups.get(g, [])]
    full, full_auc = losses(task, everything, seeds)
    small, small_auc = losses(task, base, seeds)
    print(f"{task.name}: {len(task.train):,} + {len(task.test):,} rows, {len(everything)} columns, "
          f"log loss {full.mean():.4f}, AUC {full_auc:.3f}; base {small.mean():.4f}, "
          f"{small_auc:.3f}", flush=True)  # fmt: skip
    rows = {}
    for group, columns in task.groups.items():
        if ONLY and group not in ONLY:
            continue
        rest, _ = losses(task, [c for c in everything if c not in set(columns)], seeds)
        dropped = gain(task, rest, full)
        if group in BASE:
            less, _ = losses(task, [c for c in base if c not in set(columns)], seeds)
            added = gain(task, less, small)
        else:
            more, _ = losses(task, [*base, *columns], seeds)
            added = gain(task, small, more)
        rows[group] = {"kept": dropped[0], "se": dropped[1], "added": added[0], "se2": added[1]}
    return pd.DataFrame.from_dict(rows, orient="index") * 1000


def main() -> int:
    full = "--full" in sys.argv
    if not os.environ.get("LEADSCORE_DATA"):
        print("LEADSCORE_DATA is not set: the real data sets are needed", file=sys.stderr)
        return 2
    leads, seeds = (10_000, 3) if full else (3_000, 2)
    tables: dict[str, pd.DataFrame] = {}
    with tempfile.TemporaryDirectory(prefix="leadscore-ablation-") as scratch:
        files = {n: EXAMPLES / f"{n}.toml" for n in ("bpi2012", "bpi2012_approved")}
        for kind in ("software_trial", "consulting", "digital_agency"):
            folder = Path(scratch) / kind
            write_world(make_world(kind, leads, 11), folder)
            files[kind] = folder / f"{kind}.toml"
            files[kind].write_text((EXAMPLES / f"{kind}.toml").read_text())
        for name, file in files.items():
            tables[name] = ablate(make_task(name, file), seeds)
    print("\ngain in log loss x 1000: kept (full without it - full), added (base - base with it)")
    print("* not in the default catalogue")
    print(f"{'group':24s}" + "".join(f"{n[:17]:>24s}" for n in tables))
    earned = []
    for group in ONLY or GROUPS:
        cells, best = "", -np.inf
        for table in tables.values():
            if group in table.index:
                kept, se, added, se2 = table.loc[group, ["kept", "se", "added", "se2"]]
                cells += f"{kept:8.2f}±{se:4.2f}{added:7.2f}±{se2:4.2f}"
                best = np.nanmax([best, kept / max(se, 1e-9), added / max(se2, 1e-9)])
            else:
                cells += f"{'-':>24s}"
        earned.append((best, group))
        print(f"{group:24s}{cells}   {best:5.1f} SE at best")
    nothing = sorted(group for best, group in earned if best < 1)
    print(f"\nearn nothing anywhere (< 1 SE): {', '.join(nothing) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
