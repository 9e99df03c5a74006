"""A refused first model -> what scores in its place: the best of logistic, rule and base rate.

A company with a handful of outcomes has no model that is proven, and still has to call somebody.
"""

from __future__ import annotations

from typing import Final

from data.schema import Project
from data.tables import Tables
from models.fit.model_choice import CONSTANT
from models.predictor import ModelFacts
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
    kind = choose_stand_in(trained)
    if {"logistic": LINE, "prior": CONSTANT}.get(kind, kind) == trained.candidates["winner"]:
        return trained
    task = FitTask(
        project,
        tables,
        trained.dataset,
        trained.audit,
        seed,
        threads,
        fast=False,
        card=None,  # it is frozen by the first model that is proven
    )
    return fit_and_evaluate(task, kind)


def choose_stand_in(trained: TrainedModel) -> str:
    """Choose on the test rows; the base rate unless line or rule is clearly better than it."""
    rows = trained.dataset.cut.test
    y, groups = trained.dataset.y[rows], trained.dataset.groups[rows]
    best, least = "prior", 0.0
    for name in ("rule", "logistic"):
        if name in trained.test:
            losses = compare_losses(y, trained.test["prior"], trained.test[name], groups)
            if losses.change < min(least, -CLEARLY * losses.error):
                best, least = name, losses.change
    return best
