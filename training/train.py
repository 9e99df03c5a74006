"""The whole training run: tables in, an evaluated model out, nothing registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from data.clock import DAY
from data.feeds import Feed
from data.private import hide_contact
from data.reading.review import ColumnReview
from data.schema import Project
from data.tables import Outcomes, Tables
from models.amount_model import AmountModel
from models.explain.observed_rates import make_facts
from models.fit.baselines import fit_all
from models.fit.learner import LeadClassifier
from models.metrics import Floats
from models.predictor import LeadScorer, ScoreCard, calibrated_log_odds
from models.winners import CONSTANT, LINE, RULE
from training.advice import Advice, advise
from training.against_baselines import beats_baselines, level_with_logistic, unproven_in_training
from training.audit import AuditReport
from training.audit.windows import fit_scope, row_hash
from training.customer_value import learn_amounts
from training.dataset import Dataset
from training.day_one import train_rule
from training.evaluate import Evaluation, evaluate_model
from training.judgement import judge
from training.make_card import make_card
from training.project_rule import points_of, stated_rule
from training.random_split import promise_of_random_split
from training.sample_curve import measure_curve
from training.trained_model import TrainedModel, with_card
from training.watch.night_profile import NightProfile
from training.watch.watch_reference import make_reference, training_night

TEST_BLOCK: Final = 100_000
"""Test rows that are scored at a time: a block is encoded in float64."""
Predict = Callable[[pd.DataFrame], Floats]
"""Feature rows -> probabilities, (n,)."""


@dataclass(frozen=True, slots=True)
class FitTask:
    """What every fit of one training run shares; `card` is the frozen score card, if any.

    `night` counts the leads that are open now, for the guard of the first night. `before` is an
    earlier fit of the same run: what no learner changes is taken from it (the learning curve, the
    baselines and their figures). `line` is the logistic regression on these rows, where it is
    fitted already: the baseline and what may be shipped are one fit.
    """

    project: Project
    tables: Tables
    dataset: Dataset
    audit: AuditReport
    seed: int
    threads: int
    fast: bool
    card: ScoreCard | None
    night: NightProfile
    amounts: AmountModel | None = None
    before: TrainedModel | None = None
    line: LeadClassifier | None = None


def train(
    project: Project,
    tables: Tables,
    outcomes: Outcomes,
    *,
    seed: int,
    threads: int,
    memory: int | None = None,
    card: ScoreCard | None = None,
    fast: bool = False,
    learner: str | None = None,
    reviews: Sequence[ColumnReview] = (),
    feeds: Sequence[Feed] = (),
    on_stage: Callable[[str], None] = lambda _: None,
) -> TrainedModel:
    """Label, cut, build, audit, fit, calibrate, evaluate.

    `card` is the frozen score card of the champion; without one the first is proposed; `learner`
    overrides the project file's ("auto", "logistic"); `reviews` are the columns that the project
    file does not declare, `feeds` the rows of each source by the hour. Where not all training rows
    fit into `memory` bytes, a sample of the leads is learned from. A model that is not better
    than logistic regression by more than one standard error gives way to it. Where outcomes are too
    few to learn from, the rule of the project file takes the place of a model. GateError on a
    judgement that finds a reason to stop (`training.judgement`), or InputError where nothing can
    be learned from.
    """
    judgement = judge(
        project,
        tables,
        outcomes,
        threads=threads,
        memory=memory,
        reviews=reviews,
        feeds=feeds,
        on_stage=on_stage,
    )
    few = judgement.few_outcomes
    if few is not None and judgement.rule_can_score:
        on_stage("the rule of the project file")
        night = training_night(tables, outcomes, feeds)
        return train_rule(project, tables, judgement, night, why=str(few))
    judgement.refuse()
    report, said = judgement.report, judgement.notes
    dataset = judgement.dataset.without(report.quarantined, tables)
    del judgement  # with the columns that are in quarantine
    night = training_night(tables, outcomes, feeds)
    amounts = learn_amounts(project, tables, outcomes, dataset, seed=seed)
    task = FitTask(
        project, tables, dataset, report, seed, threads, fast, card, night, amounts.model
    )
    on_stage("fitting and choosing among candidates")
    task = replace(task, line=_fit(task, "logistic"))
    learner, notes = learner or project.train.learner, (*said, *amounts.notes)
    trained = fit_and_evaluate(task, learner, on_stage=on_stage).noting(notes)
    level = level_with_logistic(trained.evaluation.verdicts)
    if level is None or trained.candidates["winner"] in (LINE, CONSTANT, RULE):
        return trained
    simpler = fit_and_evaluate(replace(task, before=trained), "logistic")
    if simpler.shortfall and not trained.shortfall:
        return trained
    return simpler.noting((*notes, level))


def fit_and_evaluate(
    task: FitTask, learner: str, *, on_stage: Callable[[str], None] = lambda _: None
) -> TrainedModel:
    """Fit one learner on the training rows and evaluate it on the test rows."""
    project, tables, dataset, seed = task.project, task.tables, task.dataset, task.seed
    rows = dataset.cut.train
    fitted = task.line if task.line and learner == "logistic" else _fit(task, learner)
    report = check_fit_scope(task.audit, tables, dataset, fitted)
    parts, forest_text = fitted.parts()
    weights = dataset.weights(rows)
    parts = with_card(parts, fitted.margins_, project, task.card, weights)
    facts = make_facts(dataset.rows(rows), dataset.y[rows], parts.features, weights)
    advice = _advise(task, fitted, weights)
    on_stage("evaluation beside the baselines")
    scorer = LeadScorer(parts, forest_text, threads=task.threads, trusted=True)
    before = task.before
    test, evaluation = evaluate_on_test(
        project,
        tables,
        dataset,
        scorer,
        seed=seed,
        baselines={} if before else baselines_of(dataset, task.line or _fit(task, "logistic")),
        before=before,
    )
    shortfall, said = _shortfall(task, fitted, evaluation, weights)
    evaluation = replace(evaluation, notes=(*evaluation.notes, *advice.notes, *said))
    model_card = make_card(
        dataset,
        evaluation,
        test,
        fitted.report_,
        observed_until=tables.observed_until,
        horizon_days=(project.conversion.horizon or 0) / DAY,
    )
    return TrainedModel(
        dataset,
        parts,
        forest_text,
        facts,
        fitted.report_,
        report,
        evaluation,
        test,
        model_card,
        {attribute.name: attribute.kind for attribute in tables.attributes},
        advice,
        make_reference(dataset, tables, facts, task.night),
        task.amounts,
        leak=_open_leak(report),
        shortfall=shortfall,
    )


def _fit(task: FitTask, learner: str) -> LeadClassifier:
    return fit_learner(
        task.project,
        task.dataset,
        seed=task.seed,
        threads=task.threads,
        fast=task.fast,
        learner=learner,
    )


def _advise(task: FitTask, fitted: LeadClassifier, weights: Floats | None) -> Advice:
    """Advise on the training rows; of a sample of the leads, also say what all would have added."""
    dataset, rows = task.dataset, task.dataset.cut.train
    advice = advise(
        fitted,
        dataset.rows(rows),
        dataset.y[rows],
        groups=dataset.groups[rows],
        segments=_segments(task.project, task.tables, dataset.labelled.snapshots.lead[rows]),
        row_weights=weights,
        seed=task.seed,
        curve=None if task.before is None else task.before.advice.curve,
    )
    if weights is None:
        return advice
    of_train = dataset.frame.take(rows)
    curve = measure_curve(of_train, dataset.y[rows], dataset.groups[rows], weights, task.seed)
    return replace(advice, notes=(*advice.notes, curve.sentence))


def _shortfall(
    task: FitTask, fitted: LeadClassifier, evaluation: Evaluation, weights: Floats | None
) -> tuple[str | None, list[str]]:
    """Say what the model falls short of, None if of nothing, and what else there is to say."""
    dataset, rows = task.dataset, task.dataset.cut.train
    beats, words = beats_baselines(evaluation.verdicts)
    if beats and fitted.report_["winner"] == RULE:
        beats, words = False, f"too few outcomes for a model: {fitted.report_['chosen_on']}"
    if beats:
        y, p = dataset.y[rows], cross_fitted(fitted)
        chance = unproven_in_training(
            y, p, dataset.groups[rows], row_weights=weights, seed=task.seed
        )
        beats, words = chance is None, chance or words
    said = [words] if beats else []
    if dataset.times is not None and weights is None:  # of a sample, rows do not count alike
        frame, test = dataset.frame.to_pandas(), dataset.cut.test
        split = promise_of_random_split(frame, dataset.y, dataset.groups, rows, test, task.seed)
        said += [] if split is None else [split.sentence]
    return (None if beats else words), said


def check_fit_scope(
    report: AuditReport, tables: Tables, dataset: Dataset, learner: LeadClassifier
) -> AuditReport:
    """D8: prove that encoders, trees and calibration saw the training rows and no others.

    GateError where they did not.
    """
    snapshots = dataset.labelled.snapshots
    expected = row_hash(tables, snapshots.take(dataset.cut.train))
    seen = {"learner": row_hash(tables, snapshots.take(learner.rows_seen_))}
    verdicts = (*report.verdicts, *fit_scope(seen, expected))
    checked = {**report.checked, "D8": f"the learner's rows, hash {expected[:12]}"}
    checked_report = replace(report, verdicts=verdicts, checked=checked)
    checked_report.refuse_structural()
    return checked_report


def _open_leak(report: AuditReport) -> str | None:
    """Say which finding of the audit forbids to register the model."""
    if not report.refusals:
        return None
    first = report.refusals[0]
    return f"{first.detector}: {first.reason}: {first.cure}"


def fit_learner(
    project: Project,
    dataset: Dataset,
    *,
    seed: int,
    threads: int,
    fast: bool,
    learner: str | None = None,
) -> LeadClassifier:
    """Fit on the training rows of the cut; by default with the project file's learner."""
    rows = dataset.cut.train
    classifier = LeadClassifier(
        random_state=seed,
        n_jobs=threads,
        budget_s=project.train.budget / 1e6,
        learner=learner or project.train.learner,
        fast=fast,
        catalogue=dataset.frame.catalogue,
        rule=points_of(project) if learner == RULE else stated_rule(project),
        uncombined=(*project.train.sensitive, project.leads.owner or ""),
    )
    return classifier.fit(
        dataset.rows(rows),
        dataset.y[rows],
        dataset.weights(rows),
        times=None if dataset.times is None else dataset.times[rows],
        closes=None if project.static else dataset.labelled.closes_at[rows],
        groups=dataset.groups[rows],
    )


