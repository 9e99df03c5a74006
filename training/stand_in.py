"""A refused first model -> what scores in its place: the best of logistic, rule and base rate.

A company with a handful of outcomes has no model that is proven, and still has to call somebody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from numpy.typing import NDArray

from data.schema import Project
from data.tables import Tables
from models.fit.model_choice import CONSTANT
from models.predictor import Floats, ModelFacts
from training.gate import compare_losses
from training.train import LINE, FitTask, TrainedModel, fit_and_evaluate

CLEARLY: Final = 2.6
"""Standard errors by which rule or line must beat the base rate: 1 in 200 by chance alone."""
STAND_INS: Final = (CONSTANT, "rule")


def is_stand_in(meta: ModelFacts) -> bool:
    """Tell whether a model learned no more than a level: any proven model may take its place."""
    return meta.learner in STAND_INS


def train_stand_in(
    trained: TrainedModel, project: Project, tables: Tables, *, seed: int, threads: int
) -> TrainedModel:
    """Fit the best of logistic regression, rule and base rate on the rows of a refused model."""
    dataset, rows = trained.dataset, trained.dataset.cut.test
    kind = choose_stand_in(dataset.y[rows], trained.test, dataset.groups[rows])
    if {"logistic": LINE, "prior": CONSTANT}.get(kind, kind) == trained.candidates["winner"]:
        return trained
    task = FitTask(
        project,
        tables,
        dataset,
        trained.audit,
        seed,
        threads,
        fast=False,
        card=None,  # it is frozen by the first model that is proven
        night=trained.reference.night,
        amounts=trained.amounts,
    )
    return fit_and_evaluate(task, kind)


def choose_stand_in(y: NDArray[Any], test: Mapping[str, Floats], groups: NDArray[Any]) -> str:
    """Choose by the probabilities on test rows: the base rate unless another is clearly better."""
    best, least = "prior", 0.0
    for name in ("rule", "logistic"):
        if name in test:
            losses = compare_losses(y, test["prior"], test[name], groups)
            if losses.change < min(least, -CLEARLY * losses.error):
                best, least = name, losses.change
    return best
