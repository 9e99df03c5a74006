"""The middle of the road from a CRM to a CRM: tables -> trained artifact -> score file."""

from __future__ import annotations

from pathlib import Path

from data.schema import Project
from data.tables import Outcomes, Tables
from serving.loaded_model import LoadedModel, load_model
from serving.run_moment import RunMoment
from serving.score import score_leads
from serving.scoring_run import write_scores
from training.registry import ModelVersion
from training.train import train


def train_model(project: Project, tables: Tables, outcomes: Outcomes, folder: Path) -> LoadedModel:
    """Train as `leadscore train` does, write the artifact, and load it from there."""
    trained = train(project, tables, outcomes, seed=0, threads=1, fast=True)
    trained.write(folder)
    return load_model(ModelVersion("1", folder, {}))


def score_file(
    project: Project,
    read: tuple[Tables, Outcomes],
    model: LoadedModel,
    path: Path,
    *,
    as_of: int,
) -> Path:
    """Score every lead that is open at `as_of` (microseconds UTC) into a score file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scored = score_leads(project, *read, model, RunMoment(as_of, as_of, f"score-{as_of}"))
    return write_scores(scored, path)
