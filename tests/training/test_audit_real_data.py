"""The audit on four real data sets: their known traps are refused, quarantined or listed."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.project import load_project
from data.reading.read_tables import read_tables
from data.reading.review import undeclared_columns
from data.schema_tables import Join
from training.audit import audit
from training.dataset import make_dataset

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        not os.environ.get("LEADSCORE_DATA"),
        reason="set LEADSCORE_DATA to the folder of the real data sets",
    ),
]
EXAMPLES = Path(__file__).parents[2] / "examples"
ALL = ("bpi2012", "bpi2012_approved", "olist", "x_education", "bank")


def audited(name: str, *, nothing_excluded: bool = False, shuffled: bool = False):
    project = load_project(EXAMPLES / f"{name}.toml")
    if nothing_excluded:
        leads = project.leads.model_copy(update={"exclude": ()})
        project = project.model_copy(update={"leads": leads})
    tables, outcomes = read_tables(project)
    dataset = make_dataset(project, tables, outcomes, threads=1)
    if shuffled:
        y = np.random.default_rng(0).permutation(dataset.y)
        dataset = replace(dataset, labelled=replace(dataset.labelled, y=y))
    return audit(
        tables, outcomes, project, seed=0, dataset=dataset, reviews=undeclared_columns(project)
    )


@pytest.mark.parametrize("name", ALL)
def test_the_examples_as_declared_have_nothing_to_stop_or_hold(name):
    report = audited(name)
    assert [v for v in report.verdicts if v.severity in ("structural", "quarantine")] == []
    assert report.figures["quick_auc_low"] > 0.5
    assert 0.6 < report.figures["quick_auc_test"] < 0.92


@pytest.mark.parametrize("name", ALL)
def test_with_shuffled_labels_it_says_no_better_than_the_prior(name):
    report = audited(name, shuffled=True)
    assert report.figures["quick_auc_low"] <= 0.5


def test_x_education_tags_are_quarantined_and_the_other_traps_listed_for_review():
    report = audited("x_education", nothing_excluded=True)
    assert report.quarantined == {"tags"}
    assert {v.column for v in report.reviews} >= {
        "Tags",
        "Lead Quality",
        "Lead Profile",
        "Last Activity",
        "Last Notable Activity",
        "Asymmetrique Activity Index",
        "Asymmetrique Profile Index",
        "Asymmetrique Activity Score",
        "Asymmetrique Profile Score",
        "TotalVisits",
        "Total Time Spent on Website",
        "Page Views Per Visit",
    }


def test_bank_duration_is_listed_and_the_hidden_clocks_are_named():
    report = audited("bank", nothing_excluded=True)
    assert "duration" in {v.column for v in report.reviews}
    clocks = {v.column for v in report.verdicts if "hidden clock" in v.reason}
    assert clocks >= {"euribor3m", "nr.employed"}


def test_olist_deals_cannot_be_joined_as_features():
    project = load_project(EXAMPLES / "olist.toml")
    join = Join(
        source=project.conversion.source, on="mql_id", prefix="", fixed=("business_segment",)
    )
    leads = project.leads.model_copy(update={"join": (join,)})
    lying = project.model_copy(update={"leads": leads})
    tables, outcomes = read_tables(lying)
    report = audit(tables, outcomes, lying, seed=0)
    assert {v.detector for v in report.structural} == {"D5"}
    assert "business_segment" in report.quarantined


def test_olist_without_recorded_from_is_stopped_because_older_leads_are_no_negatives():
    project = load_project(EXAMPLES / "olist.toml")
    conversion = project.conversion.model_copy(update={"recorded_from": None})
    lying = project.model_copy(update={"conversion": conversion})
    tables, outcomes = read_tables(lying)
    report = audit(tables, outcomes, lying, seed=0)
    assert any(v.detector == "D7" and "not recorded yet" in v.reason for v in report.structural)
