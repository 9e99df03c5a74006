"""What each group of features earns on real and simulated CRMs, with plain regularised LightGBM.

`python -m benchmarks.ablation [--full] [--seed N] [GROUP ...]`. All on purged forward folds inside
the training part: the test part is never read. For a group of the default catalogue: the default
against the default without it (`here`), and the base (attributes, counts ever, recency per type)
against the base with it (`alone`; for the base's own groups, without it). For a group that the
default leaves out, marked *: the default with it against the default. Gains are in log loss, in
thousandths, with the standard error of the paired difference by lead, means over several simulated
companies of a kind.

The rule: a group is in the default catalogue where it gains 2 SE on some data set; one marked *
comes in only if no data set loses 2 SE by it.
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
from models.folds import Split, forward_splits

EXAMPLES = Path(__file__).parents[1] / "examples"
BASE = ("attributes", "counts ever", "recency by type")
FOLDS, SEEDS = 3, 2
LEAST = 200  # rows of the past that a fold learns from
# three years until the examples' observed_until: forward folds inside train need closed windows
YEARS = {"months": 36, "start": "2023-11-01"}
CELLS = ("here", "se", "alone", "se_alone")
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
ONLY = [group for group in GROUPS if group in sys.argv]


@dataclass(frozen=True)
class Task:
    """Training rows, their purged forward folds, and the columns of each group."""

    X: pd.DataFrame
    y: np.ndarray
    lead: np.ndarray
    folds: list[Split]
    groups: dict[str, list[str]]

    @property
    def ahead(self) -> np.ndarray:
        """Positions of the rows that are predicted, fold after fold."""
        return np.concatenate([rows for _, rows in self.folds])


def group_of(feature: Feature) -> str | None:
    key = feature.template
    if key == "decayed_count" and feature.params.get("event"):
        key = "decayed_count*"
    return next((name for name, templates in GROUPS.items() if key in templates), None)


def make_task(project_file: Path) -> Task:
    project = load_project(project_file)
    tables, outcomes = read_tables(project)
    catalogue: Catalogue = with_extras(make_catalogue(tables, project), tables, project)
    labelled = label(make_snapshots(tables, outcomes, project), tables, outcomes, project)
    labelled = labelled.take(purged_cut(labelled, project.train.test_share).train)
    frame = build(tables, labelled.snapshots, catalogue).to_pandas()
    groups: dict[str, list[str]] = {}
    for feature in catalogue.features:
        group = group_of(feature)
        assert group is not None, feature.template
        groups.setdefault(group, []).append(feature.name)
    lead = labelled.snapshots.lead
    folds = forward_splits(labelled.order, labelled.closes_at, lead, FOLDS, first=0.5)
    enough = [fold for fold in folds if len(fold[0]) >= LEAST]
    return Task(frame, labelled.y, lead, enough, groups)


def losses(task: Task, columns: list[str]) -> np.ndarray:
    """Fit on the past of each fold; return the log loss of each row ahead."""
    X = task.X[columns].rename(columns={c: f"c{i}" for i, c in enumerate(columns)})
    parts = []
    for past, ahead in task.folds:
        p = np.zeros(len(ahead))
        for seed in range(SEEDS):
            model = lgb.LGBMClassifier(
                n_estimators=120, learning_rate=0.05, num_leaves=12, min_child_samples=40,
                colsample_bytree=0.4, subsample=0.8, subsample_freq=1, reg_lambda=20,
                cat_smooth=50, random_state=seed, n_jobs=1, verbose=-1,
            )  # fmt: skip
            model.fit(X.iloc[past], task.y[past])
            p += model.predict_proba(X.iloc[ahead])[:, 1] / SEEDS
        y, p = task.y[ahead], np.clip(p, 1e-6, 1 - 1e-6)
        parts.append(-(y * np.log(p) + (1 - y) * np.log(1 - p)))
    return np.concatenate(parts)


def gain(task: Task, without: np.ndarray, with_it: np.ndarray) -> tuple[float, float]:
    """Mean gain in log loss and its standard error over leads, in thousandths."""
    by_lead = pd.Series(without - with_it).groupby(task.lead[task.ahead])
    sums, n = by_lead.sum(), len(without) / 1000
    return float(sums.sum() / n), float(np.sqrt(((sums - sums.mean()) ** 2).sum()) / n)


def ablate(name: str, task: Task) -> pd.DataFrame:
    """Measure the groups of one data set: gain and standard error, here and alone."""
    default = [c for g, columns in task.groups.items() if not g.endswith("*") for c in columns]
    base = [c for g in BASE for c in task.groups.get(g, [])]
    whole, small = losses(task, default), losses(task, base)
    past = [len(rows) for rows, _ in task.folds]
    print(f"{name}: {min(past):,} to {max(past):,} rows, {len(task.ahead):,} ahead in {len(past)} "
          f"folds, {len(default)} columns, log loss {whole.mean():.4f}; base {small.mean():.4f}",
          flush=True)  # fmt: skip
    rows = {}
    for group, columns in task.groups.items():
        if ONLY and group not in ONLY:
            continue
        if group.endswith("*"):
            here = gain(task, whole, losses(task, [*default, *columns]))
        else:
            here = gain(task, losses(task, [c for c in default if c not in set(columns)]), whole)
        if group in BASE:
            alone = gain(task, losses(task, [c for c in base if c not in set(columns)]), small)
        else:
            alone = gain(task, small, losses(task, [*base, *columns]))
        rows[group] = dict(zip(CELLS, (*here, *alone), strict=True))
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(CELLS))


def together(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Average the gains of several companies of one kind, and their standard errors with them."""
    whole = pd.concat(tables)
    found = whole.groupby(level=0).mean()
    for se in ("se", "se_alone"):
        squares = (whole[se] ** 2).groupby(level=0)
        found[se] = np.sqrt(squares.sum()) / squares.size()
    return found


