"""What pages say beyond scores: steps scored again, answers, levels, contacts, earlier scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from data.clock import DAY
from serving.answers.answer_store import RepAnswer
from serving.newest_scores import first_scored
from serving.past_weeks import HISTORY_WEEKS, look_back
from serving.score_changes import Moment, changes_since
from serving.scoring_run import write_scores
from serving.worklist.pages.act_phrases import contact_by
from serving.worklist.pages.lead_history import score_history
from serving.worklist.pages.lead_pages import _detail
from serving.worklist.pages.next_steps import acts_of_sales, make_steps
from serving.worklist.pages.trust_page import is_shaped_by_scores
from serving.worklist.pages.week_page import make_week
from serving.worklist.pages.whole_report import make_view
from serving.worklist.phrase import Phrase
from serving.write_reports import write_views


def test_only_acts_of_sales_are_suggested(source):
    acts = acts_of_sales(source.tables.events)
    assert set(acts) == {"sales_email", "sales_call", "sales_meeting"}


def test_a_step_is_what_scoring_the_lead_again_says(source):
    rows = source.ranked[:40].tolist()
    steps = make_steps(source, rows)
    for row, step in steps.items():
        assert step.points >= 2
        assert int(source.scored.scores.score[row]) + step.points <= 100
        assert step.phrase in [contact_by(act) for act in acts_of_sales(source.tables.events)]
    assert make_steps(source, []) == {}


def test_the_page_of_a_lead_holds_its_levels_its_stage_and_what_reps_answered(source):
    row = int(source.ranked[0])
    lead_id = str(source.scored.table["lead_id"].iat[row])
    said = RepAnswer(lead_id, "too_high", "no <b>budget</b> before May", "Ada", 0, 80)
    leads = make_view(replace(source, feedback=(said,))).leads
    first = next(lead for lead in leads if lead.lead_id == lead_id)
    assert [f.reason for f in first.detail.feedback] == ["no <b>budget</b> before May"]
    assert first.detail.levels["interest"] in ("high", "medium", "low")
    assert all(not lead.detail.feedback for lead in leads[1:] if lead.detail)
    missing = [gap for lead in leads if lead.detail for gap in lead.detail.missing_for_next]
    assert missing
    assert all(isinstance(gap, Phrase) for gap in missing)
    assert any({"event", "column"} & set(gap.params) for gap in missing)


def test_shares_of_touches_by_band_add_up(source):
    contacts = make_week(source).contacts
    banded = int(source.scored.table["band"].notna().sum())  # a rule takes the others out
    assert sum(row.leads for row in contacts) == banded
    assert sum(row.share_of_touches for row in contacts) <= 1
    assert sum(row.share_of_leads for row in contacts) == pytest.approx(
        banded / len(source.scored.table)
    )


def test_earlier_scores_shape_the_model_only_where_it_learnt_after_them(source):
    end = source.model.card.trained_until
    assert not is_shaped_by_scores(source)
    assert not is_shaped_by_scores(replace(source, scored_from=end))
    created = int(np.quantile(source.tables.created_at, 0.3))
    shaped = replace(source, scored_from=created)
    assert is_shaped_by_scores(shaped)
    for share, too_few in ((0.1, False), (0.01, True)):
        section = source.project.experiment.model_copy(update={"random_arm": share})
        project = source.project.model_copy(update={"experiment": section})
        assert is_shaped_by_scores(replace(shaped, project=project)) is too_few


def test_the_first_run_says_when_scores_were_at_hand(source, tmp_path):
    assert first_scored(tmp_path) is None
    for run in ("20260102T000000Z-b", "20260101T000000Z-a"):
        write_scores(source.scored, tmp_path / run / "scores.parquet")
    assert first_scored(tmp_path) == source.scored.as_of
    first = tmp_path / "20260101T000000Z-a" / "scores.parquet"
    pq.write_table(pq.read_table(first).slice(0, 0), first)  # all its leads were forgotten
    assert first_scored(tmp_path) == source.scored.as_of
    first.write_bytes(b"cut off")
    assert first_scored(tmp_path) == source.scored.as_of


def test_a_delivery_holds_a_report_a_sheet_and_a_draft_for_each_owner(
    company, source, quiet, tmp_path
):
    paths = write_views(
        company.session,
        company.reading,
        company.model,
        source.scored,
        folder=tmp_path,
        languages=("en",),
        per_owner=True,
        on_stage=quiet,
    )
    names = {path.relative_to(tmp_path).as_posix() for path in paths}
    assert {"report-en.html", "leads.csv", "leads.xlsx", "model-en.html"} <= names
    assert "Leak report" in (tmp_path / "model-en.html").read_text(encoding="utf-8")
    owners = {name for name in source.owners if name}
    assert sum(name.startswith("owners/") for name in names) >= 3 * len(owners)


def test_a_lead_that_nobody_had_recorded_yet_has_no_past(source, company):
    tables, as_of = source.tables, source.scored.as_of
    rows = np.flatnonzero(tables.created_at[source.scored.snapshots.lead] < as_of - 30 * DAY)[:2]
    late, early = source.scored.snapshots.lead[rows]
    recorded = tables.created_at.copy()
    recorded[late] = as_of - DAY
    recorded[early] = as_of - 14 * DAY  # at that very moment it is there
    late_tables = replace(tables, recorded_at=recorded)
    snapshots = source.scored.snapshots
    past = look_back(
        late_tables, snapshots, company.model.catalogue, range(1, HISTORY_WEEKS + 1), threads=1
    )
    reading = replace(source.reading, tables=late_tables)
    history = score_history(replace(source, reading=reading), rows)
    assert [len(history[int(row)]) for row in rows] == [1, 3]
    assert np.isin(rows, past.at(2)[0]).tolist() == [False, True]
    frame = source.scored.frame.to_pandas().iloc[rows]
    moment = Moment(late_tables, snapshots.take(rows), frame, company.model, 1)
    assert list(changes_since(moment, as_of - 7 * DAY)) == [1]


def test_a_lead_without_an_event_yet_is_said_to_be_little_known(source):
    row = int(source.ranked[0])
    answer = source.scored.answers([row])[0]
    assert not _detail(source, answer, row, None, (), ()).low_information
    then = replace(source, scored=replace(source.scored, as_of=0))
    assert _detail(then, answer, row, None, (), ()).low_information
