"""Train, score, explain, register, report, send: what the door does is what the commands do."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import leadscore as ls
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


def test_experiments_are_sized_assigned_and_compared(trained: Trained) -> None:
    assert ls.experiments.power(0.08, 0.10).total == 6426
    with pytest.raises(ls.InputError, match="rates are shares"):
        ls.experiments.power(8, 10)
    split = trained.company.read(overrides={"experiment.arms": {"control": 0.5, "score": 0.5}})
    arms = ls.experiments.assign(split)
    again = ls.experiments.assign_units(arms["unit"], name="software_trial")
    assert (arms["arm"].to_numpy() == again).all()
    found = ls.experiments.analyse(split)
    assert set(found.arms["arm"]) == {"control", "score"}
    compared = ls.experiments.compare([0, 1, 0, 1] * 50, ["control", "control", "b", "b"] * 50)
    assert list(compared["method"]) == ["plain", "valid at every look"]
    assert compared["rise"].abs().max() < 1e-12
    with pytest.raises(ls.InputError, match="no unit is in the arm 'control'; the arms are a, b"):
        ls.experiments.compare([0, 1], ["a", "b"])
