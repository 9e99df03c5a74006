"""A refused first model -> what scores in its place: the rule, logistic, or the base rate.

A company with a handful of outcomes has no model that is proven, and still has to call somebody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from numpy.typing import NDArray

from data.schema import Project
from data.tables import Tables
from models.predictor import Floats
from models.winners import CONSTANT, LINE, RULE
from training.gate import compare_losses
from training.project_rule import has_rule, stated_rule
from training.small_data import assess
from training.train import FitTask, fit_and_evaluate
from training.trained_model import TrainedModel

CLEARLY: Final = 2.6
"""Standard errors by which rule or line must beat the base rate: 1 in 200 by chance alone."""


def train_stand_in(
    trained: TrainedModel, project: Project, tables: Tables, *, seed: int, threads: int
) -> TrainedModel:
    """Fit what stands in for a refused model, on the rows that it was fitted on.

    That is the rule as outcomes update it where the project file states one, and where outcomes are
    too few for anything else; else the best of logistic regression, rule and base rate.
    """
    dataset, rows = trained.dataset, trained.dataset.cut.test
    if has_rule(project, dataset) and (
        stated_rule(project) is not None or assess(dataset.y[dataset.cut.train]).mode != "full"
    ):
        kind = RULE
    else:
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
        before=trained,
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
