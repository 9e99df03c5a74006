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
from training.gate import Decision, challenge, first_champion
from training.registry import ModelVersion, Registry
from training.train import Trained


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a trained model; `version` is None where it was not registered."""

    version: ModelVersion | None
    decision: Decision

    @property
    def words(self) -> str:
        """Say it in one line."""
        if self.version is None:
            return f"not registered: {self.decision.words}"
        number = self.version.version
        if self.decision.promote:
            return f"version {number} is champion: {self.decision.words}"
        return (
            f"version {number} is challenger: {self.decision.words}; `leadscore promote` puts it "
            "in charge by hand"
        )


def publish(
    trained: Trained,
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

    A model with a refusal is not registered at all. `pages` are further texts of the run.
    """
    if trained.refusal is not None:
        return Published(None, first_champion(trained))
    champion = registry.champion()
    if champion is None:
        decision = first_champion(trained)
    else:
        scorer = load_artifact(champion.folder, threads=threads)
        catalogue = Catalogue.from_json(read_extra(champion.folder, "catalogue.json").decode())
        decision = challenge(trained, scorer, catalogue, tables, threads=threads, seed=seed)
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
                "decision": decision.words,
                "features": trained.dataset.frame.catalogue.fingerprint,
            },
            pages={
                **pages,
                "evaluation/metrics.csv": trained.evaluation.metrics.to_csv(index=False),
                "evaluation/verdicts.csv": trained.evaluation.verdicts.to_csv(index=False),
                "candidates.json": json.dumps(trained.candidates, indent=1, default=float),
            },
            example=made_up_rows(trained),
        )
    if decision.promote:
        registry.promote(version.version)
    else:
        registry.challenge(version.version)
    return Published(version, decision)


def write_model(trained: Trained, folder: Path) -> Manifest:
    """Write the artifact that is registered: its model card holds the advice too."""
    return replace(trained, card=trained.card.with_advice(trained.advice)).write(folder)


def run_parameters(trained: Trained, project: Project, seed: int) -> dict[str, object]:
    """Name what the run was made from: sizes, seed, conversion; never lead data."""
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


def run_metrics(trained: Trained) -> dict[str, float]:
    """Name every figure of model and baselines, with the ends of its interval."""
    found: dict[str, float] = {}
    for row in trained.evaluation.metrics.to_dict("records"):
        prefix = "" if row["model"] == "model" else f"{row['model']}_"
        for end, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            if np.isfinite(row[end]):
                found[f"{prefix}{row['metric']}{suffix}"] = float(row[end])
    return found


def made_up_rows(trained: Trained) -> pd.DataFrame:
    """Make a frame of one row that no lead ever had: it only carries names and kinds."""
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