def cross_fitted(learner: LeadClassifier) -> Floats:
    """Give the probabilities of the training rows, each from folds without its own row."""
    log_odds = calibrated_log_odds(learner.parts_.calibration, learner.margins_)
    p: Floats = 1 / (1 + np.exp(-log_odds))
    return p


def evaluate_on_test(
    project: Project,
    tables: Tables,
    dataset: Dataset,
    scorer: LeadScorer,
    *,
    seed: int,
    baselines: Mapping[str, Predict],
    before: TrainedModel | None = None,
) -> tuple[dict[str, Floats], Evaluation]:
    """Score the test rows beside the `baselines`.

    `before` is an earlier fit on the same rows with the same seed, whose baselines these are too.
    """
    train_rows, test_rows = dataset.cut.train, dataset.cut.test
    probability, bands = np.empty(len(test_rows)), np.empty(len(test_rows), object)
    rivals = {name: np.empty(len(test_rows)) for name in baselines}
    if before is not None:
        rivals = {name: p for name, p in before.test.items() if name != "model"}
    for first in range(0, len(test_rows), TEST_BLOCK):
        block = slice(first, first + TEST_BLOCK)
        frame = dataset.rows(test_rows[block])
        scores = scorer.score(frame)
        probability[block], bands[block] = scores.probability, scores.band
        for name, baseline in baselines.items():
            rivals[name][block] = baseline(frame)
    lead = dataset.labelled.snapshots.lead[test_rows]
    evaluation = evaluate_model(
        dataset.y[test_rows],
        probability,
        baselines=rivals,
        as_of=None if project.static else dataset.labelled.snapshots.as_of[test_rows],
        groups=dataset.groups[test_rows],
        bands=bands,
        slices={**_slices(project, tables, lead), **_new_accounts(tables, dataset)},
        capacities=tuple(sorted({10, 25, 50, 100, 200, project.report.capacity_per_week})),
        train_y=dataset.y[train_rows],
        train_groups=dataset.groups[train_rows],
        train_weights=dataset.weights(train_rows),
        seed=seed,
        measured=None if before is None else before.evaluation.metrics,
    )
    return {"model": probability, **rivals}, evaluation


