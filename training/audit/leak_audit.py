"""Tables, outcomes and project -> the leak audit: runs every detector, makes one report.

Which file holds which detector says training/audit/__init__.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.clock import DAY, NEVER
from data.labels import make_snapshots, window_end
from data.reading.review import ColumnReview
from data.schema import Project
from data.tables import Outcomes, Tables
from features.build import build
from features.frame import Catalogue
from training.audit import drift, quick, structure, windows
from training.audit.cells import Floats, cells_of, deal_folds, one_feature_auc
from training.audit.replay import FeatureBuilder, replay
from training.audit.screens import fixed_attributes, screen
from training.audit.verdict import WHOLE, AuditReport, Verdict, apply_waivers
from training.dataset import Dataset, drop_features, make_dataset

Rows = NDArray[np.int64]
MAX_ABLATED = 12
Z_LEARNABLE = 2.58  # one in 200 data sets without any signal passes by chance


def audit(
    tables: Tables,
    outcomes: Outcomes,
    project: Project,
    *,
    seed: int,
    raw: pd.DataFrame | None = None,
    dataset: Dataset | None = None,
    reviews: Iterable[ColumnReview] = (),
    scopes: Mapping[str, str] | None = None,
    builder: FeatureBuilder = build,
) -> AuditReport:
    """Run all detectors.

    `dataset` is what training will use (made here if not given); `reviews` are
    `undeclared_columns(project)` of `data.reading.review`; `raw`, the leads as read, lets the row
    number and today's values of undeclared columns be looked at; `scopes` are the hashes of the
    rows that fitted transformers saw (`windows.row_hash`). Statistical detectors see training
    rows only, except S6 and S7, which examine the test rows; where no outcome tells rows apart,
    only the structural ones run.
    """
    if dataset is None:
        dataset = make_dataset(project, tables, outcomes, threads=1)
    labelled, cut, catalogue = dataset.labelled, dataset.cut, dataset.frame.catalogue
    X = dataset.frame.to_pandas()
    verdicts: list[Verdict] = []
    if not project.static:
        verdicts += replay(
            tables, labelled.snapshots, catalogue, seed=seed, builder=builder, trained=dataset.frame
        )
        verdicts += structure.shifted_clocks(tables)
    reviews = tuple(reviews)
    verdicts += structure.declared(project)
    verdicts += structure.lineage(tables, project)
    checked = checked_of(project, dataset, timed=outcomes.timed)
    if dataset.known:
        verdicts += windows.maturity(labelled, tables, outcomes, project)
    if not labelled.y.any():
        verdicts += structure.undeclared(reviews, project)
        done = {name: checked[name] for name in ("D1", "D2", "D3", "D4", "D5", "D10")}
        return finish_report(verdicts, project, catalogue, done, {})
    verdicts += windows.split(labelled, tables, cut)
    verdicts += windows.duplicates(labelled, tables, cut, X)
    if scopes:
        seen = windows.row_hash(tables, labelled.snapshots.take(cut.train))
        verdicts += windows.fit_scope(dict(scopes), seen)
    sampled = one_per_lead(tables.lead[labelled.snapshots.lead], _screened_rows(dataset), seed)
    ever = (outcomes.converted_at[labelled.snapshots.lead[sampled]] != NEVER).astype(np.int8)
    ever_too = None if project.static else ever
    counts = [f.name for f in catalogue.features if f.template == "missing_count"]
    fixed = {a.name for a in tables.attributes if a.known_at is None and a.changes is None}
    dated = {f.name for f in catalogue.features if f.params.get("column") not in fixed}
    screened = screen(
        X.iloc[sampled].drop(columns=counts),
        labelled.y[sampled],
        seed=seed,
        ever=ever_too,
        dated=frozenset(dated),
    )
    verdicts += screened.verdicts
    if not project.static:
        verdicts += fixed_attributes(tables, (outcomes.converted_at != NEVER).astype(np.int8))
    verdicts += _undeclared(
        reviews, project, screened.areas, catalogue, raw, tables, dataset, sampled, seed
    )
    verdicts += _backfilled(tables, outcomes, project, dataset, X)
    held_back = finish_report(verdicts, project, catalogue, {}, {}).quarantined
    trusted = dataset.without(held_back, tables)
    counted = trusted.frame.to_pandas().filter(counts).iloc[sampled]
    verdicts += screen(counted, labelled.y[sampled], seed=seed, ever=ever_too).verdicts
    model_verdicts, figures = _quick_models(trusted, tables, outcomes, project, reviews, seed)
    verdicts += model_verdicts
    verdicts += _row_order(tables, project, dataset, X, raw, sampled)
    return finish_report(verdicts, project, catalogue, checked, figures)


def finish_report(
    verdicts: list[Verdict],
    project: Project,
    catalogue: Catalogue,
    checked: dict[str, str],
    figures: dict[str, float],
) -> AuditReport:
    """Name columns as the project file does, sign the waivers, sort."""
    column_of = {
        f.name: str(f.params["column"]) for f in catalogue.features if "column" in f.params
    }
    features: dict[str, tuple[str, ...]] = {}
    for name, column in column_of.items():
        features[column] = (*features.get(column, ()), name)
    named = [
        replace(
            v,
            column=column_of[v.column],
            cure=v.cure.replace(f'"{v.column}"', f'"{column_of[v.column]}"'),
        )
        if v.column in column_of
        else v
        for v in verdicts
    ]
    return AuditReport(
        apply_waivers(_gravest_only(named), project.waivers), checked, figures, features
    )


def _gravest_only(verdicts: list[Verdict]) -> list[Verdict]:
    """Keep the gravest verdict per column and detector; keep all on the data as a whole."""
    kept: dict[tuple[str, str, str], Verdict] = {}
    for verdict in verdicts:
        text = verdict.reason if verdict.column == WHOLE else ""
        key = (verdict.column, verdict.detector, text)
        if key not in kept or verdict.figure > kept[key].figure:
            kept[key] = verdict
    return list(kept.values())


def one_per_lead(lead: Rows, rows: Rows, seed: int) -> Rows:
    """Choose one of each lead's rows at random, so that rows are independent: positions, sorted."""
    order = np.random.default_rng([seed, 59]).permutation(rows)
    _, first = np.unique(lead[order], return_index=True)
    return np.sort(order[first])