def verdict(group: str, here: list[tuple[float, float]], alone: list[tuple[float, float]]) -> str:
    """Say what the rule makes of the gains of one group over the data sets."""
    times = [value / max(se, 1e-9) for value, se in here]
    best = max(times, default=0.0)
    if not group.endswith("*"):
        best = max([best, *(value / max(se, 1e-9) for value, se in alone)])
        return f"{best:5.1f} SE at best  {'stays' if best >= 2 else 'GOES OUT'}"
    comes = best >= 2 and min(times) > -2
    return f"{best:5.1f} SE at best  {'COMES IN' if comes else 'stays out'}"


def main() -> int:
    full = "--full" in sys.argv
    if not os.environ.get("LEADSCORE_DATA"):
        print("LEADSCORE_DATA is not set: the real data sets are needed", file=sys.stderr)
        return 2
    first = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 11
    leads, companies = (12_000, 3) if full else (6_000, 2)
    tables: dict[str, pd.DataFrame] = {}
    for name in ("bpi2012", "bpi2012_approved"):
        tables[name] = ablate(name, make_task(EXAMPLES / f"{name}.toml"))
    with tempfile.TemporaryDirectory(prefix="leadscore-ablation-") as scratch:
        for kind in ("software_trial", "consulting", "digital_agency"):
            found = []
            for seed in range(first, first + companies):
                folder = Path(scratch) / f"{kind}-{seed}"
                write_world(make_world(kind, leads, seed, **YEARS), folder)
                file = folder / f"{kind}.toml"
                file.write_text((EXAMPLES / f"{kind}.toml").read_text())
                found.append(ablate(f"{kind}, seed {seed}", make_task(file)))
            tables[kind] = together(found)
    print("\ngain in log loss x 1000, here and alone; * not in the default catalogue")
    print(f"{'group':24s}" + "".join(f"{n[:17]:>26s}" for n in tables))
    for group in ONLY or GROUPS:
        rows = [t.loc[group] if group in t.index else None for t in tables.values()]
        cells = "".join(
            f"{'-':>26s}" if r is None
            else f"{r.here:7.2f} ±{r.se:4.2f}{r.alone:7.2f} ±{r.se_alone:4.2f}  "
            for r in rows
        )  # fmt: skip
        there = [r for r in rows if r is not None]
        print(f"{group:24s}{cells}", verdict(
            group, [(r.here, r.se) for r in there], [(r.alone, r.se_alone) for r in there]
        ))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
