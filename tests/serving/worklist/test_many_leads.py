"""More open leads than a file lists: what it counts, what the sheets and the live pages hold."""

from __future__ import annotations

import csv
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serving.answers.standing import AnsweredLead, Standing
from serving.people.viewer import Viewer
from serving.worklist.deliver import deliver, for_owner
from serving.worklist.html import render
from serving.worklist.list_query import ORDERS, ListChoice
from serving.worklist.pages.listed_leads import choose_listed
from serving.worklist.pages.movers_page import largest
from serving.worklist.pages.whole_report import EveryLead, PreparedWeek, make_view
from serving.worklist.ranking import orders
from serving.worklist.scoped_pages import scoped
from serving.worklist.scoped_rows import AnsweredSince
from serving.worklist.sheet import write_excel
from serving.worklist.stored_pages import opened_pages, run_file, unpacked, write_pages
from serving.worklist.view_lead import LeadDetail

MANAGER = Viewer("m", "manager", None, "en", "t")
MOST = 150


@pytest.fixture(scope="module")
def week(source):
    return PreparedWeek.of(source)


@pytest.fixture(scope="module")
def whole(source, week):
    return make_view(source, week)


@pytest.fixture(scope="module")
def capped(source, week, whole):
    """The view as it would be if a file listed 150 leads at most."""
    of_leads = week.of_leads
    rows, unlisted = choose_listed(
        source, of_leads.lanes, of_leads.changes, largest(whole.movers), most=MOST
    )
    of_row = {lead.lead_id: lead for lead in whole.leads}
    ids = source.scored.table["lead_id"].to_numpy(object)
    return replace(whole, leads=tuple(of_row[ids[row]] for row in rows), unlisted=unlisted)


def test_a_file_that_holds_all_leads_counts_no_others(whole, source):
    assert whole.unlisted is None
    assert len(whole.leads) == len(source.scored.table)
    assert "unlisted" not in whole.to_dict()


def test_what_a_file_lists_and_what_it_leaves_out_add_up_to_all_leads(whole, capped):
    rest = capped.unlisted
    assert len(capped.leads) + rest.leads == len(whole.leads)
    ruled = sum(lead.rule is not None for lead in whole.leads)
    assert sum(lead.rule is not None for lead in capped.leads) + rest.ruled == ruled
    every, listed = (
        Counter(e.lane for lead in view.leads for e in lead.lanes) for view in (whole, capped)
    )
    assert every == listed + Counter(rest.lanes)
    there = [x for x in capped.leads if x.old_score is not None and not x.off_list]
    moved = sum(lead.change != 0 for lead in there)
    assert moved + rest.moved == whole.movers.moved
    assert len(there) - moved + rest.unchanged == whole.movers.unchanged


