"""What the sales articles behind the product ask for: thirteen rows, each done as a user does it.

One world (software with a free trial) goes the whole road once: read, scored by the champion that
learned from other leads, qualified.
"""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.asof import values_at
from data.clock import DAY
from data.labels import open_snapshots
from data.project import load_project
from data.reading.read_tables import CrmData, read_tables
from data.tables import Snapshots
from data.world import make_world, write_world
from features.catalogue import slug
from serving.answers.answer_facts import answer_facts
from serving.answers.answer_store import list_answers
from serving.answers.give_answer import give_feedback
from serving.experiment_arms import analyse_experiment, assign_leads
from serving.figures.capacity import plan_calls
from serving.figures.follow_up import find_missed, measure_speed, share_contacts
from serving.figures.forecast import forecast_project
from serving.figures.funnel import measure_funnel
from serving.figures.power import size_test
from serving.loaded_model import LoadedModel
from serving.qualify.engine import qualify
from serving.run_moment import RunMoment
from serving.score import score_leads
from serving.scoring_run import ScoringRun, write_scores
from serving.session import Session, open_session
from serving.worklist.html import render
from serving.worklist.pages.experiment_page import make_experiment
from serving.worklist.pages.funnel_page import stages_reached
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.pages.whole_report import make_view
from serving.worklist.view import ReportView
from serving.writeback.write_back import write_back
from tests.fakes.second_company import SecondCompany
from tests.serving.conftest import Company

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WORLDS = ("software_trial", "consulting", "digital_agency")


@dataclass(frozen=True)
class Road:
    """Everything that one night leaves behind."""

    folder: Path
    session: Session
    reading: CrmData
    model: LoadedModel
    scored: ScoringRun
    view: ReportView


@pytest.fixture(scope="module")
def road(company: Company, tmp_path_factory: pytest.TempPathFactory) -> Road:
    """Score other leads than those that the company's champion learned from."""
    folder = tmp_path_factory.mktemp("software") / "shop"
    SecondCompany.make(company.file, company.session.state.folder, folder, leads=3000, seed=5)
    (folder / company.file.name).rename(folder / "project.toml")
    session = open_session(folder / "project.toml", state=folder / "state", threads=1)
    reading, model = session.read(), session.model("champion")
    until = reading.tables.observed_until
    scored = score_leads(
        session.project,
        reading.tables,
        reading.outcomes,
        model,
        RunMoment(until, until, "monday"),
        for_report=True,
    )
    write_scores(scored, session.state.scores)
    view = make_view(ReportInput(session.project, reading, model, scored, "project.toml", 1))
    return Road(folder, session, reading, model, scored, view)


def test_01_a_score_from_0_to_100_ranks_every_lead_and_time_goes_to_the_best(road: Road) -> None:
    table = road.scored.table
    assert table["score"].between(0, 100).all()
    assert len(table) == len(
        open_snapshots(road.reading.tables, road.reading.outcomes, road.scored.as_of)
    )
    ranked = table.sort_values("probability")
    assert ranked["score"].is_monotonic_increasing
    p = table["probability"].to_numpy()
    best = plan_calls(p, 50).expected.value
    anyone = p[np.random.default_rng(0).permutation(len(p))[:50]].sum()
    assert best > 2 * anyone


def test_02_stages_have_clear_criteria_that_marketing_and_sales_share(road: Road) -> None:
    qualification = road.scored.qualification
    names = [stage.name for stage in qualification.criteria.stages]
    assert names == ["lead", "prospect", "opportunity-ready"]
    assert all(count > 0 for _, count in qualification.counts())
    assert set(qualification.levels["interest"]) <= {"low", "medium", "high"}
    assert set(qualification.frame()["budget"].dropna()) <= {"none", "maybe", "known"}
    page = render(road.view, "en")
    assert "a person who decides, and a budget" in page
    plain = page.replace("<bdi>", "").replace("</bdi>", "")
    for criterion in qualification.criteria.stages[2].criteria:
        assert str(criterion) in plain


def test_03_need_budget_authority_timing_known_and_missing_with_their_dates(road: Road) -> None:
    qualification, as_of = road.scored.qualification, road.scored.as_of
    known = qualification.bant.known
    assert 0 < known.mean() < 1
    assert (qualification.bant.since[known] < as_of).all()
    row = int(np.flatnonzero(known.any(axis=1) & ~known.all(axis=1))[0])
    answers = qualification.card(row).answers
    assert {answer.value is None for answer in answers} == {True, False}
    # an answer is a feature only from the moment it was given
    budget = road.reading.tables.attribute("budget")
    assert budget.known_at is not None
    lead = int(road.scored.snapshots.lead[np.flatnonzero(known[:, 1])[0]])
    told = int(budget.known_at[lead])
    moments = Snapshots(np.array([lead, lead]), np.array([told, told + 1]))
    before, after = values_at(budget, moments, road.reading.tables)
    assert before is None
    assert after is not None


