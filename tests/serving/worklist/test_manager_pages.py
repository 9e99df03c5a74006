"""What a manager reads on the live pages: figures, verdicts and words that agree."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import httpx
import pytest

from serving.worklist.phrase import Phrase
from serving.worklist.view import ReportView
from serving.worklist.view_figures import Doubt
from tests.fakes.live_site import Site, fields, make_site, visit
from tests.fakes.report_view import make_view


@pytest.fixture(scope="module")
def whole() -> ReportView:
    return make_view(90, owners=3, top_per_owner=1000)


def manager_of(folder: Path, view: ReportView, language: str = "en") -> Site:
    site = make_site(folder, view)
    site.add("boss", "manager", language=language)
    return site


def read(site: Site, *paths: str) -> list[str]:
    """Read pages as a person does: no marks, single spaces."""

    async def walk(client: httpx.AsyncClient) -> list[str]:
        return [plain((await client.get(path)).text) for path in paths]

    found: list[str] = visit(site, "boss", walk)
    return found


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html)).replace("&#39;", "'")


@pytest.mark.parametrize(
    ("doubt", "badge", "answer"),
    [
        ("flat", "percentages too cautious", "the best leads convert more often than promised"),
        ("steep", "percentages too bold", "the best leads convert less often than promised"),
        ("low", "percentages too low", "more leads convert than promised"),
        ("high", "percentages too high", "fewer leads convert than promised"),
    ],
)
def test_today_and_proof_give_one_verdict_with_its_direction_and_what_to_do(
    tmp_path: Path, whole: ReportView, doubt: Doubt, badge: str, answer: str
) -> None:
    assert whole.trust is not None
    kept = tuple(band for band in whole.trust.bands if band.kept)
    trust = replace(whole.trust, verdict="care", doubt=doubt, bands=kept)
    today, proof = read(manager_of(tmp_path, replace(whole, trust=trust)), "/today", "/proof")
    assert badge in today
    assert badge in proof
    assert answer in proof
    assert "What to do: work by the order." in proof
    assert "kept their promise" not in proof
    assert "with few scores the range is wide" in proof


def test_the_rule_of_the_letters_stands_beside_their_scale(
    tmp_path: Path, whole: ReportView
) -> None:
    rule = "A lead changes its letter only 2 points past a border"
    said = replace(whole, about=replace(whole.about, band_margin=2.0))
    today, lead = read(manager_of(tmp_path / "two", said), "/today", "/lead/L-00001")
    assert rule in today
    assert lead.count(rule) == 2  # under the scale, and at the foot as on every page
    (today,) = read(manager_of(tmp_path / "none", whole), "/today")
    assert "changes its letter" not in today


def test_a_fixed_field_is_called_no_event(tmp_path: Path, whole: ReportView) -> None:
    assert whole.movers is not None
    first, *others = whole.movers.rises
    line = next(line for line in first.lines if line.reason is not None)
    fixed = replace(line, kind="events", together=True)
    movers = replace(whole.movers, rises=(replace(first, lines=(fixed,)), *others))
    (changes,) = read(manager_of(tmp_path, replace(whole, movers=movers)), "/changes")
    assert "read together with new events" in changes


def figures(html: str) -> dict[str, float]:
    """Read the figures above a list: words -> number."""
    found = re.findall(r'<div class="fig"><dt>(.*?)</dt><dd>(.*?)</dd>', html, re.S)
    return {plain(words): float(plain(number)) for words, number in found}


def test_answers_take_their_leads_out_of_every_figure_of_the_week(
    tmp_path: Path, whole: ReportView
) -> None:
    calls = whole.week.calls
    site = manager_of(tmp_path, whole)
    chance = {lead.lead_id: lead.probability or 0.0 for lead in whole.leads}
    ranked = [lead.lead_id for lead in whole.leads if not lead.rule]
    done = calls[:4]

    async def walk(client: httpx.AsyncClient) -> None:
        page = await client.get("/today")
        assert figures(page.text)["opportunities expected from these calls within 90 days"] == (
            pytest.approx(sum(chance[each] for each in calls), abs=0.5)
        )
        for lead in done:
            given = {**fields(page.text), "lead": lead, "verdict": "done"}
            await client.post("/answers", data=given, headers={"accept": "application/json"})
        page = await client.get("/today")
        kept = [each for each in ranked if each not in done]
        now, left = kept[: len(calls)], kept[len(calls) :]
        assert f"Call these {len(calls)} leads." in plain(page.text)
        said = figures(page.text)
        expected = said["opportunities expected from these calls within 90 days"]
        assert expected == pytest.approx(sum(chance[each] for each in now), abs=0.5)
        left_behind = said["expected from the leads left behind"]
        assert left_behind == pytest.approx(sum(chance[each] for each in left), abs=0.5)
        what = json.loads(unescape(re.search(r'data-what="([^"]*)"', page.text)[1]))["plans"]
        by_calls = {int(point[0]): point for point in what["chance"]}
        for n, point in by_calls.items():
            truth = sum(chance[each] for each in kept[:n])
            assert point[1] == pytest.approx(truth, rel=0.03, abs=0.1), n
        owners = plain((await client.get("/pipeline")).text)
        assert f"Of the team's {len(calls)} calls" in owners

    visit(site, "boss", walk)


@pytest.mark.parametrize("kind", ["owner", "band", "team"])
def test_figures_above_a_narrowed_list_are_those_of_what_is_listed(
    tmp_path: Path, whole: ReportView, kind: str
) -> None:
    value = next(getattr(lead, kind) for lead in whole.leads if getattr(lead, kind))
    listed = [lead for lead in whole.leads if not lead.rule and getattr(lead, kind) == value]
    called = [lead for lead in listed if lead.lead_id in whole.week.calls]

    async def walk(client: httpx.AsyncClient) -> None:
        page = (await client.get("/today", params={kind: value})).text
        assert f"{len(called)} of the {whole.week.capacity} calls of the week" in plain(page)
        said = figures(page)
        expected = said["opportunities expected from these calls within 90 days"]
        assert expected == pytest.approx(sum(lead.probability or 0 for lead in called), abs=0.5)
        others = sum(lead.probability or 0 for lead in listed if lead not in called)
        assert said["expected from the others that are listed"] == pytest.approx(others, abs=0.5)
        assert "calls a week" not in said
        assert "What if the team" not in page

    visit(manager_of(tmp_path, whole), "boss", walk)


def test_pages_say_that_reasons_are_no_causes_and_whose_chance_is_counted(
    tmp_path: Path, whole: ReportView
) -> None:
    today, lead = read(manager_of(tmp_path, whole), "/today", "/lead/L-00001")
    assert "An association seen in past leads, not a proven cause." in lead
    assert "The whole chance of a lead is counted as owed to its call" in today


def test_a_lead_without_a_band_crosses_into_none(tmp_path: Path, whole: ReportView) -> None:
    first, *others = whole.leads
    gone = replace(first, rule="Student", band=None, old_band="B", old_score=62, trend="falling")
    (page,) = read(
        manager_of(tmp_path, replace(whole, leads=(gone, *others))), f"/lead/{first.lead_id}"
    )
    assert "62 on" in page
    assert "B to" not in page


def test_the_experiment_says_which_difference_it_is_and_how_long_it_takes(
    tmp_path: Path, whole: ReportView
) -> None:
    assert whole.experiment is not None
    arms = tuple(
        replace(row, arm=name, leads=leads)
        for row, name, leads in zip(
            whole.experiment.arms, ("score", "control"), (432, 408), strict=True
        )
    )
    trial = replace(
        whole.experiment,
        arms=arms,
        started_on="2026-02-28T23:00:00+00:00",
        difference=replace(whole.experiment.difference, value=-0.048, low=-0.142, high=0.046),
        needed_per_arm=1_279,
        treated="score",
        control="control",
        adjusted=True,
        leads_a_week=25.0,
    )
    about = replace(whole.about, timezone="Europe/Rome")
    (proof,) = read(manager_of(tmp_path, replace(whole, about=about, experiment=trial)), "/proof")
    assert "score minus control is −4.8 percentage points (−14.2 to +4.6)." in proof
    assert "It is adjusted for what was known of the leads before" in proof
    assert "about 72 weeks more at 25 leads a week" in proof
    assert "Mar 1, 2026" in proof


def test_an_answer_in_words_is_seen_at_once_and_can_be_taken_back(
    tmp_path: Path, whole: ReportView
) -> None:
    site = manager_of(tmp_path, whole)
    lead = whole.leads[0].lead_id

    async def walk(client: httpx.AsyncClient) -> None:
        page = (await client.get(f"/lead/{lead}")).text
        given = {**fields(page), "lead": lead}
        why = {**given, "verdict": "too_high", "because": "hat schon gekauft"}
        await client.post("/answers", data=why)
        page = (await client.get(f"/lead/{lead}")).text
        said = page[page.index("What reps answered") :]
        assert "hat schon gekauft" in said[:600]
        number = re.search(r'name="number" value="(\d+)"', said)
        assert number is not None
        await client.post("/answers", data={**given, "verdict": "undo", "number": number[1]})
        assert "hat schon gekauft" not in (await client.get(f"/lead/{lead}")).text

    visit(site, "boss", walk)


@pytest.mark.parametrize(
    ("language", "said"), [("it", "La risposta non dà un motivo"), ("fa", "پاسخ دلیلی ندارد")]
)
def test_an_answer_without_a_reason_is_refused_in_the_language_of_the_page(
    tmp_path: Path, whole: ReportView, language: str, said: str
) -> None:
    async def walk(client: httpx.AsyncClient) -> None:
        page = (await client.get("/lead/L-00001")).text
        for verdict in ("disqualify", "note", "wrong"):
            given = {**fields(page), "lead": "L-00001", "verdict": verdict}
            answer = await client.post(
                "/answers", data=given, headers={"accept": "application/json"}
            )
            assert answer.status_code == 422
            assert answer.json()["detail"].startswith(said)

    visit(manager_of(tmp_path, whole, language), "boss", walk)


def test_disqualifying_has_a_button_of_its_own_and_a_held_back_score_is_not_asked_for(
    tmp_path: Path, whole: ReportView
) -> None:
    held = replace(whole.leads[1], withheld="control", score=None, band=None)
    leads = (whole.leads[0], held, *whole.leads[2:])

    async def walk(client: httpx.AsyncClient) -> None:
        page = (await client.get(f"/lead/{leads[0].lead_id}")).text
        assert '<button name="verdict" value="disqualify">Disqualify</button>' in page
        assert "The score is" in page
        assert "take it out" not in page
        page = (await client.get(f"/lead/{held.lead_id}")).text
        assert 'value="disqualify">Disqualify</button>' in page
        assert "The score is" not in page.partition('id="answer"')[2]

    visit(manager_of(tmp_path, replace(whole, leads=leads)), "boss", walk)


def test_empty_lists_say_so_and_groups_of_changes_count_what_they_list(
    tmp_path: Path, whole: ReportView
) -> None:
    site = manager_of(tmp_path, whole)
    site.add("new", "rep", "Nobody Yet")
    changes, none = read(site, "/changes", "/today?owner=nobody")
    assert re.search(r"New activity \d+ listed", changes)
    assert "No lead matches." in none

    async def walk(client: httpx.AsyncClient) -> None:
        today = plain((await client.get("/today")).text)
        assert "There is no lead to call." in today
        assert "Ranking" not in today
        assert "There are no open leads here." in today

    visit(site, "new", walk)


def test_signs_between_criteria_are_said_in_words(tmp_path: Path, whole: ReportView) -> None:
    first, *others = whole.leads
    assert first.detail is not None
    either = Phrase("{left} / {right}", {"left": "a", "right": "b"})
    detail = replace(first.detail, next_stage="warm", missing_for_next=(either,))
    view = replace(whole, leads=(replace(first, stage="lead", detail=detail), *others))
    site = manager_of(tmp_path, view)
    lead, other = read(site, f"/lead/{first.lead_id}", f"/lead/{others[0].lead_id}")
    assert "“/” stands between alternatives" in lead
    assert "stands between alternatives" not in other
