"""A trained model -> its artifact, an MLflow run, a version, and perhaps the champion."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from data.clock import DAY
from data.schema import Project
from data.tables import Outcomes, Tables
from features.frame import Catalogue
from models.artifact import Manifest, load_artifact, read_extra
from training.gate import GateDecision, judge_challenger, judge_first_model
from training.registry import ModelVersion, Registry
from training.train import TrainedModel


@dataclass(frozen=True, slots=True)
class Published:
    """The result of publishing a trained model; `version` is None where it was not registered."""

    version: ModelVersion | None
    decision: GateDecision

    @property
    def sentence(self) -> str:
        """Describe the result in one line."""
        if self.version is None:
            return f"not registered: {self.decision.sentence}"
        number = self.version.version
        if self.decision.promote:
            return f"version {number} is champion: {self.decision.sentence}"
        return (
            f"version {number} is challenger: {self.decision.sentence}; `leadscore promote` "
            "makes it champion by hand"
        )


def publish(
    trained: TrainedModel,
    registry: Registry,
    project: Project,
    tables: Tables,
    *,
    pages: Mapping[str, str],
    tags: Mapping[str, str],
    threads: int,
    seed: int,
) -> Published:
    """Register a model that beats its baselines; promote it where the gate is open.

    A model with a refusal is not registered at all. `pages` are further texts to log with the run.
    """
    if trained.refusal is not None:
        return Published(None, judge_first_model(trained))
    champion = registry.champion()
    if champion is None:
        decision = judge_first_model(trained)
    else:
        scorer = load_artifact(champion.folder, threads=threads)
        catalogue = Catalogue.from_json(read_extra(champion.folder, "catalogue.json").decode())
        decision = judge_challenger(trained, scorer, catalogue, tables, threads=threads, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        artifact = Path(folder) / "leadscore"
        manifest = write_model(trained, artifact)
        version = registry.register(
            artifact,
            params=run_parameters(trained, project, seed),
            metrics=run_metrics(trained),
            tags={
                **tags,
                "content": manifest.version,
                "decision": decision.sentence,
                "features": trained.dataset.frame.catalogue.fingerprint,
            },
            pages={
                **pages,
                "evaluation/metrics.csv": trained.evaluation.metrics.to_csv(index=False),
                "evaluation/verdicts.csv": trained.evaluation.verdicts.to_csv(index=False),
                "candidates.json": json.dumps(trained.candidates, indent=1, default=float),
            },
            example=example_row(trained),
        )
    if decision.promote:
        registry.promote(version.version)
    else:
        registry.challenge(version.version)
    return Published(version, decision)


def write_model(trained: TrainedModel, folder: Path) -> Manifest:
    """Write the artifact that is registered: its model card holds the advice too."""
    return replace(trained, card=trained.card.with_advice(trained.advice)).write(folder)


def run_parameters(trained: TrainedModel, project: Project, seed: int) -> dict[str, object]:
    """List the run's parameters: sizes, seed, conversions; never lead data."""
    dataset = trained.dataset
    return {
        "seed": seed,
        "learner": trained.candidates.get("winner", "constant"),
        "horizon_days": (project.conversion.horizon or 0) / DAY,
        "rows": len(dataset.labelled),
        "train_rows": len(dataset.cut.train),
        "test_rows": len(dataset.cut.test),
        "train_conversions": int(dataset.y[dataset.cut.train].sum()),
        "test_conversions": int(dataset.y[dataset.cut.test].sum()),
        "features": len(dataset.frame.catalogue.features),
    }


def run_metrics(trained: TrainedModel) -> dict[str, float]:
    """List every figure of model and baselines, with the ends of its interval."""
    metrics: dict[str, float] = {}
    for row in trained.evaluation.metrics.to_dict("records"):
        prefix = "" if row["model"] == "model" else f"{row['model']}_"
        for end, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            if np.isfinite(row[end]):
                metrics[f"{prefix}{row['metric']}{suffix}"] = float(row[end])
    return metrics


def example_row(trained: TrainedModel) -> pd.DataFrame:
    """Make a frame of one made-up row: it gives the signature its column names and kinds."""
    catalogue = trained.dataset.frame.catalogue
    row: dict[str, object] = {f.name: np.zeros(1, np.float32) for f in catalogue.numbers}
    row |= {feature.name: ["example"] for feature in catalogue.categories}
    return pd.DataFrame(row)


def data_fingerprint(tables: Tables, outcomes: Outcomes) -> str:
    """Hash sizes, time range and clocks of what was read: equal data, equal hash."""
    digest = hashlib.sha256()
    for array in (
        outcomes.converted_at,
        outcomes.disqualified_at,
        tables.events.at,
        tables.events.type,
        tables.account,
    ):
        digest.update(np.ascontiguousarray(array).tobytes())
    for attribute in tables.attributes:
        digest.update(attribute.name.encode())
        digest.update(pd.util.hash_array(np.asarray(attribute.values)).tobytes())
    digest.update("\n".join(map(str, tables.lead_ids)).encode())
    digest.update(str(tables.observed_until).encode())
    return digest.hexdigest()[:32]
