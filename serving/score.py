"""Open leads as of a moment -> a scoring run: scores with reasons, trend and stage, a row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import InputError
from data.labels import open_snapshots
from data.schema import Project
from data.tables import Outcomes, Snapshots, Tables
from features.build import build
from features.frame import FAMILIES, FeatureFrame
from models.explain.points import Points
from models.explain.reason_rows import reason_rows
from models.explain.reasons import ReasonTable, reason_table
from models.explain.sentences import render, render_fact
from models.predictor import Frame, Rows, Scores
from models.scorecard import bands_with_hysteresis, percentile, trend
from serving.answers.standing import AnsweredLead, Standing
from serving.figures.lead_worth import knows_amounts, lead_worth
from serving.held_back import held_arms
from serving.loaded_model import LoadedModel
from serving.past_weeks import TREND_WEEKS, PastWeeks, look_back
from serving.qualify.engine import QualificationRules, qualify
from serving.qualify.rule_facts import SCORED
from serving.run_moment import RunMoment
from serving.scoring_run import LazyExplanations, ScoringRun, disqualified_by_reps, standing_of
from serving.worklist.language import words_of

FEW: Final = 20
NOTHING_OPEN: Final = "no lead is open at this moment: there is nothing to score"


def score_leads(
    project: Project,
    tables: Tables,
    outcomes: Outcomes,
    model: LoadedModel,
    run: RunMoment,
    *,
    threads: int = 1,
    previous_bands: Mapping[str, str] | None = None,
    answered: Mapping[str, AnsweredLead] = MappingProxyType({}),
    for_report: bool = False,
    on_stage: Callable[[str], None] = lambda _: None,
) -> ScoringRun:
    """Score every open lead with what was known strictly before the moment.

    `previous_bands` (lead id -> band) gives bands their hysteresis; `answered` is what reps'
    answers make of leads. `for_report` also marks leads
    whose reasons depend on chance, at the price of a second scoring. Raises InputError where no
    lead is open.
    """
    on_stage("features of open leads")
    snapshots = open_snapshots(tables, outcomes, run.as_of)
    if len(snapshots) == 0:
        raise InputError(NOTHING_OPEN)
    return score_snapshots(
        project,
        tables,
        snapshots,
        model,
        run,
        threads=threads,
        previous_bands=previous_bands,
        answered=answered,
        for_report=for_report,
        on_stage=on_stage,
    )


def score_snapshots(
    project: Project,
    tables: Tables,
    snapshots: Snapshots,
    model: LoadedModel,
    run: RunMoment,
    *,
    threads: int = 1,
    previous_bands: Mapping[str, str] | None = None,
    answered: Mapping[str, AnsweredLead] = MappingProxyType({}),
    ranked_among: NDArray[np.float64] | None = None,
    rules: QualificationRules | None = None,
    for_report: bool = False,
    on_stage: Callable[[str], None] = lambda _: None,
) -> ScoringRun:
    """Score leads as of a moment: the one place where every field of a score is filled.

    A night scores all open leads; one lead asked for by itself is scored by the same lines, given
    the margins of the leads that it is `ranked_among`.
    """
    frame = _build(tables, snapshots, model, threads)
    on_stage("scores and reasons")
    features = frame.to_pandas()
    reasons = reason_table(
        model.scorer,
        _quick(model, frame, features),
        facts=model.facts,
        with_stability=for_report,
    )
    scores = model.scorer.score_margin(reasons.margin)
    ids = tables.lead_ids[snapshots.lead].astype(str)
    held = held_arms(tables, snapshots.lead, project, max(run.as_of, run.scored_at))
    shown = np.array([arm is None for arm in held], bool)
    among = scores.margin[shown] if ranked_among is None else ranked_among
    columns: dict[str, Any] = {
        "lead_id": ids,
        "as_of": pd.to_datetime(snapshots.as_of, unit="us", utc=True),
        **_score_columns(scores, _bands(model, project, scores, ids, previous_bands), among),
    }
    on_stage("stages and trend")
    known = known_to_rules(pd.DataFrame(columns), shown)
    qualification = qualify(tables, snapshots, project, features=frame, scored=known, rules=rules)
    of_leads = np.array([answered.get(lead) for lead in ids.tolist()], object)
    by_reps = disqualified_by_reps(standing_of(of_leads))
    qualification = qualification.without_stage(by_reps)
    out = (qualification.disqualified >= 0) | by_reps
    columns["band"] = np.where(out, None, columns["band"])  # rule and rep come before the model
    past = look_back(tables, snapshots, model.catalogue, (TREND_WEEKS,), threads=threads)
    columns |= dict(zip(FAMILIES, reasons.families.T, strict=True))
    columns |= {
        "stage": qualification.stage_names,
        "rule": qualification.rule_reasons,
        "trend": trend(scores.score, _earlier_scores(model, past, len(snapshots))),
        **_points_beside(reasons.points),
        "model_version": model.version,
        "scored_at": pd.to_datetime(np.full(len(ids), run.scored_at), unit="us", utc=True),
        "run_id": run.run_id,
        "margin": scores.margin,
        "score_exact": scores.score_exact,
        "grid": reasons.grid,
        "episode": tables.episode[snapshots.lead],
        "back_at": pd.to_datetime(_back_at(tables, snapshots), unit="us", utc=True),
        **_standing_columns(standing_of(of_leads)),
    }
    if knows_amounts(project):
        amounts = model.amounts_in(project.report.currency)
        worth = lead_worth(project, tables, snapshots.lead, amounts, features)
        columns |= {"amount": worth, "expected_value": scores.probability * worth}
    return ScoringRun(
        run.as_of,
        snapshots,
        frame,
        scores,
        qualification,
        pd.DataFrame(columns),
        _worded(project, reasons, features),
        LazyExplanations(reasons, features, ids.tolist()),
        past,
        dict(model.scorer.card.bands),
        held,
        run.scored_at,
        of_leads,
    )


def _build(tables: Tables, snapshots: Snapshots, model: LoadedModel, threads: int) -> FeatureFrame:
    if threads == 1:
        return model.builder.build(tables, snapshots)
    return build(tables, snapshots, model.catalogue, threads=threads)


def _score_columns(
    scores: Scores, bands: NDArray[np.object_], among: NDArray[np.float64]
) -> dict[str, object]:
    """Lay out what the model says of each lead."""
    return {
        "score": scores.score,
        "band": bands,
        "probability": scores.probability,
        "probability_low": scores.low,
        "probability_high": scores.high,
        "percentile": percentile(scores.margin, among),
    }


def _points_beside(points: Points) -> dict[str, object]:
    """Lay out the points of a score that no family of columns has."""
    return {
        "typical": np.full(len(points.unseen), points.typical, np.int32),
        "unseen_points": points.unseen,
        "rest_points": points.rest,
        "limit_points": points.limit,
    }


def _standing_columns(standing: Sequence[Standing | None]) -> dict[str, object]:
    """Lay the standings out as columns, empty where there is none."""

    def column(name: str) -> list[object]:
        return [None if each is None else getattr(each, name) for each in standing]

    def moments(name: str) -> pd.Series:
        return pd.to_datetime(pd.Series(column(name), dtype="Int64"), unit="us", utc=True)

    return {
        "standing": column("kind"),
        "standing_since": moments("since"),
        "standing_until": moments("until"),
        "standing_by": column("by"),
        "standing_reason": column("reason"),
    }


def _back_at(tables: Tables, snapshots: Snapshots) -> pd.Series:
    """Say when each lead came back after a close: (n,) microseconds, missing in a first episode."""
    opened = np.zeros(len(snapshots), np.int64)
    if tables.created_at is not None:
        opened = tables.created_at[snapshots.lead]
    return pd.Series(opened, dtype="Int64").mask(tables.episode[snapshots.lead] == 1)


def known_to_rules(scored: pd.DataFrame, shown: NDArray[np.bool_]) -> pd.DataFrame:
    """Empty what rules may ask of a score that is held back: a stage must not tell it either."""
    if not shown.all():
        scored[list(SCORED)] = scored[list(SCORED)].where(pd.Series(shown), axis=0)
    return scored


def _worded(project: Project, reasons: ReasonTable, features: pd.DataFrame) -> pa.ListArray:
    """Say the reasons in the project's language."""
    speech = words_of(project.project.language).speech(project.report.words)
    return reason_rows(
        reasons,
        features,
        say=lambda reason: render(reason, speech),
        say_fact=lambda reason: render_fact(reason, speech),
    )


def _bands(
    model: LoadedModel,
    project: Project,
    scores: Scores,
    ids: NDArray[np.generic],
    previous: Mapping[str, str] | None,
) -> NDArray[np.object_]:
    before = None if previous is None else [previous.get(str(lead)) for lead in ids]
    shown = scores.score.astype(np.float64)
    return bands_with_hysteresis(
        model.scorer.card, shown, before, hysteresis=project.score.hysteresis
    )


def _earlier_scores(model: LoadedModel, past: PastWeeks, n: int) -> NDArray[np.float64]:
    """Score the same leads a week earlier: whole points, NaN for a lead that did not exist then."""
    rows, frame = past.at(TREND_WEEKS)
    points = np.full(n, np.nan)
    if len(rows):
        points[rows] = model.scorer.score(_quick(model, frame)).score
    return points


def _quick(model: LoadedModel, frame: FeatureFrame, features: pd.DataFrame | None = None) -> Frame:
    """Give a few rows without pandas, whose columns cost more than scoring them; same scores."""
    if len(frame) <= FEW:
        return Rows(frame.numbers, model.builder.number_at, frame.words())
    return frame.to_pandas() if features is None else features