def _screened_rows(dataset: Dataset) -> Rows:
    """Choose the training rows; all rows where those hold under ten conversions."""
    train = dataset.cut.train
    return train if dataset.y[train].sum() >= 10 else np.arange(len(dataset.labelled))


def _undeclared(
    reviews: tuple[ColumnReview, ...],
    project: Project,
    areas: dict[str, float],
    catalogue: Catalogue,
    raw: pd.DataFrame | None,
    tables: Tables,
    dataset: Dataset,
    sampled: Rows,
    seed: int,
) -> list[Verdict]:
    """D4, with the AUC of the column alone (in time mode that of its value today)."""
    named = {
        str(f.params.get("column", f.name)): areas.get(f.name, 0.0) for f in catalogue.features
    }
    if raw is not None and project.leads.id in raw.columns:
        ids = pd.Index(raw[project.leads.id].astype(str))
        rows = ids.get_indexer(pd.Index(tables.lead_ids[dataset.labelled.snapshots.lead[sampled]]))
        y = dataset.y[sampled]
        fold = deal_folds(y, np.random.default_rng([seed, 61]))
        for review in reviews:
            if review.name in raw.columns and (rows >= 0).all() and review.name not in named:
                values = raw[review.name].iloc[rows].reset_index(drop=True)
                if pd.api.types.is_datetime64_any_dtype(values.dtype):
                    values = values.notna().astype(float)
                named[review.name] = one_feature_auc(cells_of(values), y, fold)
    verdicts = []
    for verdict in structure.undeclared(reviews, project):
        area = named.get(verdict.column, 0.0)
        reason = verdict.reason
        if area:
            alone = "alone" if project.static else "its value of today, alone,"
            reason += f"; {alone} it ranks the outcome with AUC {area:.2f}"
        verdicts.append(
            Verdict(verdict.column, "D4", verdict.severity, round(area, 4), reason, verdict.cure)
        )
    return verdicts


def _quick_models(
    dataset: Dataset,
    tables: Tables,
    outcomes: Outcomes,
    project: Project,
    reviews: tuple[ColumnReview, ...],
    seed: int,
) -> tuple[list[Verdict], dict[str, float]]:
    """S4, ablation in static mode, whether there is anything to learn, and S6, S7.

    `dataset` is what would be trained: without the columns that are in quarantine already. S6 and
    S7 judge it without those of S4 either.
    """
    X, catalogue = dataset.frame.to_pandas(), dataset.frame.catalogue
    train, y, groups = dataset.cut.train, dataset.y, dataset.groups
    if min(int(y[train].sum()), int((y[train] == 0).sum())) < 10 or not len(X.columns):
        return [], {}
    inside = X.iloc[train]
    fitted = quick.fit_quick(inside, y[train], groups[train], seed=seed, shares=True)
    verdicts = quick.dominance(inside, y[train], groups[train], fitted, seed=seed)
    if project.static:
        suspects = {review.name for review in reviews}
        named = {f.name: str(f.params.get("column", f.name)) for f in catalogue.features}
        chosen = [name for name in fitted.shares if named.get(name) in suspects]
        chosen = sorted(chosen, key=lambda name: -fitted.shares[name])[:MAX_ABLATED]
        verdicts += quick.ablate(inside, y[train], groups[train], fitted, chosen, seed=seed)
    held_back = finish_report(verdicts, project, catalogue, {}, {}).quarantined
    if held_back:
        X = dataset.without(held_back, tables).frame.to_pandas()
        fitted = quick.fit_quick(X.iloc[train], y[train], groups[train], seed=seed)
    ahead = _days_ahead(dataset, outcomes)
    test_verdicts, figures = quick.on_the_test(X, y, dataset.cut, ahead, fitted, seed=seed)
    figures["quick_auc"] = fitted.area
    figures["quick_auc_low"] = fitted.area - Z_LEARNABLE * fitted.error
    if figures["quick_auc_low"] <= 0.5:
        verdicts.append(
            Verdict(
                WHOLE,
                "S6",
                "note",
                round(fitted.area, 4),
                f"no better than the prior: a quick model reaches AUC {fitted.area:.3f}, within "
                "chance of .5",
                "there may be nothing to learn here: the test beside the "
                "baselines decides; more outcomes, or columns and events declared, would help",
            )
        )
    return verdicts + test_verdicts, figures


