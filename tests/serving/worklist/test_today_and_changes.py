"""The pages of a trained company: arrows, lanes, next steps, counts, and what a week changed."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from data.clock import DAY, NEVER
from data.tables import OUTBOUND
from models.scorecard import trend
from models.winners import CONSTANT
from serving.answers.standing import AnsweredLead, Standing
from serving.figures.forecast import ages_of
from serving.past_weeks import WEEK
from serving.scoring_run import write_scores
from serving.worklist.html import render
from serving.worklist.pages.act_phrases import answer_to
from serving.worklist.pages.forecast_page import make_forecast
from serving.worklist.pages.lanes import asking_types, open_asks
from serving.worklist.pages.last_list import StoredList, follow_list, read_stored_list
from serving.worklist.pages.next_steps import choose_steps
from serving.worklist.pages.week_changes import find_changes
from serving.worklist.pages.week_page import make_week
from serving.worklist.pages.whole_report import make_view
from serving.worklist.ranking import orders


@pytest.fixture(scope="module")
def filled(source):
    return make_view(source)


def test_every_arrow_agrees_with_the_changes_of_the_same_week(source, filled):
    changes = find_changes(source)
    assert changes.since == source.scored.as_of - WEEK
    row_of = {str(lead): row for row, lead in enumerate(source.scored.table["lead_id"])}
    stored = source.scored.table["trend"]
    by_row = changes.of(range(len(stored)))
    movers = {x.lead_id: x for x in (*filled.movers.rises, *filled.movers.falls)}
    for lead in filled.leads:
        row = row_of[lead.lead_id]
        assert lead.trend == stored.iat[row]
        change = by_row.get(row)
        assert (lead.change is None) == (change is None) == (lead.trend == "new")
        if change is not None:
            then = np.array([change.old_score], float)
            assert lead.trend == trend(np.array([change.score]), then)[0]
            assert lead.change == change.score - change.old_score
        if lead.lead_id in movers:
            assert movers[lead.lead_id].new - movers[lead.lead_id].old == lead.change
        if lead.weeks and lead.change is not None:
            assert lead.weeks[-1] - lead.weeks[-2] == lead.change
    assert filled.movers.days == 7
    ranked = [lead for lead in filled.leads if not lead.rule and lead.change is not None]
    assert filled.movers.moved == sum(lead.change != 0 for lead in ranked)
    assert filled.movers.moved + filled.movers.unchanged == len(ranked)


def test_every_lead_page_says_what_changed_to_the_point(filled):
    told = [lead for lead in filled.leads if lead.detail and lead.change is not None]
    assert len(told) > 50
    aged = 0
    for lead in told:
        assert sum(line.points for line in lead.detail.changes) == lead.change
        aged += any(line.aged is not None for line in lead.detail.changes)
    assert aged > 10
    for lead in filled.leads:
        if lead.detail and lead.change is None:
            assert lead.detail.changes is None


def test_no_step_is_suggested_that_the_lead_has_done(source, filled):
    events = source.tables.events
    row_of = {str(lead): row for row, lead in enumerate(source.scored.table["lead_id"])}
    tried = events.type_names.index("trial")
    suggested = Counter()
    for lead in filled.leads:
        at = int(source.scored.snapshots.lead[row_of[lead.lead_id]])
        places = slice(int(events.offsets[at]), int(events.offsets[at + 1]))
        known = events.known_before(source.scored.as_of)[places]
        had_trial = bool((events.type[places][known] == tried).any())
        text = "" if lead.step is None else lead.step.phrase.text
        suggested[text] += 1
        assert not (had_trial and "trial" in text), lead.lead_id
        assert (lead.step is None) or not lead.rule
    assert suggested["Offer a guided trial"] > 0
    assert suggested["Offer a date for the demo they asked for"] > 0


def test_a_question_that_waits_is_answered_first(source, filled):
    asks = open_asks(source)
    assert asks
    events = source.tables.events
    row_of = {str(lead): row for row, lead in enumerate(source.scored.table["lead_id"])}
    for lead in filled.leads:
        row = row_of[lead.lead_id]
        in_lane = any(entry.lane == "answer" for entry in lead.lanes)
        assert in_lane == (row in asks and not lead.rule)
        if in_lane:
            assert lead.step is not None
            assert lead.step.phrase == answer_to(asks[row].event)
            at = int(source.scored.snapshots.lead[row])
            places = slice(int(events.offsets[at]), int(events.offsets[at + 1]))
            known = events.known_before(source.scored.as_of)[places]
            touches = events.at[places][known & (events.direction[places] == OUTBOUND)]
            assert not len(touches) or touches.max() < asks[row].at


def test_what_asks_can_be_named_in_the_project(source):
    names = source.tables.events.type_names
    guessed = {names[i] for i in asking_types(source.tables, ())}
    assert guessed == {"demo_request", "form", "chat", "email_reply"}
    assert [names[i] for i in asking_types(source.tables, ("trial",))] == ["trial"]


def test_newly_hot_leads_rose_into_the_best_two_bands_within_the_week(filled):
    hot = [lead for lead in filled.leads if any(e.lane == "hot" for e in lead.lanes)]
    assert hot
    for lead in hot:
        assert lead.band in ("A", "B")
        assert lead.old_band in ("C", "D")
        assert lead.trend == "rising"


def test_every_count_of_open_leads_is_the_same_on_all_pages(source, filled):
    n = len(source.scored.snapshots)
    assert filled.about.open_leads == len(filled.leads) == n
    assert sum(owner.open_leads for owner in filled.week.owners) == n
    listed = [lead for lead in filled.leads if not lead.rule]
    assert filled.week.plan[-1].calls == len(listed)
    bands = Counter(lead.band for lead in listed)
    assert {row.band: row.leads for row in filled.week.contacts} == dict(bands)
    total = sum(row.leads for row in filled.funnel.sources)
    assert filled.funnel.leads == total
    assert filled.funnel.stages[0].leads + filled.funnel.outside == total


def test_conversions_that_skipped_a_stage_are_their_own_figure(filled):
    *_, last, won = filled.funnel.stages
    assert won.leads == sum(row.opportunities for row in filled.funnel.sources)
    assert 0 < filled.funnel.skipped < won.leads
    assert won.rate.value * last.leads == pytest.approx(won.leads - filled.funnel.skipped)
    counts = [row.leads for row in filled.funnel.stages[:-1]]
    assert counts == sorted(counts, reverse=True)


def test_the_orders_of_the_list_hold_every_lead_once(filled):
    for name, order in orders(filled.leads).items():
        assert sorted(order) == list(range(len(filled.leads))), name
        ruled = [filled.leads[i].rule is not None for i in order]
        assert ruled == sorted(ruled), name
    listed = [filled.leads[i] for i in orders(filled.leads)["value"]]
    by_value = [lead.worth for lead in listed if not lead.rule]
    worth = [each for each in by_value if each is not None]
    assert worth == sorted(worth, reverse=True)
    first = filled.leads[orders(filled.leads)["urgency"][0]]
    assert first.lanes[0].lane == "answer"


def test_money_is_of_each_leads_own_amount_and_profit_has_a_largest_value(source, filled):
    amounts = {lead.amount for lead in filled.leads}
    assert len(amounts) > 50
    for lead in filled.leads[:50]:
        assert lead.worth == pytest.approx(lead.probability * lead.amount)
    by_value = filled.week.plan_by_value
    wanted = [filled.leads[i] for i in orders(filled.leads)["value"]]
    for point in by_value[:: max(1, len(by_value) // 5)]:
        total = sum(lead.worth for lead in wanted[: point.calls])
        assert point.money.value == pytest.approx(total)
        assert point.money.low <= point.money.value <= point.money.high
        cost = source.project.report.cost_per_contact * point.calls
        assert point.profit == pytest.approx(total - cost)
    best = filled.week.best_calls
    profit = np.cumsum([x.worth - filled.week.cost_per_contact for x in wanted if not x.rule])
    assert best == int(np.argmax(profit)) + 1
    assert filled.week.best_profit == pytest.approx(profit.max())


def test_the_forecast_of_the_owners_is_that_of_the_open_leads(source, filled):
    target = source.project.report.target.model_copy(update={"deals": 30.0, "money": 200_000.0})
    report = source.project.report.model_copy(update={"target": target})
    project = source.project.model_copy(update={"report": report})
    forecast = make_view(replace(source, project=project)).forecast
    row = next(row for row in forecast.rows if row.days == forecast.owner_days)
    assert sum(o.deals.value for o in forecast.owners) == pytest.approx(row.from_open.value)
    assert [t.kind for t in forecast.targets] == ["deals", "money"]
    assert forecast.targets[0].expected == row.total
    assert forecast.targets[1].expected == row.money
    assert sum(o.money.value for o in forecast.owners) < row.money.value
    assert filled.forecast.targets == ()


def test_scores_say_whose_the_opportunities_are_and_not_how_many(source, filled):
    """Another model gives another list, and the same sum: what old leads did counts."""
    bold = replace(source.scored.scores, probability=source.scored.scores.probability**0.5)
    other = replace(source, scored=replace(source.scored, scores=bold))
    assert other.chances.sum() > 2 * source.chances.sum()
    forecast = make_forecast(other)
    for row, own in zip(forecast.rows, filled.forecast.rows, strict=True):
        assert (row.total, row.from_open, row.from_new) == (own.total, own.from_open, own.from_new)
    assert forecast.past == filled.forecast.past
    assert forecast.owners != filled.forecast.owners


def test_leads_older_than_the_model_knows_are_left_behind_with_what_such_leads_did(source):
    ages = ages_of(source.tables, source.scored.snapshots)
    old = ages > 60  # its oldest snapshot
    bold = replace(source.scored.scores, probability=np.where(old, 0.9, 0.01))
    other = replace(source, scored=replace(source.scored, scores=bold))
    assert other.counted[old].sum() == pytest.approx(source.counted[old].sum())
    assert other.counted[~old] == pytest.approx(0.01)
    assert make_week(other).left_behind.value < 0.2 * other.chances[old].sum()


def test_where_every_lead_gets_the_base_rate_that_is_said_and_nobody_is_to_be_called(source):
    card = source.model.card
    base = replace(card, candidates={**card.candidates, "winner": CONSTANT})
    view = make_view(replace(source, model=replace(source.model, card=base)))
    assert (view.week.calls, view.week.missed, view.week.plan) == ((), (), ())
    assert not any(entry.lane == "cold" for lead in view.leads for entry in lead.lanes)
    came = [lead.created_at for lead in view.leads if not lead.off_list]
    assert came == sorted(came, reverse=True)
    assert (view.trust.verdict, view.trust.auc, view.trust.top_captured) == ("base", None, None)
    page = re.sub(r"<[^>]+>", "", render(view, "en"))
    assert page.count("Not learned: every lead gets the base rate") >= 2  # on Today and on Proof
    assert "Call these" not in page
    assert "best first" not in page


def test_the_list_of_a_week_ago_is_followed_up(source):
    outcomes, tables, as_of = source.outcomes, source.tables, source.scored.as_of
    then = as_of - 30 * DAY
    open_then = (tables.created_at < then) & (outcomes.converted_at >= then)
    open_then &= outcomes.disqualified_at >= then
    rows = np.flatnonzero(open_then)[:200]
    stored = StoredList(then, tuple(map(str, tables.lead_ids[rows])), (0.1,) * len(rows))
    last = follow_list(stored, tables, outcomes, as_of)
    won = (outcomes.converted_at[rows] < as_of) & (outcomes.converted_at[rows] < NEVER)
    assert last.calls == len(rows)
    assert last.expected == pytest.approx(0.1 * len(rows))
    assert last.converted == int(won.sum()) > 0
    assert last.converted + last.lost + last.still_open == last.calls
    assert follow_list(None, tables, outcomes, as_of) is None


def test_the_list_of_a_week_ago_is_the_one_that_was_shown(source, tmp_path):
    then, now = source.scored.as_of, source.scored.as_of + WEEK
    planned = source.ranked[: source.project.report.capacity_per_week]
    chances = source.chances[planned]
    scored = replace(source.scored, answered=source.scored.answered.copy())
    done = Standing("done", then, None, "Ada", "", 1, then)
    scored.answered[planned[0]] = AnsweredLead(done, holds=True, event=None)
    scored.table.loc[planned[0], "standing"] = "done"
    write_scores(scored, tmp_path / "r1" / "scores.parquet")
    stored = read_stored_list(tmp_path, now, source.project, source.tables)
    scored.table.loc[planned[0], "standing"] = None
    shown = replace(source, scored=scored)
    wanted = shown.ranked[: len(planned)]
    assert stored.lead_ids == tuple(scored.table["lead_id"].iloc[wanted])
    assert stored.lead_ids[:-1] == tuple(scored.table["lead_id"].iloc[planned[1:]])
    assert stored.chances[:-1] == pytest.approx(chances[1:])


def test_leads_of_one_company_know_of_each_other(filled):
    by_id = {lead.lead_id: lead for lead in filled.leads}
    together = [lead for lead in filled.leads if lead.colleagues]
    assert together
    for lead in together:
        for other in lead.colleagues:
            assert by_id[other.lead_id].account == lead.account
            assert other.lead_id != lead.lead_id
    assert all(lead.person for lead in filled.leads)
    assert {lead.team for lead in filled.leads} == {"North", "South"}


def test_steps_without_a_rescored_act_still_come_from_rules(source):
    steps = choose_steps(source, {}, {})
    assert set(steps) == set(source.ranked.tolist())  # nobody on the list is without a step
    assert all(source.scored.qualification.disqualified[row] < 0 for row in steps)
