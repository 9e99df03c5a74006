"""The leak audit as a whole: clean worlds pass, lies are caught, waivers sign, pages are safe."""

from dataclasses import replace

import numpy as np
import pytest

from data.errors import GateError
from data.reading.read_tables import read_tables
from data.schema_steps import Waiver
from data.world import make_world
from tests.fakes.leak_returns import RETURNS
from tests.fakes.leak_structure import STRUCTURE, case_of, frames_of, project_of
from training.audit import AuditReport, Verdict, audit, html, leakage_sheet
from training.audit.column_table import column_table
from training.audit.structure import undeclared
from training.audit.verdict import apply_waivers


@pytest.fixture(scope="module")
def case():
    return case_of(make_world("software_trial", 4000, 0), project_of("software_trial"), 0)


def test_a_clean_world_has_nothing_to_stop_or_hold(case):
    report = audit(case.tables, case.outcomes, case.project, seed=0, dataset=case.dataset)
    assert [v for v in report.verdicts if v.severity in ("structural", "quarantine")] == []
    assert not any("no better than the prior" in v.reason for v in report.verdicts)
    report.refuse_structural()


@pytest.mark.parametrize("plant", sorted(STRUCTURE | RETURNS))
def test_every_structural_plant_is_caught(case, plant):
    assert (STRUCTURE | RETURNS)[plant](case), plant


def test_shuffled_labels_are_no_better_than_the_prior(case):
    labelled = case.dataset.labelled
    y = np.random.default_rng(1).permutation(labelled.y)
    dataset = replace(case.dataset, labelled=replace(labelled, y=y))
    report = audit(case.tables, case.outcomes, case.project, seed=0, dataset=dataset)
    assert any("no better than the prior" in v.reason for v in report.verdicts)


@pytest.fixture(scope="module")
def lie():
    """A column filled in after the win, declared to be known from the beginning."""
    world = make_world("digital_agency", 4000, 1)
    won = world.frames["leads"]["opportunity_at"].notna()
    leads = world.frames["leads"].assign(deal_size=np.where(won, 5000.0, np.nan))
    world = replace(world, frames=dict(world.frames) | {"leads": leads})
    project = project_of("digital_agency", ("deal_size",))
    tables, outcomes = read_tables(project, frames=frames_of(world))
    return tables, outcomes, project, audit(tables, outcomes, project, seed=0)


def signed_for(*detectors):
    return [
        Waiver(column="deal_size", detector=d, owner="Ada", reason="it is true", date="2026-01-01")
        for d in detectors
    ]


def test_a_column_that_stays_in_quarantine_does_not_speak_for_the_model(lie):
    tables, outcomes, project, report = lie
    grave = {v.detector for v in report.verdicts if v.column == "deal_size"}
    assert len(grave) > 1
    half = project.model_copy(update={"waivers": signed_for(min(grave))})
    found = audit(tables, outcomes, half, seed=0)
    assert "deal_size" in found.quarantined
    assert found.figures == report.figures
    assert found.refusals == ()


def test_a_lie_in_the_project_file_is_quarantined_until_somebody_signs(lie):
    report = lie[-1]
    assert "deal_size" in report.quarantined
    signed = signed_for("S1", "S2", "S3", "S4")
    waived = replace(report, verdicts=apply_waivers(report.verdicts, signed))
    assert "deal_size" not in waived.quarantined
    assert any(v.waived_by and "Ada" in v.waived_by for v in waived.verdicts)


def test_structural_verdicts_cannot_be_waived_and_stop_training():
    hit = Verdict("x", "D1", "structural", 1.0, "reads the future", "drop it")
    waiver = Waiver(
        column="x", detector="D1", owner="Ada", reason="I like it so", date="2026-01-01"
    )
    report = AuditReport(apply_waivers([hit], [waiver]), {}, {})
    with pytest.raises(GateError, match="leak found by D1 in column x: reads the future; drop it"):
        report.refuse_structural()


def test_the_page_escapes_what_a_column_is_called_and_answers_eight_types():
    evil = Verdict("<script>alert(1)</script>", "S1", "quarantine", 0.99, "<b>bold</b>", "drop")
    report = AuditReport((evil,), {"S1": "3 columns"}, {})
    page = html(report, project="a & b")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page
    assert len(leakage_sheet(report)) == 8
    assert "http://" not in page
    assert "https://" not in page


def test_the_report_is_the_same_for_the_same_seed(case):
    first, second = (
        audit(case.tables, case.outcomes, case.project, seed=3, dataset=case.dataset).to_json()
        for _ in range(2)
    )
    assert first == second


def test_undeclared_columns_show_what_they_would_have_given_away(case):
    from data.reading.review import ColumnReview

    review = ColumnReview("leads", "stage", "text", "mutable", "its name", 'exclude = ["stage"]')
    raw = case.frames["leads"].assign(stage=case.frames["leads"]["status"])
    report = audit(
        case.tables,
        case.outcomes,
        case.project,
        seed=0,
        dataset=case.dataset,
        raw=raw,
        reviews=[review],
    )
    (verdict,) = [v for v in report.verdicts if v.column == "stage"]
    assert verdict.detector == "D4"
    assert verdict.figure > 0.9


def test_features_of_all_events_stand_under_what_they_are_made_of(case):
    report = audit(case.tables, case.outcomes, case.project, seed=0, dataset=case.dataset)
    found = column_table((), report, case.dataset.frame.catalogue, {})
    made = {row.made_of: row.features for row in found.features}
    assert "" not in made
    assert {"n_events_7d", "activity_decayed_3d"} < set(made["activity"])


def test_the_cure_of_an_undeclared_column_says_what_its_line_does(case):
    from data.reading.review import ColumnReview

    stage = ColumnReview("leads", "stage", "text", "mutable", "its name", 'exclude = ["stage"]')
    sector = ColumnReview("leads", "sector", "text", "fixed", "", 'fixed = ["sector"]')
    cures = [verdict.cure for verdict in undeclared([stage, sector], case.project)]
    assert cures == [
        'to use it, declare known_at or a history; to leave it out: exclude = ["stage"]',
        'to use it as known at creation: fixed = ["sector"]',
    ]


@pytest.mark.parametrize("n_leads", [5, 20, 60, 200])
def test_a_handful_of_leads_is_audited_without_an_alarm(n_leads):
    project = project_of("digital_agency")
    tables, outcomes = read_tables(
        project, frames=frames_of(make_world("digital_agency", n_leads, 3))
    )
    report = audit(tables, outcomes, project, seed=0)
    assert [v for v in report.verdicts if v.severity in ("structural", "quarantine")] == []