def _days_ahead(dataset: Dataset, outcomes: Outcomes) -> Floats | None:
    """Compute the days from as_of to conversion: (n,), infinite where there is none."""
    if not outcomes.timed:
        return None
    snapshots = dataset.labelled.snapshots
    converted = outcomes.converted_at[snapshots.lead]
    ahead = (converted - snapshots.as_of) / DAY
    return np.where(converted == NEVER, np.inf, ahead)


def _backfilled(
    tables: Tables, outcomes: Outcomes, project: Project, dataset: Dataset, X: pd.DataFrame
) -> list[Verdict]:
    """S5 on columns fixed at creation, at the youngest snapshot age."""
    fixed = {a.name for a in tables.attributes if a.known_at is None and a.changes is None}
    features = [
        f
        for f in dataset.frame.catalogue.features
        if f.template == "attribute" and f.params["column"] in fixed
    ]
    if tables.created_at is None or not features:
        return []
    every = make_snapshots(tables, outcomes, project)
    first = np.flatnonzero(np.diff(every.lead, prepend=-1) != 0)
    every = every.take(first)
    fresh = every.take(window_end(every, tables, project) > outcomes.observed_until)
    if len(fresh) < 50:
        return []
    catalogue = Catalogue(tuple(features))
    fresh_features = build(tables, fresh, catalogue).to_pandas()
    lead = dataset.labelled.snapshots.lead
    mature = np.flatnonzero(np.diff(lead, prepend=-1) != 0)
    mature_features = drop_features(
        dataset.frame, frozenset(X.columns) - {f.name for f in features}
    ).to_pandas()
    return list(drift.backfilled(mature_features.iloc[mature], fresh_features))


def _row_order(
    tables: Tables,
    project: Project,
    dataset: Dataset,
    X: pd.DataFrame,
    raw: pd.DataFrame | None,
    sampled: Rows,
) -> list[Verdict]:
    """S8 on ids, row numbers, and numbers that stand for time."""
    lead = dataset.labelled.snapshots.lead[sampled]
    ids, y = tables.lead_ids[lead], dataset.y[sampled]
    order: Floats | None = None
    if tables.created_at is not None:
        order = tables.created_at[lead].astype(np.float64)
    elif tables.order is not None:
        order = tables.order[lead].astype(np.float64)
    position: Floats | None = None
    if raw is not None and project.leads.id in raw.columns:
        position_of = pd.Index(raw[project.leads.id].astype(str)).get_indexer(pd.Index(ids))
        position = position_of.astype(np.float64)
    verdicts = list(drift.identities(ids, y, order, position))
    if project.static and order is not None:
        verdicts += drift.hidden_clocks(X.iloc[sampled], order)
    return verdicts


def checked_of(project: Project, dataset: Dataset, *, timed: bool = True) -> dict[str, str]:
    """Say which detectors ran, and on what."""
    rows, columns = len(dataset.labelled), len(dataset.frame.catalogue.features)
    static = "not in static mode: no claim about time can be made"
    replayed = static if project.static else "sampled rows rebuilt from altered tables"
    return {
        "D1": replayed,
        "D2": replayed,
        "D3": static if project.static else "declarations of all columns and both clocks",
        "D4": "columns that are not declared",
        "D5": "sources and columns that the conversion is read from",
        "D6": f"{len(dataset.cut.train)} train rows against {len(dataset.cut.test)} test rows",
        "D7": static if project.static else f"{rows} labels computed again",
        "D8": "hashes of the rows that fitted transformers saw",
        "D9": "e-mail addresses, histories, rows over the split",
        "D10": replayed,
        "S1": f"{columns} columns, one row per lead",
        "S2": f"every value, bin, side and word of {columns} columns",
        "S3": f"every level of {columns} columns",
        "S4": "contributions of a quick model" + (", ablation" if project.static else ""),
        "S5": static if project.static else "missing values of fresh against mature leads",
        "S6": "folds against "
        + ("the newest rows" if dataset.cut.in_time else "rows drawn at random"),
        "S7": "AUC by days to conversion" if timed else "nothing says when leads converted",
        "S8": "ids, row numbers" + (", hidden clocks" if project.static else ""),
        "S9": f"whether {columns} columns are filled in",
    }
