"""The whole road on a simulated company: trained, scored, explained, written back, forgotten."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.asof import known_before
from data.clock import DAY
from data.errors import InputError
from data.tables import Snapshots
from features.build import build
from serving.answers.give_answer import find_score
from serving.check import check_project
from serving.edited_project import say_edited
from serving.explain import explain_lead
from serving.forget import forget_lead
from serving.http.score_requests import Service
from serving.newest_scores import read_bands
from serving.run_moment import RunMoment
from serving.score import score_leads
from serving.score_changes import Moment, changes_since
from serving.scoring_run import write_scores
from serving.verbs import champion_is_current, evaluate_registered, monitor_model, score_run
from serving.worklist.pages.report_input import ReportInput
from serving.worklist.pages.whole_report import make_about, make_view
from serving.write_reports import write_views
from serving.writeback.audit_log import entries
from serving.writeback.ledger_store import SqliteStore
from serving.writeback.write_back import write_back
from tests.fakes.rest_figures import figures_of
from tests.serving.conftest import train_company
from training.stand_in import train_stand_in, words_for
from training.state import StatePaths
from training.train import train

NOW = 1_793_500_000_000_000


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """Train the company once more, in a folder of its own: the same seed, the same model."""
    return train_company(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def trained(first_run):
    return first_run[0]


@pytest.fixture(scope="module")
def published(first_run):
    return first_run[1]


@pytest.fixture(scope="module")
def scored(company, quiet):
    return score_leads(
        company.session.project,
        company.reading.tables,
        company.reading.outcomes,
        company.model,
        RunMoment(company.reading.tables.observed_until, NOW, "r1"),
        for_report=True,
        on_stage=quiet,
    )


def test_a_first_model_that_beats_its_baselines_becomes_champion(company, trained, published):
    verdicts = trained.evaluation.verdicts.set_index("against")["verdict"]
    assert verdicts["prior"] == "better"
    assert published.decision.promote
    assert published.version.version == "1"
    assert champion_is_current(company.session, company.reading)


def test_the_last_activity_stands_in_where_it_is_the_best_and_clearly_so(company, trained):
    """Found by a new user: 'work by the recency' was advised, and nothing let one do so."""
    y = trained.dataset.y[trained.dataset.cut.test]
    told = {**trained.test, "recency": np.where(y == 1, 0.9, trained.test["prior"] / 2)}
    project, tables = company.session.project, company.reading.tables
    found = train_stand_in(replace(trained, test=told), project, tables, seed=0, threads=1)
    assert words_for(found) == "the time since the last event alone"
    assert [f.template for f in found.parts.features] == ["days_since_last_event"]


def test_the_registered_card_carries_the_learning_curve_and_the_segments(company, trained):
    card, advice = company.model.card, trained.advice
    assert [row["gain"] for row in card.learning] == advice.curve["gain"].tolist() != []
    assert card.need["standing"] == advice.need.standing
    assert {row["slice"] for row in card.segments} == {"source"}


def test_every_open_lead_gets_one_row_and_whole_points_that_add_up(company, scored):
    outcomes, tables = company.reading.outcomes, company.reading.tables
    open_now = (outcomes.converted_at >= scored.as_of) & (outcomes.disqualified_at >= scored.as_of)
    assert len(scored.table) == int((open_now & (tables.created_at <= scored.as_of)).sum())
    assert scored.table["lead_id"].is_unique
    for told, score in zip(scored.explanations, scored.scores.score, strict=True):
        reasons = sum(r.points for r in (*told.reasons_for, *told.reasons_against))
        assert (
            told.typical + reasons + told.unseen_points + told.rest_points + told.limit_points
            == score
        )


def test_the_rest_of_a_score_is_small_and_none_of_its_three_largest_lines(company, scored):
    frame = scored.frame.to_pandas()
    found = figures_of(company.model.scorer, frame, company.model.facts)
    assert (found.rest_in_top_three, found.not_adding_up) == (0.0, 0)
    assert found.small_rest >= 0.95


def test_probability_rises_strictly_with_the_margin(scored):
    order = np.argsort(scored.scores.margin)
    margin, p = scored.scores.margin[order], scored.scores.probability[order]
    assert (np.diff(p)[np.diff(margin) > 0] > 0).all()


def test_the_registered_model_scores_what_the_trained_one_did(company, trained):
    rows = trained.dataset.cut.test
    frame = trained.dataset.rows(rows)
    assert (company.model.scorer.score(frame).probability == trained.test["model"]).all()


def test_threads_change_nothing(company, scored, quiet):
    again = score_leads(
        company.session.project,
        company.reading.tables,
        company.reading.outcomes,
        company.model,
        RunMoment(company.reading.tables.observed_until, NOW, "r1"),
        threads=2,
        on_stage=quiet,
    )
    pd.testing.assert_frame_equal(again.table, scored.table)


def test_a_row_scored_alone_equals_its_row_in_the_batch(company, scored):
    tables = company.reading.tables
    for row in (0, len(scored.snapshots) // 2):
        one = scored.snapshots.take(np.array([row]))
        frame = build(tables, one, company.model.catalogue).to_pandas()
        score = company.model.scorer.score(frame)
        assert abs(score.probability[0] - scored.scores.probability[row]) < 1e-9


def test_the_score_file_holds_what_the_contract_says(scored, tmp_path):
    table = pq.read_table(write_scores(scored, tmp_path / "scores.parquet"))
    wanted = {
        "lead_id",
        "as_of",
        "score",
        "band",
        "probability",
        "probability_low",
        "probability_high",
        "percentile",
        "fit",
        "engagement",
        "stage",
        "trend",
        "reasons",
        "model_version",
        "scored_at",
        "run_id",
    }
    assert wanted <= set(table.column_names)
    reason = table["reasons"][0].as_py()[0]
    assert set(reason) == {"factor", "family", "points", "text", "fact"}
    elsewhere = {**scored.cuts, "A": 71.0}
    assert read_bands(tmp_path / "scores.parquet", until=scored.as_of, cuts=elsewhere) is None
    assert read_bands(tmp_path / "scores.parquet", until=scored.as_of - 1) is None
    assert read_bands(tmp_path / "scores.parquet", until=scored.as_of)[
        scored.table["lead_id"].iat[0]
    ]
    assert find_score(tmp_path / "scores.parquet", scored.table["lead_id"].iat[0])[1] == "1"
    with pytest.raises(InputError, match="no open lead"):
        find_score(tmp_path / "scores.parquet", "nobody")


def test_write_back_sends_everything_once_and_then_nothing(company, quiet):
    session = company.session
    score_run(
        session,
        company.reading,
        company.model,
        RunMoment(company.reading.tables.observed_until, NOW, "n1"),
        on_stage=quiet,
    )
    state = session.state.folder
    first = write_back(session.state.scores, session.project, state, now=NOW, run_id="n1")
    assert first.sent == first.leads
    score_run(
        session,
        company.reading,
        company.model,
        RunMoment(company.reading.tables.observed_until, NOW + DAY, "n2"),
        on_stage=quiet,
    )
    second = write_back(session.state.scores, session.project, state, now=NOW + DAY, run_id="n2")
    assert (second.sent, second.unchanged) == (0, first.leads)


def test_changes_add_up_and_only_events_move_a_lead_that_had_some(company, scored):
    moment = Moment(
        company.reading.tables, scored.snapshots, scored.frame.to_pandas(), company.model, 1
    )
    for change in changes_since(moment, scored.as_of - 7 * DAY).values():
        shown = sum(line.points for line in change.lines) + change.rest_points
        assert change.old_score + shown == change.score


def test_explaining_a_lead_says_typical_and_every_point(company, scored):
    lead = scored.table.sort_values("score")["lead_id"].iat[-1]
    told = explain_lead(
        company.session,
        company.reading,
        lead,
        company.model,
        as_of=scored.as_of,
        at=0,
        since=scored.as_of - 14 * DAY,
        language="en",
        subject=False,
    )
    assert any("Typical lead" in line for line in told.lines())
    json.dumps(told.to_dict(), default=str)
    own = explain_lead(
        company.session,
        company.reading,
        lead,
        company.model,
        as_of=scored.as_of,
        at=0,
        since=None,
        language="en",
        subject=True,
    )
    assert all(line[0] in "+-" for line in own.lines())
    assert "score" not in own.to_dict()


def test_explaining_one_lead_loads_no_compiler_and_says_what_the_run_says(company, scored):
    lead = scored.table["lead_id"][3]
    code = (
        "import atexit, sys; from leadscore import main; "
        "heavy = {'numba', 'duckdb', 'mlflow', 'lightgbm', 'sklearn', 'scipy', 'sqlalchemy'}; "
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules)))); main()"
    )
    words = ["explain", str(company.file), lead, "--state", str(company.session.state.folder)]
    command = [sys.executable, "-c", code, *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer, heavy = done.stdout.rsplit("\n[", 1)
    assert heavy.strip() == "]"
    told = json.loads(answer)
    row = scored.table.iloc[3]
    assert (told["margin"], told["score"]) == (row["margin"], row["score"])


def test_explaining_names_the_band_that_the_list_shows(company, scored, tmp_path):
    cuts = company.model.scorer.card.bands
    best = max(cuts, key=cuts.get)
    gap = cuts[best] - scored.scores.score
    row = int(np.flatnonzero((gap > 0) & (gap <= company.session.project.score.hysteresis))[0])
    lead = scored.table["lead_id"].iat[row]
    session = replace(company.session, state=StatePaths(tmp_path))

    def band(as_of):
        return explain_lead(
            session,
            company.reading,
            lead,
            company.model,
            as_of=as_of,
            at=0,
            since=None,
            language="en",
            subject=False,
        ).band

    assert band(scored.as_of) != best
    shown = replace(scored, table=scored.table.assign(band=best))  # it stood there last night
    write_scores(shown, tmp_path / "scores.parquet")
    assert band(scored.as_of) == best


def test_an_unknown_lead_is_named(company, scored):
    with pytest.raises(InputError, match="no such lead: 'L-x'"):
        explain_lead(
            company.session,
            company.reading,
            "L-x",
            company.model,
            as_of=scored.as_of,
            at=0,
            since=None,
            language="en",
            subject=False,
        )


def test_an_unknown_version_is_an_error_and_never_another_model(company):
    with pytest.raises(InputError, match="has no model"):
        company.session.model("99")


def test_the_report_view_counts_what_was_scored(company, scored, trained):
    source = ReportInput(
        company.session.project, company.reading, company.model, scored, "p.toml", 1
    )
    view = make_view(source)
    assert len(view.leads) == len(scored.table)
    assert len(view.week.calls) <= company.session.project.report.capacity_per_week
    dataset = trained.dataset
    tested = np.unique(dataset.labelled.snapshots.lead[dataset.cut.test])
    assert view.trust.tested_leads == len(tested)
    assert sum(band.scores for band in view.trust.bands) == view.trust.tested_scores
    for mover in (*view.movers.rises, *view.movers.falls):
        assert mover.old + sum(line.points for line in mover.lines) == mover.new
    for lead in view.leads:
        if lead.detail is not None:
            reasons = (*lead.detail.reasons_for, *lead.detail.reasons_against)
            whole = sum(reason.points for reason in reasons)
            rest = lead.detail.rest_points + lead.detail.limit_points + lead.detail.unseen_points
            assert lead.detail.typical + whole + rest == lead.score


def test_edited_bands_count_at_once_and_an_edited_horizon_waits_for_the_next_training(
    company, scored
):
    project, model = company.session.project, company.model
    assert say_edited(project, model) == []
    score = project.score.model_copy(update={"bands": {"A": 90.0, "B": 60.0, "C": 30.0}})
    conversion = project.conversion.model_copy(update={"horizon": 30 * DAY})
    edited = project.model_copy(update={"score": score, "conversion": conversion})
    session = replace(company.session, project=edited)
    now = session.model("champion")
    cut, horizon = say_edited(edited, now)
    assert "bands are cut at A 90 B 60 C 30" in cut
    assert "A 70 B 55 C 40 when version 1 was trained" in cut
    assert "horizon 30d for 90d" in horizon
    about = make_about(ReportInput(edited, company.reading, now, scored, "p.toml", 1))
    assert (about.horizon_days, about.bands["A"]) == (90, 90)
    service = Service(edited, session.registry)
    service.load()
    assert service.current().scorer.card.bands == now.scorer.card.bands == score.bands


def test_reports_are_written_whole(company, scored, quiet, tmp_path):
    paths = write_views(
        company.session,
        company.reading,
        company.model,
        scored,
        folder=tmp_path,
        languages=("en",),
        on_stage=quiet,
    )
    assert all(path.read_text(encoding="utf-8").rstrip().endswith("</html>") for path in paths)


def test_check_says_what_is_no_feature_and_stops_nothing_here(company, quiet):
    found = check_project(company.session, company.reading, on_stage=quiet)
    assert not found.stops
    assert any(review.name == "last_modified_at" for review in found.reviews)
    assert found.lines()[-1].startswith("nothing stops training")


def test_evaluating_and_monitoring_a_registered_model(company, quiet, trained):
    evaluation = evaluate_registered(
        company.session, company.reading, company.model, on_stage=quiet
    )
    ours = evaluation.metrics.query("model == 'model' and metric == 'auc'")["value"].item()
    measured = trained.evaluation.metrics
    assert ours == measured.query("model == 'model' and metric == 'auc'")["value"].item()
    until = company.reading.tables.observed_until
    signals = monitor_model(
        company.session, company.reading, company.model, as_of=until, on_stage=quiet
    )
    assert {s.name for s in signals} >= {"age of the model", "conversions so far"}
    assert [s.name for s in signals if s.state == "red"] == []


def test_forgetting_a_lead_leaves_none_of_it_in_the_state_folder(company, scored, tmp_path):
    folder = tmp_path / "state"
    shutil.copytree(company.session.state.folder, folder, ignore=shutil.ignore_patterns("ml*"))
    lead = scored.table["lead_id"].iat[3]
    write_scores(scored, folder / "scores.parquet")
    found = forget_lead(StatePaths(folder), lead)
    assert found["rows of scores"] >= 1
    assert lead not in pq.read_table(folder / "scores.parquet")["lead_id"].to_pylist()
    needle = lead.encode()
    assert found["ledger.sqlite"] >= 1
    assert found["crm.sqlite"] >= 1
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as ledger:
        assert found["audit entries with its id, kept"] >= 1
        store = SqliteStore(folder / "ledger.sqlite")
        assert list(entries(store))  # the chain is whole
        store.close()
        ledger.execute("drop table audit")
        ledger.execute("vacuum")
        ledger.execute("pragma wal_checkpoint(truncate)")
    left = [p.name for p in Path(folder).rglob("*") if p.is_file() and needle in p.read_bytes()]
    assert left == []


def test_nothing_after_as_of_moves_a_score(company, scored):
    """Scores as of a past day are the same with and without what came later."""
    tables = company.reading.tables
    past = scored.as_of - 60 * DAY
    rows = np.flatnonzero(tables.created_at <= past)[:200]
    snapshots = Snapshots(rows, np.full(len(rows), past))
    whole = build(tables, snapshots, company.model.catalogue).to_pandas()
    cut = build(known_before(tables, past), snapshots, company.model.catalogue).to_pandas()
    pd.testing.assert_frame_equal(whole, cut)


def test_one_seed_gives_one_model_with_one_thread_and_with_two(company, trained, tmp_path):
    again = train(
        company.session.project,
        company.reading.tables,
        company.reading.outcomes,
        seed=company.session.seed,
        threads=2,
        fast=True,
        reviews=(),
        feeds=company.reading.feeds,
    )
    first = trained.write(tmp_path / "one")
    assert again.write(tmp_path / "two").version == first.version


def test_a_champion_whose_column_is_gone_gives_way_to_a_proven_model(company):
    catalogue, tables = company.model.catalogue, company.reading.tables
    assert catalogue.lost_columns(tables) == []
    left = tuple(each for each in tables.attributes if each.name != "country")
    assert catalogue.lost_columns(replace(tables, attributes=left)) == ["country"]
