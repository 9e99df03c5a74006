"""The funnel and the movers of a trained company: every lead is counted, and counted once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.clock import DAY, NEVER
from serving.run_moment import RunMoment
from serving.score import score_leads
from serving.score_changes import Moment, changes_since
from serving.worklist.pages.funnel_page import SINCE_DAYS, make_funnel, stages_reached
from serving.worklist.pages.movers_page import make_movers
from training.watch.model_watch import watch_model


def test_leads_that_were_lost_stand_in_the_funnel_where_they_stood_then(source):
    page = make_funnel(source)
    since = source.scored.as_of - SINCE_DAYS * DAY
    recent = source.tables.created_at >= since
    lost = recent & (source.outcomes.disqualified_at < source.scored.as_of)
    assert lost.sum() > 0.3 * recent.sum()
    stage = stages_reached(source, since)
    # the first stage asks for nothing: who is missing there was taken out by a rule
    assert page.stages[0].leads >= 0.8 * recent.sum()
    assert (stage[lost & (source.outcomes.converted_at >= source.scored.as_of)] >= 1).any()
    assert sum(row.leads for row in page.sources) == recent.sum()
    won = sum(row.opportunities for row in page.sources)
    assert page.stages[-1].leads == won
    whole = np.prod([row.rate.value for row in page.stages if row.rate is not None])
    assert whole == pytest.approx((won - page.skipped) / page.stages[0].leads)


def test_scores_that_did_not_move_are_counted_among_those_that_could(source):
    frame = source.scored.frame.to_pandas()
    moment = Moment(source.tables, source.scored.snapshots, frame, source.model, 1)
    changes = changes_since(moment, source.scored.as_of - 7 * DAY)
    ours = [changes[row] for row in source.ranked.tolist() if row in changes]
    assert len(ours) < len(changes)  # a rule takes some out
    page = make_movers(source)
    assert page.unchanged == sum(change.score == change.old_score for change in ours)


def test_a_report_of_an_earlier_day_does_not_see_what_came_later(source, company):
    tables, outcomes = source.tables, company.reading.outcomes
    as_of = source.scored.as_of - 60 * DAY
    scored = score_leads(source.project, tables, outcomes, company.model, RunMoment(as_of, 0, "r0"))
    page = make_funnel(replace(source, scored=scored))
    recent = (tables.created_at >= as_of - SINCE_DAYS * DAY) & (tables.created_at <= as_of)
    assert sum(row.leads for row in page.sources) == recent.sum()
    won = recent & (outcomes.converted_at < as_of)
    assert sum(row.opportunities for row in page.sources) == page.stages[-1].leads == won.sum()
    assert won.sum() < (recent & (outcomes.converted_at < outcomes.observed_until)).sum()


def test_a_model_is_watched_with_what_is_known_at_that_moment(source, company):
    outcomes, model = company.reading.outcomes, company.model
    as_of = source.scored.as_of - 30 * DAY
    began = int(np.quantile(source.tables.created_at, 0.2))

    def signals(known):
        return watch_model(
            source.project,
            source.tables,
            known,
            (),
            replace(model.watched, card=replace(model.card, trained_until=began)),
            as_of=as_of,
            threads=1,
        )

    def seen(at):
        return np.where(at < as_of, at, NEVER)

    past = replace(
        outcomes,
        converted_at=seen(outcomes.converted_at),
        disqualified_at=seen(outcomes.disqualified_at),
        observed_until=as_of,
    )
    assert any("since training" in signal.name for signal in signals(past))
    assert signals(outcomes) == signals(past)