def baselines_of(dataset: Dataset, line: LeadClassifier) -> dict[str, Predict]:
    """Give the baselines that these training rows allow: prior, recency, rule, and the `line`.

    `line` is the logistic regression that would be shipped, calibrated as it would be.
    """
    rows = dataset.cut.train
    fitted = fit_all(
        dataset.rows(rows),
        dataset.y[rows].astype(np.float64),
        dataset.frame.catalogue,
        dataset.weights(rows),
    )
    scorer = line.scorer()
    known: dict[str, Predict] = {n: each.predict for n, each in fitted.items() if each.available}
    return known | {"logistic": lambda frame: scorer.score(frame).probability}


def _new_accounts(tables: Tables, dataset: Dataset) -> dict[str, np.ndarray]:
    """Name for each test row whether its account is in training too; empty without accounts."""
    account = tables.account[dataset.labelled.snapshots.lead]
    if (account < 0).all():
        return {}
    test = account[dataset.cut.test]
    known = np.isin(test, account[dataset.cut.train]) & (test >= 0)
    return {"account": np.where(known, "also in training", "new to the model")}


def _slices(project: Project, tables: Tables, lead: np.ndarray) -> dict[str, np.ndarray]:
    """Look up the declared segments, the channel and the owner of each test row, where known."""
    return _segments(project, tables, lead, also=("channel", "owner"))


def _segments(
    project: Project, tables: Tables, lead: np.ndarray, *, also: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """Look up each declared segment (and `also`) for each row of a lead, where known."""
    values = {}
    for name in dict.fromkeys((*project.train.segments, *also)):
        if name in tables.display.columns:
            shown = tables.display[name]
            hidden = {word: hide_contact(str(word)) for word in shown.dropna().unique()}
            values[name] = shown.map(hidden).to_numpy(object)[lead]
        elif any(a.name == name and a.kind == "category" for a in tables.attributes):
            values[name] = tables.attribute(name).values[lead]
    return values