def test_04_ideal_customers_and_rules_that_disqualify_with_a_stated_reason(road: Road) -> None:
    qualification = road.scored.qualification
    out = np.flatnonzero(qualification.disqualified >= 0)
    assert {qualification.card(row).rule for row in out} <= {"student", "competitor", "too small"}
    assert len(out) > 0
    assert 0 < np.nanmean(qualification.icp) < 100
    assert any("employees" in label for label, _ in qualification.criteria.icp)
    eligible = np.flatnonzero(qualification.disqualified < 0)
    plan = plan_calls(road.scored.scores.probability, 10_000, order=eligible)
    assert not set(plan.rows.tolist()) & set(out.tolist())
    for row in out:
        explanation = road.scored.explanations[row]
        factors = {r.factor for r in (*explanation.reasons_for, *explanation.reasons_against)}
        assert not factors & {"student", "competitor", "too small", "rule"}


def test_05_every_signal_of_leads_and_of_sales_and_every_source_is_taken_in(road: Road) -> None:
    signals = {
        "form",
        "newsletter",
        "ebook",
        "webinar",
        "seminar",
        "chat",
        "phone",
        "pricing_page",
        "demo_request",
        "trial",
        "sales_email",
        "sales_call",
        "sales_meeting",
    }
    assert signals <= set(road.reading.tables.events.type_names)
    described = {feature.params.get("event") for feature in road.model.catalogue.features}
    assert len(described & signals) >= 11  # the rarest may be pooled
    assert {slug(name) for name in signals} == signals
    sources = set(road.reading.tables.display["channel"].dropna())
    assert {"content", "search", "social", "campaign", "referral", "event"} <= sources


def test_06_each_stage_has_its_content_and_its_next_step(road: Road) -> None:
    qualification = road.scored.qualification
    cards = [qualification.card(int(np.flatnonzero(qualification.stage == s)[0])) for s in range(3)]
    assert len({card.content for card in cards}) == 3
    assert len({card.next_step for card in cards}) == 3
    assert "Case study" in cards[1].content[0]
    assert "Tailored offer" in cards[2].content
    assert cards[1].missing
    assert not cards[2].missing


def test_07_a_lead_not_ready_now_can_come_back(road: Road) -> None:
    tables, project = road.reading.tables, road.session.project
    assert tables.created_at is not None
    ages = (road.scored.as_of - tables.created_at[road.scored.snapshots.lead]) / DAY
    assert ages.max() > 180  # open for half a year, and still scored
    assert set(road.scored.table["trend"]) <= {"rising", "steady", "falling", "new"}
    assert road.scored.table["trend"].nunique() >= 3
    moved = 0
    for days in (120, 60):
        earlier = Snapshots(road.scored.snapshots.lead, road.scored.snapshots.as_of - days * DAY)
        there = tables.created_at[earlier.lead] < earlier.as_of
        scored = {"score": np.zeros(int(there.sum()))}
        before = qualify(tables, earlier.take(there), project, scored=scored)
        moved += int((road.scored.qualification.stage[there] > before.stage).sum())
    assert moved > 0


def test_08_funnel_figures_by_source_and_stage_and_a_forecast_with_a_range(road: Road) -> None:
    tables, outcomes, project = road.reading.tables, road.reading.outcomes, road.session.project
    qualification = road.scored.qualification
    source = ReportInput(road.session.project, road.reading, road.model, road.scored, "p.toml", 1)
    stage = stages_reached(source, since=0)  # by what was known at the time, ended leads too
    names = tuple(words.name for words in qualification.criteria.stages)
    funnel = measure_funnel(tables, outcomes, project, stage=stage, stage_names=names)
    assert sum(source.leads for source in funnel.sources) == funnel.total.leads == 3000
    for figures in funnel.sources:
        assert figures.rate.low <= figures.rate.value <= figures.rate.high
        assert figures.leads >= max(figures.prospects, figures.opportunities)
        assert figures.cost is not None
        assert figures.opportunities == 0 or figures.return_on_cost is not None
    # stages nest; opportunities that skipped the last stage are a figure of their own
    counts = [each.leads for each in funnel.stages[:-1]]
    assert counts == sorted(counts, reverse=True)
    assert counts[1] == funnel.total.prospects
    won = outcomes.converted_at < outcomes.observed_until
    assert funnel.total.opportunities == won.sum() == funnel.stages[-1].leads
    assert 0 < funnel.skipped < won.sum()
    last_rate = funnel.stages[-1].rate
    assert last_rate is not None
    assert last_rate.hits == won.sum() - funnel.skipped <= counts[-1]
    assert funnel.total.median_days is not None
    assert [s.name for s in funnel.stages] == [*names, "opportunity"]
    found = forecast_project(tables, outcomes, road.scored.snapshots)
    assert [row.days for row in found.rows] == [30, 60, 90]
    for row in found.rows:
        assert row.total.low < row.total.value < row.total.high
    assert found.rows[0].total.value < found.rows[2].total.value
    assert any(past.days == 30 for past in found.past)


