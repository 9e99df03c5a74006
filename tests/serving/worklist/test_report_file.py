import base64
import json
import re
import zlib
from dataclasses import replace

import pytest

from serving.worklist.charts import reliability, reliability_curve
from serving.worklist.html import PRINTED, ReportPage, render
from serving.worklist.language import words_of
from serving.worklist.ranking import list_rows
from serving.worklist.safe_text import slug
from serving.worklist.view import ReportView
from serving.worklist.view_parts import Interval, Point, ShownReason
from serving.worklist.view_week import TouchSpeed
from serving.worklist.waterfall_chart import waterfall
from tests.fakes.report_view import make_view


def test_the_view_is_plain_json(view: ReportView) -> None:
    assert json.loads(json.dumps(view.to_dict()))["about"]["project"] == "acme"


def test_the_same_view_gives_the_same_bytes(view: ReportView) -> None:
    assert render(view, "fa") == render(view, "fa")


def test_nothing_in_the_file_points_outside_but_to_the_crm_and_the_live_pages(
    view: ReportView,
) -> None:
    page = render(view, "en")
    outside = re.findall(r"(?:src|href|action)=[\"']?((?:https?:|//)[^\"' >]*)", page)
    assert {link.split("/")[2] for link in outside} == {"crm.example.com", "leads.example.com"}
    assert "https://crm.example.com/leads/L-00001" in outside
    bare = replace(view, about=replace(view.about, crm_link=None, live_link=None))
    page = render(bare, "en")
    assert not re.findall(r"(?:src|href|action)=[\"']?(?:https?:|//)", page)
    assert "default-src 'none'" in page
    assert " style=" not in page
    assert not re.search(r"\son\w+=", page.split("<script>")[0])


def test_the_waterfall_ends_at_the_score_on_every_page(view: ReportView) -> None:
    for lead in view.leads:
        if lead.detail is not None:
            rows = waterfall(lead.detail, lead.score, view.about.bands)
            assert rows[-2].ends_at == lead.score == rows[-1].points
            assert rows[0].points + sum(row.points for row in rows[1:-1]) == lead.score


def test_ten_lines_are_seen_first_and_the_others_when_they_are_asked_for(view: ReportView) -> None:
    lead = next(lead for lead in view.leads if lead.detail is not None and lead.score is not None)
    assert lead.detail is not None
    reasons = tuple(
        ShownReason(f"f{i}", "fit", "attribute", {"label": f"fact {i}", "value": "x"}, points)
        for i, points in enumerate((9, 8, 7, 6, 5, 4, 3, 1, -1, -2, -2, -4, -5, -6))
    )
    shown = sum(reason.points for reason in reasons)
    detail = replace(
        lead.detail,
        reasons_for=reasons[:8],
        reasons_against=reasons[8:],
        unseen_points=7,
        rest_points=1,
        limit_points=100 - lead.detail.typical - shown - 8,
    )
    rows = waterfall(detail, 100, view.about.bands)
    assert [row.folded for row in rows].count(True) == 4
    folded = {reasons[row.reason].points for row in rows if row.folded and row.reason is not None}
    assert folded == {1, -1, -2}
    assert [row.kind for row in rows[-4:]] == ["unseen", "rest", "limit", "score"]
    one = replace(lead, detail=detail, score=100)
    page = lead_page(replace(view, leads=(one,)), "en")
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert f"Why 100 and not {detail.typical}" in text
    assert "4 smaller reasons \N{MINUS SIGN}4" in text
    assert "Not known or not seen" in text
    assert f"Limit of the scale (would be {100 - detail.limit_points})" in text


def lead_page(view: ReportView, language: str) -> str:
    """Render the first lead pages as the browser inflates them."""
    chunk = ReportPage(view, words_of(language))._chunks()[0]
    return zlib.decompress(base64.b64decode(chunk)).decode()


