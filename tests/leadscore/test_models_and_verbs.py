"""Train, score, explain, register, report, send: what the door does is what the commands do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import leadscore as ls
from leadscore.model_record import registry_of
from serving.exposure import Exposures
from serving.http.score_requests import Service
from tests.leadscore.conftest import Trained

SINCE = "2026-10-15"
LAST = np.iinfo(np.int64).max  # of a lead that never converts


def test_the_door_scores_as_the_command_line_does(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "scores.parquet"
    ours = ls.load(trained.crm, "champion").score(trained.crm)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "leadscore",
            "score",
            str(trained.file),
            "--out",
            str(out),
            "--state",
            str(trained.state),
            "--threads",
            "1",
        ],
        check=True,
        capture_output=True,
    )
    theirs = pd.read_parquet(out)
    moving = ["scored_at", "run_id"]
    assert list(ours.columns) == list(theirs.columns)
    plain = [name for name in ours if name not in (*moving, "reasons")]
    pd.testing.assert_frame_equal(ours[plain], theirs[plain], check_exact=True)
    for one, other in zip(ours["reasons"], theirs["reasons"], strict=True):
        assert list(one) == list(other)


def test_the_logistic_baseline_is_the_logistic_regression_that_would_be_shipped(
    trained: Trained,
) -> None:
    shipped = ls.train(trained.crm, fast=True, learner="logistic").held_out()[1]
    baseline = trained.model.held_out()[1]["logistic"]
    np.testing.assert_array_equal(baseline, shipped["model"])
    np.testing.assert_array_equal(shipped["logistic"], shipped["model"])


def test_the_registered_mlflow_model_takes_the_features_of_the_door(trained: Trained) -> None:
    pyfunc = pytest.importorskip("mlflow.pyfunc")
    model = trained.published.model
    folder = registry_of(trained.crm).find(model.version).folder
    features = model.features(trained.crm)
    answers = pyfunc.load_model(str(folder.parents[1])).predict(features)
    scores = model.score(trained.crm).set_index("lead_id")["probability"]
    np.testing.assert_array_equal(answers["probability"], scores[features.index])


def test_train_registers_nothing_and_publish_does(trained: Trained) -> None:
    assert trained.model.version == "unregistered"
    assert trained.published.promoted
    assert trained.published.checks["passed"].all()
    assert trained.published.model.version == "1"
    assert "1" in ls.versions(trained.crm).index


def test_a_registered_model_is_registered_no_second_time(trained: Trained) -> None:
    before = len(ls.versions(trained.crm))
    assert ls.promote(trained.model).version == "1"
    assert ls.promote(trained.published).version == "1"
    for again in (trained.model, trained.published.model, ls.load(trained.crm)):
        told = ls.publish(again)
        assert told.registered
        assert told.model.version == "1"
        assert "version 1 was registered before" in repr(told)
    assert len(ls.versions(trained.crm)) == before


def test_rollback_gives_the_champion_before(trained: Trained) -> None:
    other = ls.train(trained.crm, fast=True, learner="logistic", seed=5)
    second = ls.promote(other)
    assert ls.load(trained.crm).version == second.version != "1"
    assert ls.rollback(trained.crm).version == "1"
    with pytest.raises(ls.InputError, match="no model"):
        ls.load(trained.crm, "99")


def test_a_saved_artifact_scores_the_same(trained: Trained, tmp_path: Path) -> None:
    folder = trained.model.save(tmp_path / "artifact")
    loaded = ls.load(trained.crm, folder)
    assert loaded.version == "artifact"
    same = ["lead_id", "score_exact", "margin", "probability"]
    pd.testing.assert_frame_equal(
        loaded.score(trained.crm)[same], trained.model.score(trained.crm)[same], check_exact=True
    )
    with pytest.raises(ls.InputError, match="does not hold the data"):
        loaded.held_out()


def test_an_artifact_is_written_over_nothing(trained: Trained, tmp_path: Path) -> None:
    for model in (trained.model, trained.published.model):
        folder = model.save(tmp_path / model.version)
        assert (folder / "manifest.json").is_file()
        for place in (folder, folder / "manifest.json"):
            with pytest.raises(ls.InputError, match=r"folder: there is something at .*new folder"):
                model.save(place)
        with pytest.raises(ls.OutsideError, match="can't be written"):
            model.save(folder / "manifest.json" / "below")


def test_rows_without_a_clock_are_scored_and_explained_as_they_stand_now(tmp_path: Path) -> None:
    """As of 1970 no band of a run before counted: `explain` showed another than the list."""
    rng = np.random.default_rng(0)
    won = rng.random(400) < 0.3
    leads = pd.DataFrame({"id": [f"L{i}" for i in range(400)], "won": won.astype(int)})
    leads["size"] = rng.normal(size=400) + 1.5 * won
    project = {
        "project": {"name": "odd"},
        "leads": {"source": "leads", "id": "id", "converted": "won"},
        "conversion": {},
        "score": {"hysteresis": 20.0},
    }
    crm = ls.read(project, leads=leads, state=tmp_path, threads=1)
    model = ls.publish(ls.train(crm, fast=True, learner="logistic")).model
    kept = model.score(crm, keep=True, now="2026-01-05")
    file = tmp_path / "scores.parquet"
    listed = pq.read_table(file)
    stuck = pa.array(["D"] * len(kept), listed["band"].type)
    place = listed.column_names.index("band")
    pq.write_table(listed.set_column(place, "band", stuck), file)
    scored = model.score(crm, now="2026-01-06").set_index("lead_id")
    assert set(kept["as_of"]) == {pd.Timestamp("2026-01-05", tz="UTC")}
    assert set(scored["as_of"]) == {pd.Timestamp("2026-01-06", tz="UTC")}
    moved = kept.set_index("lead_id")["band"] != scored["band"]
    lead = str(moved.idxmax())
    assert moved[lead]
    explained = model.explain(crm, lead, since="2026-01-05T12:00")
    assert explained.band == scored["band"][lead]
    assert (model.changes(crm, since="2026-01-05")["change"] == 0).all()
    now = pd.Timestamp("2026-01-07", tz="UTC")
    service = Service(crm._session.project, crm._session.registry, clock=lambda: now.value // 1000)
    service.load()
    service.hold(crm._reading)
    assert service.score_known(lead, None).scores[0].as_of == now


def test_points_add_up_to_the_score_and_to_its_change(trained: Trained) -> None:
    moved = trained.model.changes(trained.crm, since=SINCE)
    row = moved.iloc[0]
    told = trained.model.explain(trained.crm, row["lead_id"], since=SINCE)
    assert told.points["points"].sum() == told.score == row["after"]
    assert told.change is not None
    assert told.change["points"].sum() == row["change"] == told.score - (told.score_before or 0)


def test_the_past_is_cut_strictly(trained: Trained) -> None:
    past = trained.crm.until("2026-06-01")
    assert past.observed_until == pd.Timestamp("2026-06-01", tz="UTC")
    touches, leads = trained.company.tables["touches"], trained.company.tables["leads"]
    assert past.n_leads == int((leads["created_at"] < past.observed_until).sum())
    assert past.n_events <= int((touches["touch_at"] < past.observed_until).sum())
    assert past.n_conversions < trained.crm.n_conversions
    pd.testing.assert_frame_equal(
        trained.model.score(past)[["lead_id", "score_exact"]],
        trained.model.score(trained.crm, as_of="2026-06-01")[["lead_id", "score_exact"]],
    )


def test_contributions_and_truth_belong_to_the_rows_held_out(trained: Trained) -> None:
    features, outcomes = trained.model.held_out()
    assert len(features) == len(outcomes)
    true = trained.company.probability(outcomes["lead_id"], outcomes["as_of"])
    assert ((true >= 0) & (true <= 1)).all()
    assert np.corrcoef(true, outcomes["model"])[0, 1] > 0.3
    assert list(trained.model.importance(features)) == ["name", "mean_abs", "mean"]
    with pytest.raises(ls.InputError, match="the model has no feature 'sauce'"):
        trained.model.dependence(features, "sauce", outcomes["converted"])
    with pytest.raises(ls.InputError, match="did you mean 'employees'"):
        trained.model.dependence(features, "Employes", outcomes["converted"])
    gaps = features.assign(employees=features["employees"].where(np.arange(len(features)) % 9 > 0))
    groups = trained.model.dependence(gaps, "employees", outcomes["converted"])["group"]
    assert groups.iloc[-1] == "missing"
    lows = [float(each.removeprefix("(").partition(",")[0]) for each in groups.iloc[:-1]]
    assert lows == sorted(lows)
    words = trained.model.dependence(features, "source", outcomes["converted"])["group"]
    assert list(words) == sorted(words)
    assert list(trained.model.features(trained.crm).columns) == list(features.columns)


def test_shap_is_given_the_exact_contributions_of_model_and_estimator(trained: Trained) -> None:
    pytest.importorskip("shap", reason="shap is not installed")
    features, outcomes = trained.model.held_out()
    few = features.head(50)
    found = ls.to_shap(trained.model, few)
    assert found.values.shape == few.shape
    columns = ["employees", "source"]
    estimator = ls.LeadClassifier(fast=True).fit(features[columns], outcomes["converted"])
    drawn = ls.to_shap(estimator, few[columns])
    assert drawn.values.shape == (50, 2)


def test_a_run_that_is_kept_is_sent_and_reported(trained: Trained, tmp_path: Path) -> None:
    champion = ls.load(trained.crm)
    scores = champion.score(trained.crm, keep=True)
    dry = ls.write_back(trained.crm, dry_run=True)
    assert dry.counts["leads"] == dry.counts["would_be_sent"] == len(scores)
    assert "would be sent" in repr(dry)
    assert dry.dry_run
    assert dry.complete
    written = ls.report(trained.crm, tmp_path, languages=["it"])
    assert [path.name for path in written.paths] == ["report-it.html", "model-it.html"]
    pages = trained.crm._session.state.pages
    shown = (pages / "newest").read_text()
    ls.report(trained.crm, tmp_path, model=trained.model, languages=["it"])  # not registered
    assert (pages / "newest").read_text() == shown
    watched = ls.monitor(trained.crm)
    assert set(watched.signals["state"]) <= {"green", "yellow", "red"}
    figures = champion.evaluate(trained.crm)
    assert set(figures.metrics["model"]) >= {"model", "logistic", "prior"}


def test_without_a_state_folder_all_but_keeping_works(trained: Trained, tmp_path: Path) -> None:
    crm = trained.company.read(threads=1)
    assert len(trained.model.score(crm)) > 0
    assert ls.report(crm, tmp_path, model=trained.model, languages=["en"]).paths[0].is_file()
    for refused in (ls.versions, ls.rollback, ls.load, ls.write_back):
        with pytest.raises(ls.InputError, match=r"state: .*give read\(\.\.\., state=FOLDER\)"):
            refused(crm)  # type: ignore[operator]


def test_what_is_not_there_is_named(trained: Trained) -> None:
    with pytest.raises(ls.InputError, match="no such lead: 'L-0042'"):
        trained.model.explain(trained.crm, "L-0042")
    with pytest.raises(ls.InputError, match=r"as_of: 2027-01-01 .* lies after the end"):
        trained.model.score(trained.crm, as_of="2027-01-01")
    with pytest.raises(ls.InputError, match="only the runs of a registered model are kept"):
        trained.model.score(trained.crm, keep=True)
    with pytest.raises(ls.InputError, match=r"missing.*take the frame of features\(\)"):
        trained.model.importance(pd.DataFrame({"source": ["search"]}))
    with pytest.raises(ls.InputError, match="is no model artifact"):
        ls.load(trained.crm, Path("nowhere"))
    with pytest.raises(ls.InputError, match=r"^since: is no timestamp: 'monday'"):
        trained.model.changes(trained.crm, since="monday")
    with pytest.raises(ls.InputError, match=r"^as_of: is no moment but int"):
        trained.model.score(trained.crm, as_of=20261101)  # type: ignore[arg-type]
    with pytest.raises(ls.InputError, match=r"^seed: is 'a'; use a whole number"):
        ls.train(trained.crm, seed="a")  # type: ignore[arg-type]
    with pytest.raises(ls.InputError, match=r"^threads: is 0; use 1 or more"):
        ls.read(trained.file, threads=0)
    with pytest.raises(ls.InputError, match=r"^scores: no_run.parquet is not there; model.score"):
        ls.write_back(trained.crm, scores="no_run.parquet")
    with pytest.raises(ls.InputError, match=r"^model: a model is needed, found NoneType"):
        ls.report(trained.crm, model=None)  # type: ignore[arg-type]
    for refused in (ls.check, ls.train, ls.experiments.assign):
        with pytest.raises(ls.InputError, match=r"^crm: a project that was read is needed"):
            refused(trained.company.tables["leads"])  # type: ignore[operator]


def test_errors_speak_of_arguments_and_not_of_options(trained: Trained, tmp_path: Path) -> None:
    crm = trained.company.read(state=tmp_path / "empty", threads=1)
    won = crm._reading.tables.lead_ids[crm._reading.outcomes.converted_at < LAST][0]
    said = []
    for call in (
        lambda: ls.load(crm),
        lambda: ls.report(crm),
        lambda: ls.rollback(crm),
        lambda: ls.write_back(crm),
        lambda: trained.model.explain(trained.crm, won),
        lambda: trained.model.score(trained.crm, as_of="1999-01-01"),
    ):
        with pytest.raises(ls.LeadScoreError) as refused:
            call()
        said.append(str(refused.value))
    assert not [text for text in said if " --" in text or "leadscore " in text]


def test_notes_begin_with_the_reason_why_a_model_may_not_be_registered(trained: Trained) -> None:
    kept = trained.model._need_training()
    refused = replace(trained.model, _trained=replace(kept, leak="a column leaks"))
    assert refused.notes[0] == "may not be registered: a column leaks"
    with pytest.raises(ls.GateError, match="not registered: a column leaks"):
        ls.promote(replace(refused, _content=""))


def test_features_of_any_library_are_read(trained: Trained) -> None:
    features, _ = trained.model.held_out()
    expected = trained.model.importance(features)
    for frame in (pl.from_pandas(features), pa.Table.from_pandas(features)):
        pd.testing.assert_frame_equal(trained.model.importance(frame), expected, check_exact=True)
    with pytest.raises(ls.InputError, match="features: is no table but list"):
        trained.model.importance([1, 2])  # type: ignore[arg-type]
    with pytest.raises(ls.InputError, match="converted: has 2 rows, features have"):
        trained.model.dependence(features, "source", [0, 1])


def test_experiments_are_sized_assigned_and_compared(trained: Trained, tmp_path: Path) -> None:
    assert ls.experiments.power(0.08, 0.10).total == 6426
    with pytest.raises(ls.InputError, match="rates are shares"):
        ls.experiments.power(8, 10)
    halves = {"experiment.arms": {"control": 0.5, "score": 0.5}}
    no_runs = shutil.ignore_patterns("scores", "scores.parquet")
    state = shutil.copytree(trained.state, tmp_path / "state", ignore=no_runs)
    split = trained.company.read(overrides=halves, state=state, threads=1)
    arms = ls.experiments.assign(split)
    again = ls.experiments.assign_units(arms["unit"], name="software_trial")
    assert (arms["arm"].to_numpy() == again).all()
    found = ls.experiments.analyse(split)
    assert set(found.arms["arm"]) == {"control", "score"}
    seen = str(arms["lead_id"][arms["arm"] == "control"].iloc[0])
    Exposures.of(split._session.state, split._session.project).note("report", [seen], at=1)
    found = ls.experiments.analyse(split)
    assert "1 of" in found.warnings[-1]
    assert "score are contaminated: their score was seen (report 1)" in found.warnings[-1]
    assert "more calls in band" in found._repr_html_()
    compared = ls.experiments.compare([0, 1, 0, 1] * 50, ["control", "control", "b", "b"] * 50)
    assert list(compared["method"]) == ["plain", "valid at every look"]
    assert compared["rise"].abs().max() < 1e-12
    with pytest.raises(ls.InputError, match="no unit is in the arm 'control'; the arms are a, b"):
        ls.experiments.compare([0, 1], ["a", "b"])
