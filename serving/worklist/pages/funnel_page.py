"""Leads and outcomes -> page "Funnel": stages, sources, time to convert, definitions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.clock import DAY, iso
from data.incidence import Incidence
from data.tables import Snapshots
from features.build import build
from models.scorecard import percentile
from serving.figures.funnel import Funnel, SourceFigures, measure_funnel
from serving.qualify.engine import qualify
from serving.worklist.pages.report_input import ReportInput, interval
from serving.worklist.view_figures import FunnelPage, SourceRow, StageRow
from serving.worklist.view_parts import Point

SINCE_DAYS = 365
CURVE_POINTS = 40


def make_funnel(source: ReportInput) -> FunnelPage:
    """Measure the leads created within a year before as_of."""
    qualification = source.scored.qualification
    since = source.scored.as_of - SINCE_DAYS * DAY
    names = tuple(words.name for words in qualification.criteria.stages)
    funnel = measure_funnel(
        source.tables,
        source.outcomes,
        source.project,
        stage=stages_reached(source, since) if names else None,
        stage_names=names,
        since=since,
    )
    return FunnelPage(
        stages=_stages(source, funnel),
        sources=tuple(_source_row(source, figures) for figures in funnel.sources),
        time_to_convert=() if funnel.curve is None else _curve(funnel.curve),
        median_days=funnel.total.median_days,
        definition=qualification.criteria.definition,
        disqualified=qualification.counts_by_rule(),
        icp=qualification.criteria.icp,
        leads=funnel.total.leads,
        episodes=_apart(source, funnel.total.episodes),
        since=iso(since),
        skipped=funnel.skipped,
        outside=funnel.outside,
    )


def _apart(source: ReportInput, episodes: int) -> int | None:
    """Count episodes apart from leads only where leads came back."""
    return episodes if (source.tables.episode > 1).any() else None


def stages_reached(source: ReportInput, since: int) -> NDArray[np.int64]:
    """Give each lead the stage at which it stands, or stood at its end: (n_leads,), -1 for none.

    Ends are conversions and losses. If lost leads were left out, every rate of the funnel would
    look higher than it is. Rules see what was known then; scores in rules are those of today's
    model. Leads from before `since` have none.
    """
    scored, tables, model = source.scored, source.tables, source.model
    stage = np.full(len(tables), -1, np.int64)
    stage[scored.snapshots.lead] = scored.qualification.stage
    if tables.created_at is None:
        return stage
    outcomes = source.outcomes
    ended_at = np.minimum(outcomes.disqualified_at, outcomes.converted_at)
    ended = np.flatnonzero((ended_at < scored.as_of) & (tables.created_at >= since))
    if not len(ended) or not outcomes.timed:
        return stage
    then = Snapshots(ended, np.maximum(ended_at[ended], tables.created_at[ended]))
    frame = build(tables, then, model.catalogue, threads=source.threads)
    scores = model.scorer.score(frame.to_pandas())
    percentiles = percentile(np.concatenate([scored.scores.margin, scores.margin]))
    columns = {
        "score": scores.score,
        "band": scores.band,
        "probability": scores.probability,
        "percentile": percentiles[len(scored.scores.margin) :],
    }
    stage[ended] = qualify(tables, then, source.project, features=frame, scored=columns).stage
    return stage


def _stages(source: ReportInput, funnel: Funnel) -> tuple[StageRow, ...]:
    words = {stage.name: stage for stage in source.scored.qualification.criteria.stages}
    return tuple(
        StageRow(
            name=stage.name,
            label=words[stage.name].label if stage.name in words else stage.name,
            leads=stage.leads,
            rate=None if stage.rate is None else interval(stage.rate),
            definition=words[stage.name].criteria if stage.name in words else (),
            episodes=_apart(source, stage.episodes),
        )
        for stage in funnel.stages
    )


def _source_row(source: ReportInput, figures: SourceFigures) -> SourceRow:
    return SourceRow(
        source=figures.source,
        leads=figures.leads,
        prospects=figures.prospects,
        opportunities=figures.opportunities,
        rate=interval(figures.rate),
        median_days=figures.median_days,
        value=figures.value,
        cost=figures.cost,
        episodes=_apart(source, figures.episodes),
    )


def _curve(curve: Incidence) -> tuple[Point, ...]:
    days = np.linspace(0, curve.last_day, CURVE_POINTS)
    share = curve.share_by(days)
    return tuple(Point(float(x), float(y)) for x, y in zip(days, share, strict=True))
