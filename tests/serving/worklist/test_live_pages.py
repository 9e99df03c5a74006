"""The live pages over HTTP: lists, answers, runs; what is refused; what nobody may see."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import pytest

from data.durations import DAY
from serving.answers.answer_store import list_answers
from serving.worklist.view import ReportView
from tests.fakes.live_site import MADE_AT, Site, count, fields, make_site, visit
from tests.fakes.report_view import make_view
from tests.fakes.two_worlds import ask_both_worlds

JSON = {"accept": "application/json"}


@pytest.fixture(scope="module")
def whole() -> ReportView:
    return make_view(90, owners=3, top_per_owner=1000)


@pytest.fixture(scope="module")
def owners(whole: ReportView) -> list[str]:
    return sorted({lead.owner for lead in whole.leads})


@pytest.fixture
def site(tmp_path: Path, whole: ReportView, owners: list[str]) -> Site:
    made = make_site(tmp_path, whole)
    made.add("boss", "manager")
    made.add("ann", "rep", owners[0])
    made.add("eye", "reader")
    return made


def open_ids(html: str) -> list[str]:
    return [
        each.partition("?")[0]
        for each in re.findall(r'<th scope="row"><a[^>]*href="/lead/([^"]*)"', html)
    ]


def test_whoever_is_not_signed_in_sees_nothing(site: Site) -> None:
    async def walk(client: httpx.AsyncClient) -> None:
        client.cookies.clear()
        for path in ("/", "/today", "/lead/L-00001", "/changes", "/pipeline", "/proof", "/model"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["location"][:6]) == (303, "/login")
        for path in ("/newest", "/answers"):
            assert (await client.get(path, headers=JSON)).status_code in (401, 405)
        assert (await client.post("/answers", data={"lead": "L-00001"})).status_code == 401
        assert (await client.post("/search", data={"words": "a"})).status_code == 401

    visit(site, "boss", walk)


def test_a_list_is_walked_narrowed_and_ordered_by_its_address(
    site: Site, whole: ReportView
) -> None:
    ranked = [lead for lead in whole.leads if not lead.rule]

    async def walk(client: httpx.AsyncClient) -> None:
        first = await client.get("/today")
        assert open_ids(first.text) == [lead.lead_id for lead in ranked[:25]]
        second = await client.get(
            re.search(r'href="(/today\?page=2[^"]*)"', first.text)[1].replace("&amp;", "&")
        )
        assert open_ids(second.text) == [lead.lead_id for lead in ranked[25:50]]
        owner = ranked[0].owner
        own = [lead.lead_id for lead in ranked if lead.owner == owner]
        narrowed = await client.get(f"/today?owner={quote(owner)}&nonsense=1&page=0&order=nope")
        assert open_ids(narrowed.text) == own[:25]
        assert count(narrowed.text).endswith(f"of {len(own)}")
        by_name = await client.get("/today?order=name")
        names = sorted(((lead.person or lead.name).casefold(), i) for i, lead in enumerate(ranked))
        assert open_ids(by_name.text) == [ranked[i].lead_id for _, i in names[:25]]
        lead = await client.get(f"/lead/{own[1]}?owner={quote(owner)}")
        assert f'rel="prev" href="/lead/{own[0]}?owner=' in lead.text
        assert f'rel="next" href="/lead/{own[2]}?owner=' in lead.text

    visit(site, "boss", walk)


def test_what_is_searched_stands_in_no_address(site: Site, whole: ReportView) -> None:
    wanted = next(lead for lead in whole.leads if not lead.rule)

    async def walk(client: httpx.AsyncClient) -> str:
        answer = await client.post("/search", data={"words": wanted.name})
        place = answer.headers["location"]
        assert wanted.name.split()[0].lower() not in place.lower()
        page = await client.get(place)
        assert open_ids(page.text)[0] == wanted.lead_id
        assert f'value="{wanted.name}"' in page.text
        by_id = await client.post("/search", data={"words": wanted.lead_id})
        assert open_ids((await client.get(by_id.headers["location"])).text) == [wanted.lead_id]
        return place

    place = visit(site, "boss", walk)

    async def other(client: httpx.AsyncClient) -> None:
        page = await client.get(place)
        assert wanted.name.split()[0] not in re.findall(
            'name="words"[^>]*value="([^"]*)"', page.text
        )
        assert 'value=""' in page.text

    visit(site, "eye", other)


def test_an_answer_counts_at_once_and_can_be_taken_back(site: Site, whole: ReportView) -> None:
    async def walk(client: httpx.AsyncClient) -> None:
        page = await client.get("/today")
        lead_id = open_ids(page.text)[0]
        given = {**fields(page.text), "lead": lead_id, "verdict": "done"}
        stored = await client.post("/answers", data=given, headers=JSON)
        assert stored.status_code == 200
        assert stored.json()["off"]
        assert lead_id not in open_ids((await client.get("/today")).text)
        undo = {
            **given,
            "verdict": "undo",
            "number": str(stored.json()["undo"]),
            "back": "/today?band=A",
        }
        back = await client.post("/answers", data=undo)
        assert (back.status_code, back.headers["location"]) == (303, "/today?band=A")
        assert lead_id in open_ids((await client.get("/today")).text)
        why = {**given, "verdict": "wrong", "because": "no budget before May"}
        assert (await client.post("/answers", data=why, headers=JSON)).json()["off"] is False
        assert lead_id in open_ids((await client.get("/today")).text)
        for wrong in (
            {"verdict": "wrong"},
            {"verdict": "hello"},
            {"verdict": "snooze", "days": "x"},
            {"verdict": "snooze", "days": "99999"},
            {"verdict": "undo", "number": "7"},
        ):
            answer = await client.post("/answers", data={**given, **wrong}, headers=JSON)
            assert answer.status_code == 422
            assert answer.json()["detail"]

    visit(site, "boss", walk)
    stored = list_answers(site.state.feedback)
    lead = next(lead for lead in whole.leads if lead.lead_id == stored[0].lead_id)
    assert [each.verdict for each in stored] == ["done", "undo", "wrong"]
    assert (stored[0].author, stored[0].score, stored[0].run_id) == (
        "boss",
        lead.score,
        whole.about.run_id,
    )


@pytest.mark.parametrize(("days", "kept"), [(0, ["done", "undo"]), (2, ["done", "reopen"])])
def test_an_answered_lead_is_put_back_from_its_own_page(
    tmp_path: Path, whole: ReportView, days: int, kept: list[str]
) -> None:
    now = [1_800_000_000_000_000]
    site = make_site(tmp_path, whole, clock=lambda: now[0])
    site.add("boss", "manager")

    async def walk(client: httpx.AsyncClient) -> str:
        page = await client.get("/today")
        lead_id = open_ids(page.text)[0]
        given = {**fields(page.text), "lead": lead_id, "verdict": "done"}
        await client.post("/answers", data=given)
        return lead_id

    lead_id = visit(site, "boss", walk)
    now[0] += days * DAY

    async def later(client: httpx.AsyncClient) -> None:
        page = (await client.get(f"/lead/{lead_id}")).text
        form = re.search(r'<form[^>]*action="/answers"[^>]*>(.*?)</form>', page, re.DOTALL)
        assert form is not None
        assert 'value="undo"' in form[1]
        assert lead_id not in open_ids((await client.get("/today")).text)
        await client.post("/answers", data={**fields(form[1]), "verdict": "undo"})
        assert lead_id in open_ids((await client.get("/today")).text)
        assert 'value="undo"' not in (await client.get(f"/lead/{lead_id}")).text

    visit(site, "boss", later)
    assert [each.verdict for each in list_answers(site.state.feedback)] == kept


def test_an_answer_to_an_older_list_is_stored_with_that_list(site: Site, whole: ReportView) -> None:
    async def walk(client: httpx.AsyncClient) -> None:
        page = await client.get("/today")
        lead_id = open_ids(page.text)[0]
        about = replace(whole.about, run_id="next", as_of="2026-11-23T06:30:00+00:00")
        site.publish(replace(whole, about=about), MADE_AT + 1)
        assert (await client.get("/newest", headers=JSON)).json()["run"] == "next"
        older = await client.get(f"/today?page=2&run={whole.about.run_id}")
        assert "hidden" not in re.search(r'<p id="newer"[^>]*>', older.text)[0]
        newest = await client.get("/today")
        assert "hidden" in re.search(r'<p id="newer"[^>]*>', newest.text)[0]
        given = {**fields(page.text), "lead": lead_id, "verdict": "done"}
        assert (await client.post("/answers", data=given, headers=JSON)).status_code == 200
        assert lead_id not in open_ids((await client.get("/today")).text)
        gone = await client.get("/today?run=..%2F..%2Fpeople.sqlite")
        assert 'data-run="next"' in gone.text

    visit(site, "boss", walk)
    assert list_answers(site.state.feedback)[0].run_id == whole.about.run_id


def test_a_write_needs_a_role_a_token_and_our_own_page(site: Site, whole: ReportView) -> None:
    lead_id = whole.leads[0].lead_id

    async def walk(client: httpx.AsyncClient) -> None:
        given = {**fields((await client.get("/today")).text), "lead": lead_id, "verdict": "done"}
        for refused, headers in (
            ({**given, "csrf": ""}, {}),
            ({**given, "csrf": "x"}, {}),
            (given, {"origin": "http://evil.example"}),
            (given, {"sec-fetch-site": "cross-site"}),
        ):
            answer = await client.post("/answers", data=refused, headers={**JSON, **headers})
            assert answer.status_code == 403
        away = await client.post("/answers", data={**given, "back": "//evil.example"})
        assert away.headers["location"] == "/"

    async def only_looks(client: httpx.AsyncClient) -> None:
        page = await client.get("/today")
        assert "/answers" not in page.text
        given = {**fields(page.text), "lead": lead_id, "verdict": "note", "because": "x"}
        assert (await client.post("/answers", data=given, headers=JSON)).status_code == 403

    visit(site, "boss", walk)
    visit(site, "eye", only_looks)
    assert len(list_answers(site.state.feedback)) == 1


def test_every_answer_says_what_a_browser_may_do(site: Site) -> None:
    async def walk(client: httpx.AsyncClient) -> None:
        for path in ("/today", "/lead/L-00001", "/lead/none", "/changes", "/pipeline", "/model"):
            headers = (await client.get(path)).headers
            policy = headers["content-security-policy"]
            for part in (
                "default-src 'none'",
                "connect-src 'self'",
                "form-action 'self'",
                "frame-ancestors 'none'",
            ):
                assert part in policy
            assert "unsafe" not in policy
            assert headers["cache-control"] == "no-store"
        page = (await client.get("/today")).text
        for address in re.findall(r'(?:href|src)="(/static/[^"]*)"', page):
            answer = await client.get(address)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
        assert not re.search(r"<style|<script>|\son[a-z]+=|\sstyle=", page)

    visit(site, "boss", walk)


def test_a_card_opens_by_its_token_alone(site: Site, whole: ReportView, owners: list[str]) -> None:
    own = next(lead for lead in whole.leads if lead.owner == owners[0])
    foreign = next(lead for lead in whole.leads if lead.owner != owners[0])

    async def walk(client: httpx.AsyncClient) -> None:
        viewer = site.authenticator.read_card_token
        page = await client.get(f"/lead/{own.lead_id}")
        link = re.search(r'href="(/card/[^"]*)"', page.text)[1].replace("&amp;", "&")
        client.cookies.clear()
        card = await client.get(link)
        assert card.status_code == 200
        assert "frame-ancestors" in card.headers["content-security-policy"]
        assert "/answers" not in card.text
        token = httpx.URL(link).params["token"]
        assert viewer(token, own.lead_id, site.service.clock()) is not None
        missing = await client.get(f"/card/none?token={token}")
        assert missing.status_code == 404
        for path in (
            f"/card/{foreign.lead_id}?token={token}",
            f"/card/{own.lead_id}?token=x",
            f"/card/{own.lead_id}",
        ):
            answer = await client.get(path)
            assert (answer.status_code, answer.text) == (404, missing.text)

    visit(site, "ann", walk)


def test_no_route_tells_a_rep_that_a_colleague_has_leads(tmp_path: Path, whole: ReportView) -> None:
    asked, different = ask_both_worlds(tmp_path, whole)
    assert different == []
    assert len(asked) > 500


def test_control_leads_show_no_score_anywhere(tmp_path: Path, whole: ReportView) -> None:
    lead = (
        next(lead for lead in whole.leads if lead.score == 77)
        if any(each.score == 77 for each in whole.leads)
        else whole.leads[4]
    )
    assert lead.detail is not None
    held = replace(
        lead,
        score=None,
        band=None,
        probability=None,
        probability_low=None,
        probability_high=None,
        percentile=None,
        trend=None,
        grid="",
        families={},
        reasons=(),
        withheld="control",
        detail=replace(lead.detail, reasons_for=(), reasons_against=(), history=(), feedback=()),
    )
    leads = tuple(held if each is lead else each for each in whole.leads)
    site = make_site(tmp_path, replace(whole, leads=leads))
    site.add("boss", "manager")

    async def walk(client: httpx.AsyncClient) -> None:
        page = (await client.get(f"/lead/{lead.lead_id}")).text
        assert "Worked without a score: experiment" in page
        assert 'class="wf"' not in page
        assert 'class="big' not in page
        sealed = await client.post("/search", data={"words": lead.lead_id})
        row = (await client.get(sealed.headers["location"])).text
        assert 'class="score' not in row

    visit(site, "boss", walk)


def test_memory_stays_flat_over_hundreds_of_requests(site: Site, whole: ReportView) -> None:
    ids = [lead.lead_id for lead in whole.leads]
    process = psutil.Process()

    async def walk(client: httpx.AsyncClient) -> list[int]:
        taken = []
        for number in range(500):
            path = (
                f"/lead/{ids[number % len(ids)]}" if number % 3 else f"/today?page={number % 4 + 1}"
            )
            assert (await client.get(path)).status_code == 200
            if number in (250, 499):
                taken.append(process.memory_info().rss)
        return taken

    before, after = visit(site, "boss", walk)
    assert after - before < 8_000_000


def test_the_line_of_the_calls_stands_where_the_address_says(site: Site, whole: ReportView) -> None:
    def rows(html: str) -> list[str]:
        body = html[html.index('id="all"') :]
        return re.findall(r'<tr class="(cut-line)"|<tr data-i="\d+"( class="beyond")?', body)

    async def walk(client: httpx.AsyncClient) -> None:
        page = (await client.get("/today?calls=7")).text
        kinds = ["line" if line else "beyond" if far else "in" for line, far in rows(page)]
        assert kinds == ["in"] * 7 + ["line"] + ["beyond"] * 18
        assert "calls=7" in page[page.index('rel="next"') :][:200]
        second = (await client.get("/today?calls=7&page=2")).text
        assert all(far for _, far in rows(second))
        owner = next(iter({lead.owner for lead in whole.leads}))
        narrowed = (await client.get(f"/today?calls=7&owner={quote(owner)}")).text
        first = [lead for lead in whole.leads if not lead.rule][:7]
        inside = sum(lead.owner == owner for lead in first)
        assert [not far for _, far in rows(narrowed) if not _].count(True) == inside
        for strange in ("0", "-3", "x", "9" * 30):
            assert (await client.get(f"/today?calls={strange}")).status_code == 200

    visit(site, "boss", walk)
    visit(site, "ann", walk_own)


async def walk_own(client: httpx.AsyncClient) -> None:
    page = (await client.get("/today?calls=3")).text
    assert 'id="plan"' in page
    assert page.count('class="cut-line"') == 1


def test_drawers_count_all_that_is_off_the_list_and_list_the_first_two_hundred(
    tmp_path: Path,
) -> None:
    made = make_view(260, owners=2)
    out = tuple(replace(lead, rule="competitor", band=None, lanes=()) for lead in made.leads[20:])
    whole = replace(made, leads=(*made.leads[:20], *out))
    owners = sorted({lead.owner for lead in whole.leads})
    site = make_site(tmp_path, whole)
    site.add("boss", "manager")
    site.add("ann", "rep", owners[0])

    async def walk(client: httpx.AsyncClient) -> str:
        return (await client.get("/today")).text

    of_ann = sum(lead.rule is not None and lead.owner == owners[0] for lead in whole.leads)
    already = sum(lead.rule is not None for lead in made.leads[:20])
    for name, n in (("boss", 240 + already), ("ann", of_ann)):
        drawer = visit(site, name, walk).partition('id="ruled"')[2].partition("</details>")[0]
        listed = drawer.count("<li>")
        assert f"<small>{n}</small>" in drawer
        assert listed <= min(n, 200)
        assert (f"and {n - listed} more" in drawer) == (listed < n)
