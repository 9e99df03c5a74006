"""One set without signal -> whether `train --fast` would make a learned model champion of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.errors import LeadScoreError
from data.reading.read_tables import read_tables
from data.schema import Project
from models.predictor import LeadScorer
from models.winners import CONSTANT, LINE
from tests.fakes.noise_sets import NoiseSet
from training.against_baselines import (
    beats_baselines,
    level_with_logistic,
    unproven_in_training,
    verdicts,
)
from training.audit import audit
from training.dataset import Dataset, make_dataset
from training.train import baselines_of, cross_fitted, fit_learner
from training.trained_model import with_card


@dataclass(frozen=True, slots=True)
class NoiseResult:
    """What became of one set: whether the learned model may be champion, and which columns stay.

    `used` are columns filled in after the outcome that a feature was made of.
    """

    shape: str
    champion: bool
    used: tuple[str, ...]
    why: str


def judge_noise(noise: NoiseSet, seed: int) -> NoiseResult:
    """Do what `train --fast` does to decide, without the figures that only a report shows."""
    project = noise.project
    try:
        tables, outcomes = read_tables(project, frames=noise.frames)
        dataset = make_dataset(project, tables, outcomes, threads=1)
        report = audit(tables, outcomes, project, seed=seed, dataset=dataset)
        report.refuse_structural()
    except LeadScoreError as error:
        return NoiseResult(noise.shape, False, (), str(error))
    dataset = dataset.without(report.quarantined, tables)
    used = tuple(_read(noise.leaks) & set(dataset.frame.catalogue.read_columns))
    champion, words, level = _decide(project, dataset, "auto", seed)
    if level:  # logistic regression takes its place
        simpler, said, _ = _decide(project, dataset, "logistic", seed)
        champion, words = (simpler, said) if simpler or not champion else (champion, words)
    return NoiseResult(noise.shape, champion and not report.refusals, used, words)


def _decide(project: Project, dataset: Dataset, learner: str, seed: int) -> tuple[bool, str, bool]:
    """Fit and judge one learner: whether it may be champion, why, whether logistic is level."""
    fitted = fit_learner(project, dataset, seed=seed, threads=1, fast=True, learner=learner)
    parts, texts = fitted.parts()
    scorer = LeadScorer(with_card(parts, fitted.margins_, project, None), texts, trusted=True)
    train, test = dataset.cut.train, dataset.cut.test
    y = dataset.y.astype(np.float64)
    line = fit_learner(project, dataset, seed=seed, threads=1, fast=True, learner="logistic")
    ahead = dataset.rows(test)
    rivals = {name: predict(ahead) for name, predict in baselines_of(dataset, line).items()}
    p = scorer.score(ahead).probability
    comparisons = verdicts(y[test], p, rivals, dataset.groups[test], seed=seed)
    beats, words = beats_baselines(comparisons)
    if beats:
        p = cross_fitted(fitted)
        chance = unproven_in_training(y[train], p, dataset.groups[train], seed=seed)
        beats, words = chance is None, chance or words
    winner = fitted.report_["winner"]
    level = level_with_logistic(comparisons) is not None and winner not in (LINE, CONSTANT)
    return beats and winner != CONSTANT, words, level


def _read(leaks: tuple[str, ...]) -> set[str]:
    """Name what features would be made of: of a leaky key, the columns joined by it."""
    joined = {"account_industry", "account_revenue", "account_country"}
    return set(leaks) | (joined if "account_id" in leaks else set())
