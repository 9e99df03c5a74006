"""A refused first model -> what scores in its place: rule, line, last activity or base rate.

A company with a handful of outcomes has no model that is proven, and still has to call somebody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from numpy.typing import NDArray

from data.schema import Project
from data.tables import Tables
from models.fit.baselines import latest_activity
from models.predictor import Floats
from models.winners import CONSTANT, LINE, RULE
from training.dataset import Dataset
from training.gate import compare_losses
from training.model_card import rule_words
from training.project_rule import has_rule, stated_rule
from training.small_data import assess
from training.train import FitTask, fit_and_evaluate
from training.trained_model import TrainedModel

CLEARLY: Final = 2.6
"""Standard errors by which another must beat the base rate: 1 in 200 by chance alone."""
LEARNERS: Final = {"rule": RULE, "logistic": "logistic", "recency": "logistic", "prior": "prior"}
"""What fits each stand-in; recency is the line of one column."""


def train_stand_in(
    trained: TrainedModel, project: Project, tables: Tables, *, seed: int, threads: int
) -> TrainedModel:
    """Fit what stands in for a refused model, on the rows that it was fitted on.

    That is the rule as outcomes update it where the project file states one, and where outcomes are
    too few for anything else; else the best of logistic regression, rule, last activity and base
    rate.
    """
    dataset, rows = trained.dataset, trained.dataset.cut.test
    if has_rule(project, dataset) and (
        stated_rule(project) is not None or assess(dataset.y[dataset.cut.train]).mode != "full"
    ):
        kind = RULE
    else:
        lacks = () if latest_activity(dataset.frame.catalogue.features) else ("recency",)
        test = {name: p for name, p in trained.test.items() if name not in lacks}
        kind = choose_stand_in(dataset.y[rows], test, dataset.groups[rows])
    if {"logistic": LINE, "prior": CONSTANT}.get(kind, kind) == trained.candidates["winner"]:
        return trained
    if kind == "recency":
        dataset = last_activity_alone(dataset, tables)
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
    return fit_and_evaluate(task, LEARNERS[kind])


def last_activity_alone(dataset: Dataset, tables: Tables) -> Dataset:
    """Keep the column that says how long ago the last event was, and no other."""
    features = dataset.frame.catalogue.features
    latest = latest_activity(features)
    return dataset.without(frozenset(f.name for f in features if f is not latest), tables)


def words_for(stand_in: TrainedModel) -> str:
    """Say what stands in for a model."""
    winner, features = stand_in.candidates["winner"], stand_in.dataset.frame.catalogue.features
    if winner == RULE:
        return rule_words(stand_in.card.train_leads_converted)
    if winner == CONSTANT:
        return "the base rate for every lead, as nothing else is proven better"
    if [*features] == [latest_activity(features)]:
        return "the time since the last event alone"
    return "logistic regression"


def choose_stand_in(y: NDArray[Any], test: Mapping[str, Floats], groups: NDArray[Any]) -> str:
    """Choose by the probabilities on test rows: the base rate unless another is clearly better.

    Where the refused model itself is clearly better than the base rate there is something to learn,
    and the best of what is simpler need only be better by one standard error.
    """
    losses = {
        name: compare_losses(y, test["prior"], p, groups)
        for name, p in test.items()
        if name in (*LEARNERS, "model") and name != "prior"
    }
    model = losses.pop("model", None)
    bar = 1.0 if model is not None and model.change < -CLEARLY * model.error else CLEARLY
    better = {name: each for name, each in losses.items() if each.change < -bar * each.error}
    return min(better, key=lambda name: better[name].change, default="prior")
