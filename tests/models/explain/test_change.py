"""Why a score changed: lines that add up exactly, over random histories and a change of model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError, OutsideError
from models.explain.change import (
    MOST_LINES,
    compare_runs,
    explain_change,
    look_at_run,
    read_run,
    store_run,
)
from models.explain.sales_steps import SalesStep, suggest, take_step
from models.predictor import BetaCalibration, FeatureColumn, LeadScorer

BETA = BetaCalibration(0.9, 1.1, 0.1)


@pytest.fixture(scope="module")
def newer(fit: Any, handmade: Any) -> LeadScorer:
    """A model of another seed, with a bending calibration and another card."""
    card = replace(handmade[0].card, points_to_double=9.0, anchor_score=47.0)
    return LeadScorer(*fit(1, calibration=BETA, card=card))


def live_on(frame: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Let days pass, events happen and facts be edited, at random."""
    rng = np.random.default_rng(seed)
    n = len(frame)
    days = rng.integers(0, 30, n).astype(np.float32)
    aged = frame.assign(age_days=frame["age_days"] + days)
    aged["days_since_pricing"] += days
    aged["n_pricing_7d"] = np.where(days > 7, 0, aged["n_pricing_7d"]).astype(np.float32)
    acted = rng.random(n) < 0.5
    after = aged.assign(n_calls_30d=aged["n_calls_30d"] + (rng.random(n) < 0.4).astype(np.float32))
    after["n_pricing_7d"] += acted
    after["days_since_pricing"] = after["days_since_pricing"].mask(acted, 0.0)
    edited = rng.random(n) < 0.3
    now = after.assign(employees=after["employees"].mask(edited, 500.0))
    now["industry"] = now["industry"].mask(rng.random(n) < 0.1, "i2")
    return aged, after, now


@pytest.mark.parametrize("change_of_model", [False, True])
def test_change_lines_add_up_over_ten_thousand_random_histories(
    scorer: LeadScorer, newer: LeadScorer, leads: Any, change_of_model: bool
) -> None:
    frame, _ = leads(10_000, 11)
    aged, after, now = live_on(frame, 12)
    new = newer if change_of_model else scorer
    ids = [str(i) for i in range(len(frame))]
    changes = explain_change(scorer, frame, new, now, lead_ids=ids, aged=aged, with_events=after)
    before, today = scorer.score(frame), new.score(now)
    moved = np.clip(today.score_exact, 0, 100) - np.clip(before.score_exact, 0, 100)
    assert np.abs(np.array([c.exact for c in changes]) - moved).max() < 1e-9
    for change, old, score in zip(changes, before.score, today.score, strict=True):
        assert (change.old_score, change.score) == (old, score)
        assert old + sum(line.points for line in change.lines) + change.rest_points == score
        assert len(change.lines) <= MOST_LINES
    kinds = {line.kind for change in changes for line in change.lines}
    assert ("model" in kinds) == change_of_model
    assert {"time", "event", "edit"} <= kinds


def test_time_events_and_edits_are_told_apart(scorer: LeadScorer, leads: Any) -> None:
    frame, _ = leads(50, 1)
    after = frame.assign(n_pricing_7d=frame["n_pricing_7d"] + 3)
    ids = [str(i) for i in range(50)]
    changes = explain_change(scorer, frame, scorer, after, lead_ids=ids, with_events=after)
    lines = [line for change in changes for line in change.lines]
    assert lines
    assert {line.kind for line in lines} <= {"event", "limit"}
    assert sum(line.factor == "pricing" for line in lines) >= 40
    assert {line.feature for line in lines if line.factor == "pricing"} == {"n_pricing_7d"}


def test_a_new_card_alone_is_a_line_of_its_own(
    scorer: LeadScorer, handmade: Any, leads: Any
) -> None:
    parts, texts = handmade
    moved = LeadScorer(replace(parts, card=replace(parts.card, anchor_score=45.0)), texts)
    frame, _ = leads(50, 1)
    changes = explain_change(scorer, frame, moved, frame, lead_ids=[str(i) for i in range(50)])
    for change in changes:
        assert change.exact == pytest.approx(-5.0)
        assert [line.kind for line in change.lines] == ["card"]


def test_an_unchanged_lead_has_no_lines(scorer: LeadScorer, leads: Any) -> None:
    frame, _ = leads(20, 1)
    for change in explain_change(
        scorer, frame, scorer, frame, lead_ids=[str(i) for i in range(20)]
    ):
        assert change.lines == ()
        assert change.rest_points == 0
        assert change.exact == 0.0


