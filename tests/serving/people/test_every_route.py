"""Hostile attempts on every route of the service, as its own table names them.

A route that is added later is tried by itself: it has to refuse whatever is not listed as open.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import APIRoute

from data.project import load_project
from serving.answers.answer_store import list_answers
from serving.http.application import Metrics, make_routes
from serving.http.guard import OPEN_PATHS
from serving.people.people_store import remove_user, revoke_user
from serving.people.sessions import end_session
from serving.people.sign_in_page import HEADERS
from serving.people.viewer import Viewer
from serving.worklist.view import ReportView
from tests.fakes.live_site import EXAMPLE, Site, fields, open_site, visit
from tests.fakes.report_view import make_view
from training.state import StatePaths

MODES: dict[str, dict[str, object]] = {
    "local": {},
    "proxy": {"people.sign_in": "proxy", "people.proxies": ["10.0.0.2"]},
    "oidc": {
        "people.sign_in": "oidc",
        "people.issuer": "https://login.example.com",
        "people.client_id": "leadscore",
        "people.url": "http://leads.test",
        "network.allow": ["login.example.com"],
    },
}
OPEN_TO_ALL = ("/login", "/static/{name}", "/oidc/start", "/oidc/callback")
"""Pages on which nobody has to be signed in; a card opens by its token."""
ELSEWHERE = ("//evil.example", "https://evil.example/", "/\\evil.example", "/login?next=//evil.ex")


@pytest.fixture(scope="module")
def whole() -> ReportView:
    return make_view(30, owners=3, top_per_owner=1000)


@pytest.fixture(params=MODES)
def site(request: Any, tmp_path: Path, whole: ReportView) -> Site:
    project = load_project(EXAMPLE, overrides=MODES[request.param])
    made = open_site(project, StatePaths(tmp_path))
    made.publish(whole)
    made.add("boss", "manager")
    made.add("ann", "rep", whole.leads[0].owner)
    return made


@pytest.fixture
def local(tmp_path: Path, whole: ReportView) -> Site:
    made = open_site(load_project(EXAMPLE), StatePaths(tmp_path))
    made.publish(whole)
    made.add("boss", "manager")
    made.add("eve", "manager")
    return made


def addresses(site: Site, lead_id: str) -> Iterator[tuple[str, str, str]]:
    """Name every method and address of the pages: (method, address, the route's own path)."""
    app = make_routes(site.service, Metrics(), 0, site.authenticator)
    for route in app.routes:
        if isinstance(route, APIRoute) and route.path not in OPEN_PATHS:
            path = re.sub(r"\{[^}]*\}", quote(lead_id, safe=""), route.path)
            for method in sorted(route.methods):
                yield method, path, route.path


def stored(site: Site) -> tuple[object, ...]:
    """Read all that a write would change: answers, users, sessions, teams."""
    with closing(sqlite3.connect(site.state.people)) as people:
        tables = [people.execute(f"select * from {t}").fetchall() for t in ("users", "sessions")]
    return (list_answers(site.state.feedback), *tables)


def is_refused(answer: httpx.Response, path: str, whole: ReportView) -> bool:
    """Tell whether an answer lets nobody in and names no lead."""
    told = any(lead.name in answer.text for lead in whole.leads)
    to_sign_in = answer.headers.get("location", "").startswith("/login")
    if path.startswith("/card/"):
        return answer.status_code == 404 and not told
    return not told and (answer.status_code == 401 or (answer.status_code == 303 and to_sign_in))


async def try_all(
    site: Site, whole: ReportView, client: httpx.AsyncClient, headers: Mapping[str, str], query: str
) -> None:
    for method, address, path in addresses(site, whole.leads[0].lead_id):
        if path in OPEN_TO_ALL:
            continue
        if path == "/logout":  # signs out whoever is signed in, and leads to the form
            continue
        for accept in ("text/html", "application/json"):
            given = {"accept": accept, **headers}
            answer = await client.request(method, address + query, headers=given)
            assert is_refused(answer, path, whole), (method, address, answer.status_code)


def test_no_route_opens_without_a_session_nor_by_what_anybody_can_send(
    site: Site, whole: ReportView
) -> None:
    lead_id = whole.leads[1].lead_id  # a card of another lead than the one that is asked for
    viewer = Viewer("boss", "manager", None, "en", "")
    token = site.authenticator.card_token(viewer, lead_id, site.service.clock())
    tries: tuple[tuple[dict[str, str], str], ...] = (
        ({}, ""),
        ({"cookie": "leadscore=x; __Host-leadscore=x"}, ""),
        ({"x-remote-user": "boss"}, ""),
        ({"authorization": "Bearer x"}, ""),
        ({}, f"?token={quote(token)}"),
        ({}, "?viewer=boss&csrf=&user=boss"),
    )

    async def walk() -> None:
        transport = httpx.ASGITransport(site.app)
        for headers, query in tries:
            async with httpx.AsyncClient(
                transport=transport, base_url="http://leads.test"
            ) as client:
                await try_all(site, whole, client, headers, query)

    asyncio.run(walk())


@pytest.mark.parametrize("how", ["revoked", "removed", "signed out"])
def test_a_session_that_ended_opens_no_route(local: Site, whole: ReportView, how: str) -> None:
    async def walk(client: httpx.AsyncClient) -> None:
        assert (await client.get("/today")).status_code == 200
        kept = client.cookies["leadscore"]
        if how == "revoked":
            revoke_user(local.state.people, "boss")
        elif how == "removed":
            remove_user(local.state.people, "boss")
        else:
            end_session(local.state.people, kept)
        await try_all(local, whole, client, {}, "")

    visit(local, "boss", walk)


def test_no_route_writes_for_another_site_or_without_the_sessions_own_token(
    local: Site, whole: ReportView
) -> None:
    lead_id = whole.leads[0].lead_id

    async def token_of(client: httpx.AsyncClient) -> str:
        return fields((await client.get("/today")).text)["csrf"]

    of_eve = visit(local, "eve", token_of)

    async def walk(client: httpx.AsyncClient) -> None:
        own = await token_of(client)
        before = stored(local)
        tries: tuple[tuple[str, dict[str, str]], ...] = (
            ("", {}),
            (of_eve, {}),
            (own, {"origin": "http://evil.example"}),
            (own, {"origin": "null"}),
            (own, {"sec-fetch-site": "cross-site"}),
            (own, {"sec-fetch-site": "same-site", "origin": "http://other.leads.test"}),
        )
        for method, address, _ in addresses(local, lead_id):
            for csrf, headers in tries:
                form = {
                    "csrf": csrf,
                    "token": csrf,
                    "lead": lead_id,
                    "verdict": "done",
                    "name": "eve",
                    "password": "correct horse battery",
                    "words": "x",
                }
                sent = {"data": form} if method == "POST" else {"params": form}
                await client.request(method, address, headers=headers, **sent)  # type: ignore[arg-type]
                assert stored(local) == before, (method, address, headers)
        form = {"csrf": own, "lead": lead_id, "verdict": "done"}
        await client.post("/answers", data=form)
        assert stored(local) != before  # the very same form counts where our own page sent it

    visit(local, "boss", walk)


def test_no_route_is_framed_or_leads_to_another_site(local: Site, whole: ReportView) -> None:
    async def walk(client: httpx.AsyncClient) -> None:
        csrf = fields((await client.get("/today")).text)["csrf"]
        seen = 0
        for lead_id in (whole.leads[0].lead_id, "none", "//evil.example", "<script>", "a\r\nx: y"):
            for method, address, path in addresses(local, lead_id):
                if path == "/logout":
                    continue
                for goes_to in ELSEWHERE:
                    named = dict.fromkeys(("next", "back", "url", "run", "found", "page"), goes_to)
                    given = {"csrf": csrf, "lead": lead_id, "verdict": "note", "because": "x"}
                    answer = await client.request(
                        method,
                        address,
                        params=named,
                        **({"data": {**given, **named}} if method == "POST" else {}),  # type: ignore[arg-type]
                    )
                    place = answer.headers.get("location", "/")
                    assert re.match(r"/(?![/\\])", place), (method, address, place)
                    assert "x" not in answer.headers
                    if "text/html" in answer.headers.get("content-type", ""):
                        seen += 1
                        _is_sealed(answer.headers, framed=path.startswith("/card/"))
        assert seen > 50

    visit(local, "boss", walk)


def _is_sealed(headers: httpx.Headers, *, framed: bool) -> None:
    """Refuse a page that may be framed, cached, or run anything but our own files."""
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy  # the example names no site that frames cards
    assert "unsafe" not in policy
    for name, value in HEADERS.items():
        if not (framed and name == "X-Frame-Options"):
            assert headers[name] == value
