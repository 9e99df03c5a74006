"""A night: leads and events from the store to scores with reasons in a Parquet file."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.feature_world import stored_parts, write_store, write_world
from benchmarks.features import default_catalogue
from benchmarks.shap_measure import Claim
from data.clock import DAY
from data.tables import Snapshots
from features.build import build
from features.frame import Catalogue
from models.explain.observed_rates import ObservedRates, make_facts
from models.explain.points import Points
from models.explain.reason_rows import reason_rows
from models.explain.reasons import reason_table
from models.explain.sentences import render, render_fact
from models.fit.encoders import feature_columns
from models.predictor import (
    CodeEncoder,
    Encoder,
    ForestPart,
    IdentityCalibration,
    LeadScorer,
    ModelParts,
    NumberEncoder,
    ScoreCard,
    design_matrix,
)

AGE = 45 * DAY
TREES, FORESTS = 300, 10


def claims(n_leads: int) -> list[Claim]:
    """Run the night on twenty events a lead and print CPU seconds by stage."""
    with tempfile.TemporaryDirectory(prefix="leadscore-night-") as scratch:
        folder = Path(scratch)
        events = write_world(folder, n_leads)
        write_store(folder / "store", n_leads)
        created = pq.read_table(folder / "leads.parquet")["created"].to_numpy()
        catalogue = default_catalogue(folder)
        frames = first_frame(folder, created, catalogue)
        parts, texts, facts = champion(frames, catalogue)
        scorer = LeadScorer(parts, texts)
        reason_table(scorer, frames.iloc[:1000])  # compiled and tabled before the night
        spent, broken = night(folder, created, catalogue, scorer, facts)
        written = pq.read_metadata(folder / "scores.parquet").num_rows
        peers = bare(folder, frames, parts, texts, n_leads)
    print(
        f"{n_leads:,} leads, {events:,} events, {len(catalogue.features)} features, "
        f"{TREES * FORESTS} trees; CPU s by stage:"
    )
    for stage, seconds in {**spent, **peers}.items():
        print(f"    {stage:34} {seconds:8.1f}")
    ratio = sum(spent.values()) / sum(peers.values())
    return [
        ("whole night, times (scan + LightGBM predict)", ratio, "<=", 3.0),
        ("leads of the night without a row of scores", float(n_leads - written), "<=", 0.0),
        ("leads of the night whose whole points miss the score", float(broken), "<=", 0.0),
    ]


def snapshots(leads: np.ndarray, created: np.ndarray) -> Snapshots:
    return Snapshots(np.arange(len(leads)), created[leads] + AGE)


def first_frame(folder: Path, created: np.ndarray, catalogue: Catalogue) -> pd.DataFrame:
    """Build the rows of the first block: what the model is fitted on."""
    leads, tables = next(stored_parts(folder / "store"))
    return build(tables, snapshots(leads, created), catalogue).to_pandas()


def champion(
    frame: pd.DataFrame, catalogue: Catalogue
) -> tuple[ModelParts, list[str], ObservedRates]:
    """Fit ten forests of 8-leaf trees on labels drawn from some of the features; count facts."""
    features = feature_columns(catalogue.features)
    encoders: list[Encoder] = []
    for feature in features:
        if feature.kind == "number":
            encoders.append(NumberEncoder(feature.name, feature.name))
        else:
            levels = tuple(str(level) for level in frame[feature.name].cat.categories)
            encoders.append(CodeEncoder(feature.name, feature.name, levels))
    X = design_matrix(frame, encoders)
    rng = np.random.default_rng(0)
    spread = np.nan_to_num((X - np.nanmean(X, axis=0)) / (np.nanstd(X, axis=0) + 1e-9))
    z = spread @ rng.normal(size=X.shape[1]) * 0.2
    y = (rng.random(len(X)) < 1 / (1 + np.exp(1.5 - z))).astype(int)
    codes = [i for i, encoder in enumerate(encoders) if encoder.kind == "codes"]
    texts = []
    for seed in range(FORESTS):
        settings = {
            "objective": "binary",
            "num_leaves": 8,
            "learning_rate": 0.03,
            "verbose": -1,
            "extra_trees": True,
            "feature_fraction": 0.6,
            "num_threads": 1,
            "seed": seed,
            "min_data_in_leaf": 40,
        }
        data = lightgbm.Dataset(X, y, categorical_feature=codes)
        texts.append(lightgbm.train(settings, data, TREES).model_to_string())
    parts = ModelParts(
        features=features,
        encoders=tuple(encoders),
        linear=None,
        forest=ForestPart(FORESTS, 1 / FORESTS),
        calibration=IdentityCalibration(),
        card=ScoreCard(10.0, 50.0, 0.2, {"A": 70, "B": 55, "C": 40}),
    )
    return parts, texts, make_facts(frame, y, features)


def night(
    folder: Path,
    created: np.ndarray,
    catalogue: Catalogue,
    scorer: LeadScorer,
    facts: ObservedRates,
) -> tuple[dict[str, float], int]:
    """Score every lead block by block: CPU seconds of each stage, leads that do not add up."""
    spent = dict.fromkeys(("read and build features", "score and explain", "words", "write"), 0.0)
    clock = time.process_time()

    def stop(stage: str) -> None:
        nonlocal clock
        spent[stage] += time.process_time() - clock
        clock = time.process_time()

    writer, broken = None, 0
    for leads, tables in stored_parts(folder / "store"):
        frame = build(tables, snapshots(leads, created), catalogue).to_pandas()
        stop("read and build features")
        table = reason_table(scorer, frame, facts=facts)
        scores = scorer.score_margin(table.margin)
        stop("score and explain")
        reasons = reason_rows(table, frame, say=render, say_fact=render_fact)
        stop("words")
        broken += not_adding_up(table.points)
        clock = time.process_time()
        page = pa.table(
            {
                "lead_id": pa.array(leads),
                "score": scores.score,
                "probability": scores.probability,
                "band": pa.array(scores.band.tolist()),
                "reasons": reasons,
            }
        )
        writer = writer or pq.ParquetWriter(folder / "scores.parquet", page.schema)
        writer.write_table(page)
        stop("write")
    assert writer is not None
    writer.close()
    stop("write")
    return spent, broken


def not_adding_up(points: Points) -> int:
    """Count the leads whose typical score, shown reasons, rest and limit miss the shown score."""
    shown = points.line_points.sum(axis=1) + points.unseen
    return int((points.typical + shown + points.rest + points.limit != points.score).sum())


def bare(
    folder: Path, frame: pd.DataFrame, parts: ModelParts, texts: list[str], n_leads: int
) -> dict[str, float]:
    """What nobody can save: reading the events once, and LightGBM's own prediction."""
    start = time.process_time()
    for _, tables in stored_parts(folder / "store"):
        events = tables.events
        for column in (events.at, events.type, events.channel, events.value):
            column.sum()
    scan = time.process_time() - start
    X = np.ascontiguousarray(design_matrix(frame, parts.encoders)[:20_000])
    boosters = [lightgbm.Booster(model_str=text) for text in texts]
    start = time.process_time()
    for booster in boosters:
        booster.predict(X, raw_score=True, num_threads=1)
    predict = (time.process_time() - start) / len(X) * n_leads
    return {"(scan alone)": scan, "(LightGBM predict, from 20 k rows)": predict}