def test_09_an_experiment_with_power_computed_beforehand(road: Road) -> None:
    assert size_test(0.08, 0.10).control == pytest.approx(3200, rel=0.02)
    file = road.folder / "tested.toml"
    text = (road.folder / "project.toml").read_text(encoding="utf-8")
    text += "\n[experiment]\nrandom_arm = 0.1\narms = { control = 1, score = 1 }\n"
    file.write_text(text, encoding="utf-8")
    project = load_project(file)
    arms = assign_leads(road.reading.tables, project)["arm"]
    assert (arms == "random").mean() == pytest.approx(0.1, abs=0.02)
    trial = analyse_experiment(road.reading.tables, road.reading.outcomes, project)
    assert set(trial.arms) == {"control", "score", "random"}
    result = trial.comparisons["score"]
    assert result.always_valid.low <= 0 <= result.always_valid.high  # nobody was treated here
    assert trial.power is not None
    assert trial.looks["score"]
    page = render(replace(road.view, experiment=make_experiment(trial, finished=False)), "en")
    assert 'id="h-experiment"' not in render(road.view, "en")
    proof = page[page.index('id="proof"') :]
    assert 'id="h-experiment"' in proof[: proof.index("</section>")]


def test_10_it_works_with_the_crm_automates_and_reports(road: Road) -> None:
    state = road.folder / "state"
    at = road.scored.as_of
    first = write_back(road.session.state.scores, road.session.project, state, now=at, run_id="1")
    again = write_back(road.session.state.scores, road.session.project, state, now=at, run_id="2")
    assert first.sent == len(road.scored.table)
    assert again.sent == 0
    crm = next(path for path in state.rglob("crm*") if path.is_file())
    with sqlite3.connect(crm) as connection:
        written = dict(connection.execute("select lead_id, score from leads").fetchall())
    connection.close()
    table = road.scored.table
    assert written == dict(zip(table["lead_id"], table["score"].astype(int), strict=True))
    page = render(road.view, "en")
    assert page.lower().startswith("<!doctype html")


@pytest.mark.parametrize("kind", WORLDS)
def test_11_three_worlds_out_of_the_box_each_with_its_own_opportunity(
    kind: str, tmp_path: Path
) -> None:
    write_world(make_world(kind, 600, 2), tmp_path)  # type: ignore[arg-type]
    shutil.copy(EXAMPLES / f"{kind}.toml", tmp_path / "project.toml")
    project = load_project(tmp_path / "project.toml")
    tables, outcomes = read_tables(project)
    snapshots = open_snapshots(tables, outcomes, tables.observed_until)
    found = qualify(tables, snapshots, project, scored={"score": np.full(len(snapshots), 50)})
    assert found.counts()[0][1] > 0
    assert found.counts()[1][1] > 0
    words = {"software_trial": "trial", "consulting": "meeting", "digital_agency": "download"}
    assert words[kind] in found.criteria.definition
    assert set(project.report.languages) == {"en", "it", "fr", "fa"}


@pytest.mark.parametrize("language", ["en", "it", "fr", "fa"])
def test_11_readers_in_four_languages(road: Road, language: str) -> None:
    page = render(road.view, language)
    assert page.rstrip().endswith("</html>")
    assert f'lang="{language}"' in page
    assert ('dir="rtl"' in page.split("<body", 1)[0]) == (language == "fa")


def test_12_the_usual_mistakes_are_caught(road: Road) -> None:
    tables, outcomes, scored = road.reading.tables, road.reading.outcomes, road.scored
    score = scored.scores.score.astype(np.float64)
    missed = find_missed(
        tables, scored.snapshots, score, threshold=float(np.quantile(score, 0.8)), days=7
    )
    assert missed
    assert all(lead.days >= 7 for lead in missed)
    speed = measure_speed(tables, outcomes, scored.as_of)
    assert speed is not None
    assert speed.leads > 0
    shares = share_contacts(
        tables, scored.snapshots, scored.table["band"].to_numpy(object), scored.as_of
    )
    assert sum(share.share_of_leads for share in shares) == pytest.approx(1)
    funnel = measure_funnel(tables, outcomes, road.session.project)
    assert funnel.total.customer_value is not None


def test_13_a_rep_answers_back_and_the_answer_is_a_dated_fact(road: Road, tmp_path: Path) -> None:
    lead, at = str(road.scored.table["lead_id"].iat[0]), road.scored.as_of - 5 * DAY
    file = tmp_path / "feedback.db"
    give_feedback(
        file,
        road.session.state.scores,
        lead=lead,
        verdict="wrong",
        because="no budget before May",
        by="Ada",
        at=at,
    )
    assert list_answers(file, lead_id=lead)[0].reason == "no budget before May"
    facts = answer_facts(list_answers(file))
    tables, _ = read_tables(road.session.project, answers=facts)
    verdict = tables.attribute("rep_verdict")
    row = int(np.flatnonzero(tables.lead_ids == lead)[0])
    moments = Snapshots(np.array([row, row]), np.array([at, at + 1]))
    assert [None if pd.isna(v) else v for v in values_at(verdict, moments, tables)] == [
        None,
        "wrong",
    ]