def test_a_capped_file_keeps_the_order_of_the_list_and_whom_its_pages_name(whole, capped):
    place = {lead.lead_id: i for i, lead in enumerate(whole.leads)}
    places = [place[lead.lead_id] for lead in capped.leads]
    assert places == sorted(places)
    assert places[:20] == list(range(20))
    listed = {lead.lead_id for lead in capped.leads}
    assert set(whole.week.calls[: MOST // 2]) <= listed
    assert {x.lead_id for x in (*whole.movers.rises, *whole.movers.falls)} <= listed


def test_a_capped_file_says_how_many_more_there_are_in_every_language(capped):
    pages = {language: render(capped, language) for language in ("en", "it", "fr", "fa")}
    assert all('id="unlisted"' in page for page in pages.values())
    page = pages["en"]
    assert f"{len(capped.leads) + capped.unlisted.leads:,} open leads" in page
    assert f"{capped.unlisted.leads:,} more open leads are not listed here" in page


def test_the_sheets_of_a_capped_delivery_hold_every_lead(source, week, whole, capped, tmp_path):
    every = EveryLead(source, week)
    deliver(capped, tmp_path, languages=["en"], every=every)

    def held(file: Path) -> list[str]:
        rows = csv.reader(file.read_text(encoding="utf-8-sig").splitlines())
        return [row[0] for row in rows][1:]

    assert held(tmp_path / "leads.csv") == [lead.lead_id for lead in whole.leads]
    of_owners = [lead for file in (tmp_path / "owners").glob("*.csv") for lead in held(file)]
    assert sorted(of_owners) == sorted(lead.lead_id for lead in whole.leads)
    book = write_excel(capped, "en", tmp_path / "capped.xlsx")
    assert book.stat().st_size < (tmp_path / "leads.csv").stat().st_size * 3


def test_live_pages_hold_every_lead_whole_whatever_the_file_lists(
    source, week, whole, capped, tmp_path
):
    ids = source.scored.table["lead_id"].to_numpy(object)
    row_of = {str(lead): row for row, lead in enumerate(ids)}
    made = {row_of[lead.lead_id]: lead for lead in capped.leads}
    size = write_pages(tmp_path, capped, week.rows.whole(made), made_at=1)
    assert size.leads == len(whole.leads)
    with closing(sqlite3.connect(run_file(tmp_path, capped.about.run_id))) as stored:
        found = stored.execute(
            "select lead_id, detail, by_value, by_name from leads join bodies using (place)"
            " order by place"
        ).fetchall()
    assert [row[0] for row in found] == [lead.lead_id for lead in whole.leads]
    assert sorted(row[2] for row in found) == list(range(len(found)))
    assert sorted(row[3] for row in found) == list(range(len(found)))
    of_lead = {lead.lead_id: lead for lead in whole.leads}
    for lead_id, detail, *_ in found[::40]:
        shown = of_lead[lead_id].detail
        page = unpacked(detail, LeadDetail)
        if shown is not None:
            assert page == shown
        assert page.timeline or page.low_information


def test_a_lead_is_back_in_its_place_once_its_answer_is_taken_back(source, whole, tmp_path):
    """Found with simulated weeks: it came back behind all others."""
    listed = [lead for lead in whole.leads if not lead.off_list]
    first = listed[len(listed) // 2]  # not called: nobody else's call hangs on it
    answered_at = source.scored.as_of
    answer = Standing("done", answered_at, None, "ann", "", 1, answered_at)
    answers = source.scored.answered.copy()
    row = list(source.scored.table["lead_id"]).index(first.lead_id)
    answers[row] = AnsweredLead(answer, holds=True, event=None)
    answered = replace(source, scored=replace(source.scored, answered=answers))
    week = PreparedWeek.of(answered)
    view = make_view(answered, week)
    assert first.lead_id not in {lead.lead_id for lead in view.leads[: len(listed) - 1]}
    write_pages(tmp_path, view, week.rows.whole({}), made_at=1)
    with opened_pages(run_file(tmp_path, view.about.run_id)) as stored:
        pages = scoped(stored, MANAGER, lambda _: AnsweredSince(back={first.lead_id}))
        for order in ORDERS:
            rows, _ = pages.rows(ListChoice(order=order), 0, len(listed))
            there = [listed[i] for i in orders(listed)[order]]
            assert [lead.lead_id for lead in rows] == [lead.lead_id for lead in there], order


def test_a_rep_reads_the_same_on_the_live_page_and_in_the_file(week, whole, tmp_path):
    write_pages(tmp_path, whole, week.rows.whole({}), made_at=1)
    owners = {each.owner for each in whole.week.owners}
    with opened_pages(run_file(tmp_path, whole.about.run_id)) as stored:
        for owner in sorted(owners):
            live = scoped(stored, Viewer("r", "rep", frozenset([owner]), "en", "t")).week()
            assert live == for_owner(whole, owner).week
            assert live.capacity == round(whole.week.capacity / len(owners))
            point = next(each for each in live.plan if each.calls == len(live.calls))
            assert point.expected == live.expected.value  # the slider says what stands above it


def test_leads_are_the_same_however_many_are_made_at_once(source, week, whole):
    rows = source.listed[:60]
    one_by_one = [lead for row in rows[::10] for lead in week.rows.leads([row], (), {})]
    assert [x.lead_id for x in one_by_one] == [x.lead_id for x in whole.leads[:60:10]]
    for one, listed in zip(one_by_one, whole.leads[:60:10], strict=True):
        assert replace(one, weeks=()) == replace(listed, detail=None, weeks=())
    assert np.array_equal(np.sort(source.listed), np.arange(len(source.scored.table)))