def test_last_nights_run_is_kept_and_gives_the_same_bits_back(
    scorer: LeadScorer, leads: Any, tmp_path: Path
) -> None:
    frame, _ = leads(300, 1)
    ids = [f"00{i}" for i in range(300)]
    path = tmp_path / "run.parquet"
    store_run(path, ids, frame, scorer, model_version="v1", as_of=5)
    stored = read_run(path)
    assert look_at_run(path) == (5, frozenset(ids))
    assert (stored.model_version, stored.as_of) == ("v1", 5)
    assert list(stored.lead_ids) == ids
    old, new = scorer.contributions(frame), scorer.contributions(stored.frame)
    assert old.values.tobytes() == new.values.tobytes()
    assert [p.name for p in tmp_path.iterdir()] == ["run.parquet"]


def test_leads_are_matched_by_id_and_new_ones_are_left_out(
    scorer: LeadScorer, leads: Any, tmp_path: Path
) -> None:
    frame, _ = leads(30, 1)
    path = tmp_path / "run.parquet"
    store_run(path, [str(i) for i in range(30)], frame, scorer, model_version="v", as_of=0)
    now = frame.iloc[::-1].assign(age_days=300.0)
    ids = [str(i) for i in range(29, 0, -1)] + ["new"]
    changes = compare_runs(scorer, read_run(path), scorer, now, lead_ids=ids)
    assert set(changes) == {str(i) for i in range(1, 30)}
    shown = scorer.score(frame).score
    assert all(changes[str(i)].old_score == shown[i] for i in range(1, 30))


def test_a_file_that_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"x.parquet: is no stored run"):
        read_run(tmp_path / "x.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "y.parquet")
    with pytest.raises(InputError, match=r"y.parquet: is no stored run"):
        read_run(tmp_path / "y.parquet")


def test_a_suggested_step_is_scored_for_real_and_only_from_the_list(
    scorer: LeadScorer, leads: Any
) -> None:
    frame, _ = leads(400, 7)
    steps = [
        SalesStep("Ask for the budget", column="budget"),
        SalesStep("Invite", event="pricing_page"),
    ]
    found = suggest(scorer, frame, steps, lead_ids=[str(i) for i in range(400)])
    assert any(found)
    today = scorer.score(frame).score
    for row, suggestion in enumerate(found):
        if suggestion is None:
            continue
        step = next(step for step in steps if step.name == suggestion.step)
        after = scorer.score(take_step(frame.iloc[row : row + 1], scorer.features, step)).score[0]
        assert suggestion.points == after - today[row] >= 1
    assert suggest(scorer, frame, [], lead_ids=[str(i) for i in range(400)]) == [None] * 400


def test_a_step_changes_only_what_is_certain(scorer: LeadScorer, leads: Any) -> None:
    frame, _ = leads(10, 7)
    after = take_step(frame, scorer.features, SalesStep("Call", event="call"))
    assert (after["n_calls_30d"] == frame["n_calls_30d"] + 1).all()
    same = [name for name in frame.columns if name != "n_calls_30d"]
    pd.testing.assert_frame_equal(after[same], frame[same])
    pricing = take_step(frame, scorer.features, SalesStep("Invite", event="pricing_page"))
    assert (pricing["days_since_pricing"] == 0).all()


def test_an_answer_leaves_the_count_of_missing_fields_as_building_does() -> None:
    features = [
        FeatureColumn("missing_count", "number", "fit", "x", "x", "missing_count", {}),
        FeatureColumn(
            "known_since_budget", "number", "fit", "x", "x", "known_since", {"column": "budget"}
        ),
    ]
    frame = pd.DataFrame({"missing_count": [2.0, 0.0], "known_since_budget": [np.nan, 3.0]})
    after = take_step(frame, features, SalesStep("Ask for the budget", column="budget"))
    assert after["missing_count"].tolist() == [2, 0]  # only fields without a date are counted
    assert after["known_since_budget"].tolist() == [0, 3]


def test_a_run_that_cannot_be_stored_is_an_outside_fault(
    scorer: LeadScorer, leads: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    frame, _ = leads(3, 7)
    with pytest.raises(OutsideError, match="can't be written"):
        store_run(
            tmp_path / "file" / "x.parquet",
            ["a", "b", "c"],
            frame,
            scorer,
            model_version="v",
            as_of=0,
        )
