"""The whole training run on one screen: tables in, an evaluated model out, nothing registered yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.schema import Project
from data.tables import Outcomes, Tables
from models.artifact import Manifest, write_artifact
from models.facts import Facts, make_facts
from models.learner import LeadClassifier
from models.predictor import LeadScorer
from training.dataset import Dataset, make_dataset

Parts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trained:
    """An evaluated model, its artifact's contents, and everything that speaks for or against it."""

    project: Project
    dataset: Dataset
    parts: Parts
    forest_text: list[str]
    facts: Facts
    candidates: Mapping[str, Any]

    @property
    def scorer(self) -> LeadScorer:
        """The model as it will be applied."""
        return LeadScorer(self.parts, self.forest_text, trusted=True)

    def write(self, folder: Path) -> Manifest:
        """Write the artifact: predictor, texts, JSON, catalogue and facts."""
        extra = {
            "catalogue.json": self.dataset.frame.catalogue.to_json(),
            "facts.json": self.facts.to_json(),
        }
        return write_artifact(self.parts, self.forest_text, folder, extra=extra)


def train(
    project: Project,
    tables: Tables,
    outcomes: Outcomes,
    *,
    seed: int,
    threads: int,
    card: Mapping[str, Any] | None = None,
    fast: bool = False,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Label, cut, build, audit, fit, calibrate, evaluate.

    `card` is the frozen score card of the champion; without one the first is proposed. Raises
    GateError on a structural leak, InputError where there is nothing to learn from.
    """
    on_stage("labels, features and the cut in time")
    dataset = make_dataset(project, tables, outcomes, threads=threads)
    on_stage("fitting and choosing among candidates")
    rows = dataset.cut.train
    X, y = dataset.rows(rows), dataset.y[rows]
    learner = LeadClassifier(
        seed=seed,
        threads=threads,
        budget_s=project.train.budget / 1e6,
        fast=fast,
        catalogue=dataset.frame.catalogue,
    ).fit(
        X,
        y,
        times=dataset.labelled.order[rows],
        closes=dataset.labelled.closes_at[rows],
        groups=dataset.groups[rows],
    )
    parts, forest_text = learner.parts()
    facts = make_facts(X, y, [asdict(feature) for feature in dataset.frame.catalogue.features])
    return Trained(project, dataset, parts, forest_text, facts, learner.report_)
