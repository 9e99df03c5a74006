"""What a person sees of a lead that came back: the lane, its page, the sheet, the funnel."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from serving.answers.answer_store import RepAnswer
from serving.worklist.html import LANE_SHOWN, render
from serving.worklist.pages.lead_pages import comeback
from serving.worklist.ranking import returned
from serving.worklist.sheet import rows_of
from serving.worklist.view import ReportView
from serving.worklist.view_parts import Comeback
from tests.data.test_episodes import START, project, read
from tests.fakes.report_view import make_view

NAMES = {"en": "Back again", "it": "Di nuovo qui", "fr": "De retour", "fa": "دوباره برگشته"}


@pytest.fixture(scope="module")
def view() -> ReportView:
    return make_view(60)


@pytest.mark.parametrize("language", NAMES)
def test_the_lane_says_when_a_lead_was_closed_and_why_and_what_brought_it_back(
    view: ReportView, language: str
) -> None:
    page = render(view, language)
    lane = page[page.index('id="lane-back"') :]
    lane = lane[: lane.index("</section>")]
    back = returned(view.leads)
    assert f'<h2 id="h-lane-back">{NAMES[language]} <small>' in lane
    stands = lane.count("<li>")  # the latest ones; the others are one click away
    assert stands == min(len(back), LANE_SHOWN) > 2
    assert ("lane=back" in lane) == (len(back) > LANE_SHOWN)
    if language == "en":
        assert lane.count("asked for a demo") == lane.count("too small") == stands
        assert lane.count("back since ") == lane.count(", closed on ") == stands
        assert f"and {len(back) - LANE_SHOWN} more" in lane


def test_the_latest_return_stands_first_and_none_that_a_rule_takes_out() -> None:
    leads = make_view(3).leads
    day = [Comeback(f"2026-01-0{i}", None, f"2026-02-0{i}", None, 1) for i in (1, 2, 3)]
    rows = [replace(lead, back=day[i], rule=None) for i, lead in enumerate(leads)]
    rows[1] = replace(rows[1], rule="competitor")
    assert [back.back_at for _, back in returned(rows)] == ["2026-02-03", "2026-02-01"]


def test_a_report_without_returns_has_no_lane_and_no_episodes() -> None:
    view = make_view(20)
    assert view.funnel is not None
    stages = tuple(replace(stage, episodes=None) for stage in view.funnel.stages)
    sources = tuple(replace(row, episodes=None) for row in view.funnel.sources)
    plain = replace(
        view,
        leads=tuple(replace(lead, back=None) for lead in view.leads),
        funnel=replace(view.funnel, episodes=None, stages=stages, sources=sources),
    )
    page = render(plain, "en")
    assert 'id="lane-back"' not in page
    assert 'id="lane-back"' in render(view, "en")
    assert "pisode" not in page
    assert "pisode" in render(view, "en")


def test_the_sheet_says_it_in_four_columns(view: ReportView) -> None:
    head, *rows = rows_of(view, "en")
    places = [head.index(name) for name in ("back_at", "back_by", "closed_at", "closed_because")]
    told = [[row[place] for place in places] for row in rows]
    for lead, cells in zip(view.leads, told, strict=True):
        back = lead.back
        expected: list[object] = [None, "", None, ""]  # moments are dates: none is an empty cell
        if back is not None:
            back_at, closed_at = map(datetime.fromisoformat, (back.back_at, back.closed_at))
            expected = [back_at, "demo request", closed_at, "too small"]
        assert cells == expected


def test_a_lead_knows_its_last_close_and_its_return() -> None:
    happened = [("A", 5, "lost"), ("A", 60, "demo"), ("A", 70, "unqualified"), ("A", 90, "demo")]
    tables = read(happened, project()).tables

    def day(number: float) -> str:
        return f"{(START.to_pydatetime().replace(tzinfo=UTC).timestamp() + number * 86_400):.0f}"

    def seconds(text: str) -> str:
        return f"{datetime.fromisoformat(text).timestamp():.0f}"

    assert comeback(tables, 0) is None
    for row, closed, reason, back in ((1, 5, "lost", 60), (2, 70, "unqualified", 90)):
        told = comeback(tables, row)
        assert told is not None
        assert (seconds(told.closed_at), told.closed_because) == (day(closed), reason)
        assert (seconds(told.back_at), told.back_by, told.times) == (day(back), "demo", row)


def test_what_reps_answered_in_an_earlier_episode_is_marked_so(source) -> None:  # type: ignore[no-untyped-def]
    said = [RepAnswer("L", "too_high", "no budget", "Ada", at, 80) for at in (10, 20, 30)]
    told = replace(source, feedback=tuple(said))
    back = datetime.fromtimestamp(20e-6, UTC)
    assert [each.earlier for each in told.feedback_on("L", back)] == [False, False, True]
    assert not any(each.earlier for each in told.feedback_on("L", None))
