"""The training run refuses a learner that was fitted on other rows than the training rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.clock import DAY, NEVER
from data.delay import delay_curve
from data.errors import FewOutcomesError, GateError
from data.project import load_project
from data.reading.read_tables import read_tables
from data.world import make_world, write_world
from training.audit import AuditReport
from training.dataset import make_dataset
from training.evaluation_plots import plot_delay
from training.train import _new_accounts, check_fit_scope, fit_learner


@pytest.fixture(scope="module")
def fitted_tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write_world(make_world("consulting", 1200, 5), folder, project="examples/consulting.toml")
    project = load_project(folder / "consulting.toml")
    return project, *read_tables(project)


@pytest.fixture(scope="module")
def fitted(fitted_tables):
    project, tables, outcomes = fitted_tables
    dataset = make_dataset(project, tables, outcomes, threads=1)
    return tables, dataset, fit_learner(project, dataset, seed=0, threads=1, fast=True)


def test_a_learner_of_the_training_rows_passes_and_leaves_its_hash(fitted):
    tables, dataset, learner = fitted
    report = check_fit_scope(AuditReport((), {}, {}), tables, dataset, learner)
    assert "hash" in report.checked["D8"]
    assert not report.structural


def test_a_learner_that_saw_one_test_row_is_refused(fitted):
    tables, dataset, learner = fitted
    honest = learner.rows_seen_
    learner.rows_seen_ = np.append(honest, dataset.cut.test[0])
    with pytest.raises(GateError, match="D8"):
        check_fit_scope(AuditReport((), {}, {}), tables, dataset, learner)
    learner.rows_seen_ = honest


def test_one_class_and_no_mature_rows_are_too_few_outcomes_with_numbers(fitted_tables):
    project, tables, outcomes = fitted_tables
    nobody = replace(outcomes, converted_at=np.full(len(tables), NEVER))
    with pytest.raises(FewOutcomesError, match=r"one class only: 0 of \d+ mature snapshots"):
        make_dataset(project, tables, nobody, threads=1)
    soon = int(tables.created_at.min()) + DAY  # the first lead is a day old
    with pytest.raises(FewOutcomesError, match="no snapshot is mature"):
        make_dataset(
            project,
            replace(tables, observed_until=soon),
            replace(outcomes, observed_until=soon),
            threads=1,
        )


def test_new_accounts_are_shown_beside_known_ones(fitted):
    tables, dataset, _ = fitted
    groups = _new_accounts(tables, dataset)["account"]
    assert set(groups) <= {"also in training", "new to the model"}
    test = tables.account[dataset.labelled.snapshots.lead[dataset.cut.test]]
    train = tables.account[dataset.labelled.snapshots.lead[dataset.cut.train]]
    assert not np.isin(test[groups == "new to the model"], train[train >= 0]).any()


def test_the_delay_plot_shows_both_ends_of_a_lead_and_the_horizon(fitted_tables):
    project, tables, outcomes = fitted_tables
    axes = plot_delay(delay_curve(tables, outcomes, project)).axes[0]
    labels = {line.get_label() for line in axes.lines}
    assert labels == {"converted", "disqualified", "horizon"}