def test_every_lead_is_a_row_and_the_first_stand_in_the_file_itself(view: ReportView) -> None:
    rows = list_rows(view)
    assert [row.lead for row in rows] == list(view.leads)
    listed = [row.lead for row in rows if not row.lead.rule][:PRINTED]
    page = render(view, "en")
    table = page[page.index('<table class="list" id="all">') :]
    body = table[: table.index("</table>")]
    assert body.count("<tr data-i=") == len(listed)
    assert all(lead.person in body for lead in listed)


def test_pages_that_have_nothing_to_say_are_left_out(view: ReportView) -> None:
    bare = replace(view, movers=None, funnel=None, forecast=None, trust=None, experiment=None)
    page = render(bare, "it")
    assert 'id="today"' in page
    assert 'id="proof"' not in page


def test_the_answer_on_trust_agrees_with_the_bands_below_it() -> None:
    view = make_view(1)
    assert view.trust is not None
    kept, *_, broken = view.trust.bands
    page = render(replace(view, trust=replace(view.trust, bands=(kept,))), "en")
    assert "Yes: its promises came true" in page
    page = render(replace(view, trust=replace(view.trust, bands=(kept, broken))), "en")
    assert "Yes: most of its promises came true" in page
    assert "no: promised too much" in page
    assert f"count these {view.trust.tested_scores:,} scores" in page


def test_where_outcomes_are_few_the_order_is_trusted_and_promises_are_kept_so_far() -> None:
    view = make_view(1)
    assert view.trust is not None
    kept = tuple(band for band in view.trust.bands if band.kept)
    view = replace(view, trust=replace(view.trust, bands=kept))
    page = render(replace(view, trust=replace(view.trust, verdict="unproven")), "en")
    assert "Its order, yes. Its percentages, not yet" in page
    assert "<td>yes</td>" not in page
    assert "<td>so far</td>" in page
    chance = Interval(0.6, 0.45, 0.75)
    page = render(replace(view, trust=replace(view.trust, verdict="unproven", auc=chance)), "en")
    assert "Not yet: too few outcomes to verify its promises." in page


def test_bands_that_are_proven_wrong_are_said_to_be_however_few_the_outcomes() -> None:
    view = make_view(1)
    assert view.trust is not None
    broken = tuple(band for band in view.trust.bands if not band.kept)
    page = render(replace(view, trust=replace(view.trust, verdict="unproven", bands=broken)), "en")
    assert "Its order, yes. Not its percentages: some bands" in page
    assert "Some percentages were off" in page
    assert "Promised too much:" in page
    assert "The other bands kept" not in page
    assert "oo few outcomes" not in plain(page)


def test_a_company_is_not_named_twice_and_owners_are_written_as_they_are() -> None:
    view = make_view(1)
    lead = replace(view.leads[0], person="", company="Org 342", name="Org 342")
    page = render(replace(view, leads=(lead,)), "en")
    assert "Org 342" in page
    assert "Org 342 Org 342" not in plain(page).replace("·", "")
    assert '<th scope="row" class="as-is">' in page


def test_prospects_are_counted_where_stages_tell_them() -> None:
    view = make_view(1)
    assert view.funnel is not None
    staged = render(view, "en")
    bare = render(replace(view, funnel=replace(view.funnel, stages=())), "en")
    column = f"{view.funnel.stages[1].label}</bdi></th>"  # as the project calls the second stage
    assert column in staged
    assert column not in bare


def test_a_lead_without_a_stage_gets_no_empty_panel() -> None:
    view = make_view(1)
    (lead,) = view.leads
    assert lead.detail is not None
    detail = replace(lead.detail, content=(), rescored=lead.step, next_stage=None)
    bare = replace(lead, stage=None, detail=detail)
    page = ReportPage(view, words_of("en"))
    shown, left_out = (page.part("lead.html", **page.lead_values(each)) for each in (lead, bare))
    assert "Stage and next content" in shown
    assert "Stage and next content" not in left_out


def test_a_company_without_definitions_gets_no_empty_panel() -> None:
    view = make_view(1)
    assert view.funnel is not None
    bare = replace(view, funnel=replace(view.funnel, stages=(), icp=(), disqualified=()))
    assert "Definitions that marketing" in render(view, "en")
    assert "Definitions that marketing" not in render(bare, "en")


def test_waits_for_a_first_touch_are_told_apart_and_never_is_said() -> None:
    view = make_view(1)
    speed = TouchSpeed(100, 20.0, 0.6, 12, ((1.0, 20, 0.3), (24.0, 40, 0.2), (None, 40, 0.1)))
    page = plain(render(replace(view, week=replace(view.week, speed=speed)), "en"))
    assert "within 1 hour" in page
    assert "1 hour to 24 hours" in page
    assert "within 24 hours" not in page
    assert "later or never" in page


def test_what_is_expected_says_within_how_many_days_where_there_is_a_horizon() -> None:
    view = make_view(1)
    days = view.about.horizon_days
    assert f"expected from these calls within {days} days" in plain(render(view, "en"))
    timeless = replace(view, about=replace(view.about, horizon_days=0, static=True))
    page = ReportPage(timeless, words_of("en"))
    told = plain(page.render()) + plain(
        page.part("lead.html", **page.lead_values(timeless.leads[0]))
    )
    assert "opportunities expected from these calls" in told
    assert "become opportunities." in told
    assert "within 0 days" not in told


def test_a_rule_is_said_in_the_words_of_the_company_everywhere() -> None:
    view = make_view(1)
    labels = {"competitor": {"en": "a rival", "it": "un concorrente"}}
    lead = replace(view.leads[0], rule="competitor")
    ruled = replace(view, leads=(lead,), about=replace(view.about, labels=labels))
    page = plain(render(ruled, "it"))
    assert "un concorrente" in page
    assert "competitor" not in page


def test_the_page_of_a_lead_shows_the_condition_of_the_rule_that_took_it_out() -> None:
    view = make_view(1)
    first = view.leads[0]
    assert first.detail is not None
    detail = replace(first.detail, rule_text="industry = '<b>rival</b>'")
    ruled = replace(view, leads=(replace(first, rule="competitor", detail=detail),))
    shown = '<code dir="ltr">industry = &#39;&lt;b&gt;rival&lt;/b&gt;&#39;</code>'
    page = ReportPage(ruled, words_of("en"))
    assert shown in page.part("lead.html", **page.lead_values(ruled.leads[0]))


def test_a_dot_has_its_own_range_and_a_curve_has_the_band_of_a_model_that_is_right() -> None:
    words = words_of("en")
    tenths = [Point(0.1, 0.2, 0.12, 0.31, 40), Point(0.3, 0.25, 0.15, 0.4, 40)]
    dots = reliability(tenths, words)
    assert (dots.count("<circle"), dots.count("whisker")) == (2, 2)
    outside = [Point(0.1, 0.3, 0.05, 0.15), Point(0.3, 0.35, 0.2, 0.4)]  # of the diagonal
    curve = reliability_curve(outside, words)
    assert (curve.count("ribbon"), curve.count("<circle"), curve.count("whisker")) == (1, 0, 0)


def test_the_range_of_a_running_experiment_says_that_it_holds_at_every_look() -> None:
    view = make_view(1)
    assert view.experiment is not None
    said = "holds however often one looks"
    running = replace(view.experiment, finished=False)
    assert said in render(replace(view, experiment=running), "en")
    done = replace(view.experiment, finished=True)
    assert said not in render(replace(view, experiment=done), "en")


def plain(page: str) -> str:
    """Take the marks of HTML off a page."""
    return " ".join(re.sub(r"<[^>]*>", "", page).split())


def test_an_empty_report_is_still_a_report() -> None:
    empty = make_view(1)
    week = replace(empty.week, calls=(), missed=(), owners=(), plan=(), cut_off=None)
    page = render(replace(empty, leads=(), week=week, movers=None), "en")
    assert "<title>" in page


IDS = [
    ("L-1", "l-L-1"),
    ("a b", "l--3"),
    ("<x>", "l--3"),
    ("", "l--3"),
    ("ü", "l--3"),
    ("-1", "l--3"),
]


@pytest.mark.parametrize(("lead_id", "anchor"), IDS)
def test_anchors_are_plain_whatever_the_id_is(lead_id: str, anchor: str) -> None:
    assert slug(lead_id, 3) == anchor
